//! What a child that says nothing is doing: whether somebody stopped it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::descendants::{self, Process, State};
use super::invocation::Invocation;
use crate::build::context::Context;
use crate::error::Stage;

/// How often the processes of a child that writes nothing are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches over one child.
pub struct Quiet<'a> {
    ctx: &'a Context<'a>,
    stage: Stage,
    what: &'a str,
    root: u32,
    looked: Instant,
    stopped: HashSet<u32>,
}

impl<'a> Quiet<'a> {
    pub fn new(ctx: &'a Context<'a>, invocation: &'a Invocation, root: u32) -> Self {
        Self {
            ctx,
            stage: invocation.stage,
            what: &invocation.what,
            root,
            looked: Instant::now(),
            stopped: HashSet::new(),
        }
    }

    /// The child has written something.
    pub fn end(&mut self) {
        self.looked = Instant::now();
    }

    /// To be called often; looks at the processes when it is time.
    pub fn look(&mut self) {
        if self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let tree = descendants::tree(self.root);
        self.tell_stopped(&tree);
    }

    fn tell_stopped(&mut self, tree: &[Process]) {
        let stopped = tree.iter().filter(|p| p.state == State::Stopped);
        for Process { id, .. } in stopped {
            if self.stopped.insert(*id) {
                let text = format!(
                    "{}: process {id} was stopped by a signal, and the build waits for it; \
                     `kill -CONT {id}` lets it go on",
                    self.what
                );
                self.ctx.warn(self.stage, text);
            }
        }
        self.stopped.retain(|id| {
            tree.iter()
                .any(|p| p.id == *id && p.state == State::Stopped)
        });
    }
}
