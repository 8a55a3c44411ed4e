//! One build from plan to report, on its own threads, and what frames it.

pub mod channel;
pub mod context;
pub mod event;
pub mod timings;
pub mod voice;
pub mod workspace;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pcrs_cache::Key;

use crate::error::{BuildError, Stage};
use crate::identity::cache::Cache;
use crate::identity::stamp::Stamp;
use crate::identity::{beside, parts};
use crate::plan::BuildPlan;
use crate::process::descendants::Marks;
use crate::process::memory::Monitor;
use crate::process::watchdog::Watchdog;
use crate::report::{BuildReport, DryRun, Origin};
use crate::stages;
use channel::{Channel, Waker};
use context::Context;
use event::Event;
use timings::Timings;
use voice::Voice;
use workspace::Workspace;

/// A build under way or ended. Dropping it cancels the build and waits for its end.
pub struct Build {
    channel: Arc<Channel>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Build {
    /// Starts building; returns at once.
    pub fn start(plan: BuildPlan, waker: Waker) -> Self {
        let channel = Arc::new(Channel::new(waker));
        let theirs = Arc::clone(&channel);
        let spawned = std::thread::Builder::new()
            .name("pcrs-build".into())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| build(&plan, &theirs)))
                    .unwrap_or_else(|panic| Err(internal_error(&*panic)));
                theirs.finish(result);
            });
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                channel.finish(Err(BuildError::no_thread(Stage::Check, &error)));
                None
            }
        };
        Self { channel, thread }
    }

    /// A build that failed before it began.
    pub fn failed(error: BuildError, waker: Waker) -> Self {
        let channel = Arc::new(Channel::new(waker));
        channel.finish(Err(error));
        Self {
            channel,
            thread: None,
        }
    }

    /// The oldest event not yet taken.
    pub fn next_event(&self) -> Option<Event> {
        self.channel.next_event()
    }

    /// Asks the build to stop; [`Event::Finished`] follows when every child has ended and the work
    /// folder is gone.
    pub fn cancel(&self) {
        self.channel.cancel();
    }

    /// Waits for the end, at most `timeout`; says whether it came.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.channel.wait(timeout)
    }

    /// What came of it, once [`Event::Finished`] was sent.
    pub fn result(&self) -> Option<Result<BuildReport, BuildError>> {
        self.channel.result()
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Says what a build of `plan` would do, and does nothing.
///
/// # Errors
/// What [`Build`] would fail with before its first child.
pub fn dry_run(plan: &BuildPlan) -> Result<DryRun, BuildError> {
    stages::check::input(plan)?;
    stages::check::output(plan)?;
    let checked = stages::check::tools(plan)?;
    let prefix = beside::work_folder(&plan.sysimage_path);
    let folder = plan.target_dir().join(format!("{prefix}XXXXXX"));
    Ok(DryRun {
        linker: checked.linker.describe(),
        commands: stages::commands(plan, &checked, &folder),
        log: default_log(plan),
        sysimage_path: plan.sysimage_path.clone(),
    })
}

fn default_log(plan: &BuildPlan) -> PathBuf {
    plan.log
        .clone()
        .unwrap_or_else(|| beside::log(&plan.sysimage_path))
}

fn build(plan: &BuildPlan, channel: &Channel) -> Result<BuildReport, BuildError> {
    let started = Instant::now();
    stages::check::input(plan)?;
    let cache = Cache::open(plan);
    if let Some(mut report) = up_to_date(plan, cache.image_key(), started) {
        let of_image = std::mem::take(&mut report.warnings);
        for text in cache.remarks.iter().cloned().chain(of_image) {
            channel.send(Event::Warning {
                stage: Stage::Check,
                text,
            });
        }
        return Ok(report);
    }
    stages::check::output(plan)?;
    let parts = parts::read(plan, &plan.sysimage_path);
    let stamp = Stamp::new(plan, cache.image_key(), parts);
    let workspace = Workspace::create(&plan.sysimage_path)?;
    let log_path = plan
        .log
        .clone()
        .unwrap_or_else(|| workspace.file("build.log"));
    let log = File::create(&log_path)
        .map_err(|e| BuildError::io(Stage::Check, "writing the log", &log_path, &e))?;
    let marks = Marks::new();
    let (watchdog, unwatched) = match Watchdog::start(workspace.path(), &marks) {
        Ok(watchdog) => (watchdog, None),
        Err(error) => (Watchdog::none(), Some(error)),
    };
    let monitor = Monitor::start();
    let timings = Timings::read(plan);
    let voice = Voice::new(channel, log, started);
    let ctx = Context {
        plan,
        workspace: &workspace,
        monitor: &monitor,
        watchdog: &watchdog,
        marks: &marks,
        cache: &cache,
        timings: &timings,
        stamp: &stamp,
        voice: &voice,
    };
    if let Some(error) = unwatched {
        // Needed only if this process gets killed.
        ctx.log(&format!("the watchdog cannot be started: {error}"));
    }
    for remark in &cache.remarks {
        ctx.warn(Stage::Check, remark);
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        stages::run(&ctx).map(|mut report| {
            report.seconds = started.elapsed().as_secs_f64();
            report
        })
    }))
    .unwrap_or_else(|panic| Err(internal_error(&*panic)));
    if let Err(error) = &result {
        ctx.log(&format!("failed: {error}"));
    }
    cache.trim(&ctx);
    drop(voice);
    let result = keep_log(plan, &log_path, result);
    // The folder goes while the watchdog still looks on, so that a kill in between leaves nothing.
    let closed = workspace.close();
    drop(watchdog);
    match (result, closed) {
        (Ok(mut report), Err(error)) => {
            report
                .warnings
                .push(format!("the work folder could not be removed: {error}"));
            Ok(report)
        }
        (result, _) => result,
    }
}

/// The report of the build that made the image at `sysimage_path`, if it would be made the same now.
fn up_to_date(plan: &BuildPlan, key: Option<&Key>, started: Instant) -> Option<BuildReport> {
    if plan.force {
        return None;
    }
    let stamp = Stamp::read(&plan.sysimage_path)?;
    if !stamp.covers(plan, &plan.sysimage_path, key?) {
        return None;
    }
    let mut report = stamp.report?;
    report.origin = Origin::UpToDate;
    report.sysimage_path.clone_from(&plan.sysimage_path);
    report.seconds = started.elapsed().as_secs_f64();
    Some(report)
}

/// Moves the log of a failed build beside the image and names it in the error; a log at a path of
/// the user's stays where it is.
fn keep_log(
    plan: &BuildPlan,
    log: &Path,
    result: Result<BuildReport, BuildError>,
) -> Result<BuildReport, BuildError> {
    match result {
        Ok(mut report) => {
            report.log.clone_from(&plan.log);
            if plan.log.is_none() {
                // Of an earlier build, whose failure is mended.
                let _ = std::fs::remove_file(default_log(plan));
            }
            Ok(report)
        }
        Err(mut error) => {
            if plan.log.is_some() {
                error.log.clone_from(&plan.log);
            } else if error.kind == crate::ErrorKind::Failed {
                let kept = default_log(plan);
                if std::fs::rename(log, &kept).is_ok() {
                    error.log = Some(kept);
                }
            }
            Err(error)
        }
    }
}

fn internal_error(panic: &(dyn std::any::Any + Send)) -> BuildError {
    let cause = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    BuildError::failed(Stage::Check, "an error inside the engine ended the build")
        .because(cause)
        .hint("this is a bug of PackageCompilerRS: please report it with the log")
}
