//! What an image process tells about its image: which images it builds on, what of them it uses,
//! and how many functions and globals come first.
//!
//! Written as JSON by the library that is preloaded into the image process, read by
//! [`merge`](crate::merge) and [`check`](crate::check).
//!
//! All offsets are addresses in an image's file as its program headers give them: an address in
//! the process, less the address at which the image was loaded.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Refused;
use crate::package::PackageObject;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The sysimage that the process runs on.
    pub base: UsedBase,
    /// The package images that are linked in, in the order in which they were loaded. Their
    /// functions and globals are numbered in this order, behind those of the base.
    pub packages: Vec<UsedPackage>,
    /// Those that are not, whose code is generated from their caches.
    pub refused: Vec<RefusedImage>,
    /// The object that has the image's heap ([`write_heap`](crate::write_heap)); without it the
    /// archive has it.
    pub heap: Option<PathBuf>,
    /// How many globals the process itself has made, those included that only keep a place.
    pub new_globals: u32,
    /// For the report.
    pub counts: Counts,
}

/// The sysimage of the process, as Julia has loaded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedBase {
    /// Its file.
    pub path: PathBuf,
    /// How many functions its header tells.
    pub functions: u32,
    /// How many globals its header tells.
    pub globals: u32,
    /// How many shards its header tells.
    pub shards: u32,
    /// How many CPU targets it has code for.
    pub targets: u32,
    /// Each function's offset, by its number, as Julia has selected it for this CPU.
    pub selected: Vec<u64>,
}

/// A package image that is linked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedPackage {
    /// What its symbols begin with: `jlp` and 16 hexadecimal digits.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// What [`Package::write`](crate::Package::write) has made of it.
    pub object: PackageObject,
    /// The offset of each of its functions, by its number in the image, as Julia has selected it
    /// for this CPU: all that its tables have, also those that no method refers to.
    pub functions: Vec<u64>,
    /// The offset of each slot that holds an object, the used entries of its `jl_small_typeof`
    /// among them.
    pub globals: Vec<u64>,
}

/// A package image that is not linked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedImage {
    /// Its file.
    pub path: PathBuf,
    /// Why, as a sentence.
    pub reason: String,
}

/// How much was left out and how much was made, for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Methods that Julia wanted to compile.
    pub methods_asked: u64,
    /// Methods that nobody asked for, which were left out.
    pub left_out: u64,
    /// Functions of the base.
    pub base_functions: u64,
    /// Functions of package images.
    pub package_functions: u64,
    /// Functions that were generated.
    pub emitted: u64,
}

impl Handover {
    /// Reads what [`save`](Handover::save) has written.
    ///
    /// # Errors
    /// When the file cannot be read or is something else.
    pub fn load(file: &Path) -> Result<Self, Refused> {
        let text =
            std::fs::read(file).map_err(|e| Refused::new(e.to_string()).about(file.display()))?;
        serde_json::from_slice(&text).map_err(|e| Refused::new(e.to_string()).about(file.display()))
    }

    /// Writes it to `file`.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), Refused> {
        let text = serde_json::to_vec(self).map_err(|e| Refused::new(e.to_string()))?;
        std::fs::write(file, text).map_err(|e| Refused::new(e.to_string()).about(file.display()))
    }
}
