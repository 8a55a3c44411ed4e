//! Runs the workloads under `--trace-compile`, which writes a statement for each method that gets
//! compiled.
//!
//! A script that fails ends the build. Tests that fail do not: what ran until then is as good as a
//! script.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::base::BaseImage;
use super::{count, remove_if_there};
use crate::build::context::Context;
use crate::build::event::Event;
use crate::error::{BuildError, Stage};
use crate::julia::start::{self, Caches};
use crate::julia::version::Feature;
use crate::plan::{BuildPlan, Workload};
use crate::process::child::{self, Ended, Verdict};
use crate::process::invocation::Invocation;
use crate::process::memory;
use crate::process::untraced::Untraced;
use crate::staging;

/// Memory, in bytes, that one traced workload is assumed to need when several run at once.
const MEMORY_PER_JOB: u64 = 2 << 30;

/// A workload to be traced, or the bare start of Julia.
#[derive(Debug)]
pub struct Job {
    /// Its place among the workloads.
    pub index: usize,
    pub invocation: Invocation,
    /// The file of statements that will come of it.
    pub trace: PathBuf,
    /// What Julia itself writes, with the statements of our own script.
    pub raw: PathBuf,
    name: String,
    /// The package whose tests these are.
    tests_of: Option<String>,
}

pub fn what(plan: &BuildPlan, jobs: &[Job]) -> String {
    match jobs {
        _ if plan.workloads.is_empty() => "starting Julia".into(),
        [job] => format!("running {}", plan.workloads[job.index].label()),
        many => format!("running {}", count(many.len(), "workload")),
    }
}

/// The last line of a whole trace, as `whole.jl` has it.
const END: &str = "# end of statements";

/// Those of `traces` that are there, with their places: a workload that compiles nothing writes none.
///
/// # Errors
/// When that cannot be told of one: it would be lost without a word.
pub fn written(stage: Stage, traces: &[PathBuf]) -> Result<Vec<(usize, &PathBuf)>, BuildError> {
    let mut written = Vec::new();
    for (index, trace) in traces.iter().enumerate() {
        let there = trace.try_exists();
        if there.map_err(|e| BuildError::io(stage, "reading", trace, &e))? {
            written.push((index, trace));
        }
    }
    Ok(written)
}

/// What Julia compiles when `recorder.jl` is done.
const FINISHED: &str = "PackageCompilerRSRecording.finished";

impl Job {
    /// Adds to the trace what was compiled after `recorder.jl` had written it, by finalizers; and takes
    /// what Julia wrote in its place where it has not come to its end: a script may end its process by
    /// force, and a disk be full.
    fn settle_trace(&self) -> Result<(), BuildError> {
        let trace = std::fs::read(&self.trace).unwrap_or_default();
        let taken = match trace.trim_ascii_end().strip_suffix(END.as_bytes()) {
            Some(statements) => self.add_last(statements),
            None => self.take_raw(),
        };
        taken.map_err(|e| {
            BuildError::io(self.invocation.stage, "writing the trace", &self.trace, &e)
        })
    }

    fn add_last(&self, statements: &[u8]) -> io::Result<()> {
        let raw = match std::fs::read(&self.raw) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            raw => raw?,
        };
        let raw = String::from_utf8_lossy(&raw);
        let lines = raw.lines().skip_while(|line| !line.contains(FINISHED));
        let last: String = lines.skip(1).map(|line| format!("{line}\n")).collect();
        if last.is_empty() {
            return Ok(());
        }
        let whole = [statements, last.as_bytes(), END.as_bytes(), b"\n"].concat();
        std::fs::write(&self.trace, whole)
    }

    fn take_raw(&self) -> io::Result<()> {
        remove_if_there(&self.trace)?;
        match self.raw.try_exists()? {
            true => pcrs_cache::copy(&self.raw, &self.trace)
                .map(drop)
                .map_err(|e| e.source),
            // No trace at all is a workload that compiled nothing.
            false => Ok(()),
        }
    }
}

