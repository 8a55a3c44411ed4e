//! How many threads generate the code of an image, by cores and memory.

use super::version::Feature;
use crate::plan::BuildPlan;
use crate::process::memory;

/// Read by Julia >= 1.10 alone (src/aotcompile.cpp); its own choice is half the cores.
pub const VARIABLE: &str = "JULIA_IMAGE_THREADS";
/// Memory, in bytes, that the image process is assumed to need, and each of its threads besides. On
/// Julia 1.10 a small package took 3.2 GiB with one thread and 4.8 with two, DataFrames 4.4 and 6.3.
const MEMORY: u64 = 2 << 30;
const MEMORY_PER_THREAD: u64 = 2 << 30;

/// How many threads shall generate code: what the plan says, else what the user's environment says
/// (then `None`, as it is handed on), else all cores that this process may use and memory feeds.
pub fn chosen(plan: &BuildPlan) -> Option<u32> {
    if !plan.julia.version.has(Feature::ImageThreads) {
        return None;
    }
    if plan.image_threads.is_some() || plan.surroundings.var(VARIABLE).is_some() {
        return plan.image_threads;
    }
    u32::try_from(memory::fitting(MEMORY, MEMORY_PER_THREAD).max(1)).ok()
}

/// Whether the image process may start before it has all it needs: it takes a core and memory from
/// those that precompile and trace.
pub fn leave_room() -> bool {
    memory::cores() > 1 && memory::available() > MEMORY + MEMORY_PER_THREAD
}
