//! Builds a Julia sysimage from a [`BuildPlan`].
//!
//! One way through, a module a step:
//! `plan -> check -> base -> precompile -> trace -> statements -> image -> link -> verify -> publish`.
//! A build runs on threads of its own and reports through [`Event`]s; it never prints and never
//! calls Julia. Everything it writes stays in its [`workspace`] until `publish` renames the
//! finished image into place.

pub mod build;
pub mod cache;
pub mod channel;
pub mod child;
pub mod context;
pub mod depots;
pub mod error;
pub mod event;
pub mod image_threads;
pub mod inputs;
pub mod inspect;
pub mod invocation;
pub mod json_file;
pub mod julia_version;
pub mod lines;
pub mod linked;
pub mod linker;
pub mod memory;
pub mod parts;
pub mod plan;
pub mod processes;
pub mod records;
pub mod report;
pub mod stages;
pub mod staging;
pub mod stamp;
pub mod timings;
pub mod watchdog;
pub mod workspace;

pub use build::{Build, dry_run};
pub use error::{BuildError, ErrorKind, Stage};
pub use event::Event;
pub use plan::BuildPlan;
pub use report::BuildReport;
