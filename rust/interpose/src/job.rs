//! What the engine wants of this process: a JSON file that `PCRS_LINKED` names.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::trouble::{Trouble, fail_at, stop, write_to};

const VARIABLE: &str = "PCRS_LINKED";

/// The job file.
#[derive(Debug, Deserialize)]
pub struct Job {
    /// Minor version of the Julia that is meant, compared with the one that runs.
    pub julia: (u32, u32),
    /// Where the handover is written to.
    pub handover: PathBuf,
    /// Where the object with the heap is written to.
    pub heap: PathBuf,
    /// Where the reason is written to when the image has to be built in the ordinary way.
    trouble: PathBuf,
    /// Folder for the objects that are made of package images.
    pub objects: PathBuf,
    /// Whether native code of package images is linked in, or generated from their caches.
    pub link_packages: bool,
    /// Whether packages are loaded with their native code.
    pub pkgimages: bool,
    /// The Julia file that collects what to emit (1.12).
    pub collect: Option<PathBuf>,
    /// Leave out methods that nobody has compiled or asked for.
    #[serde(default)]
    pub lean: bool,
    /// Root modules of which nothing is left out, besides `Main`.
    #[serde(default)]
    pub named: Vec<String>,
    /// Parts of paths of package images that are not linked in (for tests).
    #[serde(default)]
    pub refuse: Vec<String>,
    /// Name of a check that shall fail (for tests).
    fail_at: Option<String>,
}

static JOB: OnceLock<Option<Job>> = OnceLock::new();

impl Job {
    /// The job of this process, if it has one.
    pub fn current() -> Option<&'static Self> {
        JOB.get_or_init(|| {
            let file = std::env::var_os(VARIABLE).filter(|value| !value.is_empty())?;
            // Without a job there is no file for the reason, which is then printed.
            let mut job = read(Path::new(&file)).unwrap_or_else(|trouble| stop(&trouble));
            fail_at(job.fail_at.take());
            write_to(std::mem::take(&mut job.trouble));
            Some(job)
        })
        .as_ref()
    }
}

fn read(file: &Path) -> Result<Job, Trouble> {
    let about =
        |e: &dyn std::fmt::Display| Trouble::new(format!("job file {}: {e}", file.display()));
    let text = std::fs::read(file).map_err(|e| about(&e))?;
    serde_json::from_slice(&text).map_err(|e| about(&e))
}

/// `list` of `LD_PRELOAD` without the entries that are a file named `own`; nothing if none is left.
fn without_entry(list: &str, own: &str) -> Option<String> {
    let others: Vec<&str> = list
        .split([' ', ':'])
        .filter(|entry| !entry.is_empty())
        .filter(|entry| Path::new(entry).file_name().is_none_or(|name| name != own))
        .collect();
    (!others.is_empty()).then(|| others.join(":"))
}

/// Lets the children of this process be ordinary ones: takes this library, not those of others, out
/// of what is preloaded, and the job with it.
pub fn leave_environment() {
    const PRELOAD: &str = "LD_PRELOAD";
    let list = std::env::var(PRELOAD).unwrap_or_default();
    // SAFETY: Julia restores its sysimage: its other threads, if there are any, wait for it.
    unsafe {
        match without_entry(&list, "libpackagecompilerrs_interpose.so") {
            Some(others) => std::env::set_var(PRELOAD, others),
            None => std::env::remove_var(PRELOAD),
        }
        std::env::remove_var(VARIABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_stay_preloaded() {
        let own = "libpackagecompilerrs_interpose.so";
        assert_eq!(
            without_entry(":/a/libpackagecompilerrs_interpose.so", own),
            None
        );
        assert_eq!(
            without_entry("/a/liba.so:/b/libpackagecompilerrs_interpose.so", own).as_deref(),
            Some("/a/liba.so")
        );
        assert_eq!(
            without_entry("/x.so /y.so", own).as_deref(),
            Some("/x.so:/y.so")
        );
    }

    #[test]
    fn a_job_needs_little() {
        let job: Job = serde_json::from_str(
            r#"{"julia": [1, 10], "handover": "h", "heap": "p", "trouble": "t", "objects": "o",
                "link_packages": true, "pkgimages": true, "collect": null, "fail_at": null}"#,
        )
        .unwrap();
        assert_eq!(job.julia, (1, 10));
        assert!(job.link_packages && !job.lean && job.named.is_empty());
    }
}
