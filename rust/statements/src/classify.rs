//! What the text of a statement lets one expect, before it is evaluated.
//!
//! A class is a hint for the report, when a statement did nothing or failed. It is taken from the
//! text alone, so it cannot know whether `Main.Foo` is a module that is loaded, nor whether a
//! generated name still exists.

use crate::calls::code_in;

/// A class of statements that often cannot be used in an image.
///
/// ```
/// use pcrs_statements::classify::Class;
/// assert!(Class::Gensym.sentence().ends_with('.'));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Refers to names in `Main`, so it belongs to the workload script itself.
    ScriptLocal,
    /// Refers to names that Julia generated, as for closures.
    Gensym,
    /// Has a form that this version of Julia does not write.
    OtherVersionFormat,
    /// Would run code to work out its arguments; [`code_in`] says where.
    CallsCode,
}

impl Class {
    /// Every class, in the order of declaration.
    pub const ALL: [Self; 4] = [
        Self::ScriptLocal,
        Self::Gensym,
        Self::OtherVersionFormat,
        Self::CallsCode,
    ];

    /// A stable short name, for reports that a program reads.
    ///
    /// ```
    /// use pcrs_statements::classify::Class;
    /// assert_eq!(Class::ScriptLocal.name(), "script_local");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::ScriptLocal => "script_local",
            Self::Gensym => "gensym",
            Self::OtherVersionFormat => "other_version_format",
            Self::CallsCode => "calls_code",
        }
    }

    /// One sentence of help for a user.
    ///
    /// ```
    /// use pcrs_statements::classify::Class;
    /// println!("{}", Class::ScriptLocal.sentence());
    /// ```
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ScriptLocal => {
                "Belongs to the workload script (`Main.`), not to a package; move the code into a \
                 package to have it compiled into the image."
            }
            Self::Gensym => {
                "Names something that Julia numbered by itself, such as a closure, so it holds \
                 only for the very code it was traced with; trace again after a change."
            }
            Self::OtherVersionFormat => {
                "Written in the way of another Julia version; trace the workload with the version \
                 that the image is for."
            }
            Self::CallsCode => {
                "Calls a function to work out its arguments, so it is not evaluated; write the types \
                 themselves, or run it as a workload if you trust the code."
            }
        }
    }
}

/// The classes of one statement.
///
/// ```
/// use pcrs_statements::classify::classify;
/// let hints = classify("precompile(Tuple{Main.var\"#3#4\", Int64})", (1, 11));
/// assert!(hints.script_local && hints.gensym && !hints.other_version_format);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Hints {
    /// See [`Class::ScriptLocal`].
    pub script_local: bool,
    /// See [`Class::Gensym`].
    pub gensym: bool,
    /// See [`Class::OtherVersionFormat`].
    pub other_version_format: bool,
    /// See [`Class::CallsCode`].
    pub calls_code: bool,
}

impl Hints {
    /// Whether the statement is in `class`.
    ///
    /// ```
    /// use pcrs_statements::classify::{Class, classify};
    /// assert!(!classify("precompile(f, (Int,))", (1, 10)).has(Class::Gensym));
    /// ```
    pub fn has(self, class: Class) -> bool {
        match class {
            Class::ScriptLocal => self.script_local,
            Class::Gensym => self.gensym,
            Class::OtherVersionFormat => self.other_version_format,
            Class::CallsCode => self.calls_code,
        }
    }

    /// The classes the statement is in.
    ///
    /// ```
    /// use pcrs_statements::classify::{Class, classify};
    /// let hints = classify("precompile(Main.f, (Int,))", (1, 10));
    /// assert_eq!(hints.classes().collect::<Vec<_>>(), [Class::ScriptLocal]);
    /// ```
    pub fn classes(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |&class| self.has(class))
    }
}

/// A name that Julia writes in some versions only, as dotted names stand in a statement.
struct Mark {
    name: &'static str,
    since: (u32, u32),
    until: (u32, u32),
}

const EVER: (u32, u32) = (0, 0);
const STILL: (u32, u32) = (u32::MAX, u32::MAX);

/// What has changed in how Julia writes statements. `until` is the first version without the name.
const MARKS: &[Mark] = &[
    Mark {
        name: "Base.Iterators.Pairs",
        since: EVER,
        until: (1, 7),
    },
    Mark {
        name: "Base.Pairs",
        since: (1, 7),
        until: STILL,
    },
    Mark {
        name: "Core.kwcall",
        since: (1, 9),
        until: STILL,
    },
    Mark {
        name: "@Kwargs",
        since: (1, 10),
        until: STILL,
    },
    Mark {
        name: "Core.AddrSpace",
        since: (1, 11),
        until: STILL,
    },
    Mark {
        name: "GenericMemory",
        since: (1, 11),
        until: STILL,
    },
    Mark {
        name: "Core.GenericMemory",
        since: (1, 11),
        until: STILL,
    },
];

/// The first version that calls `Core.kwcall` for keyword arguments, where there was a function
/// `f##kw` for each function before.
const KWCALL_SINCE: (u32, u32) = (1, 9);

