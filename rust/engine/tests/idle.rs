//! Children that wait for what never comes.
//!
//! Whether one computes is asked of Linux here, by programs that are on every Linux.

#![cfg(target_os = "linux")]

mod common;

use common::script::{Step, Wait};
use common::steps::{run, say, sleep};
use common::{Fake, build, text};
use pcrs_engine::{BuildError, ErrorKind, Event, Stage};

/// Waits without computing; its words are those of a Julia that precompiles the package `A`.
const WAITING_FOR_A: [&str; 3] = ["-c", "sleep 1000; :", "/depot/compiled/v1.10/A/jl_Xyz"];

fn idle_in(hook: &str, program: &str, args: &[&str]) -> (BuildError, Vec<String>) {
    let fake = Fake::new();
    fake.on(hook, [run(program, args, Wait::Here)]);
    let mut plan = fake.plan();
    plan.idle_limit = Some(3.0);
    let built = build(plan);
    let warnings = built.warnings().iter().map(|w| (*w).to_string()).collect();
    assert_eq!(fake.living(), []);
    let error = built.error();
    assert_eq!(error.kind, ErrorKind::Failed);
    (error, warnings)
}

#[test]
fn a_package_that_never_ends_precompiling_is_named_and_ends_the_build() {
    let (error, warnings) = idle_in("precompile", "sh", &WAITING_FOR_A);
    assert_eq!(error.stage, Stage::Precompile);
    let said = text(&error);
    assert!(
        said.contains("it waited for the package `A` (process "),
        "{said}"
    );
    assert!(
        said.contains("`__init__`") && said.contains("`idle_limit`"),
        "{said}"
    );
    assert!(
        warnings
            .join("\n")
            .contains("the build waits for the package `A`")
    );
}

#[test]
fn so_do_a_workload_an_image_and_a_script_that_wait() {
    for (hook, stage) in [
        ("trace", Stage::Trace),
        ("load", Stage::Image),
        ("statement", Stage::Image),
        ("generate", Stage::Image),
        ("verify", Stage::Verify),
    ] {
        let (error, _) = idle_in(hook, "sleep", &["1000"]);
        assert_eq!(error.stage, stage, "{hook}");
        let said = text(&error);
        assert!(said.contains("it waited for `sleep` (process "), "{said}");
    }
}

#[test]
fn a_child_that_writes_or_computes_is_not_idle() {
    let fake = Fake::new();
    let writes = Step::Times(8, vec![say("$i"), sleep(0.5)]);
    fake.on("precompile", [writes]);
    // The image process waits for this one, and is not idle either.
    fake.on("trace", [Step::Compute(4.0)]);
    let mut plan = fake.plan();
    plan.idle_limit = Some(2.0);
    let built = build(plan);
    assert_eq!(built.warnings(), [""; 0]);
    built.report();
}

#[test]
fn packages_are_named_while_they_are_precompiled() {
    let fake = Fake::new();
    let of = |name: &str| format!("/depot/compiled/v1.10/{name}/jl_Xyz");
    let (one, two) = (of("One"), of("Two"));
    fake.on(
        "precompile",
        [
            run("sh", &["-c", "sleep 3; :", &two], Wait::Later),
            run("sh", &["-c", "sleep 3; :", &one], Wait::Here),
        ],
    );
    let built = fake.build();
    let mut labels = built.events.iter().filter_map(|event| match event {
        Event::Progress {
            stage: Stage::Precompile,
            label,
            ..
        } => Some(label.as_str()),
        _ => None,
    });
    assert!(labels.any(|label| label == "One, Two"));
    built.report();
}

#[test]
fn julias_own_lines_about_it_are_shown() {
    let fake = Fake::new();
    let lines = [
        "before",
        "[pid 7] waiting for IO to finish:",
        " Handle type        uv_handle_t->data",
        " timer              0x1->0x2",
        "after",
    ];
    fake.on("precompile", lines.map(say));
    let built = fake.build();
    let shown: Vec<bool> = built
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Output { shown, .. } => Some(*shown),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [false, true, true, true, false]);
}
