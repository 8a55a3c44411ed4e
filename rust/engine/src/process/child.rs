//! Runs one child process of a build: its output becomes events and log, its memory is sampled,
//! and when the build ends, for whatever reason, so does it with all its descendants.

use std::io::Read;
use std::ops::ControlFlow;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use process_wrap::std::{ChildWrapper, CommandWrap};

use super::invocation::Invocation;
use super::last_words::LastWords;
use super::quiet::{Idle, Quiet, WaitingLines};
use super::status::{code, is_illegal_instruction, signal, signal_name};
use super::untraced::{self, Untraced};
use super::{descendants, lines, memory, precompiling};
use crate::build::context::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::full_disk;
use crate::plan::BuildPlan;
use crate::report::SpanKind;

/// How often cancelling, the journal and the child's end are looked at.
const TICK: Duration = Duration::from_millis(40);
/// How long descendants that outlive the child may still write.
const LINGER: Duration = Duration::from_millis(500);
/// How long output is read after the child's end: what it wrote is waited for, but not a
/// descendant that escaped and goes on.
const READ_ON: Duration = Duration::from_secs(10);
/// Lines read ahead of being handled: a child that writes faster than that has to wait.
const AHEAD: usize = 1000;

/// What names the folder for temporary files: a child that is killed cannot remove its own.
const TEMPORARY: &[&str] = if cfg!(windows) {
    &["TMP", "TEMP"]
} else {
    &["TMPDIR"]
};

/// What the watching closure of [`run`] wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// As [`GoOn`](Verdict::GoOn); the child waits for the build, so that its silence is none.
    Expected,
    /// End the child: it does not come to an end by itself.
    Kill,
}

/// A child that has ended, well or not.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub seconds: f64,
    /// Why it failed, if it did.
    pub words: LastWords,
    /// How many lines it wrote.
    pub lines: usize,
    /// Julias that it started and that were not traced, where it is [`traced`](Invocation::traced).
    pub untraced: Untraced,
    /// It told of a full disk.
    pub lacked_space: bool,
    /// Ended by the watching closure, or for being idle.
    pub killed: bool,
    /// Ended as it neither wrote nor computed anything.
    pub idle: Option<Idle>,
}

/// What Julia says of an image without code for a CPU (src/processor.cpp and processor_x86.cpp, 1.5 to
/// 1.12).
const NO_CODE_FOR_CPU: [&str; 2] = [
    "Unable to find compatible target",
    "Your CPU does not support",
];

impl Ended {
    pub fn success(&self) -> bool {
        self.status.success() && !self.killed
    }

    /// Its image had no code for the CPU that it was to start on.
    pub fn found_no_code(&self) -> bool {
        self.words.tell_of(&NO_CODE_FOR_CPU)
    }

    /// Ended by an instruction that the CPU does not have.
    pub fn met_unknown_code(&self) -> bool {
        is_illegal_instruction(self.status)
    }

    /// Ended by a signal of its own making.
    pub fn crashed(&self) -> bool {
        !self.killed && signal(self.status).is_some_and(|number| number != 9)
    }

    /// Ended by SIGKILL that was not ours: the kernel's, most likely, for want of memory.
    pub fn was_killed_from_outside(&self) -> bool {
        !self.killed && signal(self.status) == Some(9)
    }
}

enum Message {
    Line(String),
    Eof,
}

