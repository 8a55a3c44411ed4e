//! Whether what lies in a store can only have been put there by this user: an image out of it is
//! code that will be run.

use std::fs;
use std::io;
use std::path::Path;

/// Why the file or folder at `path` may hold what somebody else wrote, as the end of a sentence;
/// `None` also when nothing is there. The rules are those of ssh's `StrictModes`: it belongs to this
/// user or to root, and nobody else may write to it. A group of the owner's own, which has the
/// owner's number, is nobody else.
#[cfg(unix)]
pub fn doubt(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    const GROUP: u32 = 0o020;
    const OTHERS: u32 = 0o002;
    let found = fs::metadata(path).ok()?;
    let (owner, me) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != me && owner != 0 {
        return Some(format!("belongs to another user (number {owner})"));
    }
    if found.mode() & OTHERS != 0 {
        return Some("can be written by everybody".into());
    }
    (found.mode() & GROUP != 0 && found.gid() != owner)
        .then(|| format!("can be written by its group (number {})", found.gid()))
}

/// Windows decides by access control lists, which those of a user's own folder do well.
#[cfg(not(unix))]
pub fn doubt(_path: &Path) -> Option<String> {
    None
}

/// Makes the folder at `path` and those above it, so that only this user may write to them,
/// whatever the umask.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o755);
    }
    builder.create(path)
}

/// Takes from everybody but this user the right to write to what is in the folder at `path`, and to
/// itself.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    for entry in walkdir::WalkDir::new(path) {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let entry = entry?;
        let mode = entry.metadata()?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode & !0o022))?;
        }
    }
    let _ = path;
    Ok(())
}
