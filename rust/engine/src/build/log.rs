//! The log of a build: in the work folder while it runs, beside the image once it has failed, or at
//! a path of the user's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::head;
use crate::identity::beside;

/// The first line of every log, by which it is known as one of ours.
const HEAD: &str = "# Log of a build by PackageCompilerRS\n";

/// Makes an empty log at `path`.
///
/// # Errors
/// When it cannot be written.
pub fn create(path: &Path) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(HEAD.as_bytes())?;
    Ok(file)
}

/// Whether the file at `path` is the log of a build.
pub fn is_log(path: &Path) -> bool {
    let head = head::of(path, HEAD.len());
    head == HEAD.as_bytes() || is_line(&head)
}

/// Whether this is how logs began before they had a head: `[    0.12] ...`.
fn is_line(text: &[u8]) -> bool {
    let seconds = text
        .strip_prefix(b"[")
        .and_then(|rest| rest.split_at_checked(8))
        .filter(|(_, rest)| rest.starts_with(b"] "));
    let number = seconds.and_then(|(number, _)| std::str::from_utf8(number).ok());
    number.is_some_and(|number| number.trim_start().parse::<f64>().is_ok())
}

/// Where the log of a failed build of `made`, an image or an app, is kept: the first of its names that nobody
/// else has taken; `None` if all are.
pub fn place(made: &Path) -> Option<PathBuf> {
    let mut names = beside::logs(made);
    names.find(|path| fs::symlink_metadata(path).is_err() || is_log(path))
}

/// Removes the logs of earlier builds of `made`, whose failure is mended.
pub fn clear(made: &Path) {
    for path in beside::logs(made).filter(|path| is_log(path)) {
        // Best effort: it only tells of what is over.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_from_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("X.so.log");
        drop(create(&file).unwrap());
        assert!(is_log(&file));
        for (text, ours) in [
            ("[    0.12] == check: x\n", true),
            ("", false),
            ("[1.0] \n", false),
            ("[ Info: building\n", false),
            ("# Log of a build\n", false),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(is_log(&file), ours, "{text}");
        }
        assert!(!is_log(folder.path()));
    }

    #[test]
    fn a_log_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("app");
        let log = |number: u32| match number {
            1 => folder.path().join("app.log"),
            _ => folder.path().join(format!("app.{number}.log")),
        };
        assert_eq!(place(&app), Some(log(1)));
        fs::create_dir(log(1)).unwrap();
        fs::write(log(2), "mine").unwrap();
        // An older one of ours.
        drop(create(&log(3)).unwrap());
        assert_eq!(place(&app), Some(log(3)));
        clear(&app);
        assert!(log(1).exists() && log(2).exists() && !log(3).exists());
        (3..=9).for_each(|number| fs::write(log(number), "").unwrap());
        assert_eq!(place(&app), None);
    }
}
