//! Files of JSON that are there whole or not at all.

use std::io::{self, BufWriter, IntoInnerError};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

/// Writes `value` to `target`. The file is made in `folder`, on the same file system.
///
/// # Errors
/// When it cannot be written; `target` is then as it was.
pub fn write(value: &impl Serialize, target: &Path, folder: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(NamedTempFile::new_in(folder)?);
    serde_json::to_writer(&mut file, value)?;
    let file = file.into_inner().map_err(IntoInnerError::into_error)?;
    // A temporary file is its owner's alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(target)?;
    Ok(())
}
