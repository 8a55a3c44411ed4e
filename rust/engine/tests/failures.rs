//! How the failure of a child is told.

#![cfg(unix)]

mod common;

use std::fs;

use common::{Fake, OLD, build, text};
use pcrs_engine::plan::Base;
use pcrs_engine::{BuildError, ErrorKind, Stage};

fn fail_in(stage: &str, script: &str) -> BuildError {
    let fake = Fake::new();
    fake.on(stage, script);
    let error = fake.build().error();
    assert_eq!(error.kind, ErrorKind::Failed);
    error
}

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
        let error = fail_in(hook, "sleep 1; kill -KILL $$");
        assert_eq!(error.stage, stage);
        let said = text(&error);
        assert!(said.contains("killed by SIGKILL"), "{said}");
        assert!(said.contains("out of memory?"), "{said}");
        assert!(said.contains(" MiB"), "{said}");
    }
}

#[test]
fn memory_that_was_not_measured_is_not_spoken_of() {
    let said = text(&fail_in("precompile", "kill -KILL $$"));
    assert!(said.contains("SIGKILL: out of memory?"), "{said}");
    assert!(!said.contains("not measured"), "{said}");
}

#[test]
fn signals_are_told_by_name() {
    for (signal, name) in [
        ("SEGV", "SIGSEGV"),
        ("ABRT", "SIGABRT"),
        ("BUS", "SIGBUS"),
        ("ILL", "SIGILL"),
        ("TERM", "SIGTERM"),
        ("XCPU", "SIGXCPU"),
    ] {
        let said = text(&fail_in(
            "trace",
            &format!("ulimit -c 0; kill -{signal} $$"),
        ));
        assert!(said.contains(&format!("killed by {name}")), "{said}");
    }
}

#[test]
fn a_signal_that_a_shell_in_between_reports_is_told_by_name() {
    let said = text(&fail_in("link", "exit 139"));
    assert!(said.contains("SIGSEGV"), "{said}");
    let said = text(&fail_in("link", "exit 137"));
    assert!(said.contains("SIGKILL"), "{said}");
}

#[test]
fn the_childs_own_error_is_the_cause_and_its_last_lines_are_kept() {
    let error = fail_in(
        "trace",
        "seq 100; echo 'ERROR: LoadError: no such file' >&2; echo Stacktrace: >&2
         for i in $(seq 40); do echo \" [$i] f\" >&2; done; exit 1",
    );
    assert_eq!(error.cause.as_deref(), Some("LoadError: no such file"));
    assert_eq!(error.output.len(), 30);
    assert_eq!(error.output[29], " [40] f");
    assert!(
        error.message.contains("starting Julia"),
        "{}",
        error.message
    );
}

