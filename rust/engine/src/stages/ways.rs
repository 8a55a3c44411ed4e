//! The two ways to an image: linked with the code of the base and of packages, and compiled in full.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::base::BaseImage;
use super::check::Checked;
use super::image::ImageProcess;
use super::layer::Layer;
use super::statements::Statements;
use super::steps::{Known, add, compile, precompile, statements_of, traced};
use super::verify::Refusal;
use super::{count, layer, link, statements, verify};
use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::full_disk;
use crate::identity::sizes::Origins;
use crate::linked::{Foundation, Setback, Way};
use crate::plan::BuildPlan;
use crate::report::{How, StatementReport};

/// An image that was made, and tried as the plan wants it.
pub struct Image {
    pub path: PathBuf,
    pub statements: StatementReport,
    pub how: How,
    pub linker: String,
    /// Whose the code is that was linked in.
    pub origins: Origins,
}

/// The image, on the linked way if the plan allows it and it can be gone to its end.
///
/// # Errors
/// That of the stage that fails.
pub fn make(
    ctx: &Context<'_>,
    checked: &Checked,
    base: BaseImage,
    times: &mut Vec<(Stage, f64)>,
    warnings: &mut Vec<String>,
) -> Result<Image, BuildError> {
    let plan = ctx.plan;
    let way = Way::of(plan);
    if let Way::NotSo(why) = &way {
        ctx.warn(Stage::Image, in_full(why));
    }
    let mut made = None;
    let mut not_linked = way.reason().map(String::from);
    let mut known = None;
    let base = base.on_way(plan, way.is_linked());
    if base.linked {
        match linked(ctx, checked, &base, times, warnings)? {
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
        None => full(ctx, checked, &base, known, times, warnings)?,
    };
    image.how.not_linked = not_linked;
    Ok(image)
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
                layer.map_or(&[], |layer| &layer.note.regions),
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
    let first = checked.linkers.first().describe();
    let (path, linker) = ctx.stage(Stage::Link, first, times, || {
        link::link_image(ctx, checked, &object)
    })?;
    let mut image = Image {
        path,
        statements,
        how: How::default(),
        linker: linker.describe(),
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
