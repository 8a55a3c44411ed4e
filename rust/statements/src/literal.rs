//! Numbers, strings and characters: each function takes the line and the index where the literal
//! starts, and gives the index after it.

use crate::scan::Fault;

/// A decimal, hexadecimal, octal or binary number as Julia prints it.
pub(crate) fn number(line: &str, start: usize) -> Result<usize, Fault> {
    let bytes = line.as_bytes();
    let digits = |mut i: usize, is_digit: fn(&u8) -> bool| {
        while bytes.get(i).is_some_and(is_digit) {
            i += 1;
        }
        i
    };
    let radix: Option<(fn(&u8) -> bool, usize)> = match (bytes[start], bytes.get(start + 1)) {
        (b'0', Some(b'x')) => Some((u8::is_ascii_hexdigit, 32)),
        (b'0', Some(b'o')) => Some((|b| matches!(b, b'0'..=b'7'), 42)),
        (b'0', Some(b'b')) => Some((|b| matches!(b, b'0' | b'1'), 128)),
        _ => None,
    };
    let end = if let Some((is_digit, most)) = radix {
        let end = digits(start + 2, is_digit);
        if end == start + 2 || end - start - 2 > most {
            return Err(Fault::Malformed);
        }
        end
    } else {
        let mut end = digits(start, u8::is_ascii_digit);
        let mut is_float = false;
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1, u8::is_ascii_digit);
            is_float = true;
        }
        if let Some(b'e' | b'E' | b'f') = bytes.get(end) {
            let single = bytes[end] == b'f';
            let mantissa = &line[start..end];
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = end + 1;
            let after = digits(exponent + sign, u8::is_ascii_digit);
            if after == exponent + sign {
                return Err(Fault::Malformed);
            }
            // Julia refuses a number that overflows.
            let text = format!("{mantissa}e{}", &line[exponent..after]);
            let finite = if single {
                text.parse::<f32>().is_ok_and(f32::is_finite)
            } else {
                text.parse::<f64>().is_ok_and(f64::is_finite)
            };
            if !finite {
                return Err(Fault::Malformed);
            }
            end = after;
        } else if is_float
            && end - start > 300
            && !line[start..end].parse().is_ok_and(f64::is_finite)
        {
            return Err(Fault::Malformed);
        }
        end
    };
    match bytes.get(end) {
        // `2x`, `1.` and `0x1p3` are Julia, but nothing that a statement holds.
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' | b'!' | 0x80..) => {
            Err(Fault::Malformed)
        }
        _ => Ok(end),
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
            b'\\' if raw => i += 2,
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
