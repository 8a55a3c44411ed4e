//! What a sysimage that exists says of itself.

use std::fs;
use std::path::Path;

use pcrs_cache::hash_file;
use serde::Serialize;

use crate::julia_version::JuliaVersion;
use crate::stages::check;
use crate::stamp::{self, Stamp};

/// An image on disk.
#[derive(Debug, Serialize)]
pub struct Inspected {
    /// BLAKE3 of the file.
    pub hash: String,
    /// The stamp beside it, if it was written for this very file.
    pub stamp: Option<Stamp>,
    /// A file is where the stamp would be.
    pub stamp_exists: bool,
    /// Whether it is a sysimage; asked only without a stamp.
    pub is_sysimage: Option<bool>,
    /// Whether it is one of the Julia asked for, where that can be told.
    pub fits_julia: Option<bool>,
}

/// Reads the image at `path` for Julia `version`.
///
/// # Errors
/// When it cannot be read.
pub fn inspect(path: &Path, version: JuliaVersion) -> Result<Inspected, String> {
    let hash = hash_file(path).map_err(|e| e.to_string())?.to_string();
    let stamp = Stamp::read(path).filter(|stamp| stamp.is_of(&hash));
    let mut inspected = Inspected {
        hash,
        stamp_exists: stamp::path(path).exists(),
        is_sysimage: None,
        fits_julia: None,
        stamp,
    };
    if inspected.stamp.is_none() {
        let data = fs::read(path).map_err(|e| e.to_string())?;
        inspected.is_sysimage = Some(check::is_sysimage(&data));
        inspected.fits_julia = check::fits(&data, version);
    }
    Ok(inspected)
}
