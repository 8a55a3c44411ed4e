//! What a build tells while it runs.

use serde::{Deserialize, Serialize};

use crate::error::Stage;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A stage began; `what` says in a few words what it does in this build, `expected` how many
    /// seconds it took in an earlier build of the same shape.
    StageStarted {
        stage: Stage,
        what: String,
        expected: Option<f64>,
    },
    /// `done` of `total` steps of the stage are behind; `label` is the one under way.
    Progress {
        stage: Stage,
        done: u64,
        total: u64,
        label: String,
    },
    /// A line that a child wrote. `shown` marks the user's own scripts, whose lines are for the
    /// terminal; all lines are in the log.
    Output {
        stage: Stage,
        text: String,
        shown: bool,
    },
    /// Something the user should know, though the build goes on.
    Warning {
        stage: Stage,
        text: String,
    },
    StageFinished {
        stage: Stage,
        seconds: f64,
    },
    /// The stages go on; for callers that tell for how long.
    Beat,
    /// The last event: the result can be had.
    Finished,
}
