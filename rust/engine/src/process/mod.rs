//! The processes of a build: how they start, what they write and take, and how they end.

pub mod cgroup;
pub mod child;
pub mod descendants;
pub mod invocation;
#[cfg(windows)]
mod job;
pub mod last_words;
pub mod lines;
pub mod memory;
pub mod precompiling;
pub mod quiet;
mod status;
pub mod untraced;
pub mod watchdog;
