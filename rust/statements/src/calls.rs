//! Finds what in a statement would run code.
//!
//! Julia evaluates the arguments of `precompile(...)`, so each call among them runs code of whoever
//! wrote the line. A closed grammar says what is none:
//!
//! - names, also dotted and quoted ones, types with parameters, `where`, `@NamedTuple{...}` and
//!   `@Kwargs{...}`, tuples, symbols, literals, and `//` and `:` between literal integers;
//! - calls of the functions in [`LISTED`], with these as arguments;
//! - among the parameters of a type, `Name(...)`, which is how Julia writes a value of a plain
//!   type. The image process builds it from its fields, and calls nothing.
//!
//! All else is code. The image process goes by the same list (`staging/arguments.jl` of the engine),
//! where it also sees what a name stands for.

use crate::literal;
use crate::scan::{MAX_DEPTH, name_end};
use crate::unicode;

/// What a function on the list may be given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    One,
    Two,
    Any,
    /// An operand and the symbol of a field.
    Field,
    Text,
    /// A type and the bits of a value.
    Bits,
}

/// The functions that a statement may call, by every name that they may be called by.
const LISTED: &[(&str, Given)] = &[
    ("typeof", Given::One),
    ("Base.typeof", Given::One),
    ("Core.typeof", Given::One),
    ("Core.Typeof", Given::One),
    ("Core.kwftype", Given::One),
    ("Core.kwfunc", Given::One),
    ("getfield", Given::Field),
    ("Base.getfield", Given::Field),
    ("Core.getfield", Given::Field),
    ("which", Given::Two),
    ("Base.which", Given::Two),
    ("tuple", Given::Any),
    ("Base.tuple", Given::Any),
    ("Core.tuple", Given::Any),
    ("Symbol", Given::Text),
    ("Base.Symbol", Given::Text),
    ("Core.Symbol", Given::Text),
    ("reinterpret", Given::Bits),
    ("Base.reinterpret", Given::Bits),
];

/// How much of what is refused is shown, in bytes.
const SHOWN: usize = 60;

/// The part of `text`, a statement in normalised text, that would run code when the arguments are
/// evaluated; nothing if there is none.
///
/// ```
/// use pcrs_statements::code_in;
/// assert_eq!(code_in("precompile(Tuple{typeof(A.f), Val{A.Point(x=1)}})"), None);
/// assert_eq!(code_in("precompile(A.f(Int), (Int,))"), Some("A.f("));
/// ```
pub fn code_in(text: &str) -> Option<&str> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        operand: 0,
        parameter: false,
    };
    match reader.statement() {
        Ok(()) => None,
        Err(Code) => Some(reader.refused()),
    }
}

/// The text is not in the grammar.
#[derive(Debug)]
struct Code;

/// What an operand is, as far as that matters to what follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    /// A dotted name, which may be called.
    Name,
    Integer,
    Other,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Where the operand starts that is read.
    operand: usize,
    /// Whether it is a parameter of a type, or part of one.
    parameter: bool,
}

