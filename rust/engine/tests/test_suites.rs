//! Test suites as workloads: what the process that runs them is told, and what becomes of tests
//! that fail.

mod common;

use common::steps::{append, complain, copy, exit, note, say, write};
use common::{Fake, build, text};
use pcrs_engine::plan::{Verify, Workload};
use pcrs_engine::report::{Origin, Outcome};
use pcrs_engine::{BuildPlan, Stage};

fn started(fake: &Fake, stage: &str) -> Vec<String> {
    let mut lines = fake.started();
    lines.retain(|line| line.split(' ').next() == Some(stage));
    lines
}

fn with_cache(fake: &Fake, mut plan: BuildPlan) -> BuildPlan {
    plan.cache = fake.cache();
    plan
}

#[test]
fn the_test_process_gets_its_options_and_pkgs_own_process_does_not() {
    let fake = Fake::new();
    build(fake.plan_with_tests()).report();
    let [line] = &started(&fake, "test_suite")[..] else {
        panic!("{:?}", fake.started());
    };
    // Whatever separates folders here.
    let slashes = |text: &str| text.replace(std::path::MAIN_SEPARATOR, "/");
    let line = slashes(line);
    let (pkg, tests) = line.split_once("/staging/test_suite.jl ").unwrap();
    for option in [
        "--sysimage=",
        "--trace-compile=",
        "--pkgimages",
        "--compile",
    ] {
        assert!(!pkg.contains(option), "{pkg}");
    }
    assert!(pkg.contains("--startup-file=no"), "{pkg}");
    let project = fake.path("project/Project.toml");
    let project = slashes(&project.display().to_string());
    assert!(pkg.contains(&format!("--project={project}")));
    let image = slashes(&format!("--sysimage={}", fake.path("sys.so").display()));
    let words: Vec<&str> = tests.split(' ').collect();
    assert_eq!(words[0], "00000000-0000-0000-0000-000000000002");
    assert_eq!(words[1], "Asked");
    assert!(words[2].ends_with("/trace-1.raw.jl"), "{tests}");
    let folder = words[2].strip_suffix("trace-1.raw.jl").unwrap();
    let recorder = format!("--load={folder}staging/recorder.jl");
    let options = [
        &image,
        &recorder,
        "--color=auto",
        "--pkgimages=no",
        "--check-bounds=auto",
        "--compile=all",
        "-O1",
    ];
    assert_eq!(&words[4..11], options);
    assert_eq!((words[3], &words[11..]), ("7", &["quick"][..]));
}

#[test]
fn an_old_julia_does_not_get_options_that_it_lacks() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_tests();
    plan.julia.version = "1.5.3".parse().unwrap();
    build(plan).report();
    let line = &started(&fake, "test_suite")[0];
    assert!(
        !line.contains("--pkgimages") && !line.contains("--check-bounds"),
        "{line}"
    );
}

#[test]
fn what_tests_compile_goes_into_the_image() {
    let fake = Fake::new();
    let report = build(fake.plan_with_tests()).report();
    let entries = &report.statements.entries;
    assert_eq!(entries.len(), 3);
    for entry in entries {
        assert_eq!(entry.outcome, Outcome::Precompiled);
        assert_eq!(entry.source, fake.path("Asked/test/runtests.jl"));
    }
}

#[test]
fn failing_tests_are_a_warning_and_what_they_compiled_is_used() {
    let fake = Fake::new();
    let steps = [
        copy("$here/trace", "$trace"),
        complain("ERROR: LoadError: Some tests did not pass: 3 passed, 1 failed."),
        complain("Package Asked errored during testing"),
        exit(1),
    ];
    fake.on("test_suite", steps);
    let built = build(fake.plan_with_tests());
    let expected = "the tests of `Asked` failed: LoadError: Some tests did not pass: 3 passed, 1 \
                    failed; what they compiled until then goes into the image";
    assert_eq!(built.warnings(), [expected]);
    assert_eq!(built.report().statements.entries.len(), 3);
}

#[test]
fn tests_that_crash_are_a_warning_too() {
    let fake = Fake::new();
    let steps = [
        write("$trace", "precompile(f, (Int,))\n"),
        append("$trace", "precompile(g, (I"),
        complain("Package Asked errored during testing (received signal: 11)"),
        exit(1),
    ];
    fake.on("test_suite", steps);
    let built = build(fake.plan_with_tests());
    let warnings = built.warnings().join("\n");
    assert!(warnings.contains("(received signal: 11)"), "{warnings}");
    let report = built.report();
    let taken = report.statements.entries.iter();
    let taken: Vec<_> = taken
        .filter(|entry| entry.outcome == Outcome::Precompiled)
        .map(|entry| entry.text.as_str())
        .collect();
    assert_eq!(taken, ["precompile(f, (Int,))"]);
}

#[test]
fn tests_that_never_start_fail_the_build() {
    let fake = Fake::new();
    let error = complain("ERROR: LoadError: Unsatisfiable requirements");
    fake.on("test_suite", [error, exit(1)]);
    let error = build(fake.plan_with_tests()).error();
    assert_eq!(error.stage, Stage::Trace);
    let said = text(&error);
    assert!(
        said.contains("running the tests of `Asked` failed"),
        "{said}"
    );
    assert!(said.contains("Unsatisfiable requirements"), "{said}");
}

