//! Finds what is wrong with a plan before any work is done.

use std::fs::{self, File};
use std::path::Path;

use pcrs_cache::Stop;

use crate::build::context::Context;
use crate::build::{log, target};
use crate::error::{BuildError, ErrorKind, Stage};
use crate::identity::inspect;
use crate::julia::linker::{Linker, Linkers};
use crate::julia::start::{Caches, julia};
use crate::julia::version::{Feature, JuliaVersion, OLDEST};
use crate::linked::Way;
use crate::plan::{Base, BuildPlan, Workload, file_name};
use crate::process::child::{self, Verdict};

/// What the check found out on its way.
#[derive(Debug)]
pub struct Checked {
    pub linkers: Linkers,
}

impl Checked {
    /// What links the image, unless the linked way leads nowhere or this one cannot.
    pub fn first_linker(&self, plan: &BuildPlan) -> &Linker {
        let of_parts = match Way::of(plan).is_linked() {
            true => self.linkers.for_parts(),
            false => Vec::new(),
        };
        let first = of_parts.into_iter().next();
        first.unwrap_or_else(|| self.linkers.first())
    }
}

/// Checks what goes in, as far as that can be done without starting Julia.
///
/// # Errors
/// One of kind [`ErrorKind::Input`](crate::ErrorKind::Input), for the first thing that is wrong.
pub fn input(plan: &BuildPlan) -> Result<(), BuildError> {
    version(plan)?;
    options(plan)?;
    sysimage_path(&plan.sysimage_path)?;
    if let Some(log) = &plan.log {
        log_target(log)?;
    }
    for workload in &plan.workloads {
        let keyword = match workload {
            // Which of the two named it, the plan does not tell.
            Workload::Script { .. } => "a workload (`precompile_execution_file` or `workload`)",
            Workload::TestSuite { .. } => "workload",
        };
        input_file(keyword, &workload.file())?;
    }
    for file in &plan.statement_files {
        input_file("precompile_statements_file", file)?;
    }
    if let Some(script) = &plan.script {
        input_file("script", script)?;
    }
    input_file("this Julia's executable", &plan.julia.exe)?;
    for path in &plan.workload_deps {
        if !path.exists() {
            return Err(BuildError::input(format!(
                "`workload_deps`: there is no `{}`",
                path.display()
            ))
            .hint(RELATIVE));
        }
    }
    match &plan.base {
        Base::Existing { path } => base_image(plan, path)?,
        Base::Fresh { .. } => {
            input_file(
                "the source of Base",
                &plan.julia.base_source.join("sysimg.jl"),
            )?;
        }
    }
    Ok(())
}

/// Checks that what is made can be put where it is to go: nothing that an image which is up to date
/// needs.
///
/// # Errors
/// As [`input`]; and when `stop` is set before the end.
pub fn output(plan: &BuildPlan, stop: &Stop) -> Result<(), BuildError> {
    writable_folder("sysimage_path", &plan.sysimage_path)?;
    if let Some(folder) = &plan.work_dir {
        writable_folder("work_dir", &folder.join("work"))?;
    }
    lets_code_run(plan)?;
    target::check(&plan.sysimage_path, stop)?;
    match &plan.log {
        Some(log) => log_file(log),
        None => Ok(()),
    }
}

/// Finds what only an image that is not in the cache needs.
///
/// # Errors
/// As [`input`].
pub fn tools(plan: &BuildPlan) -> Result<Checked, BuildError> {
    Ok(Checked {
        linkers: Linkers::find(plan)?,
    })
}

/// Starts Julia on the base as the image process will be: for which targets an image has code, and whether
/// they serve the plan's, only Julia knows. It does for that of this machine.
///
/// # Errors
/// As [`input`], where the base has no code for `cpu_target`; also when the build is cancelled. How else
/// the start may fail, the stages tell.
pub fn base_has_code(ctx: &Context<'_>) -> Result<(), BuildError> {
    let plan = ctx.plan;
    let Base::Existing { path } = &plan.base else {
        return Ok(());
    };
    let target = plan.cpu_target.as_str();
    if matches!(target, "native" | "sysimage") {
        return Ok(());
    }
    let what = "starting the base image";
    let mut start = julia(plan, Stage::Check, what, Some(path), Caches::Portable);
    start.option("cpu-target", target).option("eval", "0");
    let ended = child::run(ctx, &start, &mut || Verdict::GoOn)?;
    if ended.success() || !ended.found_no_code() {
        return Ok(());
    }
    let mut error = child::failure(ctx, &start, &ended);
    error.kind = ErrorKind::Input;
    error.message = format!(
        "an image for `cpu_target=\"{target}\"` cannot be built on `{}`",
        path.display()
    );
    Err(error)
}

