//! Linked images: the native code that lies on the disk already, of the base image and of the
//! packages' caches, is linked in as it is, and only what neither has is compiled.
//!
//! This room holds what the stages need for it: whether it can be done ([`Way`]), the base as a
//! relocatable object ([`Foundation`]), and what the image process is told ([`job`]). The work on
//! object files is in `rust/linked`, that inside the image process in `rust/interpose`. Whatever
//! goes wrong on the way is a [`Setback::Slower`]: the image is then made the full way. Only a full disk ends
//! the build, as that way takes more of it.

mod foundation;
pub mod job;
mod way;

pub use foundation::Foundation;
pub use way::Way;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{BuildError, Stage};
use crate::full_disk;
use crate::plan::BuildPlan;

/// Why there is no linked image.
#[derive(Debug)]
pub enum Setback {
    /// The full way would fail as well.
    Failed(BuildError),
    /// The image is to be made the full way, for this reason.
    Slower(String),
}

impl Setback {
    /// What follows from `why`, a sentence about something that failed in `stage`: the full way, or the end
    /// where a disk is full.
    pub fn for_reason(plan: &BuildPlan, stage: Stage, why: String) -> Self {
        if !full_disk::is_told_by(&why) {
            return Self::Slower(why);
        }
        let message = format!("linking in what is compiled already failed: {why}");
        let mut error = BuildError::failed(stage, message);
        full_disk::blame(&mut error, plan.work_dir());
        Self::Failed(error)
    }
}

/// Runs a step on object files. What nobody has thought of is a reason for the full way too.
///
/// # Errors
/// A sentence: `what`, and why it failed.
pub fn step<T>(
    what: &str,
    run: impl FnOnce() -> Result<T, pcrs_linked::Refused>,
) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(refused)) => Err(format!("{what}: {refused}")),
        Err(_) => Err(format!("{what}: an error in the program that does it")),
    }
}

impl From<BuildError> for Setback {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}
