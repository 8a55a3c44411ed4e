//! The place of the image to be: links are followed, and nothing is replaced there but an image and
//! its stamp.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use object::ReadCache;
use pcrs_cache::Stop;

use crate::error::{BuildError, Stage};
use crate::identity::stamp::{self, Stamp};
use crate::identity::{beside, inspect};

/// More links than that lead in a circle.
const LINKS: usize = 40;

/// Where an image for `path` is put: the end of the links, if `path` is one, whether anything is
/// there or not.
///
/// # Errors
/// When the links lead nowhere, or cannot be read.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&at) {
            Ok(next) => {
                let parent = at.parent().unwrap_or(Path::new("."));
                let next = parent.join(next);
                at = match (next.parent().map(Path::canonicalize), next.file_name()) {
                    (Some(Ok(folder)), Some(name)) => folder.join(name),
                    _ => next,
                };
            }
            // No link, or nothing.
            Err(_) => return Ok(at),
        }
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Whether a new image and its stamp can take the place of what is at `image` and beside it, as far
/// as can be told without doing it.
///
/// # Errors
/// Of kind [`ErrorKind::Input`](crate::ErrorKind::Input), when something else than an image or a
/// stamp is there, or it is held in its place; of kind [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled)
/// when `stop` is set before that is known.
pub fn check(image: &Path, stop: &Stop) -> Result<(), BuildError> {
    let stamp = beside::stamp(image);
    if let Ok(found) = fs::symlink_metadata(image) {
        let known = found.is_file() && is_image(image, stop).map_err(|e| unreadable(image, &e))?;
        if !known && stop.is_set() {
            return Err(BuildError::cancelled(Stage::Check));
        }
        if !known {
            return Err(BuildError::input(format!(
                "`sysimage_path` is a file that is no sysimage: `{}`",
                image.display()
            ))
            .hint("give the path of the image to be; if this file is in its place, remove it"));
        }
    }
    if fs::symlink_metadata(&stamp).is_ok() && !stamp::is_replaceable(&stamp) {
        return Err(BuildError::input(format!(
            "`{}` is where the stamp of the image goes, and is none",
            stamp.display()
        ))
        .hint("move or remove that file, or choose another `sysimage_path`"));
    }
    for path in [image, &stamp] {
        if let Some(why) = obstacle(path) {
            return Err(
                BuildError::input(format!("`{}` cannot be replaced", path.display()))
                    .because(why)
                    .hint("choose a `sysimage_path` in another folder"),
            );
        }
    }
    Ok(())
}

fn unreadable(image: &Path, error: &io::Error) -> BuildError {
    BuildError::input(format!(
        "`sysimage_path`: what is at `{}` cannot be read",
        image.display()
    ))
    .because(error.to_string())
    .hint("choose another `sysimage_path`, or remove that file")
}

/// A sysimage of whatever Julia, one that its stamp speaks for, or a file with nothing in it.
fn is_image(path: &Path, stop: &Stop) -> io::Result<bool> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    // Of an image of many megabytes its tables are enough.
    let data = ReadCache::new(file);
    Ok(inspect::is_sysimage(&data) || Stamp::of(path, stop).is_some())
}

/// What keeps the file at `path` from being replaced, by a user who may write to its folder.
#[cfg(unix)]
fn obstacle(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    let found = fs::symlink_metadata(path).ok()?;
    let folder = path.parent()?;
    let place = fs::metadata(folder).ok()?;
    let (own, above) = (attributes::of(path), attributes::of(folder));
    if found.dev() != place.dev() || own & attributes::MOUNTED != 0 {
        return Some("it is mounted there, and a mounted file stays; mount its folder instead");
    }
    // SAFETY: geteuid(2) has no arguments and cannot fail.
    let me = unsafe { libc::geteuid() };
    let mine = [0, found.uid(), place.uid()].contains(&me);
    if place.mode() & STICKY != 0 && !mine {
        return Some("it is another user's, in a folder whose files only their owners may replace");
    }
    if (own | above) & attributes::FIXED != 0 {
        return Some("it, or its folder, has the attribute `immutable` or `append-only`");
    }
    None
}

#[cfg(not(unix))]
fn obstacle(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(unix)]
mod attributes {
    use std::path::Path;

    /// As in statx(2): `STATX_ATTR_MOUNT_ROOT`.
    pub const MOUNTED: u64 = 0x2000;
    /// `STATX_ATTR_IMMUTABLE` and `STATX_ATTR_APPEND`.
    pub const FIXED: u64 = 0x10 | 0x20;

    /// Those that the file system tells; none where nothing can be asked.
    #[cfg(target_os = "linux")]
    pub fn of(path: &Path) -> u64 {
        use std::os::unix::ffi::OsStrExt;
        let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
            return 0;
        };
        let mut told = std::mem::MaybeUninit::<libc::statx>::zeroed();
        // SAFETY: the path ends in NUL and outlives the call, which writes no more than a `statx`.
        let done = unsafe {
            libc::statx(
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::AT_SYMLINK_NOFOLLOW,
                0,
                told.as_mut_ptr(),
            )
        };
        if done != 0 {
            return 0;
        }
        // SAFETY: of integers only, and zeroed before the call filled it in.
        let told = unsafe { told.assume_init() };
        told.stx_attributes & told.stx_attributes_mask
    }

    #[cfg(not(target_os = "linux"))]
    pub fn of(_path: &Path) -> u64 {
        0
    }
}

/// Gives the file at `new` the mode, the group and, where that is allowed, the owner of the file at
/// `old` whose place it takes. Where there is none it has what the umask gave it.
///
/// # Errors
/// When the mode cannot be set.
#[cfg(unix)]
pub fn take_over(new: &Path, old: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let Ok(old) = fs::symlink_metadata(old) else {
        return Ok(());
    };
    let now = fs::metadata(new)?;
    let mut mode = old.mode() & 0o777;
    let same = (now.uid(), now.gid()) == (old.uid(), old.gid());
    if !same
        && chown(new, Some(old.uid()), Some(old.gid())).is_err()
        && chown(new, None, Some(old.gid())).is_err()
    {
        // Another group is let in no further than everybody.
        mode = mode & 0o707 | (mode & 0o007) << 3;
    }
    // Not where it is as it should be: some file systems have no modes to set.
    if now.mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(new, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub fn take_over(_new: &Path, _old: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_their_end() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir(root.join("store")).unwrap();
        symlink("b.so", root.join("a.so")).unwrap();
        symlink("store/../store/c.so", root.join("b.so")).unwrap();
        let end = root.join("store/c.so");
        assert_eq!(real(&root.join("a.so")).unwrap(), end);
        assert_eq!(real(&end).unwrap(), end);
        symlink("x.so", root.join("y.so")).unwrap();
        symlink("y.so", root.join("x.so")).unwrap();
        real(&root.join("x.so")).unwrap_err();
    }
}
