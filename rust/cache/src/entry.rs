//! One entry: found, held, and known to be whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::copy::copy;
use crate::error::{Error, Result};
use crate::hash::FileHasher;
use crate::key::Key;
use crate::kind::Kind;
use crate::lock::is_at;
use crate::lock_file::{self, LockFile};
use crate::record::{self, FileRecord, Record};

/// Name of the file that is locked while the entry is in use; modified when it last was.
pub(crate) const USED: &str = "used";
/// Name of the folder with the files.
pub(crate) const FILES: &str = "files";

/// Between two looks at an entry that may be about to be removed, and how many.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: u32 = 50;

/// Files and metadata from the store. While it lives, [`Store::trim`](crate::Store::trim) and
/// [`Store::clear`](crate::Store::clear) leave the entry alone, in every process.
///
/// ```
/// # use pcrs_cache::{KeyBuilder, Kind, Store};
/// # let folder = tempfile::tempdir()?;
/// # let image = folder.path().join("built.so");
/// # std::fs::write(&image, "image")?;
/// let store = Store::new(folder.path().join("cache"));
/// let key = KeyBuilder::new("image/v1").finish();
/// store.put(Kind::Image, &key, &[("sys.so", &image)], &serde_json::Value::Null)?;
///
/// let entry = store.get(Kind::Image, &key).unwrap();
/// assert_eq!(entry.files().collect::<Vec<_>>(), [("sys.so", 5)]);
/// let copy = folder.path().join("copy.so");
/// assert_eq!(entry.copy_to("sys.so", &copy)?, 5);
/// assert_eq!(std::fs::read(copy)?, b"image");
/// assert!(entry.path("other").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Entry {
    dir: PathBuf,
    record: Record,
    // Held, not read.
    _used: LockFile,
}

/// Why an entry is not taken.
#[derive(Debug)]
pub(crate) enum Miss {
    /// Nothing is there, or somebody is removing it.
    Absent,
    /// What is there is not what was put there.
    Broken,
    /// It could not be looked at, which says nothing about it.
    Unreadable,
}

impl From<io::ErrorKind> for Miss {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidData => Miss::Broken,
            _ => Miss::Unreadable,
        }
    }
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        error.kind().into()
    }
}

impl Entry {
    /// Opens and verifies the entry in the folder `dir`.
    pub(crate) fn open(dir: &Path, kind: Kind, key: &Key) -> std::result::Result<Self, Miss> {
        match fs::symlink_metadata(dir) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Miss::Absent),
            Err(_) => return Err(Miss::Unreadable),
        }
        let used = open_used(dir)?;
        if !hold(&used) || !is_at(&used, &dir.join(USED)) {
            return Err(Miss::Absent);
        }
        let record = verify(dir, kind, key)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            record,
            _used: used,
        })
    }

    /// Notes that the entry was used now.
    pub(crate) fn touch(&self) {
        // Best effort: in a store that is read-only, nothing is trimmed either.
        let _ = self._used.set_modified(SystemTime::now());
    }

    /// What was put beside the files.
    pub fn meta(&self) -> &Value {
        &self.record.meta
    }

    /// Names and sizes in bytes, in the order in which they were put.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.record.files.iter();
        files.map(|file| (file.name.as_str(), file.bytes))
    }

    /// Where the file `name` is, for use while the entry lives. It must not be written to, nor
    /// given away as a hard link.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let mut names = self.record.files.iter().map(|file| file.name.as_str());
        names
            .any(|known| known == name)
            .then(|| file(&self.dir, name))
    }

    /// What the file `name` holds.
    ///
    /// # Errors
    /// When there is no such file, or it was removed by other means than the store: treat it as a
    /// miss.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.known(name)?;
        fs::read(&path).map_err(Error::at("reading", &path))
    }

    /// Copies the file `name` to `target`, which is overwritten, and gives its size in bytes. Where
    /// the file system can, the two share their blocks until one is changed (a reflink). Never a
    /// hard link: what the user does to the copy must not reach the store, and through it the
    /// images of other projects.
    ///
    /// # Errors
    /// As of [`Entry::read`], and when `target` cannot be written; a part of it may be there then.
    pub fn copy_to(&self, name: &str, target: &Path) -> Result<u64> {
        let path = self.known(name)?;
        copy(&path, target)
    }

    fn known(&self, name: &str) -> Result<PathBuf> {
        self.path(name).ok_or_else(|| {
            let path = file(&self.dir, name);
            Error::new("reading", &path, io::ErrorKind::NotFound.into())
        })
    }
}

fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join(FILES).join(name)
}

/// Waits while a process looks at the entry to remove it, and not for ever, as it may be stopped.
fn hold(used: &File) -> bool {
    for _ in 0..PATIENCE {
        match used.try_lock_shared() {
            // Where the file system has no locks, an entry in use may be removed.
            Ok(()) | Err(TryLockError::Error(_)) => return true,
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
        }
    }
    false
}

pub(crate) fn open_used(dir: &Path) -> io::Result<LockFile> {
    // For writing too, where possible: Windows wants that for setting its time.
    lock_file::open(&regular(dir.join(USED))?, false)
}

/// The record of the entry in `dir`, once every file is as it says.
pub(crate) fn verify(dir: &Path, kind: Kind, key: &Key) -> std::result::Result<Record, Miss> {
    let record = read_record(dir)?.ok_or(Miss::Broken)?;
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Err(Miss::Broken);
    }
    if record.kind != kind || record.key != *key {
        return Err(Miss::Broken);
    }
    let mut hasher = FileHasher::default();
    for expected in &record.files {
        if !is_whole(dir, expected, &mut hasher)? {
            return Err(Miss::Broken);
        }
    }
    Ok(record)
}

/// The record of the entry in `dir`, if it is one.
pub(crate) fn read_record(dir: &Path) -> io::Result<Option<Record>> {
    Ok(Record::parse(&fs::read(regular(dir.join(record::FILE))?)?))
}

fn is_whole(dir: &Path, expected: &FileRecord, hasher: &mut FileHasher) -> io::Result<bool> {
    let mut file = File::open(regular(file(dir, &expected.name))?)?;
    // The length first, which costs nothing.
    Ok(file.metadata()?.len() == expected.bytes && {
        let (hash, bytes) = hasher.hash(&mut file)?;
        hash == expected.hash && bytes == expected.bytes
    })
}

/// Nothing but files is ever put into an entry: a link could lead anywhere, a pipe block.
fn regular(path: PathBuf) -> io::Result<PathBuf> {
    if fs::symlink_metadata(&path)?.is_file() {
        Ok(path)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
