//! Links the object file into the shared library that Julia starts from.

use std::path::{Path, PathBuf};

use super::check::Checked;
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::plan::BuildPlan;
use crate::process::child;
use crate::process::invocation::Invocation;

/// The image in the work folder, under its final name.
pub fn linked(folder: &Path, plan: &BuildPlan) -> PathBuf {
    folder.join("linked").join(plan.image_name())
}

/// [`linked`], with its folder made.
///
/// # Errors
/// When the folder cannot be made.
pub fn place(ctx: &Context<'_>) -> Result<PathBuf, BuildError> {
    let image = linked(ctx.workspace.path(), ctx.plan);
    if let Some(folder) = image.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|e| BuildError::io(Stage::Link, "creating the folder", folder, &e))?;
    }
    Ok(image)
}

pub fn invocation(plan: &BuildPlan, checked: &Checked, object: &Path, image: &Path) -> Invocation {
    let name = plan.image_name();
    checked
        .linker
        .invocation(plan, Stage::Link, object, image, &name)
}

/// # Errors
/// When the linker fails, with its words.
pub fn link_image(
    ctx: &Context<'_>,
    checked: &Checked,
    object: &Path,
) -> Result<PathBuf, BuildError> {
    let image = place(ctx)?;
    child::run_ok(ctx, &invocation(ctx.plan, checked, object, &image))?;
    // The space is needed by what follows.
    let _ = std::fs::remove_file(object);
    Ok(image)
}
