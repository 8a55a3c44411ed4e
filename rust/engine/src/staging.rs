//! The Julia code that runs inside the children, and its way into the work folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{BuildError, Stage};

/// Every staging script, by file name; they find each other through `@__DIR__`.
pub(crate) const SCRIPTS: [(&str, &str); 17] = [
    ("session.jl", include_str!("staging/session.jl")),
    ("stdlibs.jl", include_str!("staging/stdlibs.jl")),
    ("precompile.jl", include_str!("staging/precompile.jl")),
    ("trace.jl", include_str!("staging/trace.jl")),
    ("test_suite.jl", include_str!("staging/test_suite.jl")),
    ("recorder.jl", include_str!("staging/recorder.jl")),
    // Recordings in a session need it too, so that it lives with the Julia side.
    (
        "static_calls.jl",
        include_str!("../../../julia/recording/trace.jl"),
    ),
    (
        "whole.jl",
        include_str!("../../../julia/recording/whole.jl"),
    ),
    ("image.jl", include_str!("staging/image.jl")),
    ("image_process.jl", include_str!("staging/image_process.jl")),
    ("interposed.jl", include_str!("staging/interposed.jl")),
    ("collect.jl", include_str!("staging/collect.jl")),
    ("app.jl", include_str!("staging/app.jl")),
    ("guard.jl", include_str!("staging/guard.jl")),
    ("statements.jl", include_str!("staging/statements.jl")),
    ("arguments.jl", include_str!("staging/arguments.jl")),
    ("verify.jl", include_str!("staging/verify.jl")),
];

/// Path of staging script `name` in the work folder `folder`.
pub fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join("staging").join(name)
}

/// Writes the scripts into `folder`.
///
/// # Errors
/// [`Stage::Check`] when they cannot be written.
pub fn write(folder: &Path) -> Result<(), BuildError> {
    let dir = folder.join("staging");
    // They may be there already, from the trial of a cached image that was not taken.
    fs::create_dir_all(&dir)
        .and_then(|()| {
            SCRIPTS
                .iter()
                .try_for_each(|(name, text)| fs::write(dir.join(name), text))
        })
        .map_err(|e| BuildError::io(Stage::Check, "writing staging scripts to", &dir, &e))
}
