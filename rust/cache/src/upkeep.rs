//! Looking over the store: what it holds, and keeping it small.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use walkdir::WalkDir;

use crate::entry::{self, USED};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::kind::Kind;
use crate::scratch;
use crate::store::{Discarded, Store};

/// What is known of an entry without reading its files.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryInfo {
    /// What sort of result it is.
    pub kind: Kind,
    /// What it was put under.
    pub key: Key,
    /// Size of all its files in bytes, shared blocks included.
    pub bytes: u64,
    /// When it was put or last got; 1970 when unknown.
    pub last_used: SystemTime,
    /// What was put beside the files; `Null` of a damaged entry.
    pub meta: Value,
}

/// Sums over entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many there are.
    pub entries: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Totals {
    fn add(&mut self, entry: &EntryInfo) {
        self.entries += 1;
        self.bytes += entry.bytes;
    }

    /// The sums of each kind.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store, Totals};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("image/v1").finish();
    /// store.put(Kind::Image, &key, &[], &serde_json::Value::Null)?;
    /// let totals = Totals::by_kind(&store.info()?);
    /// assert_eq!(totals[&Kind::Image].entries, 1);
    /// assert!(!totals.contains_key(&Kind::Trace));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by_kind(entries: &[EntryInfo]) -> BTreeMap<Kind, Totals> {
        let mut totals = BTreeMap::<_, Totals>::new();
        for entry in entries {
            totals.entry(entry.kind).or_default().add(entry);
        }
        totals
    }
}

/// What was removed, and what could not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Gone.
    pub removed: Totals,
    /// In use, being built, or not to be removed by this user.
    pub kept: Totals,
}

impl Store {
    /// Every entry, the most recently used first.
    ///
    /// # Errors
    /// When a folder of the store cannot be listed; a store that does not exist is empty.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("trace/v1").finish();
    /// store.put(Kind::Trace, &key, &[], &serde_json::json!({"project": "A"}))?;
    /// let info = store.info()?;
    /// assert_eq!((info[0].kind, info[0].key), (Kind::Trace, key));
    /// assert_eq!(info[0].meta["project"], "A");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn info(&self) -> Result<Vec<EntryInfo>> {
        let mut entries = Vec::new();
        for kind in Kind::ALL {
            let dir = self.kind_dir(kind);
            let listed = match fs::read_dir(&dir) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                listed => listed.map_err(Error::at("reading", &dir))?,
            };
            // What is not named as an entry is none of ours.
            let keys = listed
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            entries.extend(keys.map(|key| look(&dir.join(Key::to_string(&key)), kind, key)));
        }
        entries.sort_by(|a, b| (b.last_used, a.key).cmp(&(a.last_used, b.key)));
        Ok(entries)
    }

    /// Removes entries, the least recently used first, until those left take at most `max_bytes`,
    /// and the remains of dead processes. Entries that are in use or being built stay, and may
    /// leave the store larger than that.
    ///
    /// # Errors
    /// As of [`Store::info`]. An entry that cannot be removed is no error, but counts as kept.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("image/v1").finish();
    /// store.put(Kind::Image, &key, &[], &serde_json::Value::Null)?;
    /// let entry = store.get(Kind::Image, &key);
    /// assert_eq!(store.trim(0)?.kept.entries, 1);
    /// drop(entry);
    /// assert_eq!(store.trim(0)?.removed.entries, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trim(&self, max_bytes: u64) -> Result<Removed> {
        self.tidy();
        let mut entries = self.info()?;
        let mut left: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let mut result = Removed::default();
        while left > max_bytes {
            let Some(oldest) = entries.pop() else { break };
            if self.try_remove(&oldest) {
                left -= oldest.bytes;
                result.removed.add(&oldest);
            } else {
                result.kept.add(&oldest);
            }
        }
        Ok(result)
    }

    /// Removes all entries, or all of one kind, and the remains of dead processes. Entries that
    /// are in use or being built stay.
    ///
    /// # Errors
    /// As of [`Store::trim`].
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("image/v1").finish();
    /// store.put(Kind::Image, &key, &[], &serde_json::Value::Null)?;
    /// assert_eq!(store.clear(Some(Kind::Trace))?.removed.entries, 0);
    /// assert_eq!(store.clear(None)?.removed.entries, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self, kind: Option<Kind>) -> Result<Removed> {
        self.tidy();
        let mut result = Removed::default();
        for entry in self.info()? {
            if kind.is_some_and(|kind| kind != entry.kind) {
                continue;
            }
            if self.try_remove(&entry) {
                result.removed.add(&entry);
            } else {
                result.kept.add(&entry);
            }
        }
        Ok(result)
    }

    fn tidy(&self) {
        scratch::sweep(&self.tmp());
        self.sweep_locks();
    }

    /// Whether the entry is gone.
    fn try_remove(&self, entry: &EntryInfo) -> bool {
        !self.is_being_built(entry.kind, &entry.key)
            && self
                .discard(entry.kind, &entry.key, || true)
                .is_ok_and(|done| done != Discarded::Kept)
    }
}

fn look(dir: &Path, kind: Kind, key: Key) -> EntryInfo {
    let bytes = WalkDir::new(dir)
        .follow_root_links(false)
        .into_iter()
        .flatten()
        .filter(|found| found.file_type().is_file())
        .filter_map(|found| found.metadata().ok())
        .map(|file| file.len())
        .sum();
    let last_used = fs::symlink_metadata(dir.join(USED))
        .and_then(|used| used.modified())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let meta = entry::read_record(dir).ok().flatten();
    EntryInfo {
        kind,
        key,
        bytes,
        last_used,
        meta: meta.map_or(Value::Null, |record| record.meta),
    }
}
