//! What an entry says of itself: a line with the checksum of the rest, and the rest in JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::Key;
use crate::kind::Kind;

/// Name of the record in an entry's folder.
pub const FILE: &str = "record";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of the entry: one that was moved to another key's place is not taken for that.
    pub kind: Kind,
    pub key: Key,
    pub files: Vec<FileRecord>,
    /// The caller's.
    pub meta: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    pub name: String,
    pub bytes: u64,
    pub hash: Key,
}

impl Record {
    pub fn to_text(&self) -> serde_json::Result<String> {
        let body = serde_json::to_string(self)?;
        Ok(format!(
            "{}\n{body}",
            blake3::hash(body.as_bytes()).to_hex()
        ))
    }

    /// `None` of what [`Record::to_text`] did not write.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (checksum, body) = text.split_at_checked(blake3::OUT_LEN * 2)?;
        let body = body.strip_prefix(b"\n")?;
        let checksum = blake3::Hash::from_hex(checksum).ok()?;
        if blake3::hash(body) != checksum {
            return None;
        }
        serde_json::from_slice(body).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::key_builder::KeyBuilder;

    fn record() -> Record {
        Record {
            kind: Kind::Image,
            key: KeyBuilder::new("test").finish(),
            files: vec![FileRecord {
                name: "sys.so".into(),
                bytes: 7,
                hash: KeyBuilder::new("file").finish(),
            }],
            meta: json!({"project": "Ünïcode \"quoted\"\n", "seconds": 1.5, "none": null}),
        }
    }

    #[test]
    fn a_record_comes_back() {
        let text = record().to_text().unwrap();
        assert_eq!(Record::parse(text.as_bytes()), Some(record()));
    }

    proptest! {
        #[test]
        fn a_changed_record_is_none(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let mut text = record().to_text().unwrap().into_bytes();
            let at = at.index(text.len());
            text[at] ^= flip;
            // Upper case digits of the checksum say the same.
            let parsed = Record::parse(&text);
            prop_assert!(parsed.is_none() || (at < 64 && flip == 0x20 && parsed == Some(record())));
        }

        #[test]
        fn a_shortened_record_is_none(at in any::<prop::sample::Index>()) {
            let text = record().to_text().unwrap();
            prop_assert_eq!(Record::parse(&text.as_bytes()[..at.index(text.len())]), None);
        }

        #[test]
        fn any_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Record::parse(&bytes), None);
        }
    }
}
