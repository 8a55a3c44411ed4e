//! Lines that are not taken, and why.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Why a line was not taken as a statement. A rejected line is never evaluated.
///
/// ```
/// use pcrs_statements::RejectReason;
/// assert!(RejectReason::Truncated.sentence().ends_with('.'));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectReason {
    /// The line is no call of `precompile`.
    NotAStatement,
    /// The line starts like a statement, but no well-formed call follows on it and the next lines.
    Malformed,
    /// The source ends inside a statement, or inside a block comment that started on this line.
    Truncated,
    /// The line would run more than one `precompile` call.
    Unsafe,
    /// The line is not UTF-8 text.
    NotUtf8,
    /// The line is longer, or nested deeper, than any real statement.
    TooBig,
    /// The statement needs the local `fbody` that SnoopCompile's `let` block looks up.
    KeywordBody,
}

impl RejectReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::NotAStatement,
        Self::Malformed,
        Self::Truncated,
        Self::Unsafe,
        Self::NotUtf8,
        Self::TooBig,
        Self::KeywordBody,
    ];

    /// A stable short name, for reports that a program reads.
    ///
    /// ```
    /// use pcrs_statements::RejectReason;
    /// assert_eq!(RejectReason::NotUtf8.name(), "not_utf8");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAStatement => "not_a_statement",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Unsafe => "unsafe",
            Self::NotUtf8 => "not_utf8",
            Self::TooBig => "too_big",
            Self::KeywordBody => "keyword_body",
        }
    }

    /// One sentence of help for a user.
    ///
    /// ```
    /// use pcrs_statements::RejectReason;
    /// println!("{}", RejectReason::Unsafe.sentence());
    /// ```
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotAStatement => {
                "Not a `precompile(...)` call; only such calls are taken from a statements file."
            }
            Self::Malformed => {
                "Starts as a `precompile(...)` call but does not parse as one; Julia writes a few \
                 values in a form that it cannot read back."
            }
            Self::Truncated => {
                "The source ends inside this statement or comment, probably because the process \
                 that wrote it was stopped; run the workload again to get it whole."
            }
            Self::Unsafe => {
                "Would run other code besides one `precompile(...)` call (a second call, a macro, \
                 a shell command, an assignment or string interpolation), so it is left out."
            }
            Self::NotUtf8 => {
                "Not UTF-8 text; if PowerShell's `>` wrote the file it is UTF-16, so let \
                 `--trace-compile=FILE` write it instead."
            }
            Self::TooBig => {
                "Longer than 1 MiB or nested more than 512 deep, which no real statement is."
            }
            Self::KeywordBody => {
                "Needs the `fbody` that SnoopCompile looks up in the lines above it; trace the \
                 workload with `--trace-compile` to get this statement in a form of its own."
            }
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// A line that was not taken.
///
/// ```
/// # use pcrs_statements::{Merger, SourceKind};
/// # let mut merger = Merger::new();
/// # merger.add_reader(SourceKind::Trace, &b"hello\n"[..]).unwrap();
/// for rejected in &merger.finish().rejected {
///     println!("line {}: {}: {}", rejected.line, rejected.text, rejected.reason);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Index of the source in the order the sources were given.
    pub source: u32,
    /// Line number, from 1; of a call over several lines, that of the first.
    pub line: u32,
    /// The line or call, at most [`Rejected::TEXT_CHARS`] characters of it, unprintable ones
    /// escaped.
    pub text: Box<str>,
    /// Why it was not taken.
    pub reason: RejectReason,
}

impl Rejected {
    /// How many characters of a rejected line are kept.
    pub const TEXT_CHARS: usize = 200;

    pub(crate) fn new(source: u32, line: u32, raw: &[u8], reason: RejectReason) -> Self {
        Self {
            source,
            line,
            text: shorten(raw),
            reason,
        }
    }
}

