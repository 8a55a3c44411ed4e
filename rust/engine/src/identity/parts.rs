//! What goes into an image, piece by piece. The keys of [`inputs`] tell that something changed; parts
//! tell what.

use std::path::{Path, PathBuf};

use pcrs_cache::{Error, Ignore, Key, KeyBuilder, Stop};

use super::beside;
use super::inputs::{self, Reader};
use super::stamp::{Part, PartKind};
use crate::plan::{Base, BuildPlan, file_name};

/// Reads all parts of `plan`. What lies at `image` is no part of itself, should it be in a folder
/// that is read. What is not read before `stop` is set counts as what cannot be read.
pub fn read<'a>(plan: &'a BuildPlan, image: &'a Path, stop: &Stop) -> Vec<Part> {
    let mut reader = Reader::new(plan, stop);
    reader.image = image;
    let ours = [
        image.to_path_buf(),
        beside::stamp(image),
        beside::refresh_folder(image),
    ];
    reader.ignore = ours.into_iter().fold(reader.ignore, Ignore::path);
    // One that cannot be read has a part of its own, which tells so.
    let _ = reader.read_large_files();
    let mut parts = Parts {
        reader,
        parts: Vec::new(),
    };
    parts.julia(plan);
    if let Base::Existing { path } = &plan.base {
        parts.file(PartKind::Base, shown(path), path);
    }
    for folder in &plan.project.sources {
        let source = |reader: &mut Reader<'_>| reader.source(folder);
        parts.add(PartKind::Source, shown(folder), source);
    }
    parts.depots(plan);
    for workload in &plan.workloads {
        let name = shown(&workload.file());
        parts.add(PartKind::Workload, name, |reader| {
            reader.workload_beside(workload, &plan.project.sources)
        });
    }
    for path in &plan.workload_deps {
        if path.is_dir() {
            parts.add(PartKind::WorkloadDep, shown(path), |reader| {
                let tree = reader.folder(path)?;
                reader.gaps.extend(tree.unfollowed.iter().map(|link| {
                    format!(
                        "`{}` leads to another folder, which is not read",
                        shown(link)
                    )
                }));
                Ok(tree.key)
            });
        } else {
            parts.file(PartKind::WorkloadDep, shown(path), path);
        }
    }
    for file in &plan.statement_files {
        parts.file(PartKind::Statements, shown(file), file);
    }
    if let Some(script) = &plan.script {
        parts.script(PartKind::Script, script);
    }
    for name in &plan.environment_inputs {
        parts.add(PartKind::Variable, name.clone(), |_| {
            Ok(inputs::variable(plan, name))
        });
    }
    parts.parts
}

struct Parts<'a> {
    reader: Reader<'a>,
    parts: Vec<Part>,
}

impl<'a> Parts<'a> {
    fn add(
        &mut self,
        kind: PartKind,
        name: String,
        read: impl FnOnce(&mut Reader<'a>) -> Result<Key, Error>,
    ) {
        let hash = read(&mut self.reader);
        let mut gaps = std::mem::take(&mut self.reader.gaps);
        let unlisted = self.reader.unlisted.drain(..);
        gaps.extend(unlisted.flat_map(|package| package.gaps));
        let hash = match hash {
            Ok(key) => Some(key.to_string()),
            Err(error) => {
                gaps.push(error.to_string());
                None
            }
        };
        self.parts.push(Part {
            kind,
            name,
            hash,
            gaps,
            listed: self.reader.listed.take(),
            files: std::mem::take(&mut self.reader.included),
        });
    }

    fn file(&mut self, kind: PartKind, name: String, path: &Path) {
        self.add(kind, name, |reader| reader.file(path));
    }

    fn script(&mut self, kind: PartKind, script: &Path) {
        self.add(kind, shown(script), |reader| reader.script(script));
    }

    fn julia(&mut self, plan: &BuildPlan) {
        let julia = &plan.julia;
        let mut files: Vec<PathBuf> = inputs::libraries(plan);
        files.extend([julia.exe.clone(), julia.default_sysimage.clone()]);
        for path in files {
            self.file(PartKind::Julia, file_name(&path), &path);
        }
        self.add(PartKind::Julia, "stdlib".into(), |reader| {
            let mut key = KeyBuilder::new("stdlib/v1");
            for folder in inputs::folders_in(&julia.stdlib) {
                let tree = reader.plain_folder(&folder)?;
                key.field("name", file_name(&folder));
                key.key("source", &tree.key);
            }
            Ok(key.finish())
        });
        for name in inputs::ENVIRONMENT {
            if plan.surroundings.var(name).is_some() {
                self.add(PartKind::Julia, name.into(), |_| {
                    Ok(inputs::variable(plan, name))
                });
            }
        }
    }

    fn depots(&mut self, plan: &BuildPlan) {
        let planned = plan.packages.iter();
        let planned = planned.map(|p| (&p.name, &p.uuid, p.tree_hash.as_deref()));
        let others = plan.project.others.iter();
        let others = others.map(|p| (&p.name, &p.uuid, p.tree_hash.as_deref()));
        for (name, uuid, tree) in planned.chain(others) {
            if tree.is_some() {
                self.add(PartKind::Installed, uuid.clone(), |reader| {
                    let mut key = KeyBuilder::new("installed/v1");
                    reader.installed(&mut key, name, uuid, tree)?;
                    Ok(key.finish())
                });
            }
        }
        for depot in self.reader.depots.clone() {
            let overrides = depot.join("artifacts/Overrides.toml");
            if overrides.is_file() {
                self.file(PartKind::Overrides, shown(&overrides), &overrides);
            }
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
