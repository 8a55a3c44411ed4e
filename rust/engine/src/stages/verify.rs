//! Tries the linked image before it takes the place of an older one.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pcrs_statements::{SourceFile, SourceKind};

use super::about::Packages;
use super::statements::hints;
use super::{fresh_journal, journal, remove_if_there, spec, trace};
use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::julia::start::{Caches, julia};
use crate::plan::{Base, BuildPlan, Verify, Workload};
use crate::process::child::{self, Verdict};
use crate::process::invocation::Invocation;
use crate::records::{self, Records};
use crate::report::{AtStart, CompiledAtStart, Outcome, Residual, StatementReport};
use crate::staging;

const NAME: &str = "verify";

/// The call in `verify.jl` before which all that was compiled is the start's.
const STARTED: &str = "PackageCompilerRSStart.done";

pub fn needed(plan: &BuildPlan) -> bool {
    plan.verify != Verify::None
}

pub fn what(plan: &BuildPlan) -> String {
    if runs_workloads(plan) {
        "starting the image and running the workloads on it".into()
    } else {
        "starting the image".into()
    }
}

/// Test suites are not run again: most of what they compile is code of their own.
fn runs_workloads(plan: &BuildPlan) -> bool {
    let all_tests = plan.workloads.iter().all(Workload::is_test_suite);
    plan.verify == Verify::Trace && (plan.workloads.is_empty() || !all_tests)
}

/// The commands of the stage: the start, and the workloads where they are to run.
pub fn commands(plan: &BuildPlan, image: &Path, caches: Caches, folder: &Path) -> Vec<Invocation> {
    let mut all = vec![start(plan, image, caches, folder, None)];
    if runs_workloads(plan) {
        let jobs = workloads(plan, image, caches, folder).into_iter();
        all.extend(jobs.map(|job| job.invocation));
    }
    all
}

fn start(
    plan: &BuildPlan,
    image: &Path,
    caches: Caches,
    folder: &Path,
    project: Option<&Path>,
) -> Invocation {
    let mut start = julia(
        plan,
        Stage::Verify,
        "starting the image",
        Some(image),
        caches,
    );
    if let Some(project) = project {
        start.option("project", project);
    }
    start.option("trace-compile", start_trace(folder));
    start.arg(staging::path(folder, "verify.jl"));
    start.arg(spec(folder, NAME));
    start
}

fn start_trace(folder: &Path) -> PathBuf {
    folder.join("start.jl")
}

fn workloads(plan: &BuildPlan, image: &Path, caches: Caches, folder: &Path) -> Vec<trace::Job> {
    let runs = trace::Runs {
        stage: Stage::Verify,
        image,
        caches,
        // As the user will run them, where possible.
        options: if plan.has_caches() {
            &[]
        } else {
            &[trace::NO_CACHES]
        },
        name: "residual",
        show: false,
        tests: false,
        load: false,
    };
    trace::jobs(plan, &runs, folder)
}

/// Why an image is not taken.
#[derive(Debug)]
pub struct Refusal {
    pub error: BuildError,
    /// It may be how the image was made: it does not start, or crashes.
    pub of_image: bool,
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        Self {
            error,
            of_image: false,
        }
    }
}

impl Refusal {
    fn of_image(error: BuildError) -> Self {
        Self {
            error,
            of_image: true,
        }
    }

    /// With what became of an older image.
    fn unchanged(mut self) -> Self {
        let kept = "an older image at `sysimage_path` was left as it was";
        self.error.hint = Some(match self.error.hint.take() {
            Some(hint) => format!("{hint}; {kept}"),
            None => kept.to_string(),
        });
        self
    }
}

/// Tries the image. What is to be said of it as long as it lasts comes back: that it is for another CPU
/// than this one, on which it cannot be tried, or that it starts only in its project.
///
/// # Errors
/// When the image does not start, lacks a package or holds another version of it, or a workload
/// fails on it.
pub fn run(
    ctx: &Context<'_>,
    image: &Path,
    caches: Caches,
    statements: &mut StatementReport,
) -> Result<Option<String>, Refusal> {
    let tried = check_packages(ctx, image, caches);
    let Tried { at_start, remark } = tried.map_err(Refusal::unchanged)?;
    if let Some(remark) = &remark {
        ctx.warn(Stage::Verify, remark);
    }
    statements.at_start = at_start;
    if statements.at_start.is_none() {
        return Ok(remark);
    }
    if runs_workloads(ctx.plan) {
        let jobs = workloads(ctx.plan, image, caches, ctx.workspace.path());
        trace::run(ctx, &jobs).map_err(|failed| refused_by_workload(failed).unchanged())?;
        // What was compiled, without the calls that only might be.
        let traces: Vec<PathBuf> = jobs.into_iter().map(|job| job.raw).collect();
        statements.residual = Some(residual(ctx.plan, &traces, statements)?);
    }
    Ok(remark)
}

