//! What to build: the value that Julia hands to the engine, complete and free of questions.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::julia::version::JuliaVersion;
use crate::surroundings::Surroundings;

/// The layout of the plan; both sides refuse another one.
pub const SCHEMA: u32 = 1;

/// One build, with every path absolute and every option resolved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildPlan {
    /// [`SCHEMA`] of the side that wrote the plan.
    pub schema: u32,
    /// The Julia that builds the image, and for which it is good.
    pub julia: Julia,
    /// The project whose packages go into the image.
    pub project: Project,
    /// Packages to load, each after its dependencies.
    pub packages: Vec<Package>,
    /// No names were given: all that the project can load was asked for.
    pub all_packages: bool,
    /// Names of packages of the project that the user left out of all of them.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Names of standard libraries that go in though the project does not name them.
    #[serde(default)]
    pub stdlibs: Vec<String>,
    /// Whether requested packages are bound in `Main`.
    pub import_into_main: bool,
    /// What is run so that the statements it compiles go into the image.
    pub workloads: Vec<Workload>,
    /// Files of statements (`precompile_statements_file`).
    pub statement_files: Vec<PathBuf>,
    /// A file that runs in the image process after the statements.
    pub script: Option<PathBuf>,
    /// Whether sessions on the image warn when the active project disagrees with it.
    pub guard: bool,
    /// The image is that of an app, or of a library: nothing else needs to know how it was built.
    #[serde(default)]
    pub app: Option<App>,
    /// The image is a library for other programs: the library of `rust/library`, to which its functions
    /// `init_julia` and `shutdown_julia` go on.
    #[serde(default)]
    pub library: Option<PathBuf>,
    /// What the image is built upon.
    pub base: Base,
    /// Julia's `--cpu-target`.
    pub cpu_target: String,
    /// Further Julia options for the image process (`sysimage_build_args`).
    pub build_args: Vec<String>,
    /// Whether to pass `--compress-sysimage=yes` (Julia >= 1.13).
    pub compress: bool,
    /// The linker driver and its leading arguments, from `JULIA_CC`.
    pub compiler: Option<Vec<String>>,
    /// Where the image appears.
    pub sysimage_path: PathBuf,
    /// The folder in which the build makes its work folder; that of the image when `None`.
    #[serde(default)]
    pub work_dir: Option<PathBuf>,
    /// Where the full log goes; beside the image when `None`, and then kept only of a failed build.
    pub log: Option<PathBuf>,
    /// What that is kept beside, if not the image: an app's lies in a folder that goes with a failed build.
    #[serde(default)]
    pub logs_beside: Option<PathBuf>,
    /// How the linked image is tried before it is published.
    pub verify: Verify,
    /// Whether a statement that is not precompiled fails the build.
    pub strict: bool,
    /// Seconds that one statement may take to compile; no limit when `None`.
    pub statement_timeout: Option<f64>,
    /// Threads that generate the image's code (Julia >= 1.10); Julia's own choice when `None`.
    pub image_threads: Option<u32>,
    /// How many workloads are traced at once; chosen from cores and memory when `None`.
    pub trace_jobs: Option<u32>,
    /// Threads that each workload runs with; one when `None`.
    #[serde(default)]
    pub workload_threads: Option<u32>,
    /// Files and folders that the workloads read other than by `include`.
    pub workload_deps: Vec<PathBuf>,
    /// The preferences of all packages of the project, a line for each: its UUID, and its table as JSON.
    pub preferences: String,
    /// Where results of earlier builds are; none are kept or used when `None`.
    pub cache: Option<CachePlan>,
    /// Build even if nothing changed.
    pub force: bool,
    /// The library of `rust/allocator`, which the Julias that generate code preload.
    pub allocator: Option<PathBuf>,
    /// Whether native code that lies on the disk already is linked in as it is.
    #[serde(default)]
    pub linked: bool,
    /// Whether a linked image gets every method with a concrete signature, asked for or not.
    #[serde(default)]
    pub compile_all: bool,
    /// The library of `rust/interpose`, which the process that makes a linked image preloads.
    #[serde(default)]
    pub interposer: Option<PathBuf>,
    /// Seconds for which children may neither write nor compute anything; no limit when `None`.
    #[serde(default)]
    pub idle_limit: Option<f64>,
    /// Environment variables that packages, workloads or scripts read.
    #[serde(default)]
    pub environment_inputs: Vec<String>,
    /// What children inherit. Never written: variables hold passwords, and stamps hold the plan.
    #[serde(default, skip_serializing)]
    pub surroundings: Surroundings,
}

