//! The stages, one a file, and their order.

pub mod base;
pub mod check;
pub mod image;
pub mod link;
pub mod precompile;
pub mod publish;
pub mod statements;
pub mod trace;
pub mod verify;

use std::path::{Path, PathBuf};

use pcrs_cache::Kind;

use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::julia::image_threads;
use crate::plan::{Base, BuildPlan, file_name};
use crate::process::invocation::Invocation;
use crate::process::memory;
use crate::report::{BuildReport, Origin, PlannedCommand, StageTime};
use crate::staging;
use base::BaseImage;
use check::Checked;

/// Goes through all stages.
///
/// # Errors
/// That of the stage that fails.
pub fn run(ctx: &Context<'_>, checked: &Checked) -> Result<BuildReport, BuildError> {
    let plan = ctx.plan;
    let mut times = Vec::new();
    let _lock = ctx.cache.lock(ctx, Kind::Image);
    if let Some(report) = from_cache(ctx)? {
        return Ok(report);
    }
    if let Some(warning) = ctx.timings.lacks_memory(memory::available()) {
        ctx.warn(Stage::Check, warning);
    }
    staging::write(ctx.workspace.path())?;

    let base = match &plan.base {
        Base::Existing { path } => BaseImage::existing(path),
        Base::Fresh { .. } => {
            ctx.stage(Stage::Base, "compiling Julia's Base", &mut times, || {
                base::build(ctx, checked)
            })?
        }
    };
    let mut warnings = Vec::new();
    let (object, mut statements) = std::thread::scope(|scope| {
        let image_process = image::ImageProcess::start(scope, ctx, &base)?;
        precompile(ctx, &base, &mut times)?;
        image_process.load_packages()?;
        let traces = trace(ctx, &base, &mut times, &mut warnings)?;
        let merged = ctx.stage(Stage::Statements, "merging", &mut times, || {
            statements::merge(ctx, &traces)
        })?;
        let what = format!(
            "compiling {} and {}",
            count(plan.packages.len(), "package"),
            count(merged.len(), "statement")
        );
        ctx.stage(Stage::Image, what, &mut times, || {
            image_process.finish(merged)
        })
    })?;
    statements::enforce(plan, &statements)?;
    let image = ctx.stage(Stage::Link, checked.linker.describe(), &mut times, || {
        link::link_image(ctx, checked, &object)
    })?;
    if verify::needed(plan) {
        ctx.stage(Stage::Verify, verify::what(plan), &mut times, || {
            verify::run(ctx, &image, &mut statements)
        })?;
    }
    let mut report = BuildReport {
        origin: Origin::Built,
        sysimage_path: plan.sysimage_path.clone(),
        image_size: 0,
        seconds: 0.0,
        stages: Vec::new(),
        packages: plan.packages.clone(),
        statements,
        verified: plan.verify,
        peak_memory: 0,
        linker: checked.linker.describe(),
        base_sysimage: match &plan.base {
            Base::Existing { path } => Some(path.clone()),
            Base::Fresh { .. } => None,
        },
        log: None,
        warnings,
    };
    publish_with(ctx, &image, &mut report, &mut times, |report| {
        ctx.cache.keep_image(ctx, ctx.stamp, &image, report);
    })?;
    ctx.timings.record(&report.stages, report.peak_memory);
    Ok(report)
}

fn precompile(
    ctx: &Context<'_>,
    base: &BaseImage,
    times: &mut Vec<(Stage, f64)>,
) -> Result<(), BuildError> {
    if !precompile::needed(ctx.plan) || ctx.cache.precompiled() {
        return Ok(());
    }
    let what = count(ctx.plan.packages.len(), "package");
    ctx.stage(Stage::Precompile, what, times, || {
        precompile::run(ctx, base)?;
        ctx.cache.keep_precompiled(ctx);
        Ok(())
    })
}

