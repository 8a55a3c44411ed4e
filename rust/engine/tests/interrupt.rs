//! Builds that are stopped: by the user, with their process, or by the loss of their watchdog.
//!
//! What leaves a process group, the watchdog and files without an end are Unix's, and what still runs is asked of
//! Linux; `cancel.rs` has what all systems promise.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::script::{Step, Wait};
use common::steps::{append, ready_then_go, run};
use common::{Fake, LIMIT, OLD, build, finish, start, until};
use pcrs_engine::plan::Base;
use pcrs_engine::{BuildPlan, ErrorKind, Event, Stage};

/// A child that does not end by itself, nor by SIGTERM, and that has descendants in its group, in
/// another session, and in another session without a parent that leads back to it.
fn hang() -> [Step; 2] {
    let signals = vec![libc::SIGTERM, libc::SIGHUP, libc::SIGINT];
    [Step::Ignore(signals), run("sh", &["-c", HANG], Wait::Here)]
}

/// Knows by their names what the fake knows.
const HANG: &str = r#"
sleep 1000 &
setsid sleep 1000 &
(setsid sleep 1000 &)
(setsid sh -c 'while :; do echo x >>"$0"; sleep 0.01; done' "${trace:-$last}.noise" &)
# All of them are there before the test is told.
sleep 0.2
touch "$here/ready"
while :; do sleep 1000; done
"#;

/// A fake that hangs in `stage`, over an older image.
fn hanging_in(stage: &str) -> Fake {
    let fake = Fake::new();
    fs::write(fake.image(), OLD).unwrap();
    fake.on(stage, hang());
    fake
}

fn assert_nothing_is_left(fake: &Fake) {
    fake.await_end_of_processes();
    assert_eq!(fake.left(), ["Image.so"]);
    assert_eq!(fake.read_image(), OLD);
}

fn cancel_in(hook: &str, stage: Stage, change: impl FnOnce(&mut BuildPlan)) {
    let fake = hanging_in(hook);
    let mut plan = fake.plan();
    change(&mut plan);
    let build = start(plan);
    fake.await_file("ready");
    build.cancel();
    assert!(build.wait(LIMIT), "the build does not end");
    // When the build has ended, so have its children: nothing to wait for.
    let children: Vec<_> = fake.living();
    assert!(children.is_empty(), "still run: {children:?}");
    let error = finish(&build).error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Cancelled, stage));
    assert_eq!(error.log, None);
    assert_nothing_is_left(&fake);
}

#[test]
fn cancelling_while_base_is_compiled_leaves_nothing() {
    cancel_in("base", Stage::Base, |plan| {
        plan.base = Base::Fresh {
            filter_stdlibs: true,
        };
    });
}

#[test]
fn cancelling_while_packages_precompile_leaves_nothing() {
    cancel_in("precompile", Stage::Precompile, |_| {});
}

#[test]
fn cancelling_while_a_workload_runs_leaves_nothing() {
    cancel_in("trace", Stage::Trace, |_| {});
}

#[test]
fn cancelling_while_a_package_loads_leaves_nothing() {
    cancel_in("load", Stage::Image, |_| {});
}

#[test]
fn cancelling_while_code_is_generated_leaves_nothing() {
    cancel_in("generate", Stage::Image, |_| {});
}

#[test]
fn cancelling_while_the_linker_runs_leaves_nothing() {
    cancel_in("link", Stage::Link, |_| {});
}

#[test]
fn cancelling_while_the_new_image_is_tried_leaves_nothing() {
    cancel_in("verify", Stage::Verify, |_| {});
}

#[test]
fn cancelling_ends_all_workloads_that_run_at_once() {
    let fake = hanging_in("trace");
    let mut plan = fake.plan_with_workloads(2);
    plan.trace_jobs = Some(2);
    let [ignore, _] = hang();
    let hang = HANG.replace("ready", "ready-$script");
    fake.on("trace", [ignore, run("sh", &["-c", &hang], Wait::Here)]);
    let build = start(plan);
    fake.await_file("ready-workload1.jl");
    fake.await_file("ready-workload2.jl");
    build.cancel();
    assert_eq!(finish(&build).error().kind, ErrorKind::Cancelled);
    assert_nothing_is_left(&fake);
}

