//! The layer below: the packages that only a new Manifest changes, and the statements that need
//! nothing else, as an image of their own. Where packages are tracked by path beside them, the image
//! is built on that, so that an edit costs only what was edited.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::base::BaseImage;
use super::check::Checked;
use super::image::ImageProcess;
use super::statements::Statements;
use super::{count, link};
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::identity::{cache::LayerNote, sizes};
use crate::linked::{Foundation, Setback};
use crate::plan::{Base, BuildPlan, Verify};
use crate::report::{Outcome, StatementReport, UsedLayer};
use crate::staging;

/// A layer in the work folder.
#[derive(Debug, Clone)]
pub struct Layer {
    pub image: PathBuf,
    /// The statements that it was made with.
    pub statements: PathBuf,
    pub note: LayerNote,
    /// Made by this build.
    made: bool,
}

impl Layer {
    fn at(folder: &Path) -> Self {
        Self {
            image: folder.join("layer.so"),
            statements: folder.join("layer-statements.jl"),
            note: LayerNote::default(),
            made: false,
        }
    }

    /// What the report says of it, the layer of `plan`. What cannot be read counts as nothing.
    pub fn used(&self, plan: &BuildPlan) -> UsedLayer {
        let packages = plan.packages.iter().filter(|package| package.load);
        let statements = std::fs::read(&self.statements).unwrap_or_default();
        UsedLayer {
            made: self.made,
            packages: packages.map(|package| package.name.clone()).collect(),
            statements: memchr::memchr_iter(b'\n', &statements).count() as u64,
            size: std::fs::metadata(&self.image).map_or(0, |file| file.len()),
            code: self.note.code.clone(),
        }
    }

    /// As the base of the image of `plan`.
    pub fn base(&self, plan: &BuildPlan) -> BaseImage {
        BaseImage::existing(&self.image).on_way(plan, true)
    }
}

/// The plan of the layer of `plan`, where there is one to make: some packages are tracked by content,
/// and others by path.
pub fn plan_of(plan: &BuildPlan) -> Option<BuildPlan> {
    let mut layer = plan.clone();
    layer.packages.retain(|package| package.settled);
    let edited = plan.packages.iter().any(|p| !p.settled && p.load);
    // Stdlibs alone are not worth one.
    let dear = |p: &crate::plan::Package| p.load && p.tree_hash.is_some();
    let worthwhile = edited && layer.packages.iter().any(dear);
    if !worthwhile || !matches!(plan.base, Base::Existing { .. }) || !plan.has_caches() {
        return None;
    }
    layer.workloads.clear();
    layer.statement_files.clear();
    layer.script = None;
    layer.guard = false;
    layer.app = None;
    layer.library = None;
    layer.import_into_main = false;
    layer.verify = Verify::None;
    Some(layer)
}

/// The layer that an earlier build has left in the cache.
pub fn kept(ctx: &Context<'_>) -> Option<Layer> {
    let mut layer = Layer::at(ctx.workspace.path());
    layer.note = ctx.cache.layer(&layer.image, &layer.statements)?;
    Some(layer)
}

/// Makes the layer of `plan` on `base`, with those of `statements` that name nothing of the packages
/// above it, and keeps it for other builds.
///
/// # Errors
/// Whatever goes wrong is a reason to do without.
pub fn build(
    ctx: &Context<'_>,
    checked: &Checked,
    base: &BaseImage,
    plan: &BuildPlan,
    statements: &Arc<Statements>,
) -> Result<Layer, Setback> {
    let workspace = ctx.workspace.inner("layer")?;
    let inner = ctx.for_layer(plan, &workspace);
    staging::write(workspace.path())?;
    let above: Vec<&str> = ctx
        .plan
        .packages
        .iter()
        .filter(|p| !p.settled)
        .map(|p| p.name.as_str())
        .collect();
    let (object, report) = std::thread::scope(|scope| {
        let foundation = Foundation::start(scope, &inner, &base.path);
        let process = ImageProcess::start(scope, &inner, base)?;
        process.load_packages()?;
        let foundation = foundation
            .ready()
            .map_err(|why| Setback::for_reason(plan, Stage::Link, why))?;
        let made = process.finish(Arc::clone(statements), statements.naming(&above))?;
        Ok::<_, Setback>(((made.0, foundation), made.1))
    })?;
    let (object, foundation) = object;
    let linked = link::link_with(&inner, checked, &foundation, &[], &object)?;
    let mut layer = Layer::at(ctx.workspace.path());
    layer.made = true;
    let io = |e: std::io::Error| BuildError::io(Stage::Link, "writing", &layer.image, &e);
    (_, layer.note.regions) = sizes::of(&linked.image, &linked.origins).map_err(io)?;
    layer.note.code = linked.how.linked.unwrap_or_default();
    pcrs_cache::rename(&linked.image, &layer.image).map_err(io)?;
    write_statements(&layer.statements, &report).map_err(io)?;
    ctx.log(&format!(
        "the layer holds {}",
        count(plan.packages.len(), "package")
    ));
    ctx.cache
        .keep_layer(ctx, &layer.image, &layer.statements, &layer.note);
    Ok(layer)
}

fn write_statements(path: &Path, report: &StatementReport) -> std::io::Result<()> {
    let entries = report.entries.iter();
    let held = entries.filter(|entry| entry.outcome == Outcome::Precompiled);
    let lines: String = held.map(|entry| format!("{}\n", entry.text)).collect();
    std::fs::write(path, lines)
}
