//! A build with fakes in the place of Julia and the compiler (`fake.rs`), in a folder of its own.

#![allow(dead_code, reason = "every test file uses a part of it")]

#[path = "../../../cache/tests/common/age.rs"]
pub mod age;
pub mod script;
pub mod steps;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pcrs_engine::plan::{
    App, Base, CachePlan, Julia, Package, PkgId, Project, SCHEMA, Verify, Workload,
};
use pcrs_engine::surroundings::Surroundings;
use pcrs_engine::{Build, BuildError, BuildPlan, BuildReport, Event, Stage};
use script::Step;
use tempfile::TempDir;

/// Longer than anything here takes on a machine that is busy with other work.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How the end of [`script::Step::Crash`] is told.
pub const CRASH: &str = if cfg!(windows) {
    "0xC0000005 (access violation)"
} else {
    "SIGSEGV"
};

/// What the fakes make: the least that is known as a sysimage, and is text.
pub const OBJECT: &str = sysimage(OBJECT_BYTES);
/// What an earlier build made.
pub const OLD: &str = sysimage(OLD_BYTES);
const OBJECT_BYTES: &[u8] = &image_with(b"the object file of the fake\n");
const OLD_BYTES: &[u8] = &image_with(b"an older image, of a build before\n");

const TEXT: usize = 0x146;

const fn sysimage(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("not text"),
    }
}

/// A shared library for ELF whose one dynamic symbol is a sysimage's, and then `text`.
const fn image_with<const N: usize>(text: &[u8; N]) -> [u8; TEXT + 40] {
    let mut bytes = [b' '; TEXT + 40];
    let mut at = 0;
    while at < TEXT {
        bytes[at] = 0;
        at += 1;
    }
    // The header: three sections, whose table starts at 0x40.
    bytes = put(bytes, 0, b"\x7fELF\x02\x01\x01");
    bytes = put(bytes, 0x10, b"\x03\0\x3e\0\x01");
    bytes = put(bytes, 0x28, b"\x40");
    bytes = put(bytes, 0x34, b"\x40\0\x38\0\0\0\x40\0\x03\0\x02");
    // Symbols of 0x18 bytes at 0x100, whose names are in section 2.
    bytes = put(bytes, 0x84, b"\x0b");
    bytes = put(
        bytes,
        0x98,
        b"\0\x01\0\0\0\0\0\0\x30\0\0\0\0\0\0\0\x02\0\0\0\x01",
    );
    bytes = put(bytes, 0xb8, b"\x18");
    bytes = put(bytes, 0x118, b"\x01\0\0\0\x11\0\x01");
    // Their names, at 0x130.
    bytes = put(bytes, 0xc4, b"\x03");
    bytes = put(bytes, 0xd8, b"\x30\x01\0\0\0\0\0\0\x16");
    bytes = put(bytes, 0x131, b"jl_system_image_data");
    put(bytes, TEXT, text)
}

const fn put<const N: usize, const M: usize>(
    mut bytes: [u8; N],
    start: usize,
    text: &[u8; M],
) -> [u8; N] {
    let mut at = 0;
    while at < M {
        bytes[start + at] = text[at];
        at += 1;
    }
    bytes
}

pub struct Fake {
    root: PathBuf,
    _dir: Option<TempDir>,
}

/// What the fake is called.
const PROGRAMS: [&str; 2] = ["julia", "cc"];

impl Fake {
    /// A folder with fakes that do everything right.
    pub fn new() -> Self {
        Self::below("")
    }

