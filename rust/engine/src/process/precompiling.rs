//! Which packages a child precompiles just now: for each, Julia starts a process that writes its cache.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::descendants;
use crate::build::context::Context;
use crate::build::event::Event;
use crate::error::Stage;

/// How often the processes are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells the caller of the build.
pub struct Watch<'a> {
    ctx: &'a Context<'a>,
    stage: Stage,
    root: u32,
    looked: Instant,
    told: String,
}

impl<'a> Watch<'a> {
    pub fn new(ctx: &'a Context<'a>, stage: Stage, root: u32) -> Self {
        Self {
            ctx,
            stage,
            root,
            looked: Instant::now(),
            told: String::new(),
        }
    }

    /// To be called often; looks at the processes when it is time.
    pub fn look(&mut self) {
        if self.looked.elapsed() < INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let mut names = BTreeSet::new();
        for process in descendants::tree(self.root) {
            let words = descendants::command_line(process.id);
            names.extend(
                words
                    .iter()
                    .find_map(|word| package(word))
                    .map(String::from),
            );
        }
        let label = names.into_iter().collect::<Vec<_>>().join(", ");
        // Between two packages the last one is nearer to the truth than none.
        if label.is_empty() || label == self.told {
            return;
        }
        // How many there will be only Julia knows.
        self.ctx.event(Event::Progress {
            stage: self.stage,
            done: 0,
            total: 0,
            label: label.clone(),
        });
        self.told = label;
    }
}

/// The package whose cache a Julia with the argument `word` is to write: `compiled/v1.10/A/jl_Xyz`.
pub fn package(word: &str) -> Option<&str> {
    let path = word.strip_prefix("--output-").map_or(word, |option| {
        option.split_once('=').map_or(option, |(_, path)| path)
    });
    let mut parts = path.rsplit(['/', '\\']);
    let _file = parts.next()?;
    let name = parts.next()?;
    let version = parts.next()?;
    let compiled = parts.next()? == "compiled" && version.starts_with('v');
    compiled.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_the_cache_that_is_written() {
        assert_eq!(package("/depot/compiled/v1.10/A/jl_AbC"), Some("A"));
        assert_eq!(package("--output-ji=/d/compiled/v1.5/B/jl_x"), Some("B"));
        assert_eq!(package("/depot/compiled/A/jl_AbC"), None);
        assert_eq!(package("-e"), None);
    }
}
