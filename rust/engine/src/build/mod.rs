//! One build from plan to report, on its own threads, and what frames it.

pub mod channel;
pub mod context;
pub mod event;
mod head;
pub mod log;
pub mod remains;
pub mod target;
pub mod timeline;
pub mod timings;
pub mod voice;
pub mod workspace;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use pcrs_cache::{Key, Stop};

use crate::error::{BuildError, Stage};
use crate::identity::cache::Cache;
use crate::identity::stamp::Stamp;
use crate::identity::store;
use crate::identity::{beside, parts};
use crate::linked::Way;
use crate::plan::BuildPlan;
use crate::process::descendants::Marks;
use crate::process::memory::Monitor;
use crate::process::watchdog::Watchdog;
use crate::report::{BuildReport, DryRun, Origin, SpanKind};
use crate::stages;
use channel::{Channel, Waker};
use context::Context;
use event::Event;
use remains::Note;
use timeline::Timeline;
use timings::Timings;
use voice::Voice;
use workspace::Workspace;

/// How long a dropped build is waited for: one that reads from a server that does not answer cannot
/// be stopped.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the inputs are read before the caller is told.
const SILENCE: Duration = Duration::from_secs(2);
/// How often a caller hears that the stages go on.
const BEAT: Duration = Duration::from_secs(1);

/// A build, or other work of the engine that is asked for, under way or ended. Dropping it cancels the
/// work and waits for its end, at most 15 seconds: one that is stuck then ends by itself, later, and its
/// waker is not called any more.
pub struct Job<R: Clone = BuildReport> {
    channel: Arc<Channel<R>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A build.
pub type Build = Job<BuildReport>;

impl Build {
    /// Starts building; returns at once.
    pub fn start(plan: BuildPlan, waker: Waker) -> Self {
        Self::run(waker, move |channel| build(&plan, channel))
    }
}

impl<R: Clone + Send + 'static> Job<R> {
    /// Starts `work` on a thread of its own; returns at once.
    ///
    /// `work` looks at the channel's wish to stop, and may tell of events. `waker` is called after
    /// each.
    pub fn run(
        waker: Waker,
        work: impl FnOnce(&Channel<R>) -> Result<R, BuildError> + Send + 'static,
    ) -> Self {
        let channel = Arc::new(Channel::new(waker));
        let theirs = Arc::clone(&channel);
        let spawned = std::thread::Builder::new()
            .name("pcrs-build".into())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| work(&theirs)))
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
    pub fn result(&self) -> Option<Result<R, BuildError>> {
        self.channel.result()
    }
}

impl<R: Clone> Drop for Job<R> {
    fn drop(&mut self) {
        self.channel.cancel();
        let ended = self.channel.wait(PATIENCE);
        self.channel.silence();
        if let Some(thread) = self.thread.take()
            && ended
        {
            let _ = thread.join();
        }
    }
}

/// Says what a build of `plan` would do, and does nothing. For an image that is up to date that is
/// nothing: then neither the folder nor the tools are looked at, as a build would not need them.
///
/// # Errors
/// What [`Build`] would fail with before its first child; of kind
/// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when `stop` is set before the end.
pub fn dry_run(plan: &BuildPlan, stop: &Stop) -> Result<DryRun, BuildError> {
    let shown = plan.sysimage_path.clone();
    let plan = &at_real_place(plan)?;
    stages::check::input(plan)?;
    let log = plan
        .log
        .clone()
        .or_else(|| log::place(plan.logs_beside()))
        .unwrap_or_default();
    let key = || Cache::open(plan, false, stop).image_key().copied();
    if up_to_date(plan, key, stop, Instant::now()).is_some() {
        return Ok(DryRun {
            up_to_date: true,
            not_linked: None,
            linker: None,
            commands: Vec::new(),
            log,
            sysimage_path: shown,
        });
    }
    stages::held::check(plan, &stages::held::in_base(plan, stop))?;
    stages::check::output(plan, stop)?;
    let checked = stages::check::tools(plan)?;
    let prefix = beside::work_folder(&plan.sysimage_path);
    let folder = plan.work_dir().join(format!("{prefix}XXXXXX"));
    Ok(DryRun {
        up_to_date: false,
        not_linked: Way::of(plan).reason().map(String::from),
        linker: Some(checked.first_linker(plan).describe()),
        commands: stages::commands(plan, &checked, &folder),
        log,
        sysimage_path: shown,
    })
}