fn version(plan: &BuildPlan) -> Result<(), BuildError> {
    let version = plan.julia.version;
    if (version.major, version.minor) < OLDEST {
        return Err(BuildError::input(format!(
            "Julia {version} is too old: {}.{} is the oldest that is supported",
            OLDEST.0, OLDEST.1
        )));
    }
    Ok(())
}

fn options(plan: &BuildPlan) -> Result<(), BuildError> {
    let version = plan.julia.version;
    if plan.compress {
        since("compress_sysimage=true", version, Feature::CompressSysimage)?;
    }
    if plan.cpu_target.trim().is_empty() {
        return Err(BuildError::input("`cpu_target` is empty")
            .hint("use \"native\" for this machine, or \"generic\" for any of its kind"));
    }
    if plan.cpu_target == "sysimage" {
        since(
            "cpu_target=\"sysimage\"",
            version,
            Feature::CompressSysimage,
        )?;
    }
    for (keyword, number) in [
        ("image_threads", plan.image_threads),
        ("trace_jobs", plan.trace_jobs),
        ("workload_threads", plan.workload_threads),
    ] {
        if number == Some(0) {
            return Err(BuildError::input(format!("`{keyword}` is 0"))
                .hint("use 1 or more, or leave it out"));
        }
    }
    for (keyword, limit) in [
        ("statement_timeout", plan.statement_timeout),
        ("idle_limit", plan.idle_limit),
    ] {
        if let Some(limit) = limit
            && (limit.is_nan() || limit <= 0.0)
        {
            return Err(BuildError::input(format!(
                "`{keyword}` is {limit}; it must be a positive number of seconds"
            ))
            .hint("`Inf` sets no limit"));
        }
    }
    for name in &plan.environment_inputs {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(BuildError::input(format!(
                "`environment_inputs` holds `{name}`, which is no name of a variable"
            ))
            .hint("give names alone; the values are those of this session"));
        }
    }
    let mut value_may_follow = false;
    for arg in &plan.build_args {
        if !arg.starts_with('-') && !value_may_follow || arg == "-" || arg == "--" {
            return Err(BuildError::input(format!(
                "`sysimage_build_args` holds `{arg}`, which is no option"
            ))
            .hint("use the keyword `script` for a file that is to run in the process that makes the image"));
        }
        build_arg(plan, arg, version)?;
        let has_value = if arg.starts_with("--") {
            arg.contains('=')
        } else {
            arg.len() > 2
        };
        value_may_follow = arg.starts_with('-') && !has_value;
    }
    Ok(())
}

/// Options that the engine gives itself; a second one would fight with it, or be without effect.
const OURS: [(&str, &str); 39] = [
    ("--sysimage", "use the keyword `base_sysimage`"),
    ("-J", "use the keyword `base_sysimage`"),
    ("--project", "use the keyword `project`"),
    ("--output-o", "use the keyword `sysimage_path`"),
    ("--output-ji", "use the keyword `sysimage_path`"),
    ("--output-bc", "use the keyword `sysimage_path`"),
    ("--cpu-target", "use the keyword `cpu_target`"),
    ("-C", "use the keyword `cpu_target`"),
    (
        "--trace-compile",
        "use the keyword `precompile_execution_file`",
    ),
    ("--eval", "use the keyword `script`"),
    ("-e", "use the keyword `script`"),
    ("--print", "use the keyword `script`"),
    ("-E", "use the keyword `script`"),
    ("--load", "use the keyword `script`"),
    ("-L", "use the keyword `script`"),
    ("--output-asm", "use the keyword `sysimage_path`"),
    ("--output-unopt-bc", "use the keyword `sysimage_path`"),
    ("--output-incremental", "use the keyword `incremental`"),
    ("--compress-sysimage", "use the keyword `compress_sysimage`"),
    ("--threads", ONE_THREAD),
    ("-t", ONE_THREAD),
    ("--procs", ONE_PROCESS),
    ("-p", ONE_PROCESS),
    ("--machine-file", ONE_PROCESS),
    ("--worker", ONE_PROCESS),
    ("--bind-to", ONE_PROCESS),
    ("--pkgimages", CACHES),
    ("--compiled-modules", CACHES),
    (
        "--startup-file",
        "an image is to depend on the project only: use the keyword `script`",
    ),
    ("--history-file", NO_SESSION),
    ("-i", NO_SESSION),
    ("--banner", NO_SESSION),
    ("--quiet", NO_SESSION),
    ("-q", NO_SESSION),
    ("--version", NOTHING_ELSE),
    ("-v", NOTHING_ELSE),
    ("--help", NOTHING_ELSE),
    ("-h", NOTHING_ELSE),
    ("--help-hidden", NOTHING_ELSE),
];