    /// As [`Fake::new`], in a folder of this name within the temporary one.
    pub fn below(name: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pcrs-engine-test-")
            .tempdir()
            .unwrap();
        let mut root = dir.path().to_path_buf();
        root.extend(name.split('/'));
        fs::create_dir_all(&root).unwrap();
        for name in PROGRAMS {
            link(&program(), &root.join(executable(name)));
        }
        for folder in ["base", "project", "target"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        fs::write(root.join("sys.so"), "the default image").unwrap();
        fs::write(root.join("base/sysimg.jl"), "stdlibs = [:Dates]\n").unwrap();
        fs::write(root.join("project/Project.toml"), "").unwrap();
        fs::write(root.join("project/Manifest.toml"), "").unwrap();
        let fake = Self {
            root,
            _dir: Some(dir),
        };
        fake.write("content", OBJECT);
        fake.statements(&["f, (Int,)", "g, (Int,)", "h, (Int,)"]);
        fake
    }

    /// The folder that [`Fake::new`] made in another process.
    pub fn at(root: PathBuf) -> Self {
        Self { root, _dir: None }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Lets the fake do `steps` when it comes to `what`; see `fake.rs`.
    pub fn on(&self, what: &str, steps: impl Into<Vec<Step>>) {
        let steps = serde_json::to_string(&steps.into()).unwrap();
        self.write(&format!("on-{what}"), steps);
    }

    /// What tracing finds.
    pub fn statements(&self, arguments: &[&str]) {
        let lines: String = arguments
            .iter()
            .map(|arguments| format!("precompile({arguments})\n"))
            .collect();
        self.write("trace", lines);
    }

    /// Lets the programs of `plan` be those that it puts into `folder`.
    pub fn programs_in(&self, folder: &Path, plan: &mut BuildPlan) {
        fs::write(folder.join("elsewhere"), self.root.to_str().unwrap()).unwrap();
        let [julia, compiler] = PROGRAMS.map(|name| {
            let path = folder.join(executable(name));
            link(&program(), &path);
            path
        });
        plan.julia.exe = julia;
        plan.compiler = Some(vec![compiler.to_str().unwrap().into()]);
    }

    pub fn julia(&self) -> PathBuf {
        self.path(&executable("julia"))
    }

    pub fn compiler(&self) -> PathBuf {
        self.path(&executable("cc"))
    }

    pub fn image(&self) -> PathBuf {
        self.path("target/Image.so")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn read_image(&self) -> String {
        fs::read_to_string(self.image()).unwrap()
    }

    /// The names in the folder of the image.
    pub fn left(&self) -> Vec<String> {
        names(&self.path("target"))
    }

    /// Stage and arguments of each fake that was started.
    pub fn started(&self) -> Vec<String> {
        fs::read_to_string(self.path("started"))
            .unwrap_or_default()
            .lines()
            .map(String::from)
            .collect()
    }

    /// A cache that is this test's own.
    pub fn cache(&self) -> Option<CachePlan> {
        Some(CachePlan {
            dir: self.path("cache"),
            max_bytes: 1 << 30,
            shared: false,
        })
    }

    pub fn plan(&self) -> BuildPlan {
        let package = |name: &str, digit: char, requested| Package {
            name: name.into(),
            uuid: format!("00000000-0000-0000-0000-00000000000{digit}"),
            version: Some("1.0.0".into()),
            path: None,
            tree_hash: None,
            requested,
            direct: requested,
            load: true,
            settled: true,
        };
        BuildPlan {
            schema: SCHEMA,
            julia: Julia {
                version: "1.10.6".parse().unwrap(),
                exe: self.julia(),
                stdlib: self.path("stdlib"),
                base_source: self.path("base"),
                data_root: self.path("share"),
                default_sysimage: self.path("sys.so"),
                libraries: Vec::new(),
                llvm: None,
                library_dirs: Vec::new(),
                dlext: "so".into(),
                arch: "x86_64".into(),
                cpu: "skylake".into(),
                lld: None,
            },
            project: Project {
                dir: self.path("project"),
                file: self.path("project/Project.toml"),
                manifest: self.path("project/Manifest.toml"),
                sources: Vec::new(),
                others: Vec::new(),
            },
            packages: vec![package("Needed", '1', false), package("Asked", '2', true)],
            all_packages: false,
            exclude: Vec::new(),
            stdlibs: Vec::new(),
            import_into_main: true,
            workloads: Vec::new(),
            statement_files: Vec::new(),
            script: None,
            guard: false,
            app: None,
            library: None,
            base: Base::Existing {
                path: self.path("sys.so"),
            },
            cpu_target: "native".into(),
            build_args: Vec::new(),
            compress: false,
            compiler: Some(vec![self.compiler().to_str().unwrap().into()]),
            sysimage_path: self.image(),
            work_dir: None,
            log: None,
            logs_beside: None,
            verify: Verify::Load,
            strict: false,
            statement_timeout: Some(60.0),
            image_threads: Some(1),
            trace_jobs: Some(1),
            workload_threads: None,
            workload_deps: Vec::new(),
            preferences: String::new(),
            cache: None,
            force: false,
            allocator: None,
            linked: true,
            compile_all: false,
            interposer: None,
            idle_limit: None,
            environment_inputs: Vec::new(),
            surroundings: surroundings(),
        }
    }

    /// The plan with `count` workloads, which run `on-trace` with `$workload` set.
    pub fn plan_with_workloads(&self, count: usize) -> BuildPlan {
        let mut plan = self.plan();
        plan.workloads = (1..=count)
            .map(|i| self.write(&format!("workload{i}.jl"), "").into())
            .collect();
        plan
    }

    /// The plan with the tests of a package, which run `on-test_suite`.
    pub fn plan_with_tests(&self) -> BuildPlan {
        let mut plan = self.plan();
        fs::create_dir_all(self.path("Asked/test")).unwrap();
        self.write("Asked/test/runtests.jl", "");
        plan.workloads = vec![Workload::TestSuite {
            name: "Asked".into(),
            uuid: plan.packages[1].uuid.clone(),
            path: self.path("Asked"),
            args: vec!["quick".into()],
            sources: vec![self.path("Asked")],
        }];
        plan
    }

    pub fn build(&self) -> Built {
        build(self.plan())
    }

    /// Waits until a fake has made the file `name`.
    pub fn await_file(&self, name: &str) {
        let path = self.path(name);
        until(&format!("{name} appears"), || path.exists());
    }

    /// Command lines of the processes that belong to this test: fakes, what they started, the
    /// watchdog, and a build in a process of its own.
    #[cfg(target_os = "linux")]
    pub fn living(&self) -> Vec<(i32, String)> {
        let marks = |path: PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            let root = self.root.as_os_str().as_encoded_bytes();
            let found = bytes.windows(root.len()).any(|window| window == root);
            found.then_some(bytes)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != i32::try_from(std::process::id()).unwrap())
            .filter_map(|pid| {
                let folder = PathBuf::from(format!("/proc/{pid}"));
                marks(folder.join("cmdline")).or_else(|| marks(folder.join("environ")))?;
                let line = fs::read(folder.join("cmdline")).ok()?;
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                // A zombie has no command line.
                (!line.is_empty()).then_some((pid, line))
            })
            .collect()
    }

    /// Waits until no process of this test is left.
    #[cfg(target_os = "linux")]
    pub fn await_end_of_processes(&self) {
        let start = Instant::now();
        while !self.living().is_empty() {
            assert!(start.elapsed() < LIMIT, "still run: {:?}", self.living());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The fake. Where this test runs in an emulator that starts no other programs of its kind, one for the
/// machine itself has to be named.
#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes variables"
)]
fn program() -> PathBuf {
    let named = std::env::var_os("PCRS_TEST_FAKE").map(PathBuf::from);
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_pcrs-fake").into())
}

/// What a program is called on this system.
pub fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

// No copies: a file that was just written cannot be run while another thread forks.
#[cfg(unix)]
fn link(program: &Path, name: &Path) {
    std::os::unix::fs::symlink(program, name).unwrap();
}

/// Windows lets only some users make symbolic links.
#[cfg(not(unix))]
fn link(program: &Path, name: &Path) {
    let linked = fs::hard_link(program, name);
    linked
        .or_else(|_| fs::copy(program, name).map(drop))
        .unwrap();
}

/// Those of the test's own process.
#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes them"
)]
pub fn surroundings() -> Surroundings {
    Surroundings {
        environment: std::env::vars_os().collect(),
        folder: std::env::current_dir().unwrap(),
        home: std::env::home_dir().unwrap(),
    }
}

/// A build that has ended.
pub struct Built {
    pub events: Vec<Event>,
    pub result: Result<BuildReport, BuildError>,
}

impl Built {
    #[track_caller]
    pub fn report(self) -> BuildReport {
        self.result.unwrap()
    }

