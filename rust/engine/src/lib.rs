//! Builds a Julia sysimage from a [`BuildPlan`].
//!
//! One way through, a module a step:
//! `plan -> check -> base -> precompile -> trace -> statements -> image -> link -> verify -> publish`.
//! A build runs on threads of its own and reports through [`Event`]s; it never prints and never
//! calls Julia. Everything it writes stays in its [`workspace`](build::workspace) until `publish`
//! renames the finished image into place.

#[cfg(test)]
#[path = "../../cache/tests/common/age.rs"]
mod age;
pub mod build;
pub mod bundle;
pub mod error;
mod full_disk;
pub mod identity;
pub mod json_file;
pub mod julia;
pub mod linked;
mod on_disk;
pub mod plan;
pub mod process;
pub mod records;
pub mod report;
pub mod stages;
pub mod staging;
pub mod surroundings;

pub use build::event::Event;
pub use build::{Build, Job, dry_run};
pub use error::{BuildError, ErrorKind, Stage};
pub use plan::BuildPlan;
pub use report::BuildReport;