/// What the executables of an app call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The package, and its functions; there are none for a library.
    pub package: PkgId,
    pub functions: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachePlan {
    pub dir: PathBuf,
    /// Least recently used entries go when there is more.
    pub max_bytes: u64,
    /// Others may write to it, and are trusted.
    #[serde(default)]
    pub shared: bool,
}

/// A Julia installation, as it describes itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Julia {
    pub version: JuliaVersion,
    /// The executable.
    pub exe: PathBuf,
    /// `Sys.STDLIB`.
    pub stdlib: PathBuf,
    /// Folder of Base's sources, with `sysimg.jl`.
    pub base_source: PathBuf,
    /// `Sys.BINDIR` joined with `Base.DATAROOTDIR`.
    pub data_root: PathBuf,
    /// The image that this Julia starts on by itself.
    pub default_sysimage: PathBuf,
    /// The runtime libraries an image is linked against.
    pub libraries: Vec<PathBuf>,
    /// LLVM's library, which generates the code; none where it is part of another.
    pub llvm: Option<PathBuf>,
    /// Folders of those libraries and of their own private ones.
    pub library_dirs: Vec<PathBuf>,
    /// `Libdl.dlext`: `so`, `dylib` or `dll`.
    pub dlext: String,
    /// `Sys.ARCH`.
    pub arch: String,
    /// `Sys.CPU_NAME`, which `--cpu-target=native` stands for.
    pub cpu: String,
    /// The bundled lld, where there is one (Julia >= 1.9).
    pub lld: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Folder of the project file: the first entry of the children's `LOAD_PATH`.
    pub dir: PathBuf,
    /// The project file itself.
    pub file: PathBuf,
    pub manifest: PathBuf,
    /// Folders of all packages that the Manifest tracks by path, and of the project if it is one.
    pub sources: Vec<PathBuf>,
    /// Packages of the Manifest that are not planned for the image; a workload can load them.
    pub others: Vec<Other>,
}

