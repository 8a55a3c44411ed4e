//! What both ways to an image go through: caches, traces, statements, and the image process's work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::base::BaseImage;
use super::image::ImageProcess;
use super::layer::Layer;
use super::statements::Statements;
use super::{count, image, precompile, statements, trace};
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::linked::{Setback, Way};
use crate::plan::Base;
use crate::report::StatementReport;

/// What is known before an image process has its turn.
#[derive(Debug, Default)]
pub struct Known {
    pub statements: Option<Arc<Statements>>,
    /// The layer that the image is built on.
    pub layer: Option<Layer>,
}

/// Fills the packages' caches, lets the image process load them, and finds the statements, unless they
/// are known.
pub fn statements_of(
    ctx: &Context<'_>,
    base: &BaseImage,
    image_process: &ImageProcess<'_, '_>,
    known: Known,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Arc<Statements>, BuildError> {
    precompile(ctx, base, times)?;
    image_process.load_packages()?;
    match known.statements {
        Some(statements) => Ok(statements),
        None => traced(ctx, base, known.layer.as_ref(), times, warnings),
    }
}

/// The statements of all workloads and files, and of the `layer` on which the workloads ran.
pub fn traced(
    ctx: &Context<'_>,
    base: &BaseImage,
    layer: Option<&Layer>,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Arc<Statements>, BuildError> {
    let of_layer = layer.map(|layer| layer.statements.as_path());
    let traces = trace(ctx, base, of_layer, times, warnings)?;
    let merged = ctx.stage(Stage::Statements, "merging", times, || {
        statements::merge(ctx, &traces, of_layer)
    })?;
    Ok(Arc::new(merged))
}

/// Lets the image process do its work.
pub fn compile(
    ctx: &Context<'_>,
    image_process: ImageProcess<'_, '_>,
    statements: &Arc<Statements>,
    times: &mut Vec<(Stage, f64)>,
) -> Result<(PathBuf, StatementReport), Setback> {
    let what = format!(
        "compiling {} and {}",
        count(ctx.plan.packages.len(), "package"),
        count(statements.len(), "statement")
    );
    let mut made = Err(Setback::Slower(String::new()));
    ctx.stage(Stage::Image, what, times, || {
        made = image_process.finish(Arc::clone(statements), image::Outcomes::new());
        Ok::<_, BuildError>(())
    })?;
    made
}

/// Fills the packages' caches, where there are any and they are not known to be filled.
pub fn precompile(
    ctx: &Context<'_>,
    base: &BaseImage,
    times: &mut Vec<(Stage, f64)>,
) -> Result<(), BuildError> {
    // What the cache knows of are the caches for the plan's base, of the way that is gone first.
    let usual = matches!(&ctx.plan.base, Base::Existing { path } if *path == base.path)
        && base.linked == Way::of(ctx.plan).is_linked();
    let known = usual && ctx.cache.precompiled() && ctx.cache.unlisted().is_empty();
    let stdlibs = base
        .stdlibs
        .iter()
        .filter(|_| ctx.plan.has_caches())
        .count();
    if !(ctx.plan.is_precompiled() || stdlibs > 0) || known {
        return Ok(());
    }
    let what = count(ctx.plan.packages.len() + stdlibs, "package");
    let learned = ctx.stage(Stage::Precompile, what, times, || {
        let learned = precompile::run(ctx, base)?;
        if usual {
            ctx.cache.keep_precompiled(ctx);
        }
        Ok::<_, BuildError>(learned)
    })?;
    // The build begins again: its keys are to hold what is known now.
    if learned {
        return Err(BuildError::cancelled(Stage::Precompile));
    }
    // Told once, where another way is gone after this one.
    for gap in ctx.cache.gaps_to_close().filter(|_| usual) {
        ctx.warn(Stage::Precompile, gap);
    }
    Ok(())
}

/// The traces of all workloads; those that the cache lacks are run. `layer` are the statements of the layer that they
/// run on, if it is one. `warnings` gets what is to be said of the image as long as it lasts.
fn trace(
    ctx: &Context<'_>,
    base: &BaseImage,
    layer: Option<&Path>,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, BuildError> {
    let plan = ctx.plan;
    let jobs = trace::jobs(plan, &trace::first_runs(plan, base), ctx.workspace.path());
    let traces = jobs.iter().map(|job| job.trace.clone()).collect();
    let mut missing = Vec::new();
    for job in jobs {
        match ctx.cache.trace(job.index, layer, &job.trace) {
            Some(noted) => {
                let untraced = serde_json::from_value(noted).unwrap_or_default();
                let warning = trace::warning_of_untraced(&job, untraced);
                warning.iter().for_each(|text| ctx.warn(Stage::Trace, text));
                add(warnings, warning);
            }
            None => missing.push(job),
        }
    }
    if !missing.is_empty() {
        let what = trace::what(plan, &missing);
        ctx.stage(Stage::Trace, what, times, || {
            let remarks = trace::run(ctx, &missing)?;
            let untraced = |job: &trace::Job| {
                let seen = remarks.untraced.get(&job.index).copied();
                seen.unwrap_or_default()
            };
            let of_job = |job| trace::warning_of_untraced(job, untraced(job));
            let of_untraced: Vec<_> = missing.iter().filter_map(of_job).collect();
            // The next build is to run failed tests again.
            missing.retain(|job| !remarks.failed_tests.contains_key(&job.index));
            let mut traces = Vec::new();
            for job in &missing {
                traces.push((job.index, &*job.trace, json!(untraced(job))));
            }
            ctx.cache.keep_traces(ctx, layer, &traces);
            add(warnings, remarks.failed_tests.into_values());
            add(warnings, of_untraced);
            Ok::<_, BuildError>(())
        })?;
    }
    Ok(traces)
}

/// Adds to the `warnings` of an image what is not said yet: on a layer and without, a workload may run twice.
pub fn add(warnings: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for warning in more {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}
