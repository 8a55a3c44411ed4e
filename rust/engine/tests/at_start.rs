//! What each start of an image does, as the report tells it.

mod common;

use common::steps::{complain, say};
use common::{Fake, build};
use pcrs_engine::plan::Verify;
use pcrs_engine::report::AtStart;

/// What the trace of the start holds from there on is the trial's own.
const STARTED: &str = "precompile(Tuple{typeof(Main.PackageCompilerRSStart.done)})\n";

fn at_start(fake: &Fake) -> AtStart {
    fake.build().report().statements.at_start.unwrap()
}

#[test]
fn what_a_start_compiles_is_counted_by_package_and_what_it_writes() {
    let fake = Fake::new();
    let of_start = [
        "precompile(Tuple{typeof(Asked.init), Needed.Thing})",
        "precompile(Tuple{typeof(Base.show), Needed.Thing}) # recompile",
        "precompile(Tuple{typeof(Base.sin), Int64})",
    ];
    let own = "precompile(Tuple{typeof(Main.read_records), String})\n";
    fake.write("start", format!("{}\n{STARTED}{own}", of_start.join("\n")));
    fake.on("verify", [say("hello"), complain("again")]);
    let told = at_start(&fake);
    let compiled = told.compiled.iter();
    let compiled: Vec<_> = compiled
        .map(|row| (row.package.as_deref(), row.text.as_str()))
        .collect();
    let packages = [Some("Asked"), Some("Needed"), None];
    let expected: Vec<_> = packages.into_iter().zip(of_start).collect();
    assert_eq!(compiled, expected);
    assert_eq!(told.lines, 2);
    let mut printed = told.printed;
    printed.sort();
    assert_eq!(printed, ["again", "hello"]);
}

#[test]
fn a_quiet_start_does_nothing() {
    let fake = Fake::new();
    fake.write("start", STARTED);
    let told = at_start(&fake);
    assert!(told.compiled.is_empty() && told.lines == 0 && told.printed.is_empty());
    // Nor does one of which there is no trace at all.
    let told = at_start(&Fake::new());
    assert!(told.compiled.is_empty() && told.lines == 0);
}

#[test]
fn of_an_image_that_is_not_started_nothing_is_told() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.verify = Verify::None;
    assert!(build(plan).report().statements.at_start.is_none());
}
