//! Julias that a traced one starts, such as Distributed's workers: what they compile is in no trace.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::descendants::{self, Process};

/// How often the processes are looked at; no Julia ends much sooner.
const INTERVAL: Duration = Duration::from_millis(200);

/// How many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untraced {
    /// Started with `--worker`.
    pub workers: usize,
    pub others: usize,
}

/// Counts them while their parent runs.
pub struct Watch {
    julia: PathBuf,
    root: u32,
    looked: Instant,
    workers: HashSet<u32>,
    others: HashSet<u32>,
}

impl Watch {
    /// `julia` is the executable of the traced one, which is `root` or a child of it.
    pub fn new(julia: &Path, root: u32) -> Self {
        Self {
            julia: julia.to_path_buf(),
            root,
            looked: Instant::now(),
            workers: HashSet::new(),
            others: HashSet::new(),
        }
    }

    /// To be called often; looks at the processes when it is time.
    pub fn look(&mut self) {
        if self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let tree = descendants::tree(self.root);
        let words: HashMap<u32, Vec<String>> = tree
            .iter()
            .map(|process| (process.id, descendants::command_line(process.id)))
            .collect();
        for (id, is_worker) in untraced(&tree, &words, &self.julia) {
            match is_worker {
                true => self.workers.insert(id),
                false => self.others.insert(id),
            };
        }
    }

    pub fn seen(&self) -> Untraced {
        Untraced {
            workers: self.workers.len(),
            others: self.others.len(),
        }
    }
}

/// The Julias below a traced one that are not traced, and whether each is a worker.
fn untraced(tree: &[Process], words: &HashMap<u32, Vec<String>>, julia: &Path) -> Vec<(u32, bool)> {
    let has = |id: u32, is_one: fn(&str) -> bool| {
        let words = words.get(&id).into_iter().flatten();
        words.skip(1).any(|word| is_one(word))
    };
    // One that is about to become another program still has its parent's words.
    let is_traced = |id: u32| has(id, |word| word.starts_with("--trace-compile="));
    let parents: HashMap<u32, u32> = tree.iter().map(|p| (p.id, p.parent)).collect();
    let below_traced = |id: u32| {
        let above = std::iter::successors(parents.get(&id), |parent| parents.get(parent));
        above.take(tree.len()).any(|parent| is_traced(*parent))
    };
    tree.iter()
        .map(|process| process.id)
        .filter(|id| words.get(id).is_some_and(|words| is_julia(words, julia)))
        // What fills caches is not lost.
        .filter(|id| !is_traced(*id) && !has(*id, |word| word.starts_with("--output-")))
        .filter(|id| below_traced(*id))
        .map(|id| {
            (
                id,
                has(id, |word| {
                    word == "--worker" || word.starts_with("--worker=")
                }),
            )
        })
        .collect()
}

/// By the name of its program, which may be a script that a shell runs.
fn is_julia(words: &[String], julia: &Path) -> bool {
    let named = |word: &String| {
        let name = Path::new(word).file_stem().unwrap_or_default();
        name.to_string_lossy().starts_with("julia")
    };
    words.first().is_some_and(named) || words.get(1).is_some_and(|word| Path::new(word) == julia)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::descendants::State;

    #[test]
    fn only_julias_below_a_traced_one_count() {
        let lines = [
            (1, 0, "/bin/julia test_suite.jl"),
            (2, 1, "/bin/julia --trace-compile=t.raw.jl tests.jl"),
            (3, 2, "/bin/julia --worker=abc --bind-to 127.0.0.1"),
            (4, 3, "/bin/julia-1.10 -e 1"),
            (5, 2, "/bin/julia --output-ji x.ji"),
            (6, 2, "/bin/julia --trace-compile=t.raw.jl tests.jl"),
            (7, 2, "/bin/sh -c julia"),
            (8, 7, "/bin/sh /fake/start -e 1"),
            (9, 1, "/bin/julia build.jl"),
            (10, 2, "/usr/bin/less /bin/julia"),
        ];
        let process = |id, parent| Process {
            id,
            parent,
            memory: 0,
            computed: 0,
            state: State::Alive,
        };
        let tree: Vec<_> = lines
            .iter()
            .map(|(id, parent, _)| process(*id, *parent))
            .collect();
        let split = |line: &str| line.split(' ').map(String::from).collect();
        let words = lines
            .iter()
            .map(|(id, _, line)| (*id, split(line)))
            .collect();
        let found = untraced(&tree, &words, Path::new("/fake/start"));
        assert_eq!(found, [(3, true), (4, false), (8, false)]);
    }
}
