//! Advisory locks on files that others may remove: they end with the process, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use same_file::Handle;

use crate::error::{Error, Result};
use crate::lock_file::{self, LockFile, LockState, lock_state};

/// Between two looks at a lock that another process holds.
const POLL: Duration = Duration::from_millis(100);

/// The right to build one key, until dropped: of [`Store::lock`](crate::Store::lock).
#[derive(Debug)]
pub struct Lock {
    // Held, not read.
    _file: LockFile,
}

impl Lock {
    /// Waits for the lock file at `path`, until `should_stop` says `true`.
    pub(crate) fn wait(path: &Path, mut should_stop: impl FnMut() -> bool) -> Result<Option<Self>> {
        loop {
            let file = lock_file::open(path, true).map_err(Error::at("opening", path))?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Some(Self { _file: file })),
                // Removed as unused, between opening and locking it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if should_stop() => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(POLL),
                Err(TryLockError::Error(e)) => return Err(Error::new("locking", path, e)),
            }
        }
    }
}

/// Removes the lock files in `folder` that nobody holds.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(file) = lock_file::open(&path, false) else {
            continue;
        };
        // Held while it is removed: who waits for it sees that it is gone, and makes another.
        if file.try_lock().is_ok() && is_at(&file, &path) {
            // Best effort: an empty file does no harm.
            let _ = fs::remove_file(&path);
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
    lock_state(path) == LockState::Held
}
