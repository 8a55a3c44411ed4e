//! The wish that reading ends before it is done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells hashing in other threads to end: clones share the wish.
///
/// ```
/// use pcrs_cache::{Stop, hash_file_until};
/// let file = tempfile::NamedTempFile::new()?;
/// let stop = Stop::default();
/// assert!(hash_file_until(file.path(), &stop).is_ok());
/// stop.clone().set();
/// assert!(hash_file_until(file.path(), &stop).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the end; it cannot be taken back.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once the end was asked for. Not `Interrupted`, which means to try again.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.is_set() {
            Err(io::Error::other("stopped"))
        } else {
            Ok(())
        }
    }
}
