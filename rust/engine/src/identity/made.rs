//! What builds have made in folders of packages, and is no part of these.

use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::Stop;

use super::beside;
use super::stamp;

/// Images in `folder` and what belongs to them; and the other paths there, with whether they are folders. What cannot
/// be read is for others to tell.
pub fn in_folder(folder: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, bool)>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    let mut rest = Vec::new();
    for entry in entries {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let made = match is_folder {
            true => beside::is_work_folder(&path) || beside::is_refresh_folder(&path),
            false => beside::is_log(&path) || beside::is_aside(&path),
        };
        if made {
            found.push(path);
        } else if let Some(image) = beside::image_of(&path)
            && !is_folder
            && stamp::is_stamp(&path)
        {
            found.extend([path, image]);
        } else if entry.file_name() != ".git" {
            rest.push((path, is_folder));
        }
    }
    (found, rest)
}

/// Adds to `made` what there is of that below `folder`, and the folders with nothing else in them but what is
/// `known`, which may have been made for it. Says whether there is anything else.
pub fn below(folder: &Path, known: &[PathBuf], stop: &Stop, made: &mut Vec<PathBuf>) -> bool {
    if stop.is_set() {
        return true;
    }
    let (mut found, rest) = in_folder(folder);
    let mut others = false;
    for (path, is_folder) in rest {
        if found.contains(&path) || known.contains(&path) {
            continue;
        }
        if is_folder && !below(&path, known, stop, made) {
            found.push(path);
        } else {
            others = true;
        }
    }
    made.extend(found);
    others
}
