//! Puts the finished image in its place: by rename, so that it is there whole or not at all, and a
//! process that runs on an older one keeps that.

use std::fs;
use std::path::Path;

use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::identity::beside;
use crate::report::BuildReport;

/// # Errors
/// When the image cannot be put there.
pub fn publish(ctx: &Context<'_>, image: &Path, report: &BuildReport) -> Result<(), BuildError> {
    let target = &ctx.plan.sysimage_path;
    let stamp = ctx.stamp.finished(image, report).map(|mut stamp| {
        if ctx.cache.has_changed() {
            // It is not known of what the image is.
            stamp.content_key = None;
        }
        stamp
    });
    // An older stamp must not speak for the new image, should this process end in between.
    let _ = fs::remove_file(beside::stamp(target));
    flush(image).map_err(|e| BuildError::io(Stage::Publish, "writing", image, &e))?;
    replace(image, target)?;
    let written = stamp.map_err(|e| e.to_string()).and_then(|stamp| {
        let written = stamp.write(target, ctx.workspace.path());
        written.map_err(|e| e.to_string())
    });
    if let Err(error) = written {
        ctx.warn(Stage::Publish, format!("the image has no stamp: {error}"));
    }
    Ok(())
}

/// So that after a loss of power there is the older image or the new one, and no empty file.
fn flush(image: &Path) -> std::io::Result<()> {
    fs::File::open(image)?.sync_all()
}

fn replace(image: &Path, target: &Path) -> Result<(), BuildError> {
    match fs::rename(image, target) {
        Ok(()) => Ok(()),
        // Windows renames onto no library that a process has loaded, but lets it be renamed away.
        Err(_) if cfg!(windows) && target.exists() => {
            let aside = target.with_extension(format!("old-{}", std::process::id()));
            fs::rename(target, &aside)
                .and_then(|()| fs::rename(image, target))
                .map_err(|e| BuildError::io(Stage::Publish, "replacing", target, &e))?;
            // Fails while it is in use, and is then the user's to remove.
            let _ = fs::remove_file(&aside);
            Ok(())
        }
        Err(error) => Err(BuildError::io(
            Stage::Publish,
            "moving the image to",
            target,
            &error,
        )),
    }
}
