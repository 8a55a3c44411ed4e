//! Builds that are stopped while a child runs that has started another.

mod common;

use std::fs;
use std::time::Duration;

use common::script::{Step, Wait};
use common::steps::{append, hang, run, sleep, touch};
use common::{Fake, LIMIT, OLD, finish, start};
use pcrs_engine::{Build, ErrorKind, Stage};

/// What the child's child writes to as long as it lives.
const NOISE: &str = "noise";

/// A build, over an older image, that hangs in `stage`.
fn hanging_in(stage: &str) -> (Fake, Build) {
    let fake = Fake::new();
    fs::write(fake.image(), OLD).unwrap();
    let noise = [append(&format!("$here/{NOISE}"), "x"), sleep(0.01)];
    // Its stage is "start".
    fake.on("start", [Step::Times(100_000, noise.into())]);
    let child = run("$0", &["--eval=noise"], Wait::NeverWithOutput);
    fake.on(
        stage,
        [
            child,
            Step::Await(format!("$here/{NOISE}")),
            touch("ready"),
            hang(),
        ],
    );
    let build = start(fake.plan());
    fake.await_file("ready");
    (fake, build)
}

#[track_caller]
fn assert_nothing_is_left(fake: &Fake) {
    let noise = || fs::metadata(fake.path(NOISE)).unwrap().len();
    let before = noise();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(noise(), before, "the child's child still runs");
    assert_eq!(fake.left(), ["Image.so"]);
    assert_eq!(fake.read_image(), OLD);
}

#[test]
fn cancelling_ends_the_child_and_what_it_started() {
    for (hook, stage) in [
        ("precompile", Some(Stage::Precompile)),
        ("trace", Some(Stage::Trace)),
        // The image process loads packages while the stages before its own are under way.
        ("load", None),
        ("generate", Some(Stage::Image)),
        ("link", Some(Stage::Link)),
        ("verify", Some(Stage::Verify)),
    ] {
        let (fake, build) = hanging_in(hook);
        build.cancel();
        assert!(build.wait(LIMIT), "the build does not end in {hook}");
        let error = finish(&build).error();
        assert_eq!(error.kind, ErrorKind::Cancelled);
        assert!(
            stage.is_none_or(|stage| error.stage == stage),
            "{hook}: {error:?}"
        );
        assert_eq!(error.log, None);
        assert_nothing_is_left(&fake);
    }
}

#[test]
fn so_does_dropping_the_build() {
    let (fake, build) = hanging_in("generate");
    drop(build);
    assert_nothing_is_left(&fake);
}
