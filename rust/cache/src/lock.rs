//! Advisory locks on files that others may remove: they end with the process, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use same_file::Handle;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::kind::Kind;
use crate::store::Store;

/// Between two looks at a lock that another process holds.
const POLL: Duration = Duration::from_millis(100);

/// The right to build one key, until dropped.
#[derive(Debug)]
pub struct Lock {
    // Held, not read.
    _file: File,
}

impl Store {
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
        mut should_stop: impl FnMut() -> bool,
    ) -> Result<Option<Lock>> {
        let path = self.lock_path(kind, key);
        let folder = self.locks();
        fs::create_dir_all(&folder).map_err(Error::at("creating the folder", &folder))?;
        let open = || File::options().create(true).append(true).open(&path);
        loop {
            let file = open().map_err(Error::at("opening", &path))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Some(Lock { _file: file })),
                // Removed as unused, between opening and locking it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if should_stop() => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(POLL),
                Err(TryLockError::Error(e)) => return Err(Error::new("locking", &path, e)),
            }
        }
    }

    /// Whether somebody is building `key`.
    pub(crate) fn is_being_built(&self, kind: Kind, key: &Key) -> bool {
        is_held(&self.lock_path(kind, key))
    }

    /// Removes lock files that nobody holds.
    pub(crate) fn sweep_locks(&self) {
        for entry in fs::read_dir(self.locks()).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(file) = File::open(&path) else {
                continue;
            };
            // Held while it is removed: who waits for it sees that it is gone, and makes another.
            if file.try_lock().is_ok() && is_at(&file, &path) {
                // Best effort: an empty file does no harm.
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Whether `file` is what one finds at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let same = || -> io::Result<bool> {
        Ok(Handle::from_file(file.try_clone()?)? == Handle::from_path(path)?)
    };
    same().unwrap_or(false)
}

/// Whether somebody holds the lock file at `path`. Where there are no locks, nobody does.
pub(crate) fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
