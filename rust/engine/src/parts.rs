//! What goes into an image, piece by piece. The keys of [`crate::inputs`] tell that something
//! changed; parts tell what.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pcrs_cache::{Ignore, Key, hash_file, hash_tree};
use serde::{Deserialize, Serialize};

use crate::inputs;
use crate::plan::{Base, BuildPlan, file_name};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A runtime library or the default image, by file name, or a variable that Julia reads.
    Julia,
    /// The image that this one is built upon.
    Base,
    /// The folder of a package that is tracked by path.
    Source,
    Workload,
    WorkloadDep,
    Statements,
    Script,
}

/// One thing that goes into an image, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub kind: PartKind,
    pub name: String,
    /// None when it cannot be read.
    pub hash: Option<String>,
    /// What the hash does not cover, or why there is none; a sentence each.
    pub gaps: Vec<String>,
}

/// Reads all parts of `plan`. What lies at `image` is no part of itself, should it be in a folder
/// that is read.
pub fn read(plan: &BuildPlan, image: &Path) -> Vec<Part> {
    let mut reader = Reader {
        files: HashMap::new(),
        ignore: inputs::ignored(plan)
            .path(image)
            .path(crate::stamp::path(image)),
        parts: Vec::new(),
    };
    let julia = &plan.julia;
    for library in julia.libraries.iter().chain([&julia.default_sysimage]) {
        reader.file(PartKind::Julia, file_name(library), library);
    }
    for name in inputs::ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            let value = value.to_string_lossy().into_owned();
            reader.push(PartKind::Julia, name.into(), Some(value), Vec::new());
        }
    }
    if let Base::Existing { path } = &plan.base {
        reader.file(PartKind::Base, shown(path), path);
    }
    for folder in &plan.project.sources {
        reader.tree(PartKind::Source, folder);
    }
    for workload in &plan.workloads {
        reader.script(PartKind::Workload, workload);
    }
    for path in &plan.workload_deps {
        if path.is_dir() {
            reader.tree(PartKind::WorkloadDep, path);
        } else {
            reader.file(PartKind::WorkloadDep, shown(path), path);
        }
    }
    for file in &plan.statement_files {
        reader.file(PartKind::Statements, shown(file), file);
    }
    if let Some(script) = &plan.script {
        reader.script(PartKind::Script, script);
    }
    reader.parts
}

struct Reader {
    /// Hashes of files that were read already: a base is often the default image.
    files: HashMap<PathBuf, Result<String, String>>,
    ignore: Ignore,
    parts: Vec<Part>,
}

impl Reader {
    fn push(&mut self, kind: PartKind, name: String, hash: Option<String>, gaps: Vec<String>) {
        self.parts.push(Part {
            kind,
            name,
            hash,
            gaps,
        });
    }

    fn push_result(&mut self, kind: PartKind, name: String, hash: Result<String, String>) {
        match hash {
            Ok(hash) => self.push(kind, name, Some(hash), Vec::new()),
            Err(gap) => self.push(kind, name, None, vec![gap]),
        }
    }

    fn file(&mut self, kind: PartKind, name: String, path: &Path) {
        let read = || told(hash_file(path));
        let hash = self
            .files
            .entry(path.to_path_buf())
            .or_insert_with(read)
            .clone();
        self.push_result(kind, name, hash);
    }

    fn tree(&mut self, kind: PartKind, folder: &Path) {
        match hash_tree(folder, &self.ignore) {
            Ok(tree) => {
                let gaps = tree.unfollowed.iter().map(|link| {
                    format!(
                        "`{}` leads to another folder, which is not read",
                        shown(link)
                    )
                });
                let gaps = gaps.collect();
                self.push(kind, shown(folder), Some(tree.key.to_string()), gaps);
            }
            Err(error) => self.push(kind, shown(folder), None, vec![error.to_string()]),
        }
    }

    fn script(&mut self, kind: PartKind, script: &Path) {
        let mut gaps = Vec::new();
        match told(inputs::script_key(script, &mut gaps)) {
            Ok(hash) => self.push(kind, shown(script), Some(hash), gaps),
            Err(gap) => self.push(kind, shown(script), None, vec![gap]),
        }
    }
}

fn told(hash: Result<Key, pcrs_cache::Error>) -> Result<String, String> {
    match hash {
        Ok(key) => Ok(key.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
