//! The session that children run in, and what is told of children that stand still: sessions and SIGSTOP are
//! Unix's, and both are asked of Linux's /proc here.

#![cfg(target_os = "linux")]

mod common;

use common::script::{Step, Wait};
use common::steps::run;
use common::{Fake, build, finish, start, until};
use pcrs_engine::{Event, Stage};

#[test]
fn each_child_has_a_session_of_its_own() {
    let fake = Fake::new();
    for stage in ["precompile", "trace", "image", "link", "verify"] {
        // proc(5): what follows the name is state, parent, group and session.
        let script = r#"read -r stat </proc/$PPID/stat; stat=${stat##*) }
            echo "session $(echo $stat | cut -d ' ' -f 4) of $PPID""#;
        fake.on(stage, [run("sh", &["-c", script], Wait::Here)]);
    }
    let built = build(fake.plan());
    for stage in [
        Stage::Precompile,
        Stage::Trace,
        Stage::Image,
        Stage::Link,
        Stage::Verify,
    ] {
        let lines = built.output(stage);
        let [line] = lines[..] else {
            panic!("{stage:?}: {lines:?}")
        };
        let numbers = line.strip_prefix("session ").unwrap();
        let (session, process) = numbers.split_once(" of ").unwrap();
        assert_eq!(session, process, "{stage:?}");
    }
    built.report();
}

#[test]
fn a_stopped_child_is_told_of() {
    let fake = Fake::new();
    fake.on("trace", [Step::Signal(libc::SIGSTOP)]);
    let build = start(fake.plan());
    let mut told = None;
    until("the stopped child is told of", || {
        while let Some(event) = build.next_event() {
            if let Event::Warning { stage, text } = event {
                told = Some((stage, text));
            }
        }
        told.is_some()
    });
    let (stage, text) = told.unwrap();
    assert_eq!(stage, Stage::Trace);
    assert!(text.contains("was stopped by a signal"), "{text}");
    let id = text.split("kill -CONT ").nth(1).unwrap();
    let id: i32 = id.split('`').next().unwrap().parse().unwrap();
    // SAFETY: kill(2) on a process of this test's build, which runs.
    assert_eq!(unsafe { libc::kill(id, libc::SIGCONT) }, 0);
    finish(&build).report();
}