/// Looks at the normalised text of a statement, for Julia `version` as `(major, minor)`.
///
/// Takes the text of a [`Statement`](crate::Statement); for other text the hints mean nothing.
///
/// ```
/// use pcrs_statements::classify::classify;
/// let text = "precompile(Tuple{Base.var\"#sort##kw\", NamedTuple{(:by,), Tuple{typeof(abs)}}})";
/// assert!(classify(text, (1, 11)).other_version_format);
/// assert!(!classify(text, (1, 8)).other_version_format);
/// ```
pub fn classify(text: &str, version: (u32, u32)) -> Hints {
    let mut hints = Hints {
        calls_code: code_in(text).is_some(),
        ..Hints::default()
    };
    for word in Words::new(text) {
        match word {
            Word::Name(name) => {
                hints.script_local |= name == "Main" || name.starts_with("Main.");
                hints.other_version_format |= MARKS
                    .iter()
                    .any(|m| m.name == name && !(m.since <= version && version < m.until));
            }
            Word::Quoted(name) => {
                let sorter = is_keyword_sorter(name);
                hints.gensym |= !sorter && is_generated(name);
                hints.other_version_format |= sorter && version >= KWCALL_SINCE;
            }
        }
    }
    hints
}

/// Whether a dotted name in the text of a statement starts with `name`, which is then a module.
///
/// ```
/// use pcrs_statements::classify::starts_a_name;
/// let text = "precompile(Tuple{Distributed.var\"#1#2\", A.Timer})";
/// assert!(starts_a_name(text, "Distributed"));
/// assert!(!starts_a_name(text, "Timer"));
/// ```
pub fn starts_a_name(text: &str, name: &str) -> bool {
    Words::new(text).any(|word| match word {
        Word::Name(dotted) => dotted
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.')),
        Word::Quoted(_) => false,
    })
}

/// What the dotted names in the text of a statement start with: names of modules.
///
/// ```
/// use pcrs_statements::classify::modules;
/// let text = "precompile(Tuple{typeof(A.f), Int, B.C.T, var\"#1#2\"})";
/// assert_eq!(modules(text).collect::<Vec<_>>(), ["A", "B"]);
/// ```
pub fn modules(text: &str) -> impl Iterator<Item = &str> {
    Words::new(text).filter_map(|word| match word {
        Word::Name(dotted) => dotted.split_once('.').map(|(module, _)| module),
        Word::Quoted(_) => None,
    })
}

/// Whether a name that has to be quoted is that of a keyword sorter: `#f##kw`, `#kw#Type`.
fn is_keyword_sorter(name: &str) -> bool {
    name.ends_with("##kw") || name.starts_with("#kw#")
}

/// Whether a name that has to be quoted was made by Julia: those start with `#`, and so do the
/// names of macros in old files, as `#@time`. That of a type variable, as `#s45`, refers to nothing.
fn is_generated(name: &str) -> bool {
    name.starts_with('#') && !name.starts_with("#@") && !is_type_variable(name)
}