const ONE_THREAD: &str = "the process that makes an image has one thread: more hang on some Julias; \
                          give the threads to `julia` when you start it on the image, and use the \
                          keyword `image_threads` for those that generate code";
const ONE_PROCESS: &str =
    "an image is made by one process: give it to `julia` when you start it on the image";
const CACHES: &str = "which caches of packages are used depends on how the image is made: see the \
                      keyword `linked`";
const NO_SESSION: &str = "the process that makes an image has no prompt: give it to `julia` when you \
                          start it on the image";
const NOTHING_ELSE: &str = "Julia does nothing else with it: leave it out";

/// The option's name as it stands in [`OURS`]: without its value, which may follow a single letter at
/// once (`-t4`).
fn option_name(arg: &str) -> &str {
    let name = arg.split('=').next().unwrap_or(arg);
    let is_short = name.starts_with('-') && !name.starts_with("--");
    match name.char_indices().nth(2) {
        Some((end, _)) if is_short => &name[..end],
        _ => name,
    }
}

fn build_arg(plan: &BuildPlan, arg: &str, version: JuliaVersion) -> Result<(), BuildError> {
    let name = option_name(arg);
    if let Some((_, hint)) = OURS.iter().find(|(ours, _)| *ours == name) {
        return Err(BuildError::input(format!("`sysimage_build_args` holds `{arg}`")).hint(*hint));
    }
    if name == "--strip-metadata" || name == "--strip-ir" {
        since(
            &format!("`{name}` in `sysimage_build_args`"),
            version,
            Feature::Strip,
        )?;
    }
    if name == "--strip-ir" && !plan.build_args.iter().any(|a| a == "--compile=all") {
        return Err(BuildError::input(
            "`--strip-ir` in `sysimage_build_args` lacks `--compile=all`",
        )
        .hint("add `--compile=all`: code without its source cannot be compiled later"));
    }
    Ok(())
}

fn since(what: &str, version: JuliaVersion, feature: Feature) -> Result<(), BuildError> {
    if version.has(feature) {
        return Ok(());
    }
    let (major, minor) = JuliaVersion::first_with(feature);
    Err(BuildError::input(format!(
        "{what} needs Julia {major}.{minor} or newer; this is {version}"
    ))
    .hint("leave it out, or build with a newer Julia"))
}

/// How many bytes file systems let a name have.
const LONGEST_NAME: usize = 255;

/// Julia hands over whole paths, so that how one was written is not known here.
const RELATIVE: &str = "check the path; relative ones start at the current folder, `pwd()`, and those in a \
                        `Sysimage.toml` at its folder";

fn sysimage_path(path: &Path) -> Result<(), BuildError> {
    let name = file_name(path);
    if name.is_empty() {
        return Err(BuildError::input("`sysimage_path` has no file name")
            .hint("give the path of the image to be, such as \"Sysimage.so\""));
    }
    if name.len() > LONGEST_NAME {
        return Err(BuildError::input(format!(
            "the file name in `sysimage_path` has {} bytes",
            name.len()
        ))
        .because("that is more than a file system takes")
        .hint(format!("give it at most {LONGEST_NAME}")));
    }
    if path.is_dir() {
        return Err(BuildError::input(format!(
            "`sysimage_path` is a directory: `{}`",
            path.display()
        ))
        .hint("give the full path of the image, with its file name"));
    }
    Ok(())
}

fn log_target(path: &Path) -> Result<(), BuildError> {
    if path.is_dir() {
        return Err(
            BuildError::input(format!("`log` is a directory: `{}`", path.display()))
                .hint("give the path of a file"),
        );
    }
    Ok(())
}

fn log_file(path: &Path) -> Result<(), BuildError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(BuildError::input(format!(
            "the folder of `log` does not exist: `{}`",
            parent.display()
        )));
    }
    if is_anothers(path) {
        return Err(BuildError::input(format!(
            "`log` is a file that is no log of a build: `{}`",
            path.display()
        ))
        .hint("give another path; if this file is in its place, remove it"));
    }
    writable_folder("log", path)
}

