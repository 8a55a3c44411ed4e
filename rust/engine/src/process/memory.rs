//! What the children of a build use of the machine's memory, sampled while they run, and how many of
//! them fit.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sysinfo::System;

use super::cgroup::{self, Limited};
use super::descendants;
use crate::build::timeline::in_milliseconds;
use crate::error::Stage;
use crate::report::MemorySample;

const INTERVAL: Duration = Duration::from_millis(500);

/// How many samples are kept: those of a long build lie further apart.
const SAMPLES: usize = 400;

/// Free memory, in bytes, below which a killed child is thought to have been killed for it.
pub const LOW: u64 = 512 << 20;

#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Most bytes that all children and their descendants held at one moment.
    pub peak: u64,
    /// Fewest bytes that were [`available`] at one moment.
    pub lowest_free: u64,
}

/// What was held over time, with a bounded number of samples.
#[derive(Debug)]
struct Curve {
    samples: Vec<MemorySample>,
    /// How many measurements one sample stands for, with the highest of them.
    each: usize,
    /// How many the last one stands for as yet.
    last: usize,
}

impl Curve {
    const fn new() -> Self {
        Self {
            samples: Vec::new(),
            each: 1,
            last: 1,
        }
    }

    fn add(&mut self, sample: MemorySample) {
        if self.last < self.each
            && let Some(last) = self.samples.last_mut()
        {
            self.last += 1;
            *last = higher(*last, sample);
            return;
        }
        if self.samples.len() == SAMPLES {
            let pairs = self.samples.chunks(2);
            self.samples = pairs
                .filter_map(|pair| pair.iter().copied().reduce(higher))
                .collect();
            self.each *= 2;
        }
        self.samples.push(sample);
        self.last = 1;
    }
}

fn higher(a: MemorySample, b: MemorySample) -> MemorySample {
    if b.bytes > a.bytes { b } else { a }
}

#[derive(Debug)]
struct Shared {
    roots: HashSet<u32>,
    usage: Usage,
    curve: Curve,
    stop: bool,
}

/// Samples on a thread of its own until dropped.
#[derive(Debug)]
pub struct Monitor {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// `started`: when the build began.
    pub fn start(started: Instant) -> Self {
        let usage = Usage {
            peak: 0,
            lowest_free: u64::MAX,
        };
        let shared = Arc::new((
            Mutex::new(Shared {
                roots: HashSet::new(),
                usage,
                curve: Curve::new(),
                stop: false,
            }),
            Condvar::new(),
        ));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("pcrs-memory".into())
            .spawn(move || sample(&theirs, started))
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

    /// What all children held together, by time; the highest of them is the peak.
    pub fn samples(&self) -> Vec<MemorySample> {
        self.lock().curve.samples.clone()
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

fn sample(shared: &(Mutex<Shared>, Condvar), started: Instant) {
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
        let mut sample = MemorySample {
            seconds: in_milliseconds(started.elapsed().as_secs_f64()),
            bytes: 0,
        };
        let mut free = u64::MAX;
        if !roots.is_empty() {
            sample.bytes = descendants::memory(&roots);
            free = available();
        }
        let mut guard = lock.lock().unwrap_or_else(|e| e.into_inner());
        guard.usage.peak = guard.usage.peak.max(sample.bytes);
        guard.usage.lowest_free = guard.usage.lowest_free.min(free);
        guard.curve.add(sample);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_build_keeps_few_samples_and_its_peak() {
        let mut curve = Curve::new();
        for i in 0..10_000_u32 {
            let bytes = if i == 7_321 { 99_999 } else { u64::from(i) };
            let seconds = f64::from(i) / 2.0;
            curve.add(MemorySample { seconds, bytes });
        }
        let samples = &curve.samples;
        assert!((SAMPLES / 2..=SAMPLES).contains(&samples.len()));
        assert!(samples.is_sorted_by(|a, b| a.seconds < b.seconds));
        let peak = samples.iter().max_by_key(|sample| sample.bytes).unwrap();
        assert_eq!((peak.seconds, peak.bytes), (3_660.5, 99_999));
        // Each stands for as many, so that none is further from the next than two of that.
        let step = f64::from(u32::try_from(curve.each).unwrap());
        assert!(
            samples
                .windows(2)
                .all(|two| two[1].seconds - two[0].seconds <= step)
        );
        assert_eq!(samples.last().unwrap().bytes, 9_999);
    }

    #[test]
    fn a_short_build_keeps_all() {
        let mut curve = Curve::new();
        for bytes in [3, 0, 7] {
            curve.add(MemorySample {
                seconds: 0.5,
                bytes,
            });
        }
        let bytes: Vec<u64> = curve.samples.iter().map(|sample| sample.bytes).collect();
        assert_eq!(bytes, [3, 0, 7]);
    }
}
