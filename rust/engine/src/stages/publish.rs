//! Puts the finished image in its place: by rename, so that it is there whole or not at all, and a
//! process that runs on an older one keeps that.

use std::fs;
use std::path::Path;

use crate::build::Context;
use crate::error::{BuildError, Stage};

/// Gives the size of the image in bytes.
///
/// # Errors
/// When the image cannot be put there.
pub fn publish(ctx: &Context<'_>, image: &Path) -> Result<u64, BuildError> {
    let target = &ctx.plan.sysimage_path;
    let size = fs::metadata(image)
        .map_err(|e| BuildError::io(Stage::Publish, "reading", image, &e))?
        .len();
    match fs::rename(image, target) {
        Ok(()) => Ok(size),
        // Windows renames onto no library that a process has loaded, but lets it be renamed away.
        Err(_) if cfg!(windows) && target.exists() => {
            let aside = target.with_extension(format!("old-{}", std::process::id()));
            fs::rename(target, &aside)
                .and_then(|()| fs::rename(image, target))
                .map_err(|e| BuildError::io(Stage::Publish, "replacing", target, &e))?;
            // Fails while it is in use, and is then the user's to remove.
            let _ = fs::remove_file(&aside);
            Ok(size)
        }
        Err(error) => Err(BuildError::io(
            Stage::Publish,
            "moving the image to",
            target,
            &error,
        )),
    }
}
