//! Any bytes as a source: nothing panics, what is taken keeps the promises, and what is evaluated calls
//! nothing but what is on the closed list.
#![no_main]

use std::collections::HashSet;

use calls::foreign_call;
use libfuzzer_sys::fuzz_target;
use pcrs_statements::classify::classify;
use pcrs_statements::{Line, Merger, SourceKind, code_in, parse_line};

#[path = "../../statements/tests/common/calls.rs"]
mod calls;

fuzz_target!(|source: &[u8]| {
    for line in source.split_inclusive(|&b| b == b'\n') {
        let Line::Statement { text, .. } = parse_line(line) else {
            continue;
        };
        check(&text);
    }
    for kind in [SourceKind::Trace, SourceKind::StatementFile] {
        let mut merger = Merger::new();
        merger.add_reader(kind, source).expect("memory can be read");
        let merged = merger.finish();
        let taken: u64 = merged.statements.iter().map(|s| u64::from(s.times)).sum();
        assert_eq!(taken, merged.statements.len() as u64 + merged.duplicates);
        // A comment that never ends is reported besides what its line holds.
        assert!(taken + merged.rejected_total + merged.scaffold <= merged.lines + 1);
        let unlisted: u64 = merged.unlisted.iter().map(|u| u.lines).sum();
        let listed = merged.rejected.len() as u64 + merged.rejected_again;
        assert_eq!(listed + unlisted, merged.rejected_total);
        let texts: HashSet<&str> = merged.statements.iter().map(|s| s.text).collect();
        texts.iter().for_each(|text| check(text));
        // A block comment may hide statements, and colours may hide its start.
        if !source.contains(&0x1b) && !source.windows(2).any(|pair| pair == b"#=") {
            for line in source.split(|&b| b == b'\n') {
                if let Line::Statement { text, .. } = parse_line(line) {
                    assert!(texts.contains(&*text), "{text:?} is lost");
                }
            }
        }
    }
});

/// What holds for each statement that is taken.
fn check(text: &str) {
    assert!(text.starts_with("precompile(") && text.ends_with(')'));
    assert!(!text.contains('\n') && is_balanced(text), "{text:?}");
    match parse_line(text) {
        Line::Statement {
            text: again,
            recompile,
        } => assert!(again == text && !recompile, "{text:?} became {again:?}"),
        other => panic!("{text:?} became {other:?}"),
    }
    let _ = classify(text, (1, 11));
    if code_in(text).is_none() {
        assert_eq!(foreign_call(text), None, "{text:?}");
    }
}

/// Whether the brackets outside quotes match, and the first is closed by the last byte only.
fn is_balanced(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => {
                let triple = bytes[i..].starts_with(b"\"\"\"");
                let quote: &[u8] = if triple { b"\"\"\"" } else { b"\"" };
                i += quote.len();
                while !bytes[i..].starts_with(quote) {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
                i += quote.len() - 1;
            }
            b'\'' if !is_operand(&bytes[..i]) => {
                i += 1;
                i += if bytes[i] == b'\\' { 2 } else { 1 };
                while bytes[i] != b'\'' {
                    i += 1;
                }
            }
            b @ (b'(' | b'[' | b'{') => open.push(b),
            b @ (b')' | b']' | b'}') => {
                let opened = match b {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                if open.pop() != Some(opened) || (open.is_empty() && i + 1 < bytes.len()) {
                    return false;
                }
            }
            _ => {}
        }
        i += 1;
    }
    open.is_empty()
}

/// Whether an apostrophe after `before` is an adjoint.
fn is_operand(before: &[u8]) -> bool {
    match before {
        [rest @ .., b'!'] => is_operand(rest),
        [.., byte] => {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b')' | b']' | b'}' | b'\'' | b'"' | 0x80..)
        }
        [] => false,
    }
}
