//! Scans one call, and writes its canonical text.
//!
//! A pushdown automaton over bytes: a stack of open brackets, and whether an operand or an
//! operator has to come next. It takes the part of Julia's expression grammar that types and plain
//! values are written in, and refuses everything else, so that whatever it takes is one call to
//! Julia's own parser too. Brackets inside strings, characters, names and comments are seen as
//! what they are.
//!
//! A general parser (tree-sitter has a grammar for Julia) would build a tree for text of which
//! only the extent is wanted, and it recovers from errors, where a refusal is what is needed here.

use std::ops::Range;

use crate::canonical::Canonical;
use crate::fault::Fault;
use crate::literal;
use crate::unicode;

/// What statements start with.
pub(crate) const CALL: &str = "precompile(";
pub(crate) const QUALIFIED: &str = "Base.precompile(";

/// How deep brackets may nest. Julia's parser recurses, so what it can take has a limit too.
pub(crate) const MAX_DEPTH: usize = 512;

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// An operand, or the end of the bracket: one has just opened.
    Opened,
    /// An operand, or the end of the bracket: after a comma.
    Comma,
    /// An operand.
    Operand,
    /// An operand without a blank before it: after a prefix operator.
    Prefixed,
    /// An operand or `{`: after `where`.
    Where,
    /// An operator: after a name that is the whole element so far, so `=` may follow it.
    Name,
    /// An operator or a bracket that applies to the operand, as in `f(x)`.
    Callable,
    /// An operator.
    Value,
    /// The end of the element.
    Element,
}

/// An open bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// `f(`
    Call,
    /// `(`
    Group,
    /// `(` with an assignment but no comma yet.
    Assigned,
    /// `(` with a comma.
    Tuple,
    /// `{`
    Curly,
    /// `{` after `where`.
    WhereCurly,
    /// `@NamedTuple{`
    MacroCurly,
    /// `[`
    Square,
}

/// Scans a call from just after its opening parenthesis. `text` gets its tokens.
///
/// The call may go on over several lines. Lines end only where Julia sees a blank there: next to
/// brackets and commas.
///
/// Gives the index after the closing parenthesis.
pub(crate) fn call(line: &str, start: usize, text: &mut Canonical<'_, '_>) -> Result<usize, Fault> {
    let mut scanner = Scanner {
        line,
        bytes: line.as_bytes(),
        at: start,
        blank: false,
        state: State::Opened,
        stack: [Bracket::Call; MAX_DEPTH],
        depth: 1,
        text,
    };
    scanner.run()?;
    Ok(scanner.at)
}

/// The index after blanks and block comments from `at` on. A block comment that does not end on
/// the line is [`Fault::Unfinished`].
pub(crate) fn skip_blanks(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t') => at += 1,
            Some(b'#') if bytes.get(at + 1) == Some(&b'=') => {
                at = comment_end(bytes, at + 2, &mut 1).ok_or(Fault::Unfinished)?;
            }
            _ => return Ok(at),
        }
    }
}

/// The index after all that may stand between two tokens of a call: blanks, comments, line ends. A
/// comment that does not end is [`Fault::Unfinished`].
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        at = skip_blanks(bytes, at)?;
        match bytes.get(at) {
            Some(b'\n') => at += 1,
            Some(b'#') => at += memchr::memchr(b'\n', &bytes[at..]).ok_or(Fault::Unfinished)?,
            _ => return Ok(at),
        }
    }
}

/// The index after the block comment that `at` is in, `depth` comments deep; nothing when the line
/// ends first, and then `depth` is how many are still open.
pub(crate) fn comment_end(bytes: &[u8], at: usize, depth: &mut u32) -> Option<usize> {
    let mut i = at;
    while *depth > 0 {
        i += memchr::memchr2(b'#', b'=', bytes.get(i..)?)?;
        match &bytes[i..] {
            [b'#', b'=', ..] => {
                *depth += 1;
                i += 2;
            }
            [b'=', b'#', ..] => {
                *depth -= 1;
                i += 2;
            }
            _ => i += 1,
        }
    }
    Some(i)
}

