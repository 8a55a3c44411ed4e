//! Work folders that dead builds left, wherever they are: each build notes the place of its own in
//! the cache, so that clearing the cache clears these too.

use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::KeyBuilder;

use super::workspace;

/// The folder of notes, in that of the cache. A note is a file that holds the path of a work folder.
const NOTES: &str = "work";

/// The note of a work folder.
#[derive(Debug)]
pub struct Note {
    file: PathBuf,
    folder: PathBuf,
}

impl Note {
    /// Notes the work folder `folder` in the folder `cache`. `None` if that cannot be written, which
    /// is nobody's loss while the next build in the same folder looks too.
    pub fn write(cache: &Path, folder: &Path) -> Option<Self> {
        let notes = cache.join(NOTES);
        fs::create_dir_all(&notes).ok()?;
        // Another process, with another working folder, reads it.
        let text = folder.to_str().filter(|_| folder.is_absolute())?;
        let name = KeyBuilder::new("work folder/v1")
            .field("path", text)
            .finish();
        let note = notes.join(name.to_string());
        fs::write(&note, text).ok()?;
        Some(Self {
            file: note,
            folder: folder.to_path_buf(),
        })
    }

    /// Removes the note at the end of its build, unless the folder could not be removed.
    pub fn settle(self) {
        if is_gone(&self.folder) {
            // Best effort: one that stays speaks of a folder that is gone.
            let _ = fs::remove_file(self.file);
        }
    }
}

/// Whether nothing is at `path`, for certain.
fn is_gone(path: &Path) -> bool {
    path.try_exists().is_ok_and(|there| !there)
}

/// Removes the work folders of dead builds that are noted in the folder `cache`, and gives their
/// size in bytes. Those of live builds stay.
pub fn clear(cache: &Path) -> u64 {
    let mut bytes = 0;
    for note in fs::read_dir(cache.join(NOTES))
        .into_iter()
        .flatten()
        .flatten()
    {
        let Ok(text) = fs::read_to_string(note.path()) else {
            continue;
        };
        let folder = Path::new(&text);
        if folder.is_absolute() {
            bytes += workspace::remove_if_dead(folder);
        }
        if is_gone(folder) {
            let _ = fs::remove_file(note.path());
        }
    }
    bytes
}