impl<'a> Reader<'a> {
    /// What could not be read, with the operand before it.
    fn refused(&self) -> &'a str {
        let start = self.operand;
        let mut end = (self.at + 1)
            .clamp(start, start + SHOWN)
            .min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        &self.text[start..end]
    }

    fn statement(&mut self) -> Result<(), Code> {
        self.expect("precompile(")?;
        self.list(b')', Self::expression)?;
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(Code)
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        self.bytes[self.at..].starts_with(text.as_bytes())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), Code> {
        if self.take(text) { Ok(()) } else { Err(Code) }
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Elements with commas between them, up to `close`. Gives how many there were.
    fn list(
        &mut self,
        close: u8,
        element: fn(&mut Self) -> Result<(), Code>,
    ) -> Result<usize, Code> {
        if self.depth == MAX_DEPTH {
            return Err(Code);
        }
        self.depth += 1;
        let mut count = 0;
        loop {
            self.skip_blanks();
            if self.peek() == Some(close) {
                break;
            }
            element(self)?;
            count += 1;
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                _ => return Err(Code),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(count)
    }

    /// The same where values may be written, or may not.
    fn list_of(
        &mut self,
        parameter: bool,
        close: u8,
        element: fn(&mut Self) -> Result<(), Code>,
    ) -> Result<usize, Code> {
        let around = std::mem::replace(&mut self.parameter, parameter);
        let count = self.list(close, element)?;
        self.parameter = around;
        Ok(count)
    }

    /// A type, a name or a value.
    fn expression(&mut self) -> Result<(), Code> {
        let mut operand = self.operand()?;
        loop {
            let end = self.at;
            self.skip_blanks();
            if self.at > end && self.take("where") {
                self.skip_blanks();
                if self.take("{") {
                    self.list(b'}', Self::variable)?;
                } else {
                    self.variable()?;
                }
                operand = Operand::Other;
            } else if operand == Operand::Integer && (self.take("//") || self.take(":")) {
                self.skip_blanks();
                if self.operand()? != Operand::Integer {
                    return Err(Code);
                }
            } else {
                return Ok(());
            }
        }
    }

    /// A type variable with its bounds: `T`, `T<:A`, `A<:T<:B`, `T>:A`.
    fn variable(&mut self) -> Result<(), Code> {
        let first = self.operand()?;
        let mut bounds = 0;
        while bounds < 2 {
            let end = self.at;
            self.skip_blanks();
            if !(self.take("<:") || self.take(">:")) {
                self.at = end;
                break;
            }
            self.skip_blanks();
            self.operand()?;
            bounds += 1;
        }
        if first == Operand::Name || bounds == 2 {
            Ok(())
        } else {
            Err(Code)
        }
    }

    /// An element in braces.
    fn parameter(&mut self) -> Result<(), Code> {
        if self.take("<:") || self.take(">:") {
            self.skip_blanks();
        }
        self.expression()
    }

    /// An element in parentheses that may have a name: `a=1`.
    fn named(&mut self) -> Result<(), Code> {
        let start = self.at;
        self.at = self.name_end();
        if self.at > start {
            self.skip_blanks();
            if self.take("=") {
                self.skip_blanks();
                return self.expression();
            }
        }
        self.at = start;
        self.expression()
    }

    /// An element of `@NamedTuple{...}`: `a::Int`.
    fn declared(&mut self) -> Result<(), Code> {
        let end = self.name_end();
        if end == self.at {
            return Err(Code);
        }
        self.at = end;
        if self.take("::") {
            self.skip_blanks();
            return self.expression();
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<Operand, Code> {
        self.operand = self.at;
        let start = self.at;
        let first = match self.peek().ok_or(Code)? {
            b'(' => {
                self.at += 1;
                self.list(b')', Self::named)?;
                Operand::Other
            }
            b'0'..=b'9' => self.number()?,
            b'-' => {
                self.at += 1;
                self.negated()?
            }
            b'"' => {
                self.at = literal::string(self.text, self.at).map_err(|_| Code)?;
                Operand::Other
            }
            b'\'' => {
                self.at = literal::character(self.text, self.at).map_err(|_| Code)?;
                Operand::Other
            }
            b'@' => {
                self.type_macro()?;
                Operand::Other
            }
            b':' if !self.operator() => {
                self.at += 1;
                self.symbol()?;
                Operand::Other
            }
            _ if self.name_end() > self.at => {
                self.at = self.name_end();
                Operand::Name
            }
            _ if self.operator() => {
                self.at = self.operator_end(self.at);
                Operand::Other
            }
            _ => return Err(Code),
        };
        self.follow(start, first)
    }

    /// What follows an operand that started at `start`: parameters, fields, arguments.
    fn follow(&mut self, start: usize, mut operand: Operand) -> Result<Operand, Code> {
        // The dotted name, which a call goes by.
        let mut named = self.at;
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    self.list_of(true, b'}', Self::parameter)?;
                }
                Some(b'.') if !self.starts_with("...") => {
                    let plain = operand == Operand::Name && named == self.at;
                    self.at += 1;
                    if self.peek() == Some(b'@') {
                        let module = &self.text[start..self.at - 1];
                        if !plain || !matches!(module, "Base" | "Core") {
                            return Err(Code);
                        }
                        self.type_macro()?;
                        operand = Operand::Other;
                    } else if self.take(":") {
                        self.symbol()?;
                        operand = Operand::Other;
                    } else {
                        let end = self.name_end();
                        if end == self.at {
                            return Err(Code);
                        }
                        self.at = end;
                        if plain {
                            named = end;
                        } else {
                            operand = Operand::Other;
                        }
                    }
                }
                Some(b'(') if operand == Operand::Name => {
                    let name = &self.text[start..named];
                    let with_parameters = named < self.at;
                    self.call(start, name, with_parameters)?;
                    operand = Operand::Other;
                }
                Some(b'(' | b'[' | b'\'' | b'.') => {
                    self.operand = start;
                    return Err(Code);
                }
                _ => {
                    self.operand = start;
                    return Ok(operand);
                }
            }
        }
    }

    /// The arguments of a call of `name`.
    fn call(&mut self, start: usize, name: &str, with_parameters: bool) -> Result<(), Code> {
        let listed = LISTED.iter().find(|(listed, _)| *listed == name);
        let open = self.at;
        let fits = match listed {
            Some(&(_, given)) if !with_parameters => {
                self.at += 1;
                self.listed(given)?
            }
            _ if self.parameter && may_be_type(name) => {
                self.at += 1;
                self.list(b')', Self::named)?;
                true
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        self.operand = start;
        self.at = open;
        Err(Code)
    }

    /// The arguments of a function on the list, after the parenthesis. Gives whether they are
    /// what it may be given.
    fn listed(&mut self, given: Given) -> Result<bool, Code> {
        match given {
            Given::One => Ok(self.list_of(false, b')', Self::expression)? == 1),
            Given::Two => Ok(self.list_of(false, b')', Self::expression)? == 2),
            Given::Any => {
                self.list_of(false, b')', Self::expression)?;
                Ok(true)
            }
            Given::Field => {
                self.first()?;
                Ok(if self.take(", Symbol(") {
                    self.text_only() && self.take(")")
                } else {
                    self.take(", :") && self.symbol().is_ok() && self.take(")")
                })
            }
            Given::Text => Ok(self.text_only()),
            Given::Bits => {
                self.first()?;
                let number = self.take(", ") && self.peek().is_some_and(|b| b.is_ascii_digit());
                Ok(number && self.number()? == Operand::Integer && self.take(")"))
            }
        }
    }

    /// The first argument of a function on the list.
    fn first(&mut self) -> Result<(), Code> {
        let around = std::mem::replace(&mut self.parameter, false);
        self.expression()?;
        self.parameter = around;
        Ok(())
    }

    /// Whether one string stands here, up to the end of the call.
    fn text_only(&mut self) -> bool {
        if self.peek() != Some(b'"') {
            return false;
        }
        match literal::string(self.text, self.at) {
            Ok(end) => self.at = end,
            Err(_) => return false,
        }
        self.take(")")
    }

    fn number(&mut self) -> Result<Operand, Code> {
        let start = self.at;
        self.at = literal::number(self.text, start).map_err(|_| Code)?;
        let digits = &self.bytes[start..self.at];
        let has_radix = matches!(digits, [b'0', b'x' | b'o' | b'b', ..]);
        Ok(if has_radix || digits.iter().all(u8::is_ascii_digit) {
            Operand::Integer
        } else {
            Operand::Other
        })
    }

    /// What a sign may stand before.
    fn negated(&mut self) -> Result<Operand, Code> {
        match self.peek() {
            Some(b'0'..=b'9') => self.number(),
            Some(b',' | b')' | b'}') => Ok(Operand::Other),
            _ => {
                let end = self.name_end();
                let name = &self.text[self.at..end];
                if matches!(name, "Inf" | "Inf32" | "Inf16" | "inf" | "nan") {
                    self.at = end;
                    Ok(Operand::Other)
                } else {
                    Err(Code)
                }
            }
        }
    }

    /// `NamedTuple{...}` or `Kwargs{...}`, whose `@` stands here.
    fn type_macro(&mut self) -> Result<(), Code> {
        if !(self.take("@NamedTuple{") || self.take("@Kwargs{")) {
            return Err(Code);
        }
        self.list_of(true, b'}', Self::declared)?;
        Ok(())
    }

    /// The name that is quoted here, after the colon, also in parentheses.
    fn symbol(&mut self) -> Result<(), Code> {
        let parenthesised = self.take("(");
        let end = match self.name_end() {
            end if end > self.at => end,
            _ => self.operator_end(self.at),
        };
        if end == self.at {
            return Err(Code);
        }
        self.at = end;
        if parenthesised {
            self.expect(")")?;
        }
        Ok(())
    }

    /// The end of the name that starts here, also of a `var"..."`, or here if none does.
    fn name_end(&self) -> usize {
        let end = name_end(self.text, self.at);
        if &self.bytes[self.at..end] == b"var" && self.bytes.get(end) == Some(&b'"') {
            return literal::raw_string(self.text, end).unwrap_or(self.at);
        }
        end
    }

    /// Whether an operator stands here for its function: the element ends after it.
    fn operator(&self) -> bool {
        let end = self.operator_end(self.at);
        end > self.at && matches!(self.bytes.get(end), Some(b',' | b')' | b'}'))
    }

    /// The end of the operator characters from `at` on.
    fn operator_end(&self, at: usize) -> usize {
        let mut end = at;
        while let Some(c) = self.text[end..].chars().next() {
            let fits = if c.is_ascii() {
                "+-*/\\^%<>=&|~!:.".contains(c)
            } else {
                unicode::is_operator(c) || unicode::sticks_to_operator(c)
            };
            if !fits {
                break;
            }
            end += c.len_utf8();
        }
        end
    }
}

/// Whether a dotted name may be that of a type: it is in capitals, or one that Julia made.
fn may_be_type(name: &str) -> bool {
    if name.ends_with('"') {
        let quoted = name.rsplit_once("var\"");
        return quoted.is_some_and(|(_, quoted)| quoted.starts_with('#'));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    last.starts_with(char::is_uppercase)
}
