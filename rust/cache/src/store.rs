//! The folder of entries, shared by every process of every user who may write it:
//!
//! ```text
//! v1/image/<key>/record        checksum line, then JSON: files with sizes and hashes, metadata
//!               /used          locked while in use; its time is the last use
//!               /files/<name>
//! v1/trace/..  v1/base/..  v1/layer/..
//! v1/locks/<kind>-<key>        held by who builds that key
//! v1/tmp/<pid>-<random>/       entries on their way in or out
//! ```
//!
//! An entry appears by rename, with all it holds, and disappears by rename. Nothing is synced to
//! the disk: after a power cut, whatever is not as recorded is a miss.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::copy::copy;
use crate::entry::{self, Entry, FILES, Miss, USED};
use crate::error::{Error, Result};
use crate::hash::FileHasher;
use crate::key::Key;
use crate::kind::Kind;
use crate::lock::{self, Lock, is_at};
use crate::record::{self, FileRecord, Record};
use crate::rename::rename;
use crate::scratch::{self, Scratch};
use crate::trust;

/// The layout of the folder; another one lives beside it.
const VERSION: &str = "v1";

/// How often an entry is moved into a place where others put and remove entries, as long as theirs
/// are gone at the second look.
const ATTEMPTS: u32 = 100;

/// How often it is where something stays: a process may be looking at it, or it is there for good.
const ATTEMPTS_IN_THE_WAY: u32 = 5;

/// Results of builds, in a folder.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    /// Others may write to it.
    shared: bool,
}

/// What became of an entry that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is in the store.
    Stored,
    /// A whole one was there, and stays.
    AlreadyThere,
}

/// What became of an entry that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discarded {
    Removed,
    Kept,
    Absent,
}