#[test]
fn a_build_cancelled_before_it_began_starts_no_child() {
    let fake = hanging_in("precompile");
    let build = start(fake.plan());
    build.cancel();
    build.cancel();
    assert_eq!(finish(&build).error().kind, ErrorKind::Cancelled);
    assert_nothing_is_left(&fake);
}

#[test]
fn dropping_a_build_that_runs_leaves_nothing() {
    let fake = hanging_in("generate");
    let build = start(fake.plan());
    fake.await_file("ready");
    drop(build);
    assert_nothing_is_left(&fake);
}

#[test]
fn a_good_build_ends_what_its_children_left_running() {
    let fake = Fake::new();
    for stage in ["precompile", "trace", "image", "link", "verify"] {
        let script = "sleep 1000 >/dev/null 2>&1 & (setsid sleep 1000 >/dev/null 2>&1 &)";
        fake.on(stage, [run("sh", &["-c", script], Wait::Here)]);
    }
    fake.build().report();
    assert_eq!(fake.living(), []);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
}

const ROOT: &str = "PCRS_TEST_ROOT";

/// Not a test by itself: the build of the process that is killed below.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes variables"
)]
fn a_build_in_a_process_of_its_own() {
    if let Some(root) = std::env::var_os(ROOT) {
        // Below `nohup` it is ignored, and would not end this process.
        // SAFETY: no handler is set.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        let fake = Fake::at(root.into());
        let mut plan = fake.plan();
        plan.work_dir = Some(fake.path("work")).filter(|work| work.exists());
        let built = build(plan);
        unreachable!("the build ended: {:?}", built.result);
    }
}

#[test]
fn cancelling_ends_a_build_that_a_workload_runs() {
    let inner = hanging_in("generate");
    let outer = Fake::new();
    let executable = std::env::current_exe().unwrap();
    let root = format!("{ROOT}={}", inner.root().display());
    let test = ["--exact", "a_build_in_a_process_of_its_own"];
    let words = [&root, executable.to_str().unwrap(), test[0], test[1]];
    outer.on("trace", [run("env", &words, Wait::Here)]);
    let build = start(outer.plan());
    inner.await_file("ready");
    build.cancel();
    assert_eq!(finish(&build).error().kind, ErrorKind::Cancelled);
    assert_eq!(outer.living(), []);
    inner.await_end_of_processes();
    // Its watchdog has cleaned up.
    assert_eq!(inner.left(), ["Image.so"]);
    assert_eq!(inner.read_image(), OLD);
}

#[test]
fn temporary_files_of_ended_children_are_removed() {
    let fake = hanging_in("generate");
    let temporary = |name: &str| {
        let folder = Step::MakeFolder(format!("$env{{TMPDIR}}/{name}"));
        [folder, append("$here/temporary", "$env{TMPDIR}\n")]
    };
    let chmod = |mode, folders: &[&str]| run("chmod", &[&[mode], folders].concat(), Wait::Here);
    // As Pkg does with artifacts.
    let [made, told] = temporary("jl_left");
    let closed = chmod("500", &["$env{TMPDIR}/jl_left", "$env{TMPDIR}"]);
    fake.on("trace", [made, told, closed]);
    let [made, told] = temporary("jl_image");
    fake.on("image", [chmod("700", &["$env{TMPDIR}"]), made, told]);
    fake.on("precompile", temporary("jl_precompile"));
    let build = start(fake.plan());
    fake.await_file("ready");
    build.cancel();
    assert_eq!(finish(&build).error().kind, ErrorKind::Cancelled);
    let told = fake.read("temporary");
    assert_eq!(told.lines().count(), 3);
    for folder in told.lines() {
        assert!(!std::path::Path::new(folder).exists(), "{folder}");
        let below = folder.contains("/pcrs-") || folder.contains(".Image.so.build-");
        assert!(below, "{folder} is not the build's own");
    }
    assert_nothing_is_left(&fake);
}

