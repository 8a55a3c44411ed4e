//! The digest of sources; shared with the build script.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that a digest is in when the engine is compiled, and the folders it is of, beside the
/// engine's `Cargo.toml`.
pub const DIGESTS: [(&str, &[&str]); 2] = [
    ("PCRS_ENGINE_SOURCES", &["src"]),
    (
        "PCRS_IMAGE_SOURCES",
        &["../statements/src", "../linked/src"],
    ),
];

/// Of the names and contents of all files in `folders`.
///
/// # Errors
/// When one cannot be read.
pub fn digest(folders: &[PathBuf]) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    for folder in folders {
        add(&mut hasher, folder, folder)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn add(hasher: &mut blake3::Hasher, root: &Path, folder: &Path) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            add(hasher, root, &path)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        // Names by their parts, so that systems with another separator agree.
        let name = name.iter().map(|part| part.to_string_lossy());
        let name = name.collect::<Vec<_>>().join("/");
        for bytes in [name.as_bytes(), &fs::read(&path)?] {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }
    Ok(())
}
