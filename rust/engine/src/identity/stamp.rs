//! What an image was built from, in a file beside it: `X.so` has the stamp `X.so.json`.

use std::io;
use std::path::{Path, PathBuf};

use pcrs_cache::{Key, Stop, hash_file, hash_file_until, read_file};
use serde::{Deserialize, Serialize};

use super::{beside, cpu_flags};
use crate::json_file;
use crate::plan::{Base, BuildPlan, Package};
use crate::report::BuildReport;

/// The layout of a stamp; one of another layout says nothing.
const SCHEMA: u32 = 1;

/// How the text of every stamp starts.
const START: &[u8] = b"{\"schema\":";

/// The image itself holds one too, from before it was finished: without hash and report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamp {
    schema: u32,
    /// Of everything that went in, see [`inputs`](super::inputs).
    pub content_key: Option<String>,
    /// BLAKE3 of the image.
    pub image_hash: Option<String>,
    pub julia_version: String,
    /// What Linux calls that which a CPU must have to run it, for each target that it has code for; none where that
    /// is not known. Launchers read the stamp to here.
    #[serde(default)]
    pub cpus: Option<Vec<String>>,
    pub cpu_target: String,
    /// The project's folder.
    pub project: PathBuf,
    /// The build's options, as in the plan.
    pub plan: BuildPlan,
    /// What the image holds: the packages of its base as that has them, and the planned ones.
    pub packages: Vec<Held>,
    /// The image below that may hold packages nobody knows of: neither Julia's own nor one with a
    /// stamp.
    pub unknown_base: Option<PathBuf>,
    pub parts: Vec<Part>,
    pub report: Option<BuildReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A file of the Julia build, by file name, its stdlibs, or a variable that it reads.
    Julia,
    /// The image that this one is built upon.
    Base,
    /// The folder of a package that is tracked by path.
    Source,
    /// Where a package that is tracked by content lies, by UUID, and what was built there.
    Installed,
    /// A depot's file of replaced artifacts.
    Overrides,
    Workload,
    WorkloadDep,
    Statements,
    Script,
    /// An environment variable of `environment_inputs`.
    Variable,
}

/// One thing that goes into an image, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub kind: PartKind,
    pub name: String,
    /// None when it cannot be read.
    pub hash: Option<String>,
    /// What the hash does not cover, or why there is none; a sentence each.
    pub gaps: Vec<String>,
    /// What Julia's cache of the package lists, where the package's text does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
    /// The files of a script, and what it or a package depends on elsewhere, be it there or not: what the name does
    /// not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}

/// All files that Julia read for a package in one state, see [`listed`](super::listed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Of what is known of the package without them.
    pub key: String,
    pub files: Vec<PathBuf>,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub name: String,
    pub uuid: String,
    pub version: Option<String>,
    /// Folder of its source, where it is tracked by path.
    pub path: Option<PathBuf>,
    pub tree_hash: Option<String>,
    /// Of the folder at `path`, or of where the package is installed; none if that could not be
    /// read.
    pub source_hash: Option<String>,
    /// It was loaded by name; else it is there only if another package needed it.
    pub load: bool,
    /// It came with the image below, whatever the project says.
    pub from_base: bool,
}

/// Whether a stamp is at `path`, of whatever layout.
pub fn is_stamp(path: &Path) -> bool {
    read_file(path).is_ok_and(|text| is_text_of_stamp(&text))
}

fn is_text_of_stamp(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only looked for")]
    struct Head {
        schema: u32,
        image_hash: Option<String>,
        julia_version: String,
    }
    serde_json::from_slice::<Head>(text).is_ok()
}

/// Whether nothing of anybody else's is lost when a stamp takes the place of the file at `path`: it
/// is one, the first half of one, or empty.
pub fn is_replaceable(path: &Path) -> bool {
    read_file(path)
        .is_ok_and(|text| text.is_empty() || text.starts_with(START) || is_text_of_stamp(&text))
}

