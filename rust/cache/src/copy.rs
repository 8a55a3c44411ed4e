//! Copies of files that share nothing with the first but what they hold.

use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::hash::require_file;

/// Copies the file at `from` to `to`, which is replaced, and gives its size in bytes. Where the file
/// system can, the two share their blocks until one is changed. The copy has the mode that the umask
/// gives, and can be executed if the first can.
///
/// # Errors
/// When `from` is no regular file or cannot be read, or `to` cannot be written; a part of it may be there
/// then.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let (from, to) = (folder.path().join("a"), folder.path().join("b"));
/// std::fs::write(&from, "text")?;
/// assert_eq!(pcrs_cache::copy(&from, &to)?, 4);
/// assert_eq!(std::fs::read(&to)?, b"text");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn copy(from: &Path, to: &Path) -> Result<u64> {
    require_file(from).map_err(Error::at("reading", from))?;
    copy_file(from, to).map_err(Error::at("copying to", to))
}

/// The mode is given as the file is made, and not set: some file systems have none to set. `io::copy`
/// clones where it can, by `copy_file_range`.
#[cfg(target_os = "linux")]
fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    let mut source = File::open(from)?;
    let mut target = create(&source, to)?;
    io::copy(&mut source, &mut target)
}

/// `std` clones by `fclonefileat` on macOS and by ReFS's block cloning on Windows. It also hands on the
/// mode, which is that of the umask of whoever made the first file.
#[cfg(not(target_os = "linux"))]
fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    #[cfg(unix)]
    let mode = create(&File::open(from)?, to)?.metadata()?.permissions();
    remove(to)?;
    let copied = fs::copy(from, to)?;
    #[cfg(unix)]
    fs::set_permissions(to, mode)?;
    Ok(copied)
}

/// A new file at `to` with the mode of the umask of now.
#[cfg(unix)]
fn create(source: &File, to: &Path) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let executable = source.metadata()?.mode() & 0o111 != 0;
    remove(to)?;
    let mut options = File::options();
    options.write(true).create_new(true);
    options.mode(if executable { 0o777 } else { 0o666 });
    options.open(to)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
