//! Folders that are gone with their maker, and known as alive as long as it lives.

use std::io::{self, Write};
use std::path::Path;

use tempfile::TempDir;

use crate::lock_file::{self, LockFile};

/// A folder with a lock file in it, removed with all it holds when dropped.
///
/// ```
/// let parent = tempfile::tempdir()?;
/// let folder = pcrs_cache::LockedFolder::create(parent.path(), "work-", "lock")?;
/// let path = folder.path().to_path_buf();
/// assert_eq!(pcrs_cache::lock_state(&path.join("lock")), pcrs_cache::LockState::Held);
/// drop(folder);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LockedFolder {
    // Dropped in this order: nobody finds the folder unlocked while it is removed.
    dir: TempDir,
    lock: Option<LockFile>,
}

impl LockedFolder {
    /// Makes a folder in `parent`, whose name begins with `prefix`, and holds the file `lock` in it.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub fn create(parent: &Path, prefix: &str, lock: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(parent)?;
        let lock = lock_file::hold(&dir.path().join(lock))?;
        Ok(Self {
            dir,
            lock: Some(lock),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds `text` to the lock file, which others may not do while it is held.
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk.
    pub fn write_to_lock(&self, text: &[u8]) -> io::Result<()> {
        match &self.lock {
            Some(lock) => (&**lock).write_all(text),
            None => Ok(()),
        }
    }

    /// Removes the folder by `remove`, which may fail where dropping only tries, and gives what that gives.
    ///
    /// ```
    /// let parent = tempfile::tempdir()?;
    /// let folder = pcrs_cache::LockedFolder::create(parent.path(), "work-", "lock")?;
    /// folder.close(|path| std::fs::remove_dir_all(path))?;
    /// assert_eq!(std::fs::read_dir(parent.path())?.count(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close<T>(mut self, remove: impl FnOnce(&Path) -> T) -> T {
        self.release_early();
        let removed = remove(self.dir.path());
        self.dir.disable_cleanup(true);
        removed
    }

    /// On Windows a file that is open is a file that stays, and so does its folder: not where the file system
    /// has POSIX semantics, as NTFS of Windows 10 and not FAT or a network's.
    fn release_early(&mut self) {
        if cfg!(windows) {
            self.lock = None;
        }
    }
}

impl Drop for LockedFolder {
    fn drop(&mut self) {
        self.release_early();
    }
}
