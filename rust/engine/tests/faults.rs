//! Builds under faults drawn at random: of the disk, of processes that are killed, with other builds and
//! the clearing of the cache at once. Whatever comes, afterwards there is the older image or the new one,
//! whole; its stamp fits; no process and no work folder is left; and the next build is right, whatever the
//! cache kept.
//!
//! The faults come from a preloaded library, signals and limits, which are Linux's.
//!
//! `PCRS_FAULT_SEED` is what is drawn from, `PCRS_FAULT_ROUNDS` how many rounds there are (`100`), or which
//! (`17-17`, to see one again). All of them run, and those that failed are told at the end.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use common::script::{Step, Wait};
use common::steps::{append, copy, exists, exit, fail_with, run, say, unless, write};
use common::{Fake, LIMIT, OBJECT, build, names, start};
use pcrs_cache::Stop;
use pcrs_engine::identity::cache;
use pcrs_engine::identity::stamp::Stamp;
use pcrs_engine::report::{BuildReport, Origin};
use pcrs_engine::surroundings::Surroundings;
use pcrs_engine::{BuildPlan, Event};
use serde::{Deserialize, Serialize};

/// Rounds of an ordinary run of the tests.
const ROUNDS: u64 = 40;
const SEED: u64 = 17;

/// Numbers that only the seed decides (splitmix64).
struct Draw(u64);

impl Draw {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Kinds of `tests/c/faults.c`, and whether a build must not mind them at all.
const KINDS: [(&str, bool); 12] = [
    ("full-disk", false),
    ("bad-disk", false),
    ("interrupted", true),
    ("short", true),
    ("no-locks", true),
    ("no-copies", true),
    ("no-modes", true),
    ("no-sync", true),
    ("no-clearing", true),
    ("kill", false),
    ("interrupt", false),
    ("kill-watchdog", true),
];

/// What befalls a build's process.
#[derive(Debug, Clone, Copy)]
struct Fault {
    kind: &'static str,
    harmless: bool,
    at: u64,
    times: u64,
}

/// What befalls a child: a part of what `fake.rs` does, when it comes to a certain point.
#[derive(Debug, Clone, Copy)]
struct Mishap {
    name: &'static str,
    at: &'static str,
    steps: Steps,
    harmless: bool,
}

fn goes_on(mishap: Mishap) -> bool {
    mishap.name == "its disk is full and it goes on"
}

const POINTS: [&str; 8] = [
    "precompile",
    "trace",
    "early",
    "load",
    "image",
    "statement",
    "link",
    "verify",
];

type Steps = fn() -> Vec<Step>;

/// A mishap befalls one child of all: who comes first makes the folder.
const MISHAPS: [(&str, bool, Steps); 6] = [
    ("the child is killed", false, || {
        vec![Step::Signal(libc::SIGKILL)]
    }),
    ("its disk is full", false, || {
        fail_with("ERROR: no space left on device (ENOSPC)").into()
    }),
    ("its disk is full and it goes on", false, || {
        let told = say("error: IOError(write: no space left on device)");
        vec![told, write("$here/short-$pid", "")]
    }),
    // The parent of the fake that runs this.
    ("the host is killed", false, || {
        shell("read -r _ _ _ host _ </proc/$PPID/stat; kill -9 $host")
    }),
    ("the watchdog is killed", true, || {
        shell(
            r#"for at in /proc/[0-9]*; do
               if tr '\0' ' ' <"$at/cmdline" 2>/dev/null | grep -q "packagecompilerrs-watchdog.*$here"; then
                   kill -9 "${at#/proc/}"
               fi
           done"#,
        )
    }),
    ("processes are left behind", true, || {
        shell("sleep 1000 >/dev/null 2>&1 & (setsid sleep 1000 >/dev/null 2>&1 &)")
    }),
];

/// A script that knows by their names what the fake knows.
fn shell(script: &str) -> Vec<Step> {
    vec![run("sh", &["-c", script], Wait::Here)]
}

/// A round: what there is before, what happens, and how the next build finds it.
#[derive(Clone)]
struct Round {
    number: u64,
    old_image: bool,
    warm_cache: bool,
    workloads: usize,
    force: bool,
    own_log: bool,
    fault: Option<Fault>,
    mishap: Option<Mishap>,
    /// Another build at once, of the same image or of the same into another file.
    second: Option<&'static str>,
    clearing: bool,
    /// The build works in a folder that is not the image's.
    elsewhere: bool,
    /// What the next build does not find.
    forget_image: bool,
    forget_entries: bool,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}:", self.number)?;
        if let Some(Fault {
            kind, at, times, ..
        }) = self.fault
        {
            write!(f, " {kind} at call {at}, {times} times;")?;
        }
        if let Some(Mishap { name, at, .. }) = self.mishap {
            write!(f, " {name} at {at};")?;
        }
        if let Some(image) = self.second {
            write!(f, " {image} at once;")?;
        }
        let told = [
            (self.clearing, "the cache is cleared at once"),
            (self.elsewhere, "the work folder elsewhere"),
            (self.old_image, "over an old image"),
            (self.warm_cache, "with a cache"),
            (self.workloads == 2, "two workloads"),
            (self.force, "force"),
            (self.own_log, "a log of its own"),
            (self.forget_image, "then the image is removed"),
            (self.forget_entries, "and from the cache"),
        ];
        for (_, text) in told.iter().filter(|(is_so, _)| *is_so) {
            write!(f, " {text};")?;
        }
        Ok(())
    }
}

