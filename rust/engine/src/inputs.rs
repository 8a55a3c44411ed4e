//! What goes into a build, as content keys: equal keys, equal results.
//!
//! What a workload reads other than by `include` cannot be known; the plan's `workload_deps` name
//! such files.

use std::path::{Path, PathBuf};

use pcrs_cache::{Error, Ignore, Includes, Key, KeyBuilder, hash_file, hash_tree, include_closure};

use crate::plan::{Base, BuildPlan, Package};
use crate::stamp;
use crate::workspace;

/// The keys of a build's results.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Of the finished image.
    pub image: Key,
    /// Of the fresh base (`incremental=false`).
    pub base: Key,
    /// Of the packages' precompile caches.
    pub packages: Key,
    /// Of the traces, one a workload, or one for the bare start of Julia.
    pub traces: Vec<Key>,
    /// What the keys cannot cover, a sentence each.
    pub gaps: Vec<String>,
}

/// Reads all that goes into the build of `plan`.
///
/// # Errors
/// For a file or folder that cannot be read; the build is then to go on without cache.
pub fn read(plan: &BuildPlan) -> Result<Inputs, Error> {
    let mut gaps = Vec::new();
    let julia = julia(plan)?;
    let base = base(plan, &julia);
    let on = match &plan.base {
        Base::Existing { path } => hash_file(path)?,
        Base::Fresh { .. } => base,
    };
    let ignore = ignored(plan);
    let packages = packages(plan, plan.packages.iter(), &ignore)?;
    let environment = environment(plan, &ignore)?;
    let deps = dependencies(&plan.workload_deps, &ignore)?;

    let mut caches = KeyBuilder::new("precompile/v1");
    caches.key("julia", &julia).key("on", &on);
    caches.key("packages", &packages);

    let traces = trace_keys(plan, &[julia, on, environment, deps], &mut gaps)?;

    let mut image = KeyBuilder::new("image/v1");
    image.key("julia", &julia).key("on", &on);
    image.key("packages", &packages).key("deps", &deps);
    image.key("options", &options(plan));
    for trace in &traces {
        image.key("trace", trace);
    }
    for file in &plan.statement_files {
        image.file("statements", file)?;
    }
    if let Some(script) = &plan.script {
        image.key("script", &script_key(script, &mut gaps)?);
    }
    Ok(Inputs {
        image: image.finish(),
        base,
        packages: caches.finish(),
        traces,
        gaps,
    })
}

/// The Julia build: its libraries and its default image.
fn julia(plan: &BuildPlan) -> Result<Key, Error> {
    let julia = &plan.julia;
    let mut key = KeyBuilder::new("julia/v1");
    key.field("engine", env!("CARGO_PKG_VERSION"));
    key.field("version", julia.version.to_string());
    key.field("arch", &julia.arch);
    key.field("exe", bytes(&julia.exe));
    for library in &julia.libraries {
        key.file("library", library)?;
    }
    key.file("image", &julia.default_sysimage)?;
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            key.field(name, value.as_encoded_bytes());
        }
    }
    Ok(key.finish())
}

/// Variables that change what Julia compiles.
pub(crate) const ENVIRONMENT: [&str; 2] = ["JULIA_LLVM_ARGS", "ENABLE_GDBLISTENER"];

fn base(plan: &BuildPlan, julia: &Key) -> Key {
    let mut key = KeyBuilder::new("base/v1");
    key.key("julia", julia);
    key.field("cpu_target", &plan.cpu_target);
    key.field("cpu", plan.bound_to_cpu().unwrap_or_default());
    for arg in &plan.build_args {
        key.field("arg", arg);
    }
    key.finish()
}

fn options(plan: &BuildPlan) -> Key {
    let mut key = KeyBuilder::new("options/v1");
    key.field("cpu_target", &plan.cpu_target);
    key.field("cpu", plan.bound_to_cpu().unwrap_or_default());
    for arg in &plan.build_args {
        key.field("arg", arg);
    }
    for word in plan.compiler.iter().flatten() {
        key.field("compiler", word);
    }
    key.field("name", plan.image_name());
    key.field("compress", plan.compress.to_string());
    key.field("import_into_main", plan.import_into_main.to_string());
    key.field("preferences", &plan.preferences);
    key.field("base", plan.base_kind());
    key.field("guard", plan.guard.to_string());
    for package in &plan.packages {
        key.field("load", package.load.to_string());
        key.field("requested", package.requested.to_string());
    }
    key.finish()
}

