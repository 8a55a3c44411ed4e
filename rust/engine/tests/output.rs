//! What children write, however much and whatever it is.

mod common;

use common::script::Step;
use common::steps::{
    await_file, complain, count_to, exit, hang, ready_then_go, same, say, touch, when,
};
use common::{Fake, build, finish, start};
use pcrs_engine::{Event, Stage};

/// No line of output is longer than this, in bytes.
const LONGEST: usize = 64 << 10;

#[test]
fn output_of_workloads_is_shown_and_that_of_other_children_is_not() {
    let fake = Fake::new();
    for stage in ["precompile", "trace", "image", "link", "verify"] {
        fake.on(stage, [say("to stdout"), complain("to stderr")]);
    }
    let built = build(fake.plan_with_workloads(1));
    let mut shown = Vec::new();
    let mut lines = 0;
    for event in &built.events {
        if let Event::Output {
            stage, shown: s, ..
        } = event
        {
            lines += 1;
            if *s {
                shown.push(*stage);
            }
        }
    }
    assert_eq!(lines, 10);
    assert_eq!(shown, [Stage::Trace, Stage::Trace]);
}

#[test]
fn a_hundred_thousand_lines_come_in_order() {
    let fake = Fake::new();
    let also = Step::Times(100_000, vec![complain("$i")]);
    fake.on("trace", [count_to(100_000), also]);
    let built = fake.build();
    let mut seen = [0; 100_000];
    let lines = built.output(Stage::Trace);
    assert_eq!(lines.len(), 200_000);
    for line in lines {
        let number: usize = line.parse().unwrap();
        seen[number - 1] += 1;
    }
    assert!(seen.iter().all(|times| *times == 2));
    built.report();
}

/// In lines, of which nobody needs one.
fn thirty_megabytes() -> Step {
    Step::Times(30_000, vec![say(&"x".repeat(1000))])
}

#[test]
fn the_last_words_after_much_output_are_not_lost() {
    let fake = Fake::new();
    fake.on(
        "trace",
        [thirty_megabytes(), say("ERROR: at last"), exit(1)],
    );
    let error = fake.build().error();
    assert_eq!(error.cause.as_deref(), Some("at last"));
    assert_eq!(error.output.last().unwrap(), "ERROR: at last");
}

#[test]
fn events_that_nobody_takes_do_not_pile_up_without_end() {
    let fake = Fake::new();
    fake.on("trace", [thirty_megabytes()]);
    let build = start(fake.plan());
    // So much takes long where a system is emulated.
    assert!(build.wait(10 * common::LIMIT));
    let built = finish(&build);
    let lines = built.output(Stage::Trace);
    assert!(lines.len() < 10_000, "{} events were kept", lines.len());
    // Left out are lines in the middle, and that is said; other events all came.
    assert!(lines.iter().any(|line| line.contains("more lines")));
    let finished = |event: &&Event| matches!(event, Event::StageFinished { .. });
    assert_eq!(built.events.iter().filter(finished).count(), 7);
    built.report();
}

#[test]
fn bytes_that_are_no_utf8_do_no_harm() {
    let fake = Fake::new();
    fake.on("trace", [Step::Bytes(b"a\xffb\0c\n\xf0\x9f\n".into())]);
    let built = fake.build();
    let lines = built.output(Stage::Trace);
    assert_eq!(lines, ["a\u{fffd}b\0c", "\u{fffd}"]);
    built.report();
}

#[test]
fn of_a_line_drawn_over_and_over_the_last_state_is_shown() {
    let fake = Fake::new();
    let drawn = "10%\r20%\r30%\nwindows\r\nend\r";
    fake.on("trace", [Step::Print(drawn.into())]);
    let built = fake.build();
    let lines = built.output(Stage::Trace);
    assert_eq!(lines, ["30%", "windows", "end"]);
}

#[test]
fn a_line_without_an_end_is_shown() {
    let fake = Fake::new();
    fake.on("trace", [Step::Print("no newline".into())]);
    let built = fake.build();
    assert_eq!(built.output(Stage::Trace), ["no newline"]);
}

