//! The folder in which a build makes everything, beside the image to be: so that publishing is a
//! rename within one file system, and one `rm -r` leaves nothing behind. Where the user wants it elsewhere,
//! a second one beside the image takes what is about to be published.

use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::LockedFolder;
use tempfile::TempDir;

use super::head;
use crate::error::{BuildError, Stage};
use crate::identity::beside;

/// Held as long as the build lives.
const LOCK: &str = "lock";
/// In the lock file, by which a folder is known as one of ours, whatever image it is for.
const MARK: &[u8] = b"work folder of PackageCompilerRS\n";
/// A socket's path has at most 107 bytes (unix(7)), of which its own name and a folder around it
/// take some.
const LONGEST_TEMPORARY: usize = 107 - 40;

/// Removed with all it holds when dropped, unless it lies in another one, which then removes it.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    /// Where children put their temporary files.
    temporary: PathBuf,
    /// Where those are if not in the work folder.
    elsewhere: Option<TempDir>,
    held: Option<LockedFolder>,
    /// Beside the image, where the work folder is elsewhere.
    beside_image: Option<LockedFolder>,
}

/// Makes a folder in `parent`, which is made too, after removing what builds that died with their
/// machine left there. Other builds see that it is alive.
fn held(parent: &Path, prefix: &str) -> Result<LockedFolder, BuildError> {
    fs::create_dir_all(parent)
        .map_err(|e| BuildError::io(Stage::Check, "creating the folder", parent, &e))?;
    sweep(parent, prefix);
    let make = || {
        let folder = LockedFolder::create(parent, prefix, LOCK)?;
        folder.write_to_lock(MARK)?;
        Ok(folder)
    };
    make().map_err(|e| BuildError::io(Stage::Check, "writing to the folder", parent, &e))
}

impl Workspace {
    /// Makes the folder for an image at `sysimage_path`, in the folder `work_dir` or beside the image, its
    /// parents included, after removing what builds that died with their machine left there. Temporary
    /// files of children lie in it, or in a folder in `temporary` where its path is too long for the
    /// sockets that they may hold.
    ///
    /// # Errors
    /// [`Stage::Check`] when the folder cannot be made.
    pub fn create(
        sysimage_path: &Path,
        work_dir: Option<&Path>,
        temporary: &Path,
    ) -> Result<Self, BuildError> {
        let beside = sysimage_path.parent().unwrap_or(Path::new("."));
        let prefix = beside::work_folder(sysimage_path);
        let held = held(work_dir.unwrap_or(beside), &prefix)?;
        let beside_image = match work_dir {
            Some(_) => Some(self::held(beside, &prefix)?),
            None => None,
        };
        let inside = held.path().join("tmp");
        fs::create_dir(&inside)
            .map_err(|e| BuildError::io(Stage::Check, "creating the folder", &inside, &e))?;
        let mut elsewhere = None;
        if inside.as_os_str().len() > LONGEST_TEMPORARY {
            let outside = tempfile::Builder::new()
                .prefix("pcrs-")
                .tempdir_in(temporary);
            // Where there is none that can be written to, sockets alone are lost.
            let outside = outside.ok();
            let shorter = |dir: &TempDir| dir.path().as_os_str().len() <= LONGEST_TEMPORARY;
            elsewhere = outside.filter(shorter);
        }
        Ok(Self {
            path: held.path().to_path_buf(),
            temporary: elsewhere
                .as_ref()
                .map_or(inside, |dir| dir.path().to_path_buf()),
            elsewhere,
            held: Some(held),
            beside_image,
        })
    }

    /// A folder in this one for a part of the build, in which files may have the same names.
    ///
    /// # Errors
    /// [`Stage::Check`] when it cannot be made.
    pub fn inner(&self, name: &str) -> Result<Self, BuildError> {
        let path = self.file(name);
        fs::create_dir_all(&path)
            .map_err(|e| BuildError::io(Stage::Check, "creating the folder", &path, &e))?;
        Ok(Self {
            path,
            temporary: self.temporary.clone(),
            elsewhere: None,
            held: None,
            beside_image: None,
        })
    }

    /// The folder for temporary files of children; they are gone with the work folder.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The folder from where files are moved to the image's place: on the same file system.
    pub fn publishing(&self) -> &Path {
        self.beside_image
            .as_ref()
            .map_or(&self.path, |held| held.path())
    }

    /// The folders by whose mark other builds know them: this one, and one beside the image.
    pub fn marked(&self) -> Vec<PathBuf> {
        let held = [&self.held, &self.beside_image].into_iter().flatten();
        held.map(|held| held.path().to_path_buf()).collect()
    }