/// Whether something would be lost if a log were written to `path`; devices and pipes lose nothing.
fn is_anothers(path: &Path) -> bool {
    let found = fs::metadata(path);
    found.is_ok_and(|found| found.is_file() && found.len() > 0)
        && !log::is_log(&path.canonicalize().unwrap_or_else(|_| path.into()))
}

/// The nearest folder above `path` that exists must take new entries.
fn writable_folder(keyword: &str, path: &Path) -> Result<(), BuildError> {
    let Some(existing) = path.ancestors().skip(1).find(|folder| folder.exists()) else {
        return Ok(());
    };
    if !existing.is_dir() {
        return Err(BuildError::input(format!(
            "`{keyword}` lies below `{}`, which is not a folder",
            existing.display()
        ))
        .hint("choose a path in a folder that you can write to"));
    }
    match access(existing) {
        Ok(()) => Ok(()),
        Err(error) => Err(BuildError::input(format!(
            "`{keyword}`: no permission to write to the folder `{}`",
            existing.display()
        ))
        .because(error.to_string())
        .hint("choose a path in a folder that you can write to")),
    }
}

/// Layers and the image are opened where they are made.
#[cfg(target_os = "linux")]
fn lets_code_run(plan: &BuildPlan) -> Result<(), BuildError> {
    use std::os::unix::ffi::OsStrExt;
    let of_image = plan.sysimage_path.parent();
    let Some(folder) = plan.work_dir.as_deref().or(of_image) else {
        return Ok(());
    };
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    let path =
        existing.and_then(|folder| std::ffi::CString::new(folder.as_os_str().as_bytes()).ok());
    let Some(path) = path else {
        return Ok(());
    };
    let mut told = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends in NUL and outlives the call, which writes no more than a `statvfs`; it is of
    // integers only, and zeroed where the call fails.
    let told = unsafe {
        libc::statvfs(path.as_ptr(), told.as_mut_ptr());
        told.assume_init()
    };
    if told.f_flag & libc::ST_NOEXEC == 0 {
        return Ok(());
    }
    Err(BuildError::input(format!(
        "code cannot be run in `{}`, where the image is made and tried",
        folder.display()
    ))
    .because("its file system is mounted with `noexec`")
    .hint("give a folder on another file system with `work_dir`"))
}

#[cfg(not(target_os = "linux"))]
fn lets_code_run(_plan: &BuildPlan) -> Result<(), BuildError> {
    Ok(())
}

#[cfg(unix)]
fn access(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: access(2) reads a NUL-terminated path that outlives the call.
    if unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(not(unix))]
fn access(_folder: &Path) -> std::io::Result<()> {
    // Windows decides by access control lists; making the work folder will tell.
    Ok(())
}

fn input_file(keyword: &str, path: &Path) -> Result<(), BuildError> {
    let shown = path.display();
    let keyword = if keyword.contains(' ') {
        keyword.to_string()
    } else {
        format!("`{keyword}`")
    };
    if path.is_dir() {
        return Err(
            BuildError::input(format!("{keyword} is a directory: `{shown}`"))
                .hint("give the path of a file"),
        );
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // Opening a pipe would wait for who writes to it.
        return Err(
            BuildError::input(format!("{keyword} is not a regular file: `{shown}`"))
                .hint("give the path of a file; what a pipe gives can be written to one first"),
        );
    }
    match File::open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(BuildError::input(format!("{keyword}: there is no file `{shown}`")).hint(RELATIVE))
        }
        Err(error) => Err(
            BuildError::input(format!("{keyword}: `{shown}` cannot be read"))
                .because(error.to_string()),
        ),
    }
}

/// A base must be an image of the very Julia that builds on it.
fn base_image(plan: &BuildPlan, path: &Path) -> Result<(), BuildError> {
    input_file("base_sysimage", path)?;
    if plan.julia.is_default_sysimage(path) {
        return Ok(());
    }
    let shown = path.display();
    let data = fs::read(path).map_err(|e| {
        BuildError::input(format!("`base_sysimage`: `{shown}` cannot be read"))
            .because(e.to_string())
    })?;
    if !inspect::is_sysimage(&data[..]) {
        return Err(
            BuildError::input(format!("`base_sysimage` is not a sysimage: `{shown}`"))
                .hint("give an image that `create_sysimage` made, or leave it out"),
        );
    }
    if inspect::fits(&data, plan.julia.version) == Some(false) {
        return Err(BuildError::input(format!(
            "`base_sysimage` is not an image of Julia {}: `{shown}`",
            plan.julia.version
        ))
        .hint("build it anew with this Julia, or run the Julia that it was built with"));
    }
    Ok(())
}
