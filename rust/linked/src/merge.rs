//! What the linker is given: the new objects, those of the images below, and how they lie.

use std::path::{Path, PathBuf};

use crate::error::Refused;
use crate::handover::Handover;

/// What to link, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInput {
    /// The object files, in order.
    pub objects: Vec<PathBuf>,
    /// The linker script.
    pub script: PathBuf,
    /// What a compiler driver needs besides the objects, Julia's libraries and the ordinary options.
    pub options: Vec<String>,
    /// The same for `ld.lld` or `lld -flavor gnu`, called without a driver.
    pub bare_options: Vec<String>,
}

/// Joins the archive of an image process with the images below it.
///
/// # Errors
/// When the parts do not fit.
pub fn merge(
    _base_dir: &Path,
    _handover: &Handover,
    _archive: &Path,
    _out: &Path,
) -> Result<LinkInput, Refused> {
    todo!()
}