/// The traces of all workloads; those that the cache lacks are run. `warnings` gets what is to be
/// said of the image as long as it lasts.
fn trace(
    ctx: &Context<'_>,
    base: &BaseImage,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Vec<PathBuf>, BuildError> {
    let plan = ctx.plan;
    let jobs = trace::jobs(plan, &trace::first_runs(plan, base), ctx.workspace.path());
    let traces = jobs.iter().map(|job| job.trace.clone()).collect();
    let mut missing: Vec<trace::Job> = jobs
        .into_iter()
        .filter(|job| !ctx.cache.trace(job.index, &job.trace))
        .collect();
    if !missing.is_empty() {
        let what = trace::what(plan, &missing);
        ctx.stage(Stage::Trace, what, times, || {
            let failed = trace::run(ctx, &missing)?;
            // The next build is to run failed tests again.
            missing.retain(|job| !failed.contains_key(&job.index));
            let traces: Vec<_> = missing.iter().map(|job| (job.index, &*job.trace)).collect();
            ctx.cache.keep_traces(ctx, &traces);
            warnings.extend(failed.into_values());
            Ok(())
        })?;
    }
    Ok(traces)
}

/// Puts an earlier build's image in place, if the cache has one of the same.
fn from_cache(ctx: &Context<'_>) -> Result<Option<BuildReport>, BuildError> {
    let plan = ctx.plan;
    let image = link::place(ctx)?;
    let Some(mut report) = ctx.cache.image(&image) else {
        return Ok(None);
    };
    report.origin = Origin::Cached;
    for warning in &report.warnings {
        ctx.warn(Stage::Trace, warning);
    }
    report.sysimage_path.clone_from(&plan.sysimage_path);
    let mut times = Vec::new();
    let verified = report.verified >= plan.verify;
    if !verified {
        staging::write(ctx.workspace.path())?;
        ctx.stage(Stage::Verify, verify::what(plan), &mut times, || {
            verify::run(ctx, &image, &mut report.statements)
        })?;
        report.verified = plan.verify;
    }
    publish_with(ctx, &image, &mut report, &mut times, |report| {
        if !verified {
            ctx.cache.replace_image(ctx, &image, report);
        }
    })?;
    Ok(Some(report))
}

/// Completes the report and publishes the image; `keep` is called in between, while the image is
/// still ours alone.
fn publish_with(
    ctx: &Context<'_>,
    image: &Path,
    report: &mut BuildReport,
    times: &mut Vec<(Stage, f64)>,
    keep: impl FnOnce(&BuildReport),
) -> Result<(), BuildError> {
    let what = file_name(&ctx.plan.sysimage_path);
    let mut stages: Vec<StageTime> = times.drain(..).map(StageTime::from).collect();
    ctx.stage(Stage::Publish, what, times, || {
        report.image_size = std::fs::metadata(image)
            .map_err(|e| BuildError::io(Stage::Publish, "reading", image, &e))?
            .len();
        report.peak_memory = ctx.monitor.usage().peak;
        report.seconds = ctx.seconds();
        report.stages.clone_from(&stages);
        keep(report);
        publish::publish(ctx, image, report)
    })?;
    stages.extend(times.drain(..).map(StageTime::from));
    report.stages = stages;
    // They were told when they came; who is given this image later has them from the stamp.
    report.warnings.clear();
    Ok(())
}

/// The commands that [`run`] would start, with `folder` as work folder.
pub fn commands(plan: &BuildPlan, checked: &Checked, folder: &Path) -> Vec<PlannedCommand> {
    let mut all: Vec<Invocation> = Vec::new();
    let base = match &plan.base {
        Base::Existing { path } => BaseImage::existing(path),
        Base::Fresh { .. } => {
            all.extend(base::commands(plan, checked, folder));
            BaseImage::fresh(folder, plan)
        }
    };
    if precompile::needed(plan) {
        all.push(precompile::invocation(plan, &base, folder));
    }
    let jobs = trace::jobs(plan, &trace::first_runs(plan, &base), folder);
    all.extend(jobs.into_iter().map(|job| job.invocation));
    let object = image::object(folder);
    all.push(image::invocation(
        plan,
        &base,
        folder,
        image_threads::chosen(plan),
    ));
    let image = link::linked(folder, plan);
    all.push(link::invocation(plan, checked, &object, &image));
    if verify::needed(plan) {
        all.extend(verify::commands(plan, &image, folder));
    }
    all.into_iter()
        .map(|invocation| PlannedCommand {
            stage: invocation.stage,
            what: invocation.what.clone(),
            command: invocation.display(),
        })
        .collect()
}

/// "1 package", "3 packages".
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The file of records for a child, by the child's name.
pub(crate) fn spec(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.spec"))
}

/// The file in which a child tells of its progress.
pub(crate) fn journal(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.journal"))
}