impl Store {
    /// The store in the folder `root`, which is made when something is put there.
    ///
    /// ```
    /// use pcrs_cache::{KeyBuilder, Kind, Store};
    /// let store = Store::new("/nowhere/cache");
    /// assert!(store.get(Kind::Base, &KeyBuilder::new("base/v1").finish()).is_none());
    /// ```
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self {
            dir: root.as_ref().join(VERSION),
            shared: false,
        }
    }

    /// The same store, as one to which others may write too: what it makes has the modes that the
    /// umask gives, where otherwise only this user may write to it.
    ///
    /// ```
    /// use pcrs_cache::Store;
    /// assert!(Store::new("/nowhere/cache").shared(true).doubt().is_none());
    /// ```
    #[must_use]
    pub fn shared(self, shared: bool) -> Self {
        Self { shared, ..self }
    }

    /// Why what is in the store may be somebody else's: a folder of it, and the end of a sentence
    /// about that. `None` when all of it is this user's or root's, and nobody else may write to it;
    /// when it is not there yet; or when it is [shared](Store::shared).
    ///
    /// ```
    /// # use pcrs_cache::Store;
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// assert!(store.doubt().is_none());
    /// # #[cfg(unix)] {
    /// # use std::os::unix::fs::PermissionsExt;
    /// std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777))?;
    /// let (path, why) = store.doubt().unwrap();
    /// assert_eq!((path.as_path(), &*why), (folder.path(), "can be written by everybody"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn doubt(&self) -> Option<(PathBuf, String)> {
        if self.shared {
            return None;
        }
        let root = self.dir.parent().map(Path::to_path_buf);
        let kinds = Kind::ALL.map(|kind| self.kind_dir(kind));
        let folders = root.into_iter().chain([self.dir.clone(), self.tmp()]);
        folders
            .chain(kinds)
            .find_map(|path| trust::doubt(&path).map(|why| (path, why)))
    }

    /// Makes the folder that [`Store::new`] was given, which [`Store::put`] and [`Store::lock`] do by
    /// themselves.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<()> {
        self.dir
            .parent()
            .map_or(Ok(()), |root| self.create_folder(root))
    }

    fn create_folder(&self, path: &Path) -> Result<()> {
        let made = if self.shared {
            fs::create_dir_all(path)
        } else {
            trust::create_folder(path)
        };
        made.map_err(Error::at("creating the folder", path))
    }

    /// The entry under `key`, if it is whole: every file has the recorded size and hash (less
    /// than 0.1 s for an image of 300 MB). It counts as used now.
    ///
    /// A damaged entry is removed. There are no errors: what cannot be read is a miss.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::new(folder.path());
    /// # let key = KeyBuilder::new("base/v1").finish();
    /// # store.put(Kind::Base, &key, &[], &serde_json::Value::Null)?;
    /// if let Some(base) = store.get(Kind::Base, &key) {
    ///     // Here, while `base` lives, its files are where `base.path(..)` says.
    ///     assert_eq!(base.files().count(), 0);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, kind: Kind, key: &Key) -> Option<Entry> {
        match Entry::open(&self.entry_dir(kind, key), kind, key) {
            Ok(entry) => {
                entry.touch();
                Some(entry)
            }
            Err(Miss::Broken) => {
                // Best effort: it stays a miss.
                let _ = self.discard_broken(kind, key);
                None
            }
            Err(Miss::Absent | Miss::Unreadable) => None,
        }
    }

    /// Puts copies of `files`, by name and path, under `key`, with `meta` beside them. They are
    /// copied by reflink where the file system can, and never linked: whoever may write to the
    /// originals must not reach the store. The files must not change meanwhile.
    ///
    /// A whole entry that is there stays, and so does the first of two processes that put the same.
    ///
    /// # Errors
    /// When a file cannot be read or the store not be written, as on a full disk: no entry appears,
    /// and nothing is left behind. A name that is not a plain file name, or given twice.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Put, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::new(folder.path().join("cache"));
    /// # let image = folder.path().join("built.so");
    /// # std::fs::write(&image, "image")?;
    /// let key = KeyBuilder::new("image/v1").finish();
    /// let put = || store.put(Kind::Image, &key, &[("sys.so", &image)], &serde_json::Value::Null);
    /// assert_eq!(put()?, Put::Stored);
    /// assert_eq!(put()?, Put::AlreadyThere);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, kind: Kind, key: &Key, files: &[(&str, &Path)], meta: &Value) -> Result<Put> {
        let target = self.entry_dir(kind, key);
        check_names(files).map_err(Error::at("storing", &target))?;
        if Entry::open(&target, kind, key).is_ok() {
            return Ok(Put::AlreadyThere);
        }
        let parent = self.kind_dir(kind);
        self.create_folder(&parent)?;
        let tmp = self.tmp();
        self.create_folder(&tmp)?;
        scratch::sweep(&tmp);
        let scratch = Scratch::create(&tmp).map_err(Error::at("writing to the folder", &tmp))?;
        let entry = scratch.entry();
        fill(&entry, kind, key, files, meta)?;
        if !self.shared {
            trust::close_to_others(&entry).map_err(Error::at("writing to the folder", &entry))?;
        }
        let (mut attempts, mut in_the_way) = (0, 0);
        loop {
            let Err(error) = rename(&scratch.entry(), &target) else {
                return Ok(Put::Stored);
            };
            // Another process was first.
            if Entry::open(&target, kind, key).is_ok() {
                return Ok(Put::AlreadyThere);
            }
            // Best effort: if it stays, so does the error.
            let gone = matches!(
                self.discard_broken(kind, key),
                Ok(Discarded::Absent | Discarded::Removed)
            );
            attempts += 1;
            in_the_way += u32::from(!gone);
            if attempts == ATTEMPTS || in_the_way == ATTEMPTS_IN_THE_WAY {
                return Err(Error::new("writing", &target, error));
            }
        }
    }

    /// Removes the entry under `key`, for a build that is to be done again: `false` when there is
    /// none, or it is in use.
    ///
    /// # Errors
    /// When it cannot be removed.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("image/v1").finish();
    /// store.put(Kind::Image, &key, &[], &serde_json::Value::Null)?;
    /// assert!(store.remove(Kind::Image, &key)?);
    /// assert!(!store.remove(Kind::Image, &key)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&self, kind: Kind, key: &Key) -> Result<bool> {
        Ok(self.discard(kind, key, || true)? == Discarded::Removed)
    }

    fn discard_broken(&self, kind: Kind, key: &Key) -> Result<Discarded> {
        let dir = self.entry_dir(kind, key);
        // Looked at again once it is locked: another process may have put a whole one there.
        self.discard(kind, key, || entry::verify(&dir, kind, key).is_err())
    }

    /// Removes an entry that nobody uses, if `condition` holds once it is locked, or it
    /// cannot be locked for being broken.
    pub(crate) fn discard(
        &self,
        kind: Kind,
        key: &Key,
        condition: impl FnOnce() -> bool,
    ) -> Result<Discarded> {
        let dir = self.entry_dir(kind, key);
        let gone =
            || fs::symlink_metadata(&dir).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let mut used = entry::open_used(&dir);
        if used.is_err() {
            if gone() {
                return Ok(Discarded::Absent);
            }
            // Again, for one that was replaced meanwhile.
            used = entry::open_used(&dir);
        }
        let used = match used.map_err(|e| (Miss::from(e.kind()), e)) {
            Ok(used) => Some(used),
            // An entry that has lost the file is used by nobody.
            Err((Miss::Broken, _)) => None,
            Err((_, error)) => return Err(Error::new("opening", &dir.join(USED), error)),
        };
        if let Some(used) = &used {
            match used.try_lock() {
                Err(fs::TryLockError::WouldBlock) => return Ok(Discarded::Kept),
                // Where it can only be read, NFS grants no lock, but tells of those of others.
                Err(fs::TryLockError::Error(_)) if lock::is_held(&dir.join(USED)) => {
                    return Ok(Discarded::Kept);
                }
                Ok(()) if !is_at(used, &dir.join(USED)) => return Ok(Discarded::Absent),
                Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            }
            if !condition() {
                return Ok(Discarded::Kept);
            }
        }
        if cfg!(windows) {
            // No folder is renamed there while a file in it is open.
            drop(used);
            self.remove_dir(&dir)?;
        } else {
            self.remove_dir(&dir)?;
            drop(used);
        }
        Ok(Discarded::Removed)
    }

    /// Away in one step, so that no process sees half of it.
    fn remove_dir(&self, dir: &Path) -> Result<()> {
        let moved = match Scratch::create(&self.tmp()) {
            Ok(scratch) => fs::rename(dir, scratch.entry()),
            Err(error) => Err(error),
        };
        let removed = moved.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            // On a full disk there may be no room for a folder; half an entry is a miss.
            _ => fs::remove_dir_all(dir),
        });
        removed.map_err(Error::at("removing", dir))
    }

    /// Waits for the right to build `key`, so that two builds of the same do not double the work:
    /// look into the store again once it is there. Other keys are not held up.
    ///
    /// `should_stop` is called only while somebody else holds the lock, about ten times a second;
    /// when it says `true`, the answer is `None`.
    ///
    /// # Errors
    /// When the lock file cannot be made, as in a store that is read-only, or the file system has
    /// no locks. Building without the lock is safe.
    ///
    /// ```
    /// # use pcrs_cache::{KeyBuilder, Kind, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::new(folder.path());
    /// let key = KeyBuilder::new("image/v1").finish();
    /// let lock = store.lock(Kind::Image, &key, || false)?.expect("not asked to stop");
    /// assert!(store.lock(Kind::Image, &key, || true)?.is_none());
    /// drop(lock);
    /// assert!(store.lock(Kind::Image, &key, || true)?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(
        &self,
        kind: Kind,
        key: &Key,
        should_stop: impl FnMut() -> bool,
    ) -> Result<Option<Lock>> {
        let folder = self.locks();
        self.create_folder(&folder)?;
        Lock::wait(&self.lock_path(kind, key), should_stop)
    }

    /// Whether somebody is building `key`.
    pub(crate) fn is_being_built(&self, kind: Kind, key: &Key) -> bool {
        lock::is_held(&self.lock_path(kind, key))
    }

    /// Removes lock files that nobody holds.
    pub(crate) fn sweep_locks(&self) {
        lock::sweep(&self.locks());
    }

    pub(crate) fn kind_dir(&self, kind: Kind) -> PathBuf {
        self.dir.join(kind.name())
    }

    pub(crate) fn entry_dir(&self, kind: Kind, key: &Key) -> PathBuf {
        self.kind_dir(kind).join(key.to_string())
    }

    fn locks(&self) -> PathBuf {
        self.dir.join("locks")
    }

    fn lock_path(&self, kind: Kind, key: &Key) -> PathBuf {
        self.locks().join(format!("{kind}-{key}"))
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }
}