fn kill_the_process(signal: i32) {
    kill_the_process_of(&hanging_in("generate"), signal);
}

fn kill_the_process_of(fake: &Fake, signal: i32) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_build_in_a_process_of_its_own"])
        .env(ROOT, fake.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    fake.await_file("ready");
    let pid = libc::pid_t::try_from(process.id()).unwrap();
    // SAFETY: kill(2) on a child that was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    assert!(!process.wait().unwrap().success());
    fake.await_end_of_processes();
    assert_nothing_is_left(fake);
}

#[test]
fn a_parent_killed_with_sigkill_leaves_nothing_where_its_work_folder_is_elsewhere() {
    let fake = hanging_in("generate");
    let work = fake.path("work");
    std::fs::create_dir(&work).unwrap();
    kill_the_process_of(&fake, libc::SIGKILL);
    assert_eq!(common::names(&work), [""; 0]);
}

#[test]
fn a_parent_killed_with_sigkill_leaves_nothing() {
    kill_the_process(libc::SIGKILL);
}

#[test]
fn a_parent_killed_with_sigterm_leaves_nothing() {
    kill_the_process(libc::SIGTERM);
}

#[test]
fn a_parent_killed_with_sighup_leaves_nothing() {
    kill_the_process(libc::SIGHUP);
}

#[test]
fn a_build_whose_watchdog_was_killed_goes_on() {
    let fake = Fake::new();
    fake.on("image", ready_then_go());
    let build = start(fake.plan());
    fake.await_file("ready");
    let watchdogs: Vec<i32> = fake
        .living()
        .into_iter()
        .filter(|(_, line)| line.contains("packagecompilerrs-watchdog"))
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(watchdogs.len(), 1);
    // SAFETY: kill(2) on a child of this process, which has not waited for it yet.
    unsafe { libc::kill(watchdogs[0], libc::SIGKILL) };
    until("the watchdog has ended", || {
        fake.living().iter().all(|(pid, _)| *pid != watchdogs[0])
    });
    fake.write("go", "");
    finish(&build).report();
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    assert_eq!(fake.living(), []);
}

#[test]
fn a_stopped_watchdog_does_not_hang_the_build() {
    let fake = Fake::new();
    fake.on("image", ready_then_go());
    let build = start(fake.plan());
    fake.await_file("ready");
    for (pid, line) in fake.living() {
        if line.contains("packagecompilerrs-watchdog") {
            // SAFETY: as above.
            unsafe { libc::kill(pid, libc::SIGSTOP) };
        }
    }
    fake.write("go", "");
    finish(&build).report();
    assert!(build.wait(Duration::ZERO));
    assert_eq!(fake.living(), []);
}

/// A size that no machine reads to the end; it takes no room.
const ENDLESS: u64 = 1 << 42;

fn endless_file(path: &std::path::Path) {
    fs::File::create(path).unwrap().set_len(ENDLESS).unwrap();
}

/// Cancels a build once it tells that it reads its inputs.
fn cancel_while_reading(fake: &Fake, plan: BuildPlan) {
    let build = start(plan);
    until("the build tells that it reads", || {
        std::iter::from_fn(|| build.next_event()).any(|event| {
            matches!(event, Event::StageStarted { stage: Stage::Check, what, .. } if what.contains("reading"))
        })
    });
    build.cancel();
    assert!(build.wait(LIMIT), "the build does not end");
    assert_eq!(finish(&build).error().kind, ErrorKind::Cancelled);
    assert!(fake.started().is_empty());
}

#[test]
fn reading_a_huge_file_of_a_package_is_told_and_can_be_cancelled() {
    let fake = Fake::new();
    fs::create_dir_all(fake.path("Needed/src")).unwrap();
    fake.write("Needed/Project.toml", "name = \"Needed\"\n");
    endless_file(&fake.path("Needed/src/data.bin"));
    let mut plan = fake.plan();
    plan.packages[0].path = Some(fake.path("Needed"));
    cancel_while_reading(&fake, plan);
}

