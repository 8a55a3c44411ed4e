//! A second opinion on what a statement calls: it goes by the text token by token, where the crate
//! goes by a grammar.

/// Functions that a statement may call.
const LISTED: &[&str] = &[
    "typeof",
    "Base.typeof",
    "Core.typeof",
    "Core.Typeof",
    "Core.kwftype",
    "Core.kwfunc",
    "getfield",
    "Base.getfield",
    "Core.getfield",
    "which",
    "Base.which",
    "tuple",
    "Base.tuple",
    "Core.tuple",
    "Symbol",
    "Base.Symbol",
    "Core.Symbol",
    "reinterpret",
    "Base.reinterpret",
];

#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    /// A dotted name, with the quoted names in it.
    Name(&'a str),
    /// A string, character or number.
    Literal,
    /// A quoted symbol.
    Symbol,
    Open(u8),
    /// With the index of its opening token.
    Close(u8, usize),
    Comma,
    Operator(&'a str),
}

/// What `text`, a statement in normalised text, calls though it may not: a callee or an operator.
pub fn foreign_call(text: &str) -> Option<String> {
    let tokens = tokens(text.strip_prefix("precompile").unwrap_or(text));
    // For each open bracket whether values of types may be written in it.
    let mut values = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &tokens[i]);
        let is_operand = before != Some(&Token::Name("where"))
            && matches!(
                before,
                Some(Token::Name(_) | Token::Literal | Token::Symbol | Token::Close(..))
            );
        let ends = matches!(
            tokens.get(i + 1),
            None | Some(Token::Comma | Token::Close(..))
        );
        let around = values.last().copied().unwrap_or(false);
        match token {
            Token::Open(b'{') => values.push(true),
            Token::Open(b'(') if is_operand => {
                let (callee, with_parameters) = match before {
                    Some(Token::Close(b'}', open)) => {
                        (open.checked_sub(1).map(|i| &tokens[i]), true)
                    }
                    other => (other, false),
                };
                let Some(Token::Name(name)) = callee else {
                    return Some(format!("{callee:?}"));
                };
                if LISTED.contains(name) && !with_parameters {
                    values.push(false);
                } else if around && is_type(name) {
                    values.push(true);
                } else {
                    return Some((*name).to_owned());
                }
            }
            Token::Open(b'(') => values.push(around),
            Token::Open(_) => return Some("[".into()),
            Token::Close(..) => drop(values.pop()),
            Token::Operator(op) => {
                let fits = match *op {
                    "<:" | ">:" | "=" | "::" | "//" | ":" => true,
                    "-" if !is_operand => true,
                    "..." | "'" => false,
                    // For its function.
                    _ => !is_operand && ends,
                };
                if !fits {
                    return Some((*op).to_owned());
                }
            }
            Token::Name("in" | "isa") if is_operand => return Some("a word".into()),
            _ => {}
        }
    }
    None
}

