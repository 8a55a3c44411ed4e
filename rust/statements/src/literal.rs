//! Numbers, strings and characters: each function takes the line and the index where the literal
//! starts, and gives the index after it.

use crate::fault::Fault;

/// A decimal, hexadecimal, octal or binary number as Julia prints it.
pub(crate) fn number(line: &str, start: usize) -> Result<usize, Fault> {
    let bytes = line.as_bytes();
    let end = match (bytes[start], bytes.get(start + 1)) {
        (b'0', Some(b'x')) => radix(bytes, start + 2, 32, u8::is_ascii_hexdigit)?,
        (b'0', Some(b'o')) => radix(bytes, start + 2, 42, |b| matches!(b, b'0'..=b'7'))?,
        (b'0', Some(b'b')) => radix(bytes, start + 2, 128, |b| matches!(b, b'0' | b'1'))?,
        _ => decimal(line, start)?,
    };
    match bytes.get(end) {
        // `2x`, `1.` and `0x1p3` are Julia, but nothing that a statement holds.
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' | b'!' | 0x80..) => {
            Err(Fault::Malformed)
        }
        _ => Ok(end),
    }
}

/// The end of the digits from `start` on.
fn digits(bytes: &[u8], start: usize, is_digit: fn(&u8) -> bool) -> usize {
    let count = bytes[start..].iter().take_while(|b| is_digit(b)).count();
    start + count
}

/// The digits after `0x` and the like; `most` of them fit in Julia's widest integer.
fn radix(
    bytes: &[u8],
    start: usize,
    most: usize,
    is_digit: fn(&u8) -> bool,
) -> Result<usize, Fault> {
    let end = digits(bytes, start, is_digit);
    if end == start || end - start > most {
        return Err(Fault::Malformed);
    }
    Ok(end)
}

fn decimal(line: &str, start: usize) -> Result<usize, Fault> {
    let bytes = line.as_bytes();
    let mut end = digits(bytes, start, u8::is_ascii_digit);
    let mut single = false;
    let mut text = None;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(bytes, end + 1, u8::is_ascii_digit);
        text = Some(line[start..end].to_owned());
    }
    if let Some(b'e' | b'E' | b'f') = bytes.get(end) {
        single = bytes[end] == b'f';
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(bytes, end + 1 + sign, u8::is_ascii_digit);
        if after == end + 1 + sign {
            return Err(Fault::Malformed);
        }
        text = Some(format!("{}e{}", &line[start..end], &line[end + 1..after]));
        end = after;
    }
    // Julia refuses a number that overflows.
    let finite = match text {
        Some(text) if single => text.parse().is_ok_and(f32::is_finite),
        Some(text) => text.parse().is_ok_and(f64::is_finite),
        None => true,
    };
    if finite {
        Ok(end)
    } else {
        Err(Fault::Malformed)
    }
}

/// A string with escapes, single- or triple-quoted. Interpolation is code, so it is refused.
pub(crate) fn string(line: &str, start: usize) -> Result<usize, Fault> {
    quoted(line, start, false)
}

/// The string of a `var"..."` name, where a backslash matters only before a quote.
pub(crate) fn raw_string(line: &str, start: usize) -> Result<usize, Fault> {
    quoted(line, start, true)
}

fn quoted(line: &str, start: usize, raw: bool) -> Result<usize, Fault> {
    let bytes = line.as_bytes();
    let triple = bytes[start..].starts_with(b"\"\"\"");
    let mut i = start + if triple { 3 } else { 1 };
    loop {
        match *bytes.get(i).ok_or(Fault::Unfinished)? {
            b'"' if !triple => return Ok(i + 1),
            b'"' if bytes[i..].starts_with(b"\"\"\"") => return Ok(i + 3),
            b'\\' if raw && matches!(bytes.get(i + 1), Some(b'"' | b'\\')) => i += 2,
            b'\\' if raw => i += 1,
            b'\\' => i = escape(bytes, i)?,
            b'$' if !raw => return Err(Fault::Unsafe),
            b if b < b' ' && b != b'\t' => return Err(Fault::Malformed),
            _ => i += 1,
        }
    }
}