/// A package of the Manifest, as that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    pub name: String,
    pub uuid: String,
    pub version: Option<String>,
    pub path: Option<PathBuf>,
    pub tree_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PkgId {
    pub name: String,
    pub uuid: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub name: String,
    pub uuid: String,
    /// As the Manifest says; stdlibs of older Julias have none.
    pub version: Option<String>,
    /// Folder of the package's source, where it is tracked by path.
    pub path: Option<PathBuf>,
    /// Of the source, where it is tracked by content.
    pub tree_hash: Option<String>,
    /// Asked for by name, not only as a dependency.
    pub requested: bool,
    /// A dependency of the project itself, which `Pkg.precompile` can name.
    pub direct: bool,
    /// Loaded explicitly; a dependency may be left to the packages that need it
    /// (`include_transitive_dependencies=false`).
    pub load: bool,
    /// It and all that it needs are tracked by content, so that only a new Manifest changes them.
    #[serde(default)]
    pub settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Workload {
    /// A script (`precompile_execution_file`).
    Script { path: PathBuf },
    /// The tests of a package (`workload=TestSuite(name)`).
    TestSuite {
        name: String,
        uuid: String,
        /// Folder of the package.
        path: PathBuf,
        /// What the tests find in `ARGS`.
        args: Vec<String>,
        /// Folders that the tests depend on: the package's, and those of test dependencies that
        /// are tracked by path.
        sources: Vec<PathBuf>,
    },
}

/// A script.
impl From<PathBuf> for Workload {
    fn from(path: PathBuf) -> Self {
        Self::Script { path }
    }
}

impl Workload {
    /// The file that runs: what its statements are said to come from.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Script { path } => path.clone(),
            Self::TestSuite { path, .. } => path.join("test").join("runtests.jl"),
        }
    }

    /// For lines of output and progress: "greet.jl", "the tests of Greeter".
    pub fn label(&self) -> String {
        match self {
            Self::Script { path } => file_name(path),
            Self::TestSuite { name, .. } => format!("the tests of {name}"),
        }
    }

    pub fn is_test_suite(&self) -> bool {
        matches!(self, Self::TestSuite { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Base {
    /// Build on an image that exists (`incremental=true`).
    Existing { path: PathBuf },
    /// Compile Julia's own Base first (`incremental=false`); `filter_stdlibs` leaves out the
    /// stdlibs of the default image that no package needs.
    Fresh { filter_stdlibs: bool },
}

/// In order: each does what the one before does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// Publish unseen.
    None,
    /// The image starts and holds the packages with the planned versions.
    Load,
    /// Also runs the workloads again and lists what still compiles.
    Trace,
}

impl Julia {
    /// Whether `path` is, under whatever name, the image that Julia starts on when it is not given
    /// another one.
    pub fn is_default_sysimage(&self, path: &Path) -> bool {
        let default = &self.default_sysimage;
        path == default
            || matches!((path.canonicalize(), default.canonicalize()), (Ok(a), Ok(b)) if a == b)
    }
}

impl BuildPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// A sentence about the first thing that is not as [`SCHEMA`] has it.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let plan: BuildPlan = serde_json::from_str(json).map_err(|e| e.to_string())?;
        if plan.schema == SCHEMA {
            Ok(plan)
        } else {
            Err(format!(
                "the plan has schema {}, the engine reads {SCHEMA}",
                plan.schema
            ))
        }
    }

    /// The image's file name.
    pub fn image_name(&self) -> String {
        file_name(&self.sysimage_path)
    }

    /// The folder the image appears in.
    pub fn target_dir(&self) -> &Path {
        self.sysimage_path.parent().unwrap_or(Path::new("."))
    }

    /// What the log of a failed build is kept beside.
    pub fn logs_beside(&self) -> &Path {
        self.logs_beside.as_deref().unwrap_or(&self.sysimage_path)
    }

    /// The folder in which the work folder is made.
    pub fn work_dir(&self) -> &Path {
        self.work_dir.as_deref().unwrap_or(self.target_dir())
    }

    /// The base without its place.
    pub fn base_kind(&self) -> &'static str {
        match self.base {
            Base::Existing { .. } => "existing",
            Base::Fresh {
                filter_stdlibs: true,
            } => "fresh, filtered",
            Base::Fresh { .. } => "fresh",
        }
    }

    /// The arguments of the user's that a fresh base is made with: its source and its docstrings are needed
    /// while packages are compiled upon it (PackageCompiler.jl issue 1121).
    pub fn base_args(&self) -> impl Iterator<Item = &String> {
        let kept = |arg: &&String| !arg.starts_with("--compile") && !arg.starts_with("--strip-");
        self.build_args.iter().filter(kept)
    }

    /// The CPU that the image is bound to, if it is bound to that of this machine.
    pub fn bound_to_cpu(&self) -> Option<&str> {
        let mut targets = self.cpu_target.split(';');
        let native = targets.any(|target| target.split(',').next() == Some("native"));
        native.then_some(&self.julia.cpu)
    }

    /// Whether code of the user's runs for the image, which can load whatever the project has.
    pub fn runs_code(&self) -> bool {
        !self.workloads.is_empty() || self.script.is_some()
    }

    /// The preferences of the packages that the build can load.
    pub fn preferences_that_count(&self) -> String {
        let counts = |line: &&str| {
            let uuid = line.split(' ').next();
            self.runs_code() || self.packages.iter().any(|p| Some(&*p.uuid) == uuid)
        };
        let lines: Vec<&str> = self.preferences.lines().filter(counts).collect();
        lines.join("\n")
    }

    /// Whether the packages can have precompile caches.
    ///
    /// Julia's own `compilecache` refuses a `LOAD_PATH` entry that holds the list separator
    /// (base/loading.jl, 1.10); such projects are loaded from source.
    pub fn has_caches(&self) -> bool {
        let separator = if cfg!(windows) { ';' } else { ':' };
        !self.project.dir.to_string_lossy().contains(separator)
    }

    /// Whether there are packages to precompile, of which children can use the caches.
    pub fn is_precompiled(&self) -> bool {
        self.packages.iter().any(|p| p.load) && self.has_caches()
    }
}

/// The last component of `path`, for messages and derived names.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
