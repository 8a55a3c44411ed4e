//! The stages, one a file, and their order.

mod about;
pub mod base;
pub mod check;
pub mod held;
pub mod image;
pub mod layer;
pub mod link;
pub mod precompile;
pub mod publish;
pub mod statements;
mod steps;
pub mod trace;
pub mod verify;
mod ways;

use std::path::{Path, PathBuf};
use std::{fs, io};

use pcrs_cache::Kind;

use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::identity::named_folders;
use crate::identity::sizes;
use crate::julia::image_threads;
use crate::julia::link_args::Input;
use crate::linked::Way;
use crate::plan::{Base, BuildPlan, file_name};
use crate::process::invocation::Invocation;
use crate::process::memory;
use crate::report::{BuildReport, Origin, PlannedCommand, SpanKind, StageTime};
use crate::staging;
use base::BaseImage;
use check::Checked;
use ways::Image;

/// Goes through all stages.
///
/// # Errors
/// That of the stage that fails.
pub fn run(ctx: &Context<'_>) -> Result<BuildReport, BuildError> {
    let plan = ctx.plan;
    let mut times = Vec::new();
    held::check(plan, &ctx.stamp.packages)?;
    let _lock = ctx.cache.lock(ctx, Kind::Image);
    if let Some(report) = from_cache(ctx)? {
        return Ok(report);
    }
    let checked = &check::tools(plan)?;
    if let Some(warning) = ctx.timings.lacks_memory(memory::available()) {
        let advice = memory::advice(Stage::Image);
        ctx.warn(Stage::Check, format!("{warning}; {advice}"));
    }
    check::base_has_code(ctx)?;
    staging::write(ctx.workspace.path())?;

    let base = match &plan.base {
        Base::Existing { path } => BaseImage::existing(path),
        Base::Fresh { .. } => {
            ctx.stage(Stage::Base, "compiling Julia's Base", &mut times, || {
                base::build(ctx, checked)
            })?
        }
    };
    let mut warnings: Vec<String> = held::edited(plan, ctx.stamp).into_iter().collect();
    for warning in &warnings {
        ctx.warn(Stage::Check, warning);
    }
    let image = ways::make(ctx, checked, base, &mut times, &mut warnings)?;
    let Image {
        path: image,
        statements,
        how,
        linker,
        origins,
    } = image;
    let reading = ctx.running(SpanKind::Engine, Stage::Publish, "reading the image");
    let unreadable = |e: std::io::Error| BuildError::io(Stage::Verify, "reading", &image, &e);
    let named_folders = named_folders::count(plan, &image).map_err(unreadable)?;
    let (sizes, _) = sizes::of(&image, &origins).map_err(unreadable)?;
    drop(reading);
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
        timeline: Vec::new(),
        memory: Vec::new(),
        sizes,
        linker,
        how,
        named_folders,
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
    let told = report.verified >= plan.verify;
    // Others may have put it there, from machines unlike this one.
    let verified = told && !ctx.cache.is_shared();
    if !verified {
        staging::write(ctx.workspace.path())?;
        let tried = ctx.stage(Stage::Verify, verify::what(plan), &mut times, || {
            let caches = BaseImage::existing(&image)
                .on_way(plan, Way::of(plan).is_linked())
                .caches;
            let tried = verify::run(ctx, &image, caches, &mut report.statements);
            tried.map_err(|refusal| refusal.error)
        });
        match tried {
            Ok(remark) => report.warnings.extend(remark),
            // It worked where it was made: one made here may.
            Err(error) if told && error.kind != ErrorKind::Cancelled => {
                ctx.log(&format!("the cached image is not taken: {error}"));
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        report.verified = plan.verify;
    }
    publish_with(ctx, &image, &mut report, &mut times, |report| {
        if !told {
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
    let mut stages = StageTime::summed(times.drain(..));
    ctx.stage(Stage::Publish, what, times, || {
        report.image_size = std::fs::metadata(image)
            .map_err(|e| BuildError::io(Stage::Publish, "reading", image, &e))?
            .len();
        report.peak_memory = ctx.monitor.usage().peak;
        report.memory = ctx.monitor.samples();
        report.timeline = ctx.timeline.spans();
        report.seconds = ctx.seconds();
        report.stages.clone_from(&stages);
        keep(report);
        if ctx.cancelled() {
            return Err(BuildError::cancelled(Stage::Publish));
        }
        publish::publish(ctx, image, report)
    })?;
    stages.extend(times.drain(..).map(StageTime::from));
    report.stages = stages;
    report.timeline = ctx.timeline.spans();
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
    let base = base.on_way(plan, Way::of(plan).is_linked());
    if plan.is_precompiled() {
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
    all.push(link::invocation(
        plan,
        checked.first_linker(plan),
        &Input::Archive(&object),
        &image,
    ));
    if verify::needed(plan) {
        all.extend(verify::commands(plan, &image, base.caches, folder));
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

/// Removes a file of the work folder, where there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The file of records for a child, by the child's name.
pub(crate) fn spec(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.spec"))
}

/// The file in which a child tells of its progress.
pub(crate) fn journal(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.journal"))
}

/// That file, and none there: a child appends, and what an earlier one of its name has told is not its own.
pub(crate) fn fresh_journal(
    folder: &Path,
    name: &str,
    stage: Stage,
) -> Result<PathBuf, BuildError> {
    let path = journal(folder, name);
    remove_if_there(&path).map_err(|e| BuildError::io(stage, "removing", &path, &e))?;
    Ok(path)
}
