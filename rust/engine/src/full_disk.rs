//! A full disk: how others tell of it, and what the user is told.

use std::path::Path;

use crate::error::BuildError;

/// What the user is told.
const CAUSE: &str = "no space is left on the disk";

/// What the system, Julia, the compiler and the linker say of it, in small letters.
const WORDS: [&str; 4] = [
    "no space left on device",
    "enospc",
    "disk quota exceeded",
    CAUSE,
];

/// Whether `text`, a line of output or a sentence of an error, tells of a full disk.
pub fn is_told_by(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|words| text.contains(words))
}

/// Makes a full disk the cause of `error`, for a build that works in `folder`.
pub fn blame(error: &mut BuildError, folder: &Path) {
    error.cause = Some(CAUSE.into());
    error.hint = Some(format!(
        "free some space on the disk of `{}` and of the temporary folder, or choose a `work_dir` on \
         another one; a build needs about three times the size of its image",
        folder.display()
    ));
}
