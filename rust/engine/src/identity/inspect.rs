//! What a sysimage that exists says of itself.

use std::fs::{self, File};
use std::path::Path;

use object::{Object, ObjectSymbol, ReadCache, ReadRef};
use pcrs_cache::{Stop, hash_file_until};
use serde::Serialize;

use super::beside;
use super::stamp::Stamp;
use crate::julia::version::{Feature, JuliaVersion};

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
/// When it cannot be read, or `stop` is set before the end.
pub fn inspect(path: &Path, version: JuliaVersion, stop: &Stop) -> Result<Inspected, String> {
    let hash = hash_file_until(path, stop)
        .map_err(|e| e.to_string())?
        .to_string();
    let stamp = Stamp::read(path).filter(|stamp| stamp.is_of(&hash));
    let mut inspected = Inspected {
        hash,
        stamp_exists: beside::stamp_of(path).exists(),
        is_sysimage: None,
        fits_julia: None,
        stamp,
    };
    if inspected.stamp.is_none() {
        let open = || File::open(path).map_err(|e| e.to_string());
        // Of a file that is none, nothing more is read.
        let known = is_sysimage(&ReadCache::new(open()?));
        inspected.is_sysimage = Some(known);
        if known {
            let data = fs::read(path).map_err(|e| e.to_string())?;
            inspected.fits_julia = fits(&data, version);
        }
    }
    Ok(inspected)
}

/// Symbols of which every sysimage exports at least one (src/staticdata.c, src/aotcompile.cpp).
const SYSIMAGE_SYMBOLS: [&str; 3] = [
    "jl_system_image_data",
    "jl_image_pointers",
    "jl_sysimg_gvars_base",
];

/// Whether the library whose bytes are `data` is a sysimage, of whatever Julia.
pub fn is_sysimage<'data>(data: impl ReadRef<'data>) -> bool {
    let Ok(file) = object::File::parse(data) else {
        return false;
    };
    let known = |name: &str| SYSIMAGE_SYMBOLS.contains(&name.trim_start_matches('_'));
    file.dynamic_symbols()
        .filter_map(|symbol| symbol.name().ok())
        .any(known)
        || file.exports().is_ok_and(|exports| {
            exports
                .iter()
                .filter_map(|export| std::str::from_utf8(export.name()).ok())
                .any(known)
        })
}

/// Whether an image is one of Julia `version`, where that can be read from it.
///
/// It holds `Base.VERSION_STRING`: the length, the bytes. A compressed image (Julia >= 1.13) holds
/// nothing that can be read so.
pub fn fits(data: &[u8], version: JuliaVersion) -> Option<bool> {
    let readable = !version.has(Feature::CompressSysimage);
    readable.then(|| holds_version(data, version))
}

fn holds_version(data: &[u8], version: JuliaVersion) -> bool {
    let text = version.to_string();
    let finder = memchr::memmem::Finder::new(text.as_bytes());
    finder.find_iter(data).any(|at| {
        // A pre-release suffix may follow, so that the length is at least that of the number.
        let length = at
            .checked_sub(size_of::<usize>())
            .and_then(|start| data.get(start..at))
            .and_then(|bytes| bytes.try_into().ok())
            .map(usize::from_ne_bytes);
        length.is_some_and(|length| (text.len()..text.len() + 32).contains(&length))
    })
}