/// How workloads are run, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Runs<'a> {
    pub stage: Stage,
    pub image: &'a Path,
    pub caches: Caches,
    /// Further options of Julia.
    pub options: &'a [&'a str],
    /// What the trace files are called.
    pub name: &'a str,
    /// Whether the user sees what the workloads print.
    pub show: bool,
    /// Whether test suites are run too, or scripts only.
    pub tests: bool,
    /// Whether a script's process loads all packages of the image in the end.
    pub load: bool,
}

/// The runs whose statements go into the image.
pub fn first_runs<'a>(plan: &BuildPlan, base: &'a BaseImage) -> Runs<'a> {
    Runs {
        stage: Stage::Trace,
        image: &base.path,
        caches: base.caches,
        // Interpreted code leaves no statement. A workload mostly compiles, which takes half the
        // time at -O1, and the same methods.
        options: if plan.has_caches() {
            &["--compile=all", "-O1"]
        } else {
            &[NO_CACHES, "-O1"]
        },
        name: "trace",
        show: true,
        tests: true,
        // From their source it would take longer than many a workload.
        load: plan.has_caches(),
    }
}

/// The module of `recorder.jl`, whose own statements are nobody's workload.
pub const OUR_MODULE: &str = "PackageCompilerRSRecording.";

/// Packages are loaded from their source, and no cache is made.
pub const NO_CACHES: &str = "--compiled-modules=no";

/// A job for each workload; one that only starts Julia if there is none, as PackageCompiler does:
/// what every start compiles is worth having.
pub fn jobs(plan: &BuildPlan, runs: &Runs<'_>, folder: &Path) -> Vec<Job> {
    if plan.workloads.is_empty() {
        return vec![job(plan, runs, folder, 0, None)];
    }
    let workloads = plan.workloads.iter().enumerate();
    workloads
        .filter(|(_, workload)| runs.tests || !workload.is_test_suite())
        .map(|(i, workload)| job(plan, runs, folder, i, Some(workload)))
        .collect()
}

fn job(
    plan: &BuildPlan,
    runs: &Runs<'_>,
    folder: &Path,
    index: usize,
    workload: Option<&Workload>,
) -> Job {
    let name = format!("{}-{}", runs.name, index + 1);
    let trace = folder.join(format!("{name}.jl"));
    let raw = trace.with_extension("raw.jl");
    let mut child = match workload {
        None => script(plan, runs, folder, &raw, None),
        Some(Workload::Script { path }) => script(plan, runs, folder, &raw, Some(path)),
        Some(Workload::TestSuite {
            name, uuid, args, ..
        }) => {
            let mut child = test_suite(plan, runs, folder, name);
            child.args([uuid, name]).arg(&raw);
            let options = test_options(plan, runs, folder);
            child.arg(options.len().to_string());
            child.args(options).args(args);
            child
        }
    };
    child.show = runs.show;
    child.traced = runs.stage == Stage::Trace;
    if plan.workloads.len() > 1
        && let Some(workload) = workload
    {
        child.prefix = format!("[{}] ", workload.label());
    }
    let tests_of = match workload {
        Some(Workload::TestSuite { name, .. }) => Some(name.clone()),
        _ => None,
    };
    Job {
        index,
        invocation: child,
        trace,
        raw,
        name,
        tests_of,
    }
}

fn script(
    plan: &BuildPlan,
    runs: &Runs<'_>,
    folder: &Path,
    raw: &Path,
    script: Option<&Path>,
) -> Invocation {
    let what = match script {
        Some(file) => format!("running the workload `{}`", file.display()),
        None => "starting Julia".into(),
    };
    let mut child = start::julia(plan, runs.stage, what, Some(runs.image), runs.caches);
    child.option("project", &plan.project.dir);
    child.args(runs.options);
    child.args(threads(plan));
    child.option("trace-compile", raw);
    if runs.stage == Stage::Trace {
        // What it compiles for itself must not look like something that a finished image lacks.
        child.option("load", staging::path(folder, "recorder.jl"));
    }
    child.arg(staging::path(folder, "trace.jl"));
    child.arg(&plan.project.dir);
    child.arg(script.unwrap_or(Path::new("")));
    if runs.load {
        for package in plan.packages.iter().filter(|package| package.load) {
            child.arg(format!("{} {}", package.uuid, package.name));
        }
    }
    child
}

