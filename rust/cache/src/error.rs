//! What went wrong on disk, and with which file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// `Err` is always an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An operation on one path that failed.
///
/// ```
/// let error = pcrs_cache::hash_file("/nowhere/a.jl".as_ref()).unwrap_err();
/// assert_eq!(error.path, std::path::Path::new("/nowhere/a.jl"));
/// assert!(error.to_string().starts_with("reading `/nowhere/a.jl`: "));
/// ```
#[derive(Debug)]
pub struct Error {
    /// What was being done, as in "reading".
    pub doing: &'static str,
    /// To which file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Error {
    pub(crate) fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            doing,
            path: path.to_path_buf(),
            source,
        }
    }

    /// For `map_err`.
    pub(crate) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::new(doing, path, source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} `{}`: {}",
            self.doing,
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