/// The plan, with the end of the links as its `sysimage_path`.
fn at_real_place(plan: &BuildPlan) -> Result<BuildPlan, BuildError> {
    let path = &plan.sysimage_path;
    let sysimage_path = target::real(path).map_err(|e| {
        BuildError::input(format!("`sysimage_path` is a link: `{}`", path.display()))
            .because(e.to_string())
            .hint("mend the link, or give another path")
    })?;
    Ok(BuildPlan {
        sysimage_path,
        ..plan.clone()
    })
}

fn build(plan: &BuildPlan, channel: &Channel) -> Result<BuildReport, BuildError> {
    let mut ours = at_real_place(plan)?;
    let doubt = ours.cache.as_ref().and_then(store::doubt);
    if doubt.is_some() {
        ours.cache = None;
    }
    let mut report = match build_in_place(&ours, doubt.clone(), None, channel) {
        Err(Ended::ToBeginAgain(told)) => build_in_place(&ours, doubt, Some(told), channel),
        ended => ended,
    }
    .map_err(Ended::error)?;
    // As the user knows it.
    report.sysimage_path.clone_from(&plan.sysimage_path);
    Ok(report)
}

/// How a build ends without an image.
enum Ended {
    Failed(BuildError),
    /// More is known now of what goes in, and its keys are to hold that; with the warnings so far.
    ToBeginAgain(Vec<String>),
}

impl From<BuildError> for Ended {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}

impl Ended {
    fn error(self) -> BuildError {
        match self {
            Self::Failed(error) => error,
            Self::ToBeginAgain(_) => BuildError::cancelled(Stage::Precompile),
        }
    }
}

/// `doubt` says why the cache of the user's choice is not used. A build may begin again once, with what it finds to
/// go in: then `told` are the warnings that its caller has heard.
fn build_in_place(
    plan: &BuildPlan,
    doubt: Option<String>,
    told: Option<Vec<String>>,
    channel: &Channel,
) -> Result<BuildReport, Ended> {
    let started = Instant::now();
    let learns = told.is_none();
    let timeline = Timeline::new(started);
    let what = "reading what goes into the image";
    let reading = timeline
        .begin(SpanKind::Engine, Stage::Check, what, false)
        .from_the_start();
    stages::check::input(plan)?;
    let (mut cache, current) = telling(channel, started, || {
        let cache = Cache::open(plan, learns, channel.stop());
        let current = up_to_date(plan, || cache.image_key().copied(), channel.stop(), started);
        (cache, current)
    });
    cache.remarks.extend(doubt);
    if channel.cancelled() {
        return Err(BuildError::cancelled(Stage::Check).into());
    }
    if let Some(mut report) = current {
        let of_image = std::mem::take(&mut report.warnings);
        let remarks = cache.remarks.iter().chain(cache.gaps_to_close());
        for text in remarks.cloned().chain(of_image) {
            channel.send(Event::Warning {
                stage: Stage::Check,
                text,
            });
        }
        return Ok(report);
    }
    stages::check::output(plan, channel.stop())?;
    let parts = telling(channel, started, || {
        parts::read(plan, &plan.sysimage_path, channel.stop())
    });
    if channel.cancelled() {
        return Err(BuildError::cancelled(Stage::Check).into());
    }
    let stamp = Stamp::new(plan, cache.image_key(), parts);
    let workspace = Workspace::create(
        &plan.sysimage_path,
        plan.work_dir.as_deref(),
        plan.surroundings.temporary(),
    )?;
    let log_path = plan
        .log
        .clone()
        .unwrap_or_else(|| workspace.file("build.log"));
    let log = log::create(&log_path)
        .map_err(|e| BuildError::io(Stage::Check, "writing the log", &log_path, &e))?;
    let folders = workspace.marked();
    let notes: Vec<_> = folders
        .iter()
        .filter_map(|folder| cache.note(folder))
        .collect();
    let marks = Marks::new();
    let mut watched: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    watched.push(workspace.temporary());
    let (watchdog, unwatched) = match Watchdog::start(&watched, &marks, &plan.surroundings) {
        Ok(watchdog) => (watchdog, None),
        Err(error) => (Watchdog::none(), Some(error)),
    };
    let monitor = Monitor::start(started);
    let timings = Timings::read(plan);
    let voice = Voice::new(channel, log, started, told.unwrap_or_default());
    let ctx = Context {
        plan,
        workspace: &workspace,
        monitor: &monitor,
        watchdog: &watchdog,
        marks: &marks,
        cache: &cache,
        timings: &timings,
        timeline: &timeline,
        layer: false,
        stamp: &stamp,
        voice: &voice,
    };
    drop(reading);
    if let Some(error) = unwatched {
        // Needed only if this process gets killed.
        ctx.log(&format!("the watchdog cannot be started: {error}"));
    }
    for remark in &cache.remarks {
        ctx.warn(Stage::Check, remark);
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        beating(channel, || stages::run(&ctx)).map(|mut report| {
            report.seconds = started.elapsed().as_secs_f64();
            report
        })
    }))
    .unwrap_or_else(|panic| Err(internal_error(&*panic)));
    if let Err(error) = &result
        && !cache.has_learned()
    {
        ctx.log(&format!("failed: {error}"));
    }
    cache.trim(&ctx);
    let told = voice.told();
    let result = keep_log(plan, &log_path, result);
    // The folder goes while the watchdog still looks on, so that a kill in between leaves nothing.
    let closed = workspace.close();
    notes.into_iter().for_each(Note::settle);
    drop(watchdog);
    if result.is_err() && cache.has_learned() && !channel.cancelled() {
        return Err(Ended::ToBeginAgain(told));
    }
    let mut report = result?;
    if let Err(error) = closed {
        let text = format!("the work folder could not be removed: {error}");
        report.warnings.push(text);
    }
    Ok(report)
}

