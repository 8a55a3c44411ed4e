//! Files and folders that are older than they are.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Sets the time of the file or folder at `path` back.
pub fn by_an_hour(path: &Path) {
    let mut options = File::options();
    options.read(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        // `FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES`, and `FILE_FLAG_BACKUP_SEMANTICS`, without which
        // no folder is opened.
        options.access_mode(0x180).custom_flags(0x0200_0000);
    }
    let old = SystemTime::now() - Duration::from_secs(3600);
    options.open(path).unwrap().set_modified(old).unwrap();
}