impl Stamp {
    /// The stamp of the image that `plan` makes of `parts`, as far as it is known before it is made.
    pub fn new(plan: &BuildPlan, key: Option<&Key>, parts: Vec<Part>) -> Self {
        let mut bases = parts.iter().filter(|part| part.kind == PartKind::Base);
        let hash = bases.next().and_then(|part| part.hash.as_deref());
        let (mut packages, unknown_base) = in_base(plan, hash);
        for package in &plan.packages {
            // One that the base holds for certain is not loaded again.
            if !packages.iter().any(|h| h.uuid == package.uuid && h.load) {
                packages.push(held(package, &parts));
            }
        }
        Self {
            schema: SCHEMA,
            content_key: key.map(ToString::to_string),
            image_hash: None,
            julia_version: plan.julia.version.to_string(),
            cpus: None,
            cpu_target: plan.cpu_target.clone(),
            project: plan.project.dir.clone(),
            plan: plan.clone(),
            packages,
            unknown_base,
            parts,
            report: None,
        }
    }

    /// The stamp for `image`, which is complete and in no one's hands yet.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn finished(&self, image: &Path, report: &BuildReport) -> Result<Self, pcrs_cache::Error> {
        // A CPU of another kind is not here to be asked.
        let cpus = match self.plan.bound_to_cpu() {
            Some(_) => cpu_flags::needed_of_this_cpu(image),
            None => cpu_flags::needed(image),
        };
        Ok(Self {
            image_hash: Some(hash_file(image)?.to_string()),
            cpus,
            report: Some(report.clone()),
            ..self.clone()
        })
    }

    pub fn to_json(&self) -> String {
        // Fails for no value of this type: keys are strings, and numbers that are not finite
        // become null.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Writes the stamp to the file `path`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        json_file::write(self, path)
    }

    /// The stamp of `image`, if there is one that can be read: beside the file itself, if `image` is
    /// a link.
    pub fn read(image: &Path) -> Option<Self> {
        let text = read_file(&beside::stamp_of(image)).ok()?;
        let stamp: Self = serde_json::from_slice(&text).ok()?;
        (stamp.schema == SCHEMA).then_some(stamp)
    }

    /// The stamp of `image`, if it was written for the file that is there; none when `stop` is set before
    /// that is known.
    pub fn of(image: &Path, stop: &Stop) -> Option<Self> {
        let stamp = Self::read(image)?;
        let hash = hash_file_until(image, stop).ok()?.to_string();
        stamp.is_of(&hash).then_some(stamp)
    }

    /// Whether `image` is what this stamp was written for, was built from `key`, and is as `plan`
    /// wants it; not so when `stop` is set before that is known.
    pub fn covers(&self, plan: &BuildPlan, image: &Path, key: &Key, stop: &Stop) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| report.satisfies(plan))
            && self.content_key.as_deref() == Some(key.to_string().as_str())
            && hash_file_until(image, stop).is_ok_and(|hash| self.is_of(&hash.to_string()))
    }

    /// Whether it was written for the image with this hash.
    pub fn is_of(&self, image_hash: &str) -> bool {
        self.image_hash.as_deref() == Some(image_hash)
    }
}

/// The packages of the image that `plan` builds upon, and that image if they are not known; `hash`
/// is the one of that image.
pub fn in_base(plan: &BuildPlan, hash: Option<&str>) -> (Vec<Held>, Option<PathBuf>) {
    let Base::Existing { path } = &plan.base else {
        return (Vec::new(), None);
    };
    let stamp = Stamp::read(path).filter(|stamp| hash.is_some_and(|hash| stamp.is_of(hash)));
    match stamp {
        Some(stamp) => {
            let mut packages = stamp.packages;
            packages.iter_mut().for_each(|held| held.from_base = true);
            (packages, stamp.unknown_base)
        }
        None if plan.julia.is_default_sysimage(path) => (Vec::new(), None),
        None => (Vec::new(), Some(path.clone())),
    }
}

fn held(package: &Package, parts: &[Part]) -> Held {
    let (kind, name) = match &package.path {
        Some(path) => (PartKind::Source, path.to_string_lossy().into_owned()),
        None => (PartKind::Installed, package.uuid.clone()),
    };
    let mut found = parts
        .iter()
        .filter(|part| part.kind == kind && part.name == name);
    let source = found.next().and_then(|part| part.hash.clone());
    Held {
        name: package.name.clone(),
        uuid: package.uuid.clone(),
        version: package.version.clone(),
        path: package.path.clone(),
        tree_hash: package.tree_hash.clone(),
        source_hash: source,
        load: package.load,
        from_base: false,
    }
}