impl Round {
    fn draw(seed: u64, number: u64, counts: &BTreeMap<String, u64>) -> Self {
        let mut draw = Draw(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let fault = (!draw.one_in(6)).then(|| {
            let (kind, harmless) = draw.of(&KINDS);
            let count = counts.get(kind).copied().unwrap_or(1);
            // A file system that lacks something lacks it always.
            let (at, times) = match kind.starts_with("no-") {
                true => (1, ALWAYS),
                false => (
                    1 + draw.below(count + count / 10),
                    draw.of(&[1, 1, 2, 10, ALWAYS]),
                ),
            };
            Fault {
                kind,
                harmless,
                at,
                times,
            }
        });
        let mishap = (fault.is_none() || draw.one_in(5)).then(|| {
            let (name, harmless, steps) = draw.of(&MISHAPS);
            Mishap {
                name,
                harmless,
                steps,
                at: draw.of(&POINTS),
            }
        });
        let second = draw.one_in(4).then(|| draw.of(&["Image.so", "Other.so"]));
        let forget_image = draw.one_in(2);
        Self {
            number,
            fault,
            mishap,
            second,
            clearing: draw.one_in(6),
            old_image: !draw.one_in(4),
            warm_cache: draw.one_in(3),
            workloads: draw.of(&[1, 1, 2]),
            force: draw.one_in(6),
            own_log: draw.one_in(6),
            forget_image,
            forget_entries: forget_image && draw.one_in(2),
            elsewhere: draw.one_in(5),
        }
    }

    fn is_harmless(&self) -> bool {
        self.fault.is_none_or(|fault| fault.harmless)
            && self.mishap.is_none_or(|mishap| mishap.harmless)
    }

    fn host_may_die(&self) -> bool {
        self.fault.is_some_and(|fault| fault.kind == "kill")
            || self.mishap.is_some_and(|m| m.name == "the host is killed")
    }

    fn watchdog_may_die(&self) -> bool {
        self.fault
            .is_some_and(|fault| fault.kind == "kill-watchdog")
            || self
                .mishap
                .is_some_and(|m| m.name == "the watchdog is killed")
    }
}

/// How a build in a process of its own ended.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    result: Result<BuildReport, pcrs_engine::BuildError>,
    warnings: Vec<String>,
}

const PLAN: &str = "PCRS_TEST_PLAN";
/// Before the outcome, in the output of the process.
const MARK: &str = "outcome: ";

