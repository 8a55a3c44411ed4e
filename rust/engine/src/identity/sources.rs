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
        for ((name, paths), compiled) in DIGESTS.into_iter().zip([super::ENGINE, super::IMAGE]) {
            let paths: Vec<PathBuf> = paths.iter().map(|p| manifest.join(p)).collect();
            assert_eq!(digest(&paths).unwrap(), compiled, "{name}");
        }
    }

    #[test]
    fn all_text_that_is_compiled_in_is_in_the_digest() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .canonicalize()
            .unwrap();
        let paths = DIGESTS[0].1.iter().map(|path| manifest.join(path));
        let paths: Vec<PathBuf> = paths.map(|path| path.canonicalize().unwrap()).collect();
        let mut open = vec![manifest.join("src")];
        let mut compiled_in = 0;
        while let Some(path) = open.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).unwrap();
                open.extend(entries.map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for call in ["include_str!", "include_bytes!"] {
                    for rest in text.split(&format!("{call}(")).skip(1) {
                        let name = rest.split('"').nth(1).unwrap();
                        let file = path.with_file_name(name).canonicalize().unwrap();
                        assert!(paths.iter().any(|path| file.starts_with(path)), "{name}");
                        compiled_in += 1;
                    }
                }
            }
        }
        assert!(compiled_in > 0);
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
