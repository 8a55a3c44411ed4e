//! How a child Julia is started: which options, which environment.

use std::ffi::OsStr;
use std::path::Path;

use super::version::Feature;
use crate::error::Stage;
use crate::plan::{Base, BuildPlan};
use crate::process::invocation::Invocation;

/// Variables of the user's session that would change what a child loads or how it runs.
///
/// `JULIA_DEPOT_PATH` stays, as do variables of packages, `JULIA_IMAGE_THREADS` and those that
/// say how to reach package servers.
const NOT_FOR_CHILDREN: [&str; 15] = [
    "FORCE_COLOR",
    "JULIA_BINDIR",
    "JULIA_CPU_TARGET",
    "JULIA_DEBUG",
    "JULIA_EDITOR",
    "JULIA_HISTORY",
    "JULIA_HOME",
    "JULIA_INPUT_COLOR",
    "JULIA_LOAD_PATH",
    "JULIA_NUM_GC_THREADS",
    "JULIA_NUM_THREADS",
    "JULIA_PROJECT",
    "JULIA_STARTUP_FILE",
    "JULIA_TRACE_COMPILE",
    "JULIA_WORKER_TIMEOUT",
];

/// Which precompile caches a child uses (Julia >= 1.9; older ones have the second kind only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caches {
    /// Those that every session uses. Their native code is linked in, so that it need not be traced.
    Native,
    /// A second set without native code, which would be neither traced nor taken into an image.
    Portable,
}

/// A Julia on `image` (its default one when `None`) that reads no startup file.
pub fn julia(
    plan: &BuildPlan,
    stage: Stage,
    what: impl Into<String>,
    image: Option<&Path>,
    caches: Caches,
) -> Invocation {
    let mut child = session(plan, stage, what);
    if let Some(image) = image {
        child.option("sysimage", image);
    }
    child.args(caches.option(plan));
    child
}

impl Caches {
    /// Those for the image of `plan`, which is `linked` or compiled in full. For a CPU by its name there is
    /// no native code that could be had without harm: a session takes the newest cache that its CPU can run
    /// (base/loading.jl, 1.10), so that caches for an older CPU would be what it runs from then on. Upon a
    /// fresh base native code would be made for the image alone, which is what the image process does.
    pub fn of(plan: &BuildPlan, linked: bool) -> Self {
        let existing = matches!(plan.base, Base::Existing { .. });
        if linked && existing && plan.cpu_target == "native" {
            Self::Native
        } else {
            Self::Portable
        }
    }

    /// The option that makes a Julia use them, where it needs one.
    pub fn option(self, plan: &BuildPlan) -> Option<&'static str> {
        let asked = self == Self::Portable && plan.julia.version.has(Feature::PkgImages);
        asked.then_some("--pkgimages=no")
    }
}

/// A Julia as it starts by itself, but for the startup file: one that is not traced and makes no
/// image.
pub fn session(plan: &BuildPlan, stage: Stage, what: impl Into<String>) -> Invocation {
    let mut child = Invocation::new(stage, what, &plan.julia.exe);
    // No --color: it makes `stdout` an `IOContext` of the stream, so that what a workload prints is
    // traced for types that the user's session does not have. A pipe gets no colours anyway.
    child.args(["--startup-file=no", "--history-file=no"]);
    for name in NOT_FOR_CHILDREN {
        child.unset(name);
    }
    // An older image of ours may have the guard (`guard.jl`).
    child.set("PCRS_GUARD", "0");
    child
}

const PRELOAD: &str = "LD_PRELOAD";
/// No large pages: the kernel is busier finding them than they save (148 s in place of the 140 s of
/// [`generator`]).
const ALLOCATOR_OPTION: (&str, &str) = ("MIMALLOC_ALLOW_THP", "0");

/// As [`julia`], for one that generates the code of an image. LLVM makes billions of small
/// allocations, on several threads, for which mimalloc is made: generating an image of DataFrames
/// took 140 s instead of 162 (Julia 1.10.6, two cores, glibc 2.36).
pub fn generator(
    plan: &BuildPlan,
    stage: Stage,
    what: impl Into<String>,
    image: Option<&Path>,
    caches: Caches,
) -> Invocation {
    let mut child = julia(plan, stage, what, image, caches);
    let allocator = plan.allocator.as_ref();
    if let Some(library) = allocator.filter(|path| can_be_preloaded(path)) {
        preload(plan, &mut child, library);
        let (option, value) = ALLOCATOR_OPTION;
        if plan.surroundings.var(option).is_none() {
            child.set(option, value);
        }
    }
    child
}

/// Lets `child` load `library` before its own. One that the user preloads comes first, and wins.
pub fn preload(plan: &BuildPlan, child: &mut Invocation, library: &Path) {
    let (folder, entry) = entry_of(library);
    append(plan, child, PRELOAD, entry);
    if let Some(folder) = folder {
        append(plan, child, "LD_LIBRARY_PATH", folder);
    }
}

/// How `LD_PRELOAD` names `library`, and the folder in which ld.so must look for it. It ends a path at a
/// space and knows no way to quote one, but a mere name it looks for in `LD_LIBRARY_PATH`, whose folders
/// may have spaces (ld.so(8)).
fn entry_of(library: &Path) -> (Option<&OsStr>, &OsStr) {
    match (library.parent(), library.file_name()) {
        (Some(folder), Some(name)) if holds(folder.as_os_str(), b" ") => {
            (Some(folder.as_os_str()), name)
        }
        _ => (None, library.as_os_str()),
    }
}

/// Appends `entry` to the list that variable `name` of `child` is, if it is not in it.
fn append(plan: &BuildPlan, child: &mut Invocation, name: &str, entry: &OsStr) {
    let so_far = child.env.iter().rev().find(|(known, _)| known == name);
    let so_far = so_far.and_then(|(_, value)| value.clone());
    let inherited = || plan.surroundings.var(name).map(OsStr::to_os_string);
    let mut list = so_far.or_else(inherited).unwrap_or_default();
    let mut known = list.as_encoded_bytes().split(|byte| *byte == b':');
    if known.any(|known| known == entry.as_encoded_bytes()) {
        return;
    }
    if !list.is_empty() {
        list.push(":");
    }
    list.push(entry);
    child.set(name, list);
}

/// Whether ld.so can be told to load the library at `path` first: neither of its lists can have a folder
/// with these bytes.
pub fn can_be_preloaded(path: &Path) -> bool {
    let (folder, entry) = entry_of(path);
    !holds(entry, b" :") && !folder.is_some_and(|folder| holds(folder, b":;"))
}

fn holds(path: &OsStr, bytes: &[u8]) -> bool {
    let path = path.as_encoded_bytes();
    path.iter().any(|byte| bytes.contains(byte))
}
