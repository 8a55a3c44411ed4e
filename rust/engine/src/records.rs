//! The files in which engine and children hand each other values: fields that end in NUL, two a
//! record (key, value).
//!
//! NUL is the one byte that no path, name or statement holds, so nothing needs quoting, and a
//! Julia without any package reads it with `split`.

use std::io::{self, Write};
use std::path::Path;

/// Key-value records for a child.
#[derive(Debug, Default)]
pub struct Records(Vec<u8>);

impl Records {
    pub fn push(&mut self, key: &str, value: impl AsRef<str>) -> &mut Self {
        let value = value.as_ref();
        debug_assert!(!key.contains('\0') && !value.contains('\0'));
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(0);
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(0);
        self
    }

    pub fn push_path(&mut self, key: &str, value: &Path) -> &mut Self {
        self.push(key, value.to_string_lossy())
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&self.0)
    }
}

/// Splits a child's answer into its records; a half-written last one is left out.
pub fn parse(bytes: &[u8]) -> Vec<(String, String)> {
    let mut fields = bytes.split(|b| *b == 0);
    let mut records = Vec::new();
    // The field after the last NUL is empty or half-written: a pair counts only when a further
    // field follows it.
    let mut pending: Option<(String, String)> = None;
    while let Some(key) = fields.next() {
        if let Some(done) = pending.take() {
            records.push(done);
        }
        let Some(value) = fields.next() else { break };
        pending = Some((lossy(key), lossy(value)));
    }
    records
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_parsed() {
        let mut records = Records::default();
        records.push("a", "1\n2").push("b", "");
        let expected = vec![("a".into(), "1\n2".into()), ("b".into(), "".into())];
        assert_eq!(parse(&records.0), expected);
    }

    #[test]
    fn a_half_written_record_is_left_out() {
        assert_eq!(parse(b"a\x001\0b\x002"), vec![("a".into(), "1".into())]);
        assert_eq!(parse(b"a\x001\0b\0"), vec![("a".into(), "1".into())]);
        assert_eq!(parse(b""), vec![]);
    }
}