/// Set by the handler of SIGINT.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupted(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Not a test by itself: a build in a process of its own.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes variables"
)]
fn the_process_of_a_build() {
    let Some(plan) = std::env::var_os(PLAN) else {
        return;
    };
    // SAFETY: the handler only stores a number.
    unsafe { libc::signal(libc::SIGINT, interrupted as *const () as libc::sighandler_t) };
    let plan: BuildPlan = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    let build = start(plan);
    let mut warnings = Vec::new();
    loop {
        if INTERRUPTED.swap(false, Ordering::SeqCst) {
            build.cancel();
        }
        match build.next_event() {
            Some(Event::Finished) => break,
            Some(Event::Warning { text, .. }) => warnings.push(text),
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    let result = build.result().unwrap();
    let told = Told { result, warnings };
    println!("\n{MARK}{}", serde_json::to_string(&told).unwrap());
}

/// The folder of fakes whose image is made of what its inputs hold.
struct Scene {
    fake: Fake,
    library: PathBuf,
    /// Image and report of each version of the inputs, with one workload and with two.
    right: BTreeMap<(u8, usize), (Vec<u8>, BuildReport, String)>,
    counts: BTreeMap<String, u64>,
}

/// Folders in which files fail.
const FRAIL: [&str; 5] = ["target", "work", "cache", "temporary", "project"];
/// Calls that fail; more than there are.
const ALWAYS: u64 = 1_000_000;
const OLD: u8 = 1;
const NEW: u8 = 2;

impl Scene {
    fn new(library: &Path) -> Self {
        let fake = Fake::new();
        fs::create_dir(fake.path("temporary")).unwrap();
        fs::remove_file(fake.path("trace")).unwrap();
        fake.write("head", OBJECT);
        for (number, workload) in ["workload1.jl", "workload2.jl"].into_iter().enumerate() {
            fake.write(&format!("project/{workload}"), format!("# {number}\n"));
        }
        // What it compiles is made of all that the build took in.
        let to = String::from("$object");
        let steps = [
            copy("$here/head", &to),
            append(&to, "$read{project/data}\n"),
            Step::AppendStatements { to: to.clone() },
            append(&to, "end\n"),
            exit(0),
        ];
        fake.on("generate", steps);
        let mut scene = Self {
            fake,
            library: library.to_path_buf(),
            right: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        scene.hooks(None);
        for version in [OLD, NEW] {
            for workloads in [1, 2] {
                scene.set_version(version);
                let mut plan = scene.plan(workloads);
                plan.cache = None;
                let report = build(plan).report();
                let key = Stamp::of(&scene.fake.image(), &Stop::default())
                    .unwrap()
                    .content_key
                    .unwrap();
                let image = fs::read(scene.fake.image()).unwrap();
                assert!(image.ends_with(b"end\n"));
                scene
                    .right
                    .insert((version, workloads), (image, report, key));
            }
        }
        // How many calls there are that can fail.
        scene.prepare(false, false, 1);
        let counts = scene.fake.path("counts");
        let host = scene.spawn(&scene.plan(1), &[("FAULT_COUNTS", counts.as_os_str())]);
        let (status, told) = host.end(&scene.fake).unwrap();
        assert!(status.success(), "{told:?}");
        for line in scene.fake.read("counts").lines() {
            let (kind, count) = line.split_once(' ').unwrap();
            scene.counts.insert(kind.into(), count.parse().unwrap());
        }
        scene
    }

    fn set_version(&self, version: u8) {
        self.fake.write("project/data", format!("{version}\n"));
    }

    /// The hooks of the fakes, with a mishap in one of them.
    fn hooks(&self, mishap: Option<Mishap>) {
        let of = |point: &str| {
            let mut steps = Vec::new();
            if let Some(mishap) = mishap.filter(|mishap| mishap.at == point) {
                // Once in a round.
                steps.push(Step::Once {
                    folder: "$here/struck".into(),
                    steps: (mishap.steps)(),
                });
            }
            // A statement for every workload, and one for each version.
            if point == "trace" {
                let of_version = "precompile(f, (Val{$read{project/data}},))\n";
                let of_workload = "precompile(g, (Val{:$stem},))\n";
                steps.push(write("$trace", of_version));
                let whole = append("$trace", of_workload);
                steps.push(unless(exists("short-$pid"), [whole]));
            }
            steps
        };
        for point in POINTS {
            self.fake.on(point, of(point));
        }
    }

    fn plan(&self, workloads: usize) -> BuildPlan {
        let fake = &self.fake;
        let mut plan = fake.plan();
        plan.workloads = (1..=workloads)
            .map(|i| fake.path(&format!("project/workload{i}.jl")).into())
            .collect();
        plan.workload_deps = vec![fake.path("project/data")];
        plan.cache = fake.cache();
        let environment = &mut plan.surroundings.environment;
        environment.retain(|(name, _)| name != "TMPDIR");
        environment.push(("TMPDIR".into(), fake.path("temporary").into()));
        plan
    }

    /// Folders as the round finds them.
    fn prepare(&self, old_image: bool, warm_cache: bool, workloads: usize) {
        let fake = &self.fake;
        for folder in ["target", "work", "cache", "temporary"] {
            let _ = fs::remove_dir_all(fake.path(folder));
        }
        for folder in ["target", "work", "temporary"] {
            fs::create_dir(fake.path(folder)).unwrap();
        }
        if old_image || warm_cache {
            self.set_version(OLD);
            let plan = BuildPlan {
                cache: fake.cache().filter(|_| warm_cache),
                ..self.plan(workloads)
            };
            build(plan).report();
            if !old_image {
                for name in names(&fake.path("target")) {
                    fs::remove_file(fake.path("target").join(name)).unwrap();
                }
            }
        }
        // Last: the older build has started children too.
        for file in ["struck", "started"] {
            let path = fake.path(file);
            let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
        }
        self.set_version(NEW);
    }

    fn spawn(&self, plan: &BuildPlan, variables: &[(&str, &OsStr)]) -> Host {
        static PLANS: AtomicU64 = AtomicU64::new(0);
        let number = PLANS.fetch_add(1, Ordering::SeqCst);
        let file = self.fake.path(&format!("plan{number}"));
        let mut text = serde_json::to_value(plan).unwrap();
        let Surroundings {
            environment,
            folder,
            home,
        } = &plan.surroundings;
        let pairs = environment.iter().map(|(n, v)| (n.to_str(), v.to_str()));
        text["surroundings"] = serde_json::json!({
            "environment": pairs.collect::<Vec<_>>(), "folder": folder, "home": home,
        });
        fs::write(&file, text.to_string()).unwrap();
        let frail: Vec<String> = FRAIL
            .iter()
            .map(|folder| self.fake.path(folder).display().to_string())
            .collect();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_of_a_build", "--nocapture"])
            .env(PLAN, &file)
            .env("LD_PRELOAD", &self.library)
            .env("FAULT_UNDER", frail.join(":"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Host { child, plan: file }
    }
}

/// A process with a build.
struct Host {
    child: Child,
    plan: PathBuf,
}

impl Host {
    /// Its end, and what it said of it.
    fn end(mut self, fake: &Fake) -> Result<(ExitStatus, Result<Told, String>), String> {
        let mut streams = (
            self.child.stdout.take().unwrap(),
            self.child.stderr.take().unwrap(),
        );
        let reader = std::thread::spawn(move || {
            let mut texts = (String::new(), String::new());
            streams.0.read_to_string(&mut texts.0).unwrap();
            streams.1.read_to_string(&mut texts.1).unwrap();
            texts
        });
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if since.elapsed() > 2 * LIMIT {
                let living = fake.living();
                let _ = self.child.kill();
                let _ = self.child.wait();
                return Err(format!("the build hangs; there are {living:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let (text, errors) = reader.join().unwrap();
        let _ = fs::remove_file(&self.plan);
        let outcome = text.lines().find_map(|line| line.strip_prefix(MARK));
        let told = outcome.and_then(|json| serde_json::from_str(json).ok());
        Ok((status, told.ok_or(format!("{status}: {text}\n{errors}"))))
    }
}

macro_rules! require {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl Scene {
    /// One round, and what is wrong after it.
    fn run(&self, round: &Round) -> Result<(), String> {
        let fake = &self.fake;
        self.hooks(None);
        self.prepare(round.old_image, round.warm_cache, round.workloads);
        self.hooks(round.mishap);
        let mut plan = self.plan(round.workloads);
        plan.force = round.force;
        plan.work_dir = round.elsewhere.then(|| fake.path("work"));
        if round.own_log {
            plan.log = Some(fake.path("target/mine.log"));
        }
        let numbers = round
            .fault
            .map(|fault| (fault.at.to_string(), fault.times.to_string()));
        let mut variables: Vec<(&str, &OsStr)> = Vec::new();
        if let (Some(fault), Some((at, times))) = (round.fault, &numbers) {
            variables.push(("FAULT_KIND", fault.kind.as_ref()));
            variables.push(("FAULT_AT", at.as_ref()));
            variables.push(("FAULT_FOR", times.as_ref()));
        }
        let other = round.second.map(|image| BuildPlan {
            sysimage_path: fake.path("target").join(image),
            log: None,
            ..plan.clone()
        });
        let first = self.spawn(&plan, &variables);
        let second = other.as_ref().map(|plan| self.spawn(plan, &[]));
        let over = AtomicBool::new(false);
        let (first, second) = std::thread::scope(|scope| {
            if round.clearing {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        let _ = cache::clear(&fake.path("cache"), false);
                        std::thread::sleep(Duration::from_millis(3));
                    }
                });
            }
            let first = first.end(fake);
            let second = second.map(|host| host.end(fake)).transpose();
            over.store(true, Ordering::SeqCst);
            (first, second)
        });
        let (first, second) = (first?, second?);
        fake.await_end_of_processes();
        self.hooks(None);
        let one_died = self.check_outcome(round, &plan, first, true)?;
        let mut died = one_died;
        if let (Some(outcome), Some(plan)) = (second, &other) {
            died |= self.check_outcome(round, plan, outcome, false)?;
        }
        self.check_left(round, died)?;
        self.check_next(round, &plan)
    }

    /// Says whether the process was killed.
    fn check_outcome(
        &self,
        round: &Round,
        plan: &BuildPlan,
        (status, told): (ExitStatus, Result<Told, String>),
        is_first: bool,
    ) -> Result<bool, String> {
        let killed = status.signal() == Some(libc::SIGKILL);
        require!(
            status.success() || killed && round.host_may_die(),
            "the process of the build ended by itself: {told:?}"
        );
        let image = &plan.sysimage_path;
        let found = fs::read(image).ok();
        let right = |version| &self.right[&(version, round.workloads)];
        let is = |version| found.as_deref() == Some(&right(version).0[..]);
        let is_old = match round.old_image && *image == self.fake.image() {
            true => is(OLD),
            false => found.is_none(),
        };
        // Told, not kept, and done again by the next build.
        let lacks_a_trace = !is(NEW)
            && round.mishap.is_some_and(goes_on)
            && found
                .as_deref()
                .is_some_and(|found| is_part_of(found, &right(NEW).0));
        if lacks_a_trace {
            let stamp = Stamp::of(image, &Stop::default());
            require!(
                stamp.is_none_or(|stamp| stamp.content_key.is_none()),
                "an image that lacks statements is taken for what its inputs give"
            );
            return Ok(killed);
        }
        require!(
            is(NEW) || is_old,
            "the image is neither old nor new: {:?}",
            found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        );
        if let Some(stamp) = Stamp::of(image, &Stop::default())
            && let Some(key) = &stamp.content_key
            && *image == self.fake.image()
        {
            let expected = &right(if is(NEW) { NEW } else { OLD }).2;
            require!(key == expected, "the stamp has the key of another image");
        }
        if killed {
            return Ok(true);
        }
        let told = told.map_err(|text| format!("the build said nothing of its end: {text}"))?;
        match told.result {
            Ok(report) => {
                require!(is(NEW), "a good build left the old image");
                let unremoved = report
                    .warnings
                    .iter()
                    .find(|text| text.contains("work folder"));
                require!(
                    unremoved.is_none() || self.may_leave(round, false),
                    "a good build says {unremoved:?}"
                );
                require!(
                    report.warnings.is_empty() || self.may_leave(round, false),
                    "the report warns: {:?}",
                    report.warnings
                );
                // That of an image which lacked a trace, and which the other build's has replaced.
                let replaced =
                    round.second == Some("Image.so") && round.mishap.is_some_and(goes_on);
                if !replaced {
                    self.check_report(round, &report)?;
                }
            }
            Err(error) => {
                let text = error.to_string();
                require!(!text.contains("inside the engine"), "{text}");
                require!(
                    !(round.is_harmless() || !is_first && round.mishap.is_none()),
                    "nothing that must fail a build: {text}: {:?}",
                    error.output
                );
                let alone = round.second != Some("Image.so");
                require!(is_old || !alone, "a failed build left a new image: {text}");
            }
        }
        Ok(false)
    }

    fn check_report(&self, round: &Round, report: &BuildReport) -> Result<(), String> {
        let expected = &self.right[&(NEW, round.workloads)].1;
        let shown = |report: &BuildReport| {
            let entries = report.statements.entries.iter();
            let shown = entries.map(|entry| format!("{}: {:?}", entry.text, entry.outcome));
            (shown.collect::<Vec<_>>(), report.statements.duplicates)
        };
        let (got, expected) = (shown(report), shown(expected));
        require!(got == expected, "statements are {got:?}, not {expected:?}");
        Ok(())
    }

    /// Whether a work folder may be left to the next build.
    fn may_leave(&self, round: &Round, died: bool) -> bool {
        // It may have died before there was a watchdog, which children wait for.
        let unwatched = round.watchdog_may_die() || self.fake.started().is_empty();
        let unremovable = round.fault.is_some_and(|fault| match fault.kind {
            "no-clearing" => true,
            "bad-disk" => fault.times > 1,
            _ => false,
        });
        died && unwatched || unremovable
    }

    /// Nothing is left but images, stamps and logs.
    fn check_left(&self, round: &Round, died: bool) -> Result<(), String> {
        let fake = &self.fake;
        if self.may_leave(round, died) {
            return Ok(());
        }
        let known = |name: &String| {
            ["Image.so", "Other.so"].iter().any(|image| {
                let end = name.strip_prefix(image);
                end.is_some_and(|end| matches!(end, "" | ".json" | ".log"))
            }) || name == "mine.log"
        };
        let mut left = names(&fake.path("target"));
        left.retain(|name| !known(name));
        require!(left.is_empty(), "there is {left:?} beside the image");
        for folder in ["work", "temporary"] {
            let left = names(&fake.path(folder));
            require!(
                left.is_empty(),
                "there is {left:?} in the folder `{folder}`"
            );
        }
        Ok(())
    }

    /// The next build, without faults, is right, and sweeps what is left.
    fn check_next(&self, round: &Round, plan: &BuildPlan) -> Result<(), String> {
        let fake = &self.fake;
        let plan = BuildPlan {
            force: false,
            log: None,
            ..plan.clone()
        };
        for folder in ["target", "work", "cache/v1/tmp", "temporary"] {
            age_folders(&fake.path(folder));
        }
        if round.forget_image {
            let _ = fs::remove_file(fake.image());
        }
        if round.forget_entries {
            let _ = fs::remove_dir_all(fake.path("cache/v1/image"));
        }
        let built = build(plan.clone());
        let warnings: Vec<String> = built.warnings().into_iter().map(String::from).collect();
        let report = built
            .result
            .map_err(|error| format!("the next build fails: {error}"))?;
        require!(warnings.is_empty(), "the next build warns: {warnings:?}");
        let right = &self.right[&(NEW, round.workloads)];
        let image = fs::read(fake.image()).unwrap();
        require!(
            image == right.0,
            "the next build ({:?}) makes another image: {}",
            report.origin,
            String::from_utf8_lossy(&image)
        );
        self.check_report(round, &report)
            .map_err(|text| format!("of the next build ({:?}): {text}", report.origin))?;
        let again = build(plan.clone());
        let origin = again.result.map(|report| report.origin);
        require!(
            matches!(origin, Ok(Origin::UpToDate)),
            "the build after that is not up to date: {origin:?}"
        );
        let unswept = || {
            let mut left = names(&fake.path("target"));
            left.append(&mut names(&fake.path("work")));
            left.retain(|name| name.contains(".build-") || name.starts_with(".tmp"));
            left
        };
        if !unswept().is_empty() {
            // It may have been up to date and had no need of a folder.
            let again = build(BuildPlan {
                force: true,
                ..plan
            });
            require!(
                again.result.is_ok(),
                "a forced build fails: {:?}",
                again.result
            );
        }
        let left = unswept();
        require!(left.is_empty(), "the next build leaves {left:?}");
        cache::clear(&fake.path("cache"), false).unwrap();
        let mut left = files(&fake.path("cache"));
        left.retain(|path| !path.ends_with("timings.json"));
        require!(left.is_empty(), "clearing the cache leaves {left:?}");
        Ok(())
    }
}

/// Whether `image` lacks nothing of `whole` but statements.
fn is_part_of(image: &[u8], whole: &[u8]) -> bool {
    let (image, whole) = (
        String::from_utf8_lossy(image),
        String::from_utf8_lossy(whole),
    );
    image.ends_with("end\n")
        && whole
            .lines()
            .all(|line| line.starts_with("precompile") || image.lines().any(|other| other == line))
}

/// As if their processes had died long ago.
fn age_folders(folder: &Path) {
    let old = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            File::open(entry.path()).unwrap().set_modified(old).unwrap();
        }
    }
}

/// Files at and below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

/// The library of `faults.c`; none where there is no C compiler.
fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let made = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache/tests/c/faults.c");
        let status = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&path, &source])
            .status();
        match status {
            Ok(status) => {
                assert!(status.success());
                Some((folder, path))
            }
            Err(error) => {
                println!("skipped: no C compiler: {error}");
                None
            }
        }
    });
    made.as_ref().map(|(_, path)| path.as_path())
}