fn is_type(name: &str) -> bool {
    let last = match name.rfind("var\"") {
        Some(at) if name.ends_with('"') => return name[at..].starts_with("var\"#"),
        _ => name.rsplit('.').next().unwrap_or(name),
    };
    last.chars().next().is_some_and(char::is_uppercase)
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let ends_operand = matches!(
            tokens.last(),
            Some(Token::Name(_) | Token::Literal | Token::Symbol | Token::Close(..))
        );
        match bytes[at] {
            b' ' => at += 1,
            b',' => {
                at += 1;
                tokens.push(Token::Comma);
            }
            b @ (b'(' | b'{' | b'[') => {
                at += 1;
                open.push(tokens.len());
                tokens.push(Token::Open(b));
            }
            b @ (b')' | b'}' | b']') => {
                at += 1;
                tokens.push(Token::Close(b, open.pop().unwrap_or(0)));
            }
            b'"' => {
                at = string_end(bytes, at);
                tokens.push(Token::Literal);
            }
            b'\'' if !(ends_operand && bytes[start - 1] != b' ') => {
                at += if bytes[at + 1] == b'\\' { 3 } else { 2 };
                while bytes[at] != b'\'' {
                    at += 1;
                }
                at += 1;
                tokens.push(Token::Literal);
            }
            b'0'..=b'9' => {
                while at < bytes.len()
                    && (bytes[at].is_ascii_alphanumeric()
                        || bytes[at] == b'.'
                        || matches!(bytes[at], b'+' | b'-')
                            && matches!(bytes[at - 1], b'e' | b'E' | b'f')
                            && !bytes[start..at].starts_with(b"0x"))
                {
                    at += 1;
                }
                tokens.push(Token::Literal);
            }
            // A symbol, unless it stands between operands.
            b':' if !ends_operand && bytes.get(at + 1) != Some(&b':') => {
                at = quoted_end(text, at + 1);
                tokens.push(if at == start + 1 {
                    Token::Operator(":")
                } else {
                    Token::Symbol
                });
            }
            b'.' if ends_operand && bytes.get(at + 1) != Some(&b'.') => {
                // Goes on with the operand before it.
                at += 1;
                if bytes.get(at) == Some(&b':') {
                    at = quoted_end(text, at + 1);
                    tokens.push(Token::Symbol);
                } else if bytes.get(at) != Some(&b'@') {
                    at = name_end(text, at);
                    tokens.push(Token::Symbol);
                }
            }
            _ if name_end(text, at) > at => {
                at = name_end(text, at);
                while bytes.get(at) == Some(&b'.') && name_end(text, at + 1) > at + 1 {
                    at = name_end(text, at + 1);
                }
                tokens.push(Token::Name(&text[start..at]));
            }
            b'@' => at += 1,
            _ => {
                at = operator_end(text, at);
                if at == start {
                    at += text[start..].chars().next().map_or(1, char::len_utf8);
                }
                tokens.push(Token::Operator(&text[start..at]));
            }
        }
    }
    tokens
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote: &[u8] = if bytes[start..].starts_with(b"\"\"\"") {
        b"\"\"\""
    } else {
        b"\""
    };
    let mut at = start + quote.len();
    while !bytes[at..].starts_with(quote) {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + quote.len()
}

fn name_end(text: &str, start: usize) -> usize {
    if text[start..].starts_with("var\"") {
        return string_end(text.as_bytes(), start + 3);
    }
    // An operator above ASCII is taken for a name too, which a call of it may not be.
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '!') || !c.is_ascii();
    let rest = &text[start..];
    if rest.starts_with(|c: char| c.is_ascii_digit() || c == '!') {
        return start;
    }
    let mut end = start + rest.find(|c| !in_name(c)).unwrap_or(rest.len());
    // `a!=b` is a comparison.
    if end > start && text[..end].ends_with('!') && text[end..].starts_with('=') {
        end -= 1;
    }
    end
}

fn operator_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    for op in ["...", "<:", ">:", "::", "//"] {
        if rest.starts_with(op) {
            return start + op.len();
        }
    }
    let sign = |c: char| "+-*/\\^%<>=&|~!:.".contains(c);
    let next = rest.chars().nth(1).unwrap_or(' ');
    let alone = match rest.as_bytes().first() {
        Some(b'=') => !matches!(next, '=' | '>'),
        Some(b':') => next == '-',
        Some(b'-') => !sign(next),
        _ => false,
    };
    if alone {
        return start + 1;
    }
    start + rest.find(|c| !sign(c)).unwrap_or(rest.len())
}

/// The end of what is quoted from `start` on, after the colon; `start` if nothing is.
fn quoted_end(text: &str, start: usize) -> usize {
    if let Some(rest) = text[start..].strip_prefix('(') {
        let inner = start + 1;
        let end = name_end(text, inner).max(operator_end(text, inner));
        // What else is quoted is looked at as if it were not.
        return if rest[end - inner..].starts_with(')') {
            end + 1
        } else {
            start
        };
    }
    name_end(text, start).max(operator_end(text, start))
}
