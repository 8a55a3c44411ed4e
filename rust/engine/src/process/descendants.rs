//! The processes of a build: its children and all that descend from them, wherever these went.
//!
//! A descendant can leave its process group and its session (`setsid`), and once its parent ends
//! nothing leads back to us. But it keeps its environment: each child gets a mark there, and all
//! that carry it are ours. Only a process that left its group, lost its parent and cleared its
//! environment escapes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::surroundings::Surroundings;

/// The variable that holds the marks, those of enclosing builds first: a workload may itself build
/// an image.
pub const VARIABLE: &str = "PACKAGECOMPILERRS_BUILD";

/// The variable by which watchdogs, and what they start, are known.
pub const WATCHDOG: &str = "PACKAGECOMPILERRS_WATCHDOG";

/// Hands out the marks of one build.
#[derive(Debug)]
pub struct Marks {
    build: String,
    next: AtomicU32,
}

impl Marks {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = now.map_or(0, |time| time.as_nanos());
        Self {
            // Framed, so that no mark is the beginning of another.
            build: format!("<{:x}-{nanos:x}:", std::process::id()),
            next: AtomicU32::new(0),
        }
    }

    /// What the marks of all children of this build have in common, and no other text has.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// A mark for one more child.
    pub fn next(&self) -> String {
        format!(
            "{}{}>",
            self.build,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Default for Marks {
    fn default() -> Self {
        Self::new()
    }
}

/// The value of [`VARIABLE`] for the child with `mark`.
pub fn variable(surroundings: &Surroundings, mark: &str) -> OsString {
    let mut value = surroundings
        .var(VARIABLE)
        .unwrap_or_default()
        .to_os_string();
    value.push(mark);
    value
}

#[derive(Debug, Clone, Copy)]
pub struct Process {
    pub id: u32,
    pub parent: u32,
    /// Bytes that it holds.
    pub memory: u64,
    /// Hundredths of a second that it and those whose end it awaited have computed.
    pub computed: u64,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Running, or waiting for what may come at any time.
    Alive,
    /// In the midst of reading or writing a disk.
    AtDisk,
    /// By a signal; only another one lets it go on.
    Stopped,
}

/// `root` and all that descend from it, as far as a parent leads back to it.
pub fn tree(root: u32) -> Vec<Process> {
    let mut all = system::processes();
    let ours = descendants(&all, &HashSet::from([root]));
    all.retain(|process| ours.contains(&process.id));
    all
}

/// The words that a process was started with; none where that cannot be known.
pub fn command_line(id: u32) -> Vec<String> {
    system::command_line(id)
}

/// Bytes that `roots` and all that descend from them hold.
pub fn memory(roots: &HashSet<u32>) -> u64 {
    let all = system::processes();
    let ours = descendants(&all, roots);
    all.iter()
        .filter(|process| ours.contains(&process.id))
        .map(|process| process.memory)
        .sum()
}

fn descendants(all: &[Process], roots: &HashSet<u32>) -> HashSet<u32> {
    let mut found = roots.clone();
    loop {
        let before = found.len();
        let more = all
            .iter()
            .filter(|p| found.contains(&p.parent))
            .map(|p| p.id);
        let more: Vec<u32> = more.collect();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Ends what carries `mark` and what descends from `root`, if that runs still, and waits until it
/// is gone: as long as it is not, it writes into folders that are about to be removed.
///
/// The watchdog of a build inside this one is not ended but waited for: it cleans up after its build,
/// whose process ends here.
#[cfg(unix)]
pub fn end(root: Option<u32>, mark: &str) {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
    // A process in the midst of a slow system call ends late, but ends.
    const PATIENCE: u32 = 600;
    let roots: HashSet<u32> = root.into_iter().collect();
    let marker = format!("{WATCHDOG}=");
    // Their parent is gone before they are.
    let mut watchdogs = HashSet::new();
    // Again until none is found: one may just have started another.
    for _ in 0..PATIENCE {
        let all = system::processes();
        let tree = descendants(&all, &roots);
        let mut found = false;
        for process in all {
            let ours = tree.contains(&process.id) || system::carries(process.id, mark);
            if (ours || watchdogs.contains(&process.id)) && system::carries(process.id, &marker) {
                found = true;
                watchdogs.insert(process.id);
            } else if ours {
                found = true;
                if let Ok(id) = libc::pid_t::try_from(process.id) {
                    // SAFETY: kill(2) takes any pid; one that just ended gives ESRCH.
                    unsafe { libc::kill(id, libc::SIGKILL) };
                }
            }
        }
        if !found {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// A job object holds all descendants; it is ended with the child.
#[cfg(not(unix))]
pub fn end(_root: Option<u32>, _mark: &str) {}

/// Read from `/proc` directly: `sysinfo` raises this process's limit of open files when it looks
/// at processes, which is not ours to change, and keeps hundreds of files open.
#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use super::{Process, State};

    /// All processes but zombies.
    pub fn processes() -> Vec<Process> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        // SAFETY: sysconf(3) only reads.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        // SAFETY: as above.
        let ticks = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100);
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|id: u32| {
                let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
                parse(id, &String::from_utf8_lossy(&stat), page, ticks)
            })
            .collect()
    }

    /// proc(5): `id (name) state parent ...`, where the name may hold anything; the fields 14 to 17
    /// are times, and resident pages are the 24th.
    pub(super) fn parse(id: u32, stat: &str, page: u64, ticks: u64) -> Option<Process> {
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let times: Vec<u64> = fields
            .by_ref()
            .skip(9)
            .take(4)
            .map(|time| time.parse().unwrap_or(0))
            .collect();
        let pages: u64 = fields.nth(6)?.parse().ok()?;
        let state = match state {
            "Z" | "X" | "x" => return None,
            "T" => State::Stopped,
            "D" => State::AtDisk,
            _ => State::Alive,
        };
        Some(Process {
            id,
            parent,
            memory: pages * page,
            computed: times.iter().sum::<u64>() * 100 / ticks.max(1),
            state,
        })
    }

    pub fn command_line(id: u32) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0);
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .filter(|word| !word.is_empty())
            .collect()
    }

    pub fn carries(id: u32, mark: &str) -> bool {
        // Those of other users cannot be read, and are not ours.
        fs::read(format!("/proc/{id}/environ"))
            .is_ok_and(|bytes| memchr::memmem::find(&bytes, mark.as_bytes()).is_some())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

    use super::{Process, State};

    pub fn processes() -> Vec<Process> {
        let mut system = System::new();
        system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().with_memory().with_cpu(),
        );
        system
            .processes()
            .values()
            .filter(|process| process.status() != ProcessStatus::Zombie)
            .map(|process| Process {
                id: process.pid().as_u32(),
                parent: process.parent().map_or(0, Pid::as_u32),
                memory: process.memory(),
                computed: process.accumulated_cpu_time() / 10,
                state: match process.status() {
                    ProcessStatus::Stop => State::Stopped,
                    ProcessStatus::UninterruptibleDiskSleep => State::AtDisk,
                    _ => State::Alive,
                },
            })
            .collect()
    }

    pub fn command_line(id: u32) -> Vec<String> {
        let id = Pid::from_u32(id);
        let mut system = System::new();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[id]),
            true,
            ProcessRefreshKind::nothing().with_cmd(sysinfo::UpdateKind::Always),
        );
        let words = system.process(id).map(|process| process.cmd().to_vec());
        words
            .unwrap_or_default()
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[cfg(unix)]
    pub fn carries(id: u32, mark: &str) -> bool {
        let id = Pid::from_u32(id);
        let mut system = System::new();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[id]),
            true,
            ProcessRefreshKind::nothing().with_environ(sysinfo::UpdateKind::Always),
        );
        system.process(id).is_some_and(|process| {
            let mut variables = process.environ().iter();
            variables.any(|variable| variable.to_string_lossy().contains(mark))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mark_is_part_of_another() {
        let marks = Marks::new();
        let first = marks.next();
        for _ in 0..30 {
            let other = marks.next();
            assert!(!other.contains(&first) && other.starts_with(marks.build()));
        }
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let process = |id, parent| Process {
            id,
            parent,
            memory: 1,
            computed: 0,
            state: State::Alive,
        };
        let all = [process(5, 4), process(4, 3), process(3, 1), process(9, 1)];
        let found = descendants(&all, &HashSet::from([3]));
        assert_eq!(found, HashSet::from([3, 4, 5]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known_and_its_limits_stay() {
        let limit = || {
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: getrlimit(2) writes to the struct.
            unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
            limit.rlim_cur
        };
        let before = limit();
        let held = memory(&HashSet::from([std::process::id()]));
        assert!(held > 1 << 20, "{held}");
        assert_eq!(limit(), before);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_with_parentheses_is_no_hurdle() {
        let numbers = (5..40).map(|i| i.to_string()).collect::<Vec<_>>().join(" ");
        let parsed = system::parse(7, &format!("7 (a) b) R 3 {numbers}"), 10, 100).unwrap();
        assert_eq!((parsed.parent, parsed.memory), (3, 240));
        assert_eq!(parsed.computed, 14 + 15 + 16 + 17);
        assert_eq!(parsed.state, State::Alive);
        assert!(system::parse(7, &format!("7 (a) Z 3 {numbers}"), 10, 100).is_none());
        let stopped = system::parse(7, &format!("7 (a) T 3 {numbers}"), 10, 100).unwrap();
        assert_eq!(stopped.state, State::Stopped);
    }
}