    #[track_caller]
    pub fn error(self) -> BuildError {
        self.result.unwrap_err()
    }

    /// The lines that children wrote in `stage`.
    pub fn output(&self, stage: Stage) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Output { stage: s, text, .. } if *s == stage => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Warning { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

pub fn start(plan: BuildPlan) -> Build {
    Build::start(plan, Box::new(|| {}))
}

/// An app of the package `Asked` with these functions.
pub fn app(functions: &[&str]) -> App {
    App {
        package: PkgId {
            name: "Asked".into(),
            uuid: "22222222-2222-4222-8222-222222222222".into(),
        },
        functions: functions.iter().map(ToString::to_string).collect(),
    }
}

pub fn build(plan: BuildPlan) -> Built {
    finish(&start(plan))
}

/// Takes the events until the last, and the result.
#[track_caller]
pub fn finish(build: &Build) -> Built {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        match build.next_event() {
            Some(Event::Finished) => break,
            Some(event) => events.push(event),
            None => {
                // Much longer than any takes here: an emulated system is slow.
                let late = start.elapsed() > 20 * LIMIT;
                assert!(!late, "the build hangs after {:?}", events.last());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    let result = build.result().expect("a finished build has a result");
    Built { events, result }
}

#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The error as the user reads it.
pub fn text(error: &BuildError) -> String {
    error.to_string()
}

/// Runs `test` on a thread for which the folder `at` is a file system of `size` bytes. It ends with
/// the thread, so that nothing stays mounted, whatever happens. False where that is not allowed.
#[cfg(target_os = "linux")]
pub fn on_small_disk(at: &Path, size: usize, test: impl FnOnce(&SmallDisk) + Send) -> bool {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: unshare(2) has no arguments in memory; the new namespace is this thread's
            // and its children's.
            if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
                return false;
            }
            let disk = SmallDisk { at };
            let private = libc::MS_REC | libc::MS_PRIVATE;
            if !mount("none", Path::new("/"), "none", private, "") {
                return false;
            }
            let size = format!("size={size},mode=755");
            if !mount("tmpfs", at, "tmpfs", 0, &size) {
                return false;
            }
            test(&disk);
            true
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(target_os = "linux")]
pub struct SmallDisk<'a> {
    at: &'a Path,
}

#[cfg(target_os = "linux")]
impl SmallDisk<'_> {
    pub fn make_read_only(&self) {
        let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
        assert!(mount("tmpfs", self.at, "tmpfs", flags, ""));
    }

    pub fn forbid_code(&self) {
        let flags = libc::MS_REMOUNT | libc::MS_NOEXEC;
        assert!(mount("tmpfs", self.at, "tmpfs", flags, ""));
    }
}

#[cfg(target_os = "linux")]
fn mount(what: &str, at: &Path, kind: &str, flags: libc::c_ulong, options: &str) -> bool {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let text = |text: &OsStr| std::ffi::CString::new(text.as_bytes()).unwrap();
    let (what, at, kind, options) = (
        text(OsStr::new(what)),
        text(at.as_os_str()),
        text(OsStr::new(kind)),
        text(OsStr::new(options)),
    );
    // SAFETY: all are NUL-terminated and outlive the call.
    let done = unsafe {
        libc::mount(
            what.as_ptr(),
            at.as_ptr(),
            kind.as_ptr(),
            flags,
            options.as_ptr().cast(),
        )
    };
    done == 0
}
