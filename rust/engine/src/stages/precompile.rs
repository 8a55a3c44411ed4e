//! Fills the precompile caches of the asked packages, so that tracing and image process load them
//! fast.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::base::BaseImage;
use super::{fresh_journal, spec};
use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::identity::listed::Unlisted;
use crate::julia::start::julia;
use crate::julia::version::Feature;
use crate::plan::BuildPlan;
use crate::process::child;
use crate::process::invocation::Invocation;
use crate::records::{self, Records};
use crate::staging;

const NAME: &str = "precompile";

pub fn invocation(plan: &BuildPlan, base: &BaseImage, folder: &Path) -> Invocation {
    let mut child = julia(
        plan,
        Stage::Precompile,
        "precompiling",
        Some(&base.path),
        base.caches,
    );
    child.precompiles = true;
    child.option("project", &plan.project.dir);
    child.arg(staging::path(folder, "precompile.jl"));
    child.arg(spec(folder, NAME));
    child
}

/// Says whether it found files to look at that were not known as inputs.
///
/// # Errors
/// When a package does not precompile, with its own words.
pub fn run(ctx: &Context<'_>, base: &BaseImage) -> Result<bool, BuildError> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("project", &plan.project.dir);
    let parallel = plan.julia.version.has(Feature::ParallelPrecompile);
    records.push("parallel", parallel.to_string());
    for id in &base.stdlibs {
        let id = format!("{} {}", id.uuid, id.name);
        records.push("package", &id).push("planned", &id);
    }
    for package in &plan.packages {
        let id = format!("{} {}", package.uuid, package.name);
        // What brings extensions in; a dependency may be left to the packages that need it.
        records.push("planned", &id);
        if !package.load {
            continue;
        }
        records.push("package", &id);
        if package.direct {
            records.push("direct", &id);
        }
    }
    let unlisted = unlisted(ctx);
    let journal = fresh_journal(folder, NAME, Stage::Precompile)?;
    records.push_path("journal", &journal);
    for (uuid, package) in &unlisted {
        for main in &package.mains {
            let name = main.file_stem().unwrap_or_default().to_string_lossy();
            records.push("list", format!("{uuid} {name}"));
            records.push_path("main", main);
        }
    }
    let path = spec(folder, NAME);
    records
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Precompile, "writing", &path, &e))?;
    let ended = child::run_ok(ctx, &invocation(plan, base, folder));
    let told = fs::read(&journal).unwrap_or_default();
    let told = records::parse(&told);
    ended.map_err(|error| naming(plan, &told, error))?;
    let found = listed(&unlisted, &told);
    Ok(ctx.cache.learn(ctx, found))
}

/// The error with the package that the child noted, if it came to that.
fn naming(plan: &BuildPlan, told: &[(String, String)], mut error: BuildError) -> BuildError {
    let failed = told.iter().find(|(key, _)| key == "failed");
    if error.kind == ErrorKind::Failed
        && let Some((_, name)) = failed
    {
        let package = plan.packages.iter().find(|p| p.load && p.name == *name);
        let version = package.and_then(|p| p.version.as_deref());
        let version = version.map_or_else(String::new, |version| format!(" {version}"));
        error.message = format!("the package {name}{version} cannot be precompiled");
        error.hint.get_or_insert_with(|| {
            let project = plan.project.dir.display();
            let without = match package {
                // Some packages load a dependency only when it is called for, as `using` of them shows.
                Some(package) if !package.requested => {
                    "; what packages load late or not at all is left to them with \
                     `include_transitive_dependencies=false`"
                }
                _ => "",
            };
            format!(
                "see whether `using {name}` works without an image, in the project `{project}`{without}"
            )
        });
    }
    error
}

/// The packages of the image whose caches can tell what their text does not, with their UUIDs.
fn unlisted<'a>(ctx: &Context<'a>) -> Vec<(&'a str, &'a Unlisted)> {
    let with_uuid = |unlisted: &'a Unlisted| {
        let mut packages = ctx.plan.packages.iter();
        let package = packages.find(|p| p.path.as_ref() == Some(&unlisted.folder))?;
        Some((package.uuid.as_str(), unlisted))
    };
    ctx.cache.to_list().filter_map(with_uuid).collect()
}

/// What the child told of them.
fn listed<'a>(
    unlisted: &[(&str, &'a Unlisted)],
    told: &[(String, String)],
) -> Vec<(&'a Unlisted, Vec<PathBuf>)> {
    let of = |uuid: &str| {
        let mut theirs = false;
        let files = told.iter().filter_map(|(key, value)| {
            if key == "of" {
                theirs = value == uuid;
            }
            (theirs && key == "file").then(|| PathBuf::from(value))
        });
        files.collect::<BTreeSet<_>>().into_iter().collect()
    };
    let found = unlisted.iter().map(|&(uuid, package)| (package, of(uuid)));
    found
        .filter(|(_, files): &(_, Vec<_>)| !files.is_empty())
        .collect()
}
