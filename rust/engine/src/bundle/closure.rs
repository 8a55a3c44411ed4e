//! The libraries that some libraries need, as they are found on this machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::Stop;
use serde::{Deserialize, Serialize};

use super::{elf, is_of_libc};
use crate::error::BuildError;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Libraries and executables that are wanted.
    pub roots: Vec<PathBuf>,
    /// Where their libraries are looked for, before the system's own folders.
    pub folders: Vec<PathBuf>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Closure {
    /// The libraries that the roots need, directly or not, without the roots and the C library; and roots whose
    /// files have other names than those by which they are asked for.
    pub libraries: Vec<Found>,
    /// Those that are nowhere.
    pub missing: Vec<Missing>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// As others ask for it.
    pub name: String,
    pub path: PathBuf,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub name: String,
    pub needed_by: PathBuf,
}

/// Follows what the roots need.
///
/// # Errors
/// For a root that cannot be read. Once `stop` is set the answer is not whole.
pub fn closure(question: &Question, stop: &Stop) -> Result<Closure, BuildError> {
    let system = system_folders();
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut missing = BTreeMap::new();
    let mut next: Vec<(PathBuf, bool)> = question.roots.iter().map(|r| (r.clone(), true)).collect();
    let root_names: Vec<_> = question
        .roots
        .iter()
        .filter_map(|r| r.file_name())
        .collect();
    while let Some((file, is_root)) = next.pop() {
        if stop.is_set() {
            break;
        }
        let read = fs::read(&file).map_err(|e| e.to_string());
        let dynamic = match read.and_then(|data| elf::read(&data)) {
            Ok(dynamic) => dynamic,
            Err(why) if is_root => {
                let file = file.display();
                return Err(
                    BuildError::input(format!("the library `{file}` cannot be read")).because(why),
                );
            }
            Err(_) => continue,
        };
        if let Some(soname) = dynamic.soname.filter(|_| is_root)
            && file.file_name() != Some(OsStr::new(&soname))
        {
            missing.remove(&soname);
            found.insert(soname, file.clone());
        }
        for name in dynamic.needed {
            let known = found.contains_key(&name) || missing.contains_key(&name);
            if known || is_of_libc(&name) || root_names.contains(&OsStr::new(&name)) {
                continue;
            }
            let own = own_folders(&dynamic.folders, &file);
            let folders = own.iter().chain(&question.folders).chain(&system);
            match folders
                .map(|folder| folder.join(&name))
                .find(|path| path.is_file())
            {
                Some(path) => {
                    next.push((path.clone(), false));
                    found.insert(name, path);
                }
                None => {
                    missing.insert(name, file.clone());
                }
            }
        }
    }
    let libraries = found.into_iter().map(|(name, path)| Found { name, path });
    let missing = missing
        .into_iter()
        .map(|(name, needed_by)| Missing { name, needed_by });
    Ok(Closure {
        libraries: libraries.collect(),
        missing: missing.collect(),
    })
}

/// The folders that `file` names itself.
fn own_folders(folders: &[String], file: &Path) -> Vec<PathBuf> {
    let place = |file: &Path| {
        file.parent()
            .map(|folder| folder.to_string_lossy().into_owned())
    };
    let here = place(file).unwrap_or_default();
    let there = file.canonicalize().ok().and_then(|file| place(&file));
    let mut own = Vec::new();
    for origin in std::iter::once(&here).chain(&there) {
        own.extend(folders.iter().map(|folder| {
            PathBuf::from(
                folder
                    .replace("${ORIGIN}", origin)
                    .replace("$ORIGIN", origin),
            )
        }));
    }
    own
}

/// Where the system's loader looks: what its configuration names, then the folders that it knows.
fn system_folders() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/ld.so.conf")];
    if let Ok(entries) = fs::read_dir("/etc/ld.so.conf.d") {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut folders = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('/'));
        folders.extend(lines.map(PathBuf::from));
    }
    folders.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
    folders
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use super::*;

    fn ask(roots: Vec<PathBuf>) -> Result<Closure, BuildError> {
        let question = Question {
            roots,
            folders: Vec::new(),
        };
        closure(&question, &Stop::default())
    }

    #[test]
    fn libraries_are_found_without_the_c_library() {
        let closure = ask(vec![std::env::current_exe().unwrap()]).unwrap();
        let names: Vec<_> = closure.libraries.iter().map(|l| l.name.as_str()).collect();
        assert!(names.contains(&"libgcc_s.so.1"), "{names:?}");
        assert!(!names.contains(&"libc.so.6"), "{names:?}");
        assert_eq!(closure.missing, []);
    }

    #[test]
    fn a_root_has_the_name_by_which_it_is_asked_for() {
        let closure = ask(vec![std::env::current_exe().unwrap()]).unwrap();
        let library = closure.libraries.iter().find(|l| l.name == "libgcc_s.so.1");
        let dir = tempfile::tempdir().unwrap();
        let renamed = dir.path().join("renamed.so");
        std::fs::copy(&library.unwrap().path, &renamed).unwrap();
        let closure = ask(vec![std::env::current_exe().unwrap(), renamed.clone()]).unwrap();
        let library = closure.libraries.iter().find(|l| l.name == "libgcc_s.so.1");
        assert_eq!(library.unwrap().path, renamed);
    }

    #[test]
    fn a_root_that_is_no_library_is_an_error() {
        let error = ask(vec![PathBuf::from("/etc/passwd")]).unwrap_err();
        assert!(
            error.message.contains("`/etc/passwd` cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn a_file_names_folders_by_its_own() {
        let own = own_folders(
            &["$ORIGIN/../lib".into(), "/opt".into()],
            Path::new("/a/b/c.so"),
        );
        assert_eq!(own, [PathBuf::from("/a/b/../lib"), PathBuf::from("/opt")]);
    }
}