/// Whether `name` is one that Julia gives to a type variable without a name: `#s45`.
fn is_type_variable(name: &str) -> bool {
    let digits = name.strip_prefix("#s").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

enum Word<'a> {
    /// A dotted name, or that of a macro: `Base.Pairs`, `@Kwargs`.
    Name(&'a str),
    /// The text of a string, as in `var"#3#4"` and `Symbol("#3#4")`.
    Quoted(&'a str),
}

/// The names and strings in a statement.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The index of the quote that ends the string whose text starts at `at`.
    fn string_end(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut i = at;
        while i < bytes.len() && bytes[i] != b'"' {
            i += if bytes[i] == b'\\' { 2 } else { 1 };
        }
        i.min(bytes.len())
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            let start = self.at;
            match byte {
                b'"' => {
                    let end = self.string_end(start + 1);
                    self.at = end + 1;
                    return Some(Word::Quoted(self.text.get(start + 1..end).unwrap_or("")));
                }
                // A character literal may be a quote: `'"'`, `'\''`.
                b'\'' => {
                    let escaped = bytes.get(start + 1) == Some(&b'\\');
                    let close = start + if escaped { 3 } else { 2 };
                    self.at = if bytes.get(close) == Some(&b'\'') {
                        close + 1
                    } else {
                        start + 1
                    };
                }
                _ if is_name_byte(byte) => {
                    let more = bytes[start..]
                        .iter()
                        .position(|&b| !is_name_byte(b) && b != b'.');
                    self.at = more.map_or(bytes.len(), |n| start + n);
                    // A symbol is a value, not a reference.
                    match start.checked_sub(1).map(|before| bytes[before]) {
                        Some(b':') => {}
                        Some(b'@') => return Some(Word::Name(&self.text[start - 1..self.at])),
                        _ => return Some(Word::Name(&self.text[start..self.at])),
                    }
                }
                _ => self.at += 1,
            }
        }
        None
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'!' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, version: (u32, u32)) -> Vec<&'static str> {
        classify(text, version).classes().map(Class::name).collect()
    }

    #[test]
    fn script_local_statements() {
        for text in [
            "precompile(Tuple{typeof(Main.main), Array{String, 1}})",
            "precompile(Tuple{Type{Main.P}, Int64})",
            "precompile(Main.f, (Int,))",
            "precompile(getfield(Main, :f), (Int,))",
            "precompile(Tuple{Main, typeof(f)})",
        ] {
            assert_eq!(names(text, (1, 10)), ["script_local"], "{text}");
        }
        for text in [
            "precompile(Tuple{typeof(A.Main.f), Int64})",
            "precompile(Tuple{typeof(Mainly.f), Int64})",
            "precompile(Tuple{Base.Val{:Main}, Int64})",
            "precompile(Tuple{Base.Val{Symbol(\"Main.f\")}, Int64})",
            "precompile(Tuple{A.var\"Main.f\", Int64})",
            "precompile(f, (Val{'\"'}, Val{\"Main.\"}))",
            "precompile(f, (Val{'\\''}, Val{\"Main.\"}))",
        ] {
            assert_eq!(names(text, (1, 10)), [""; 0], "{text}");
        }
    }

    #[test]
    fn generated_names() {
        for text in [
            "precompile(Tuple{A.var\"#12#13\", Int64})",
            "precompile(Tuple{A.var\"#12#13\"{Int64}, Int64})",
            "precompile(Tuple{A.var\"#foo#5\", Int64})",
            "precompile(Tuple{A.var\"##foo#234\", Int64})",
            "precompile(Tuple{getfield(A, Symbol(\"##foo#234\")), Int64})",
            "precompile(Tuple{A.var\"#inner##0#outer\", Int64})",
        ] {
            assert_eq!(names(text, (1, 12)), ["gensym"], "{text}");
        }
        for text in [
            "precompile(Tuple{A.var\"@time\", Int64})",
            "precompile(Tuple{getfield(A, Symbol(\"#@doc\")), Module})",
            "precompile(Tuple{A.var\"a#b\", Int64})",
            "precompile(Tuple{Type{Array{var\"#s45\"}} where var\"#s45\"<:Real})",
        ] {
            assert_eq!(names(text, (1, 12)), [""; 0], "{text}");
        }
    }

    #[test]
    fn forms_of_other_versions() {
        let sorter = "precompile(Tuple{A.var\"#f##kw\", Any, typeof(A.f)})";
        assert_eq!(names(sorter, (1, 8)), [""; 0]);
        assert_eq!(names(sorter, (1, 9)), ["other_version_format"]);
        let kwcall = "precompile(Tuple{typeof(Core.kwcall), Any, typeof(A.f)})";
        assert_eq!(names(kwcall, (1, 8)), ["other_version_format"]);
        assert_eq!(names(kwcall, (1, 9)), [""; 0]);
        let memory =
            "precompile(f, (GenericMemory{:not_atomic, Int, Core.AddrSpace{Core}(0x00)},))";
        assert_eq!(names(memory, (1, 10)), ["other_version_format"]);
        assert_eq!(names(memory, (1, 11)), [""; 0]);
        let pairs = "precompile(f, (Base.Iterators.Pairs{Symbol, Int64, A, B},))";
        assert_eq!(names(pairs, (1, 6)), [""; 0]);
        assert_eq!(names(pairs, (1, 7)), ["other_version_format"]);
        let kwargs = "precompile(f, (@Kwargs{a::Int},))";
        assert_eq!(names(kwargs, (1, 9)), ["other_version_format"]);
        assert_eq!(names(kwargs, (1, 10)), [""; 0]);
        assert_eq!(names("precompile(f, (MyCore.kwcall,))", (1, 8)), [""; 0]);
        assert_eq!(names("precompile(f, (Kwargs,))", (1, 8)), [""; 0]);
    }

    #[test]
    fn calls_of_code() {
        for text in [
            "precompile(evil(), (Int,))",
            "precompile(A.evil(Int))",
            "precompile(A.var\"Evil\"(1), (Int,))",
            "precompile(getfield(A, :f)(1), (Int,))",
            "precompile(fs[1](2), (Int,))",
            "precompile(A.:(+)(1, 2), (Int,))",
        ] {
            assert_eq!(names(text, (1, 12)), ["calls_code"], "{text}");
        }
        for text in [
            "precompile(f, (Int,))",
            "precompile(Tuple{Core.kwftype(typeof(A.f)), Any, typeof(f)})",
            "precompile(f, (Val{Core.AddrSpace{Core}(0x00)}, Val{Char(0x61)}, Val{(1, 2)}))",
            "precompile(f, (Val{\"evil()\"}, Val{:(+)}))",
        ] {
            assert_eq!(names(text, (1, 12)), [""; 0], "{text}");
        }
    }

    #[test]
    fn any_text_is_taken() {
        for text in ["", "\"", "'", "'\\", "\"\\", "é\"é", "'é'", "Main"] {
            let _ = classify(text, (1, 11));
        }
    }
}