/// A character literal. An apostrophe where an operand has ended is the adjoint operator instead;
/// the scanner knows which it is.
pub(crate) fn character(line: &str, start: usize) -> Result<usize, Fault> {
    let bytes = line.as_bytes();
    let first = line[start + 1..].chars().next().ok_or(Fault::Unfinished)?;
    let end = match first {
        '\\' => {
            // A character is one code point, so a byte escape may not go above ASCII.
            let end = escape(bytes, start + 1)?;
            let byte = match bytes[start + 2] {
                b'x' => u8::from_str_radix(&line[start + 3..end], 16).ok(),
                b'0'..=b'7' => u8::from_str_radix(&line[start + 2..end], 8).ok(),
                _ => None,
            };
            if byte.is_some_and(|b| !b.is_ascii()) {
                return Err(Fault::Malformed);
            }
            end
        }
        '\'' if bytes.get(start + 2) != Some(&b'\'') => return Err(Fault::Malformed),
        c if c < ' ' && c != '\t' => return Err(Fault::Malformed),
        c => start + 1 + c.len_utf8(),
    };
    match bytes.get(end) {
        Some(b'\'') => Ok(end + 1),
        Some(_) => Err(Fault::Malformed),
        None => Err(Fault::Unfinished),
    }
}

/// An escape sequence; `start` is its backslash.
fn escape(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let kind = *bytes.get(start + 1).ok_or(Fault::Unfinished)?;
    let (first, most, is_digit): (usize, usize, fn(&u8) -> bool) = match kind {
        b'\\' | b'\'' | b'"' | b'$' | b'`' | b'n' | b't' | b'r' | b'e' | b'a' | b'b' | b'f'
        | b'v' => return Ok(start + 2),
        b'x' => (start + 2, 2, u8::is_ascii_hexdigit),
        b'u' => (start + 2, 4, u8::is_ascii_hexdigit),
        b'U' => (start + 2, 8, u8::is_ascii_hexdigit),
        b'0'..=b'7' => (start + 1, 3, |b| matches!(b, b'0'..=b'7')),
        _ => return Err(Fault::Malformed),
    };
    let mut end = first;
    let mut value = 0_u64;
    let radix = if first == start + 1 { 8 } else { 16 };
    while end < first + most && bytes.get(end).is_some_and(is_digit) {
        value = value * radix + u64::from((bytes[end] as char).to_digit(16).unwrap_or(0));
        end += 1;
    }
    let fits = match kind {
        b'u' | b'U' => value <= 0x10_FFFF && !(0xD800..0xE000).contains(&value),
        _ => value <= 0xFF,
    };
    if end == first || !fits {
        return Err(Fault::Malformed);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for whole in [
            "0", "12", "1.0", "1e5", "1.0e-5", "1.0f0", "0x0f", "0b01", "0o17", "1E3",
        ] {
            assert_eq!(number(whole, 0), Ok(whole.len()), "{whole}");
        }
        for bad in [
            "1.", "2x", "1e", "0x", "1_0", "1e400", "1f39", "0xg", "1.0.0", "1e+",
        ] {
            assert_eq!(number(bad, 0), Err(Fault::Malformed), "{bad}");
        }
        assert_eq!(number("1:2", 0), Ok(1));
    }

    #[test]
    fn strings() {
        for whole in [
            r#""""#,
            r#""a(b""#,
            r#""a\"b""#,
            r#""\\""#,
            r#""\x4f\u00e9\U1f600\0\377""#,
            r#""""a "quoted" b""""#,
            r##""#12#13""##,
        ] {
            assert_eq!(string(whole, 0), Ok(whole.len()), "{whole}");
        }
        assert_eq!(string(r#""a"#, 0), Err(Fault::Unfinished));
        assert_eq!(string(r#""a\""#, 0), Err(Fault::Unfinished));
        assert_eq!(string(r#""\q""#, 0), Err(Fault::Malformed));
        assert_eq!(string(r#""\U110000""#, 0), Err(Fault::Malformed));
        assert_eq!(string(r#""$x""#, 0), Err(Fault::Unsafe));
        assert_eq!(string(r#""\$x""#, 0), Ok(5));
        assert_eq!(string("\"a\rb\"", 0), Err(Fault::Malformed));
    }

    #[test]
    fn raw_strings_know_only_the_quote_escape() {
        assert_eq!(raw_string(r#""a\q$x""#, 0), Ok(7));
        assert_eq!(raw_string(r#""a\"b""#, 0), Ok(6));
        assert_eq!(raw_string(r#""a\\""#, 0), Ok(5));
        assert_eq!(raw_string(r#""a\\\""#, 0), Err(Fault::Unfinished));
        assert_eq!(raw_string("\"a\\\n\"", 0), Err(Fault::Malformed));
    }

    #[test]
    fn characters() {
        for whole in [
            "'a'",
            "'é'",
            "'\\n'",
            "'\\''",
            "'\\\\'",
            "'\\u00e9'",
            "'('",
            "'\"'",
            "'''",
        ] {
            assert_eq!(character(whole, 0), Ok(whole.len()), "{whole}");
        }
        for bad in ["'ab'", "''", "'' ", "'\\xff'", "'\\q'"] {
            assert_eq!(character(bad, 0), Err(Fault::Malformed), "{bad}");
        }
        assert_eq!(character("'a", 0), Err(Fault::Unfinished));
    }
}