/// Pkg's own process, which makes the sandbox; the process that it starts for the tests is the one
/// that is traced.
fn test_suite(plan: &BuildPlan, runs: &Runs<'_>, folder: &Path, name: &str) -> Invocation {
    let what = format!("running the tests of `{name}`");
    let mut child = start::session(plan, runs.stage, what);
    child.option("project", &plan.project.file);
    // Pkg would hand the options of the test process to its workers, and all would write one trace.
    child.set("JULIA_PKG_PRECOMPILE_AUTO", "0");
    child.arg(staging::path(folder, "test_suite.jl"));
    child
}

/// Options of the process that runs the tests. They come after Pkg's own and win.
fn test_options(plan: &BuildPlan, runs: &Runs<'_>, folder: &Path) -> Vec<OsString> {
    let mut image = OsString::from("--sysimage=");
    image.push(runs.image);
    let mut recorder = OsString::from("--load=");
    recorder.push(staging::path(folder, "recorder.jl"));
    // Pkg may ask for colours; see `julia::session` for what they do.
    let mut options = vec![image, recorder, "--color=auto".into()];
    options.extend(runs.caches.option(plan).map(OsString::from));
    if plan.julia.version.has(Feature::PkgImages) {
        // Pkg's `--check-bounds=yes` has package caches of its own, and is not how users run.
        options.push("--check-bounds=auto".into());
    }
    options.extend(runs.options.iter().map(OsString::from));
    options.extend(threads(plan).map(OsString::from));
    options
}

/// The option that gives workloads the threads that they are to have.
fn threads(plan: &BuildPlan) -> Option<String> {
    let threads = plan.workload_threads?;
    Some(format!("--threads={threads}"))
}

/// What is to be said of workloads that have run, by the index of the job.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Test suites that failed on the way.
    pub failed_tests: BTreeMap<usize, String>,
    /// Those that had Julias compile what is in no trace.
    pub untraced: BTreeMap<usize, Untraced>,
}

/// The first script that failed, or tests that could not be started.
#[derive(Debug)]
pub struct Failed {
    pub error: BuildError,
    /// Ended by a signal, and neither by an error of its own nor for want of memory.
    pub crashed: bool,
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        Self {
            error,
            crashed: false,
        }
    }
}

