//! What of a package that is tracked by path goes into an image: what Julia reads when it loads the
//! package. Its README, its docs, results that a workload leaves there are none of that. As in Julia
//! itself, data that code reads while it is compiled counts if `include_dependency` names it.

use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::read_file;

pub const PROJECT: &str = "Project.toml";
pub const JULIA_PROJECT: &str = "JuliaProject.toml";

/// Files beside `src`.
pub const FILES: [&str; 4] = [
    JULIA_PROJECT,
    PROJECT,
    "JuliaArtifacts.toml",
    "Artifacts.toml",
];

/// Folders that count with all that is in them. `deps` has what `Pkg.build` made, which is often
/// included by a name that only running tells.
pub const FOLDERS: [&str; 3] = ["src", "ext", "deps"];

/// Written by Julia and Pkg beside sources, and read by neither: coverage and allocations.
pub fn is_litter(name: &[u8]) -> bool {
    name.ends_with(b".cov") || name.ends_with(b".mem")
}

/// The file at which Julia begins to load the package in `folder`; none where its project file names another
/// (`entryfile`, `path`).
pub fn main(folder: &Path) -> Option<PathBuf> {
    let main = folder.join("src").join(package_name(folder)? + ".jl");
    main.is_file().then_some(main)
}

/// That file, and those of its extensions.
pub fn mains(folder: &Path) -> Vec<PathBuf> {
    let mut mains: Vec<_> = main(folder).into_iter().collect();
    let extensions = fs::read_dir(folder.join("ext")).into_iter().flatten();
    let mut extensions: Vec<_> = extensions
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if !path.is_dir() {
                let is_code = path.extension().is_some_and(|extension| extension == "jl");
                return (is_code && path.is_file()).then_some(path);
            }
            // `ext/Name/Name.jl`
            let main = path.join(format!("{}.jl", entry.file_name().to_string_lossy()));
            main.is_file().then_some(main)
        })
        .collect();
    extensions.sort();
    mains.append(&mut extensions);
    mains
}

/// Whether the file is among [`FILES`] and [`FOLDERS`] of the package in `folder`.
pub fn is_read(folder: &Path, file: &Path) -> bool {
    let Ok(inside) = file.strip_prefix(folder) else {
        return false;
    };
    FILES.iter().any(|name| inside == Path::new(name))
        || FOLDERS.iter().any(|name| inside.starts_with(name))
}

/// The name that the project file in `folder` gives.
fn package_name(folder: &Path) -> Option<String> {
    let files = [JULIA_PROJECT, PROJECT];
    let text = files
        .iter()
        .find_map(|file| read_file(&folder.join(file)).ok())?;
    let text = String::from_utf8(text).ok()?;
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix("name")?.trim_start();
        let value = value.strip_prefix('=')?.trim_start().strip_prefix('"')?;
        Some(value.split_once('"')?.0.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_name_of_its_project_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(package_name(folder.path()), None);
        let file = folder.path().join("Project.toml");
        fs::write(&file, "names = \"B\"\nname = \"A\" # c\nuuid = \"x\"\n").unwrap();
        assert_eq!(package_name(folder.path()).as_deref(), Some("A"));
    }

    #[test]
    fn extensions_are_files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["src", "ext/Deep"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        let mains = ["src/A.jl", "ext/B.jl", "ext/Deep/Deep.jl"].map(path);
        for file in mains
            .iter()
            .chain([&path("ext/Deep/part.jl"), &path("ext/notes.md")])
        {
            fs::write(file, "").unwrap();
        }
        fs::write(path("Project.toml"), "name = \"A\"\n").unwrap();
        assert_eq!(super::mains(folder.path()), mains);
        assert_eq!(super::main(folder.path()).as_ref(), mains.first());
        fs::rename(&mains[0], path("src/entry.jl")).unwrap();
        assert_eq!(super::main(folder.path()), None);
        assert_eq!(super::mains(folder.path()), mains[1..]);
    }
}
