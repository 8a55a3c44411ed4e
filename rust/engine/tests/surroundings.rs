//! What children inherit: what the plan says, and nothing of the process that builds.

mod common;

use std::ffi::{OsStr, OsString};

use common::script::Step;
use common::steps::{complain, exists, exit, say, touch, unless};
use common::{Fake, build, surroundings, text};
use pcrs_engine::identity::stamp::{PartKind, Stamp};
use pcrs_engine::report::Origin;
use pcrs_engine::{BuildPlan, Stage};

/// Cargo sets it for the process of this test.
const OF_THIS_PROCESS: &str = "CARGO_MANIFEST_DIR";

fn set(plan: &mut BuildPlan, name: &str, value: impl AsRef<OsStr>) {
    let environment = &mut plan.surroundings.environment;
    environment.retain(|(n, _)| n != name);
    environment.push((name.into(), value.as_ref().to_os_string()));
}

#[test]
fn environment_and_folder_are_the_plans() {
    let fake = Fake::new();
    let stages = ["precompile", "trace", "image", "link", "verify"];
    for stage in stages {
        let told = format!("$env{{GIVEN}}|$env{{{OF_THIS_PROCESS}}}|$folder");
        fake.on(stage, [say(&told)]);
    }
    let mut plan = fake.plan();
    let found = surroundings().var(OF_THIS_PROCESS).is_some();
    assert!(found, "this test is run by cargo");
    let environment = &mut plan.surroundings.environment;
    environment.retain(|(name, _)| name != OF_THIS_PROCESS);
    set(&mut plan, "GIVEN", "a\nb=c");
    plan.surroundings.folder = fake.path("base");
    let folder = fake.path("base").canonicalize().unwrap();
    // A process does not call its folder by the long form that Windows resolves it to.
    let folder = folder.display().to_string();
    let folder = folder.trim_start_matches(r"\\?\");
    let built = build(plan);
    for stage in [
        Stage::Precompile,
        Stage::Trace,
        Stage::Image,
        Stage::Link,
        Stage::Verify,
    ] {
        let lines = built.output(stage).join("\n");
        assert_eq!(lines, format!("a\nb=c|unset|{folder}"));
    }
    built.report();
}

/// Text of Windows is Unicode, or nearly.
#[cfg(unix)]
#[test]
fn values_may_be_any_bytes() {
    use common::script::Wait;
    use common::steps::run;
    use std::os::unix::ffi::OsStrExt;
    let fake = Fake::new();
    let script = "printf %s \"$RAW\" | od -An -tx1";
    fake.on("image", [run("sh", &["-c", script], Wait::Here)]);
    let mut plan = fake.plan();
    set(&mut plan, "RAW", OsStr::from_bytes(&[255, 65]));
    let built = build(plan);
    assert_eq!(built.output(Stage::Image), [" ff 41"]);
}

#[test]
fn programs_are_looked_for_where_the_plan_says() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    // The fake compiler, by its name alone.
    let mut path = OsString::from(fake.root());
    path.push(if cfg!(windows) { ";" } else { ":" });
    path.push(plan.surroundings.var("PATH").unwrap());
    set(&mut plan, "PATH", path);
    plan.compiler = Some(vec!["cc".into()]);
    let linker = build(plan.clone()).report().linker;
    let expected = fake.compiler().display().to_string();
    assert!(linker.starts_with(&expected), "{linker}");

    plan.compiler = None;
    plan.force = true;
    set(&mut plan, "PATH", "/nowhere");
    let said = text(&build(plan).error());
    assert!(said.contains("no linker was found"), "{said}");
}

/// Compilers of the system may link nothing for Julia: another is tried then, and what the user chose is not left.
#[test]
fn where_one_linker_of_the_system_cannot_link_the_other_is_tried() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    let chosen = plan.compiler.take();
    // Both are the fake compiler.
    plan.julia.lld = Some(fake.compiler());
    set(&mut plan, "PATH", fake.root());
    let cannot = [complain("no such option"), exit(1)];
    let mut once = vec![touch("before-link")];
    once.extend(cannot.clone());
    fake.on("link", [unless(exists("before-link"), once)]);
    let second = if cfg!(any(windows, target_os = "macos")) {
        "found on this system"
    } else {
        "brought by Julia"
    };
    let linker = build(plan.clone()).report().linker;
    assert!(linker.contains(second), "{linker}");

    fake.on("link", cannot);
    plan.force = true;
    let links = || {
        let started = fake.started();
        started
            .iter()
            .filter(|line| line.starts_with("link "))
            .count()
    };
    let before = links();
    let said = text(&build(plan.clone()).error());
    assert!(
        said.contains("no such option") && said.contains("JULIA_CC"),
        "{said}"
    );
    assert_eq!(links() - before, 2);
    plan.compiler = chosen;
    build(plan).error();
    assert_eq!(links() - before, 3);
}

#[test]
fn the_compiler_gets_its_own_arguments_first() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    let words = ["-g", "-Wl,--build-id=none", "a b"].map(String::from);
    plan.compiler.as_mut().unwrap().extend(words);
    build(plan).report();
    let started = fake.started();
    let link = started.iter().find(|line| line.starts_with("link "));
    let link = link.unwrap();
    assert!(
        link.starts_with("link -g -Wl,--build-id=none a b -"),
        "{link}"
    );
}

#[test]
fn no_variable_is_written_anywhere() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.log = Some(fake.path("log"));
    set(&mut plan, "TOKEN", "a secret of the user's");
    fake.on("image", [Step::Show("$last".into())]);
    build(plan).report();
    for file in ["target/Image.so.json", "log"] {
        let text = fake.read(file);
        assert!(!text.contains("a secret of the user's"), "{file}");
    }
}

#[test]
fn a_variable_that_is_named_is_an_input() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_workloads(1);
    plan.cache = fake.cache();
    let origin = |plan: &BuildPlan| build(plan.clone()).report().origin;
    assert_eq!(origin(&plan), Origin::Built);
    set(&mut plan, "MY_FLAG", "1");
    assert_eq!(origin(&plan), Origin::UpToDate);

    plan.environment_inputs = vec!["MY_FLAG".into()];
    assert_eq!(origin(&plan), Origin::Built);
    assert_eq!(origin(&plan), Origin::UpToDate);
    let before = fake.started().len();
    set(&mut plan, "MY_FLAG", "2");
    assert_eq!(origin(&plan), Origin::Built);
    // Its workload runs again, too.
    let traced = fake.started()[before..]
        .iter()
        .any(|line| line.starts_with("trace "));
    assert!(traced, "{:?}", fake.started());
    let stamp = Stamp::read(&fake.image()).unwrap();
    let mut variables = stamp.parts.iter().filter(|p| p.kind == PartKind::Variable);
    assert_eq!(variables.next().unwrap().name, "MY_FLAG");

    // Empty and missing are two things.
    set(&mut plan, "MY_FLAG", "");
    assert_eq!(origin(&plan), Origin::Built);
    plan.surroundings
        .environment
        .retain(|(name, _)| name != "MY_FLAG");
    assert_eq!(origin(&plan), Origin::Built);
    set(&mut plan, "MY_FLAG", "2");
    assert_eq!(origin(&plan), Origin::Cached);
}

#[test]
fn what_is_no_name_of_a_variable_is_refused() {
    let fake = Fake::new();
    for name in ["", "A=1"] {
        let mut plan = fake.plan();
        plan.environment_inputs = vec![name.into()];
        let said = text(&build(plan).error());
        assert!(said.contains("`environment_inputs` holds"), "{said}");
    }
}
