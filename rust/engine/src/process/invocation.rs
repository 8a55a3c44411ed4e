//! A command with all that it needs.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::Stage;
use crate::surroundings::Surroundings;

/// A command with everything it needs, printable for `dry_run`.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub stage: Stage,
    /// What it does, for messages: "tracing `workload.jl`".
    pub what: String,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Variables set, or removed (`None`), on top of what it inherits.
    pub env: Vec<(OsString, Option<OsString>)>,
    pub cwd: Option<PathBuf>,
    /// Whether the output is for the user's terminal too.
    pub show: bool,
    /// Whether a Julia is traced in it, so that those that it starts are to be counted.
    pub traced: bool,
    /// Whether it precompiles packages, whose names are for the user.
    pub precompiles: bool,
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
            traced: false,
            precompiles: false,
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

    /// What is started; it inherits `surroundings`, and nothing of this process's own.
    pub fn command(&self, surroundings: &Surroundings) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(surroundings.environment.iter().map(|(n, v)| (n, v)))
            .current_dir(self.cwd.as_ref().unwrap_or(&surroundings.folder))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
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
