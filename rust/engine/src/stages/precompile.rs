//! Fills the precompile caches of the asked packages, so that tracing and image process load them
//! fast.

use std::path::Path;

use super::base::BaseImage;
use super::spec;
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::julia::start::julia;
use crate::julia::version::Feature;
use crate::plan::BuildPlan;
use crate::process::child;
use crate::process::invocation::Invocation;
use crate::records::Records;
use crate::staging;

const NAME: &str = "precompile";

/// Whether there is anything to precompile, and children can use it.
pub fn needed(plan: &BuildPlan) -> bool {
    plan.packages.iter().any(|p| p.load) && plan.uses_caches()
}

pub fn invocation(plan: &BuildPlan, base: &BaseImage, folder: &Path) -> Invocation {
    let mut child = julia(
        plan,
        Stage::Precompile,
        "precompiling",
        Some(&base.path),
        base.caches,
    );
    child.option("project", &plan.project.dir);
    child.arg(staging::path(folder, "precompile.jl"));
    child.arg(spec(folder, NAME));
    child
}

/// # Errors
/// When a package does not precompile, with its own words.
pub fn run(ctx: &Context<'_>, base: &BaseImage) -> Result<(), BuildError> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("project", &plan.project.dir);
    let parallel = plan.julia.version.has(Feature::ParallelPrecompile);
    records.push("parallel", parallel.to_string());
    for package in plan.packages.iter().filter(|p| p.load) {
        let id = format!("{} {}", package.uuid, package.name);
        records.push("package", &id);
        if package.direct {
            records.push("direct", &id);
        }
    }
    let path = spec(folder, NAME);
    records
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Precompile, "writing", &path, &e))?;
    child::run_ok(ctx, &invocation(plan, base, folder))?;
    Ok(())
}