/// The end of the name that starts at `at`, or `at` when none does.
pub(crate) fn name_end(line: &str, at: usize) -> usize {
    let bytes = line.as_bytes();
    let mut i = at;
    while let Some(&byte) = bytes.get(i) {
        if IN_NAME[usize::from(byte)] && (i > at || !byte.is_ascii_digit()) {
            i += 1;
        } else if byte == b'!' && i > at && bytes.get(i + 1) != Some(&b'=') {
            // `a!=b` is a comparison.
            i += 1;
        } else if !byte.is_ascii() {
            match wide_in_name(line, i, i > at) {
                0 => return i,
                length => i += length,
            }
        } else {
            return i;
        }
    }
    i
}

/// ASCII bytes that names are made of.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

/// The length of the character above ASCII at `at` if it belongs to a name, or 0.
#[cold]
fn wide_in_name(line: &str, at: usize, inside: bool) -> usize {
    let fits = if inside {
        unicode::continues_name
    } else {
        unicode::starts_name
    };
    match line[at..].chars().next() {
        Some(c) if fits(c) => c.len_utf8(),
        _ => 0,
    }
}

/// ASCII operators that are functions, so may stand where an operand does; longest first.
const OPERATORS: &[&str] = &[
    ">>>", "===", "!==", "==", "!=", "<=", ">=", "<:", ">:", "=>", "|>", "<|", "//", "<<", ">>",
    "++", "+", "-", "*", "/", "\\", "^", "%", "<", ">", "&", "|", "~", "!", ":",
];

/// Binary operators that values in a statement are written with; longest first.
const BINARY: &[&str] = &[
    "===", "!==", "==", "!=", "<=", ">=", "<:", ">:", "=>", "//", "+", "-", "*", "/", "^", "%",
    "<", ">", ":",
];

/// Operators that are syntax, so stand for themselves only where they are quoted: `:(=)`.
const SYNTACTIC: &[&str] = &["...", "&&", "||", "::", "->", "=", "."];

/// Names that are no operands: Julia reserves them.
fn is_reserved(name: &[u8]) -> bool {
    // Most names are those of types.
    name.first().is_some_and(u8::is_ascii_lowercase)
        && matches!(
            name,
            b"baremodule"
                | b"begin"
                | b"break"
                | b"catch"
                | b"const"
                | b"continue"
                | b"do"
                | b"else"
                | b"elseif"
                | b"end"
                | b"export"
                | b"finally"
                | b"for"
                | b"function"
                | b"global"
                | b"if"
                | b"import"
                | b"let"
                | b"local"
                | b"macro"
                | b"module"
                | b"quote"
                | b"return"
                | b"struct"
                | b"try"
                | b"using"
                | b"while"
        )
}

/// Names that are operators between operands.
fn is_word_operator(name: &[u8]) -> bool {
    matches!(name, b"where" | b"isa" | b"in")
}

fn is_operator_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'\\'
            | b'^'
            | b'%'
            | b'<'
            | b'>'
            | b'='
            | b'&'
            | b'|'
            | b'~'
            | b'!'
            | b':'
            | b'.'
            | b'$'
            | b'?'
    )
}

struct Scanner<'a, 't, 'x, 's> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether blanks stand before `at`.
    blank: bool,
    state: State,
    stack: [Bracket; MAX_DEPTH],
    depth: usize,
    text: &'t mut Canonical<'x, 's>,
}