/// Lines of one source that hold no `precompile`, and were too many to be kept one by one.
///
/// ```
/// # use pcrs_statements::{Merged, Merger, SourceKind};
/// # let mut merger = Merger::new();
/// # let text: String = (0..Merged::OTHERS_KEPT + 3).map(|i| format!("x{i}\n")).collect();
/// # merger.add_reader(SourceKind::Trace, text.as_bytes()).unwrap();
/// let merged = merger.finish();
/// assert_eq!(merged.rejected.len(), Merged::OTHERS_KEPT);
/// assert_eq!(merged.unlisted[0].lines, 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlisted {
    /// Index of the source in the order the sources were given.
    pub source: u32,
    /// The first of the lines, from 1.
    pub line: u32,
    /// How many there are.
    pub lines: u64,
}

/// What a rejected line is to the report.
pub(crate) enum Kept {
    /// A row of its own.
    New,
    /// The same as a line before.
    Again,
    /// One of too many that hold no statement.
    Unlisted,
}

/// Which rejected lines are known, and how many of a source are no statements.
#[derive(Default)]
pub(crate) struct Account {
    /// Hashes of whole lines with their reason: of long lines only the start is kept.
    known: HashSet<u64>,
    others: usize,
}

impl Account {
    /// How many lines of a source without a `precompile` are kept.
    pub(crate) const OTHERS_KEPT: usize = 1000;

    /// Starts anew for another source.
    pub(crate) fn next_source(&mut self) {
        // Of another file, the same line has another place.
        self.known.clear();
        self.others = 0;
    }

    /// Takes account of the line `raw`. If it is `partial`, the start of several, it says too little
    /// to be the same as another.
    pub(crate) fn add(&mut self, raw: &[u8], reason: RejectReason, partial: bool) -> Kept {
        let may_be_statement =
            reason == RejectReason::Truncated || memchr::memmem::find(raw, b"precompile").is_some();
        if may_be_statement && partial {
            return Kept::New;
        }
        let mut hasher = DefaultHasher::new();
        (raw.trim_ascii(), reason).hash(&mut hasher);
        let hash = hasher.finish();
        if self.known.contains(&hash) {
            return Kept::Again;
        }
        if !may_be_statement {
            if self.others == Self::OTHERS_KEPT {
                return Kept::Unlisted;
            }
            self.others += 1;
        }
        self.known.insert(hash);
        Kept::New
    }
}

/// The start of a line as printable text; the escapes keep a hostile line from driving a terminal.
fn shorten(raw: &[u8]) -> Box<str> {
    // Four bytes a character at most, and one more character to know that some were cut.
    let head = &raw[..raw.len().min((Rejected::TEXT_CHARS + 1) * 4)];
    let lossy = String::from_utf8_lossy(head);
    let mut text = String::with_capacity(head.len().min(Rejected::TEXT_CHARS));
    let mut chars = lossy.trim().chars();
    for c in chars.by_ref().take(Rejected::TEXT_CHARS - 1) {
        text.push(match c {
            '\t' => c,
            '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        });
    }
    if chars.next().is_some() || head.len() < raw.len() {
        text.push('…');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_hostile_lines_are_shortened() {
        let long = "é".repeat(5000);
        let text = shorten(long.as_bytes());
        assert_eq!(text.chars().count(), Rejected::TEXT_CHARS);
        assert!(text.ends_with('…'));
        assert_eq!(&*shorten(b"  a\x1b[31mb\xff  "), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(&*shorten(b"f(\n1)\n"), "f( 1)");
        assert_eq!(&*shorten(b""), "");
    }

    #[test]
    fn each_reason_has_its_own_name_and_sentence() {
        for (i, a) in RejectReason::ALL.iter().enumerate() {
            assert!(a.sentence().ends_with('.'), "{a:?}");
            for b in &RejectReason::ALL[i + 1..] {
                assert_ne!(a.name(), b.name());
                assert_ne!(a.sentence(), b.sentence());
            }
        }
    }
}
