//! What a child that says nothing is doing: whether it waits for what may never come, or somebody
//! stopped it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::descendants::{self, Process, State};
use super::invocation::Invocation;
use super::precompiling;
use crate::build::context::Context;
use crate::error::Stage;

/// How often the processes of a child that writes nothing are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// After how long this is told.
const NOTICE: Duration = Duration::from_secs(60);
/// Hundredths of a second a second that a process computes which only waits: timers tick, and
/// progress is drawn.
const WAITING: f64 = 2.0;

/// A child that neither wrote nor computed for longer than the plan's `idle_limit`.
#[derive(Debug, Clone)]
pub struct Idle {
    /// "the package `A` (process 123)".
    pub at: String,
    pub limit: f64,
}

/// Watches over one child.
pub struct Quiet<'a> {
    ctx: &'a Context<'a>,
    stage: Stage,
    what: &'a str,
    root: u32,
    /// The last sign of life.
    since: Instant,
    /// When the processes were last looked at, and what they had computed by then.
    looked: Instant,
    computed: Option<u64>,
    told: bool,
    stopped: HashSet<u32>,
}

impl<'a> Quiet<'a> {
    pub fn new(ctx: &'a Context<'a>, invocation: &'a Invocation, root: u32) -> Self {
        Self {
            ctx,
            stage: invocation.stage,
            what: &invocation.what,
            root,
            since: Instant::now(),
            looked: Instant::now(),
            computed: None,
            told: false,
            stopped: HashSet::new(),
        }
    }

    /// The child has written something, or waits for the build and not the build for it.
    pub fn end(&mut self) {
        self.since = Instant::now();
        self.looked = self.since;
        self.computed = None;
        self.told = false;
    }

    /// To be called often; looks at the processes when it is time. Gives what the child waits for when
    /// it has done so for too long.
    pub fn look(&mut self) -> Option<Idle> {
        let elapsed = self.looked.elapsed();
        if elapsed < INTERVAL {
            return None;
        }
        self.looked = Instant::now();
        let tree = descendants::tree(self.root);
        self.tell_stopped(&tree);
        let computed: u64 = tree.iter().map(|process| process.computed).sum();
        let before = self.computed.replace(computed)?;
        // Fewer where a process has ended whose parent was another's.
        let more = computed.saturating_sub(before);
        let at_disk = tree.iter().any(|process| process.state == State::AtDisk);
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        if at_disk || more as f64 > WAITING * elapsed.as_secs_f64() {
            self.since = Instant::now();
            self.told = false;
            return None;
        }
        self.waits(&tree)
    }

    fn waits(&mut self, tree: &[Process]) -> Option<Idle> {
        let quiet = self.since.elapsed();
        let limit = self.ctx.plan.idle_limit;
        let notice = limit.map_or(NOTICE.as_secs_f64(), |limit| {
            NOTICE.as_secs_f64().min(limit / 2.0)
        });
        if quiet.as_secs_f64() < notice {
            return None;
        }
        let at = waiting(tree);
        if !self.told {
            self.told = true;
            let end = limit.map_or(String::new(), |limit| {
                format!("; the build ends after {limit} s of this (`idle_limit`)")
            });
            let text = format!(
                "{}: for {} s nothing was written or computed, the build waits for {at}{end}",
                self.what,
                quiet.as_secs()
            );
            self.ctx.warn(self.stage, text);
        }
        let limit = limit.filter(|limit| quiet.as_secs_f64() >= *limit)?;
        Some(Idle { at, limit })
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

/// What a tree of processes waits for: the packages that are precompiled in it, else the processes that
/// started no other.
fn waiting(tree: &[Process]) -> String {
    let mut packages = Vec::new();
    let mut processes = Vec::new();
    for process in tree {
        let words = descendants::command_line(process.id);
        match words.iter().find_map(|word| precompiling::package(word)) {
            Some(name) => packages.push(format!("the package `{name}` (process {})", process.id)),
            None => {
                let program = words.first().map_or("", |word| last_part(word));
                let is_leaf = !tree.iter().any(|other| other.parent == process.id);
                if is_leaf {
                    processes.push(format!("`{program}` (process {})", process.id));
                }
            }
        }
    }
    let found = if packages.is_empty() {
        processes
    } else {
        packages
    };
    found.join(" and ")
}

fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Julia's own lines about what it waits for, which come after a few seconds: a head, a table, and a
/// sentence (`wait_empty_func` in Julia's src/jl_uv.c). Pkg has a line of its own.
#[derive(Debug, Default)]
pub struct WaitingLines(bool);

impl WaitingLines {
    /// Whether the next `line` is one of them.
    pub fn includes(&mut self, line: &str) -> bool {
        if line.contains("waiting for IO to finish") {
            self.0 = true;
            return true;
        }
        self.0 &= line.starts_with(' ');
        self.0
            || line.starts_with("This means that a package has started a background task")
            || line.contains("Waiting for background task / IO / timer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_julia_are_told_from_others() {
        let mut lines = WaitingLines::default();
        let all = [
            ("before", false),
            ("[pid 7] waiting for IO to finish:", true),
            (" Handle type        uv_handle_t->data", true),
            (" timer              0x1->0x2", true),
            (
                "This means that a package has started a background task or event",
                true,
            ),
            (" after", false),
        ];
        for (line, is_one) in all {
            assert_eq!(lines.includes(line), is_one, "{line}");
        }
    }
}
