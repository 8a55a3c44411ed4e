//! What every stage of a build can reach.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use super::channel::Channel;
use super::event::Event;
use super::timings::Timings;
use super::workspace::Workspace;
use crate::error::{BuildError, Stage};
use crate::identity::cache::Cache;
use crate::identity::stamp::Stamp;
use crate::plan::BuildPlan;
use crate::process::descendants::Marks;
use crate::process::memory::Monitor;
use crate::process::watchdog::Watchdog;

/// The plan, the work folder, and the ways to tell and to be told.
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
    pub channel: &'a Channel,
    pub log: Mutex<File>,
    pub started: Instant,
}

impl Context<'_> {
    pub fn cancelled(&self) -> bool {
        self.channel.cancelled()
    }

    pub fn event(&self, event: Event) {
        self.channel.send(event);
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
        let line = format!("[{:8.2}] {line}\n", self.seconds());
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
