//! Files that are locked as long as a process lives, and the question whether one is.
//!
//! NFS turns `flock` into a lock on a range of bytes: an exclusive one takes a descriptor that is
//! open for writing, a shared one a descriptor that is open for reading. So lock files are opened
//! for both, and looked at in a way that does with reading alone.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A folder younger than this may belong to a process that has not locked it yet.
const GRACE: Duration = Duration::from_secs(60);

/// Where there are no locks, a folder that nothing was added to for this long is taken for dead.
const GRACE_WITHOUT_LOCKS: Duration = Duration::from_secs(24 * 60 * 60);

/// An open lock file. What it holds ends when it is dropped, even where another process has a copy of its
/// descriptor: one that was just forked has copies of all until it begins its program.
#[derive(Debug)]
pub struct LockFile(File);

impl Deref for LockFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Where this fails, there are no locks, or closing it does the same.
        let _ = self.0.unlock();
    }
}

/// What can be told of a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// A process holds it.
    Held,
    /// Nobody does, or there is none.
    Free,
    /// There are no locks here, or the file cannot be opened.
    Unknown,
}

/// Makes the lock file at `path` and holds it as long as the result lives.
///
/// Where the file system has no locks, the file is there and not locked: see
/// [`is_abandoned`].
///
/// # Errors
/// When the file cannot be made.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("lock");
/// let lock = pcrs_cache::hold(&path)?;
/// assert_eq!(pcrs_cache::lock_state(&path), pcrs_cache::LockState::Held);
/// drop(lock);
/// assert_eq!(pcrs_cache::lock_state(&path), pcrs_cache::LockState::Free);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn hold(path: &Path) -> io::Result<LockFile> {
    let file = open(path, true)?;
    // The file is this process's own: all that can go wrong is that there are no locks.
    let _ = file.try_lock();
    Ok(file)
}

/// Whether somebody holds the lock file at `path`.
///
/// ```
/// let state = pcrs_cache::lock_state("/nowhere/lock".as_ref());
/// assert_eq!(state, pcrs_cache::LockState::Free);
/// ```
pub fn lock_state(path: &Path) -> LockState {
    let file = match open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return LockState::Free,
        Err(_) => return LockState::Unknown,
    };
    // Shared, which does with a file that can only be read.
    match file.try_lock_shared() {
        Ok(()) => LockState::Free,
        Err(TryLockError::WouldBlock) => LockState::Held,
        Err(TryLockError::Error(_)) => LockState::Unknown,
    }
}

/// Whether `folder` is what a dead process left: old enough, and its lock file `lock` held by nobody.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// // It may be about to be locked.
/// assert!(!pcrs_cache::is_abandoned(folder.path(), &folder.path().join("lock")));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_abandoned(folder: &Path, lock: &Path) -> bool {
    let Ok(modified) = fs::metadata(folder).and_then(|folder| folder.modified()) else {
        return false;
    };
    let age = SystemTime::now().duration_since(modified);
    let age = age.unwrap_or_default();
    age > GRACE
        && match lock_state(lock) {
            LockState::Held => false,
            LockState::Free => true,
            LockState::Unknown => age > GRACE_WITHOUT_LOCKS,
        }
}

/// Opens the lock file at `path` for reading and writing, or for what is allowed.
pub(crate) fn open(path: &Path, create: bool) -> io::Result<LockFile> {
    // A pipe would be waited for.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let message = "not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut options = File::options();
    let both = options.read(true).write(true).create(create).open(path);
    let file = both.or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => File::open(path),
        _ => Err(error),
    });
    file.map(LockFile)
}
