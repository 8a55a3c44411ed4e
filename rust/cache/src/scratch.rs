//! Folders inside the store in which entries are made, and to which they are moved to be removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::lock_file;
use crate::locked_folder::LockedFolder;

/// Beside the entry, which on Windows could not be moved with an open file in it.
const LOCK: &str = "lock";
const ENTRY: &str = "entry";

/// Removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    // Its lock tells sweeping processes that it is alive.
    folder: LockedFolder,
}

impl Scratch {
    /// Makes a folder in `parent`, which is made too.
    pub fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let prefix = format!("{}-", std::process::id());
        let folder = LockedFolder::create(parent, &prefix, LOCK)?;
        Ok(Self { folder })
    }

    /// Where the entry is; nothing is there at first.
    pub fn entry(&self) -> PathBuf {
        self.folder.path().join(ENTRY)
    }
}

/// Removes the folders of dead processes in `parent`: those whose lock nobody holds.
pub fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if lock_file::is_abandoned(&entry.path(), &entry.path().join(LOCK)) {
            // Best effort: another process may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::age;

    #[test]
    fn a_dead_folder_is_swept_and_a_live_or_young_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let live = Scratch::create(root.path()).unwrap();
        let live_path = live.folder.path().to_path_buf();
        let dead = root.path().join("1-dead");
        let unlocked = root.path().join("1-unlocked");
        let young = root.path().join("1-young");
        for dir in [&dead, &unlocked, &young] {
            fs::create_dir(dir).unwrap();
        }
        File::create(dead.join(LOCK)).unwrap();
        for dir in [&dead, &unlocked, &live_path] {
            age::by_an_hour(dir);
        }
        sweep(root.path());
        assert!(live_path.exists() && young.exists());
        assert!(!dead.exists() && !unlocked.exists());
        drop(live);
        assert!(!live_path.exists());
    }
}
