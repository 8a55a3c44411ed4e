//! Content keys: 256 bits that stand for what was hashed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A 256-bit BLAKE3 hash, written as 64 lower-case hexadecimal digits, also in JSON.
///
/// ```
/// use pcrs_cache::{Key, KeyBuilder};
/// let key = KeyBuilder::new("image/v1").field("julia", "1.10.6").finish();
/// assert_eq!(key.to_string().len(), 64);
/// assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key([u8; 32]);

impl Key {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<blake3::Hash> for Key {
    fn from(hash: blake3::Hash) -> Self {
        Self(hash.into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseKeyError;

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 64 lower-case hexadecimal digits")
    }
}

impl std::error::Error for ParseKeyError {}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseKeyError> {
        // One spelling for one key: it is a file name too.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseKeyError);
        }
        blake3::Hash::from_hex(text)
            .map(Key::from)
            .map_err(|_| ParseKeyError)
    }
}

impl TryFrom<String> for Key {
    type Error = ParseKeyError;

    fn try_from(text: String) -> std::result::Result<Self, ParseKeyError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_parses() {
        let key = Key::from(blake3::hash(b"d"));
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        for bad in [
            "",
            "12",
            &text.to_uppercase(),
            &format!("{text}0"),
            &text[1..],
        ] {
            assert_eq!(bad.parse::<Key>(), Err(ParseKeyError), "{bad}");
        }
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
    }
}
