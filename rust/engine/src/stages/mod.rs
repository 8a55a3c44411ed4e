//! The stages, one a file, and their order.

pub mod base;
pub mod check;
pub mod image;
pub mod julia;
pub mod link;
pub mod precompile;
pub mod publish;
pub mod statements;
pub mod trace;
pub mod verify;

use std::path::{Path, PathBuf};

use crate::build::Context;
use crate::child::Invocation;
use crate::error::{BuildError, Stage};
use crate::plan::{Base, BuildPlan, file_name};
use crate::report::{BuildReport, PlannedCommand, StageTime};
use crate::staging;
use check::Checked;

/// Goes through all stages.
///
/// # Errors
/// That of the stage that fails.
pub fn run(ctx: &Context<'_>, checked: &Checked) -> Result<BuildReport, BuildError> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut times = Vec::new();
    staging::write(folder)?;

    let base = match &plan.base {
        Base::Existing { path } => base::BaseImage::existing(path),
        Base::Fresh { .. } => {
            ctx.stage(Stage::Base, "compiling Julia's Base", &mut times, || {
                base::build(ctx, checked)
            })?
        }
    };
    if precompile::needed(plan) {
        let what = count(plan.packages.len(), "package");
        ctx.stage(Stage::Precompile, what, &mut times, || {
            precompile::run(ctx, &base)
        })?;
    }
    let traces = ctx.stage(Stage::Trace, trace::what(plan), &mut times, || {
        let jobs = trace::jobs(plan, &trace::first_runs(plan, &base), folder);
        trace::run(ctx, jobs)
    })?;
    let merged = ctx.stage(Stage::Statements, "merging", &mut times, || {
        statements::merge(ctx, &traces)
    })?;
    let what = format!(
        "compiling {} and {}",
        count(plan.packages.len(), "package"),
        count(merged.len(), "statement")
    );
    let (object, outcomes) = ctx.stage(Stage::Image, what, &mut times, || {
        image::compile(ctx, &base, &merged)
    })?;
    let statements = merged.report(plan, outcomes);
    statements::enforce(plan, &statements)?;
    let image = ctx.stage(Stage::Link, checked.linker.describe(), &mut times, || {
        link::link_image(ctx, checked, &object)
    })?;
    let mut statements = statements;
    if verify::needed(plan) {
        ctx.stage(Stage::Verify, verify::what(plan), &mut times, || {
            verify::run(ctx, &image, &mut statements)
        })?;
    }
    let what = file_name(&plan.sysimage_path);
    let image_size = ctx.stage(Stage::Publish, what, &mut times, || {
        publish::publish(ctx, &image)
    })?;

    Ok(BuildReport {
        sysimage_path: plan.sysimage_path.clone(),
        image_size,
        seconds: 0.0,
        stages: times
            .into_iter()
            .map(|(stage, seconds)| StageTime { stage, seconds })
            .collect(),
        packages: plan.packages.clone(),
        statements,
        peak_memory: ctx.monitor.usage().peak,
        linker: checked.linker.describe(),
        base_sysimage: match &plan.base {
            Base::Existing { path } => Some(path.clone()),
            Base::Fresh { .. } => None,
        },
        log: None,
        warnings: Vec::new(),
    })
}

/// The commands that [`run`] would start, with `folder` as work folder.
pub fn commands(plan: &BuildPlan, checked: &Checked, folder: &Path) -> Vec<PlannedCommand> {
    let mut all: Vec<Invocation> = Vec::new();
    let base = match &plan.base {
        Base::Existing { path } => base::BaseImage::existing(path),
        Base::Fresh { .. } => {
            all.extend(base::commands(plan, checked, folder));
            base::BaseImage::fresh(folder, plan)
        }
    };
    if precompile::needed(plan) {
        all.push(precompile::invocation(plan, &base, folder));
    }
    let jobs = trace::jobs(plan, &trace::first_runs(plan, &base), folder);
    all.extend(jobs.into_iter().map(|job| job.invocation));
    let object = image::object(folder);
    all.push(image::invocation(plan, &base, folder, image::threads(plan)));
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
