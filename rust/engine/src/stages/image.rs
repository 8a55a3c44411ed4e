//! Loads the packages, evaluates the statements and generates the code of the image, in one child.
//!
//! That child is of no use before it has compiled Julia's own compiler: it must not run the native
//! code of its sysimage (`imaging_mode` in Julia's src/staticdata.c), which takes about ten seconds
//! on Julia 1.10. So it starts with the build and waits for what the earlier stages bring about.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::base::BaseImage;
use super::statements::{Evaluated, Statements};
use super::{count, journal, remove_if_there, spec};
use crate::build::context::Context;
use crate::build::event::Event;
use crate::error::{BuildError, Stage};
use crate::identity::stamp::Held;
use crate::julia::image_threads;
use crate::julia::start::{generator, preload};
use crate::julia::version::Feature;
use crate::linked::{Setback, job};
use crate::plan::BuildPlan;
use crate::process::child::{self, Verdict};
use crate::process::invocation::Invocation;
use crate::records::{self, Records};
use crate::report::{Outcome, StatementReport};
use crate::staging;

const NAME: &str = "image";
/// What the child notes before it ends and Julia writes the image (`image_process.jl`).
const GENERATE: &str = "generate";
/// How many statements may crash or hang the compiler before the build gives up.
const RETRIES: usize = 20;

/// The object file; macOS needs the archive ending (PackageCompiler.jl issue 738).
pub fn object(folder: &Path) -> PathBuf {
    folder.join("image-o.a")
}

pub fn invocation(
    plan: &BuildPlan,
    base: &BaseImage,
    folder: &Path,
    threads: Option<u32>,
) -> Invocation {
    let image = Some(base.path.as_path());
    let mut child = generator(
        plan,
        Stage::Image,
        "compiling the image",
        image,
        base.caches,
    );
    if let Some(interposer) = interposer(plan, base) {
        preload(plan, &mut child, interposer);
        job::hand_to(&mut child, folder);
        if !plan.julia.version.has(Feature::NativeImaging) {
            // The preloaded library turns them off again, the second where caches without native code are
            // loaded, when Julia has kept the base's native code.
            child.args(["--output-incremental=yes", "--pkgimages=yes"]);
        }
    }
    if !plan.has_caches() {
        child.arg("--compiled-modules=no");
    }
    child.option("cpu-target", &plan.cpu_target);
    child.args(&plan.build_args);
    if plan.compress {
        child.arg("--compress-sysimage=yes");
    }
    // Last, so that it wins over the user's: generating with more threads hangs on Julia 1.11
    // (PackageCompiler.jl issues 963 and 990).
    child.arg("--threads=1");
    child.option("output-o", object(folder));
    child.arg(staging::path(folder, "image.jl"));
    child.arg(spec(folder, NAME));
    if let Some(threads) = threads {
        child.set(image_threads::VARIABLE, threads.to_string());
    }
    child
}

/// The library to preload where a linked image is made.
fn interposer<'a>(plan: &'a BuildPlan, base: &BaseImage) -> Option<&'a Path> {
    plan.interposer.as_deref().filter(|_| base.linked)
}

/// What becomes of each statement, by its number.
pub type Outcomes = BTreeMap<usize, Evaluated>;

/// What the image process waits for.
#[derive(Debug)]
struct Given {
    statements: Arc<Statements>,
    /// Those that are not evaluated.
    refused: Outcomes,
}

type Made = Result<(PathBuf, StatementReport), Setback>;

/// The image process at work, or about to be. It is ended when this is dropped, as happens when
/// another stage fails.
pub struct ImageProcess<'scope, 'env> {
    ctx: &'env Context<'env>,
    inbox: Sender<Given>,
    thread: ScopedJoinHandle<'scope, Made>,
}

impl<'scope, 'env> ImageProcess<'scope, 'env> {
    /// Starts the child on a thread of its own, as Linux ends a child with its thread.
    ///
    /// # Errors
    /// When no thread can be started, or the work folder cannot be written.
    pub fn start(
        scope: &'scope Scope<'scope, 'env>,
        ctx: &'env Context<'env>,
        base: &'env BaseImage,
    ) -> Result<Self, BuildError> {
        // An earlier process of this build may have been given them, and this one is to wait for its own.
        for given in [packages_ready, statements_ready] {
            let path = given(ctx.workspace.path());
            remove_if_there(&path)
                .map_err(|e| BuildError::io(Stage::Image, "removing", &path, &e))?;
        }
        let (inbox, given) = mpsc::channel();
        let thread = Builder::new()
            .name("pcrs-image".into())
            .spawn_scoped(scope, move || compile(ctx, base, &given))
            .map_err(|e| BuildError::no_thread(Stage::Image, &e))?;
        Ok(Self { ctx, inbox, thread })
    }

