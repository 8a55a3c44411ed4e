//! How a build fails: one type, with the stage, the thing, the cause and the next step.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The steps of a build, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Check,
    Base,
    Precompile,
    Trace,
    Statements,
    Image,
    Link,
    Verify,
    Publish,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Check => "check",
            Stage::Base => "base",
            Stage::Precompile => "precompile",
            Stage::Trace => "trace",
            Stage::Statements => "statements",
            Stage::Image => "image",
            Stage::Link => "link",
            Stage::Verify => "verify",
            Stage::Publish => "publish",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Found in the check, before any work was done.
    Input,
    /// Something went wrong on the way.
    Failed,
    /// The build was asked to stop.
    Cancelled,
}

/// A build that did not give an image. Boxed, as every step may return one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildError(Box<Details>);

/// What is known of a failed build; reached through [`BuildError`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub kind: ErrorKind,
    pub stage: Stage,
    /// What failed, in one sentence.
    pub message: String,
    /// Why, as far as is known.
    pub cause: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Where the full log was kept.
    pub log: Option<PathBuf>,
    /// The last lines that the failed process wrote.
    pub output: Vec<String>,
}

impl Deref for BuildError {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for BuildError {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl BuildError {
    pub fn new(kind: ErrorKind, stage: Stage, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            stage,
            message: message.into(),
            cause: None,
            hint: None,
            log: None,
            output: Vec::new(),
        }))
    }

    pub fn failed(stage: Stage, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, stage, message)
    }

    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, Stage::Check, message)
    }

    pub fn cancelled(stage: Stage) -> Self {
        Self::new(ErrorKind::Cancelled, stage, "the build was cancelled")
    }

    pub fn no_thread(stage: Stage, error: &io::Error) -> Self {
        Self::failed(stage, "no thread could be started").because(error.to_string())
    }

    /// An error of the file system, with the path it was about.
    pub fn io(stage: Stage, what: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => Some(
                "free some space, or choose a `sysimage_path` or a `work_dir` on another disk; a build \
                 needs about three times the size of its image",
            ),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose a `sysimage_path` in a folder that you can write to")
            }
            _ => None,
        };
        let mut failed = Self::failed(stage, format!("{what} `{}` failed", path.display()));
        failed.cause = Some(error.to_string());
        failed.hint = hint.map(str::to_string);
        failed
    }

    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.name(), self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}
