//! The image process, which starts with the build and waits for packages and statements.

mod common;

use common::script::Step;
#[cfg(unix)]
use common::steps::{at_statement, hang, write};
use common::steps::{
    await_file, exists, exit, fail_with, note, same, say, sleep, touch, unless, when,
};
use common::{Fake, app, build, text};
#[cfg(unix)]
use pcrs_engine::ErrorKind;
use pcrs_engine::Stage;
#[cfg(unix)]
use pcrs_engine::report::Outcome;

/// Where it does not start early (one core, little memory) these tests check nothing.
fn starts_early(fake: &Fake) -> bool {
    fake.on("early", [touch("early")]);
    let look = unless(exists("early"), [sleep(0.1)]);
    let seen = when(exists("early"), [touch("seen")]);
    fake.on("trace", [Step::Times(5, vec![look]), seen]);
    fake.build().report();
    let early = fake.path("seen").exists();
    if !early {
        println!("skipped: one core or little memory");
    }
    for name in ["on-early", "on-trace", "early"] {
        std::fs::remove_file(fake.path(name)).unwrap();
    }
    std::fs::remove_file(fake.image()).unwrap();
    early
}

/// Waits, in a hook, until the image process was there.
fn await_early() -> Vec<Step> {
    vec![await_file("early"), sleep(0.2)]
}

/// Unix tells by a signal whether a process is there.
#[cfg(unix)]
#[test]
fn a_failing_trace_ends_it() {
    let fake = Fake::new();
    if !starts_early(&fake) {
        return;
    }
    fake.on("early", [write("$here/early", "$pid"), hang()]);
    let mut steps = await_early();
    steps.extend(fail_with("ERROR: no"));
    fake.on("trace", steps);
    let error = fake.build().error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Failed, Stage::Trace));
    let pid = fake.read("early");
    let pid = pid.trim().parse().unwrap();
    // SAFETY: signal 0 only asks whether the process is there.
    assert_eq!(unsafe { libc::kill(pid, 0) }, -1);
}

#[test]
fn its_early_failure_is_told_when_it_is_its_turn() {
    let fake = Fake::new();
    if !starts_early(&fake) {
        return;
    }
    let [error, end] = fail_with("ERROR: no such thing");
    fake.on("early", [touch("early"), error, end]);
    fake.on("trace", await_early());
    let error = fake.build().error();
    assert_eq!(error.stage, Stage::Image);
    let said = text(&error);
    assert!(said.contains("no such thing"), "{said}");
}

/// SIGKILL is what the kernel ends it with for want of memory.
#[cfg(unix)]
#[test]
fn it_is_tried_again_alone_when_it_was_killed_while_it_waited() {
    let fake = Fake::new();
    if !starts_early(&fake) {
        return;
    }
    let killed = [touch("early"), Step::Signal(libc::SIGKILL)];
    fake.on("early", [unless(exists("early"), killed)]);
    fake.on("trace", await_early());
    let built = fake.build();
    assert_eq!(built.warnings(), [""; 0]);
    built.report();
}

#[cfg(unix)]
#[test]
fn no_statement_is_blamed_for_a_kill_from_outside() {
    let fake = Fake::new();
    let killed = Step::Signal(libc::SIGKILL);
    fake.on("statement", [when(at_statement(2), [killed])]);
    let error = fake.build().error();
    let said = text(&error);
    assert!(
        said.contains("failed at the statement `precompile(g, (Int,))`"),
        "{said}"
    );
    assert!(said.contains("out of memory?"), "{said}");
    fake.on("statement", [when(at_statement(2), [Step::Crash])]);
    let report = fake.build().report();
    assert_eq!(report.statements.entries[1].outcome, Outcome::Crashed);
}

#[test]
fn more_memory_than_is_free_is_warned_of() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.cache = fake.cache();
    build(plan.clone()).report();
    let table = fake.read("cache/timings.json");
    let (before, after) = table.split_once("\"peak_memory\":").unwrap();
    let end = after.find(['}', ',']).unwrap();
    let huge = format!("{before}\"peak_memory\":{}{}", u64::MAX, &after[end..]);
    fake.write("cache/timings.json", huge);
    plan.force = true;
    let warning = build(plan).warnings().join("\n");
    assert!(warning.contains("memory may not suffice"), "{warning}");
}

#[test]
fn it_alone_gets_the_allocator() {
    let fake = Fake::new();
    let told = || [say("preload [$env{LD_PRELOAD}] in [$env{LD_LIBRARY_PATH}]")];
    fake.on("trace", told());
    fake.on("image", told());
    let preloads = |library: &str| {
        let mut plan = fake.plan_with_workloads(1);
        plan.allocator = Some(library.into());
        plan.force = true;
        let built = build(plan);
        let said = |stage| {
            let lines = built.output(stage).into_iter();
            let mut told = lines.filter(|line| line.starts_with("preload"));
            told.next().unwrap_or_default().to_string()
        };
        (said(Stage::Trace), said(Stage::Image))
    };
    let (trace, image) = preloads("/none/allocator.so");
    assert!(trace.starts_with("preload [unset]"), "{trace}");
    assert!(image.contains("/none/allocator.so] in "), "{image}");
    // The list cannot hold a path with a space, but its name.
    let (_, image) = preloads("/no ne/allocator.so");
    assert!(image.contains("[allocator.so] in "), "{image}");
    assert!(image.ends_with("/no ne]"), "{image}");
    // There is no way to write such a path.
    let (_, image) = preloads("/no:ne/allocator.so");
    assert!(image.starts_with("preload [unset]"), "{image}");
}

#[test]
fn extensions_that_it_cannot_load_are_told_of() {
    let fake = Fake::new();
    fake.on("load", [note("failed_extension", "NeededExt of $name")]);
    let built = fake.build();
    let warnings = built.warnings().join("\n");
    assert!(
        warnings.contains("loading the extension NeededExt of Asked failed"),
        "{warnings}"
    );
    built.report();
}

#[test]
fn a_function_that_an_app_lacks_is_told_with_what_to_do() {
    for (function, next) in [
        ("run", "`executables=[\"asked\" => \"main\"]`"),
        ("main", "with `@main`"),
    ] {
        let fake = Fake::new();
        fake.on("load", [note("missing_function", function), exit(1)]);
        let mut plan = fake.plan();
        plan.app = Some(app(&[function]));
        let error = build(plan).error();
        assert_eq!(error.stage, Stage::Image);
        assert_eq!(
            error.message,
            format!("`Asked` has no function `{function}`")
        );
        assert!(error.hint.as_ref().unwrap().contains(next), "{error:?}");
    }
}

#[test]
fn packages_that_it_loads_from_their_source_are_named() {
    let fake = Fake::new();
    let extension = when(
        same("$name", "Asked"),
        [note("uncached", "NeededExt of Asked")],
    );
    fake.on("load", [note("uncached", "$name"), extension]);
    let built = fake.build();
    let warnings = built.warnings().join("\n");
    assert!(warnings.contains("loaded from source"), "{warnings}");
    let named = "`Needed`, `Asked`, the extension `NeededExt` of `Asked`.";
    assert!(warnings.contains(named), "{warnings}");
    built.report();
}
