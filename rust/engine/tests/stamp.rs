//! What an image says of what it was built from.

mod common;

use std::fs;

use common::steps::{keep, write};
use common::{Fake, OBJECT, app, build};
use pcrs_cache::Stop;
use pcrs_engine::identity::inspect::inspect;
use pcrs_engine::identity::stamp::{Part, PartKind, Stamp};
use pcrs_engine::identity::{beside, parts};
use pcrs_engine::plan::{Base, Package, Verify};
use pcrs_engine::{BuildPlan, ErrorKind, Stage, dry_run};

/// A plan whose package `Asked` is tracked by path, with a folder of its own.
fn plan(fake: &Fake) -> BuildPlan {
    let mut plan = fake.plan();
    let folder = fake.path("Asked");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Project.toml"), "name = \"Asked\"\n").unwrap();
    fs::write(folder.join("src/Asked.jl"), "module Asked end\n").unwrap();
    plan.project.sources = vec![folder.clone()];
    plan.packages[1].path = Some(folder);
    plan
}

/// The spec of the image process, as text.
fn keep_spec(fake: &Fake) {
    fake.on("image", ["stamp", "guarded"].map(keep));
}

fn part<'a>(stamp: &'a Stamp, kind: PartKind, name: &str) -> &'a Part {
    let mut parts = stamp.parts.iter();
    let found = parts.find(|part| part.kind == kind && part.name.ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {:?}", stamp.parts))
}

#[test]
fn the_stamp_speaks_for_one_file_only() {
    let fake = Fake::new();
    build(plan(&fake)).report();
    let image = fake.image();
    let version = fake.plan().julia.version;
    let inspected = inspect(&image, version, &Stop::default()).unwrap();
    let stamp = inspected.stamp.unwrap();
    assert_eq!(stamp.image_hash, Some(inspected.hash));
    assert!(stamp.content_key.is_some() && stamp.report.is_some());

    fake.write("target/Image.so", "another");
    let inspected = inspect(&image, version, &Stop::default()).unwrap();
    assert!(inspected.stamp.is_none() && inspected.stamp_exists);
    assert_eq!(inspected.is_sysimage, Some(false));

    fs::remove_file(beside::stamp(&image)).unwrap();
    assert!(
        !inspect(&image, version, &Stop::default())
            .unwrap()
            .stamp_exists
    );
    fs::remove_file(&image).unwrap();
    assert!(inspect(&image, version, &Stop::default()).is_err());
}

#[test]
fn the_image_gets_the_stamp_without_what_is_not_known_yet() {
    let fake = Fake::new();
    keep_spec(&fake);
    build(plan(&fake)).report();
    let inside: Stamp = serde_json::from_slice(&fs::read(fake.path("stamp")).unwrap()).unwrap();
    let beside = Stamp::read(&fake.image()).unwrap();
    assert_eq!(inside.packages, beside.packages);
    assert_eq!(inside.parts, beside.parts);
    assert_eq!(inside.content_key, beside.content_key);
    assert!(inside.image_hash.is_none() && inside.report.is_none());
    assert_eq!(fs::read_to_string(fake.path("guarded")).unwrap(), "");
}

#[test]
fn an_image_without_metadata_gets_none() {
    let fake = Fake::new();
    keep_spec(&fake);
    let mut plan = plan(&fake);
    plan.build_args = vec!["--strip-metadata".into()];
    build(plan).report();
    assert_eq!(fs::read_to_string(fake.path("stamp")).unwrap(), "");
    assert!(Stamp::read(&fake.image()).is_some());
}

#[test]
fn an_app_gets_its_functions_and_says_nothing_of_this_machine() {
    let fake = Fake::new();
    fake.on("image", ["stamp", "app", "entry"].map(keep));
    let mut plan = plan(&fake);
    plan.app = Some(app(&["main", "other"]));
    build(plan).report();
    let said = |name: &str| fs::read_to_string(fake.path(name)).unwrap();
    assert_eq!(said("stamp"), "");
    assert!(said("app").trim().ends_with(" Asked"), "{}", said("app"));
    assert_eq!(said("entry"), "main\nother\n");
}

#[test]
fn a_library_of_a_project_that_is_no_package_calls_none() {
    let fake = Fake::new();
    fake.on("image", ["stamp", "app", "entry"].map(keep));
    let mut plan = plan(&fake);
    let mut library = app(&[]);
    library.package.name.clear();
    library.package.uuid.clear();
    plan.app = Some(library);
    build(plan).report();
    for name in ["stamp", "app", "entry"] {
        assert_eq!(fs::read_to_string(fake.path(name)).unwrap(), "", "{name}");
    }
}

#[test]
fn a_library_is_linked_with_its_own_functions() {
    let fake = Fake::new();
    let mut plan = plan(&fake);
    let helper = fake.path("sys.so");
    plan.library = Some(helper.clone());
    plan.log = Some(fake.path("log"));
    build(plan).report();
    let log = fs::read_to_string(fake.path("log")).unwrap();
    let link = log.lines().find(|line| line.contains("entries.o")).unwrap();
    assert!(link.contains("--disable-new-dtags"), "{link}");
    assert!(link.contains(&helper.display().to_string()), "{link}");
}

