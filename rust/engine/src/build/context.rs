//! What every stage of a build can reach.

use std::ops::Deref;
use std::time::Instant;

use super::event::Event;
use super::timeline::{Running, Timeline};
use super::timings::Timings;
use super::voice::Voice;
use super::workspace::Workspace;
use crate::error::{BuildError, Stage};
use crate::identity::cache::Cache;
use crate::identity::stamp::Stamp;
use crate::plan::BuildPlan;
use crate::process::descendants::Marks;
use crate::process::memory::Monitor;
use crate::process::watchdog::Watchdog;
use crate::report::SpanKind;

/// The plan, the work folder, and the ways to tell and to be told: it speaks with its [`Voice`].
pub struct Context<'a> {
    pub plan: &'a BuildPlan,
    pub workspace: &'a Workspace,
    pub monitor: &'a Monitor,
    pub watchdog: &'a Watchdog,
    pub marks: &'a Marks,
    pub cache: &'a Cache<'a>,
    pub timings: &'a Timings,
    pub timeline: &'a Timeline,
    /// It is the layer below the image that is made.
    pub layer: bool,
    /// What the image is built from; unfinished, as there is no image yet.
    pub stamp: &'a Stamp,
    pub voice: &'a Voice<'a>,
}

impl<'a> Deref for Context<'a> {
    type Target = Voice<'a>;

    fn deref(&self) -> &Voice<'a> {
        self.voice
    }
}

impl<'a> Context<'a> {
    /// This build's context for the layer below its image, with a plan and a folder of its own.
    pub fn for_layer(&self, plan: &'a BuildPlan, workspace: &'a Workspace) -> Self {
        Self {
            plan,
            workspace,
            layer: true,
            ..*self
        }
    }

    /// What is noted as running until the returned value is dropped.
    pub fn running(&self, kind: SpanKind, stage: Stage, what: impl Into<String>) -> Running<'a> {
        self.timeline.begin(kind, stage, what, self.layer)
    }

    /// Runs one stage between its events and gives its seconds.
    pub fn stage<T, E: From<BuildError>>(
        &self,
        stage: Stage,
        what: impl Into<String>,
        seconds: &mut Vec<(Stage, f64)>,
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.cancelled() {
            return Err(BuildError::cancelled(stage).into());
        }
        let what = what.into();
        self.log(&format!("== {}: {what}", stage.name()));
        let running = self.running(SpanKind::Stage, stage, what.as_str());
        self.event(Event::StageStarted {
            stage,
            what,
            expected: self.timings.expected(stage),
        });
        let started = Instant::now();
        let value = run()?;
        drop(running);
        let took = started.elapsed().as_secs_f64();
        seconds.push((stage, took));
        self.event(Event::StageFinished {
            stage,
            seconds: took,
        });
        Ok(value)
    }
}