impl From<Failed> for BuildError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// Runs every job, several at once where cores and memory allow.
///
/// # Errors
/// That of the first script that fails, or of tests that could not be started.
pub fn run(ctx: &Context<'_>, jobs: &[Job]) -> Result<Remarks, Failed> {
    let remarks: Mutex<Remarks> = Mutex::default();
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let failed: Mutex<Option<Failed>> = Mutex::default();
    // Each job stays on the thread that started it: Linux ends a child with that thread.
    std::thread::scope(|scope| {
        for _ in 0..parallel(ctx.plan, jobs.len()) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if lock(&failed).is_some() {
                        return;
                    }
                    // Another's failure ends the build: no need to wait for this one.
                    let mut watch = || match *lock(&failed) {
                        Some(_) => Verdict::Kill,
                        None => Verdict::GoOn,
                    };
                    let ended = child::run(ctx, &job.invocation, &mut watch);
                    if let Ok(ended) = &ended
                        && let Some(warning) = warning_of_untraced(job, ended.untraced)
                    {
                        ctx.warn(job.invocation.stage, &warning);
                        lock(&remarks).untraced.insert(job.index, ended.untraced);
                    }
                    let failure = match ended {
                        Ok(ended) if ended.success() => None,
                        Ok(ended) if !ended.killed && job.tests_ran() => {
                            let warning = warning_of_tests(ctx, job, &ended);
                            ctx.warn(job.invocation.stage, &warning);
                            lock(&remarks).failed_tests.insert(job.index, warning);
                            None
                        }
                        Ok(ended) => Some(Failed {
                            error: child::failure(ctx, &job.invocation, &ended),
                            crashed: ended.crashed(),
                        }),
                        Err(error) => Some(error.into()),
                    };
                    let settled = job.settle_trace().err().map(Failed::from);
                    if let Some(failure) = failure.or(settled) {
                        lock(&failed).get_or_insert(failure);
                        return;
                    }
                    ctx.event(Event::Progress {
                        stage: job.invocation.stage,
                        done: done.fetch_add(1, Ordering::SeqCst) as u64 + 1,
                        total: jobs.len() as u64,
                        label: job.name.clone(),
                    });
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(error) => Err(error),
        None => Ok(remarks.into_inner().unwrap_or_else(|e| e.into_inner())),
    }
}

impl Job {
    /// Whether this is a test suite that got as far as running: Julia opens its trace when it first
    /// compiles something.
    fn tests_ran(&self) -> bool {
        self.tests_of.is_some() && self.raw.exists()
    }
}

/// What is to be said of the Julias that a job has started, if there were any.
pub fn warning_of_untraced(job: &Job, seen: Untraced) -> Option<String> {
    let mut started = Vec::new();
    if seen.workers > 0 {
        started.push(count(seen.workers, "worker"));
    }
    match seen.others {
        0 => {}
        1 => started.push("1 other Julia".into()),
        more => started.push(format!("{more} other Julias")),
    }
    let were = if seen.workers + seen.others == 1 {
        "was"
    } else {
        "were"
    };
    (!started.is_empty()).then(|| {
        format!(
            "{}: {} {were} started and not traced, so that what they compile is not in the image; call it \
             in the workload's own process, or in a workload of its own",
            job.invocation.what,
            started.join(" and ")
        )
    })
}

fn warning_of_tests(ctx: &Context<'_>, job: &Job, ended: &Ended) -> String {
    let error = child::failure(ctx, &job.invocation, ended);
    let name = job.tests_of.as_deref().unwrap_or_default();
    let cause = error.cause.as_deref().unwrap_or_default();
    let cause = cause.trim_end_matches('.');
    format!(
        "the tests of `{name}` failed: {cause}; what they compiled until then goes into the image"
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn parallel(plan: &BuildPlan, jobs: usize) -> usize {
    let chosen = plan
        .trace_jobs
        .map_or_else(|| memory::fitting(0, MEMORY_PER_JOB), |jobs| jobs as usize);
    chosen.clamp(1, jobs)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_cannot_be_looked_at_is_not_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("trace-2.jl"), "").unwrap();
        std::os::unix::fs::symlink(path("trace-3.jl"), path("trace-3.jl")).unwrap();
        let traces = ["trace-1.jl", "trace-2.jl", "trace-3.jl"].map(path);
        let found = written(Stage::Statements, &traces[..2]).unwrap();
        assert_eq!(found, [(1, &traces[1])]);
        let error = written(Stage::Statements, &traces).unwrap_err();
        assert!(error.to_string().contains("trace-3.jl"), "{error}");
    }

    #[test]
    fn what_finalizers_compile_after_the_trace_was_written_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let job = Job {
            index: 0,
            invocation: Invocation::new(Stage::Trace, "", Path::new("julia")),
            trace: path("trace-1.jl"),
            raw: path("trace-1.raw.jl"),
            name: "trace-1".into(),
            tests_of: None,
        };
        let whole = "precompile(a)\n# end of statements\n";
        let before = format!("precompile(a)\nprecompile(ours)\nprecompile(typeof({FINISHED}))\n");
        for (after, expected) in [
            ("", whole),
            (
                "precompile(b)\n",
                "precompile(a)\nprecompile(b)\n# end of statements\n",
            ),
        ] {
            std::fs::write(&job.trace, whole).unwrap();
            std::fs::write(&job.raw, format!("{before}{after}")).unwrap();
            job.settle_trace().unwrap();
            assert_eq!(std::fs::read_to_string(&job.trace).unwrap(), expected);
        }
    }
}
