//! What a build did: the value behind Julia's `BuildReport`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Stage;
use crate::plan::{BuildPlan, Package, Verify};

/// Where a finished image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// This build.
    Built,
    /// An earlier build of the same, which the cache kept.
    Cached,
    /// It was there already.
    UpToDate,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildReport {
    pub origin: Origin,
    pub sysimage_path: PathBuf,
    /// Bytes of the finished image.
    pub image_size: u64,
    /// Wall time of the whole build.
    pub seconds: f64,
    pub stages: Vec<StageTime>,
    /// Packages in the image, in load order.
    pub packages: Vec<Package>,
    pub statements: StatementReport,
    /// How the image was tried, by this build or by the one that made it.
    pub verified: Verify,
    /// Most bytes that all children held at one moment; 0 if none lived long enough to be seen.
    pub peak_memory: u64,
    /// What ran when, by its start.
    #[serde(default)]
    pub timeline: Vec<Span>,
    /// What all children held together over time, by time.
    #[serde(default)]
    pub memory: Vec<MemorySample>,
    /// What the image's bytes are, largest first; they sum to `image_size`. Empty in reports of engines
    /// that did not look.
    #[serde(default)]
    pub sizes: Vec<SizeRow>,
    /// What linked the image, as a command line.
    pub linker: String,
    /// What was linked in and what was compiled.
    #[serde(default)]
    pub how: How,
    /// Packages whose folders on this machine the image names.
    #[serde(default)]
    pub named_folders: Vec<NamedFolder>,
    /// The image that this one was built upon; none for a fresh base.
    pub base_sysimage: Option<PathBuf>,
    pub log: Option<PathBuf>,
    pub warnings: Vec<String>,
}

impl BuildReport {
    /// Whether a build of `plan` may take the image instead of its own, which would come from the
    /// same. How strict a build is and how it tries its image do not change that, and are in no key.
    pub fn satisfies(&self, plan: &BuildPlan) -> bool {
        self.verified >= plan.verify && self.is_complete_for(plan)
    }

    /// Whether all statements that a build of `plan` would insist on are in the image.
    pub fn is_complete_for(&self, plan: &BuildPlan) -> bool {
        !plan.strict || self.statements.missing().next().is_none()
    }
}

/// Where the native code of an image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// Counts of functions; none of an image whose whole code was compiled.
    pub linked: Option<LinkedCode>,
    /// Why everything was compiled, if that was not asked for.
    pub not_linked: Option<String>,
    /// The layer between the base and the image, if there is one.
    #[serde(default)]
    pub layer: Option<UsedLayer>,
}