fn check_names(files: &[(&str, &Path)]) -> io::Result<()> {
    let mut seen = HashSet::new();
    for (name, _) in files {
        let mut parts = Path::new(name).components();
        let plain = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(only)), None) if only == *name
        );
        if !plain || !seen.insert(name) {
            let message = format!("{name:?} is no name for a file of an entry, or given twice");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// Makes a whole entry in the new folder `dir`.
fn fill(dir: &Path, kind: Kind, key: &Key, files: &[(&str, &Path)], meta: &Value) -> Result<()> {
    let inside = dir.join(FILES);
    fs::create_dir_all(&inside).map_err(Error::at("creating the folder", &inside))?;
    let mut hasher = FileHasher::default();
    let mut records = Vec::with_capacity(files.len());
    for (name, source) in files {
        let target = inside.join(name);
        copy(source, &target)?;
        // Of the copy: what is recorded is what is there.
        let (hash, bytes) = File::open(&target)
            .and_then(|mut file| hasher.hash(&mut file))
            .map_err(Error::at("reading", &target))?;
        records.push(FileRecord {
            name: (*name).to_string(),
            bytes,
            hash,
        });
    }
    let record = Record {
        kind,
        key: *key,
        files: records,
        meta: meta.clone(),
    };
    let path = dir.join(record::FILE);
    let text = record
        .to_text()
        .map_err(|e| Error::new("writing", &path, e.into()))?;
    fs::write(&path, text).map_err(Error::at("writing", &path))?;
    let used = dir.join(USED);
    File::create(&used).map_err(Error::at("writing", &used))?;
    Ok(())
}