#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes variables"
)]
fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn a_file_system_that_lacks_something_is_no_obstacle() {
    let Some(library) = library() else { return };
    let scene = Scene::new(library);
    for (kind, harmless) in KINDS.iter().filter(|(kind, _)| kind.starts_with("no-")) {
        let round = Round {
            number: 0,
            old_image: true,
            warm_cache: true,
            workloads: 1,
            force: false,
            own_log: false,
            fault: Some(Fault {
                kind,
                harmless: *harmless,
                at: 1,
                times: ALWAYS,
            }),
            mishap: None,
            second: None,
            clearing: false,
            elsewhere: false,
            forget_image: false,
            forget_entries: false,
        };
        scene
            .run(&round)
            .unwrap_or_else(|text| panic!("{round} {text}"));
    }
}

#[test]
fn whatever_fails_there_is_a_whole_image_and_the_next_build_is_right() {
    let Some(library) = library() else { return };
    let seed = chosen("PCRS_FAULT_SEED").map_or(SEED, |text| text.parse().unwrap());
    let rounds = match chosen("PCRS_FAULT_ROUNDS") {
        None => 1..=ROUNDS,
        Some(text) => match text.split_once('-') {
            Some((from, to)) => from.parse().unwrap()..=to.parse().unwrap(),
            None => 1..=text.parse().unwrap(),
        },
    };
    println!("PCRS_FAULT_SEED={seed}, rounds {rounds:?}");
    let next = AtomicU64::new(*rounds.start());
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2.min(rounds.clone().count()) {
            scope.spawn(|| {
                let scene = Scene::new(library);
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if !rounds.contains(&number) {
                        return;
                    }
                    let round = Round::draw(seed, number, &scene.counts);
                    if let Err(text) = scene.run(&round) {
                        let text = format!("{round} {text}");
                        println!("{text}");
                        broken.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(
        broken.is_empty(),
        "with PCRS_FAULT_SEED={seed} {} rounds failed:\n{}",
        broken.len(),
        broken.join("\n")
    );
}
