//! Puts the finished image in its place: by rename, so that it is there whole or not at all, and a
//! process that runs on an older one keeps that.
//!
//! Both files are on the disk before either is moved. The image comes first: a stamp holds the hash
//! of its image, so that an older one says nothing of the new image, should this process end in
//! between.

use std::fs;
use std::path::{Path, PathBuf};

use object::{FileKind, ReadCache};
use pcrs_cache::rename;

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
            target::take_over(&stamp, &old_stamp).and_then(|()| rename(&stamp, &old_stamp));
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
    let mut options = fs::File::options();
    // Windows flushes what may be written to; no folder is opened for writing, and there none is needed.
    options.read(true).write(cfg!(windows));
    on_disk::wait(&options.open(path)?)
}

fn replace(image: &Path, target: &Path) -> Result<(), BuildError> {
    let there = target.exists();
    // What is loaded there stays so: no reason to wait.
    let renamed = if there {
        fs::rename(image, target)
    } else {
        rename(image, target)
    };
    match renamed {
        Ok(()) => {
            sweep_aside(target);
            Ok(())
        }
        // Windows renames onto no library that a process has loaded, but lets it be renamed away.
        Err(_) if cfg!(windows) && there => {
            // Those that are no longer in use; the rest stays for the next time.
            sweep_aside(target);
            move_aside(image, target)
                .map_err(|e| BuildError::io(Stage::Publish, "replacing", target, &e))
        }
        Err(error) => Err(BuildError::io(
            Stage::Publish,
            "moving the image to",
            target,
            &error,
        )),
    }
}

/// Moves the image at `target` away, and `image` there.
fn move_aside(image: &Path, target: &Path) -> std::io::Result<()> {
    // Of this process there may be one, which another still uses.
    let mut names = beside::aside(target, std::process::id());
    let free = names.find(|name| fs::symlink_metadata(name).is_err());
    let aside = free.ok_or_else(|| {
        std::io::Error::other("too many images that were replaced are still in use")
    })?;
    rename(target, &aside)?;
    rename(image, target).inspect_err(|_| {
        // Best effort, for an error is on its way already.
        let _ = rename(&aside, target);
    })
}

/// Whether it is a library or a program, and no note of the user's with such a name.
fn is_program(path: &Path) -> bool {
    let file = fs::File::open(path).map(ReadCache::new);
    file.is_ok_and(|data| FileKind::parse(&data).is_ok())
}

/// Removes what earlier builds moved aside for `target`, as far as it is no longer in use.
fn sweep_aside(target: &Path) {
    if !cfg!(windows) {
        return;
    }
    let (Some(folder), Some(stem)) = (target.parent(), target.file_stem()) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_stem() == Some(stem) && beside::is_aside(&path) && is_program(&path) {
            // Fails while a process has loaded it.
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn what_is_flushed_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "x").unwrap();
        flush(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"x");
        flush(&folder.path().join("gone")).unwrap_err();
    }

    /// In use until its input ends, when it is started by the test below.
    #[expect(clippy::disallowed_methods, reason = "of a process of this test")]
    #[test]
    fn an_image_in_use() {
        if std::env::var_os(IN_USE).is_some() {
            println!("\nin use");
            std::io::stdin().lines().for_each(drop);
        }
    }

    const IN_USE: &str = "PCRS_TEST_IN_USE";

    /// A process that has loaded the file at `path`, which is a copy of this program.
    fn user_of(path: &Path) -> Child {
        let name = std::thread::current().name().unwrap().to_string();
        let name = name.replace(
            "what_a_process_has_loaded_is_replaced_again_and_again",
            "an_image_in_use",
        );
        let mut child = Command::new(path)
            .args(["--exact", &name, "--nocapture"])
            .env(IN_USE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        assert!(lines.any(|line| line == "in use"));
        child
    }

    #[test]
    fn what_a_process_has_loaded_is_replaced_again_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("My.Image.exe");
        let this = std::env::current_exe().unwrap();
        let put = || {
            let image = folder.path().join("new");
            fs::copy(&this, &image).unwrap();
            replace(&image, &target).unwrap();
            assert!(!image.exists());
        };
        put();
        let mut users = Vec::new();
        for _ in 0..3 {
            users.push(user_of(&target));
            put();
        }
        let names = || fs::read_dir(folder.path()).unwrap().count();
        // On Windows what they use lies beside the new one, which nobody uses.
        let aside = if cfg!(windows) { 3 } else { 0 };
        assert_eq!(names(), 1 + aside);
        for mut user in users {
            drop(user.stdin.take());
            assert!(user.wait().unwrap().success());
        }
        put();
        assert_eq!(names(), 1);
    }
}
