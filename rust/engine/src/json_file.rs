//! Files of JSON that are there whole or not at all.

use std::io::{self, BufWriter, IntoInnerError};
use std::path::Path;

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::on_disk;

/// How the names of unfinished files start: one stays where a process is killed, or the disk fails when it
/// is to be removed.
const UNFINISHED: &str = ".packagecompilerrs-";

/// Removes the unfinished files in `folder`; what others write there just now they do without.
pub fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // Best effort: it is looked for again.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

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
        .prefix(UNFINISHED)
        .permissions(mode)
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_finished_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(&[1], &folder.path().join("kept.json")).unwrap();
        std::fs::write(folder.path().join(".of others"), "").unwrap();
        // As a process leaves it that is killed.
        temporary(folder.path()).unwrap().keep().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        sweep(folder.path());
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".of others", "kept.json"]);
    }
}
