//! Files of JSON that are there whole or not at all.

use std::io::{self, BufWriter, IntoInnerError};
use std::path::Path;

use serde::Serialize;

use crate::on_disk;

/// Writes `value` to `target`. The file is made beside it, as the umask has it, and on the disk
/// before it takes the place of an older one.
///
/// # Errors
/// When it cannot be written; `target` is then as it was.
pub fn write(value: &impl Serialize, target: &Path) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // A temporary file is its owner's alone, unless it is told otherwise.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut file = BufWriter::new(builder.tempfile_in(folder)?);
    serde_json::to_writer(&mut file, value)?;
    let file = file.into_inner().map_err(IntoInnerError::into_error)?;
    on_disk::wait(file.as_file())?;
    file.persist(target)?;
    Ok(())
}
