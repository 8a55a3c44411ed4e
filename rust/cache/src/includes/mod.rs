//! The files that a Julia script includes, as far as its text tells.

mod call;
mod path;
mod scan;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use call::{Call, What};

use crate::error::{Error, Result};
use crate::hash::read_file;

/// A call in a source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The file that holds it.
    pub file: PathBuf,
    /// Its line there, from 1.
    pub line: usize,
    /// What is wrong with it: the path that is missing, or the call's own text.
    pub text: String,
}

/// What [`include_closure`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Includes {
    /// The script, then the files in the order in which they are met: absolute, without `.` and
    /// `..`, each once.
    pub files: Vec<PathBuf>,
    /// Folders that `include_dependency` names, each once: Julia looks at the names in them.
    pub folders: Vec<PathBuf>,
    /// Included files that are not there.
    pub missing: Vec<Site>,
    /// Includes of what only a running script knows.
    pub dynamic: Vec<Site>,
}

/// Finds the files that `script` includes, and those that they include.
///
/// Seen are calls of `include`, also as `Base.include(Main, ..)` and with a function to map
/// expressions, and `include_dependency`, whose files and folders are not searched further. The path may be
/// made of string literals, `raw".."`, `@__DIR__`, `@__FILE__`, `joinpath`, `dirname`, `abspath`,
/// `normpath`, `string` and `*`; whatever else is reported as dynamic. Comments and strings are
/// not searched. Code that does not run counts too. As in Julia, paths are relative to the file
/// that includes.
///
/// # Errors
/// When `script`, or an included file that is there, cannot be read.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let script = folder.path().join("workload.jl");
/// std::fs::write(&script, r#"
///     include("part.jl")  # include("not this")
///     include(ARGS[1])
/// "#)?;
/// std::fs::write(folder.path().join("part.jl"), r#"include("gone.jl")"#)?;
///
/// let found = pcrs_cache::include_closure(&script)?;
/// assert_eq!(found.files, [script.clone(), folder.path().join("part.jl")]);
/// assert!(found.missing[0].text.ends_with("gone.jl"));
/// assert_eq!((found.dynamic[0].line, found.dynamic[0].text.as_str()), (3, "include(ARGS[1])"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn include_closure(script: &Path) -> Result<Includes> {
    let script = std::path::absolute(script).map_err(Error::at("reading", script))?;
    let script = path::normalized(&script);
    let mut found = Includes::default();
    let mut listed = HashSet::from([script.clone()]);
    let mut searched = HashSet::new();
    found.files.push(script.clone());
    let mut open = vec![script];
    while let Some(file) = open.pop() {
        if !searched.insert(file.clone()) {
            continue;
        }
        let text = read_file(&file)?;
        let mut next = Vec::new();
        for Call { what, line, text } in call::find(&text, &file) {
            let site = |text| Site {
                file: file.clone(),
                line,
                text,
            };
            let (target, searches) = match what {
                What::Include(target) => (target, true),
                What::Dependency(target) => (target, false),
                What::Dynamic => {
                    found.dynamic.push(site(text));
                    continue;
                }
            };
            match fs::metadata(&target) {
                Ok(there) if there.is_file() => {}
                Ok(there) if there.is_dir() && !searches => {
                    if listed.insert(target.clone()) {
                        found.folders.push(target);
                    }
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(Error::new("reading", &target, e));
                }
                _ => {
                    found.missing.push(site(target.display().to_string()));
                    continue;
                }
            }
            if listed.insert(target.clone()) {
                found.files.push(target.clone());
            }
            if searches {
                next.push(target);
            }
        }
        open.extend(next.into_iter().rev());
    }
    Ok(found)
}