/// A workload that crashes the image may work on one that is made in another way. One that ends with an error of
/// its own has run before, when it was traced, and would fail on any image.
fn refused_by_workload(trace::Failed { mut error, crashed }: trace::Failed) -> Refusal {
    if !crashed && error.kind == ErrorKind::Failed {
        error.hint.get_or_insert_with(|| {
            "with `verify=:trace` a workload runs twice: when it is traced, and on the image; make it work where its \
             files are there already, or leave `verify=:trace` out"
                .into()
        });
    }
    Refusal {
        error,
        of_image: crashed,
    }
}

/// What came of the first start.
struct Tried {
    /// None if this machine cannot start it.
    at_start: Option<AtStart>,
    /// A sentence about that, or about how it starts only.
    remark: Option<String>,
}

fn check_packages(ctx: &Context<'_>, image: &Path, caches: Caches) -> Result<Tried, Refusal> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("journal", &journal(folder, NAME));
    for package in &plan.packages {
        records.push("package", format!("{} {}", package.uuid, package.name));
    }
    let path = spec(folder, NAME);
    records
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Verify, "writing", &path, &e))?;
    let tried = start_anywhere_or_in_project(ctx, image, caches)?;
    if tried.at_start.is_none() {
        return Ok(tried);
    }
    let told = journal(folder, NAME);
    let bytes = fs::read(&told).map_err(|e| BuildError::io(Stage::Verify, "reading", &told, &e))?;
    compare(plan, &records::parse(&bytes))?;
    Ok(tried)
}

/// A package may load another when it is initialised, as OhMyREPL does: that works only where a
/// Manifest has both.
fn start_anywhere_or_in_project(
    ctx: &Context<'_>,
    image: &Path,
    caches: Caches,
) -> Result<Tried, Refusal> {
    let (plan, folder) = (ctx.plan, ctx.workspace.path());
    let anywhere = start(plan, image, caches, folder, None);
    let mut ended = run_anew(ctx, &anywhere)?;
    // That says nothing of the image.
    if ended.was_killed_from_outside() {
        ended = run_anew(ctx, &anywhere)?;
    }
    if ended.success() {
        return Ok(Tried {
            at_start: Some(at_start(ctx, &ended)?),
            remark: None,
        });
    }
    if let Some(remark) = for_other_cpu(plan, &ended) {
        return Ok(Tried {
            at_start: None,
            remark: Some(remark),
        });
    }
    if ended.idle.is_some() {
        return Err(Refusal::of_image(child::failure(ctx, &anywhere, &ended)));
    }
    let project = &plan.project.dir;
    let in_project = start(plan, image, caches, folder, Some(project));
    let started = run_anew(ctx, &in_project)?;
    if !started.success() {
        let error = child::failure(ctx, &in_project, &started);
        return Err(Refusal::of_image(error));
    }
    let error = child::failure(ctx, &anywhere, &ended);
    let remark = format!(
        "the image starts only where its packages are in the project or the default environment, as \
         with `--project={}`: {}",
        project.display(),
        error.cause.as_deref().unwrap_or_default()
    );
    Ok(Tried {
        at_start: Some(at_start(ctx, &started)?),
        remark: Some(remark),
    })
}

/// Runs a start of the image, without what an earlier one has left: that may have been of another image, and
/// Julia makes no trace where it compiles nothing.
fn run_anew(ctx: &Context<'_>, start: &Invocation) -> Result<child::Ended, BuildError> {
    let folder = ctx.workspace.path();
    fresh_journal(folder, NAME, Stage::Verify)?;
    let trace = start_trace(folder);
    remove_if_there(&trace).map_err(|e| BuildError::io(Stage::Verify, "removing", &trace, &e))?;
    child::run(ctx, start, &mut || Verdict::GoOn)
}

