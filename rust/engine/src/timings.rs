//! How long the stages of earlier builds of the same shape took, to say what is left of this one.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Stage;
use crate::plan::BuildPlan;
use crate::report::StageTime;

const FILE: &str = "timings.json";

/// Seconds of each stage, by shape of the build.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table(BTreeMap<String, BTreeMap<Stage, f64>>);

/// The table as one build uses it; without a cache folder it stays empty.
#[derive(Debug, Default)]
pub struct Timings {
    file: Option<PathBuf>,
    shape: String,
    expected: BTreeMap<Stage, f64>,
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
        self.expected.get(&stage).copied()
    }

    /// Keeps what this build took. Of two builds that end at once, one may be forgotten.
    pub fn record(&self, stages: &[StageTime]) {
        let Some(file) = &self.file else { return };
        let mut table = table(file);
        let row = table.0.entry(self.shape.clone()).or_default();
        for time in stages {
            // A stage that found its result in the cache says nothing of one that does the work.
            let known = row.get(&time.stage).copied().unwrap_or_default();
            if time.seconds > known / 10.0 {
                row.insert(time.stage, time.seconds);
            }
        }
        let write = || {
            let folder = file.parent()?;
            fs::create_dir_all(folder).ok()?;
            let temporary = tempfile::NamedTempFile::new_in(folder).ok()?;
            serde_json::to_writer(&temporary, &table).ok()?;
            temporary.persist(file).ok()
        };
        // An estimate that cannot be kept is nobody's loss.
        let _ = write();
    }
}

fn table(file: &PathBuf) -> Table {
    let text = fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Builds that take about as long: the same Julia, kind of base and threads, and packages of the
/// same order of magnitude.
fn shape(plan: &BuildPlan) -> String {
    format!(
        "{} {} 2^{} {:?}",
        plan.julia.version,
        plan.base_kind(),
        plan.packages.len().max(1).ilog2(),
        crate::stages::image::threads(plan)
    )
}
