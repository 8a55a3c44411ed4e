//! What the preloaded library is told, and where it answers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::julia::start::Caches;
use crate::julia::version::Feature;
use crate::plan::BuildPlan;
use crate::process::invocation::Invocation;
use crate::staging;

/// The variable that names the job; without it the library does nothing.
const VARIABLE: &str = "PCRS_LINKED";
/// What the process exits with when it says in [`trouble`] why it cannot go on.
const TROUBLE: i32 = 97;

/// The job, as `rust/interpose` reads it.
#[derive(Debug, Serialize)]
struct Job<'a> {
    julia: (u32, u32),
    handover: PathBuf,
    heap: PathBuf,
    trouble: PathBuf,
    objects: PathBuf,
    link_packages: bool,
    pkgimages: bool,
    collect: PathBuf,
    lean: bool,
    named: Vec<&'a str>,
    refuse: Vec<String>,
    fail_at: Option<String>,
}

fn path(folder: &Path) -> PathBuf {
    folder.join("linked.job.json")
}

/// What the link is to know; appears with the object file.
pub fn handover(folder: &Path) -> PathBuf {
    folder.join("linked.handover.json")
}

/// The object with the image's heap.
pub fn heap(folder: &Path) -> PathBuf {
    folder.join("heap.o")
}

fn trouble(folder: &Path) -> PathBuf {
    folder.join("linked.trouble")
}

/// Where the unlinked package images are put.
fn objects(folder: &Path) -> PathBuf {
    folder.join("package-objects")
}

/// Writes the job of `plan`'s image process into the work folder `folder`.
///
/// # Errors
/// When that cannot be written.
pub fn write(plan: &BuildPlan, folder: &Path) -> io::Result<()> {
    let named = plan.packages.iter().filter(|package| package.requested);
    let version = plan.julia.version;
    let native = Caches::of(plan, true) == Caches::Native;
    let job = Job {
        julia: (version.major, version.minor),
        handover: handover(folder),
        heap: heap(folder),
        trouble: trouble(folder),
        objects: objects(folder),
        link_packages: true,
        pkgimages: native,
        collect: staging::path(folder, "collect.jl"),
        // One table of all methods, from which the script can tell of them, came with Julia 1.12. Caches
        // without native code do not tell what in them was asked for.
        lean: !plan.compile_all && version.has(Feature::NativeImaging) && native,
        named: named.map(|package| package.name.as_str()).collect(),
        refuse: forced(plan, "PCRS_LINKED_REFUSE")
            .map(|list| list.split(',').map(String::from).collect())
            .unwrap_or_default(),
        fail_at: forced(plan, "PCRS_LINKED_FAIL_AT"),
    };
    fs::create_dir_all(objects(folder))?;
    fs::write(path(folder), serde_json::to_vec(&job)?)
}

/// Tests force with these variables what goes wrong by itself too seldom.
fn forced(plan: &BuildPlan, name: &str) -> Option<String> {
    let value = plan.surroundings.var(name)?.to_str()?;
    (!value.is_empty()).then(|| value.to_string())
}

/// Makes `child`, an image process, one of a linked image.
pub fn hand_to(child: &mut Invocation, folder: &Path) {
    child.set(VARIABLE, path(folder));
}

/// Why a process that ended with `code` could not make a linked image, if it says so.
pub fn told_trouble(folder: &Path, code: Option<i32>) -> Option<String> {
    if code != Some(TROUBLE) {
        return None;
    }
    let text = fs::read_to_string(trouble(folder)).ok()?;
    let text = text.trim();
    // On a full disk there is the file and nothing in it.
    (!text.is_empty()).then(|| text.to_string())
}