impl Scanner<'_, '_, '_, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        while self.depth > 0 {
            let before = self.at;
            // Mostly a single blank.
            if self.peek(0) == Some(b' ') {
                self.at += 1;
            }
            if self.peek(0) == Some(b'#') && self.type_variable(before) {
                continue;
            }
            if matches!(self.peek(0), Some(b' ' | b'\t' | b'#' | b'\n')) {
                self.skip_space(before)?;
            }
            self.blank = self.at > before;
            let byte = self.peek(0).ok_or(Fault::Unfinished)?;
            match byte {
                b'`' | b';' | b'$' => return Err(Fault::Unsafe),
                b')' | b'}' | b']' => self.close(byte)?,
                b',' => self.comma()?,
                _ => match self.state {
                    State::Opened
                    | State::Comma
                    | State::Operand
                    | State::Prefixed
                    | State::Where => self.operand(byte)?,
                    State::Name | State::Callable | State::Value => self.operator(byte)?,
                    State::Element => return Err(Fault::Malformed),
                },
            }
        }
        Ok(())
    }

    /// Steps over what stands between two tokens, `from` on.
    #[cold]
    fn skip_space(&mut self, from: usize) -> Result<(), Fault> {
        self.at = skip_space(self.bytes, from)?;
        if self.bytes[from..self.at].contains(&b'\n') {
            self.line_end()?;
        }
        Ok(())
    }

    /// A type variable that has no name of its own, as older Julias wrote it: `#s45` for `var"#s45"`.
    /// Any Julia can have it, as its name means nothing outside of its `where`. Gives whether one
    /// stands here; `from` is where the token before it ended.
    #[cold]
    fn type_variable(&mut self, from: usize) -> bool {
        let in_braces = matches!(self.top(), Bracket::Curly | Bracket::WhereCurly);
        let fits = match self.state {
            State::Where => true,
            State::Opened | State::Comma => in_braces,
            // After `<:`, where a comment would have a blank before it.
            State::Operand => self.at == from,
            _ => false,
        };
        let name = &self.line[self.at..];
        let digits = name.strip_prefix("#s").unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let after = &digits[count..];
        let ends = ["}", ",", ")", "<:", ">:", " where "];
        if !fits || count == 0 || !ends.iter().any(|end| after.starts_with(end)) {
            return false;
        }
        let name = &name[.."#s".len() + count];
        let blank = match self.state {
            State::Opened => false,
            State::Comma => true,
            _ => self.at > from,
        };
        self.text.push_text(&format!("var\"{name}\""), blank);
        self.at += name.len();
        self.state = State::Callable;
        true
    }

    /// Checks that a line may end before what stands here.
    fn line_end(&self) -> Result<(), Fault> {
        let rest = &self.line[self.at..];
        // In the others Julia ends a row there.
        let lists = !matches!(
            self.top(),
            Bracket::Square | Bracket::WhereCurly | Bracket::MacroCurly
        );
        let fits = match rest.bytes().next() {
            None => true,
            Some(b')' | b'}' | b']' | b',') if lists => true,
            // The next statement: this one was cut off.
            _ if rest.starts_with(CALL) || rest.starts_with(QUALIFIED) => false,
            _ => matches!(self.state, State::Opened | State::Comma),
        };
        if fits { Ok(()) } else { Err(Fault::Malformed) }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn top(&self) -> Bracket {
        self.stack[self.depth - 1]
    }

    /// Adds the token that starts here and ends at `end`, and steps over it.
    #[inline]
    fn token(&mut self, end: usize, next: State) {
        let blank = match self.state {
            State::Opened => false,
            State::Comma => true,
            _ => self.blank,
        };
        self.emit(end, blank);
        self.state = next;
    }

    #[inline]
    fn emit(&mut self, end: usize, blank: bool) {
        let token: Range<usize> = self.at..end;
        self.text.push(token, blank);
        self.at = end;
    }

    fn open(&mut self, end: usize, bracket: Bracket) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.token(end, State::Opened);
        self.stack[self.depth] = bracket;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), Fault> {
        let bracket = self.top();
        let matching = match bracket {
            Bracket::Call | Bracket::Group | Bracket::Assigned | Bracket::Tuple => b')',
            Bracket::Curly | Bracket::WhereCurly | Bracket::MacroCurly => b'}',
            Bracket::Square => b']',
        };
        if byte != matching || matches!(self.state, State::Operand | State::Prefixed | State::Where)
        {
            return Err(Fault::Malformed);
        }
        // `(a = 1)` assigns; `(a = 1,)` is a value.
        if bracket == Bracket::Assigned {
            return Err(Fault::Unsafe);
        }
        // A comma before the end means something in a tuple only.
        if self.state == State::Comma && matches!(bracket, Bracket::Call | Bracket::Curly) {
            self.text.pop();
        }
        self.emit(self.at + 1, false);
        self.depth -= 1;
        self.state = match bracket {
            Bracket::WhereCurly => State::Value,
            Bracket::MacroCurly => State::Element,
            _ => State::Callable,
        };
        Ok(())
    }

    fn comma(&mut self) -> Result<(), Fault> {
        if !matches!(
            self.state,
            State::Name | State::Callable | State::Value | State::Element
        ) {
            return Err(Fault::Malformed);
        }
        if matches!(self.top(), Bracket::Group | Bracket::Assigned) {
            self.stack[self.depth - 1] = Bracket::Tuple;
        }
        self.emit(self.at + 1, false);
        self.state = State::Comma;
        Ok(())
    }

    fn operand(&mut self, byte: u8) -> Result<(), Fault> {
        if self.state == State::Prefixed && self.blank {
            return Err(Fault::Malformed);
        }
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.name(),
            b'0'..=b'9' => {
                let end = literal::number(self.line, self.at)?;
                self.token(end, State::Value);
                Ok(())
            }
            b'"' => {
                let end = literal::string(self.line, self.at)?;
                self.token(end, State::Value);
                Ok(())
            }
            b'\'' => {
                let end = literal::character(self.line, self.at)?;
                self.token(end, State::Value);
                Ok(())
            }
            b'(' => self.open(self.at + 1, Bracket::Group),
            b'[' => self.open(self.at + 1, Bracket::Square),
            b'{' if self.state == State::Where => self.open(self.at + 1, Bracket::WhereCurly),
            b'@' => self.type_macro(self.at),
            0x80.. if name_end(self.line, self.at) > self.at => self.name(),
            _ => self.symbol_or_operator(byte),
        }
    }

    /// A name, or `var"..."`.
    fn name(&mut self) -> Result<(), Fault> {
        let end = name_end(self.line, self.at);
        let name = &self.bytes[self.at..end];
        if name == b"var" && self.bytes.get(end) == Some(&b'"') {
            let end = self.raw_name(end)?;
            self.token(end, State::Callable);
            return Ok(());
        }
        if matches!(self.bytes.get(end), Some(b'"' | b'`')) || is_reserved(name) {
            // A string macro, or a statement.
            return Err(Fault::Unsafe);
        }
        if is_word_operator(name) {
            return self.lone_operator(end);
        }
        let whole = matches!(self.state, State::Opened | State::Comma);
        self.token(end, if whole { State::Name } else { State::Callable });
        Ok(())
    }

    /// The end of the string of a `var"..."`, which starts at `quote`.
    fn raw_name(&self, quote: usize) -> Result<usize, Fault> {
        let end = literal::raw_string(self.line, quote)?;
        let followed = match self.bytes.get(end) {
            Some(b'"' | b'0'..=b'9') => true,
            _ => name_end(self.line, end) > end,
        };
        if followed {
            return Err(Fault::Malformed);
        }
        Ok(end)
    }

    /// `@NamedTuple{` and `@Kwargs{`, the two macros that Julia prints types with. The token
    /// starts here; `at` is where the `@` stands.
    fn type_macro(&mut self, at: usize) -> Result<(), Fault> {
        let end = name_end(self.line, at + 1);
        if !matches!(&self.bytes[at + 1..end], b"NamedTuple" | b"Kwargs")
            || self.bytes.get(end) != Some(&b'{')
        {
            return Err(Fault::Unsafe);
        }
        self.open(end + 1, Bracket::MacroCurly)
    }

    /// What starts with an operator: a quoted symbol, a prefix operator, or an operator that
    /// stands for its function.
    fn symbol_or_operator(&mut self, byte: u8) -> Result<(), Fault> {
        if byte == b':' {
            let next = self.at + 1;
            if self.bytes.get(next) == Some(&b'(') {
                return self.quote(next + 1);
            }
            if let Some(end) = self.symbol(next)? {
                self.token(end, State::Value);
                return Ok(());
            }
        }
        let end = self.at + self.operator_len(self.at, OPERATORS);
        if end > self.at {
            match self.bytes.get(skip_space(self.bytes, end)?) {
                Some(b',' | b')' | b'}' | b']') => return self.lone_operator(end),
                None => return Err(Fault::Unfinished),
                Some(_) => {}
            }
        }
        if matches!(&self.bytes[self.at..end], b"<:" | b">:") && !self.next_is_operator(end) {
            // Julia takes a blank here, unless it would stand between a function and its call.
            let after = skip_space(self.bytes, end)?;
            if after > end && self.bytes.get(after) == Some(&b'(') {
                return Err(Fault::Malformed);
            }
            self.token(end, State::Operand);
            return Ok(());
        }
        if matches!(byte, b'-' | b'+' | b'!') && end == self.at + 1 && !self.next_is_operator(end) {
            self.token(end, State::Prefixed);
            return Ok(());
        }
        Err(Fault::Malformed)
    }

    /// An operator that stands for its function, so is an operand; the element ends after it.
    fn lone_operator(&mut self, end: usize) -> Result<(), Fault> {
        let after = skip_space(self.bytes, end)?;
        if self.state == State::Prefixed
            || !matches!(
                self.bytes.get(after),
                Some(b',' | b')' | b'}' | b']') | None
            )
        {
            return Err(Fault::Malformed);
        }
        self.token(end, State::Element);
        Ok(())
    }

    /// `:(` up to `start`, and what it quotes.
    fn quote(&mut self, start: usize) -> Result<(), Fault> {
        let end = start + self.operator_len(start, SYNTACTIC);
        if end > start && self.bytes.get(end) == Some(&b')') && self.bytes[start].is_ascii() {
            self.token(end + 1, State::Value);
            return Ok(());
        }
        self.open(start, Bracket::Group)
    }

    /// The end of the symbol that is quoted from `at` on, just after the colon.
    fn symbol(&self, at: usize) -> Result<Option<usize>, Fault> {
        let end = name_end(self.line, at);
        if end > at {
            return match self.bytes.get(end) {
                Some(b'"') if &self.bytes[at..end] == b"var" => self.raw_name(end).map(Some),
                Some(b'"' | b'`') => Err(Fault::Unsafe),
                _ => Ok(Some(end)),
            };
        }
        // `:=` and what starts so is read as an assignment, `::` as a type.
        if matches!(self.bytes.get(at), Some(b'=' | b':')) {
            return Ok(None);
        }
        let logical = matches!(self.bytes.get(at..at + 2), Some(b"&&" | b"||"));
        let end = if logical {
            at + 2
        } else {
            at + self.operator_len(at, OPERATORS)
        };
        Ok((end > at && !self.next_is_operator(end)).then_some(end))
    }

    /// The length of the operator at `at` that is one of `known`, or 0.
    fn operator_len(&self, at: usize, known: &[&str]) -> usize {
        let rest = &self.bytes[at..];
        match rest.first() {
            Some(0x80..) => match self.line[at..].chars().next() {
                Some(c) if unicode::is_operator(c) => c.len_utf8(),
                _ => 0,
            },
            Some(_) => known
                .iter()
                .find(|op| rest.starts_with(op.as_bytes()))
                .map_or(0, |op| op.len()),
            None => 0,
        }
    }

    /// Whether what stands at `at` would be read as part of the operator before it.
    fn next_is_operator(&self, at: usize) -> bool {
        match self.bytes.get(at) {
            Some(0x80..) => self.line[at..]
                .chars()
                .next()
                .is_some_and(unicode::sticks_to_operator),
            Some(&byte) => is_operator_byte(byte),
            None => false,
        }
    }

    /// After an operand.
    fn operator(&mut self, byte: u8) -> Result<(), Fault> {
        let callable = matches!(self.state, State::Name | State::Callable) && !self.blank;
        match byte {
            b'(' if callable => self.open(self.at + 1, Bracket::Call),
            b'{' if callable => self.open(self.at + 1, Bracket::Curly),
            b'[' if callable => self.open(self.at + 1, Bracket::Square),
            // After the string of a `var"..."` a tokenizer may take it for a character.
            b'\'' if callable && self.bytes[self.at - 1] != b'"' => {
                // An adjoint may be adjoint again, and nothing else may follow at once.
                self.token(self.at + 1, State::Callable);
                if !matches!(self.peek(0), Some(b'\'')) {
                    self.state = State::Value;
                }
                Ok(())
            }
            b'.' => self.dot(callable),
            b'=' if !matches!(self.peek(1), Some(b'=' | b'>')) => self.assignment(),
            b'a'..=b'z' if self.blank => {
                let end = name_end(self.line, self.at);
                if !is_word_operator(&self.bytes[self.at..end]) {
                    return Err(Fault::Malformed);
                }
                if matches!(self.bytes.get(end), Some(b'"' | b'\'')) {
                    return Err(Fault::Malformed);
                }
                let next = match self.bytes[self.at] {
                    b'w' => State::Where,
                    _ => State::Operand,
                };
                self.token(end, next);
                Ok(())
            }
            b':' if self.peek(1) == Some(b':') && self.top() == Bracket::MacroCurly => {
                if self.blank || self.state != State::Name || self.next_is_operator(self.at + 2) {
                    return Err(Fault::Malformed);
                }
                self.token(self.at + 2, State::Operand);
                Ok(())
            }
            _ => self.binary(),
        }
    }

    /// `.name`, `.var"name"`, `.:operator`, `.:(operator)`, `.@NamedTuple{` or `...`.
    fn dot(&mut self, callable: bool) -> Result<(), Fault> {
        if self.bytes[self.at..].starts_with(b"...") {
            if self.blank || self.next_is_operator(self.at + 3) {
                return Err(Fault::Malformed);
            }
            self.token(self.at + 3, State::Element);
            return Ok(());
        }
        if !callable {
            return Err(Fault::Malformed);
        }
        let next = self.at + 1;
        match self.bytes.get(next) {
            None => Err(Fault::Unfinished),
            Some(b'@') => self.type_macro(next),
            Some(b':') if self.bytes.get(next + 1) == Some(&b'(') => self.quote(next + 2),
            Some(b':') => match self.symbol(next + 1)? {
                Some(end) => {
                    self.token(end, State::Value);
                    Ok(())
                }
                None => Err(Fault::Malformed),
            },
            Some(_) => {
                let end = name_end(self.line, next);
                let name = &self.bytes[next..end];
                if name.is_empty() || is_reserved(name) {
                    return Err(Fault::Malformed);
                }
                let end = match self.bytes.get(end) {
                    Some(b'"') if name == b"var" => self.raw_name(end)?,
                    Some(b'"' | b'`') => return Err(Fault::Unsafe),
                    _ => end,
                };
                self.token(end, State::Callable);
                Ok(())
            }
        }
    }

    /// `=` in a keyword argument or a named tuple.
    fn assignment(&mut self) -> Result<(), Fault> {
        let bracket = self.top();
        if self.state != State::Name || self.depth == 1 {
            return Err(Fault::Unsafe);
        }
        match bracket {
            Bracket::Group => self.stack[self.depth - 1] = Bracket::Assigned,
            Bracket::Call | Bracket::Tuple => {}
            _ => return Err(Fault::Unsafe),
        }
        let after = self.at + 1;
        if self.next_is_operator(after) && !matches!(self.bytes[after], b'-' | b':') {
            return Err(Fault::Malformed);
        }
        self.token(after, State::Operand);
        Ok(())
    }

    fn binary(&mut self) -> Result<(), Fault> {
        let length = self.operator_len(self.at, BINARY);
        let end = self.at + length;
        if length == 0 || !self.bytes[self.at].is_ascii() {
            return Err(Fault::Malformed);
        }
        let spaced = matches!(self.bytes.get(end), Some(b' ' | b'\t' | b'#'));
        if self.blank && !spaced {
            // Between elements of `[a -b]` the operator belongs to the second one.
            if matches!(
                self.top(),
                Bracket::Square | Bracket::Curly | Bracket::WhereCurly | Bracket::MacroCurly
            ) {
                return Err(Fault::Malformed);
            }
        }
        // Julia looks for a misspelt `<:` behind a colon, even in parentheses.
        let is_range = &self.bytes[self.at..end] == b":";
        if is_range && self.bytes.get(skip_space(self.bytes, end)?) == Some(&b'(') {
            return Err(Fault::Malformed);
        }
        if self.next_is_operator(end) {
            let range_step = is_range
                && self.bytes[end] == b'-'
                && self.bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            if !range_step {
                return Err(Fault::Malformed);
            }
        }
        self.token(end, State::Operand);
        Ok(())
    }
}
