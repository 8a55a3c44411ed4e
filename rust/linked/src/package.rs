//! A package image, made into an object that can be put anywhere.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Refused;

/// What was written of a package image, for [`merge`](crate::merge).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageObject {
    /// The object file.
    pub file: PathBuf,
}

/// A package image that was read, checked and found good.
#[derive(Debug)]
pub struct Package {
    _todo: (),
}

impl Package {
    /// Reads the package image `image`, whose symbols will begin with `id`.
    ///
    /// # Errors
    /// When it cannot be linked in.
    pub fn read(_image: &Path, _id: &str) -> Result<Self, Refused> {
        todo!()
    }

    /// Writes the object to the file `out`. `slots`: the offset of each slot for a function of
    /// another image, and the symbol of that function.
    ///
    /// # Errors
    /// When a slot lies outside of the image's data, or the file cannot be written.
    pub fn write(&self, _slots: &[(u64, String)], _out: &Path) -> Result<PackageObject, Refused> {
        todo!()
    }
}