#[test]
fn the_guard_gets_the_packages_and_is_off_in_children() {
    let fake = Fake::new();
    keep_spec(&fake);
    fake.on("trace", [write("$here/guard", "$env{PCRS_GUARD}\n")]);
    let mut plan = plan(&fake);
    plan.guard = true;
    build(plan).report();
    let guarded = fs::read_to_string(fake.path("guarded")).unwrap();
    let lines: Vec<Vec<&str>> = guarded.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(lines[0][1..], ["Needed", "1.0.0", "", ""]);
    let folder = fake.path("Asked").display().to_string();
    assert_eq!(lines[1][1..], ["Asked", "1.0.0", "", &folder]);
    assert_eq!(fs::read_to_string(fake.path("guard")).unwrap(), "0\n");
}

#[test]
fn the_source_of_a_package_is_in_the_stamp() {
    let fake = Fake::new();
    let plan = plan(&fake);
    let hash = || {
        let stamp = Stamp::new(
            &plan,
            None,
            parts::read(&plan, &fake.image(), &Stop::default()),
        );
        let source = &part(&stamp, PartKind::Source, "Asked").hash;
        let held = stamp.packages.iter().find(|held| held.name == "Asked");
        assert_eq!(&held.unwrap().source_hash, source);
        source.clone().unwrap()
    };
    let before = hash();
    assert_eq!(hash(), before);
    fake.write("Asked/src/Asked.jl", "module Asked; end\n");
    assert_ne!(hash(), before);
}

#[test]
fn files_that_only_an_include_names_are_in_the_stamp() {
    let fake = Fake::new();
    let mut plan = plan(&fake);
    fake.write("shared.jl", "");
    fake.write("Asked/src/part.jl", "");
    fake.write(
        "Asked/src/Asked.jl",
        "module Asked\ninclude(\"part.jl\")\ninclude(\"../../shared.jl\")\nend\n",
    );
    fake.write("work.jl", "include(\"more.jl\")\n");
    fake.write("more.jl", "");
    plan.workloads = vec![fake.path("work.jl").into()];
    let parts = parts::read(&plan, &fake.image(), &Stop::default());
    let stamp = Stamp::new(&plan, None, parts);
    let names = |kind, name| {
        let files = part(&stamp, kind, name).files.iter();
        let mut names: Vec<_> = files.map(|file| file.file_name().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(PartKind::Source, "Asked"), ["shared.jl"]);
    assert_eq!(names(PartKind::Workload, "work.jl"), ["more.jl", "work.jl"]);
}

#[test]
fn an_edit_of_a_package_is_none_of_the_tests_that_are_the_workload() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_tests();
    fs::create_dir_all(fake.path("Asked/src")).unwrap();
    fake.write("Asked/Project.toml", "name = \"Asked\"");
    fake.write("Asked/src/Asked.jl", "module Asked end");
    let changed = |plan: &BuildPlan, file: &str| -> Vec<PartKind> {
        let read = || parts::read(plan, &fake.image(), &Stop::default());
        let before = read();
        fake.write(file, "# edited");
        let now = read();
        let pairs = before.iter().zip(&now);
        let changed = pairs.filter(|(then, now)| then != now);
        changed.map(|(part, _)| part.kind).collect()
    };
    plan.project.sources = vec![fake.path("Asked")];
    assert_eq!(changed(&plan, "Asked/src/Asked.jl"), [PartKind::Source]);
    assert_eq!(changed(&plan, "Asked/test/more.jl"), [PartKind::Workload]);
    // A package that only the tests load has no part of its own.
    plan.project.sources.clear();
    assert!(changed(&plan, "Asked/src/Asked.jl").is_empty());
    fake.write("Asked/src/Asked.jl", "module Asked end");
    assert_eq!(changed(&plan, "Asked/src/Asked.jl"), [PartKind::Workload]);
}

#[test]
fn what_launchers_keep_beside_an_image_is_no_source() {
    let fake = Fake::new();
    let plan = plan(&fake);
    let parts = || parts::read(&plan, &fake.image(), &Stop::default());
    let before = parts();
    fs::create_dir_all(fake.path("Asked/src/Other.so.refresh")).unwrap();
    fake.write("Asked/src/Other.so.refresh/log", "as of another image");
    assert_eq!(parts(), before);
    fs::create_dir_all(fake.path("Asked/src/Other.refresh")).unwrap();
    fake.write("Asked/src/Other.refresh/log", "no image");
    assert_ne!(parts(), before);
}