#[test]
fn tests_that_are_not_there_are_found_missing_before_any_child_starts() {
    let fake = Fake::new();
    let plan = fake.plan_with_tests();
    std::fs::remove_file(fake.path("Asked/test/runtests.jl")).unwrap();
    let said = text(&build(plan).error());
    assert!(said.contains("`workload`: there is no file"), "{said}");
    assert_eq!(fake.started(), Vec::<String>::new());
}

#[test]
fn names_that_only_the_tests_load_are_no_loss() {
    let fake = Fake::new();
    // Of the fake image process: no such name.
    let missing = |number| {
        let result = format!("{number} name_not_found 0.001 `Checker`");
        note("result", &result)
    };
    fake.on("generate", [1, 2, 3].map(missing));
    for (plan, expected) in [
        (fake.plan_with_tests(), Outcome::ScriptLocal),
        (fake.plan_with_workloads(1), Outcome::NameNotFound),
    ] {
        let report = build(plan).report();
        for entry in &report.statements.entries {
            assert_eq!(entry.outcome, expected, "{entry:?}");
            assert!(
                entry.detail.contains("`Checker` is not in the image"),
                "{entry:?}"
            );
        }
    }
}

#[test]
fn scripts_and_tests_may_be_combined() {
    let fake = Fake::new();
    fake.on("test_suite", [say("hello from the tests")]);
    fake.on("trace", [say("hello from $script")]);
    let mut plan = fake.plan_with_workloads(1);
    plan.workloads.extend(fake.plan_with_tests().workloads);
    let built = build(plan);
    let expected = [
        "[workload1.jl] hello from workload1.jl",
        "[the tests of Asked] hello from the tests",
    ];
    assert_eq!(built.output(Stage::Trace), expected);
    built.report();
}

#[test]
fn tests_are_not_run_on_the_new_image() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_tests();
    plan.verify = Verify::Trace;
    let report = build(plan).report();
    assert!(report.statements.residual.is_none());
    assert_eq!(started(&fake, "test_suite").len(), 1);

    let mut plan = fake.plan_with_workloads(1);
    plan.workloads.extend(fake.plan_with_tests().workloads);
    plan.verify = Verify::Trace;
    let report = build(plan).report();
    assert_eq!(report.statements.residual.unwrap().len(), 3);
    assert_eq!(started(&fake, "test_suite").len(), 2);
    assert_eq!(started(&fake, "trace").len(), 2);
}

#[test]
fn a_trace_of_tests_is_kept_until_something_of_theirs_changes() {
    let fake = Fake::new();
    std::fs::create_dir(fake.path("Checker")).unwrap();
    let mut tests = with_cache(&fake, fake.plan_with_tests());
    if let Workload::TestSuite { sources, .. } = &mut tests.workloads[0] {
        sources.push(fake.path("Checker"));
    }
    let runs = |change: &dyn Fn(&mut BuildPlan)| {
        let before = started(&fake, "test_suite").len();
        let mut plan = tests.clone();
        // The image is to be built each time, and the trace to be asked for.
        plan.cpu_target = format!("target-{}", fake.started().len());
        change(&mut plan);
        build(plan).report();
        started(&fake, "test_suite").len() - before
    };
    let same = |_: &mut BuildPlan| {};
    assert_eq!(runs(&same), 1);
    assert_eq!(runs(&same), 0);
    for file in [
        "Asked/test/runtests.jl",
        "Asked/test/data.txt",
        "Checker/Checker.jl",
    ] {
        fake.write(file, "changed");
        assert_eq!(runs(&same), 1, "{file}");
        assert_eq!(runs(&same), 0, "{file}");
    }
    let full = |plan: &mut BuildPlan| {
        if let Workload::TestSuite { args, .. } = &mut plan.workloads[0] {
            args.clear();
        }
    };
    assert_eq!(runs(&full), 1);
}

#[test]
fn a_trace_of_failed_tests_is_not_kept() {
    let fake = Fake::new();
    fake.on("test_suite", [copy("$here/trace", "$trace"), exit(1)]);
    let mut plan = with_cache(&fake, fake.plan_with_tests());
    build(plan.clone()).report();
    plan.cpu_target = "generic".into();
    build(plan).report();
    assert_eq!(started(&fake, "test_suite").len(), 2);
}

#[test]
fn failed_tests_are_told_of_whenever_their_image_is_handed_out() {
    let fake = Fake::new();
    let copied = copy("$here/trace", "$trace");
    fake.on("test_suite", [copied, say("ERROR: no"), exit(1)]);
    let plan = with_cache(&fake, fake.plan_with_tests());
    let hand_out = |expected| {
        let built = build(plan.clone());
        let warnings = built.warnings().join("\n");
        let report = built.report();
        assert_eq!(report.origin, expected);
        assert!(
            warnings.starts_with("the tests of `Asked` failed: no"),
            "{warnings}"
        );
        assert_eq!(report.warnings, [""; 0]);
    };
    hand_out(Origin::Built);
    hand_out(Origin::UpToDate);
    std::fs::remove_file(fake.image()).unwrap();
    hand_out(Origin::Cached);
    hand_out(Origin::UpToDate);
    assert_eq!(started(&fake, "test_suite").len(), 1);
}
