//! Traces that are whole, and those that are not.

mod common;

use common::script::Wait;
use common::steps::{copy, count_to, run, say, sleep};
use common::{Fake, build};
use pcrs_engine::BuildPlan;
use pcrs_engine::report::{BuildReport, Origin};

fn plan(fake: &Fake) -> BuildPlan {
    let mut plan = fake.plan_with_workloads(1);
    plan.cache = fake.cache();
    plan
}

fn texts(report: &BuildReport) -> Vec<&str> {
    let entries = report.statements.entries.iter();
    entries.map(|entry| entry.text.as_str()).collect()
}

#[test]
fn julias_that_a_workload_starts_are_told_of() {
    let fake = Fake::new();
    // Long enough for several looks.
    fake.on("base", [sleep(2.0)]);
    let told = |julias: &[&[&str]]| {
        let started = julias.iter().map(|args| run("$0", args, Wait::Later));
        fake.on("trace", started.collect::<Vec<_>>());
        let mut plan = fake.plan_with_workloads(1);
        plan.force = true;
        let built = build(plan);
        let said = built.warnings().join("\n");
        built.report();
        said
    };
    let said = told(&[&["--worker=abc"], &["-e", "1"]]);
    assert!(
        said.contains("workload1.jl`: 1 worker and 1 other Julia were started"),
        "{said}"
    );
    let said = told(&[&["--worker=abc"]]);
    assert!(
        said.contains(": 1 worker was started and not traced"),
        "{said}"
    );
    // Traced too, or no workload.
    let said = told(&[&["--trace-compile=/none"], &["--output-ji=x"]]);
    assert_eq!(said, "");
}

#[test]
fn a_kept_trace_tells_of_julias_that_are_not_in_it() {
    let fake = Fake::new();
    fake.on("base", [sleep(2.0)]);
    fake.on("trace", [run("$0", &["--worker=abc"], Wait::Later)]);
    let mut plan = plan(&fake);
    let told = |plan| -> Vec<String> {
        let built = build(plan);
        let said = built.warnings().into_iter().map(String::from).collect();
        built.report();
        said
    };
    let said = told(plan.clone());
    assert!(said[0].contains(": 1 worker was started"), "{said:?}");
    // Another image of the same workload.
    plan.build_args = vec!["-O1".into()];
    let before = fake.started().len();
    assert_eq!(told(plan.clone()), said);
    let started = fake.started().split_off(before);
    assert!(!started.iter().any(|line| line.starts_with("trace ")));
    assert_eq!(told(plan), said);
}

#[test]
fn workloads_get_the_threads_that_they_are_to_have_and_are_traced_again_for_others() {
    let fake = Fake::new();
    let mut plan = plan(&fake);
    let threads = |fake: &Fake| {
        let lines = fake.started();
        let last = lines.iter().rfind(|line| line.starts_with("trace "));
        let words = last.unwrap().split(' ');
        words
            .filter(|word| word.starts_with("--threads"))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    build(plan.clone()).report();
    assert!(threads(&fake).is_empty());
    plan.workload_threads = Some(4);
    assert_eq!(build(plan.clone()).report().origin, Origin::Built);
    assert_eq!(threads(&fake), ["--threads=4"]);
    assert_eq!(build(plan).report().origin, Origin::UpToDate);
}

/// What the recorder does in the place of a real one.
fn recorder_writes(fake: &Fake, text: &str) {
    fake.write("recorded", text);
    // Beside Julia's own, `trace-1.raw.jl`.
    fake.on("trace", [copy("$here/recorded", "$work/trace-1.jl")]);
}

#[test]
fn what_the_recorder_wrote_is_taken_when_it_is_whole() {
    let fake = Fake::new();
    recorder_writes(&fake, "precompile(k, (Int,))\n# end of statements\n");
    let report = build(plan(&fake)).report();
    assert_eq!(texts(&report), ["precompile(k, (Int,))"]);
}

#[test]
fn what_julia_wrote_is_taken_where_the_recorder_failed() {
    for half in [
        "",
        "precompile(k, (Int,))\n",
        "precompile(k, (Int,))\nprecompile(l",
    ] {
        let fake = Fake::new();
        recorder_writes(&fake, half);
        let report = build(plan(&fake)).report();
        assert_eq!(texts(&report).len(), 3, "{:?}", texts(&report));
        // It is what the cache has, too.
        let mut again = plan(&fake);
        again.import_into_main = false;
        assert_eq!(texts(&build(again).report()).len(), 3);
    }
}

#[test]
fn nothing_is_kept_of_a_build_whose_workload_met_a_full_disk() {
    for told in [
        "ERROR: SystemError: opening file: No space left on device",
        "IOError: write: no space left on device (ENOSPC)",
        "cp: writing x: Disk quota exceeded",
    ] {
        let fake = Fake::new();
        fake.write("trace", "");
        fake.on("trace", [say(told), count_to(100)]);
        let built = build(plan(&fake));
        let warnings = built.warnings();
        let found = warnings
            .iter()
            .filter(|text| text.contains("a disk was full"));
        assert_eq!(found.count(), 1, "{warnings:?}");
        assert_eq!(built.report().origin, Origin::Built);
        assert!(fake.image().exists());
        // Once there is room again.
        fake.on("trace", []);
        fake.statements(&["f, (Int,)"]);
        let report = build(plan(&fake)).report();
        assert_eq!(report.origin, Origin::Built);
        assert_eq!(texts(&report).len(), 1);
        assert_eq!(build(plan(&fake)).report().origin, Origin::UpToDate);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_trace_that_does_not_fit_on_the_disk_is_no_trace() {
    let fake = Fake::new();
    // Julia's own trace takes what room there is, and the copy of it has none.
    fake.write("trace", "precompile(f, (Int,))\n".repeat(20_000));
    let done = common::on_small_disk(&fake.path("target"), 3 << 18, |_| {
        let error = build(plan(&fake)).error();
        let said = common::text(&error).to_lowercase();
        assert!(said.contains("no space"), "{said}");
        assert!(!fake.image().exists());
    });
    if !done {
        eprintln!("skipped: mounting a small disk is not permitted");
    }
    let _ = std::fs::remove_dir_all(fake.path("cache"));
}
