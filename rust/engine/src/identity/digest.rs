//! The digest of sources; shared with the build script.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that a digest is in when the engine is compiled, and the files and folders it is of, beside the
/// engine's `Cargo.toml`.
pub const DIGESTS: [(&str, &[&str]); 2] = [
    (
        "PCRS_ENGINE_SOURCES",
        &[
            "src",
            // They run in children, too (`staging.rs`).
            "../../julia/recording/trace.jl",
            "../../julia/recording/whole.jl",
        ],
    ),
    (
        "PCRS_IMAGE_SOURCES",
        &["../statements/src", "../linked/src"],
    ),
];

/// Of the names and contents of all files that `paths` are, or that are in them.
///
/// # Errors
/// When one cannot be read.
pub fn digest(paths: &[PathBuf]) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        if path.is_dir() {
            add_folder(&mut hasher, path, path)?;
        } else {
            add_file(&mut hasher, path.parent().unwrap_or(path), path)?;
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn add_folder(hasher: &mut blake3::Hasher, root: &Path, folder: &Path) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            add_folder(hasher, root, &path)?;
        } else {
            add_file(hasher, root, &path)?;
        }
    }
    Ok(())
}

fn add_file(hasher: &mut blake3::Hasher, root: &Path, path: &Path) -> io::Result<()> {
    let name = path.strip_prefix(root).unwrap_or(path);
    // Names by their parts, so that systems with another separator agree.
    let name = name.iter().map(|part| part.to_string_lossy());
    let name = name.collect::<Vec<_>>().join("/");
    for bytes in [name.as_bytes(), &fs::read(path)?] {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    Ok(())
}
