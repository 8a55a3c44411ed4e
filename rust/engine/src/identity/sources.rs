//! Which engine this is, by its sources: what an older one made is not taken for what this one makes,
//! though the version is the same.

/// Of what decides every result: images, layers, traces, bases and precompile caches.
pub const ENGINE: &str = env!("PCRS_ENGINE_SOURCES");

/// Of what decides images and layers alone: how statements are read, and how finished code is linked.
pub const IMAGE: &str = env!("PCRS_IMAGE_SOURCES");

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::super::digest::{DIGESTS, digest};

    #[test]
    fn the_digests_are_of_the_sources_that_were_compiled() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        for ((name, folders), compiled) in DIGESTS.into_iter().zip([super::ENGINE, super::IMAGE]) {
            let folders: Vec<PathBuf> = folders.iter().map(|f| manifest.join(f)).collect();
            assert_eq!(digest(&folders).unwrap(), compiled, "{name}");
        }
    }

    #[test]
    fn each_change_of_a_source_changes_the_digest() {
        let root = tempfile::tempdir().unwrap();
        let folders = [root.path().to_path_buf()];
        fs::create_dir(root.path().join("deep")).unwrap();
        let file = root.path().join("deep/a.rs");
        fs::write(&file, "1").unwrap();
        let first = digest(&folders).unwrap();
        assert_eq!(digest(&folders).unwrap(), first);
        fs::write(&file, "2").unwrap();
        let second = digest(&folders).unwrap();
        fs::rename(&file, root.path().join("a.rs")).unwrap();
        let third = digest(&folders).unwrap();
        assert!(first != second && second != third && third != first);
    }
}