    /// Removes the folder and reports if that fails, which dropping could not.
    pub fn close(self) -> std::io::Result<()> {
        if let Some(dir) = self.elsewhere {
            remove(&dir.keep())?;
        }
        let mut closed = Ok(());
        for held in [self.beside_image, self.held].into_iter().flatten() {
            closed = closed.and(held.close(remove));
        }
        closed
    }
}

/// Removes `folder`, and what children made read-only in it, as Pkg does with artifacts.
fn remove(folder: &Path) -> std::io::Result<()> {
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    make_writable(folder);
    fs::remove_dir_all(folder)
}

/// The folders at and below `folder`, as far as they are ours.
fn make_writable(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of the entry itself: links are not followed.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

/// Removes the folders of dead builds in `parent`: those whose lock nobody holds. One that died
/// before it locked its folder left no mark; it is known by `prefix`, if it was for the same image.
fn sweep(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let same_image = entry.file_name().to_string_lossy().starts_with(prefix);
        if (same_image || is_marked(&path)) && is_dead(&path) {
            // Best effort: another sweeping build may be removing it too.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Removes the work folder at `path` if its build is dead, and gives its size in bytes.
pub fn remove_if_dead(path: &Path) -> u64 {
    // One that could not be removed to the end has lost its mark.
    let is_ours = is_marked(path) || beside::is_work_folder(path) && holds_no_file(path);
    if !is_ours || !is_dead(path) {
        return 0;
    }
    let bytes = size(path);
    match fs::remove_dir_all(path) {
        Ok(()) => bytes,
        Err(_) => 0,
    }
}

/// Whether `path` is named as a work folder, and its lock file says that it is one.
fn is_marked(path: &Path) -> bool {
    beside::is_work_folder(path) && head::of(&path.join(LOCK), MARK.len()) == MARK
}

fn is_dead(path: &Path) -> bool {
    pcrs_cache::is_abandoned(path, &path.join(LOCK))
}

/// Whether there are but folders in the folder at `path`.
fn holds_no_file(path: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(path) else {
        return false;
    };
    entries.all(|entry| {
        entry.is_ok_and(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds_no_file(&entry.path())
        })
    })
}

/// Bytes of the files in the folder at `path`.
fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::age;

    #[test]
    fn nothing_is_left_when_dropped() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("new/deep/a b'c.so");
        let workspace = Workspace::create(&image, None, root.path()).unwrap();
        let path = workspace.path().to_path_buf();
        assert!(path.is_dir());
        drop(workspace);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(image.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn of_other_images_only_what_is_known_as_a_work_folder_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let mut folders = Vec::new();
        for (name, text) in [
            (".Other.so.build-dead", MARK),
            (".theirs.build-1", b"".as_slice()),
            ("build-1", MARK),
        ] {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(LOCK), text).unwrap();
            age::by_an_hour(&folder);
            folders.push(folder);
        }
        let live = Workspace::create(&root.path().join("Live.so"), None, root.path()).unwrap();
        let left: Vec<bool> = folders.iter().map(|folder| folder.exists()).collect();
        assert_eq!(left, [false, true, true]);
        age::by_an_hour(live.path());
        assert_eq!(remove_if_dead(live.path()), 0);
        assert!(live.path().exists());
        drop(live);
    }

    #[test]
    fn temporary_files_lie_where_sockets_fit() {
        let root = tempfile::tempdir().unwrap();
        let short = Workspace::create(&root.path().join("x.so"), None, root.path()).unwrap();
        assert!(short.temporary().starts_with(short.path()));
        let image = root.path().join("a".repeat(60)).join("x.so");
        let long = Workspace::create(&image, None, root.path()).unwrap();
        let temporary = long.temporary().to_path_buf();
        assert_eq!(temporary.parent(), Some(root.path()));
        assert_eq!(long.inner("part").unwrap().temporary(), temporary);
        assert!(temporary.is_dir());
        long.close().unwrap();
        assert!(!temporary.exists());
        // Nowhere else to go.
        let long = Workspace::create(&image, None, Path::new("/no/such/folder")).unwrap();
        assert!(long.temporary().starts_with(long.path()));
    }

    #[test]
    fn a_dead_build_is_swept_and_a_live_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("x.so");
        let live = Workspace::create(&image, None, root.path()).unwrap();
        let dead = &*root.path().join(".x.so.build-dead");
        fs::create_dir(dead).unwrap();
        File::create(dead.join("lock")).unwrap();
        age::by_an_hour(dead);
        age::by_an_hour(live.path());
        let second = Workspace::create(&image, None, root.path()).unwrap();
        assert!(live.path().exists() && second.path().exists() && !dead.exists());
    }
}
