//! One build from plan to report, on its own threads.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pcrs_cache::Key;

use crate::cache::Cache;
use crate::error::{BuildError, Stage};
use crate::event::Event;
use crate::memory::Monitor;
use crate::plan::BuildPlan;
use crate::processes::Marks;
use crate::report::{BuildReport, DryRun, Origin};
use crate::stages;
use crate::stamp::Stamp;
use crate::timings::Timings;
use crate::watchdog::Watchdog;
use crate::workspace::{self, Workspace};

/// Called after each event; must return at once and may be called from any thread.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// A build under way or ended. Dropping it cancels the build and waits for its end.
pub struct Build {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    cancel: AtomicBool,
    state: Mutex<State>,
    ended: Condvar,
    waker: Waker,
}

/// Bytes of output that may wait to be taken before more is left out: somebody may start a build
/// and never ask for its events, and the log has every line.
const WAITING: usize = 8 << 20;

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Bytes that the events hold, about.
    waiting: usize,
    left_out: Option<LeftOut>,
    result: Option<Result<BuildReport, BuildError>>,
}

/// Lines of output left out since the last event.
struct LeftOut {
    stage: Stage,
    shown: bool,
    lines: u64,
}

impl State {
    fn push(&mut self, event: Event) {
        if let Event::Output { stage, shown, .. } = event
            && self.waiting >= WAITING
        {
            let none = LeftOut {
                stage,
                shown: false,
                lines: 0,
            };
            let left_out = self.left_out.get_or_insert(none);
            left_out.shown |= shown;
            left_out.lines += 1;
            return;
        }
        if let Some(left_out) = self.left_out.take() {
            self.events.push_back(Event::Output {
                stage: left_out.stage,
                text: format!("[{} more lines]", left_out.lines),
                shown: left_out.shown,
            });
        }
        self.waiting += size(&event);
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.waiting = self.waiting.saturating_sub(size(&event));
        Some(event)
    }
}

fn size(event: &Event) -> usize {
    let text = match event {
        Event::Output { text, .. } => text.len(),
        _ => 0,
    };
    text + size_of::<Event>()
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn send(&self, event: Event) {
        self.state().push(event);
        (self.waker)();
    }
}

impl Build {
    /// Starts building; returns at once.
    pub fn start(plan: BuildPlan, waker: Waker) -> Self {
        let shared = Arc::new(Shared {
            cancel: AtomicBool::new(false),
            state: Mutex::default(),
            ended: Condvar::new(),
            waker,
        });
        let theirs = Arc::clone(&shared);
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
                shared.finish(Err(BuildError::no_thread(Stage::Check, &error)));
                None
            }
        };
        Self { shared, thread }
    }

    /// A build that failed before it began.
    pub fn failed(error: BuildError, waker: Waker) -> Self {
        let shared = Arc::new(Shared {
            cancel: AtomicBool::new(false),
            state: Mutex::default(),
            ended: Condvar::new(),
            waker,
        });
        shared.finish(Err(error));
        Self {
            shared,
            thread: None,
        }
    }

    /// The oldest event not yet taken.
    pub fn next_event(&self) -> Option<Event> {
        self.shared.state().pop()
    }

    /// Asks the build to stop; [`Event::Finished`] follows when every child has ended and the work
    /// folder is gone.
    pub fn cancel(&self) {
        self.shared.cancel.store(true, Ordering::SeqCst);
    }

    /// Waits for the end, at most `timeout`; says whether it came.
    pub fn wait(&self, timeout: Duration) -> bool {
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .ended
            .wait_timeout_while(state, timeout, |state| state.result.is_none())
            .unwrap_or_else(|e| e.into_inner());
        state.result.is_some()
    }

    /// What came of it, once [`Event::Finished`] was sent.
    pub fn result(&self) -> Option<Result<BuildReport, BuildError>> {
        self.shared.state().result.clone()
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

impl Shared {
    fn finish(&self, result: Result<BuildReport, BuildError>) {
        // Both at once: who sees one may rely on the other.
        let mut state = self.state();
        state.result = Some(result);
        state.push(Event::Finished);
        drop(state);
        self.ended.notify_all();
        (self.waker)();
    }
}

/// What every stage can reach: the plan, the work folder, and the ways to tell and to be told.
pub struct Context<'a> {
    pub plan: &'a BuildPlan,
    pub workspace: &'a Workspace,
    pub monitor: &'a Monitor,
    pub watchdog: &'a Watchdog,
    pub marks: &'a Marks,
    pub cache: &'a Cache,
    pub timings: &'a Timings,
    /// What the image is built from; unfinished, as there is no image yet.
    pub stamp: &'a Stamp,
    shared: &'a Shared,
    log: Mutex<File>,
    started: Instant,
}