    /// Lets the child load the packages: their caches are filled.
    ///
    /// # Errors
    /// When the work folder cannot be written.
    pub fn load_packages(&self) -> Result<(), BuildError> {
        let path = packages_ready(self.ctx.workspace.path());
        match File::create(&path) {
            Ok(_) => Ok(()),
            Err(e) => Err(BuildError::io(Stage::Image, "writing", &path, &e)),
        }
    }

    /// Lets the child evaluate `statements`, but for those `left_out`, and waits for its object file. A statement that crashes
    /// or hangs the compiler is found by what the child noted last, and left out of another try.
    ///
    /// # Errors
    /// When the child fails for another reason, or for too many statements.
    pub fn finish(self, statements: Arc<Statements>, left_out: Outcomes) -> Made {
        let mut refused = statements.refused();
        refused.extend(left_out);
        // Nobody receives them when the thread has failed, which `join` tells.
        let _ = self.inbox.send(Given {
            statements,
            refused,
        });
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// How often a build that waits for its statements looks whether it is cancelled.
const TICK: Duration = Duration::from_millis(20);

fn wait(ctx: &Context<'_>, inbox: &Receiver<Given>) -> Result<Given, BuildError> {
    while !ctx.cancelled() {
        match inbox.recv_timeout(TICK) {
            Ok(given) => return Ok(given),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Err(BuildError::cancelled(Stage::Image))
}

/// Makes the object file, in as many tries as it takes.
fn compile(ctx: &Context<'_>, base: &BaseImage, inbox: &Receiver<Given>) -> Made {
    let folder = ctx.workspace.path();
    write_spec(ctx, base)?;
    if base.linked {
        job::write(ctx.plan, folder)
            .map_err(|e| BuildError::io(Stage::Image, "writing to", folder, &e))?;
    }
    let mut given = None;
    if !image_threads::leave_room() {
        given = Some(wait(ctx, inbox)?);
    }
    let mut broken = Outcomes::new();
    let mut threads = image_threads::chosen(ctx.plan);
    let mut crashes = 0;
    loop {
        let _ = std::fs::remove_file(journal(folder, NAME));
        if let Some(given) = &given {
            write_statements(ctx, given, &broken)?;
        }
        let mut follower = Follower::new(ctx, base, inbox, given.take());
        let invocation = invocation(ctx.plan, base, folder, threads);
        let mut too_long = None;
        let ended = child::run(ctx, &invocation, &mut || {
            let verdict = follower.look();
            if verdict == Verdict::Kill {
                // The journal may go on until the child is gone.
                too_long = too_long.or(follower.at());
            }
            verdict
        })?;
        if let Some(error) = follower.unwritten {
            return Err(error.into());
        }
        let ended_early = follower.given.is_none();
        let work = given.insert(match follower.given.take() {
            Some(given) => given,
            // It ended while it waited; its failure is told when it is its turn.
            None => wait(ctx, inbox)?,
        });
        if ended_early && ended.was_killed_from_outside() {
            ctx.log("the image process is tried again, now that it is the only one");
            continue;
        }
        if let Some(why) = job::told_trouble(folder, ended.status.code()) {
            return Err(Setback::for_reason(ctx.plan, Stage::Image, why));
        }
        if ended.success() && follower.phase == GENERATE {
            if let Some(warning) = from_source(&follower.uncached) {
                ctx.warn(Stage::Image, warning);
            }
            for extension in &follower.failed_extensions {
                let warning = format!(
                    "loading the extension {extension} failed, so the image has none or a part of it; the log says why \
                     (give one as `log`)"
                );
                ctx.warn(Stage::Image, warning);
            }
            let mut outcomes = follower.outcomes;
            outcomes.append(&mut broken);
            outcomes.append(&mut work.refused);
            let report = work.statements.report(ctx.plan, outcomes);
            return Ok((object(folder), report));
        }
        let mut error = child::failure(ctx, &invocation, &ended);
        if ended.success() {
            // Julia writes an image even so, with what was loaded until then.
            error.cause = Some("it called `exit` before its work was done".into());
        }
        if ended.idle.is_some() {
            return Err(follower.place(error).into());
        }
        let killed = ended.was_killed_from_outside();
        if follower.phase == GENERATE
            && !killed
            && !ended.lacked_space
            && let Some(name) = &ended.words.function
        {
            let why = error.cause.clone().unwrap_or_default();
            let mut numbers = work.statements.of_function(name);
            numbers.retain(|n| !broken.contains_key(n) && !work.refused.contains_key(n));
            if numbers.is_empty() || crashes == RETRIES {
                return Err(uncompiled(ctx.plan, error, name).into());
            }
            crashes += 1;
            let detail = format!("LLVM cannot compile `{name}`: {why}");
            leave_out(ctx, work, &mut broken, &numbers, Outcome::Crashed, &detail);
            continue;
        }
        if base.linked && !killed && !ended.lacked_space && follower.is_nobodys_code() {
            let why = error.cause.take().unwrap_or_default();
            return Err(Setback::Slower(format!("its process failed: {why}")));
        }
        if follower.phase == GENERATE && killed && threads > Some(1) {
            let why = error.cause.clone().unwrap_or_default();
            ctx.warn(
                Stage::Image,
                format!("generating code is tried again with one thread: {why}"),
            );
            threads = Some(1);
            continue;
        }
        let Some(number) = too_long.or(follower.at()) else {
            return Err(follower.place(error).into());
        };
        let text = work.statements.text(number);
        if ended.lacked_space || ended.was_killed_from_outside() {
            // No fault of the statement, and no better without it.
            error.message = format!("compiling the image failed at the statement `{text}`");
            return Err(error.into());
        }
        if crashes == RETRIES {
            error.message = format!(
                "{} crashed the compiler, the last `{text}`",
                count(broken.len() + 1, "statement"),
            );
            let hint = "statements are tied to the Julia that wrote them; trace them again with \
                        this one";
            return Err(error.hint(hint).into());
        }
        crashes += 1;
        let (outcome, detail) = if ended.killed {
            let limit = ctx.plan.statement_timeout.unwrap_or(f64::INFINITY);
            (Outcome::TimedOut, format!("it took more than {limit} s"))
        } else {
            (Outcome::Crashed, error.cause.take().unwrap_or_default())
        };
        leave_out(ctx, work, &mut broken, &[number], outcome, &detail);
    }
}

/// Takes the statements with these `numbers` out of the next try.
fn leave_out(
    ctx: &Context<'_>,
    work: &Given,
    broken: &mut Outcomes,
    numbers: &[usize],
    outcome: Outcome,
    detail: &str,
) {
    for number in numbers {
        let text = work.statements.text(*number);
        ctx.warn(
            Stage::Image,
            format!("left out and tried again without it: `{text}`: {detail}"),
        );
        let evaluated = Evaluated {
            outcome,
            seconds: 0.0,
            detail: detail.to_string(),
        };
        broken.insert(*number, evaluated);
    }
}

/// The error for a function called `name` that LLVM cannot compile, and that no statement names.
fn uncompiled(plan: &BuildPlan, mut error: BuildError, name: &str) -> BuildError {
    error.message = format!("generating the code of the function `{name}` failed");
    error.hint = Some(format!(
        "no statement names it: a package's own `precompile` directive or a function that calls it \
         asks for it; give a `cpu_target` that has the instructions it needs (this one is \"{}\"), or \
         leave its package out with `exclude`",
        plan.cpu_target
    ));
    error
}

/// The error for a function that the app's `package` does not have.
fn without_function(mut error: BuildError, package: &str, function: &str) -> BuildError {
    error.message = format!("`{package}` has no function `{function}`");
    error.cause = Some("an executable of the app is to call it".into());
    error.hint = Some(match function {
        "main" => format!(
            "mark a function of {package} with `@main`, on Julia 1.11 and newer, or name another one in \
             `executables`"
        ),
        _ => format!(
            "define `function {function}()::Cint` in {package}, or name a function that it has, such as \
             one that `@main` marks: `executables=[\"{}\" => \"main\"]`",
            package.to_lowercase()
        ),
    });
    error
}

/// What to say of packages that were loaded from their source.
fn from_source(names: &[String]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let named = |name: &String| match name.split_once(" of ") {
        Some((extension, package)) => format!("the extension `{extension}` of `{package}`"),
        None => format!("`{name}`"),
    };
    let names: Vec<String> = names.iter().map(named).collect();
    Some(format!(
        "loaded from source, for want of a precompile cache: {}. Julia makes none for a package that \
         overwrites another's method or says `__precompile__(false)`, nor for those that need it; in \
         the image their code is compiled all the same, but they are loaded where no `__init__` has run",
        names.join(", ")
    ))
}

/// Appears when the child may load the packages.
fn packages_ready(folder: &Path) -> PathBuf {
    spec(folder, "image-packages")
}

/// Appears with the statements.
fn statements_ready(folder: &Path) -> PathBuf {
    spec(folder, "image-statements")
}

fn write_statements(ctx: &Context<'_>, given: &Given, broken: &Outcomes) -> Result<(), BuildError> {
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("statements", given.statements.file());
    for number in broken.keys().chain(given.refused.keys()) {
        records.push("skip", number.to_string());
    }
    let whole = statements_ready(folder);
    let part = whole.with_extension("part");
    records
        .write(&part)
        .and_then(|()| pcrs_cache::rename(&part, &whole))
        .map_err(|e| BuildError::io(Stage::Image, "writing", &whole, &e))
}

fn write_spec(ctx: &Context<'_>, base: &BaseImage) -> Result<(), BuildError> {
    let plan = ctx.plan;
    let folder = ctx.workspace.path();
    let mut records = Records::default();
    records.push_path("journal", &journal(folder, NAME));
    records.push_path("packages_ready", &packages_ready(folder));
    records.push_path("statements_ready", &statements_ready(folder));
    records.push_path("project", &plan.project.dir);
    records.push_path("stdlib", &plan.julia.stdlib);
    for id in &base.stdlibs {
        records.push("package", format!("{} {}", id.uuid, id.name));
    }
    for package in &plan.packages {
        if package.load {
            records.push("package", format!("{} {}", package.uuid, package.name));
        }
        if package.requested && plan.import_into_main {
            records.push("import", &package.name);
        }
    }
    if let Some(script) = &plan.script {
        records.push_path("script", script);
    }
    if base.linked {
        records.push("linked", "true");
    }
    let strip = plan.build_args.iter().any(|a| a == "--strip-metadata");
    records.push("strip_metadata", strip.to_string());
    // An app is for other machines, and says nothing of this one that it need not.
    if !strip && plan.app.is_none() {
        records.push("stamp", ctx.stamp.to_json());
    }
    // A library may be of a project that is no package.
    if let Some(app) = &plan.app
        && !app.functions.is_empty()
    {
        let package = &app.package;
        records.push("app", format!("{} {}", package.uuid, package.name));
        for function in &app.functions {
            records.push("entry", function);
        }
    }
    if plan.guard {
        for held in &ctx.stamp.packages {
            records.push("guarded", guarded(held));
        }
    }
    let path = spec(folder, NAME);
    records
        .write(&path)
        .map_err(|e| BuildError::io(Stage::Image, "writing", &path, &e))
}

/// What the guard compares, with tabs in between: UUID, name, version, tree hash, and the path of a
/// package that is tracked by it.
fn guarded(held: &Held) -> String {
    let known = |field: &Option<String>| field.clone().unwrap_or_default();
    let path = held.path.as_deref().map(|path| path.display().to_string());
    let (version, tree) = (known(&held.version), known(&held.tree_hash));
    [&held.uuid, &held.name, &version, &tree, &known(&path)]
        .map(String::as_str)
        .join("\t")
}

/// Reads what the child notes while it runs, and gives it the statements when they come.
struct Follower<'a> {
    ctx: &'a Context<'a>,
    inbox: &'a Receiver<Given>,
    given: Option<Given>,
    unwritten: Option<BuildError>,
    journal: PathBuf,
    read: u64,
    loads: u64,
    loaded: u64,
    loading: Option<String>,
    /// Packages that were loaded from their source, for want of a cache, and each `Extension of Package`.
    uncached: Vec<String>,
    /// `Extension of Package`
    failed_extensions: Vec<String>,
    /// A function that the app is to call, and that its package does not have.
    missing_function: Option<String>,
    phase: String,
    outcomes: BTreeMap<usize, Evaluated>,
    under_way: Option<(usize, Instant)>,
}

impl<'a> Follower<'a> {
    fn new(
        ctx: &'a Context<'a>,
        base: &BaseImage,
        inbox: &'a Receiver<Given>,
        given: Option<Given>,
    ) -> Self {
        let packages = ctx.plan.packages.iter().filter(|p| p.load).count();
        Self {
            ctx,
            inbox,
            given,
            unwritten: None,
            journal: journal(ctx.workspace.path(), NAME),
            read: 0,
            loads: (packages + base.stdlibs.len()) as u64,
            loaded: 0,
            loading: None,
            uncached: Vec::new(),
            failed_extensions: Vec::new(),
            missing_function: None,
            phase: String::new(),
            outcomes: BTreeMap::new(),
            under_way: None,
        }
    }

    fn look(&mut self) -> Verdict {
        if self.given.is_none() {
            match self.inbox.try_recv() {
                Ok(given) => {
                    if let Err(error) = write_statements(self.ctx, &given, &Outcomes::new()) {
                        self.unwritten = Some(error);
                        return Verdict::Kill;
                    }
                    self.given = Some(given);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Verdict::Kill,
            }
        }
        // Not there yet, or gone with the work folder: the next look will tell.
        if let Ok(bytes) = self.fresh_bytes() {
            let complete = complete_records(&bytes);
            self.read += complete.len() as u64;
            for (key, value) in records::parse(complete) {
                self.take(&key, value);
            }
        }
        let limit = self.ctx.plan.statement_timeout;
        // A number that no clock holds is no limit either.
        let limit = limit.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
        match (&self.under_way, limit) {
            (Some((_, since)), Some(limit)) if since.elapsed() > limit => Verdict::Kill,
            _ if self.given.is_none() => Verdict::Expected,
            _ => Verdict::GoOn,
        }
    }

    /// The statement under way.
    fn at(&self) -> Option<usize> {
        self.under_way.as_ref().map(|(number, _)| *number)
    }

    fn fresh_bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.journal)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn take(&mut self, key: &str, value: String) {
        match key {
            "load" => {
                let done = self.loaded;
                self.loaded += 1;
                self.progress(done, self.loads, format!("loading {value}"));
                self.loading = Some(value);
            }
            "uncached" => self.uncached.push(value),
            "failed_extension" => self.failed_extensions.push(value),
            "missing_function" => self.missing_function = Some(value),
            "statement" => {
                self.loading = None;
                self.under_way = value.parse().ok().map(|n| (n, Instant::now()));
            }
            "result" => {
                self.under_way = None;
                if let Some((number, evaluated)) = Evaluated::parse(&value) {
                    self.outcomes.insert(number, evaluated);
                    let total = self
                        .given
                        .as_ref()
                        .map_or(0, |given| given.statements.len());
                    if number % 64 == 0 || number == total {
                        self.progress(number as u64, total as u64, "statements".into());
                    }
                }
            }
            "phase" => {
                self.loading = None;
                let total = self.loads;
                self.progress(total, total, phase_label(&value).into());
                self.phase = value;
            }
            _ => {}
        }
    }

    fn progress(&self, done: u64, total: u64, label: String) {
        if self.given.is_none() {
            // The user sees another stage.
            return;
        }
        self.ctx.event(Event::Progress {
            stage: Stage::Image,
            done,
            total,
            label,
        });
    }

    /// Whether the child ran no code of packages, statements or a script, so that what failed is how
    /// the image is made.
    fn is_nobodys_code(&self) -> bool {
        let before = self.loaded == 0 && self.phase.is_empty() && self.under_way.is_none();
        before || self.phase == GENERATE
    }

    /// Says in `error` what the child was doing.
    fn place(&self, mut error: BuildError) -> BuildError {
        if let Some(function) = &self.missing_function
            && let Some(app) = &self.ctx.plan.app
        {
            return without_function(error, &app.package.name, function);
        }
        if let Some(name) = &self.loading {
            error.message = format!("loading the package `{name}` into the image failed");
        } else if self.phase == "script"
            && let Some(script) = &self.ctx.plan.script
        {
            error.message = format!("running the script `{}` failed", script.display());
            error.hint.get_or_insert_with(|| {
                "no package's `__init__` has run where the script runs; what needs one belongs in a \
                 workload"
                    .into()
            });
        } else if self.phase == GENERATE {
            error.message = "generating the code of the image failed".into();
        }
        error
    }
}

fn phase_label(phase: &str) -> &'static str {
    match phase {
        "script" => "running the script",
        _ => "generating code",
    }
}

/// The whole records at the start of `bytes`: up to the last NUL that ends a value.
fn complete_records(bytes: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut fields = 0;
    for at in memchr::memchr_iter(0, bytes) {
        fields += 1;
        if fields % 2 == 0 {
            end = at + 1;
        }
    }
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_records_wait_for_their_rest() {
        assert_eq!(complete_records(b"a\x001\0b\x002"), b"a\x001\0");
        assert_eq!(complete_records(b"a\x001\0"), b"a\x001\0");
        assert_eq!(complete_records(b"a\0"), b"");
    }
}