/// Packages as the Manifest names them, and the source of those tracked by path.
fn packages<'a>(
    plan: &BuildPlan,
    packages: impl Iterator<Item = &'a Package>,
    ignore: &Ignore,
) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("packages/v1");
    key.field("preferences", &plan.preferences);
    for package in packages {
        key.field("name", &package.name);
        key.field("uuid", &package.uuid);
        key.field("version", package.version.as_deref().unwrap_or_default());
        key.field("tree", package.tree_hash.as_deref().unwrap_or_default());
        if let Some(path) = &package.path {
            key.key("source", &hash_tree(path, ignore)?.key);
        }
    }
    Ok(key.finish())
}

/// All that a workload can load.
fn environment(plan: &BuildPlan, ignore: &Ignore) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("environment/v1");
    key.field("project", bytes(&plan.project.dir));
    key.file("file", &plan.project.file)?;
    key.file("manifest", &plan.project.manifest)?;
    key.field("preferences", &plan.preferences);
    for source in &plan.project.sources {
        key.key("source", &hash_tree(source, ignore)?.key);
    }
    Ok(key.finish())
}

/// What lies in a project's folder and is made from it: the images there, and what builds leave
/// beside them.
pub(crate) fn ignored(plan: &BuildPlan) -> Ignore {
    let mut ignore = Ignore::default().path(&plan.sysimage_path);
    if let Some(log) = &plan.log {
        ignore = ignore.path(log);
    }
    let Ok(entries) = std::fs::read_dir(plan.target_dir()) else {
        return ignore;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if workspace::is_of_a_build(&path) {
            ignore = ignore.path(path);
        } else if let Some(image) = stamp::image_of(&path) {
            let log = stamp::beside(&image, "log");
            ignore = ignore.path(&image).path(log).path(path);
        }
    }
    ignore
        .path(stamp::path(&plan.sysimage_path))
        .path(stamp::beside(&plan.sysimage_path, "log"))
}

fn dependencies(paths: &[PathBuf], ignore: &Ignore) -> Result<Key, Error> {
    let mut key = KeyBuilder::new("workload_deps/v1");
    for path in paths {
        if path.is_dir() {
            key.key("folder", &hash_tree(path, ignore)?.key);
        } else {
            key.file("file", path)?;
        }
    }
    Ok(key.finish())
}

fn trace_keys(plan: &BuildPlan, common: &[Key], gaps: &mut Vec<String>) -> Result<Vec<Key>, Error> {
    let mut builder = KeyBuilder::new("trace/v1");
    for key in common {
        builder.key("common", key);
    }
    let common = builder.finish();
    let mut workloads: Vec<Option<&Path>> = plan.workloads.iter().map(|w| Some(&**w)).collect();
    if workloads.is_empty() {
        workloads.push(None);
    }
    let key_of = |workload: Option<&Path>| {
        let mut key = KeyBuilder::new("trace/v1");
        key.key("common", &common);
        if let Some(workload) = workload {
            key.key("workload", &script_key(workload, gaps)?);
        }
        Ok(key.finish())
    };
    workloads.into_iter().map(key_of).collect()
}

/// A script with all that it includes.
pub(crate) fn script_key(script: &Path, gaps: &mut Vec<String>) -> Result<Key, Error> {
    let Includes {
        files,
        missing,
        dynamic,
    } = include_closure(script)?;
    let mut key = KeyBuilder::new("script/v1");
    for file in &files {
        // The path too: `@__DIR__` and error messages depend on it.
        key.field("path", bytes(file));
        key.file("content", file)?;
    }
    for site in missing {
        key.field("missing", site.text);
    }
    for site in dynamic {
        gaps.push(format!(
            "{}:{}: `{}` names a file that only running it can tell; a change in that file is not \
             noticed unless it is named in `workload_deps`",
            site.file.display(),
            site.line,
            site.text
        ));
    }
    Ok(key.finish())
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}
