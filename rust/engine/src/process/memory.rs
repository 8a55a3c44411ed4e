//! What the children of a build use of the machine's memory, sampled while they run, and how many of
//! them fit.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use sysinfo::System;

use super::cgroup::{self, Limited};
use super::descendants;
use crate::error::Stage;

const INTERVAL: Duration = Duration::from_millis(500);

/// Free memory, in bytes, below which a killed child is thought to have been killed for it.
pub const LOW: u64 = 512 << 20;

#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Most bytes that all children and their descendants held at one moment.
    pub peak: u64,
    /// Fewest bytes that were [`available`] at one moment.
    pub lowest_free: u64,
}

#[derive(Debug)]
struct Shared {
    roots: HashSet<u32>,
    usage: Usage,
    stop: bool,
}

/// Samples on a thread of its own until dropped.
#[derive(Debug)]
pub struct Monitor {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    pub fn start() -> Self {
        let usage = Usage {
            peak: 0,
            lowest_free: u64::MAX,
        };
        let shared = Arc::new((
            Mutex::new(Shared {
                roots: HashSet::new(),
                usage,
                stop: false,
            }),
            Condvar::new(),
        ));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("pcrs-memory".into())
            .spawn(move || sample(&theirs))
            .ok();
        Self { shared, thread }
    }

    pub fn add(&self, child: u32) {
        self.lock().roots.insert(child);
    }

    pub fn remove(&self, child: u32) {
        self.lock().roots.remove(&child);
    }

    pub fn usage(&self) -> Usage {
        self.lock().usage
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.lock().stop = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sample(shared: &(Mutex<Shared>, Condvar)) {
    let (lock, wake) = shared;
    loop {
        let roots = {
            let guard = lock.lock().unwrap_or_else(|e| e.into_inner());
            let (guard, _) = wake
                .wait_timeout_while(guard, INTERVAL, |s| !s.stop)
                .unwrap_or_else(|e| e.into_inner());
            if guard.stop {
                return;
            }
            guard.roots.clone()
        };
        if roots.is_empty() {
            continue;
        }
        let held = descendants::memory(&roots);
        let free = available();
        let mut guard = lock.lock().unwrap_or_else(|e| e.into_inner());
        guard.usage.peak = guard.usage.peak.max(held);
        guard.usage.lowest_free = guard.usage.lowest_free.min(free);
    }
}

/// Heeds affinity and, on Linux, the quota of a container.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many can run at once, as cores allow, and memory where each takes `each` bytes besides
/// `shared` for all.
pub fn fitting(shared: u64, each: u64) -> usize {
    let fed = available().saturating_sub(shared) / each;
    cores().min(usize::try_from(fed).unwrap_or(usize::MAX))
}

/// Bytes that new processes can have: free memory, within the limits of containers and jobs.
pub fn available() -> u64 {
    let system = system();
    let groups = cgroup::of_this_process(system.total_memory());
    groups
        .iter()
        .map(Limited::free)
        .fold(system.available_memory(), u64::min)
}

/// Bytes that a container or job may hold at most, this process included, where that is less than
/// the machine has.
pub fn limit() -> Option<u64> {
    let groups = cgroup::of_this_process(system().total_memory());
    groups.iter().map(|group| group.limit).min()
}

/// What to do where `stage` lacks memory, by itself or by the limit of a container or job.
pub fn advice(stage: Stage) -> String {
    let first = match limit() {
        Some(limit) => format!(
            "raise the limit of {} MiB (`--memory` of a container, `--mem` of Slurm, `MemoryMax` of \
             systemd)",
            limit >> 20
        ),
        None => "give the machine more memory, close other programs".into(),
    };
    match stage {
        Stage::Trace => format!("{first}, or set `trace_jobs=1`"),
        _ => format!("{first}, or set `image_threads=1`"),
    }
}

fn system() -> System {
    let mut system = System::new();
    system.refresh_memory();
    system
}
