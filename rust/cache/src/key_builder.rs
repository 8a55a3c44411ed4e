//! Content keys of named parts.

use std::path::Path;

use crate::error::Result;
use crate::hash::hash_file;
use crate::key::Key;

/// Makes a [`Key`] from named parts.
///
/// The order of the parts counts, and so do names, values, sorts of parts and where one ends:
/// every name and value goes in with its length before it.
///
/// ```
/// use pcrs_cache::KeyBuilder;
/// let key = |name, value| KeyBuilder::new("trace/v1").field(name, value).finish();
/// assert_eq!(key("ab", "c"), key("ab", "c"));
/// assert_ne!(key("ab", "c"), key("a", "bc"));
///
/// // Parts of which there are any number:
/// let mut builder = KeyBuilder::new("image/v1");
/// for flag in ["-O2", "-g1"] {
///     builder.field("flag", flag);
/// }
/// assert_ne!(builder.finish(), KeyBuilder::new("image/v1").field("flag", "-O2-g1").finish());
/// ```
#[derive(Debug, Clone)]
pub struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// Starts a key of the sort `domain`, which says what is keyed and in which layout, as in
    /// `"image/v1"`: keys of different domains differ.
    pub fn new(domain: &str) -> Self {
        let mut builder = Self(blake3::Hasher::new());
        builder.bytes(domain.as_bytes());
        builder
    }

    /// Adds a value under a name.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.part(b'=', name.as_bytes(), value.as_ref())
    }

    /// Adds another key under a name, as of a tree.
    pub fn key(&mut self, name: &str, key: &Key) -> &mut Self {
        self.part(b'k', name.as_bytes(), key.as_bytes())
    }

    /// Adds what a file holds under a name; neither its path nor its times count.
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// ```
    /// # use pcrs_cache::KeyBuilder;
    /// let workload = tempfile::NamedTempFile::new()?;
    /// let key = KeyBuilder::new("trace/v1").file("workload", workload.path())?.finish();
    /// # let _ = key;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn file(&mut self, name: &str, path: &Path) -> Result<&mut Self> {
        let hash = hash_file(path)?;
        Ok(self.part(b'f', name.as_bytes(), hash.as_bytes()))
    }

    /// The key of the parts so far.
    pub fn finish(&self) -> Key {
        self.0.finalize().into()
    }

    /// One part; `sort` keeps apart values that mean different things.
    pub(crate) fn part(&mut self, sort: u8, name: &[u8], value: &[u8]) -> &mut Self {
        self.0.update(&[sort]);
        self.bytes(name);
        self.bytes(value);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[(String, String)]) -> Key {
        let mut builder = KeyBuilder::new("test");
        for (name, value) in parts {
            builder.field(name, value);
        }
        builder.finish()
    }

    fn parts() -> impl Strategy<Value = Vec<(String, String)>> {
        // Few letters, so that lists whose texts join to the same one are common.
        prop::collection::vec(("[ab=\0]{0,3}", "[ab=\0]{0,3}"), 0..4)
    }

    proptest! {
        #[test]
        fn keys_are_equal_when_all_parts_are(left in parts(), right in parts()) {
            prop_assert_eq!(key(&left) == key(&right), left == right);
        }

        #[test]
        fn moving_a_boundary_changes_the_key(text in "[ab]{2,8}", a in 0..8usize, b in 0..8usize) {
            let split = |at: usize| {
                let (name, value) = text.split_at(at.min(text.len()));
                vec![(name.to_string(), value.to_string())]
            };
            prop_assert_eq!(key(&split(a)) == key(&split(b)), split(a) == split(b));
        }
    }

    #[test]
    fn order_domain_and_sort_of_part_count() {
        let ab = KeyBuilder::new("d")
            .field("a", "1")
            .field("b", "2")
            .finish();
        let ba = KeyBuilder::new("d")
            .field("b", "2")
            .field("a", "1")
            .finish();
        assert_ne!(ab, ba);
        assert_ne!(KeyBuilder::new("d").finish(), KeyBuilder::new("e").finish());
        let as_key = KeyBuilder::new("d").key("a", &ab).finish();
        let as_bytes = KeyBuilder::new("d").field("a", ab.as_bytes()).finish();
        assert_ne!(as_key, as_bytes);
    }

    /// A key that changed by accident would throw every cache away.
    #[test]
    fn the_layout_is_fixed() {
        let key = KeyBuilder::new("image/v1")
            .field("julia", "1.10.6")
            .finish();
        let mut bytes = Vec::new();
        for text in ["image/v1", "=", "julia", "1.10.6"] {
            if text != "=" {
                bytes.extend((text.len() as u64).to_le_bytes());
            }
            bytes.extend(text.as_bytes());
        }
        assert_eq!(key.as_bytes(), blake3::hash(&bytes).as_bytes());
    }
}
