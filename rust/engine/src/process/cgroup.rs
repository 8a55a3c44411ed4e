//! Limits of memory that Linux sets to a group of processes (control groups): a container, a job of
//! Slurm, `systemd-run -p MemoryMax=`.

use std::path::{Component, Path, PathBuf};

/// Where the groups of a process are told, and where they are mounted on every Linux of today.
const OF_THIS_PROCESS: &str = "/proc/self/cgroup";
const MOUNTED: &str = "/sys/fs/cgroup";

/// A group with a limit, and what it holds. Both are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    pub limit: u64,
    /// Without cached files, which make room when it is wanted.
    pub used: u64,
}

impl Limited {
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The files that tell of a group, which differ between the two versions of control groups.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The keys of cached files in `memory.stat`, descendants included.
    cached: [&'static str; 2],
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: ["total_inactive_file", "total_active_file"],
};
const V2: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    cached: ["inactive_file", "active_file"],
};

/// The groups that limit this process to less than `machine` bytes; none on other systems.
pub fn of_this_process(machine: u64) -> Vec<Limited> {
    match std::fs::read_to_string(OF_THIS_PROCESS) {
        Ok(groups) => limits(&groups, Path::new(MOUNTED), machine),
        Err(_) => Vec::new(),
    }
}

/// The limits below `machine` bytes of the process with these `groups` (the text of
/// `/proc/PID/cgroup`): each group's from its own up to `root`, where groups are mounted. More than
/// the machine has is no limit: the first version writes 8 EiB for none.
fn limits(groups: &str, root: &Path, machine: u64) -> Vec<Limited> {
    let Some((files, top, group)) = of_memory(groups, root) else {
        return Vec::new();
    };
    // A container sees its own group as `top`, and may be told the path that the host knows.
    let mut below = PathBuf::new();
    let mut found = Vec::new();
    let mut look = |folder: &Path| found.extend(read(&files, folder, machine));
    look(&top);
    for part in group.components() {
        if let Component::Normal(name) = part {
            below.push(name);
            look(&top.join(&below));
        }
    }
    found
}

/// The version that manages memory, where its groups are, and the path of the process's from there.
fn of_memory<'a>(groups: &'a str, root: &Path) -> Option<(Files, PathBuf, &'a Path)> {
    let mut unified = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers.split(',').any(|name| name == "memory") {
            return Some((V1, root.join("memory"), Path::new(path)));
        }
        if controllers.is_empty() {
            unified = Some((V2, root.to_path_buf(), Path::new(path)));
        }
    }
    unified
}

fn read(files: &Files, folder: &Path, machine: u64) -> Option<Limited> {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    // "max" is no number.
    let limit: u64 = text(files.limit)?.trim().parse().ok()?;
    if limit >= machine {
        return None;
    }
    let held: u64 = text(files.used)
        .and_then(|used| used.trim().parse().ok())
        .unwrap_or(0);
    let stat = text("memory.stat").unwrap_or_default();
    let cached = files.cached.map(|key| value(&stat, key));
    let used = held.saturating_sub(cached.iter().sum());
    Some(Limited { limit, used })
}

/// The number behind `key` in lines of `key number`; 0 where there is none.
fn value(stat: &str, key: &str) -> u64 {
    let mut rows = stat.lines().filter_map(|line| line.split_once(' '));
    rows.find(|(name, _)| *name == key)
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MACHINE: u64 = 16 << 30;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = tree.0.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            tree
        }

        fn limits(&self, groups: &str) -> Vec<(u64, u64)> {
            let found = limits(groups, self.0.path(), MACHINE);
            let of = |limited: &Limited| (limited.limit / MIB, limited.used / MIB);
            found.iter().map(of).collect()
        }
    }

    #[test]
    fn the_second_version_limits_by_any_group_on_the_way_up() {
        let tree = Tree::new(&[
            ("user.slice/memory.max", "1073741824\n"),
            ("user.slice/memory.current", "524288000\n"),
            (
                "user.slice/memory.stat",
                "anon 1\nfile 9\ninactive_file 104857600\nactive_file 209715200\n",
            ),
            ("user.slice/run-1.scope/memory.max", "max\n"),
            ("user.slice/run-1.scope/memory.current", "4096\n"),
            ("user.slice/other.scope/memory.max", "1048576\n"),
        ]);
        assert_eq!(tree.limits("0::/user.slice/run-1.scope\n"), [(1024, 200)]);
        assert_eq!(tree.limits("0::/\n"), []);
    }

    #[test]
    fn the_first_version_has_its_own_tree_and_a_number_for_no_limit() {
        let tree = Tree::new(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/slurm/job_7/memory.limit_in_bytes", "734003200\n"),
            ("memory/slurm/job_7/memory.usage_in_bytes", "104857600\n"),
            (
                "memory/slurm/job_7/memory.stat",
                "inactive_file 104857600\ntotal_inactive_file 52428800\n",
            ),
            (
                "memory/slurm/job_7/step_0/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            // Memory is not the unified tree's where the first version has it.
            ("memory.max", "1048576\n"),
        ]);
        let groups = "9:name=systemd:/\n4:cpuset,memory:/slurm/job_7/step_0\n0::/\n";
        assert_eq!(tree.limits(groups), [(700, 50)]);
    }

    #[test]
    fn a_containers_own_group_is_the_root_it_sees() {
        // Without a name space for groups the path is the host's, and leads nowhere.
        let second = Tree::new(&[("memory.max", "734003200\n")]);
        for groups in ["0::/\n", "0::/docker/0123abcd\n", "0::/../../x\n"] {
            assert_eq!(second.limits(groups), [(700, 0)], "{groups}");
        }
        let first = Tree::new(&[("memory/memory.limit_in_bytes", "734003200\n")]);
        assert_eq!(first.limits("4:memory:/docker/0123abcd\n"), [(700, 0)]);
    }

    #[test]
    fn more_than_the_machine_has_and_nonsense_are_no_limits() {
        let tree = Tree::new(&[("memory.max", "17179869184\n")]);
        assert_eq!(tree.limits("0::/\n"), []);
        let tree = Tree::new(&[("memory.max", "much\n")]);
        for groups in ["0::/\n", "", "nonsense\n", "4:memory\n"] {
            assert_eq!(tree.limits(groups), [], "{groups}");
        }
    }
}