impl Context<'_> {
    pub fn cancelled(&self) -> bool {
        self.shared.cancel.load(Ordering::SeqCst)
    }

    pub fn event(&self, event: Event) {
        self.shared.send(event);
    }

    pub fn warn(&self, stage: Stage, text: impl Into<String>) {
        let text = text.into();
        self.log(&format!("warning: {text}"));
        self.event(Event::Warning { stage, text });
    }

    pub fn output(&self, stage: Stage, text: &str, shown: bool) {
        self.log(&format!("{}| {text}", stage.name()));
        self.event(Event::Output {
            stage,
            text: text.to_string(),
            shown,
        });
    }

    /// Seconds since the build began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// A line of the log, with the seconds since the start.
    pub fn log(&self, line: &str) {
        // One write a line: the file is not buffered, so that a crash loses nothing.
        let line = format!("[{:8.2}] {line}\n", self.started.elapsed().as_secs_f64());
        let mut log = self.log.lock().unwrap_or_else(|e| e.into_inner());
        // A log that cannot be written is no reason to lose the image.
        let _ = log.write_all(line.as_bytes());
    }

    /// Runs one stage between its events and gives its seconds.
    pub fn stage<T>(
        &self,
        stage: Stage,
        what: impl Into<String>,
        seconds: &mut Vec<(Stage, f64)>,
        run: impl FnOnce() -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        if self.cancelled() {
            return Err(BuildError::cancelled(stage));
        }
        let what = what.into();
        self.log(&format!("== {}: {what}", stage.name()));
        self.event(Event::StageStarted {
            stage,
            what,
            expected: self.timings.expected(stage),
        });
        let started = Instant::now();
        let value = run()?;
        let took = started.elapsed().as_secs_f64();
        seconds.push((stage, took));
        self.event(Event::StageFinished {
            stage,
            seconds: took,
        });
        Ok(value)
    }
}

/// Says what a build of `plan` would do, and does nothing.
///
/// # Errors
/// What [`Build`] would fail with before its first child.
pub fn dry_run(plan: &BuildPlan) -> Result<DryRun, BuildError> {
    let checked = stages::check::check(plan)?;
    let prefix = workspace::prefix(&plan.sysimage_path);
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
        .unwrap_or_else(|| plan.target_dir().join(format!("{}.log", plan.image_name())))
}

fn build(plan: &BuildPlan, shared: &Shared) -> Result<BuildReport, BuildError> {
    let started = Instant::now();
    let checked = stages::check::check(plan)?;
    let cache = Cache::open(plan, &checked.linker);
    if let Some(mut report) = up_to_date(plan, cache.image_key(), started) {
        let of_image = std::mem::take(&mut report.warnings);
        for text in cache.remarks.iter().cloned().chain(of_image) {
            shared.send(Event::Warning {
                stage: Stage::Check,
                text,
            });
        }
        return Ok(report);
    }
    let stamp = Stamp::new(plan, cache.image_key(), &plan.sysimage_path);
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
    let ctx = Context {
        plan,
        workspace: &workspace,
        monitor: &monitor,
        watchdog: &watchdog,
        marks: &marks,
        cache: &cache,
        timings: &timings,
        stamp: &stamp,
        shared,
        log: Mutex::new(log),
        started,
    };
    if let Some(error) = unwatched {
        // Needed only if this process gets killed.
        ctx.log(&format!("the watchdog cannot be started: {error}"));
    }
    for remark in &cache.remarks {
        ctx.warn(Stage::Check, remark);
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        stages::run(&ctx, &checked).map(|mut report| {
            report.seconds = started.elapsed().as_secs_f64();
            report
        })
    }))
    .unwrap_or_else(|panic| Err(internal_error(&*panic)));
    if let Err(error) = &result {
        ctx.log(&format!("failed: {error}"));
    }
    cache.trim(&ctx);
    drop(ctx);
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