#[test]
fn what_cannot_be_read_is_a_gap_and_no_error() {
    let fake = Fake::new();
    let mut plan = plan(&fake);
    plan.base = Base::Existing {
        path: fake.path("gone.so"),
    };
    plan.workloads = vec![fake.path("gone.jl").into()];
    plan.workload_deps = vec![fake.path("gone.csv")];
    let stamp = Stamp::new(
        &plan,
        None,
        parts::read(&plan, &fake.image(), &Stop::default()),
    );
    for (kind, name) in [
        (PartKind::Base, "gone.so"),
        (PartKind::Workload, "gone.jl"),
        (PartKind::WorkloadDep, "gone.csv"),
    ] {
        let part = part(&stamp, kind, name);
        assert!(part.hash.is_none());
        assert!(part.gaps[0].contains(name), "{:?}", part.gaps);
    }
    assert_eq!(stamp.unknown_base, Some(fake.path("gone.so")));
}

#[test]
fn packages_of_the_image_below_stay_as_they_are() {
    let fake = Fake::new();
    build(plan(&fake)).report();
    let below = fake.path("target/Below.so");
    fs::rename(fake.image(), &below).unwrap();
    fs::rename(beside::stamp(&fake.image()), beside::stamp(&below)).unwrap();

    let mut upper = plan(&fake);
    upper.base = Base::Existing { path: below };
    upper.packages[1].version = Some("2.0.0".into());
    let versions = |plan: &BuildPlan| -> Vec<(Option<String>, bool)> {
        let stamp = Stamp::new(
            plan,
            None,
            parts::read(plan, &fake.image(), &Stop::default()),
        );
        assert_eq!(stamp.unknown_base, None);
        let asked = stamp.packages.iter().filter(|held| held.name == "Asked");
        asked
            .map(|held| (held.version.clone(), held.from_base))
            .collect()
    };
    assert_eq!(versions(&upper), [(Some("1.0.0".into()), true)]);
    assert_eq!(versions(&plan(&fake)), [(Some("1.0.0".into()), false)]);

    // One that another tool made may hold anything.
    let other = fake.write("target/Other.so", "an image");
    upper.base = Base::Existing {
        path: other.clone(),
    };
    let stamp = Stamp::new(
        &upper,
        None,
        parts::read(&upper, &fake.image(), &Stop::default()),
    );
    assert_eq!(stamp.unknown_base, Some(other));
}

/// The plan of an image on that of `plan`, which is built before.
fn on_another(fake: &Fake, mut plan: BuildPlan) -> BuildPlan {
    // Julia's version, as an image has it.
    let mut content = OBJECT.as_bytes().to_vec();
    content.extend("1.10.6".len().to_ne_bytes());
    content.extend(b"1.10.6");
    fake.write("content", content);
    build(plan.clone()).report();
    let below = fake.path("target/Below.so");
    fs::rename(fake.image(), &below).unwrap();
    fs::rename(beside::stamp(&fake.image()), beside::stamp(&below)).unwrap();
    fs::remove_file(fake.path("started")).unwrap();
    plan.base = Base::Existing { path: below };
    plan
}

#[test]
fn a_base_that_holds_another_version_is_refused_before_any_process_starts() {
    let fake = Fake::new();
    let mut registered = fake.plan();
    registered.packages[1].tree_hash = Some("a".repeat(40));
    let upper = on_another(&fake, registered);
    let refused = |change: &dyn Fn(&mut Package), told: &str| {
        let mut plan = upper.clone();
        plan.verify = Verify::None;
        change(&mut plan.packages[1]);
        let error = build(plan.clone()).error();
        assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
        let base = fake.path("target/Below.so").display().to_string();
        assert!(error.message.contains(&base), "{error}");
        assert!(error.message.contains(told), "{error}");
        assert_eq!(
            dry_run(&plan, &Stop::default()).unwrap_err().message,
            error.message
        );
    };
    let other = |package: &mut Package| {
        package.version = Some("2.0.0".into());
        package.tree_hash = Some("b".repeat(40));
    };
    refused(&other, "`Asked` 1.0.0, the Manifest says 2.0.0");
    // The same version of a branch.
    let tree = "b".repeat(40);
    let told = format!("the Manifest says 1.0.0 of the tree {tree}");
    refused(&|package| package.tree_hash = Some(tree.clone()), &told);
    let folder = fake.path("project");
    let told = format!("the Manifest says 1.0.0 from `{}`", folder.display());
    let developed = |package: &mut Package| {
        package.tree_hash = None;
        package.path = Some(folder.clone());
    };
    refused(&developed, &told);
    assert!(fake.started().is_empty());
    build(upper).report();
}

#[test]
fn a_package_that_was_edited_since_its_base_was_built_is_told_of() {
    let fake = Fake::new();
    let mut upper = on_another(&fake, plan(&fake));
    upper.cache = fake.cache();
    let quiet = build(upper.clone());
    assert!(quiet.warnings().is_empty(), "{:?}", quiet.warnings());
    fake.write("Asked/src/Asked.jl", "module Asked; f() = 1; end\n");
    let told = |upper: &BuildPlan| {
        let built = build(upper.clone());
        let warnings = built.warnings().join("\n");
        assert!(warnings.contains("holds `Asked` as it was"), "{warnings}");
    };
    told(&upper);
    // As long as the image lasts.
    told(&upper);
    let elsewhere = fake.path("project");
    upper.packages[1].path = Some(elsewhere);
    told(&upper);
}