#[test]
fn code_is_generated_again_with_one_thread_when_memory_ran_out() {
    let fake = Fake::new();
    fake.on(
        "generate",
        "echo \"threads $JULIA_IMAGE_THREADS\"; [ $JULIA_IMAGE_THREADS = 1 ] || kill -KILL $$",
    );
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
    let said = text(&fail_in("precompile", "exit 7"));
    let expected = "precompiling failed: it gave no reason and exited with code 7";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_last_line_that_is_no_error_is_not_the_cause() {
    let said = text(&fail_in("trace", "echo 2; exit 3"));
    let expected = "it exited with code 3; its last line of output is `2`";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn memory_that_the_compiler_lacked_is_told() {
    let said = text(&fail_in(
        "generate",
        "ulimit -c 0; echo 'LLVM ERROR: out of memory'; echo 'Allocation failed'; kill -ABRT $$",
    ));
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
        let said = text(&fail_in("trace", &format!("echo 'ERROR: {error}'; exit 1")));
        assert!(said.contains("workloads have no input"), "{said}");
        let said = text(&fail_in(
            "precompile",
            &format!("echo 'ERROR: {error}'; exit 1"),
        ));
        assert!(!said.contains("workloads have no input"), "{said}");
    }
}

#[test]
fn the_reason_above_failed_to_precompile_is_the_cause() {
    let error = fail_in(
        "precompile",
        "echo 'ERROR: LoadError: UndefVarError: x not defined'; echo Stacktrace:
         echo 'ERROR: LoadError: Failed to precompile A [5f2a] to /d/A.ji.'; exit 1",
    );
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
    assert!(said.contains("Permission denied"), "{said}");
}

#[test]
fn a_julia_that_writes_no_object_file_does_not_pass() {
    let fake = Fake::new();
    fake.on("generate", "exit 0");
    let error = fake.build().error();
    assert_eq!(error.stage, Stage::Link);
    assert!(!fake.image().exists());
}

#[test]
fn an_image_that_lacks_a_package_is_not_published() {
    let fake = Fake::new();
    fs::write(fake.image(), OLD).unwrap();
    fake.on("verify", ": >\"$journal\"; exit 0");
    let said = text(&fake.build().error());
    assert!(said.contains("`Needed` is not in the image"), "{said}");
    assert_eq!(fake.read_image(), OLD);
}

#[test]
fn an_error_in_the_link_names_the_linkers_words() {
    let error = fail_in(
        "link",
        "echo '/usr/bin/ld: cannot find -ljulia' >&2
         echo 'collect2: error: ld returned 1 exit status' >&2; exit 1",
    );
    assert!(error.output.iter().any(|line| line.contains("-ljulia")));
}

#[test]
fn a_child_without_a_working_folder_is_told() {
    let fake = Fake::new();
    // The work folder vanishes: somebody cleans up by hand.
    fake.on("image", "rm -rf \"$here\"/target/.Image.so.build-*; exit 1");
    let error = fake.build().error();
    assert_eq!(error.stage, Stage::Image);
    assert_eq!(fake.left(), [""; 0]);
}

#[test]
fn an_image_that_starts_only_in_its_project_is_warned_of() {
    let fake = Fake::new();
    fake.on(
        "verify",
        r#"case $(tail -n 1 "$here/started") in *--project=*) ;; *)
            echo 'fatal: error thrown and no exception handler available.'
            echo 'InitError(mod=:Asked, error=ArgumentError("Package Asked does not have REPL"))'
            for i in $(seq 40); do echo "f at ./f.jl:$i"; done
            exit 1 ;;
        esac"#,
    );
    let built = fake.build();
    let warning = built.warnings().join("\n");
    assert!(warning.contains("starts only where"), "{warning}");
    assert!(warning.contains("InitError(mod=:Asked"), "{warning}");
    built.report();
}

#[test]
fn an_image_for_another_cpu_is_built_and_not_started_here() {
    let incompatible = "echo 'ERROR: Unable to find compatible target in cached code image.'
        echo 'Target 0 (znver4): Rejecting this target due to use of runtime-disabled features'
        exit 1";
    for script in [incompatible, "ulimit -c 0; kill -ILL $$"] {
        let fake = Fake::new();
        fake.on("verify", script);
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
    fake.on("verify", "echo 'ERROR: InitError: no such file'; exit 1");
    let mut plan = fake.plan();
    plan.cpu_target = "znver4".into();
    assert_eq!(build(plan).error().stage, Stage::Verify);
    assert!(!fake.image().exists());
}

/// How a Julia fails on an image that has code for another CPU alone.
const NO_CODE: &str = "echo 'ERROR: Unable to find compatible target in cached code image.'
    echo 'Target 0 (znver3): Rejecting this target due to use of runtime-disabled features'
    exit 1";

#[test]
fn a_base_without_code_for_the_target_is_found_in_the_check() {
    let fake = Fake::new();
    fake.on("start", NO_CODE);
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
    fake.on("start", "echo 'ERROR: InitError: no such file'; exit 1");
    let mut plan = fake.plan();
    plan.cpu_target = "generic".into();
    build(plan).report();
}

#[test]
fn a_base_from_another_machine_is_told_of() {
    for stage in [Stage::Precompile, Stage::Trace, Stage::Image] {
        let fake = Fake::new();
        fake.on(stage.name(), NO_CODE);
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
        let said = text(&fail_in("trace", "sleep 1; kill -KILL $$"));
        assert!(said.contains("limit of 700 MiB (cgroup)"), "{said}");
        assert!(said.contains("memory seen was 700 MiB"), "{said}");
        assert!(said.contains("raise the limit of 700 MiB"), "{said}");
        assert!(said.contains("trace_jobs=1"), "{said}");
        let said = text(&fail_in("link", "kill -KILL $$"));
        assert!(said.contains("limit of 700 MiB (cgroup)"), "{said}");
        let fake = Fake::new();
        fake.on("generate", "echo \"threads $JULIA_IMAGE_THREADS\"");
        let mut plan = fake.plan();
        plan.image_threads = None;
        assert_eq!(build(plan).output(Stage::Image), ["threads 1"]);
    });
    if !done {
        println!("skipped: no file system can be mounted here");
    }
}
