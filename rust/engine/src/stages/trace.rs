//! Runs the workloads under `--trace-compile`, which writes a statement for each method that gets
//! compiled.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::base::BaseImage;
use super::{count, julia::julia, spec};
use crate::build::Context;
use crate::child::{self, Invocation};
use crate::error::{BuildError, Stage};
use crate::event::Event;
use crate::memory;
use crate::plan::{BuildPlan, file_name};
use crate::records::Records;
use crate::staging;

/// Memory, in bytes, that one traced workload is assumed to need when several run at once.
const MEMORY_PER_JOB: u64 = 2 << 30;

/// A workload to be traced; without a file, the bare start of Julia.
#[derive(Debug)]
pub struct Job {
    pub workload: Option<PathBuf>,
    pub invocation: Invocation,
    /// The file of statements that will come of it.
    pub trace: PathBuf,
    name: String,
}

pub fn what(plan: &BuildPlan) -> String {
    match plan.workloads.as_slice() {
        [] => "starting Julia".into(),
        [one] => format!("running {}", file_name(one)),
        many => format!("running {}", count(many.len(), "workload")),
    }
}

/// A job for each workload; one that only starts Julia if there is none, as PackageCompiler does:
/// what every start compiles is worth having.
pub fn jobs<'a>(
    plan: &'a BuildPlan,
    base: &'a BaseImage,
    folder: &'a Path,
) -> impl Iterator<Item = Job> + 'a {
    let workloads: Vec<Option<&PathBuf>> = if plan.workloads.is_empty() {
        vec![None]
    } else {
        plan.workloads.iter().map(Some).collect()
    };
    let several = workloads.len() > 1;
    workloads.into_iter().enumerate().map(move |(i, workload)| {
        job(
            plan,
            &base.path,
            base.has_caches(plan),
            folder,
            i,
            workload,
            several,
        )
    })
}

fn job(
    plan: &BuildPlan,
    image: &Path,
    caches: bool,
    folder: &Path,
    index: usize,
    workload: Option<&PathBuf>,
    several: bool,
) -> Job {
    let name = format!("trace-{}", index + 1);
    let trace = folder.join(format!("{name}.jl"));
    let what = match workload {
        Some(file) => format!("running the workload `{}`", file.display()),
        None => "starting Julia".into(),
    };
    let mut child = julia(plan, Stage::Trace, what, Some(image));
    child.option("project", &plan.project.dir);
    if caches {
        // Interpreted code leaves no statement.
        child.arg("--compile=all");
    } else {
        child.arg("--compiled-modules=no");
    }
    child.option("trace-compile", &trace);
    child.arg(staging::path(folder, "trace.jl"));
    child.arg(spec(folder, &name));
    child.show = true;
    if several && let Some(file) = workload {
        child.prefix = format!("[{}] ", file_name(file));
    }
    Job {
        workload: workload.cloned(),
        invocation: child,
        trace,
        name,
    }
}

/// Traces every workload, several at once where cores and memory allow, and gives the trace files
/// in the order of the workloads.
///
/// # Errors
/// That of the first workload that fails.
pub fn run(ctx: &Context<'_>, base: &BaseImage) -> Result<Vec<PathBuf>, BuildError> {
    let folder = ctx.workspace.path();
    let jobs: Vec<Job> = jobs(ctx.plan, base, folder).collect();
    for job in &jobs {
        let mut records = Records::default();
        records.push_path("project", &ctx.plan.project.dir);
        if let Some(workload) = &job.workload {
            records.push_path("workload", workload);
        }
        let path = spec(folder, &job.name);
        records
            .write(&path)
            .map_err(|e| BuildError::io(Stage::Trace, "writing", &path, &e))?;
    }
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let failed: Mutex<Option<BuildError>> = Mutex::default();
    // Each job stays on the thread that started it: Linux ends a child with that thread.
    std::thread::scope(|scope| {
        for _ in 0..parallel(ctx.plan, jobs.len()) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if lock(&failed).is_some() {
                        return;
                    }
                    let result = child::run_ok(ctx, &job.invocation);
                    if let Err(error) = result {
                        lock(&failed).get_or_insert(error);
                        return;
                    }
                    ctx.event(Event::Progress {
                        stage: Stage::Trace,
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
        None => Ok(jobs.into_iter().map(|job| job.trace).collect()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

fn parallel(plan: &BuildPlan, jobs: usize) -> usize {
    let chosen = plan.trace_jobs.map_or_else(
        || {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let fit = memory::available() / MEMORY_PER_JOB;
            cores.min(usize::try_from(fit).unwrap_or(1))
        },
        |jobs| jobs as usize,
    );
    chosen.clamp(1, jobs)
}
