//! How the failure of a child is told.

mod common;

use std::fs;

use common::script::{Condition, Step};
use common::steps::{complain, exit, fail_with, frames, note, say, unless, write};
#[cfg(unix)]
use common::steps::{same, sleep};
use common::{Fake, OLD, build, text};
use pcrs_engine::plan::Base;
use pcrs_engine::{BuildError, ErrorKind, Stage};

/// Only Unix has signals; what is ended on Windows leaves a number, and nobody knows who ended it.
#[cfg(unix)]
fn killed() -> Step {
    Step::Signal(libc::SIGKILL)
}

/// As the system ends what runs an instruction that this CPU does not have.
fn unknown_instruction() -> Step {
    #[cfg(unix)]
    return Step::Signal(libc::SIGILL);
    #[cfg(not(unix))]
    return Step::Exit(0xC000_001D_u32 as i32);
}

fn fail_in(stage: &str, steps: impl Into<Vec<Step>>) -> BuildError {
    let fake = Fake::new();
    fake.on(stage, steps);
    let error = fake.build().error();
    assert_eq!(error.kind, ErrorKind::Failed);
    error
}

#[cfg(unix)]
#[test]
fn a_child_killed_by_sigkill_may_have_run_out_of_memory() {
    for (hook, stage) in [
        ("precompile", Stage::Precompile),
        ("trace", Stage::Trace),
        ("generate", Stage::Image),
        ("link", Stage::Link),
        ("verify", Stage::Verify),
    ] {
        // Long enough for the memory to be looked at.
        let error = fail_in(hook, [sleep(1.0), killed()]);
        assert_eq!(error.stage, stage);
        let said = text(&error);
        assert!(said.contains("killed by SIGKILL"), "{said}");
        assert!(said.contains("out of memory?"), "{said}");
        assert!(said.contains(" MiB"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn memory_that_was_not_measured_is_not_spoken_of() {
    let said = text(&fail_in("precompile", [killed()]));
    assert!(said.contains("SIGKILL: out of memory?"), "{said}");
    assert!(!said.contains("not measured"), "{said}");
}

#[cfg(unix)]
#[test]
fn signals_are_told_by_name() {
    for (signal, name) in [
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGXCPU, "SIGXCPU"),
    ] {
        let said = text(&fail_in("trace", [Step::Signal(signal)]));
        assert!(said.contains(&format!("killed by {name}")), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_that_a_shell_in_between_reports_is_told_by_name() {
    let said = text(&fail_in("link", [exit(139)]));
    assert!(said.contains("SIGSEGV"), "{said}");
    let said = text(&fail_in("link", [exit(137)]));
    assert!(said.contains("SIGKILL"), "{said}");
}

#[test]
fn the_childs_own_error_is_the_cause_and_its_last_lines_are_kept() {
    let told = complain("ERROR: LoadError: no such file");
    let steps = [
        // On the same stream: two are read side by side.
        Step::Times(100, vec![complain("$i")]),
        told,
        complain("Stacktrace:"),
        frames(40),
        exit(1),
    ];
    let error = fail_in("trace", steps);
    assert_eq!(error.cause.as_deref(), Some("LoadError: no such file"));
    assert_eq!(error.output.len(), 30);
    assert_eq!(error.output[29], " [40] f");
    assert!(
        error.message.contains("starting Julia"),
        "{}",
        error.message
    );
}

#[cfg(unix)]
#[test]
fn code_is_generated_again_with_one_thread_when_memory_ran_out() {
    let fake = Fake::new();
    let threads = "$env{JULIA_IMAGE_THREADS}";
    let killed = unless(same(threads, "1"), [killed()]);
    fake.on("generate", [say(&format!("threads {threads}")), killed]);
    let mut plan = fake.plan();
    plan.image_threads = Some(2);
    let built = build(plan);
    assert_eq!(built.output(Stage::Image), ["threads 2", "threads 1"]);
    let warning = built.warnings().join("\n");
    assert!(warning.contains("one thread"), "{warning}");
    assert!(warning.contains("SIGKILL"), "{warning}");
    built.report();
}

#[test]
fn a_child_that_says_nothing_is_not_a_bare_number() {
    let said = text(&fail_in("precompile", [exit(7)]));
    let expected = "precompiling failed: it gave no reason and exited with code 7";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_package_that_cannot_be_precompiled_is_named_with_its_version() {
    let mut steps = vec![note("failed", "Needed")];
    steps.extend(fail_with("ERROR: LoadError: TypeError: in typeassert"));
    let error = fail_in("precompile", steps);
    let said = text(&error);
    assert!(said.contains("the package Needed"), "{said}");
    assert!(
        said.contains("cannot be precompiled: LoadError: TypeError"),
        "{said}"
    );
    let hint = error.hint.as_ref().unwrap();
    assert!(hint.contains("`using Needed`"), "{hint}");
    let left_to_others = "`include_transitive_dependencies=false`";
    assert!(hint.contains(left_to_others), "{hint}");
    let error = fail_in("precompile", vec![note("failed", "Asked"), exit(1)]);
    let hint = error.hint.as_ref().unwrap();
    assert!(!hint.contains(left_to_others), "{hint}");
}

#[test]
fn a_last_line_that_is_no_error_is_not_the_cause() {
    let said = text(&fail_in("trace", [say("2"), exit(3)]));
    let expected = "it exited with code 3; its last line of output is `2`";
    assert!(said.contains(expected), "{said}");
}

#[cfg(unix)]
#[test]
fn memory_that_the_compiler_lacked_is_told() {
    let told = say("LLVM ERROR: out of memory");
    let steps = [told, say("Allocation failed"), Step::Signal(libc::SIGABRT)];
    let said = text(&fail_in("generate", steps));
    assert!(
        said.contains("SIGABRT after `LLVM ERROR: out of memory`"),
        "{said}"
    );
    assert!(said.contains("more memory"), "{said}");
}

#[test]
fn a_workload_that_reads_its_input_is_told_that_there_is_none() {
    for error in [
        "EOFError: read end of file",
        "LoadError: ArgumentError: input string is empty or only contains whitespace",
        "LoadError: ArgumentError: cannot parse \"\" as Float64",
    ] {
        let error = format!("ERROR: {error}");
        let said = text(&fail_in("trace", fail_with(&error)));
        assert!(said.contains("workloads have no input"), "{said}");
        let said = text(&fail_in("precompile", fail_with(&error)));
        assert!(!said.contains("workloads have no input"), "{said}");
    }
}

#[test]
fn the_reason_above_failed_to_precompile_is_the_cause() {
    let steps = [
        say("ERROR: LoadError: UndefVarError: x not defined"),
        say("Stacktrace:"),
        say("ERROR: LoadError: Failed to precompile A [5f2a] to /d/A.ji."),
        exit(1),
    ];
    let error = fail_in("precompile", steps);
    let cause = "`A` does not precompile: LoadError: UndefVarError: x not defined";
    assert_eq!(error.cause.as_deref(), Some(cause));
}

#[test]
fn a_julia_that_cannot_be_started_is_named() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.julia.exe = fake.write("no-program", "");
    let said = text(&build(plan).error());
    assert!(said.contains("no-program` cannot be started"), "{said}");
    let why = if cfg!(windows) {
        "os error"
    } else {
        "Permission denied"
    };
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_julia_that_writes_no_object_file_does_not_pass() {
    let fake = Fake::new();
    fake.on("generate", [exit(0)]);
    let error = fake.build().error();
    assert_eq!(error.stage, Stage::Link);
    assert!(!fake.image().exists());
}

#[test]
fn an_image_that_lacks_a_package_is_not_published() {
    let fake = Fake::new();
    fs::write(fake.image(), OLD).unwrap();
    fake.on("verify", [write("$journal", ""), exit(0)]);
    let said = text(&fake.build().error());
    assert!(said.contains("`Needed` is not in the image"), "{said}");
    assert_eq!(fake.read_image(), OLD);
}

#[test]
fn an_error_in_the_link_names_the_linkers_words() {
    let steps = [
        complain("/usr/bin/ld: cannot find -ljulia"),
        complain("collect2: error: ld returned 1 exit status"),
        exit(1),
    ];
    let error = fail_in("link", steps);
    assert!(error.output.iter().any(|line| line.contains("-ljulia")));
}

#[test]
fn a_child_without_a_working_folder_is_told() {
    let fake = Fake::new();
    // The work folder vanishes: somebody cleans up by hand.
    fake.on("image", [Step::Remove("$work".into()), exit(1)]);
    let error = fake.build().error();
    assert_eq!(error.stage, Stage::Image);
    assert_eq!(fake.left(), [""; 0]);
}

#[test]
fn an_image_that_starts_only_in_its_project_is_warned_of() {
    let fake = Fake::new();
    let error = [
        say("fatal: error thrown and no exception handler available."),
        say("InitError(mod=:Asked, error=ArgumentError(\"Package Asked does not have REPL\"))"),
        Step::Times(40, vec![say("f at ./f.jl:$i")]),
        exit(1),
    ];
    let has_project = Condition::Argument("--project=".into());
    fake.on("verify", [unless(has_project, error)]);
    let mut plan = fake.plan();
    plan.cache = fake.cache();
    // As long as the image lasts.
    for again in [false, true] {
        let built = build(plan.clone());
        let warning = built.warnings().join("\n");
        assert!(warning.contains("starts only where"), "{warning}");
        assert!(warning.contains("InitError(mod=:Asked"), "{warning}");
        assert_eq!(
            built.report().origin == pcrs_engine::report::Origin::UpToDate,
            again
        );
    }
}

#[test]
fn an_image_for_another_cpu_is_built_and_not_started_here() {
    for steps in [no_code("znver4"), vec![unknown_instruction()]] {
        let fake = Fake::new();
        fake.on("verify", steps);
        let mut plan = fake.plan();
        plan.cache = fake.cache();
        plan.cpu_target = "znver4".into();
        for again in [false, true] {
            let built = build(plan.clone());
            let warning = built.warnings().join("\n");
            assert!(warning.contains("not started here"), "{warning}");
            assert!(warning.contains("skylake"), "{warning}");
            assert_eq!(
                built.report().origin == pcrs_engine::report::Origin::UpToDate,
                again
            );
        }
        // What the image is for, this machine has by its own account.
        plan.cpu_target = "native".into();
        let error = build(plan).error();
        assert_eq!(error.stage, Stage::Verify);
    }
}

#[test]
fn an_image_for_another_cpu_that_fails_otherwise_is_not_published() {
    let fake = Fake::new();
    fake.on("verify", fail_with("ERROR: InitError: no such file"));
    let mut plan = fake.plan();
    plan.cpu_target = "znver4".into();
    assert_eq!(build(plan).error().stage, Stage::Verify);
    assert!(!fake.image().exists());
}

/// How a Julia fails on an image that has code for another CPU alone.
fn no_code(target: &str) -> Vec<Step> {
    let rejected = "Rejecting this target due to use of runtime-disabled features";
    vec![
        say("ERROR: Unable to find compatible target in cached code image."),
        say(&format!("Target 0 ({target}): {rejected}")),
        exit(1),
    ]
}

#[test]
fn a_base_without_code_for_the_target_is_found_in_the_check() {
    let fake = Fake::new();
    fake.on("start", no_code("znver3"));
    let mut plan = fake.plan_with_workloads(1);
    plan.cpu_target = "generic".into();
    let error = build(plan.clone()).error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
    let said = text(&error);
    assert!(said.contains("`cpu_target=\"generic\"`"), "{said}");
    assert!(said.contains("sys.so"), "{said}");
    let hint = error.hint.clone().unwrap();
    assert!(hint.contains("code for znver3 alone"), "{hint}");
    assert!(hint.contains("incremental=false"), "{hint}");
    assert_eq!(fake.started(), [""; 0]);
    assert_eq!(fake.left(), [""; 0]);
    // A base for the target is made, and Julia starts on its own for its own CPU.
    plan.base = Base::Fresh {
        filter_stdlibs: true,
    };
    build(plan).report();
    fake.build().report();
    // What else may go wrong at a start says nothing of the target.
    fake.on("start", fail_with("ERROR: InitError: no such file"));
    let mut plan = fake.plan();
    plan.cpu_target = "generic".into();
    build(plan).report();
}

#[test]
fn a_base_from_another_machine_is_told_of() {
    for stage in [Stage::Precompile, Stage::Trace, Stage::Image] {
        let fake = Fake::new();
        fake.on(stage.name(), no_code("znver3"));
        let error = build(fake.plan_with_workloads(1)).error();
        assert_eq!(error.stage, stage);
        let hint = error.hint.clone().unwrap();
        assert!(hint.contains("code for znver3 alone"), "{hint}");
        assert!(
            hint.contains("this machine, a skylake, can run: build the base anew"),
            "{hint}"
        );
    }
}

/// Runs `test` where this process has `limit` bytes of memory by its control group, and all processes
/// that `test` starts see that limit. False where that cannot be arranged.
#[cfg(target_os = "linux")]
fn limited_to(limit: u64, test: impl FnOnce() + Send) -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let paths: Vec<_> = groups
        .lines()
        .filter_map(|line| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            [_, "", path] => Some((path, "", "memory.max")),
            [_, "memory", path] => Some((path, "memory", "memory.limit_in_bytes")),
            _ => None,
        })
        .collect();
    let root = std::path::Path::new("/sys/fs/cgroup");
    !paths.is_empty()
        && common::on_small_disk(root, 1 << 20, |_| {
            for (path, tree, file) in paths {
                let folder = root.join(tree).join(path.trim_start_matches('/'));
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(file), limit.to_string()).unwrap();
            }
            test();
        })
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_a_job_is_told_and_heeded() {
    let done = limited_to(700 << 20, || {
        let said = text(&fail_in("trace", [sleep(1.0), killed()]));
        assert!(said.contains("limit of 700 MiB (cgroup)"), "{said}");
        assert!(said.contains("memory seen was 700 MiB"), "{said}");
        assert!(said.contains("raise the limit of 700 MiB"), "{said}");
        assert!(said.contains("trace_jobs=1"), "{said}");
        let said = text(&fail_in("link", [killed()]));
        assert!(said.contains("limit of 700 MiB (cgroup)"), "{said}");
        let fake = Fake::new();
        fake.on("generate", [say("threads $env{JULIA_IMAGE_THREADS}")]);
        let mut plan = fake.plan();
        plan.image_threads = None;
        assert_eq!(build(plan).output(Stage::Image), ["threads 1"]);
    });
    if !done {
        println!("skipped: no file system can be mounted here");
    }
}