/// Runs `invocation` to its end. `watch` is called every few hundredths of a second.
///
/// # Errors
/// When the child cannot be started or the build is cancelled; a child that fails is an [`Ended`].
pub fn run(
    ctx: &Context<'_>,
    invocation: &Invocation,
    watch: &mut dyn FnMut() -> Verdict,
) -> Result<Ended, BuildError> {
    let stage = invocation.stage;
    if ctx.cancelled() {
        return Err(BuildError::cancelled(stage));
    }
    ctx.log(&format!("$ {}", invocation.display()));
    let started = Instant::now();
    let mut running = ctx.running(SpanKind::Process, stage, invocation.what.as_str());
    let mut child = Guarded::spawn(ctx, invocation)?;
    let (sender, lines) = mpsc::sync_channel(AHEAD);
    let mut open = 0;
    if let Some(stdout) = child.inner.stdout().take() {
        open += read_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.inner.stderr().take() {
        open += read_lines(stderr, sender);
    }

    let mut words = LastWords::default();
    let mut written = 0;
    let mut killed = false;
    let mut lacked_space = false;
    let mut last_look = Instant::now();
    let mut pause = Duration::from_millis(1);
    let mut exited: Option<(ExitStatus, Instant)> = None;
    let mut alone = false;
    let mut quiet = Quiet::new(ctx, invocation, child.id);
    let mut untraced = invocation
        .traced
        .then(|| untraced::Watch::new(&invocation.program, child.id));
    let mut precompiling = invocation
        .precompiles
        .then(|| precompiling::Watch::new(ctx, stage, child.id));
    let mut idle = None;
    let mut waiting = WaitingLines::default();
    let status = loop {
        let mut silent = false;
        match lines.recv_timeout(TICK) {
            Ok(Message::Line(line)) => {
                quiet.end();
                ctx.output(
                    stage,
                    &format!("{}{line}", invocation.prefix),
                    invocation.show | waiting.includes(&line),
                );
                lacked_space |= full_disk::is_told_by(&line);
                written += 1;
                words.take(line);
                // A child that never pauses must not keep us from looking up.
                if last_look.elapsed() < TICK {
                    continue;
                }
            }
            Ok(Message::Eof) => open -= 1,
            Err(RecvTimeoutError::Timeout) => silent = true,
            Err(RecvTimeoutError::Disconnected) => open = 0,
        }
        last_look = Instant::now();
        if ctx.cancelled() {
            child.kill_tree();
            return Err(BuildError::cancelled(stage));
        }
        if !killed && exited.is_none() {
            let verdict = watch();
            running.waits(verdict == Verdict::Expected);
            match verdict {
                Verdict::Kill => killed = true,
                Verdict::Expected => quiet.end(),
                Verdict::GoOn => idle = quiet.look(),
            }
            killed |= idle.is_some();
            if killed {
                child.kill_tree();
            }
        }
        if exited.is_none() {
            untraced.iter_mut().for_each(untraced::Watch::look);
            precompiling.iter_mut().for_each(precompiling::Watch::look);
            exited = child.try_wait(stage)?.map(|s| (s, Instant::now()));
        }
        match exited {
            Some((status, _)) if open == 0 => break status,
            Some((status, since)) => {
                let elapsed = since.elapsed();
                if elapsed > LINGER && !alone {
                    // Once they are gone the output comes to its end.
                    child.end_descendants();
                    alone = true;
                } else if alone && (silent && elapsed > 2 * LINGER || elapsed > READ_ON) {
                    break status;
                }
            }
            None if open == 0 => {
                // Gone or about to go, most likely; but it may have closed its output itself.
                std::thread::sleep(pause);
                pause = TICK.min(2 * pause);
            }
            None => {}
        }
    };
    watch();
    // A file that it could not write may be there, and shorter than it should be.
    if lacked_space && ctx.cache.distrust_this_build() && status.success() && !killed {
        ctx.warn(
            stage,
            format!(
                "a disk was full while {}, and what it wrote may not be whole: nothing of this \
                 build is kept in the cache, and the next one does it again",
                invocation.what
            ),
        );
    }
    Ok(Ended {
        status,
        seconds: started.elapsed().as_secs_f64(),
        words,
        lines: written,
        untraced: untraced.map_or_else(Untraced::default, |watch| watch.seen()),
        lacked_space,
        killed,
        idle,
    })
}

/// Runs `invocation` and turns a failure into an error with the child's own words.
///
/// # Errors
/// As [`run`], and when the child fails.
pub fn run_ok(ctx: &Context<'_>, invocation: &Invocation) -> Result<Ended, BuildError> {
    let ended = run(ctx, invocation, &mut || Verdict::GoOn)?;
    if ended.success() {
        Ok(ended)
    } else {
        Err(failure(ctx, invocation, &ended))
    }
}

/// The error for a child that ended badly.
pub fn failure(ctx: &Context<'_>, invocation: &Invocation, ended: &Ended) -> BuildError {
    let mut error = BuildError::new(
        ErrorKind::Failed,
        invocation.stage,
        format!("{} failed", invocation.what),
    );
    let lowest = ctx.monitor.usage().lowest_free;
    let low = lowest < memory::LOW;
    let words = &ended.words;
    let (cause, hint) = match (signal(ended.status), words.error()) {
        (Some(9), _) if !ended.killed => (
            killed_for_memory(memory::limit(), lowest),
            Some(memory::advice(invocation.stage)),
        ),
        (Some(number), error) => {
            let mut cause = format!("it was killed by {}", signal_name(number));
            if let Some(error) = error {
                cause = format!("{cause} after `{error}`");
            } else if let Some(place) = &words.crashed_at {
                cause = format!("{cause} in what begins at {place}");
            } else if let Some(last) = words.last() {
                cause = format!("{cause} after `{last}`");
            }
            (cause, None)
        }
        (None, Some(error)) => (error, None),
        (None, None) => {
            let code = code(ended.status);
            let cause = match words.last() {
                Some(last) => format!("it exited with {code}; its last line of output is `{last}`"),
                None => format!("it gave no reason and exited with {code}"),
            };
            let hint = || memory::advice(invocation.stage);
            (
                cause,
                low.then(hint)
                    .map(|hint| format!("memory was short; {hint}")),
            )
        }
    };
    error.cause = Some(cause);
    error.hint = hint.or_else(|| help(invocation, words));
    if let Some(Idle { at, limit }) = &ended.idle {
        error.cause = Some(format!(
            "for {limit} s it neither wrote nor computed anything; it waited for {at}"
        ));
        let what = match invocation.stage {
            Stage::Trace => "the workload waits for something that does not come, or never ends",
            _ => {
                "a timer, task or server that a package starts at its top level keeps Julia waiting: \
                 start it in `__init__`"
            }
        };
        error.hint = Some(format!(
            "{what}; where the silence is wanted, give a larger `idle_limit`, or `Inf`"
        ));
    } else if invocation.stage != Stage::Verify && ended.found_no_code() {
        error.hint = Some(no_code_for(ctx.plan, &words.targets));
    }
    if ended.lacked_space {
        full_disk::blame(&mut error, ctx.plan.work_dir());
    }
    error.output = words.tail.iter().cloned().collect();
    error
}

/// The cause of a SIGKILL that was not the build's, where a container or job has `limit` bytes and
/// `lowest` were free at least; `u64::MAX` where the child did not live long enough to tell.
fn killed_for_memory(limit: Option<u64>, lowest: u64) -> String {
    let mut cause = String::from("it was killed by SIGKILL: out of memory?");
    if let Some(limit) = limit {
        cause += &format!(
            " All processes of this container or job share a limit of {} MiB (cgroup)",
            limit >> 20
        );
    }
    if lowest < u64::MAX {
        let stop = if limit.is_some() { "." } else { "" };
        cause += &format!("{stop} The least free memory seen was {} MiB", lowest >> 20);
    }
    cause
}

/// What to do where the base image, which has code for `targets` alone (if it said so), cannot start
/// for the plan's.
fn no_code_for(plan: &BuildPlan, targets: &[String]) -> String {
    let wanted = &plan.cpu_target;
    let has = match targets {
        [] => "the base image has no code".into(),
        _ => format!(
            "the base image has code for {} alone, and none",
            targets.join(", ")
        ),
    };
    if wanted == "native" {
        return format!(
            "{has} that this machine, a {}, can run: build the base anew here",
            plan.julia.cpu
        );
    }
    format!(
        "{has} that `cpu_target=\"{wanted}\"` may start with: use \"native\", or \
         `incremental=false`, which makes a base for that target"
    )
}

/// How Julia fails that read from an input which is empty.
const NO_INPUT: [&str; 3] = [
    "EOFError: read end of file",
    "ArgumentError: input string is empty",
    "ArgumentError: cannot parse \"\" as",
];

/// What the child's words let one try.
fn help(invocation: &Invocation, words: &LastWords) -> Option<String> {
    if words.tell_of(&["out of memory", "OutOfMemoryError"]) {
        return Some(memory::advice(invocation.stage));
    }
    let runs_workload = matches!(invocation.stage, Stage::Trace | Stage::Verify);
    (runs_workload && words.tell_of(&NO_INPUT)).then_some(
        "workloads have no input: `readline()` gives an empty string, and reading ends at once; write \
         into the workload what a user would type"
            .into(),
    )
}

fn read_lines(source: impl Read + Send + 'static, sender: SyncSender<Message>) -> usize {
    let spawned = std::thread::Builder::new()
        .name("pcrs-output".into())
        .spawn(move || {
            lines::each(source, |line| match sender.send(Message::Line(line)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            let _ = sender.send(Message::Eof);
        });
    usize::from(spawned.is_ok())
}

/// A child under watch; dropping it ends whatever still runs of it.
struct Guarded<'a> {
    inner: Box<dyn ChildWrapper>,
    ctx: &'a Context<'a>,
    id: u32,
    /// What its descendants are known by.
    mark: String,
    /// Waited for: its number may be another process's by now.
    ended: bool,
}

impl<'a> Guarded<'a> {
    fn spawn(ctx: &'a Context<'a>, invocation: &Invocation) -> Result<Self, BuildError> {
        let mark = ctx.marks.next();
        let surroundings = &ctx.plan.surroundings;
        let mut command = invocation.command(surroundings);
        let variable = descendants::variable(surroundings, &mark);
        command.env(descendants::VARIABLE, variable);
        for name in TEMPORARY {
            command.env(name, ctx.workspace.temporary());
        }
        let inner = contained(command).spawn().map_err(|e| {
            let program = invocation.program.display();
            BuildError::failed(invocation.stage, format!("`{program}` cannot be started"))
                .because(e.to_string())
        })?;
        let id = inner.id();
        ctx.watchdog.add(id);
        ctx.monitor.add(id);
        Ok(Self {
            inner,
            ctx,
            id,
            mark,
            ended: false,
        })
    }

    fn try_wait(&mut self, stage: Stage) -> Result<Option<ExitStatus>, BuildError> {
        let status = self.inner.try_wait().map_err(|e| {
            BuildError::failed(stage, "waiting for a child failed").because(e.to_string())
        })?;
        self.ended = status.is_some();
        Ok(status)
    }

    /// Ends the child and its descendants.
    fn kill_tree(&mut self) {
        if !self.ended {
            descendants::end(Some(self.id), &self.mark);
        }
        self.end_descendants();
    }

    /// Ends the child's process group, which is the child too where it still runs, and what left
    /// the group.
    fn end_descendants(&mut self) {
        end_group(self.inner.as_mut());
        self.ended = true;
        descendants::end(None, &self.mark);
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        // Also after a good end: what a script left running must not outlive the build.
        self.kill_tree();
        self.ctx.watchdog.remove(self.id);
        self.ctx.monitor.remove(self.id);
    }
}

/// Linux: the kernel ends the child when the thread that started it does. Children are started and
/// awaited by one thread, so that this means the end of the process.
#[cfg(target_os = "linux")]
fn die_with_parent(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    let parent = libc::pid_t::try_from(std::process::id());
    // SAFETY: prctl(2) and getppid(2) are async-signal-safe, and no error here allocates.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // It may have ended before.
            if parent != Ok(libc::getppid()) {
                return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    };
    command
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(command: Command) -> Command {
    command
}

#[cfg(unix)]
fn end_group(child: &mut dyn ChildWrapper) {
    let _ = child.start_kill();
    let _ = child.wait();
}

#[cfg(windows)]
use super::job::end as end_group;

/// A child that can be ended with what it starts, and ends with this process.
pub(super) fn contained(command: Command) -> CommandWrap {
    let mut wrapped = CommandWrap::from(die_with_parent(command));
    #[cfg(unix)]
    // No terminal: a prompt for a password is an error at once, and not a process that the
    // terminal stops for ever. The session's first process group is the child's, too.
    wrapped.wrap(process_wrap::std::ProcessSession);
    #[cfg(windows)]
    wrapped
        .wrap(super::job::InJob)
        .wrap(process_wrap::std::JobObject);
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted() {
        let mut invocation = Invocation::new(Stage::Image, "", "/bin/echo");
        invocation.arg("a b'c").option("project", "/x/$d");
        assert_eq!(
            invocation.display(),
            r"/bin/echo 'a b'\''c' '--project=/x/$d'"
        );
    }

    // On macOS it is the watchdog that ends them.
    #[cfg(any(target_os = "linux", windows))]
    #[expect(clippy::disallowed_methods, reason = "of a process of this test")]
    #[test]
    fn a_child_ends_with_a_process_that_is_killed() {
        use std::io::{BufRead, BufReader};
        use std::process::Stdio;
        const ROLE: &str = "PCRS_TEST_ROLE";
        // This test in a process of its own, in which it does what `role` says.
        let this_test = |role: &str| {
            let test = std::thread::current().name().unwrap().to_string();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", &test, "--nocapture"]);
            command.env(ROLE, role);
            command
        };
        match std::env::var(ROLE).as_deref() {
            Ok("session") => {
                let mut child = contained(this_test("child")).spawn().unwrap();
                child.wait().unwrap();
                return;
            }
            Ok(_) => {
                println!("\nchild runs");
                std::io::stdin().lines().for_each(drop);
                return;
            }
            Err(_) => {}
        }
        let mut session = this_test("session")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What keeps the child alive.
        let input = session.stdin.take();
        let lines = BufReader::new(session.stdout.take().unwrap()).lines();
        let (told, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line == "child runs" {
                    told.send(()).unwrap();
                }
            }
            // Nobody is left to write.
            told.send(())
        });
        let limit = Duration::from_secs(60);
        ended.recv_timeout(limit).expect("the child begins");
        session.kill().unwrap();
        session.wait().unwrap();
        let outlived = ended.recv_timeout(limit);
        drop(input);
        outlived.expect("the child ends");
    }
}
