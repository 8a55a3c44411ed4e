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
pub mod trace;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use pcrs_cache::Kind;
use serde_json::json;

use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::full_disk;
use crate::identity::named_folders;
use crate::identity::sizes::{self, Origins};
use crate::julia::image_threads;
use crate::julia::link_args::Input;
use crate::linked::{Foundation, Setback, Way};
use crate::plan::{Base, BuildPlan, file_name};
use crate::process::invocation::Invocation;
use crate::process::memory;
use crate::report::{
    BuildReport, How, Origin, PlannedCommand, SpanKind, StageTime, StatementReport,
};
use crate::staging;
use base::BaseImage;
use check::Checked;
use image::ImageProcess;
use layer::Layer;
use statements::Statements;
use verify::Refusal;

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
    let way = Way::of(plan);
    if let Way::NotSo(why) = &way {
        ctx.warn(Stage::Image, in_full(why));
    }
    let mut made = None;
    let mut not_linked = way.reason().map(String::from);
    let mut known = None;
    let base = base.on_way(plan, way.is_linked());
    if base.linked {
        match linked(ctx, checked, &base, &mut times, &mut warnings)? {
            Linked::Made(image) => made = Some(*image),
            Linked::Not { why, statements } => {
                ctx.warn(Stage::Image, in_full(&why));
                not_linked = Some(why);
                known = Some(statements);
            }
        }
    }
    let base = base.on_way(plan, made.is_some());
    let mut image = match made {
        Some(made) => made,
        None => full(ctx, checked, &base, known, &mut times, &mut warnings)?,
    };
    image.how.not_linked = not_linked;
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

/// An image that was made, and tried as the plan wants it.
struct Image {
    path: PathBuf,
    statements: StatementReport,
    how: How,
    linker: String,
    /// Whose the code is that was linked in.
    origins: Origins,
}

/// What came of the linked way.
enum Linked {
    Made(Box<Image>),
    /// It cannot be gone, and the full way has these statements already.
    Not {
        why: String,
        statements: Arc<Statements>,
    },
}

fn in_full(why: &str) -> String {
    format!("the image is compiled in full, which takes longer: {why}")
}

