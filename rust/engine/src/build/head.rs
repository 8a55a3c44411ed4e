//! The first bytes of a file, by which it is known as one of ours.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// At most `length` bytes; none of what is no regular file, such as a link, or cannot be read.
pub fn of(path: &Path, length: usize) -> Vec<u8> {
    let read = || {
        let mut head = Vec::new();
        let file = File::open(path)?;
        file.take(length as u64).read_to_end(&mut head)?;
        Ok::<_, std::io::Error>(head)
    };
    let regular = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    regular.then(read).and_then(Result::ok).unwrap_or_default()
}
