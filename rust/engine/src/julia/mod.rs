//! What the engine knows of Julia: its versions, how one is started, how its images are linked.

pub mod image_threads;
pub mod link_args;
pub mod linker;
pub mod start;
pub mod version;
