//! What a bundle holds, what it needs of the system, and what ties it to the machine that made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use pcrs_cache::Stop;
use serde::{Deserialize, Serialize};

use super::{elf, is_of_libc};
use crate::error::BuildError;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub folder: PathBuf,
    /// Paths of this machine that another one has not.
    pub paths: Vec<String>,
}

/// The answer; paths of files are those in the folder.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Every file with its bytes, and no links.
    pub files: Vec<(String, u64)>,
    /// Libraries that must be on the system.
    pub system: Vec<System>,
    /// Links that lead out of the folder, with where they lead.
    pub links: Vec<(String, String)>,
    /// A path of this machine, a file that holds it, and how often.
    pub paths: Vec<(String, String, u64)>,
}

/// A library that the bundle does not have.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct System {
    pub name: String,
    /// The highest version of its symbols that is asked for, as `GLIBC_2.34`; none where libraries have
    /// no versions.
    pub version: Option<String>,
    pub needed_by: Vec<String>,
}

/// Reads all of the folder.
///
/// # Errors
/// When a folder or file cannot be read, and when `stop` is set.
pub fn audit(question: &Question, stop: &Stop) -> Result<Audit, BuildError> {
    let root = &question.folder;
    let mut found = Audit::default();
    let mut libraries = BTreeMap::new();
    let mut inside = BTreeSet::new();
    let unreadable = |path: &Path, e: &std::io::Error| {
        BuildError::input(format!("`{}` cannot be read", path.display())).because(e.to_string())
    };
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|e| unreadable(&folder, &e))?;
        for entry in entries.flatten() {
            if stop.is_set() {
                return Err(BuildError::cancelled(crate::error::Stage::Check));
            }
            let path = entry.path();
            let name = relative(root, &path);
            let kind = entry.file_type().map_err(|e| unreadable(&path, &e))?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            inside.insert(entry.file_name().to_string_lossy().into_owned());
            if kind.is_symlink() {
                let to = fs::read_link(&path).map_err(|e| unreadable(&path, &e))?;
                if leads_out(root, &path, &to) {
                    found.links.push((name, to.display().to_string()));
                }
                continue;
            }
            if !kind.is_file() {
                continue;
            }
            let data = fs::read(&path).map_err(|e| unreadable(&path, &e))?;
            for wanted in &question.paths {
                let count = Finder::new(wanted.as_bytes()).find_iter(&data).count();
                if count > 0 {
                    found
                        .paths
                        .push((wanted.clone(), name.clone(), count as u64));
                }
            }
            if data.starts_with(elf::MAGIC)
                && let Ok(dynamic) = elf::read(&data)
            {
                inside.extend(dynamic.soname.clone());
                libraries.insert(name.clone(), dynamic);
            }
            found.files.push((name, data.len() as u64));
        }
    }
    found.system = system(&libraries, &inside);
    found.files.sort();
    found.links.sort();
    found.paths.sort();
    Ok(found)
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.display().to_string()
}

/// Whether the link at `path` leads out of `root`, by its text: it is to be good at any place.
fn leads_out(root: &Path, path: &Path, to: &Path) -> bool {
    let depth = path
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok());
    let mut depth = depth.map_or(0, |folder| folder.components().count());
    for part in to.components() {
        match part {
            std::path::Component::ParentDir => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::CurDir => {}
            // On Windows a path may have one of both, and is no absolute one.
            std::path::Component::RootDir | std::path::Component::Prefix(_) => return true,
        }
    }
    false
}

/// What `libraries`, by their files, ask for and is not among the names `inside`.
fn system(libraries: &BTreeMap<String, elf::Dynamic>, inside: &BTreeSet<String>) -> Vec<System> {
    let mut found: BTreeMap<String, System> = BTreeMap::new();
    for (file, dynamic) in libraries {
        for name in dynamic.needed.iter().filter(|name| !inside.contains(*name)) {
            let entry = found.entry(name.clone()).or_insert_with(|| System {
                name: name.clone(),
                version: None,
                needed_by: Vec::new(),
            });
            entry.needed_by.push(file.clone());
            let versions = dynamic
                .versions
                .iter()
                .filter(|(library, _)| library == name);
            let versions = versions.map(|(_, version)| version.clone());
            let all = versions.chain(entry.version.take());
            entry.version = all.max_by_key(|version| (!is_private(version), numbers(version)));
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|library| (!is_of_libc(&library.name), library.name.clone()));
    found
}

/// Versions without a number are those of a library's own parts.
fn is_private(version: &str) -> bool {
    numbers(version).is_empty()
}

/// The numbers of a version, for comparison: `GLIBC_2.34` is [2, 34].
fn numbers(version: &str) -> Vec<u64> {
    let number = version.rsplit('_').next().unwrap_or_default();
    number
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(name: &str, versions: &[&str]) -> elf::Dynamic {
        elf::Dynamic {
            needed: vec![name.into()],
            versions: versions
                .iter()
                .map(|v| (name.into(), (*v).into()))
                .collect(),
            ..elf::Dynamic::default()
        }
    }

    #[test]
    fn the_highest_version_counts() {
        let libraries = BTreeMap::from([
            (
                "a".to_string(),
                needs("libc.so.6", &["GLIBC_2.9", "GLIBC_PRIVATE"]),
            ),
            (
                "b".to_string(),
                needs("libc.so.6", &["GLIBC_2.34", "GLIBC_2.4"]),
            ),
            ("c".to_string(), needs("libz.so.1", &[])),
            ("d".to_string(), needs("libmine.so", &[])),
        ]);
        let inside = BTreeSet::from(["libmine.so".to_string()]);
        let found = system(&libraries, &inside);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].version.as_deref(), Some("GLIBC_2.34"));
        assert_eq!(found[0].needed_by, ["a", "b"]);
        assert_eq!(
            (found[1].name.as_str(), &found[1].version),
            ("libz.so.1", &None)
        );
    }

    #[test]
    fn links_may_lead_anywhere_inside() {
        let root = Path::new("/r");
        let out = |path: &str, to: &str| leads_out(root, Path::new(path), Path::new(to));
        assert!(!out("/r/lib/julia/a", "b"));
        assert!(!out("/r/lib/julia/a", "../../share/b"));
        assert!(out("/r/lib/a", "../../b"));
        assert!(out("/r/lib/a", "/r/lib/b"));
    }

    #[cfg(unix)]
    #[test]
    fn paths_and_links_of_this_machine_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("lib")).unwrap();
        fs::write(root.join("lib/text"), "x/home/me/y/home/me").unwrap();
        std::os::unix::fs::symlink("/home/me", root.join("lib/link")).unwrap();
        let question = Question {
            folder: root.to_path_buf(),
            paths: vec!["/home/me".into(), "/elsewhere".into()],
        };
        let found = audit(&question, &Stop::default()).unwrap();
        assert_eq!(found.files, [("lib/text".to_string(), 19)]);
        assert_eq!(
            found.links,
            [("lib/link".to_string(), "/home/me".to_string())]
        );
        assert_eq!(found.paths, [("/home/me".into(), "lib/text".into(), 2)]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let question = Question {
            folder: PathBuf::from("/nowhere"),
            paths: Vec::new(),
        };
        let error = audit(&question, &Stop::default()).unwrap_err();
        assert!(
            error.message.contains("`/nowhere` cannot be read"),
            "{error}"
        );
    }
}
