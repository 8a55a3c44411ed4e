//! Waiting until a file is on the disk, so that a loss of power loses nothing of it.

use std::fs::File;
use std::io::{self, ErrorKind};

/// Waits until what was written to `file`, a folder's names included, is on the disk. A file system that
/// has no such call (FUSE's, some of the network) is no error: there is nothing to wait for.
///
/// # Errors
/// When the disk does not take it.
pub fn wait(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // EINVAL is what fsync(2) gives where it is not supported.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