fn ten_megabytes() -> Step {
    Step::Times(10_000, vec![Step::Print("x".repeat(1000))])
}

#[test]
fn ten_megabytes_without_a_newline_come_in_pieces() {
    let fake = Fake::new();
    fake.on("trace", [ten_megabytes(), say(""), say("end")]);
    let built = fake.build();
    let lines = built.output(Stage::Trace);
    let total: usize = lines.iter().map(|line| line.len()).sum();
    assert_eq!(total, 10_000_003);
    assert!(lines.iter().all(|line| line.len() <= LONGEST));
    assert_eq!(*lines.last().unwrap(), "end");
    built.report();
}

#[test]
fn long_lines_of_a_failed_child_are_cut_in_the_error() {
    let fake = Fake::new();
    fake.on("trace", [ten_megabytes(), exit(1)]);
    let error = fake.build().error();
    let total: usize = error.output.iter().map(String::len).sum();
    assert!(total < LONGEST, "{total} bytes");
    assert!(error.to_string().len() < LONGEST);
}

#[test]
fn a_child_that_closes_its_output_is_still_waited_for() {
    let fake = Fake::new();
    let [ready, go] = ready_then_go();
    fake.on("image", [Step::CloseOutput, ready, go]);
    let build = start(fake.plan());
    fake.await_file("ready");
    assert!(!build.wait(std::time::Duration::from_millis(300)));
    fake.write("go", "");
    finish(&build).report();
}

// Only Linux is asked here for what still runs, and Windows lets no process leave a job.
#[cfg(target_os = "linux")]
mod daemons {
    use super::*;
    use common::script::Wait;
    use common::steps::run;

    #[test]
    fn a_daemon_that_holds_the_pipes_does_not_hang_the_build() {
        let fake = Fake::new();
        let sleep = |wait| run("sleep", &["1000"], wait);
        let daemons = [Wait::NeverWithOutput, Wait::Escaped].map(sleep);
        let [one, other] = daemons;
        fake.on("trace", [one, other, say("done")]);
        let built = fake.build();
        assert_eq!(built.output(Stage::Trace), ["done"]);
        built.report();
        assert_eq!(fake.living(), []);
    }

    #[test]
    fn a_daemon_that_never_stops_writing_does_not_hang_the_build() {
        let fake = Fake::new();
        fake.on("trace", [run("yes", &[], Wait::Escaped), say("done")]);
        fake.build().report();
        assert_eq!(fake.living(), []);
    }
}

#[test]
fn workloads_run_at_once_and_their_output_is_told_apart() {
    let fake = Fake::new();
    let steps = [
        touch("there-$script"),
        // Comes to an end only if both run at the same time.
        await_file("there-workload1.jl"),
        await_file("there-workload2.jl"),
        say("hello from $script"),
    ];
    fake.on("trace", steps);
    let mut plan = fake.plan_with_workloads(2);
    plan.trace_jobs = Some(2);
    let built = build(plan);
    let mut lines = built.output(Stage::Trace);
    lines.sort_unstable();
    let expected = [
        "[workload1.jl] hello from workload1.jl",
        "[workload2.jl] hello from workload2.jl",
    ];
    assert_eq!(lines, expected);
    built.report();
}

#[test]
fn the_first_workload_that_fails_stops_the_others() {
    let fake = Fake::new();
    let is = |script| same("$script", script);
    let first = [await_file("there"), complain("ERROR: the first"), exit(1)];
    let second = [touch("there"), hang()];
    let steps = [
        when(is("workload1.jl"), first),
        when(is("workload2.jl"), second),
        touch("third"),
    ];
    fake.on("trace", steps);
    let mut plan = fake.plan_with_workloads(3);
    plan.trace_jobs = Some(2);
    let error = build(plan).error();
    assert_eq!(error.cause.as_deref(), Some("the first"));
    assert!(error.message.contains("workload1.jl"), "{}", error.message);
    assert!(!fake.path("third").exists());
}
