//! A finished sysimage, made into an object that is linked again at its own addresses.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Refused;

/// An unlinked sysimage: what `base.json` in its folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The image it was made of.
    pub image: PathBuf,
}

impl Base {
    /// Reads what [`unlink_base`] has written into `folder`.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn load(_folder: &Path) -> Result<Self, Refused> {
        todo!()
    }
}

/// Makes `base.o` and `base.json` in the folder `out` of the finished sysimage `image`.
///
/// # Errors
/// When the image is of a kind that is not known.
pub fn unlink_base(_image: &Path, _out: &Path) -> Result<Base, Refused> {
    todo!()
}
