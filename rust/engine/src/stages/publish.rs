//! Puts the finished image in its place: by rename, so that it is there whole or not at all, and a
//! process that runs on an older one keeps that.
//!
//! Both files are on the disk before either is moved. The image comes first: a stamp holds the hash
//! of its image, so that an older one says nothing of the new image, should this process end in
//! between.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build::context::Context;
use crate::build::target;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::identity::beside;
use crate::on_disk;
use crate::report::BuildReport;

/// # Errors
/// When the image cannot be put there; what was there is then as it was.
pub fn publish(ctx: &Context<'_>, image: &Path, report: &BuildReport) -> Result<(), BuildError> {
    let target = &ctx.plan.sysimage_path;
    let old_stamp = beside::stamp(target);
    // Again: a build takes long enough for something else to appear there.
    target::check(target, ctx.stop()).map_err(|mut error| {
        if error.kind != ErrorKind::Cancelled {
            error.kind = ErrorKind::Failed;
        }
        error.stage = Stage::Publish;
        error
    })?;
    let image = &beside_target(ctx, image)?;
    let stamp = new_stamp(ctx, image, report);
    target::take_over(image, target)
        .and_then(|()| flush(image))
        .map_err(|e| BuildError::io(Stage::Publish, "writing", image, &e))?;
    replace(image, target)?;
    let stamped = stamp.and_then(|stamp| {
        let placed =
            target::take_over(&stamp, &old_stamp).and_then(|()| fs::rename(&stamp, &old_stamp));
        placed.map_err(|e| e.to_string())
    });
    if let Err(error) = stamped {
        // Of the image that is gone.
        let _ = fs::remove_file(&old_stamp);
        ctx.warn(Stage::Publish, format!("the image has no stamp: {error}"));
    }
    // Best effort: the names too, and not only what they stand for.
    let _ = flush(ctx.plan.target_dir());
    Ok(())
}

/// The image, or a copy of it, on the file system of its place.
fn beside_target(ctx: &Context<'_>, image: &Path) -> Result<PathBuf, BuildError> {
    let folder = ctx.workspace.publishing();
    if folder == ctx.workspace.path() {
        return Ok(image.to_path_buf());
    }
    let copy = folder.join(ctx.plan.image_name());
    pcrs_cache::copy(image, &copy)
        .map_err(|e| BuildError::io(Stage::Publish, e.doing, &e.path, &e.source))?;
    Ok(copy)
}

/// The stamp of `image`, where it can be moved from.
fn new_stamp(ctx: &Context<'_>, image: &Path, report: &BuildReport) -> Result<PathBuf, String> {
    let stamp = ctx.stamp.finished(image, report);
    let mut stamp = stamp.map_err(|e| e.to_string())?;
    if !ctx.cache.vouches_for_image() {
        // It is not known of what the image is.
        stamp.content_key = None;
    }
    let path = ctx.workspace.publishing().join("stamp.json");
    stamp.write(&path).map_err(|e| e.to_string())?;
    Ok(path)
}

/// So that after a loss of power there is the older image or the new one, and no empty file.
fn flush(path: &Path) -> std::io::Result<()> {
    on_disk::wait(&fs::File::open(path)?)
}

fn replace(image: &Path, target: &Path) -> Result<(), BuildError> {
    match fs::rename(image, target) {
        Ok(()) => Ok(()),
        // Windows renames onto no library that a process has loaded, but lets it be renamed away.
        Err(_) if cfg!(windows) && target.exists() => {
            let aside = target.with_extension(format!("old-{}", std::process::id()));
            fs::rename(target, &aside)
                .and_then(|()| {
                    fs::rename(image, target).inspect_err(|_| {
                        // Best effort, for an error is on its way already.
                        let _ = fs::rename(&aside, target);
                    })
                })
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