/// Runs `read`, and tells the caller what is done when it takes long.
fn telling<T>(channel: &Channel, started: Instant, read: impl FnOnce() -> T) -> T {
    let mut told = false;
    let tell = || {
        channel.send(Event::StageStarted {
            stage: Stage::Check,
            what: "reading what goes into the image".into(),
            expected: None,
        });
        told = true;
        ControlFlow::Break(())
    };
    let value = meanwhile(SILENCE, tell, read);
    if told {
        channel.send(Event::StageFinished {
            stage: Stage::Check,
            seconds: started.elapsed().as_secs_f64(),
        });
    }
    value
}

/// Runs `work`, and lets the caller know every second that it goes on.
fn beating<T>(channel: &Channel, work: impl FnOnce() -> T) -> T {
    let beat = || {
        channel.send(Event::Beat);
        ControlFlow::Continue(())
    };
    meanwhile(BEAT, beat, work)
}

/// Runs `work`, and `each` after every `interval` of it, until that breaks off.
fn meanwhile<T>(
    interval: Duration,
    mut each: impl FnMut() -> ControlFlow<()> + Send,
    work: impl FnOnce() -> T,
) -> T {
    let (done, waits) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        // Where no thread can be had less is told.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
            while waits.recv_timeout(interval) == Err(RecvTimeoutError::Timeout)
                && each().is_continue()
            {}
        });
        let value = work();
        drop(done);
        value
    })
}

/// The report of the build that made the image at `sysimage_path`, if it would be made the same now.
/// `key`, for which all inputs are read, is asked for only where there is a stamp to compare it with.
fn up_to_date(
    plan: &BuildPlan,
    key: impl FnOnce() -> Option<Key>,
    stop: &Stop,
    started: Instant,
) -> Option<BuildReport> {
    if plan.force {
        return None;
    }
    let stamp = Stamp::read(&plan.sysimage_path)?;
    if !stamp.covers(plan, &plan.sysimage_path, &key()?, stop) {
        return None;
    }
    let mut report = stamp.report?;
    report.origin = Origin::UpToDate;
    report.sysimage_path.clone_from(&plan.sysimage_path);
    report.seconds = started.elapsed().as_secs_f64();
    Some(report)
}

/// Moves the log of a failed build to where it is looked for and names it in the error; a log at a path of
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
                log::clear(plan.logs_beside());
            }
            Ok(report)
        }
        Err(mut error) => {
            if plan.log.is_some() {
                error.log.clone_from(&plan.log);
            } else if error.kind == crate::ErrorKind::Failed
                && let Some(kept) = log::place(plan.logs_beside())
                && (pcrs_cache::rename(log, &kept).is_ok() || pcrs_cache::copy(log, &kept).is_ok())
            {
                error.log = Some(kept);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_works_long_beats() {
        let channel = Channel::new(Box::new(|| {}));
        let value = beating(&channel, || {
            while channel.next_event() != Some(Event::Beat) {
                std::thread::yield_now();
            }
            7
        });
        assert_eq!(value, 7);
    }

    #[test]
    fn beats_that_nobody_takes_do_not_pile_up() {
        let channel: Channel = Channel::new(Box::new(|| {}));
        let warning = Event::Warning {
            stage: Stage::Image,
            text: String::new(),
        };
        for event in [Event::Beat, Event::Beat, warning.clone(), Event::Beat] {
            channel.send(event);
        }
        let taken: Vec<_> = std::iter::from_fn(|| channel.next_event()).collect();
        assert_eq!(taken, [Event::Beat, warning, Event::Beat]);
    }
}
