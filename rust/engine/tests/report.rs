//! What the report tells of time, memory and sizes.

#![cfg(unix)]

mod common;

use common::steps::{await_file, sleep, touch};
use common::{Fake, OBJECT, build};
use pcrs_engine::Stage;
use pcrs_engine::report::{BuildReport, Origin, Owner, SizePart, Span, SpanKind};

fn spans(report: &BuildReport, kind: SpanKind, stage: Stage) -> Vec<&Span> {
    let spans = report.timeline.iter();
    spans
        .filter(|span| span.kind == kind && span.stage == stage)
        .collect()
}

#[test]
fn the_timeline_has_what_ran_at_once() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_workloads(2);
    plan.trace_jobs = Some(2);
    plan.statement_files = vec![fake.write("statements.jl", "precompile(Asked.f, (Int,))\n")];
    // Each waits for the other, so that both run at one moment.
    fake.on(
        "trace",
        [
            touch("runs-$script"),
            await_file("runs-workload1.jl"),
            await_file("runs-workload2.jl"),
            // Long enough for the image process to be seen waiting.
            sleep(0.5),
        ],
    );
    // And to be seen at work.
    fake.on("image", [sleep(0.5)]);
    let report = build(plan).report();
    let asked: Vec<_> = report
        .statements
        .entries
        .iter()
        .map(|e| e.package.as_deref())
        .collect();
    assert_eq!(asked, [None, None, None, Some("Asked")]);

    let whole = &report.timeline;
    assert!(whole.is_sorted_by(|a, b| a.start <= b.start));
    for span in whole {
        assert!(0.0 <= span.start && span.start <= span.stop, "{span:?}");
        assert!(span.stop <= report.seconds + 0.001, "{span:?}");
        assert!(!span.what.is_empty() && !span.layer, "{span:?}");
    }
    // One for each stage, in which its children are.
    for time in &report.stages {
        let of_stage = spans(&report, SpanKind::Stage, time.stage);
        let seconds: f64 = of_stage.iter().map(|span| span.stop - span.start).sum();
        assert!((seconds - time.seconds).abs() < 0.1, "{time:?}: {seconds}");
    }
    let traced = spans(&report, SpanKind::Process, Stage::Trace);
    let [one, two] = traced[..] else {
        panic!("{traced:?}")
    };
    assert!(one.start < two.stop && two.start < one.stop, "{traced:?}");
    let stage = spans(&report, SpanKind::Stage, Stage::Trace)[0];
    assert!(
        traced
            .iter()
            .all(|child| stage.start <= child.start && child.stop <= stage.stop)
    );

    let image = spans(&report, SpanKind::Process, Stage::Image);
    assert_eq!(image.len(), 1);
    let turn = image[0].turn;
    let stage = spans(&report, SpanKind::Stage, Stage::Image)[0];
    // Where it does not start early it has its turn at once.
    if image[0].start < stage.start {
        let in_turn = |turn| one.stop.min(two.stop) <= turn && turn < image[0].stop;
        assert!(turn.is_some_and(in_turn), "{whole:#?}");
    }
    assert_eq!(whole[0].kind, SpanKind::Engine);
    assert_eq!((whole[0].stage, whole[0].start), (Stage::Check, 0.0));
}

#[test]
fn memory_over_time_has_the_peak() {
    let fake = Fake::new();
    // Long enough to be seen.
    fake.on("trace", [sleep(2.0)]);
    let report = fake.build().report();
    assert!(report.peak_memory > 0);
    let samples = &report.memory;
    let highest = samples.iter().map(|sample| sample.bytes).max();
    assert_eq!(highest, Some(report.peak_memory));
    assert!(samples.is_sorted_by(|a, b| a.seconds < b.seconds));
    assert!(
        samples
            .iter()
            .all(|sample| sample.seconds <= report.seconds)
    );
}

fn sum(report: &BuildReport) -> u64 {
    report.sizes.iter().map(|row| row.bytes).sum()
}

#[test]
fn sizes_sum_to_the_file() {
    let fake = Fake::new();
    let report = fake.build().report();
    assert_eq!(report.image_size, OBJECT.len() as u64);
    assert_eq!(sum(&report), report.image_size);
    let part = |part| {
        let rows = report.sizes.iter().filter(|row| row.part == part);
        rows.map(|row| row.bytes).sum::<u64>()
    };
    // The table of its one symbol, and the names.
    assert_eq!(part(SizePart::Symbols), 0x30 + 0x16);
    assert_eq!(part(SizePart::Code), 0);
}

#[test]
fn an_image_from_the_cache_is_told_of_as_it_was_made_and_the_build_as_it_is() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.cache = fake.cache();
    let made = build(plan.clone()).report();
    std::fs::remove_file(fake.image()).unwrap();
    let report = build(plan.clone()).report();
    assert_eq!(report.origin, Origin::Cached);
    assert_eq!(report.sizes, made.sizes);
    let children = report
        .timeline
        .iter()
        .filter(|span| span.kind == SpanKind::Process);
    assert_eq!(children.count(), 0, "{:?}", report.timeline);
    assert_eq!(spans(&report, SpanKind::Stage, Stage::Publish).len(), 1);
    let current = build(plan).report();
    assert_eq!(current.origin, Origin::UpToDate);
    assert_eq!(current.sizes, made.sizes);
}

#[test]
fn a_stamp_of_an_engine_that_did_not_look_is_read() {
    let fake = Fake::new();
    let report = fake.build().report();
    assert!(
        report
            .sizes
            .iter()
            .all(|row| row.owner != Some(Owner::Base))
    );
    let mut table = serde_json::to_value(&report).unwrap();
    for field in ["timeline", "memory", "sizes"] {
        table.as_object_mut().unwrap().remove(field).unwrap();
    }
    table["how"]
        .as_object_mut()
        .unwrap()
        .remove("layer")
        .unwrap();
    for entry in table["statements"]["entries"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("package").unwrap();
    }
    let old: BuildReport = serde_json::from_value(table).unwrap();
    assert!(old.timeline.is_empty() && old.memory.is_empty() && old.sizes.is_empty());
    assert_eq!(old.how, report.how);
}
