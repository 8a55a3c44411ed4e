//! Files of JSON that are there whole or not at all.

use std::io::{self, BufWriter, IntoInnerError};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::on_disk;

/// Writes `value` to `target`. The file is made beside it, as the umask has it, and on the disk
/// before it takes the place of an older one.
///
/// # Errors
/// When it cannot be written; `target` is then as it was.
pub fn write(value: &impl Serialize, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut file = BufWriter::new(temporary(folder)?);
    serde_json::to_writer(&mut file, value)?;
    let file = file.into_inner().map_err(IntoInnerError::into_error)?;
    on_disk::wait(file.as_file())?;
    file.persist(target)?;
    Ok(())
}

/// A new file in `folder` with the mode that the umask gives: a temporary file is its owner's alone, unless it
/// is told otherwise.
#[cfg(unix)]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .permissions(mode)
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder)
}
