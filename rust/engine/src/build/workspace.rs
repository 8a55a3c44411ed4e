//! The folder in which a build makes everything, beside the image to be: so that publishing is a
//! rename within one file system, and one `rm -r` leaves nothing behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{BuildError, Stage};
use crate::identity::beside;

/// Held as long as the build lives.
const LOCK: &str = "lock";

/// Removed with all it holds when dropped, unless it lies in another one, which then removes it.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    // The second is held, not read: tells sweeping builds that this folder is alive.
    held: Option<(TempDir, File)>,
}

impl Workspace {
    /// Makes the folder for an image at `sysimage_path`, its parents included, after removing what
    /// builds that died with their machine left there.
    ///
    /// # Errors
    /// [`Stage::Check`] when the folder cannot be made.
    pub fn create(sysimage_path: &Path) -> Result<Self, BuildError> {
        let parent = sysimage_path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .map_err(|e| BuildError::io(Stage::Check, "creating the folder", parent, &e))?;
        let prefix = beside::work_folder(sysimage_path);
        sweep(parent, &prefix);
        let make = || {
            let dir = tempfile::Builder::new()
                .prefix(&prefix)
                .tempdir_in(parent)?;
            let lock = pcrs_cache::hold(&dir.path().join(LOCK))?;
            Ok((dir, lock))
        };
        let (dir, lock) = make()
            .map_err(|e| BuildError::io(Stage::Check, "writing to the folder", parent, &e))?;
        Ok(Self {
            path: dir.path().to_path_buf(),
            held: Some((dir, lock)),
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
        Ok(Self { path, held: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Removes the folder and reports if that fails, which dropping could not.
    pub fn close(self) -> std::io::Result<()> {
        self.held.map_or(Ok(()), |(dir, _)| dir.close())
    }
}

/// Removes the folders of dead builds to the same image: those whose lock nobody holds.
fn sweep(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        if pcrs_cache::is_abandoned(&entry.path(), &entry.path().join(LOCK)) {
            // Best effort: another sweeping build may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn nothing_is_left_when_dropped() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("new/deep/a b'c.so");
        let workspace = Workspace::create(&image).unwrap();
        let path = workspace.path().to_path_buf();
        assert!(path.is_dir());
        drop(workspace);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(image.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_dead_build_is_swept_and_a_live_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let image = root.path().join("x.so");
        let live = Workspace::create(&image).unwrap();
        let dead = root.path().join(".x.so.build-dead");
        fs::create_dir(&dead).unwrap();
        File::create(dead.join("lock")).unwrap();
        let old = SystemTime::now() - Duration::from_secs(3600);
        for dir in [&dead, &live.path().to_path_buf()] {
            File::open(dir).unwrap().set_modified(old).unwrap();
        }
        let second = Workspace::create(&image).unwrap();
        assert!(live.path().exists() && second.path().exists() && !dead.exists());
    }
}
