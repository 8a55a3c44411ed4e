//! The value of an expression that makes a path of literals, as Julia would compute it in a file.

use std::path::{Component, Path, PathBuf};

use super::scan::{Part, Token, Word};

/// How deep expressions may nest.
const MAX_DEPTH: usize = 32;

/// The path that the tokens of one expression stand for in `file`, absolute and normalised.
pub fn evaluate(tokens: &[Token<'_>], file: &Path) -> Option<PathBuf> {
    let mut evaluator = Evaluator {
        tokens,
        at: 0,
        file,
        depth: 0,
    };
    let value = evaluator.whole()?;
    if value.is_empty() || value.contains('\0') {
        return None;
    }
    Some(normalized(&evaluator.folder()?.join(value)))
}

/// `path` without `.` and `..`, by its text alone, as Julia's `normpath`.
pub fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                // Nothing is above the root.
                if matches!(out.components().next_back(), Some(Component::Normal(_))) {
                    out.pop();
                } else if !out.has_root() {
                    out.push(part);
                }
            }
            _ => out.push(part),
        }
    }
    out
}

struct Evaluator<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    file: &'t Path,
    depth: usize,
}

impl<'t, 'a> Evaluator<'t, 'a> {
    fn folder(&self) -> Option<&'t Path> {
        self.file.parent()
    }

    /// The next word; lines do not end inside parentheses.
    fn peek(&mut self) -> Option<&'t Word<'a>> {
        loop {
            match &self.tokens.get(self.at)?.word {
                Word::Mark(b'\n') => self.at += 1,
                word => return Some(word),
            }
        }
    }

    fn take(&mut self, mark: u8) -> bool {
        let there = self.peek() == Some(&Word::Mark(mark));
        self.at += usize::from(there);
        there
    }

    /// A product, and nothing else.
    fn whole(&mut self) -> Option<String> {
        let value = self.product()?;
        self.peek().is_none().then_some(value)
    }

    /// Terms joined by `*`.
    fn product(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut value = self.term()?;
        while self.take(b'*') {
            value.push_str(&self.term()?);
        }
        self.depth -= 1;
        Some(value)
    }

    fn term(&mut self) -> Option<String> {
        let word = self.peek()?;
        self.at += 1;
        match word {
            Word::Text(text) if text.exact => self.text(&text.parts),
            Word::Mark(b'(') => {
                let value = self.product()?;
                self.take(b')').then_some(value)
            }
            Word::Macro(b"__DIR__") => {
                self.empty_call()?;
                Some(self.folder()?.to_str()?.to_string())
            }
            Word::Macro(b"__FILE__") => {
                self.empty_call()?;
                Some(self.file.to_str()?.to_string())
            }
            Word::Name(name) => {
                let arguments = self.arguments()?;
                self.apply(name, &arguments)
            }
            _ => None,
        }
    }

    /// Parentheses that may follow a macro.
    fn empty_call(&mut self) -> Option<()> {
        (!self.take(b'(') || self.take(b')')).then_some(())
    }

    fn arguments(&mut self) -> Option<Vec<String>> {
        let mut values = Vec::new();
        if !self.take(b'(') {
            return None;
        }
        while !self.take(b')') {
            values.push(self.product()?);
            if !self.take(b',') && self.peek() != Some(&Word::Mark(b')')) {
                return None;
            }
        }
        Some(values)
    }

    fn apply(&self, function: &[u8], arguments: &[String]) -> Option<String> {
        let path = match (function, arguments) {
            (b"string", parts) => return Some(parts.concat()),
            (b"joinpath", [first, rest @ ..]) => rest
                .iter()
                .fold(PathBuf::from(first), |path, part| path.join(part)),
            (b"dirname", [path]) => Path::new(path).parent()?.to_path_buf(),
            (b"normpath", [first, rest @ ..]) => normalized(
                &rest
                    .iter()
                    .fold(PathBuf::from(first), |path, part| path.join(part)),
            ),
            // Relative to the working folder, which the text does not tell.
            (b"abspath", [path]) if Path::new(path).is_absolute() => normalized(Path::new(path)),
            _ => return None,
        };
        path.into_os_string().into_string().ok()
    }

    fn text(&self, parts: &[Part<'_>]) -> Option<String> {
        let mut value = String::new();
        for part in parts {
            match part {
                Part::Plain(bytes) => value.push_str(std::str::from_utf8(bytes).ok()?),
                Part::Code(tokens) => {
                    let mut inner = Evaluator {
                        tokens,
                        at: 0,
                        file: self.file,
                        depth: self.depth,
                    };
                    value.push_str(&inner.whole()?);
                }
            }
        }
        Some(value)
    }
}
