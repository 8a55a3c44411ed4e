//! What earlier builds of the same shape took of time and memory, to say what this one will.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Stage;
use crate::json_file;
use crate::julia::image_threads;
use crate::linked::Way;
use crate::plan::BuildPlan;
use crate::report::StageTime;

const FILE: &str = "timings.json";

/// What builds took, by their shape.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table(BTreeMap<String, Taken>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Taken {
    /// Seconds of each stage.
    seconds: BTreeMap<Stage, f64>,
    /// Most bytes of memory at one moment, of the last build.
    peak_memory: u64,
}

/// The table as one build uses it; without a cache folder it stays empty.
#[derive(Debug, Default)]
pub struct Timings {
    file: Option<PathBuf>,
    shape: String,
    expected: Taken,
}

impl Timings {
    pub fn read(plan: &BuildPlan) -> Self {
        let file = plan.cache.as_ref().map(|cache| cache.dir.join(FILE));
        let shape = shape(plan);
        let expected = file
            .as_ref()
            .map(table)
            .and_then(|mut table| table.0.remove(&shape))
            .unwrap_or_default();
        Self {
            file,
            shape,
            expected,
        }
    }

    /// Seconds that `stage` will take, if it is known.
    pub fn expected(&self, stage: Stage) -> Option<f64> {
        self.expected.seconds.get(&stage).copied()
    }

    /// A warning, if earlier builds needed more than the `free` bytes of memory.
    pub fn lacks_memory(&self, free: u64) -> Option<String> {
        let need = self.expected.peak_memory;
        (need > free).then(|| {
            format!(
                "memory may not suffice: an earlier build like this one needed {}, and {} are free",
                gibibytes(need),
                gibibytes(free)
            )
        })
    }

    /// Keeps what this build took. Of two builds that end at once, one may be forgotten.
    pub fn record(&self, stages: &[StageTime], peak_memory: u64) {
        let Some(file) = &self.file else { return };
        let mut table = table(file);
        let row = table.0.entry(self.shape.clone()).or_default();
        row.peak_memory = peak_memory;
        for time in stages {
            // A stage that found its result in the cache says nothing of one that does the work.
            let known = row.seconds.get(&time.stage).copied().unwrap_or_default();
            if time.seconds > known / 10.0 {
                row.seconds.insert(time.stage, time.seconds);
            }
        }
        let write = || {
            let folder = file.parent()?;
            fs::create_dir_all(folder).ok()?;
            json_file::write(&table, file).ok()
        };
        // An estimate that cannot be kept is nobody's loss.
        let _ = write();
    }
}

fn gibibytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for a person to read")]
    let number = bytes as f64 / (1_u64 << 30) as f64;
    format!("{number:.1} GiB")
}

fn table(file: &PathBuf) -> Table {
    let text = fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Builds that take about as long: the same Julia, kind of base, way and threads, and packages of the
/// same order of magnitude.
fn shape(plan: &BuildPlan) -> String {
    format!(
        "{} {} {} 2^{} {:?}",
        plan.julia.version,
        plan.base_kind(),
        if Way::of(plan).is_linked() {
            "linked"
        } else {
            "full"
        },
        plan.packages.len().max(1).ilog2(),
        image_threads::chosen(plan)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_warned_of_when_an_earlier_build_needed_more() {
        let mut timings = Timings::default();
        assert_eq!(timings.lacks_memory(0), None);
        timings.expected.peak_memory = 6 << 30;
        assert_eq!(timings.lacks_memory(6 << 30), None);
        let warning = timings.lacks_memory(2 << 30).unwrap();
        assert!(
            warning.contains("needed 6.0 GiB, and 2.0 GiB are free"),
            "{warning}"
        );
    }
}
