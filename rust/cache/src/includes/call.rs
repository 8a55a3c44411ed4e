//! Finding the calls that include files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::path;
use super::scan::{self, Part, Token, Word};

/// How much of a dynamic call is quoted, in bytes.
const MAX_TEXT: usize = 120;
/// How many words of a call are looked at; one with more is dynamic.
const MAX_WORDS: usize = 1024;

#[derive(Debug, PartialEq)]
pub struct Call {
    pub what: What,
    /// From 1.
    pub line: usize,
    pub text: String,
}

#[derive(Debug, PartialEq)]
pub enum What {
    Include(PathBuf),
    /// `include_dependency`: a file that is read but is not code.
    Dependency(PathBuf),
    Dynamic,
}

/// The calls in the text of `file`, in its order.
pub fn find(source: &[u8], file: &Path) -> Vec<Call> {
    let mut finder = Finder {
        source,
        file,
        calls: Vec::new(),
        counted: (0, 1),
    };
    finder.search(&scan::words(source));
    finder.calls
}

struct Finder<'a> {
    source: &'a [u8],
    file: &'a Path,
    calls: Vec<Call>,
    /// A place in the source, and its line.
    counted: (usize, usize),
}

impl Finder<'_> {
    fn search(&mut self, tokens: &[Token<'_>]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match &token.word {
                Word::Text(text) => {
                    for part in &text.parts {
                        if let Part::Code(inner) = part {
                            self.search(inner);
                        }
                    }
                }
                Word::Name(b"using" | b"import" | b"export") => at += list_length(&tokens[at..]),
                Word::Name(b"include") => self.include(tokens, at - 1, false),
                Word::Name(b"include_dependency") => self.include(tokens, at - 1, true),
                _ => {}
            }
        }
    }

    /// The name at `at` is `include`, or `include_dependency`.
    fn include(&mut self, tokens: &[Token<'_>], at: usize, dependency: bool) {
        let before = at.checked_sub(1).map(|at| &tokens[at].word);
        let (next, rest) = match tokens.get(at + 1..) {
            Some([next, rest @ ..]) => (Some(&next.word), rest),
            _ => (None, &[][..]),
        };
        match (before, next) {
            (Some(Word::Name(b"function" | b"macro")), _) => {}
            (_, Some(Word::Mark(b'('))) if adjoins(tokens, at) => {
                let start = tokens[at].start;
                let Some((arguments, after)) = arguments(rest) else {
                    self.push(What::Dynamic, start, start..self.line_end(start));
                    return;
                };
                if assigns(after) {
                    // `include(path) = ..`
                    return;
                }
                let value = arguments
                    .last()
                    .and_then(|argument| path::evaluate(argument, self.file));
                let what = match value {
                    Some(path) if dependency => What::Dependency(path),
                    Some(path) => What::Include(path),
                    None => What::Dynamic,
                };
                let close = &rest[rest.len() - after.len() - 1];
                self.push(what, start, start..close.start + 1);
            }
            _ if dependency || assigns(&tokens[at + 1..]) || is_compared(tokens, at) => {}
            // `:include`, and `[:include, ..]`
            (Some(Word::Mark(b':')), _) => {}
            // The function itself, as in `foreach(include, files)`.
            _ => {
                let start = tokens[at].start;
                let line = self.line_start(start)..self.line_end(start);
                self.push(What::Dynamic, start, line);
            }
        }
    }

    /// Adds the call at `start`; `quoted` is what is shown of it.
    fn push(&mut self, what: What, start: usize, quoted: Range<usize>) {
        let (from, line) = self.counted;
        let lines = self.source[from..start].iter().filter(|b| **b == b'\n');
        let line = line + lines.count();
        self.counted = (start, line);
        let text = self.source.get(quoted).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]);
        // On one line, for a message.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.calls.push(Call { what, line, text });
    }

    fn line_start(&self, at: usize) -> usize {
        let before = &self.source[..at];
        before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1)
    }

    fn line_end(&self, start: usize) -> usize {
        let rest = &self.source[start..];
        start + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
    }
}

/// Whether the parenthesis behind the name at `at` makes a call: a blank before it makes none.
fn adjoins(tokens: &[Token<'_>], at: usize) -> bool {
    match &tokens[at].word {
        Word::Name(name) => tokens[at + 1].start == tokens[at].start + name.len(),
        _ => false,
    }
}

/// How many tokens the names behind `import` are, which do not call.
fn list_length(tokens: &[Token<'_>]) -> usize {
    let mut goes_on = true;
    for (at, token) in tokens.iter().enumerate() {
        match token.word {
            Word::Mark(b';') | Word::Text(_) | Word::Value => return at,
            Word::Name(b"end" | b"else" | b"catch" | b"finally") => return at,
            Word::Mark(b'\n') if goes_on => {}
            Word::Mark(b'\n') => return at,
            Word::Mark(b',' | b':') => goes_on = true,
            Word::Name(_) | Word::Macro(_) | Word::Mark(_) => goes_on = false,
        }
    }
    tokens.len()
}

/// Whether `=` follows, which is not `==` or `=>`.
fn assigns(tokens: &[Token<'_>]) -> bool {
    is_mark(tokens, Some(0), b"=") && !is_mark(tokens, Some(1), b"=>")
}

/// Whether one of the marks `wanted` is at `at`.
fn is_mark(tokens: &[Token<'_>], at: Option<usize>, wanted: &[u8]) -> bool {
    at.and_then(|at| tokens.get(at))
        .is_some_and(|t| matches!(t.word, Word::Mark(byte) if wanted.contains(&byte)))
}

/// Whether the name at `at`, which may be one of a module, is one side of `==`, `===`, `!=` or `!==`: it
/// is not called then.
fn is_compared(tokens: &[Token<'_>], at: usize) -> bool {
    let mark = |at, wanted| is_mark(tokens, at, wanted);
    let mut first = at;
    while mark(first.checked_sub(1), b".")
        && let Some(module) = first.checked_sub(2)
        && matches!(tokens[module].word, Word::Name(_))
    {
        first = module;
    }
    let before = mark(first.checked_sub(1), b"=") && mark(first.checked_sub(2), b"=!");
    let after = mark(Some(at + 1), b"=!") && mark(Some(at + 2), b"=");
    before || after
}

/// Arguments of a call, and what is behind its parenthesis.
type Arguments<'t, 'a> = (Vec<&'t [Token<'a>]>, &'t [Token<'a>]);

/// The positional arguments of a call whose parenthesis is open; `None` when it does not close.
fn arguments<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<Arguments<'t, 'a>> {
    let mut list = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    let mut positional = true;
    for (at, token) in tokens.iter().enumerate().take(MAX_WORDS) {
        match token.word {
            Word::Mark(b'(' | b'[' | b'{') => depth += 1,
            Word::Mark(b')' | b']' | b'}') if depth > 0 => depth -= 1,
            Word::Mark(end @ (b')' | b']' | b'}' | b',' | b';')) if depth == 0 => {
                let argument = &tokens[start..at];
                if positional && argument.iter().any(|t| t.word != Word::Mark(b'\n')) {
                    list.push(argument);
                }
                if !matches!(end, b',' | b';') {
                    return Some((list, &tokens[at + 1..]));
                }
                start = at + 1;
                // Keywords follow.
                positional &= end == b',';
            }
            _ => {}
        }
    }
    None
}