#[test]
fn reading_a_huge_file_named_by_the_plan_is_told_and_can_be_cancelled() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.workload_deps = vec![fake.path("data.bin")];
    endless_file(&plan.workload_deps[0]);
    cancel_while_reading(&fake, plan);
}

#[test]
fn dropping_a_build_that_reads_ends_it() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.workload_deps = vec![fake.path("data.bin")];
    endless_file(&plan.workload_deps[0]);
    drop(start(plan));
}

#[test]
fn a_build_that_is_stuck_is_waited_for_within_a_bound_and_its_waker_is_let_go() {
    let (held, released) = std::sync::mpsc::channel::<()>();
    let listening = std::sync::Arc::new(());
    let theirs = std::sync::Arc::clone(&listening);
    let waker = Box::new(move || {
        let _ = &theirs;
    });
    // As a thread that waits for a server that does not answer.
    let job = pcrs_engine::Job::<()>::run(waker, move |_| {
        let _ = released.recv();
        Ok(())
    });
    drop(job);
    assert_eq!(std::sync::Arc::strong_count(&listening), 1);
    drop(held);
}

#[test]
fn a_preview_that_reads_a_huge_file_can_be_cancelled() {
    let fake = Fake::new();
    // A file with the stamp of an image: only its hash tells whether it is one.
    fake.build().report();
    fs::rename(fake.path("target/Image.so.json"), fake.path("stamp")).unwrap();
    fs::remove_file(fake.image()).unwrap();
    endless_file(&fake.image());
    fs::rename(fake.path("stamp"), fake.path("target/Image.so.json")).unwrap();
    let plan = fake.plan();
    let job = pcrs_engine::Job::<()>::run(Box::new(|| {}), move |channel| {
        pcrs_engine::dry_run(&plan, channel.stop()).map(drop)
    });
    job.cancel();
    assert!(job.wait(LIMIT), "the preview does not end");
    let error = job.result().unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
}

#[test]
fn a_look_at_a_huge_file_can_be_cancelled() {
    let fake = Fake::new();
    endless_file(&fake.image());
    let image = fake.image();
    let job = pcrs_engine::Job::<()>::run(Box::new(|| {}), move |channel| {
        let version = "1.10.6".parse().unwrap();
        let looked = pcrs_engine::identity::inspect::inspect(&image, version, channel.stop());
        assert!(looked.is_err());
        Ok(())
    });
    job.cancel();
    assert!(job.wait(LIMIT), "the look does not end");
}

fn pipe(path: &std::path::Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_pipe_in_the_place_of_an_input_is_refused_at_once() {
    for set in [
        |plan: &mut BuildPlan, path: std::path::PathBuf| plan.statement_files = vec![path],
        |plan: &mut BuildPlan, path: std::path::PathBuf| plan.workloads = vec![path.into()],
        |plan: &mut BuildPlan, path: std::path::PathBuf| plan.script = Some(path),
    ] {
        let fake = Fake::new();
        pipe(&fake.path("pipe"));
        let mut plan = fake.plan();
        set(&mut plan, fake.path("pipe"));
        let build = start(plan);
        assert!(build.wait(LIMIT), "the build waits for the pipe");
        let error = finish(&build).error();
        assert_eq!(error.kind, ErrorKind::Input);
        assert!(error.to_string().contains("regular file"), "{error}");
    }
}

#[test]
fn pipes_in_a_package_are_not_waited_for() {
    let fake = Fake::new();
    fs::create_dir_all(fake.path("Needed/src")).unwrap();
    fake.write("Needed/Project.toml", "name = \"Needed\"\n");
    // One where a stamp would be, too.
    fake.write("Needed/Other.so", "");
    for name in ["Needed/pipe", "Needed/src/pipe.jl", "Needed/Other.so.json"] {
        pipe(&fake.path(name));
    }
    let mut plan = fake.plan();
    plan.packages[0].path = Some(fake.path("Needed"));
    plan.project.sources = vec![fake.path("Needed")];
    let build = start(plan);
    assert!(build.wait(LIMIT), "the build waits for a pipe");
    finish(&build).report();
}