/// What the start did that has `ended`.
fn at_start(ctx: &Context<'_>, ended: &child::Ended) -> Result<AtStart, BuildError> {
    let path = start_trace(ctx.workspace.path());
    let trace = match fs::read(&path) {
        // It has compiled nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|e| BuildError::io(Stage::Verify, "reading", &path, &e))?,
    };
    Ok(AtStart {
        compiled: compiled_at_start(ctx.plan, &String::from_utf8_lossy(&trace)),
        lines: ended.lines,
        printed: ended.words.tail.iter().cloned().collect(),
    })
}

fn compiled_at_start(plan: &BuildPlan, trace: &str) -> Vec<CompiledAtStart> {
    let packages = Packages::of(plan);
    let of_start = trace.lines().take_while(|line| !line.contains(STARTED));
    of_start
        .filter(|line| line.starts_with("precompile("))
        .map(|text| CompiledAtStart {
            text: text.to_string(),
            package: packages.named_in(text),
        })
        .collect()
}

/// A sentence about an image that was asked for with a `cpu_target` which this machine lacks.
fn for_other_cpu(plan: &BuildPlan, ended: &child::Ended) -> Option<String> {
    let target = &plan.cpu_target;
    if plan.bound_to_cpu().is_some() || target == "sysimage" {
        return None;
    }
    (ended.found_no_code() || ended.met_unknown_code()).then(|| {
        format!(
            "the image was not started here: this CPU, {}, cannot run code for \
             `cpu_target=\"{target}\"`; try it on a machine that it is for",
            plan.julia.cpu
        )
    })
}

fn compare(plan: &BuildPlan, told: &[(String, String)]) -> Result<(), BuildError> {
    let loaded: Vec<&str> = told
        .iter()
        .filter(|(key, _)| key == "loaded")
        .map(|(_, uuid)| uuid.as_str())
        .collect();
    let versions: HashMap<&str, &str> = told
        .iter()
        .filter(|(key, _)| key == "version")
        .filter_map(|(_, value)| value.split_once(' '))
        .collect();
    for package in plan.packages.iter().filter(|p| p.load) {
        let name = &package.name;
        if !loaded.contains(&package.uuid.as_str()) {
            return Err(BuildError::failed(
                Stage::Verify,
                format!("`{name}` is not in the image"),
            ));
        }
        // What belongs to Julia, and what lies at a path, is what is there, whatever the Manifest says.
        let planned = package
            .version
            .as_deref()
            .filter(|_| package.tree_hash.is_some());
        let held = versions.get(package.uuid.as_str()).copied();
        if let (Some(planned), Some(held)) = (planned, held)
            && planned != held
        {
            return Err(BuildError::failed(
                Stage::Verify,
                format!("the image holds `{name}` {held}, the Manifest says {planned}"),
            )
            .hint(hint_of_other(plan)));
        }
    }
    Ok(())
}

/// What to do about a package of another version than is planned.
fn hint_of_other(plan: &BuildPlan) -> String {
    match &plan.base {
        // One that tells what it holds was looked at in the check.
        Base::Existing { path } if !plan.julia.is_default_sysimage(path) => format!(
            "the base image `{}` may hold it, which one built on it cannot replace: build that again, or give \
             another one as `base_sysimage`; or the environment changed while the image was built",
            path.display()
        ),
        _ => "the environment changed while the image was built; build again".into(),
    }
}

/// What the workloads still compiled on the image, with what the report says of the same statement.
fn residual(
    plan: &BuildPlan,
    traces: &[PathBuf],
    report: &StatementReport,
) -> Result<Vec<Residual>, BuildError> {
    let outcomes: BTreeMap<&str, Outcome> = report
        .entries
        .iter()
        .map(|entry| (entry.text.as_str(), entry.outcome))
        .collect();
    let sources: Vec<SourceFile> = trace::written(Stage::Verify, traces)?
        .into_iter()
        .map(|(_, trace)| SourceFile {
            path: trace.clone(),
            kind: SourceKind::Trace,
        })
        .collect();
    let merged = pcrs_statements::merge(&sources)
        .map_err(|e| BuildError::io(Stage::Verify, "reading", &e.path, &e.source))?;
    let statements = merged.statements.iter();
    Ok(statements
        .filter(|statement| !statement.text.contains(trace::OUR_MODULE))
        .map(|statement| Residual {
            text: statement.text.to_string(),
            outcome: outcomes.get(statement.text).copied(),
            script_local: hints(plan, statement.text).script_local,
        })
        .collect())
}
