//! Takes terminal control sequences out of a line.

use std::borrow::Cow;

const ESC: u8 = 0x1b;

/// The line without its escape sequences; borrowed when it has none.
pub(crate) fn strip(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(ESC, line) else {
        return Cow::Borrowed(line);
    };
    let mut plain = Vec::with_capacity(line.len());
    plain.extend_from_slice(&line[..first]);
    let mut at = first;
    while at < line.len() {
        at += sequence_len(&line[at..]);
        let next = memchr::memchr(ESC, &line[at..]).map_or(line.len(), |i| at + i);
        plain.extend_from_slice(&line[at..next]);
        at = next;
    }
    Cow::Owned(plain)
}

/// The length of the escape sequence that `bytes` starts with.
fn sequence_len(bytes: &[u8]) -> usize {
    let run = |from: usize, set: std::ops::RangeInclusive<u8>| {
        bytes[from..]
            .iter()
            .position(|b| !set.contains(b))
            .map_or(bytes.len(), |n| from + n)
    };
    let (end, last) = match bytes.get(1) {
        Some(b'[') => (run(run(2, 0x30..=0x3f), 0x20..=0x2f), 0x40..=0x7e),
        // An operating system command ends at BEL or ESC \.
        Some(b']') => {
            return match memchr::memchr2(0x07, ESC, &bytes[2..]) {
                Some(n) if bytes[2 + n] == 0x07 => 3 + n,
                Some(n) => (4 + n).min(bytes.len()),
                None => bytes.len(),
            };
        }
        _ => (run(1, 0x20..=0x2f), 0x30..=0x7e),
    };
    match bytes.get(end) {
        Some(b) if last.contains(b) => end + 1,
        Some(_) => end,
        None => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_text_stays() {
        for (line, plain) in [
            ("plain", "plain"),
            (
                "\x1b[33mprecompile(f)\x1b[39m # recompile",
                "precompile(f) # recompile",
            ),
            ("\x1b[1;38;5;208ma\x1b[0mb", "ab"),
            ("\x1b]0;title\x07a", "a"),
            ("\x1b]8;;http://x\x1b\\a\x1b]8;;\x1b\\", "a"),
            ("\x1b(Ba", "a"),
            ("a\x1b", "a"),
            ("a\x1b[", "a"),
            ("a\x1b[3", "a"),
            ("\x1b[31\u{e9}", "\u{e9}"),
            ("\x1b\x1b[31ma", "a"),
        ] {
            assert_eq!(strip(line.as_bytes()), plain.as_bytes(), "{line:?}");
        }
    }
}
