//! Julia's source as words: names, strings and marks, without comments and blanks.
//!
//! No parser: enough to tell code from comments, strings and characters. Any bytes give some words.

/// How deep code may nest in strings; what is deeper is not looked at.
const MAX_DEPTH: usize = 32;

#[derive(Debug, PartialEq)]
pub struct Token<'a> {
    pub word: Word<'a>,
    /// Where it starts in the source.
    pub start: usize,
}

#[derive(Debug, PartialEq)]
pub enum Word<'a> {
    Name(&'a [u8]),
    /// Without the `@`.
    Macro(&'a [u8]),
    Text(Text<'a>),
    /// A number or a character.
    Value,
    /// Any other byte, and a line's end.
    Mark(u8),
}

/// A string, or a command.
#[derive(Debug, PartialEq)]
pub struct Text<'a> {
    pub parts: Vec<Part<'a>>,
    /// Whether the parts make up its value.
    pub exact: bool,
}

#[derive(Debug, PartialEq)]
pub enum Part<'a> {
    Plain(Vec<u8>),
    /// Interpolated.
    Code(Vec<Token<'a>>),
}

pub fn words(source: &[u8]) -> Vec<Token<'_>> {
    let mut scanner = Scanner {
        source,
        at: 0,
        depth: 0,
    };
    scanner.code(false)
}

struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    depth: usize,
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit()
}

impl<'a> Scanner<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &[u8]) -> bool {
        self.source[self.at..].starts_with(text)
    }

    /// Words up to the end, or behind the `)` that closes an interpolation.
    fn code(&mut self, interpolated: bool) -> Vec<Token<'a>> {
        let mut tokens = Vec::new();
        let mut open = 0usize;
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            if interpolated && byte == b')' && open == 0 {
                self.at += 1;
                break;
            }
            let word = match byte {
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                b'#' => {
                    self.comment();
                    continue;
                }
                b'"' => self.string(b"\""),
                b'`' => Word::Text(Text {
                    exact: false,
                    ..self.text(b'`', true)
                }),
                b'\'' => self.quote(),
                b'@' if self.peek(1).is_some_and(starts_name) => {
                    self.at += 1;
                    Word::Macro(self.name())
                }
                _ if starts_name(byte) => {
                    let name = self.name();
                    if matches!(self.peek(0), Some(b'"' | b'`')) {
                        self.string(name)
                    } else {
                        Word::Name(name)
                    }
                }
                b'0'..=b'9' => {
                    self.skip(in_name);
                    Word::Value
                }
                _ => {
                    self.at += 1;
                    match byte {
                        b'(' => open += 1,
                        b')' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    Word::Mark(byte)
                }
            };
            tokens.push(Token { word, start });
        }
        tokens
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip(in_name);
        // `push!`, but not `a!=b`.
        while self.peek(0) == Some(b'!') && self.peek(1) != Some(b'=') {
            self.at += 1;
            self.skip(in_name);
        }
        &self.source[start..self.at]
    }

    fn comment(&mut self) {
        if !self.starts_with(b"#=") {
            self.skip(|byte| byte != b'\n');
            return;
        }
        let mut depth = 0usize;
        while self.at < self.source.len() {
            if self.starts_with(b"#=") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with(b"=#") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// A character, or the adjoint of what stands directly before.
    fn quote(&mut self) -> Word<'a> {
        let before = self.at.checked_sub(1).map(|at| self.source[at]);
        self.at += 1;
        if before
            .is_some_and(|b| in_name(b) || matches!(b, b')' | b']' | b'}' | b'\'' | b'"' | b'.'))
        {
            return Word::Mark(b'\'');
        }
        let escaped = self.peek(0) == Some(b'\\');
        let rest = &self.source[self.at..];
        let length = if escaped {
            // `'\''` and `'\U10ffff'`
            rest.iter()
                .skip(2)
                .take(9)
                .position(|b| *b == b'\'')
                .map(|at| at + 2)
        } else {
            let width = match rest.first() {
                Some(0xC0..=0xDF) => 2,
                Some(0xE0..=0xEF) => 3,
                Some(0xF0..=0xFF) => 4,
                _ => 1,
            };
            // A combined character is several to UTF-8.
            let end = rest.iter().skip(width).take(16).position(|b| *b == b'\'');
            end.filter(|at| *at == 0 || rest[0] >= 0x80)
                .map(|at| at + width)
        };
        match length {
            Some(length) => {
                self.at += length + 1;
                Word::Value
            }
            None => Word::Mark(b'\''),
        }
    }

    /// A string, from its opening quote; `prefix` is the name before it, or a quote.
    fn string(&mut self, prefix: &[u8]) -> Word<'a> {
        let quote = self.source[self.at];
        let plain = prefix == b"\"";
        let mut text = self.text(quote, plain);
        text.exact &= plain || (prefix == b"raw" && quote == b'"');
        Word::Text(text)
    }

    fn text(&mut self, quote: u8, interpolates: bool) -> Text<'a> {
        let triple = self.starts_with(&[quote; 3]);
        let end: &[u8] = if triple { &[quote; 3] } else { &[quote] };
        self.at += end.len();
        let mut text = Text {
            parts: Vec::new(),
            // Julia takes the indentation off the lines of a triple-quoted string.
            exact: true,
        };
        let mut plain = Vec::new();
        loop {
            if self.starts_with(end) {
                self.at += end.len();
                break;
            }
            let Some(byte) = self.peek(0) else {
                text.exact = false;
                break;
            };
            self.at += 1;
            match byte {
                b'\\' if interpolates => text.exact &= self.escape(&mut plain),
                b'\\' => self.raw_escape(quote, &mut plain),
                b'$' if interpolates && self.interpolates() => {
                    text.parts.push(Part::Plain(std::mem::take(&mut plain)));
                    text.parts.push(Part::Code(self.interpolation()));
                }
                _ => {
                    text.exact &= byte != b'\n' || !triple;
                    plain.push(byte);
                }
            }
        }
        text.parts.push(Part::Plain(plain));
        text
    }

    fn interpolates(&self) -> bool {
        self.peek(0)
            .is_some_and(|byte| byte == b'(' || starts_name(byte))
            && self.depth < MAX_DEPTH
    }

    fn interpolation(&mut self) -> Vec<Token<'a>> {
        let start = self.at;
        if self.peek(0) == Some(b'(') {
            self.at += 1;
            self.depth += 1;
            let tokens = self.code(true);
            self.depth -= 1;
            tokens
        } else {
            vec![Token {
                word: Word::Name(self.name()),
                start,
            }]
        }
    }

    /// What stands behind a backslash; `false` when its value is not known.
    fn escape(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(byte) = self.peek(0) else {
            return false;
        };
        self.at += 1;
        match byte {
            b'\\' | b'"' | b'$' | b'\'' | b'`' => out.push(byte),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            // Numbers of characters, and lines that go on: of no use in a path.
            _ => return false,
        }
        true
    }

    /// In a raw string, backslashes are that, but for those directly before a quote: two make one,
    /// and one more makes the quote a character.
    fn raw_escape(&mut self, quote: u8, out: &mut Vec<u8>) {
        let start = self.at - 1;
        self.skip(|byte| byte == b'\\');
        let count = self.at - start;
        let before_quote = self.peek(0) == Some(quote);
        let kept = if before_quote { count / 2 } else { count };
        out.extend(std::iter::repeat_n(b'\\', kept));
        if before_quote && count % 2 == 1 {
            out.push(quote);
            self.at += 1;
        }
    }
}