/// The image of linked and new code, on a layer of its own where that makes edits cheap.
fn linked(
    ctx: &Context<'_>,
    checked: &Checked,
    base: &BaseImage,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Linked, BuildError> {
    let Some(plan) = layer::plan_of(ctx.plan) else {
        return linked_on(ctx, checked, base, Known::default(), times, warnings);
    };
    if ctx.plan.force {
        ctx.cache.refuse_layer(ctx, None);
    } else if let Some(why) = ctx.cache.refused_layer() {
        ctx.log(&format!(
            "without a layer, on which an earlier build failed: {why}"
        ));
        return linked_on(ctx, checked, base, Known::default(), times, warnings);
    }
    let mut known = Known::default();
    let layer = match layer::kept(ctx) {
        Some(layer) => Some(layer),
        None => {
            precompile(ctx, base, times)?;
            let statements = traced(ctx, base, None, times, warnings)?;
            let layer = make_layer(ctx, checked, base, &plan, &statements, times)?;
            known.statements = Some(statements);
            layer
        }
    };
    let mut refused = None;
    if let Some(layer) = layer {
        let base = layer.base(ctx.plan);
        let used = layer.used(&plan);
        let on_layer = Known {
            statements: known.statements.clone(),
            layer: Some(layer),
        };
        match linked_on(ctx, checked, &base, on_layer, times, warnings) {
            Ok(Linked::Made(mut image)) => {
                image.how.layer = Some(used);
                return Ok(Linked::Made(image));
            }
            Ok(Linked::Not { why, statements }) => {
                ctx.log(&format!("tried again without a layer: {why}"));
                known.statements = Some(statements);
            }
            Err(error) if may_be_of_layer(&error) => {
                ctx.log(&format!("tried again without a layer: {error}"));
                refused = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let linked = linked_on(ctx, checked, base, known, times, warnings)?;
    // Only what works without is not to be tried on it again at each edit.
    if let (Some(why), Linked::Made(_)) = (refused, &linked) {
        ctx.cache.refuse_layer(ctx, Some(&why));
    }
    Ok(linked)
}

/// Whether what failed on a layer may work without: there the `__init__` of its packages runs in each process
/// that precompiles, and in each workload from the start.
fn may_be_of_layer(error: &BuildError) -> bool {
    error.kind == ErrorKind::Failed
        && matches!(error.stage, Stage::Precompile | Stage::Trace)
        && !full_disk::is_told_by(&error.to_string())
}

/// What is known before an image process has its turn.
#[derive(Debug, Default)]
struct Known {
    statements: Option<Arc<Statements>>,
    /// The layer that the image is built on.
    layer: Option<Layer>,
}

/// The layer of `plan`; none if it cannot be made, which is no reason not to make the image.
fn make_layer(
    ctx: &Context<'_>,
    checked: &Checked,
    base: &BaseImage,
    plan: &BuildPlan,
    statements: &Arc<Statements>,
    times: &mut Vec<(Stage, f64)>,
) -> Result<Option<Layer>, BuildError> {
    let what = format!(
        "compiling a layer of {}",
        count(plan.packages.len(), "package")
    );
    ctx.stage(Stage::Image, what, times, || {
        match layer::build(ctx, checked, base, plan, statements) {
            Ok(layer) => Ok(Some(layer)),
            Err(Setback::Failed(error)) if error.kind == ErrorKind::Cancelled => Err(error),
            Err(Setback::Failed(error)) => {
                ctx.log(&format!("no layer: {error}"));
                Ok(None)
            }
            Err(Setback::Slower(why)) => {
                ctx.log(&format!("no layer: {why}"));
                Ok(None)
            }
        }
    })
}

/// The image of linked and new code on `base`.
fn linked_on(
    ctx: &Context<'_>,
    checked: &Checked,
    base: &BaseImage,
    known: Known,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Linked, BuildError> {
    let layer = known.layer.clone();
    let (statements, outcome) = std::thread::scope(|scope| {
        let foundation = Foundation::start(scope, ctx, &base.path);
        let image_process = ImageProcess::start(scope, ctx, base)?;
        let merged = statements_of(ctx, base, &image_process, known, times, warnings)?;
        let outcome = match foundation.ready() {
            Err(why) => Err(Setback::for_reason(ctx.plan, Stage::Link, why)),
            Ok(foundation) => {
                compile(ctx, image_process, &merged, times).and_then(|(object, report)| {
                    let below = (&*foundation, layer.as_ref());
                    enforce_and_link(ctx, checked, below, &object, report, times)
                })
            }
        };
        Ok::<_, BuildError>((merged, outcome))
    })?;
    let outcome = outcome.and_then(|mut image| {
        match verify(ctx, base, &mut image, times, warnings) {
            Ok(()) => Ok(image),
            Err(Refusal { error, of_image }) => {
                if of_image && !full_disk::is_told_by(&error.to_string()) {
                    let why = format!("the linked image does not work: {error}");
                    return Err(Setback::Slower(why));
                }
                // One that is compiled in full would be refused as well.
                Err(Setback::Failed(error))
            }
        }
    });
    match outcome {
        Ok(image) => Ok(Linked::Made(Box::new(image))),
        Err(Setback::Failed(error)) => Err(error),
        Err(Setback::Slower(why)) => Ok(Linked::Not { why, statements }),
    }
}

/// The image is linked on the unlinked base and the layer that this is, if it is one.
fn enforce_and_link(
    ctx: &Context<'_>,
    checked: &Checked,
    (foundation, layer): (&Path, Option<&Layer>),
    object: &Path,
    statements: StatementReport,
    times: &mut Vec<(Stage, f64)>,
) -> Result<Image, Setback> {
    statements::enforce(ctx.plan, &statements)?;
    let mut linked = Err(Setback::Slower(String::new()));
    ctx.stage(
        Stage::Link,
        "with the code of the base and of packages",
        times,
        || {
            linked = link::link_with(
                ctx,
                checked,
                foundation,
                layer.map_or(&[], |layer| &layer.regions),
                object,
            );
            Ok::<_, BuildError>(())
        },
    )?;
    let linked = linked?;
    Ok(Image {
        path: linked.image,
        statements,
        how: linked.how,
        linker: linked.linker,
        origins: linked.origins,
    })
}

/// The image whose whole code is compiled.
fn full(
    ctx: &Context<'_>,
    checked: &Checked,
    base: &BaseImage,
    statements: Option<Arc<Statements>>,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Image, BuildError> {
    let made = std::thread::scope(|scope| {
        let image_process = ImageProcess::start(scope, ctx, base)?;
        let known = Known {
            statements,
            layer: None,
        };
        let merged = statements_of(ctx, base, &image_process, known, times, warnings)?;
        compile(ctx, image_process, &merged, times)
    });
    let (object, statements) = made.map_err(|setback| match setback {
        Setback::Failed(error) => error,
        Setback::Slower(why) => {
            BuildError::failed(Stage::Image, "compiling the image failed").because(why)
        }
    })?;
    statements::enforce(ctx.plan, &statements)?;
    let path = ctx.stage(Stage::Link, checked.linker.describe(), times, || {
        link::link_image(ctx, checked, &object)
    })?;
    let mut image = Image {
        path,
        statements,
        how: How::default(),
        linker: checked.linker.describe(),
        origins: Origins::default(),
    };
    let tried = verify(ctx, base, &mut image, times, warnings);
    tried.map_err(|refusal| refusal.error)?;
    Ok(image)
}

fn verify(
    ctx: &Context<'_>,
    base: &BaseImage,
    image: &mut Image,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    if !verify::needed(ctx.plan) {
        return Ok(());
    }
    let remark = ctx.stage(Stage::Verify, verify::what(ctx.plan), times, || {
        verify::run(ctx, &image.path, base.caches, &mut image.statements)
    })?;
    add(warnings, remark);
    Ok(())
}

/// Fills the packages' caches, lets the image process load them, and finds the statements, unless they
/// are known.
fn statements_of(
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
fn traced(
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
fn compile(
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

fn precompile(
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
fn add(warnings: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for warning in more {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
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
        &checked.first_linker(plan),
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
