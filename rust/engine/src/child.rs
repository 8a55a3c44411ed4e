//! Runs one child process of a build: its output becomes events and log, its memory is sampled,
//! and when the build ends, for whatever reason, so does it with all its descendants.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use process_wrap::std::{ChildWrapper, CommandWrap};

use crate::build::Context;
use crate::error::{BuildError, ErrorKind, Stage};
use crate::memory;

/// How often cancelling, the journal and the child's end are looked at.
const TICK: Duration = Duration::from_millis(40);
/// How long output is awaited from descendants that outlive the child.
const LINGER: Duration = Duration::from_millis(500);
/// Lines of output kept for an error.
const TAIL: usize = 30;

/// A command with everything it needs, printable for `dry_run`.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub stage: Stage,
    /// What it does, for messages: "tracing `workload.jl`".
    pub what: String,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Variables set, or removed (`None`), on top of this process's environment.
    pub env: Vec<(OsString, Option<OsString>)>,
    pub cwd: Option<PathBuf>,
    /// Whether the output is for the user's terminal too.
    pub show: bool,
    /// Put before each line of output, to tell parallel scripts apart.
    pub prefix: String,
}

impl Invocation {
    pub fn new(stage: Stage, what: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            stage,
            what: what.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            show: false,
            prefix: String::new(),
        }
    }

    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    pub fn args<A: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// `--name=value`, whatever bytes the value has.
    pub fn option(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        let mut arg = OsString::from(format!("--{name}="));
        arg.push(value);
        self.args.push(arg);
        self
    }

    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.env
            .push((name.into(), Some(value.as_ref().to_os_string())));
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.env.push((name.into(), None));
        self
    }

    /// The command line, quoted for a POSIX shell.
    pub fn display(&self) -> String {
        std::iter::once(self.program.as_os_str())
            .chain(self.args.iter().map(OsString::as_os_str))
            .map(|word| quote(&word.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// What the watching closure of [`run`] wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// End the child: it does not come to an end by itself.
    Kill,
}

/// A child that has ended, well or not.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub seconds: f64,
    /// The last lines of output.
    pub tail: Vec<String>,
    /// The last line that names an error; a stack trace below it may be longer than the tail.
    pub error_line: Option<String>,
    /// Ended by the watching closure.
    pub killed: bool,
}

impl Ended {
    pub fn success(&self) -> bool {
        self.status.success() && !self.killed
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
    let mut child = Guarded::spawn(ctx, invocation)?;
    let (sender, lines) = mpsc::channel();
    let mut open = 0;
    if let Some(stdout) = child.inner.stdout().take() {
        open += read_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.inner.stderr().take() {
        open += read_lines(stderr, sender);
    }

    let mut tail = VecDeque::with_capacity(TAIL);
    let mut error_line = None;
    let mut killed = false;
    let mut last_look = Instant::now();
    let mut exited: Option<(ExitStatus, Instant)> = None;
    let status = loop {
        match lines.recv_timeout(TICK) {
            Ok(Message::Line(line)) => {
                ctx.output(
                    stage,
                    &format!("{}{line}", invocation.prefix),
                    invocation.show,
                );
                if names_an_error(&line) {
                    error_line = Some(line.clone());
                }
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
                // A child that never pauses must not keep us from looking up.
                if last_look.elapsed() < TICK {
                    continue;
                }
            }
            Ok(Message::Eof) => open -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = 0,
        }
        last_look = Instant::now();
        if ctx.cancelled() {
            child.kill_tree();
            return Err(BuildError::cancelled(stage));
        }
        if !killed && exited.is_none() && watch() == Verdict::Kill {
            killed = true;
            child.kill_tree();
        }
        match exited {
            Some((status, since)) if open == 0 || since.elapsed() > LINGER => break status,
            Some(_) => {}
            None if open == 0 => {
                // Both ends are closed: the child is gone or about to go.
                if let Some(status) = child.try_wait(stage)? {
                    break status;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            None => exited = child.try_wait(stage)?.map(|s| (s, Instant::now())),
        }
    };
    watch();
    Ok(Ended {
        status,
        seconds: started.elapsed().as_secs_f64(),
        tail: tail.into(),
        error_line,
        killed,
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
    let (cause, hint) = match (signal(ended.status), own_words(ended)) {
        (Some(9), _) if !ended.killed => (
            format!(
                "it was killed by SIGKILL: out of memory? The least free memory seen was {}",
                mebibytes(lowest)
            ),
            Some(
                "give the machine or container more memory, close other programs, or set \
                 `image_threads=1`",
            ),
        ),
        (Some(number), words) => {
            let mut cause = format!("it was killed by {}", signal_name(number));
            if let Some(words) = words {
                cause = format!("{cause} after `{words}`");
            }
            (cause, None)
        }
        (None, Some(words)) => (words, None),
        (None, None) => (
            format!(
                "it gave no reason and exited with code {}",
                ended.status.code().unwrap_or(-1)
            ),
            low.then_some("memory was short; close other programs or set `image_threads=1`"),
        ),
    };
    error.cause = Some(cause);
    error.hint = hint.map(str::to_string);
    if ended
        .tail
        .iter()
        .any(|line| line.contains("No space left on device"))
    {
        error.cause = Some("no space is left on the disk".into());
        error.hint = Some(format!(
            "free some space on the disk of `{}` and of the temporary folder; a build needs about \
             three times the size of its image",
            ctx.plan.target_dir().display()
        ));
    }
    error.output.clone_from(&ended.tail);
    error
}

/// What the child itself gives as its error: the last line that names one, else its last.
fn own_words(ended: &Ended) -> Option<String> {
    ended
        .error_line
        .as_ref()
        .or_else(|| ended.tail.iter().rev().find(|line| !line.trim().is_empty()))
        .map(|line| line.trim().trim_start_matches("ERROR: ").to_string())
}

fn names_an_error(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("ERROR:") || line.starts_with("error:") || line.contains("fatal error")
}

fn mebibytes(bytes: u64) -> String {
    if bytes == u64::MAX {
        "not measured".into()
    } else {
        format!("{} MiB", bytes >> 20)
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL (an instruction that this CPU lacks? see `cpu_target`)",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    name.to_string()
}

fn read_lines(source: impl Read + Send + 'static, sender: Sender<Message>) -> usize {
    let spawned = std::thread::Builder::new()
        .name("pcrs-output".into())
        .spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while source
                .read_until(b'\n', &mut line)
                .is_ok_and(|bytes| bytes > 0)
            {
                while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                    line.pop();
                }
                // Of a line that a progress bar drew over and over, the last state counts.
                let start = line.iter().rposition(|b| *b == b'\r').map_or(0, |i| i + 1);
                let text = String::from_utf8_lossy(&line[start..]).into_owned();
                if sender.send(Message::Line(text)).is_err() {
                    return;
                }
                line.clear();
            }
            let _ = sender.send(Message::Eof);
        });
    usize::from(spawned.is_ok())
}

/// A child under watch; dropping it ends whatever still runs of it.
struct Guarded<'a> {
    inner: Box<dyn ChildWrapper>,
    ctx: &'a Context<'a>,
    id: u32,
}

impl<'a> Guarded<'a> {
    fn spawn(ctx: &'a Context<'a>, invocation: &Invocation) -> Result<Self, BuildError> {
        let mut wrapped = CommandWrap::from(die_with_parent(invocation.command()));
        #[cfg(unix)]
        wrapped.wrap(process_wrap::std::ProcessGroup::leader());
        #[cfg(windows)]
        wrapped.wrap(process_wrap::std::JobObject);
        let inner = wrapped.spawn().map_err(|e| {
            let program = invocation.program.display();
            BuildError::failed(invocation.stage, format!("`{program}` cannot be started"))
                .because(e.to_string())
        })?;
        let id = inner.id();
        ctx.watchdog.add(id);
        ctx.monitor.add(id);
        Ok(Self { inner, ctx, id })
    }

    fn try_wait(&mut self, stage: Stage) -> Result<Option<ExitStatus>, BuildError> {
        self.inner.try_wait().map_err(|e| {
            BuildError::failed(stage, "waiting for a child failed").because(e.to_string())
        })
    }

    /// Ends the child, its process group, and descendants that left the group.
    fn kill_tree(&mut self) {
        #[cfg(unix)]
        for pid in memory::tree(self.id) {
            if let Ok(pid) = libc::pid_t::try_from(pid) {
                // SAFETY: kill(2) takes any pid; one that just ended gives ESRCH.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
        let _ = self.inner.start_kill();
        let _ = self.inner.wait();
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        // Also after a good end: what a script left running must not outlive the build.
        let _ = self.inner.start_kill();
        let _ = self.inner.wait();
        self.ctx.watchdog.remove(self.id);
        self.ctx.monitor.remove(self.id);
    }
}

/// Linux: the kernel ends the child when the thread that started it does. Children are started and
/// awaited by one thread, so that this means the end of the process.
#[cfg(target_os = "linux")]
fn die_with_parent(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl(2) is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        })
    };
    command
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(command: Command) -> Command {
    command
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

    #[test]
    fn errors_are_told_from_other_lines() {
        assert!(names_an_error("ERROR: LoadError: no"));
        assert!(names_an_error("ld: fatal error: cannot open"));
        assert!(!names_an_error(" [1] error(s::String) at ./error.jl:33"));
    }
}