/// A layer that an image was built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedLayer {
    /// Made by this build; otherwise taken from the cache.
    pub made: bool,
    /// The packages that it holds, in load order.
    pub packages: Vec<String>,
    /// How many statements it was made with.
    pub statements: u64,
    /// Bytes of its file.
    pub size: u64,
    /// Its code.
    #[serde(default)]
    pub code: LinkedCode,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedCode {
    /// Functions of the base, or of the layer where there is one.
    pub from_base: u64,
    /// Functions of the packages' caches.
    pub from_packages: u64,
    /// Functions that were compiled.
    pub compiled: u64,
    /// Methods of dependencies that Julia's own image build would have compiled though nobody asked for
    /// them.
    pub left_out: u64,
    /// Caches whose code was compiled anew, and why.
    pub refused: Vec<RefusedCache>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCache {
    pub path: PathBuf,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedFolder {
    pub package: String,
    /// How often the image names a path in the package's folder.
    pub times: u64,
}

/// Something that ran during the build, in seconds since that began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub stage: Stage,
    pub kind: SpanKind,
    pub what: String,
    /// It was for the layer below the image.
    pub layer: bool,
    pub start: f64,
    pub stop: f64,
    /// When its turn came, if it began ahead of that: until then it had nothing to do but to get ready.
    pub turn: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// A whole stage.
    Stage,
    /// A child process.
    Process,
    /// Work of the engine itself, besides that of a stage.
    Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemorySample {
    /// Since the build began.
    pub seconds: f64,
    /// What all children and their descendants held in memory together.
    pub bytes: u64,
}

/// Bytes of the image's file that are of one kind and of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRow {
    pub part: SizePart,
    /// Whose they are; none where that cannot be told.
    pub owner: Option<Owner>,
    /// Which package, where that is the owner.
    pub package: Option<String>,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizePart {
    /// Native code.
    Code,
    /// Constants, variables and tables of native code.
    Data,
    /// Julia's objects: modules, types, methods and their code in Julia's own form.
    Heap,
    /// What backtraces and debuggers take source lines from.
    DebugInformation,
    /// How exceptions find their way through native code.
    Unwind,
    /// Names of functions and variables, and what finds them.
    Symbols,
    /// Places that the loader fills in.
    Relocations,
    /// Headers, notes and what is between sections.
    Other,
    /// The whole file, where what is in it cannot be told.
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The image that this one was built on, linked in from there.
    Base,
    /// A package's cache, linked in from there, or from the layer that has it.
    Package,
    /// Compiled when the layer below was made.
    Layer,
    /// Compiled by this build.
    New,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageTime {
    pub stage: Stage,
    pub seconds: f64,
}

impl From<(Stage, f64)> for StageTime {
    fn from((stage, seconds): (Stage, f64)) -> Self {
        Self { stage, seconds }
    }
}

impl StageTime {
    /// One row for each stage: an image on a layer goes through some of them twice.
    pub fn summed(times: impl Iterator<Item = (Stage, f64)>) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for (stage, seconds) in times {
            match rows.iter_mut().find(|row| row.stage == stage) {
                Some(row) => row.seconds += seconds,
                None => rows.push(Self { stage, seconds }),
            }
        }
        rows
    }
}

/// Every statement that went in, and what became of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StatementReport {
    pub entries: Vec<StatementEntry>,
    /// Lines that repeat a statement.
    pub duplicates: u64,
    /// What the workloads still compiled on the new image (`verify=:trace`).
    pub residual: Option<Vec<Residual>>,
    /// What each start of the image does; none where it was not started.
    #[serde(default)]
    pub at_start: Option<AtStart>,
}

impl StatementReport {
    /// The statements that are not in the image.
    pub fn missing(&self) -> impl Iterator<Item = &StatementEntry> {
        let entries = self.entries.iter();
        entries.filter(|entry| entry.outcome != Outcome::Precompiled)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementEntry {
    pub text: String,
    pub outcome: Outcome,
    /// Why it is not in the image, or under which binding it is.
    pub detail: String,
    /// The package that it names; of several the one loaded last, which knows the others.
    #[serde(default)]
    pub package: Option<String>,
    /// The file it came from, and its line there, counted from 1; a workload, and 0, for what Julia
    /// traced.
    pub source: PathBuf,
    pub line: u32,
    /// Seconds of compilation.
    pub seconds: f64,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Compiled in the image process.
    Precompiled,
    /// `precompile` returned false: no method matches, or it cannot be compiled ahead.
    ReturnedFalse,
    /// Names something of the workload script itself, which is not in the image.
    ScriptLocal,
    /// A name in it is not known in the image.
    NameNotFound,
    /// Written in a form that this Julia does not print.
    Unportable,
    /// Evaluating it threw.
    Error,
    /// The compiler crashed on it; it was left out.
    Crashed,
    /// The compiler did not come back from it in time; it was left out.
    TimedOut,
    /// The line is not a statement, and was not evaluated.
    Rejected,
}

/// What the image does whenever it is started, before it runs anything for its user: the code that
/// packages run when they are initialised.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AtStart {
    pub compiled: Vec<CompiledAtStart>,
    /// How many lines are written.
    pub lines: usize,
    /// The last of them.
    pub printed: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledAtStart {
    pub text: String,
    /// The package that the statement names; of several the one loaded last, which knows the others.
    pub package: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Residual {
    pub text: String,
    /// What the report says of the same statement, if it was one.
    pub outcome: Option<Outcome>,
    /// Names something of the workload script, and cannot be saved.
    pub script_local: bool,
}

/// What a build would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DryRun {
    /// The image is there and is what a build would give, so that none would be done.
    pub up_to_date: bool,
    /// Why everything would be compiled, if that is known beforehand and was not asked for.
    pub not_linked: Option<String>,
    /// None where none would be needed.
    pub linker: Option<String>,
    pub commands: Vec<PlannedCommand>,
    pub log: PathBuf,
    pub sysimage_path: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedCommand {
    pub stage: Stage,
    pub what: String,
    pub command: String,
}
