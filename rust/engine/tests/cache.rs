//! Nothing is done twice: what a build takes from earlier ones, told by the children it starts.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::steps::{append, exists, exit, note, ready_then_go, say, touch, unless};
use common::{
    Built, Fake, LIMIT, OBJECT, OLD, age, app, build, executable, finish, names, start, text, until,
};
use pcrs_cache::Stop;
use pcrs_engine::identity::stamp::{PartKind, Stamp};
use pcrs_engine::identity::{cache, parts};
use pcrs_engine::plan::{Base, Other, Verify};
use pcrs_engine::report::{BuildReport, Origin};
use pcrs_engine::{BuildPlan, ErrorKind, Event, Stage};

/// Of the image and what goes before it, on an existing base and without workloads.
const ALL: [&str; 5] = ["precompile", "trace", "image", "link", "verify"];
const FROM_TRACE: [&str; 4] = ["trace", "image", "link", "verify"];
const FROM_IMAGE: [&str; 3] = ["image", "link", "verify"];
const WITH_FRESH_BASE: [&str; 9] = [
    "base",
    "link",
    "base",
    "link",
    "precompile",
    "trace",
    "image",
    "link",
    "verify",
];
/// Whether its caches are those of a fresh base, only Julia can tell.
const ON_FRESH_BASE: [&str; 4] = ["precompile", "image", "link", "verify"];
const NONE: [&str; 0] = [];

const MANIFEST: &str = "project/Manifest.toml";

/// A fake with a package that is tracked by path, and a cache.
fn fake() -> Fake {
    let fake = Fake::new();
    fs::create_dir_all(fake.path("Needed/src")).unwrap();
    fake.write("Needed/Project.toml", "name = \"Needed\"\n");
    fake.write("Needed/src/Needed.jl", "module Needed end\n");
    fake.write(MANIFEST, "# by a machine\n[[deps.Asked]]\n");
    fake.write("libjulia.so", "a library");
    fake
}

fn plan(fake: &Fake) -> BuildPlan {
    let mut plan = fake.plan();
    plan.packages[0].path = Some(fake.path("Needed"));
    plan.packages[1].tree_hash = Some("46d2680e618f8abd007bce0c3026cb0c4a8f2032".into());
    plan.project.sources = vec![fake.path("Needed")];
    plan.julia.libraries = vec![fake.path("libjulia.so")];
    plan.cache = fake.cache();
    plan
}

/// A plan with a file for each keyword that takes one.
fn full_plan(fake: &Fake) -> BuildPlan {
    let mut plan = plan(fake);
    for i in 1..=2 {
        let name = format!("workload{i}.jl");
        let text = format!("include(\"part{i}.jl\")\n");
        plan.workloads.push(fake.write(&name, text).into());
        fake.write(&format!("part{i}.jl"), "1\n");
    }
    plan.statement_files = vec![fake.write("more.jl", "precompile(k, (Int,))\n")];
    plan.script = Some(fake.write("script.jl", "include(\"part-of-script.jl\")\n"));
    fake.write("part-of-script.jl", "1\n");
    plan.workload_deps = vec![fake.write("data.csv", "1,2\n")];
    plan
}

/// A package of the Manifest that is not to go into the image.
fn other(name: &str) -> Other {
    Other {
        name: name.into(),
        uuid: "00000000-0000-0000-0000-000000000009".into(),
        version: Some("1.0.0".into()),
        path: None,
        tree_hash: None,
    }
}

/// The stages of the children started since the last call.
fn started(fake: &Fake) -> Vec<String> {
    let stage = |line: String| line.split(' ').next().unwrap().to_string();
    let started = fake.started().into_iter().map(stage).collect();
    let _ = fs::remove_file(fake.path("started"));
    started
}

/// The stages that the build told of.
fn stages(built: &Built) -> Vec<Stage> {
    let events = built.events.iter();
    let started = events.filter_map(|event| match event {
        Event::StageStarted { stage, .. } => Some(*stage),
        _ => None,
    });
    started.collect()
}

/// Builds in silence and checks where the image comes from and which children were started.
#[track_caller]
fn expect(fake: &Fake, plan: BuildPlan, origin: Origin, children: &[&str]) -> BuildReport {
    let built = build(plan);
    assert_eq!(built.warnings(), NONE);
    let report = built.report();
    assert_eq!(started(fake), children);
    assert_eq!(report.origin, origin);
    report
}

/// A build that has filled the cache.
#[track_caller]
fn first(fake: &Fake, plan: &BuildPlan) -> BuildReport {
    let report = build(plan.clone()).report();
    assert_eq!(report.origin, Origin::Built);
    assert!(!started(fake).is_empty());
    report
}

/// Every path below `folder`, and when it last changed in any way.
fn times(folder: &Path) -> BTreeMap<PathBuf, impl PartialEq + Debug + use<>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        let there = fs::symlink_metadata(&path).unwrap();
        if there.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            open.extend(entries.map(|entry| entry.unwrap().path()));
        }
        found.insert(path, changed(&there));
    }
    found
}

#[cfg(unix)]
fn changed(there: &fs::Metadata) -> impl PartialEq + Debug + use<> {
    use std::os::unix::fs::MetadataExt;
    (there.ctime(), there.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(there: &fs::Metadata) -> impl PartialEq + Debug + use<> {
    there.modified().unwrap()
}

fn change_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The files of this name in entries of the cache.
fn in_cache(fake: &Fake, name: &str) -> Vec<PathBuf> {
    let all = times(&fake.path("cache")).into_keys();
    let mut named: Vec<PathBuf> = all
        .filter(|path| path.ends_with(name) && path.is_file())
        .collect();
    named.sort();
    named
}

#[test]
fn an_unchanged_build_starts_no_child_and_touches_no_file() {
    let fake = fake();
    let plan = full_plan(&fake);
    let report = first(&fake, &plan);
    let before = times(fake.root());
    let built = build(plan);
    assert_eq!(times(fake.root()), before);
    assert_eq!(built.events, []);
    let again = built.report();
    assert_eq!(again.origin, Origin::UpToDate);
    assert_eq!(again.sysimage_path, fake.image());
    assert_eq!(again.image_size, report.image_size);
    assert_eq!(
        again.statements.entries.len(),
        report.statements.entries.len()
    );
    assert!(started(&fake).is_empty());
}

#[test]
fn touching_files_without_changing_them_does_nothing() {
    let fake = fake();
    let plan = full_plan(&fake);
    first(&fake, &plan);
    let programs = [fake.julia(), fake.compiler()];
    for path in times(fake.root()).into_keys() {
        if !programs.contains(&path) {
            age::by_an_hour(&path);
        }
    }
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn an_image_is_up_to_date_without_a_cache_too() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.cache = None;
    first(&fake, &plan);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fs::remove_file(fake.image()).unwrap();
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn a_deleted_image_comes_from_the_cache() {
    let fake = fake();
    let plan = plan(&fake);
    let report = first(&fake, &plan);
    fs::remove_file(fake.image()).unwrap();
    let built = build(plan.clone());
    assert_eq!(stages(&built), [Stage::Publish]);
    let again = built.report();
    assert_eq!(again.origin, Origin::Cached);
    assert_eq!(again.image_size, report.image_size);
    assert_eq!(
        again.statements.entries.len(),
        report.statements.entries.len()
    );
    assert!(started(&fake).is_empty());
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn an_image_without_its_stamp_comes_from_the_cache() {
    let fake = fake();
    let plan = plan(&fake);
    first(&fake, &plan);
    let stamp = fake.path("target/Image.so.json");
    fs::remove_file(&stamp).unwrap();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    let whole = fs::read(&stamp).unwrap();
    for length in [0, 12, whole.len() / 3] {
        fs::write(&stamp, &whole[..length]).unwrap();
        expect(&fake, plan.clone(), Origin::Cached, &NONE);
        expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    }
    let half = fs::read(&stamp).unwrap();
    fs::write(&stamp, &half[..half.len() / 2]).unwrap();
    expect(&fake, plan, Origin::Cached, &NONE);
}

#[test]
fn an_image_with_another_byte_is_put_right() {
    let fake = fake();
    let plan = plan(&fake);
    first(&fake, &plan);
    change_byte(&fake.image());
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    assert_eq!(fake.read_image(), OBJECT);
    // Changing what came from the cache does not reach what is in it.
    change_byte(&fake.image());
    expect(&fake, plan, Origin::Cached, &NONE);
    assert_eq!(fake.read_image(), OBJECT);
}

#[test]
fn an_image_of_the_same_name_elsewhere_comes_from_the_cache() {
    let fake = fake();
    let mut plan = plan(&fake);
    first(&fake, &plan);
    plan.sysimage_path = fake.path("elsewhere/Image.so");
    let report = expect(&fake, plan.clone(), Origin::Cached, &NONE);
    assert_eq!(report.sysimage_path, plan.sysimage_path);
    assert_eq!(fs::read_to_string(&plan.sysimage_path).unwrap(), OBJECT);
    // An image holds its name.
    plan.sysimage_path = fake.path("elsewhere/Other.so");
    expect(&fake, plan, Origin::Built, &FROM_IMAGE);
}

#[test]
fn force_builds_everything_anew_and_replaces_what_the_cache_has() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.base = Base::Fresh {
        filter_stdlibs: true,
    };
    first(&fake, &plan);
    fake.write("content", "another object file");
    fake.statements(&["l, (Int,)"]);
    plan.force = true;
    expect(&fake, plan.clone(), Origin::Built, &WITH_FRESH_BASE);
    assert_eq!(fake.read_image(), "another object file");
    plan.force = false;
    fs::remove_file(fake.image()).unwrap();
    let report = expect(&fake, plan.clone(), Origin::Cached, &NONE);
    assert_eq!(fake.read_image(), "another object file");
    assert_eq!(report.statements.entries[0].text, "precompile(l, (Int,))");
    // Base and trace are new as well.
    plan.import_into_main = false;
    let report = expect(&fake, plan, Origin::Built, &ON_FRESH_BASE);
    assert_eq!(report.statements.entries[0].text, "precompile(l, (Int,))");
    for base in in_cache(&fake, "files/image") {
        assert_eq!(fs::read_to_string(base).unwrap(), "another object file");
    }
}

#[test]
fn a_changed_statements_file_starts_neither_precompilation_nor_tracing() {
    let fake = fake();
    let plan = full_plan(&fake);
    first(&fake, &plan);
    fake.write("more.jl", "precompile(l, (Int,))\n");
    let report = expect(&fake, plan, Origin::Built, &FROM_IMAGE);
    let texts = report.statements.entries.iter().map(|e| &*e.text);
    let texts: Vec<&str> = texts.collect();
    assert!(texts.contains(&"precompile(l, (Int,))"), "{texts:?}");
    assert!(texts.contains(&"precompile(f, (Int,))"), "{texts:?}");
}

#[test]
fn a_changed_script_or_a_file_it_includes_starts_neither_precompilation_nor_tracing() {
    for changed in ["script.jl", "part-of-script.jl"] {
        let fake = fake();
        let plan = full_plan(&fake);
        first(&fake, &plan);
        let text = fs::read_to_string(fake.path(changed)).unwrap();
        fake.write(changed, text + "# more\n");
        expect(&fake, plan, Origin::Built, &FROM_IMAGE);
    }
}

#[test]
fn a_file_that_a_workload_includes_has_only_that_workload_traced_again() {
    let fake = fake();
    let plan = full_plan(&fake);
    first(&fake, &plan);
    for (changed, workload) in [
        ("part1.jl", "workload1.jl"),
        ("part2.jl", "workload2.jl"),
        ("workload2.jl", "workload2.jl"),
    ] {
        let text = fs::read_to_string(fake.path(changed)).unwrap();
        fake.write(changed, text + "2\n");
        build(plan.clone()).report();
        let traced = fake.started().into_iter();
        let traced: Vec<String> = traced.filter(|line| line.starts_with("trace ")).collect();
        assert_eq!(traced.len(), 1);
        let path = fake.path(workload).display().to_string();
        assert!(traced[0].split(' ').any(|word| word == path), "{traced:?}");
        assert_eq!(started(&fake), FROM_TRACE);
    }
}

#[test]
fn a_changed_file_of_workload_deps_has_the_workloads_traced_again() {
    let fake = fake();
    let mut plan = full_plan(&fake);
    fs::create_dir(fake.path("folder")).unwrap();
    fake.write("folder/data", "1");
    plan.workload_deps.push(fake.path("folder"));
    first(&fake, &plan);
    let again = ["trace", "trace", "image", "link", "verify"];
    fake.write("data.csv", "1,3\n");
    expect(&fake, plan.clone(), Origin::Built, &again);
    fake.write("folder/data", "2");
    expect(&fake, plan.clone(), Origin::Built, &again);
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn a_changed_byte_in_a_path_package_rebuilds() {
    let fake = fake();
    let plan = plan(&fake);
    first(&fake, &plan);
    change_byte(&fake.path("Needed/src/Needed.jl"));
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // As it was: nothing is to be done again.
    change_byte(&fake.path("Needed/src/Needed.jl"));
    expect(&fake, plan, Origin::Cached, &NONE);
}

#[test]
fn what_the_project_cannot_reach_in_a_manifest_changes_nothing_and_an_entry_does() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.workloads = vec![fake.write("workload.jl", "1\n").into()];
    first(&fake, &plan);
    fake.write(MANIFEST, "# by hand\n\n[[deps.Asked]]\n");
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    // Of another project of the workspace.
    fake.write(MANIFEST, "[[deps.Asked]]\n[[deps.Other]]\n");
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    // A workload can load it.
    plan.project.others.push(other("Other"));
    expect(&fake, plan, Origin::Built, &FROM_TRACE);
}

/// Builds, and says what is done after each change of what the project has and the image has not.
fn after_changes_elsewhere(set: impl FnOnce(&Fake, &mut BuildPlan)) -> [Vec<String>; 4] {
    let fake = fake();
    let mut plan = plan(&fake);
    set(&fake, &mut plan);
    let mine = Other {
        path: Some(fake.path("Mine")),
        ..other("Mine")
    };
    fs::create_dir_all(fake.path("Mine/src")).unwrap();
    fake.write("Mine/Project.toml", "name = \"Mine\"\n");
    fake.write("Mine/src/Mine.jl", "module Mine end\n");
    plan.project.sources.push(fake.path("Mine"));
    plan.project.others.push(mine);
    first(&fake, &plan);
    let changes: [fn(&Fake, &mut BuildPlan); 4] = [
        |fake, _| {
            fake.write("Mine/src/Mine.jl", "module Mine f() = 1 end\n");
        },
        |fake, plan| {
            let added = "Other = \"00000000-0000-0000-0000-000000000008\"\n";
            let file = "project/Project.toml";
            fake.write(file, fake.read(file) + added);
            plan.project.others.push(Other {
                uuid: "00000000-0000-0000-0000-000000000008".into(),
                ..other("Other")
            });
        },
        |_, plan| plan.project.others[1].version = Some("1.0.1".into()),
        |_, plan| plan.preferences = "00000000-0000-0000-0000-000000000009 {\"a\":1}".into(),
    ];
    changes.map(|change| {
        change(&fake, &mut plan);
        build(plan.clone()).report();
        started(&fake)
    })
}

#[test]
fn what_is_not_in_an_image_counts_only_if_a_workload_or_script_can_load_it() {
    assert_eq!(after_changes_elsewhere(|_, _| {}), [NONE; 4]);
    let with_statements = after_changes_elsewhere(|fake, plan| {
        plan.statement_files = vec![fake.write("more.jl", "precompile(k, (Int,))\n")];
    });
    assert_eq!(with_statements, [NONE; 4]);
    let with_workload = after_changes_elsewhere(|fake, plan| {
        plan.workloads = vec![fake.write("workload.jl", "1\n").into()];
    });
    assert_eq!(with_workload[..3], [FROM_TRACE; 3]);
    assert_eq!(with_workload[3], ALL);
    // A script is in no trace.
    let with_script = after_changes_elsewhere(|fake, plan| {
        plan.script = Some(fake.write("script.jl", "1\n"));
    });
    assert_eq!(with_script[..3], [FROM_IMAGE; 3]);
    assert_eq!(with_script[3], ALL);
}

/// What a change is to be answered with: the image, or all that comes before it.
fn rebuilds(children: &[&str], what: &str, change: impl FnOnce(&Fake, &mut BuildPlan)) {
    let fake = fake();
    let mut plan = plan(&fake);
    first(&fake, &plan);
    change(&fake, &mut plan);
    let report = build(plan).report();
    assert_eq!(started(&fake), children, "{what}");
    assert_eq!(report.origin, Origin::Built, "{what}");
}

#[test]
fn what_a_package_is_counts() {
    // As `Pkg.update` changes them.
    rebuilds(&ALL, "version", |fake, plan| {
        fake.write(MANIFEST, "version = \"1.0.1\"");
        plan.packages[1].version = Some("1.0.1".into());
    });
    rebuilds(&ALL, "tree", |fake, plan| {
        fake.write(MANIFEST, "git-tree-sha1 = \"5\"");
        plan.packages[1].tree_hash = Some("56d2680e618f8abd007bce0c3026cb0c4a8f2032".into());
    });
    rebuilds(&ALL, "preferences", |_, plan| {
        plan.preferences = format!("{} {{\"a\":1}}", plan.packages[0].uuid);
    });
    // What is loaded is traced: it may compile on its own.
    rebuilds(&FROM_TRACE, "load", |_, plan| {
        plan.packages[0].load = false;
    });
    rebuilds(&ALL, "path", |fake, plan| {
        // An image may hold paths into the folder.
        fs::rename(fake.path("Needed"), fake.path("Moved")).unwrap();
        plan.packages[0].path = Some(fake.path("Moved"));
        plan.project.sources = vec![fake.path("Moved")];
    });
}

#[test]
fn options_that_the_image_has_count() {
    rebuilds(&FROM_IMAGE, "cpu_target", |_, plan| {
        plan.cpu_target = "generic".into();
    });
    rebuilds(&FROM_IMAGE, "CPU", |_, plan| {
        // The home folder of a cluster, on another machine.
        plan.julia.cpu = "znver4".into();
    });
    rebuilds(&FROM_IMAGE, "build_args", |_, plan| {
        plan.build_args = vec!["-O1".into()];
    });
    rebuilds(&FROM_IMAGE, "import_into_main", |_, plan| {
        plan.import_into_main = false;
    });
    rebuilds(&FROM_IMAGE, "guard", |_, plan| plan.guard = true);
    rebuilds(&FROM_IMAGE, "app", |_, plan| {
        plan.app = Some(app(&["main"]))
    });
    rebuilds(&FROM_IMAGE, "library", |fake, plan| {
        plan.library = Some(fake.path("sys.so"));
    });
    rebuilds(&FROM_IMAGE, "statement_timeout", |_, plan| {
        plan.statement_timeout = Some(600.0);
    });
}

/// Another version of a program takes its place. The older one is not removed: it is also that which other tests
/// run, and Windows does not remove what runs.
fn update(program: &Path) {
    let bytes = fs::read(program).unwrap();
    fs::rename(program, program.with_extension("old")).unwrap();
    make_executable(program, &[&bytes[..], b"\n"].concat());
}

#[test]
fn julia_and_the_image_below_count() {
    rebuilds(&ALL, "base", |fake, _| {
        fake.write("sys.so", "another default image");
    });
    rebuilds(&ALL, "library", |fake, _| {
        fake.write("libjulia.so", "another library");
    });
    // As `Pkg.update` changes them.
    rebuilds(&ALL, "version", |fake, plan| {
        fake.write(MANIFEST, "version = \"1.0.1\"");
        plan.julia.version = "1.10.7".parse().unwrap();
    });
    rebuilds(&ALL, "executable", |fake, _| {
        update(&fake.path(&executable("julia")));
    });
    rebuilds(&ALL, "a stdlib", |fake, _| {
        fs::create_dir_all(fake.path("stdlib/Dates/src")).unwrap();
        fake.write("stdlib/Dates/src/Dates.jl", "module Dates end");
    });
    rebuilds(&ALL, "LLVM", |fake, plan| {
        plan.julia.llvm = Some(fake.write("libLLVM.so", "1"));
    });
    rebuilds(&FROM_IMAGE, "options of the linker", |_, plan| {
        plan.compiler.as_mut().unwrap().push("-g".into());
    });
}

#[test]
fn what_llvm_library_generates_the_code_counts() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.julia.llvm = Some(fake.write("libLLVM.so", "1"));
    first(&fake, &plan);
    fake.write("libLLVM.so", "2");
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn what_links_an_image_does_not_count_and_what_it_is_told_does() {
    let fake = fake();
    let mut plan = plan(&fake);
    first(&fake, &plan);
    let program = fs::read(fake.compiler()).unwrap();
    update(&fake.compiler());
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    // Another one, as on another machine with the same cache.
    let clang = fake.path(&executable("clang"));
    make_executable(&clang, &program);
    plan.compiler = Some(vec![clang.to_str().unwrap().into()]);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fs::remove_file(fake.image()).unwrap();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    let linker = fake.compiler().to_str().unwrap().into();
    plan.compiler = Some(vec![linker, "-Wl,-s".into()]);
    expect(&fake, plan, Origin::Built, &FROM_IMAGE);
}

/// By way of another process: no other thread may hold the file open while it is to be run.
#[cfg(unix)]
fn make_executable(path: &Path, program: &[u8]) {
    let other = path.with_extension("new");
    fs::write(&other, program).unwrap();
    let copied = Command::new("install").arg(&other).arg(path).status();
    assert!(copied.unwrap().success());
    fs::remove_file(other).unwrap();
}

#[cfg(not(unix))]
fn make_executable(path: &Path, program: &[u8]) {
    fs::write(path, program).unwrap();
}

#[test]
fn the_library_that_compiles_counts_though_nothing_is_linked_against_it() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.julia.libraries = vec![fake.write("libjulia-internal.so.1.10", "1")];
    fake.write("libjulia-codegen.so.1.10", "1");
    first(&fake, &plan);
    fake.write("libjulia-codegen.so.1.10", "2");
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn a_fresh_base_is_built_once_for_different_packages() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.base = Base::Fresh {
        filter_stdlibs: false,
    };
    first(&fake, &plan);
    let popped = plan.packages.pop().unwrap();
    plan.project.others.push(Other {
        version: popped.version,
        tree_hash: popped.tree_hash,
        uuid: popped.uuid,
        ..other(&popped.name)
    });
    plan.sysimage_path = fake.path("target/Other.so");
    // Its stage is told of, though no child is started.
    let built = build(plan.clone());
    assert_eq!(stages(&built)[0], Stage::Base);
    built.report();
    let of_packages = ["precompile", "trace", "image", "link", "verify"];
    assert_eq!(started(&fake), [&["stdlibs"], &of_packages[..]].concat());
    // What is put upon it is another matter.
    plan.base = Base::Fresh {
        filter_stdlibs: true,
    };
    expect(&fake, plan, Origin::Built, &ON_FRESH_BASE);
}

#[test]
fn a_fresh_base_that_was_to_have_no_stdlibs_serves_an_image_with_them() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.base = Base::Fresh {
        filter_stdlibs: true,
    };
    first(&fake, &plan);
    plan.base = Base::Fresh {
        filter_stdlibs: false,
    };
    fake.on("load", [say("loading $name")]);
    let built = build(plan);
    assert!(built.output(Stage::Image).contains(&"loading Dates"));
}

#[test]
fn what_a_fresh_base_is_made_of_counts() {
    for (what, change) in [
        ("base/sysimg.jl", "stdlibs = [:Dates]\n\n"),
        ("sys.so", "another image"),
        ("libjulia.so", "another library"),
    ] {
        let fake = fake();
        let mut plan = plan(&fake);
        plan.base = Base::Fresh {
            filter_stdlibs: true,
        };
        first(&fake, &plan);
        fake.write(what, change);
        build(plan).report();
        assert_eq!(started(&fake)[..2], ["base", "link"], "{what}");
    }
}

/// A statement that is not compiled, and the report of it.
fn with_a_loss(fake: &Fake) -> BuildPlan {
    let mut plan = plan(fake);
    plan.statement_files = vec![fake.write("more.jl", "no statement\n")];
    let built = build(plan.clone());
    assert_eq!(built.warnings().len(), 1);
    built.report();
    started(fake);
    plan
}

#[test]
fn a_strict_build_takes_no_image_that_lacks_a_statement() {
    let fake = fake();
    let mut plan = with_a_loss(&fake);
    plan.strict = true;
    for _ in 0..2 {
        let error = build(plan.clone()).error();
        assert_eq!(error.stage, Stage::Statements);
        assert!(started(&fake).contains(&"image".to_string()));
    }
    fs::remove_file(fake.image()).unwrap();
    build(plan.clone()).error();
    assert!(started(&fake).contains(&"image".to_string()));
    plan.strict = false;
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    // Without the loss, an image of a build that was not strict is as good.
    fake.write("more.jl", "precompile(k, (Int,))\n");
    build(plan.clone()).report();
    started(&fake);
    plan.strict = true;
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn an_image_that_was_not_tried_is_tried_and_not_built_again() {
    let fake = fake();
    let mut plan = full_plan(&fake);
    plan.verify = Verify::None;
    first(&fake, &plan);
    plan.verify = Verify::Load;
    expect(&fake, plan.clone(), Origin::Cached, &["verify"]);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    plan.verify = Verify::Trace;
    let built = build(plan.clone());
    assert_eq!(stages(&built), [Stage::Verify, Stage::Publish]);
    let report = built.report();
    assert_eq!(started(&fake), ["verify", "trace", "trace"]);
    assert!(report.statements.residual.is_some());
    let report = expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    assert!(report.statements.residual.is_some());
    // The cache has the fuller report now.
    fs::remove_file(fake.image()).unwrap();
    let report = expect(&fake, plan.clone(), Origin::Cached, &NONE);
    assert!(report.statements.residual.is_some());
    plan.verify = Verify::None;
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn a_cached_image_that_fails_its_trial_leaves_the_older_one() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.verify = Verify::None;
    first(&fake, &plan);
    fs::write(fake.image(), OLD).unwrap();
    fake.on("verify", [exit(1)]);
    plan.verify = Verify::Load;
    assert_eq!(build(plan).error().stage, Stage::Verify);
    assert_eq!(fake.read_image(), OLD);
}

#[test]
fn an_image_in_the_folder_of_a_package_is_not_part_of_the_package() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.sysimage_path = fake.path("Needed/src/build/Image.so");
    plan.log = Some(fake.path("Needed/src/build/my.log"));
    fs::create_dir(fake.path("Needed/src/build")).unwrap();
    first(&fake, &plan);
    // As Windows leaves one that was in use when it was replaced.
    fake.write("Needed/src/build/Image.old-12", OLD);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    // A folder that the build makes is none either.
    plan.log = None;
    fs::remove_file(fake.path("Needed/src/build/my.log")).unwrap();
    plan.sysimage_path = fake.path("Needed/src/new/deep/Image.so");
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    plan.force = true;
    fs::remove_dir_all(fake.path("Needed/src/new")).unwrap();
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    plan.force = false;
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);

    // Another image, in another folder of the package, that is built, fails, or is under way.
    let mut other = plan.clone();
    other.sysimage_path = fake.path("Needed/src/lib/Other.so");
    other.log = None;
    build(other.clone()).report();
    fake.on("image", [exit(1)]);
    other.cpu_target = "generic".into();
    build(other.clone()).error();
    other.sysimage_path = fake.path("Needed/src/lib/Third.so");
    build(other.clone()).error();
    fake.on("image", ready_then_go());
    let under_way = start(other);
    fake.await_file("ready");
    let left = names(&fake.path("Needed/src/lib"));
    assert_eq!(left.len(), 5, "{left:?}");
    started(&fake);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("go", "");
    finish(&under_way).report();
    started(&fake);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);

    // A file that only looks like an image is part of it.
    fake.write("Needed/src/data.so", "1");
    fake.write("Needed/src/data.so.json", "{}");
    fs::remove_file(fake.path("on-image")).unwrap();
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    fake.write("Needed/src/data.so", "2");
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn a_cache_in_the_folder_of_a_package_is_not_part_of_the_package() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.cache.as_mut().unwrap().dir = fake.path("Needed/src/cache");
    first(&fake, &plan);
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn files_outside_of_its_folder_that_a_package_includes_count() {
    let fake = fake();
    let plan = plan(&fake);
    let main = "module Needed\ninclude(\"../../shared.jl\")\n\
                include_dependency(\"../.git/HEAD\")\nend\n";
    fs::create_dir(fake.path("Needed/.git")).unwrap();
    fake.write("Needed/.git/HEAD", "1");
    fake.write("Needed/.git/index", "1");
    fake.write("Needed/src/Needed.jl", main);
    fake.write("shared.jl", "1");
    fs::create_dir(fake.path("linked")).unwrap();
    fake.write("linked/a.jl", "1");
    #[cfg(unix)]
    symlink(fake.path("linked"), fake.path("Needed/src/linked")).unwrap();
    first(&fake, &plan);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("shared.jl", "2");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    fake.write("linked/a.jl", "2");
    if cfg!(unix) {
        expect(&fake, plan.clone(), Origin::Built, &ALL);
    }
    fake.write("Needed/.git/HEAD", "2");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // Who commits changes nothing.
    fake.write("Needed/.git/index", "2");
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

/// Windows lets only some users make links, and Wine none.
#[cfg(unix)]
#[test]
fn a_link_out_of_a_package_that_is_not_followed_is_told() {
    let fake = fake();
    let mut plan = plan(&fake);
    fs::create_dir(fake.path("large")).unwrap();
    fs::create_dir(fake.path("Needed/deps")).unwrap();
    symlink(fake.path("large"), fake.path("Needed/deps/data")).unwrap();
    let built = build(plan.clone());
    let link = fake.path("Needed/deps/data").display().to_string();
    assert!(built.warnings()[0].contains(&link));
    assert_eq!(built.warnings().len(), 1);
    built.report();
    plan.workload_deps = vec![fake.path("large")];
    assert_eq!(build(plan).warnings(), NONE);
}

#[test]
fn what_julia_never_reads_of_a_package_does_not_count() {
    let fake = fake();
    let plan = plan(&fake);
    for folder in ["docs/build", "deps", "ext", "results"] {
        fs::create_dir_all(fake.path("Needed").join(folder)).unwrap();
    }
    first(&fake, &plan);
    for name in [
        "README.md",
        "docs/build/index.html",
        "results/day1.csv",
        "lcov.info",
        "deps/build.log",
        "src/Needed.jl.cov",
        "src/Needed.jl.1234.cov",
        "src/Needed.jl.1234.mem",
        "ext/Needed.jl.mem",
    ] {
        fake.write(&format!("Needed/{name}"), "1");
        expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    }
    fake.write(
        "Needed/Project.toml",
        "name = \"Needed\"\n\n[compat]\nOther = \"1\"\n",
    );
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    let project = "project/Project.toml";
    fake.write(
        project,
        fake.read(project) + "\n[compat]\nNeeded = \"0.1\"\n",
    );
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    for name in [
        "Project.toml",
        "Artifacts.toml",
        "deps/deps.jl",
        "src/data.csv",
        "ext/E.jl",
    ] {
        fake.write(&format!("Needed/{name}"), "name = \"Needed\" # 2\n");
        expect(&fake, plan.clone(), Origin::Built, &ALL);
    }
}

#[test]
fn files_of_other_folders_that_a_package_includes_count() {
    let fake = fake();
    let plan = plan(&fake);
    for folder in ["data", "ext"] {
        fs::create_dir(fake.path("Needed").join(folder)).unwrap();
    }
    fake.write(
        "Needed/src/Needed.jl",
        "module Needed\ninclude_dependency(\"../data/table.csv\")\nend\n",
    );
    fake.write(
        "Needed/ext/Extension.jl",
        "include(\"../data/shared.jl\")\n",
    );
    fake.write("Needed/data/table.csv", "1");
    fake.write("Needed/data/shared.jl", "1");
    fake.write("Needed/data/unused.csv", "1");
    first(&fake, &plan);
    fake.write("Needed/data/unused.csv", "2");
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    for name in ["Needed/data/table.csv", "Needed/data/shared.jl"] {
        fake.write(name, "2");
        expect(&fake, plan.clone(), Origin::Built, &ALL);
    }
}

#[test]
fn a_folder_that_include_dependency_names_counts_by_its_names() {
    let fake = fake();
    let mut plan = plan(&fake);
    for folder in ["Needed/data", "shared"] {
        fs::create_dir(fake.path(folder)).unwrap();
        fake.write(&format!("{folder}/a.csv"), "1");
    }
    let main = "module Needed\ninclude_dependency(joinpath(@__DIR__, \"..\", \"data\"))\nend\n";
    fake.write("Needed/src/Needed.jl", main);
    plan.script = Some(fake.write("script.jl", "include_dependency(\"shared\")\n"));
    // What a build leaves in such a folder is none of it.
    plan.sysimage_path = fake.path("Needed/data/Image.so");
    first(&fake, &plan);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    for (folder, children) in [("Needed/data", &ALL[..]), ("shared", &FROM_IMAGE)] {
        fake.write(&format!("{folder}/a.csv"), "2");
        expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
        fake.write(&format!("{folder}/b.csv"), "1");
        expect(&fake, plan.clone(), Origin::Built, children);
        expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    }
}

#[test]
fn parts_name_what_a_package_depends_on_elsewhere() {
    let fake = fake();
    let plan = plan(&fake);
    let main = "module Needed\ninclude_dependency(\"../data\")\nisfile(\"../gone.jl\") && include(\"../gone.jl\")\nend\n";
    fs::create_dir(fake.path("Needed/data")).unwrap();
    fake.write("Needed/src/Needed.jl", main);
    let parts = parts::read(&plan, &fake.image(), &Stop::default());
    let source = parts.iter().find(|part| part.kind == PartKind::Source);
    let files = ["Needed/data", "Needed/gone.jl"].map(|path| fake.path(path));
    assert_eq!(source.unwrap().files, files);
}

#[test]
fn an_include_of_a_package_that_only_running_can_tell_is_told() {
    let fake = fake();
    let plan = plan(&fake);
    fs::create_dir(fake.path("Needed/ext")).unwrap();
    for file in ["Needed/src/Needed.jl", "Needed/ext/Extension.jl"] {
        fake.write(file, "include(ENV[\"WHERE\"])\n");
    }
    let built = build(plan);
    for file in ["Needed/src/Needed.jl", "Needed/ext/Extension.jl"] {
        // With the separators of the system.
        let path: PathBuf = fake.path(file).components().collect();
        let place = format!("{}:1: `include(ENV[\"WHERE\"])`", path.display());
        let told = built
            .warnings()
            .into_iter()
            .filter(|text| text.starts_with(&place));
        assert_eq!(told.count(), 1, "{:?}", built.warnings());
    }
    built.report();
}

/// The package includes what its text does not tell, and Julia's cache of it lists `files`.
fn listed(fake: &Fake, files: &[&str]) {
    fake.write("Needed/src/Needed.jl", "include(ENV[\"WHERE\"])\n");
    let mut steps = vec![note("of", "00000000-0000-0000-0000-000000000001")];
    steps.extend(
        files
            .iter()
            .map(|file| note("file", &format!("$here/{file}"))),
    );
    fake.on("precompile", steps);
}

#[test]
fn what_julias_caches_list_is_an_input() {
    let fake = fake();
    let plan = plan(&fake);
    listed(
        &fake,
        &["Needed/src/Needed.jl", "elsewhere/part.jl", "elsewhere"],
    );
    fs::create_dir(fake.path("elsewhere")).unwrap();
    let part = fake.write("elsewhere/part.jl", "1\n");
    // Nothing is said of the include, and each stage has run once.
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("elsewhere/part.jl", "2\n");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // A folder counts by its names.
    fake.write("elsewhere/more.jl", "");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    fs::remove_file(part).unwrap();
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // The image's own stamp knows it too.
    fs::remove_dir_all(fake.path("cache")).unwrap();
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[test]
fn what_julias_caches_list_is_looked_for_again_when_the_package_changes() {
    let fake = fake();
    let plan = plan(&fake);
    listed(&fake, &["part1.jl"]);
    for part in ["part1.jl", "part2.jl"] {
        fake.write(part, "1\n");
    }
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    listed(&fake, &["part2.jl"]);
    fake.write("Needed/src/Needed.jl", "include(ENV[\"THERE\"])\n");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    fake.write("part1.jl", "2\n");
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("part2.jl", "2\n");
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn what_the_listed_files_read_in_turn_is_an_input_too() {
    let fake = fake();
    let mut plan = plan(&fake);
    listed(&fake, &["part1.jl"]);
    for part in ["part1.jl", "part2.jl", "part3.jl"] {
        fake.write(part, "1\n");
    }
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // The text of the package is the same, that of a file elsewhere is not.
    fake.write("part1.jl", "include(\"part2.jl\")\n");
    listed(&fake, &["part1.jl", "part2.jl"]);
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("part2.jl", "2\n");
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    // A variable that chooses files.
    plan.environment_inputs = vec!["WHERE".into()];
    listed(&fake, &["part1.jl", "part2.jl"]);
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    plan.surroundings
        .environment
        .push(("WHERE".into(), "there".into()));
    listed(&fake, &["part3.jl"]);
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    fake.write("part2.jl", "3\n");
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fake.write("part3.jl", "2\n");
    expect(&fake, plan, Origin::Built, &ALL);
}

#[test]
fn what_is_told_before_a_build_begins_again_is_told_once() {
    let fake = fake();
    let mut plan = plan(&fake);
    listed(&fake, &["part.jl"]);
    fake.write("part.jl", "1\n");
    plan.workloads = vec![fake.write("workload.jl", "include(ARGS[1])\n").into()];
    let built = build(plan);
    assert_eq!(built.warnings().len(), 1, "{:?}", built.warnings());
    assert!(built.warnings()[0].contains("`include(ARGS[1])`"));
    built.report();
}

#[test]
fn parts_of_what_julias_caches_list_follow_the_files() {
    let fake = fake();
    let plan = plan(&fake);
    listed(&fake, &["part.jl"]);
    fake.write("part.jl", "1\n");
    first(&fake, &plan);
    let source = || {
        let parts = parts::read(&plan, &fake.image(), &Stop::default());
        let mut sources = parts
            .into_iter()
            .filter(|part| part.kind == PartKind::Source);
        sources.next().unwrap()
    };
    let before = source();
    let stamp = Stamp::read(&fake.image()).unwrap();
    assert!(stamp.parts.contains(&before), "{before:?}");
    assert_eq!(before.gaps, NONE);
    fake.write("part.jl", "2\n");
    assert_ne!(source().hash, before.hash);
}

#[test]
fn an_include_that_only_running_can_tell_is_told_with_file_and_line() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.workloads = vec![fake.write("workload.jl", "\n\ninclude(ARGS[1])\n").into()];
    let place = format!(
        "{}:3: `include(ARGS[1])`",
        plan.workloads[0].file().display()
    );
    // When nothing is built too: that is when it matters.
    for origin in [Origin::Built, Origin::UpToDate] {
        let built = build(plan.clone());
        assert_eq!(built.warnings().len(), 1);
        assert!(built.warnings()[0].starts_with(&place));
        assert!(built.warnings()[0].contains("workload_deps"));
        assert_eq!(built.report().origin, origin);
    }
    plan.workload_deps = vec![fake.write("included.jl", "1")];
    assert_eq!(build(plan).warnings(), NONE);
}

/// Windows lets only some users make links, and Wine none.
#[cfg(unix)]
#[test]
fn a_workload_may_be_a_link() {
    let fake = fake();
    let mut plan = plan(&fake);
    fs::create_dir(fake.path("real")).unwrap();
    fake.write("real/workload.jl", "include(\"part.jl\")\n");
    // As in Julia: relative to the link.
    fake.write("part.jl", "1");
    plan.workloads = vec![fake.path("workload.jl").into()];
    symlink("real/workload.jl", plan.workloads[0].file()).unwrap();
    first(&fake, &plan);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    let again = ["trace", "image", "link", "verify"];
    fake.write("part.jl", "2");
    expect(&fake, plan.clone(), Origin::Built, &again);
    fake.write("real/workload.jl", "include(\"part.jl\")\n2\n");
    expect(&fake, plan.clone(), Origin::Built, &again);
    fs::remove_file(plan.workloads[0].file()).unwrap();
    symlink(fake.write("third.jl", "3"), plan.workloads[0].file()).unwrap();
    expect(&fake, plan, Origin::Built, &again);
}

#[test]
fn a_workload_that_compiles_nothing_is_traced_once() {
    let fake = fake();
    let mut plan = plan(&fake);
    fs::remove_file(fake.path("trace")).unwrap();
    expect(&fake, plan.clone(), Origin::Built, &ALL);
    plan.import_into_main = false;
    let report = expect(&fake, plan, Origin::Built, &FROM_IMAGE);
    assert_eq!(report.statements.entries.len(), 0);
}

#[test]
fn without_the_folder_of_a_package_nothing_is_cached() {
    for file_instead in [false, true] {
        let fake = fake();
        let plan = plan(&fake);
        fs::remove_dir_all(fake.path("Needed")).unwrap();
        if file_instead {
            fake.write("Needed", "");
        }
        for _ in 0..2 {
            let built = build(plan.clone());
            assert_eq!(built.warnings().len(), 1);
            let folder = fake.path("Needed").display().to_string();
            assert!(built.warnings()[0].contains("nothing is taken from the cache"));
            assert!(built.warnings()[0].contains(&folder));
            assert_eq!(built.report().origin, Origin::Built);
            assert_eq!(started(&fake), ALL);
        }
        assert!(!fake.path("cache/v1").exists());
    }
}

#[test]
fn an_image_is_not_taken_for_that_of_sources_which_changed_meanwhile() {
    for (stage, file) in [("image", "Needed/src/Needed.jl"), ("trace", "workload.jl")] {
        let fake = fake();
        let mut plan = plan(&fake);
        plan.workloads = vec![fake.write("workload.jl", "1\n").into()];
        let before = fs::read(fake.path(file)).unwrap();
        fake.on(stage, [append(&format!("$here/{file}"), "2\n")]);
        let built = build(plan.clone());
        let warnings = built.warnings();
        assert_eq!(warnings.len(), 1);
        let folder_or_file = fake.path(file.split('/').next().unwrap());
        let expected = format!("`{}` changed while", folder_or_file.display());
        assert!(warnings[0].starts_with(&expected), "{warnings:?}");
        built.report();
        fake.on(stage, []);
        started(&fake);
        // Undone: the image may be of either.
        fake.write(file, before);
        let again = match stage {
            "trace" => &["trace", "image", "link", "verify"][..],
            _ => &FROM_IMAGE,
        };
        expect(&fake, plan.clone(), Origin::Built, again);
        expect(&fake, plan, Origin::UpToDate, &NONE);
    }
}

#[test]
fn the_cache_holds_no_more_than_it_may() {
    let fake = fake();
    let mut plan = plan(&fake);
    fake.write("content", vec![b'x'; 200_000]);
    plan.cache.as_mut().unwrap().max_bytes = 500_000;
    let bytes = || {
        let info = cache::info(&fake.path("cache")).unwrap();
        info.kinds.iter().map(|kind| kind.bytes).sum::<u64>()
    };
    for name in ["a", "b", "c", "d"] {
        plan.sysimage_path = fake.path(&format!("target/{name}.so"));
        build(plan.clone()).report();
        assert!(bytes() <= 500_000);
    }
    assert!(bytes() > 200_000);
    // The last is there, the first has gone.
    started(&fake);
    fs::remove_file(&plan.sysimage_path).unwrap();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    plan.sysimage_path = fake.path("target/a.so");
    fs::remove_file(&plan.sysimage_path).unwrap();
    let report = build(plan.clone()).report();
    assert_eq!(report.origin, Origin::Built);
    // When there is no room for a single image, none is kept.
    plan.cache.as_mut().unwrap().max_bytes = 100_000;
    plan.force = true;
    build(plan).report();
    assert!(bytes() <= 100_000);
}

#[test]
fn a_damaged_entry_is_made_anew() {
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let empty = |path: &Path| fs::write(path, "").unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let damages: [&dyn Fn(&Path); 4] = [&cut, &empty, &remove, &change_byte];
    for damage in damages {
        let fake = fake();
        let mut plan = plan(&fake);
        plan.base = Base::Fresh {
            filter_stdlibs: true,
        };
        first(&fake, &plan);
        for name in ["files/image", "files/trace.jl", "record"] {
            for file in in_cache(&fake, name) {
                damage(&file);
            }
            fs::remove_file(fake.image()).unwrap();
            plan.import_into_main = !plan.import_into_main;
            let report = build(plan.clone()).report();
            assert_eq!(report.origin, Origin::Built);
            let expected = match name {
                "files/image" => [&WITH_FRESH_BASE[..4], &ON_FRESH_BASE].concat(),
                "files/trace.jl" => WITH_FRESH_BASE[4..].to_vec(),
                _ => WITH_FRESH_BASE.to_vec(),
            };
            assert_eq!(started(&fake), expected, "{name}");
            assert_eq!(fake.read_image(), OBJECT);
            expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
            fs::remove_file(fake.image()).unwrap();
            expect(&fake, plan.clone(), Origin::Cached, &NONE);
            assert_eq!(fake.read_image(), OBJECT);
        }
    }
}

#[test]
fn a_cache_below_a_file_costs_one_warning() {
    let fake = fake();
    let plan = plan(&fake);
    fake.write("cache", "");
    let built = build(plan.clone());
    assert_eq!(built.warnings().len(), 1);
    assert!(built.warnings()[0].starts_with("the cache was not filled: "));
    assert_eq!(built.report().origin, Origin::Built);
    started(&fake);
    expect(&fake, plan, Origin::UpToDate, &NONE);
}

#[cfg(target_os = "linux")]
mod small_disks {
    use super::*;
    use common::on_small_disk;

    fn on_disk(size: usize, test: impl FnOnce(&Fake, BuildPlan, &common::SmallDisk<'_>) + Send) {
        let fake = fake();
        fs::create_dir(fake.path("cache")).unwrap();
        let plan = plan(&fake);
        if !on_small_disk(&fake.path("cache"), size, |disk| test(&fake, plan, disk)) {
            eprintln!("skipped: mounting a small disk is not permitted");
        }
    }

    #[test]
    fn a_read_only_cache_is_read_and_costs_one_warning() {
        on_disk(1 << 24, |fake, mut plan, disk| {
            first(fake, &plan);
            disk.make_read_only();
            fs::remove_file(fake.image()).unwrap();
            expect(fake, plan.clone(), Origin::Cached, &NONE);
            plan.import_into_main = false;
            let built = build(plan.clone());
            assert_eq!(built.warnings().len(), 1);
            assert_eq!(built.report().origin, Origin::Built);
            assert_eq!(started(fake), FROM_IMAGE);
            expect(fake, plan, Origin::UpToDate, &NONE);
        });
    }

    #[test]
    fn a_cache_on_a_full_disk_costs_one_warning() {
        for size in [1 << 12, 1 << 16, 1 << 20] {
            on_disk(size, |fake, plan, _| {
                fake.write("content", vec![b'x'; 1 << 20]);
                let built = build(plan.clone());
                assert_eq!(built.warnings().len(), 1);
                let warning = built.warnings()[0];
                assert!(warning.contains("No space left"), "{warning}");
                assert_eq!(built.report().origin, Origin::Built);
                assert_eq!(fs::metadata(fake.image()).unwrap().len(), 1 << 20);
                assert_eq!(in_cache(fake, "files/image"), NONE.map(PathBuf::from));
                started(fake);
                expect(fake, plan.clone(), Origin::UpToDate, &NONE);
                fs::remove_file(fake.image()).unwrap();
                let report = build(plan).report();
                assert_eq!(report.origin, Origin::Built);
                assert_eq!(fs::metadata(fake.image()).unwrap().len(), 1 << 20);
            });
        }
    }

    #[test]
    fn an_image_that_does_not_fit_beside_the_older_one_is_told_of_and_leaves_that() {
        let fake = fake();
        fake.write("content", vec![b'x'; 1 << 20]);
        let plan = plan(&fake);
        first(&fake, &plan);
        let done = on_small_disk(&fake.path("target"), 1 << 19, |_| {
            fs::write(fake.image(), OLD).unwrap();
            let error = build(plan).error();
            let said = text(&error);
            assert!(said.to_lowercase().contains("no space"), "{said}");
            assert_eq!(fake.read_image(), OLD);
        });
        if !done {
            eprintln!("skipped: mounting a small disk is not permitted");
        }
    }
}

/// Two plans of the same image, for two folders.
fn twins(fake: &Fake) -> [BuildPlan; 2] {
    ["one", "two"].map(|folder| BuildPlan {
        sysimage_path: fake.path(&format!("{folder}/Image.so")),
        ..plan(fake)
    })
}

#[test]
fn of_two_builds_of_the_same_at_once_one_builds_and_the_other_takes() {
    let fake = fake();
    let [one, two] = twins(&fake);
    fake.on("image", ready_then_go());
    let one = start(one);
    fake.await_file("ready");
    let two = start(two);
    until("the other waits", || {
        matches!(
            two.next_event(),
            Some(Event::StageStarted {
                stage: Stage::Check,
                ..
            })
        )
    });
    fake.write("go", "");
    assert_eq!(finish(&one).report().origin, Origin::Built);
    let built = finish(&two);
    assert_eq!(built.warnings(), NONE);
    assert_eq!(stages(&built), [Stage::Publish]);
    assert_eq!(built.report().origin, Origin::Cached);
    assert_eq!(started(&fake), ALL);
}

#[test]
fn a_build_whose_twin_fails_goes_on_itself() {
    let fake = fake();
    let [one, two] = twins(&fake);
    let [ready, go] = ready_then_go();
    fake.on("image", [unless(exists("go"), [ready, go, exit(1)])]);
    let one = start(one);
    fake.await_file("ready");
    let two = start(two);
    until("the other waits", || two.next_event().is_some());
    fake.write("go", "");
    finish(&one).error();
    assert_eq!(finish(&two).report().origin, Origin::Built);
}

#[test]
fn a_build_that_waits_for_another_can_be_cancelled() {
    for fresh in [false, true] {
        let fake = fake();
        let [mut one, mut two] = twins(&fake);
        let stage = if fresh {
            let filter_stdlibs = true;
            one.base = Base::Fresh { filter_stdlibs };
            two.base = Base::Fresh { filter_stdlibs };
            // Another image on the same base.
            two.import_into_main = false;
            "base"
        } else {
            "image"
        };
        fake.on(stage, ready_then_go());
        let one = start(one);
        fake.await_file("ready");
        let children = fake.started();
        let two = start(two);
        until("the other waits", || {
            matches!(
                two.next_event(),
                Some(Event::StageStarted {
                    stage: Stage::Check,
                    ..
                })
            )
        });
        two.cancel();
        assert!(two.wait(LIMIT / 2));
        assert_eq!(finish(&two).error().kind, ErrorKind::Cancelled);
        assert_eq!(fake.started(), children);
        assert_eq!(names(&fake.path("two")), NONE);
        fake.write("go", "");
        finish(&one).report();
    }
}

const ROOT: &str = "PCRS_TEST_CACHE_ROOT";

/// Not a test by itself: a build in a process of its own, with an environment of its own.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "no thread of a test changes variables"
)]
fn a_build_in_a_process_of_its_own() {
    if let Some(root) = std::env::var_os(ROOT) {
        let fake = Fake::at(root.into());
        let origin = build(plan(&fake)).report().origin;
        fake.write("origin", format!("{origin:?}"));
    }
}

fn process(fake: &Fake) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_build_in_a_process_of_its_own"])
        .env(ROOT, fake.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn origin_in(fake: &Fake, change: impl FnOnce(&mut Command)) -> String {
    let mut command = process(fake);
    change(&mut command);
    assert!(command.status().unwrap().success());
    fs::read_to_string(fake.path("origin")).unwrap()
}

#[test]
fn variables_that_julia_reads_count() {
    let fake = fake();
    let origin = |name: &str, value: &str| {
        origin_in(&fake, |command| {
            command.env(name, value);
        })
    };
    let plain = || origin_in(&fake, |_| ());
    assert_eq!(plain(), "Built");
    assert_eq!(plain(), "UpToDate");
    assert_eq!(origin("SOMETHING_ELSE", "1"), "UpToDate");
    // No child gets to see it.
    assert_eq!(origin("JULIA_CPU_TARGET", "generic"), "UpToDate");
    for name in ["JULIA_LLVM_ARGS", "JULIA_USE_FLISP_PARSER"] {
        assert_eq!(origin(name, "1"), "Built", "{name}");
        assert_eq!(plain(), "Cached", "{name}");
    }
    let depot = fake.path("depot").display().to_string();
    // Users of one image have depots of their own.
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "UpToDate");
    assert_eq!(origin("HOME", &depot), "UpToDate");
    fs::create_dir_all(fake.path("depot/artifacts")).unwrap();
    fake.write("depot/artifacts/Overrides.toml", "a = \"/b\"");
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "Built");
    // `Pkg.build` leaves what no tree hash tells.
    let tree = plan(&fake).packages[1].tree_hash.clone().unwrap();
    assert_eq!(tree, "46d2680e618f8abd007bce0c3026cb0c4a8f2032");
    let deps = fake.path(&format!("depot/packages/Asked/{SLUG}/deps"));
    fs::create_dir_all(&deps).unwrap();
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "Built");
    let two = std::env::join_paths([fake.path("own depot"), fake.path("depot")]).unwrap();
    assert_eq!(
        origin("JULIA_DEPOT_PATH", two.to_str().unwrap()),
        "UpToDate"
    );
    fs::write(deps.join("deps.jl"), "const python = 1").unwrap();
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "Built");
    fs::write(deps.join("deps.jl"), "const python = 2").unwrap();
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "Built");
    fs::write(deps.join("build.log"), "built").unwrap();
    assert_eq!(origin("JULIA_DEPOT_PATH", &depot), "UpToDate");
}

/// Of the package `Asked`, as `Base.version_slug` has it.
const SLUG: &str = "fvZHb";

#[cfg(target_os = "linux")]
#[test]
fn a_process_killed_while_it_fills_the_cache_leaves_nothing_that_is_taken() {
    let fake = fake();
    // Of a size that takes some time to be copied and hashed.
    let content = "0123456789abcdef".repeat(1 << 21);
    fake.write("content", &content);
    let growing = || -> Vec<PathBuf> {
        let tmp = names_in(&fake.path("cache/v1/tmp"));
        tmp.iter().map(|folder| folder.join("entry")).collect()
    };
    for until_file in ["files/image", "record"] {
        let mut child: Child = process(&fake).spawn().unwrap();
        fake.await_file("started");
        let start = std::time::Instant::now();
        while !growing()
            .iter()
            .any(|entry| entry.join(until_file).exists())
            && in_cache_now(&fake).is_empty()
        {
            assert!(start.elapsed() < LIMIT);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        fake.await_end_of_processes();
        build(plan(&fake)).report();
        assert!(fake.read_image() == content);
        started(&fake);
        fs::remove_file(fake.image()).unwrap();
        expect(&fake, plan(&fake), Origin::Cached, &NONE);
        assert!(fake.read_image() == content);
        fs::remove_file(fake.image()).unwrap();
        fs::remove_dir_all(fake.path("cache")).unwrap();
    }
}

/// Finished images in the cache, while another process fills it.
#[cfg(target_os = "linux")]
fn in_cache_now(fake: &Fake) -> Vec<PathBuf> {
    names_in(&fake.path("cache/v1/image"))
}

#[cfg(target_os = "linux")]
fn names_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn processes_that_build_the_same_at_once_all_get_it() {
    let fake = fake();
    fake.write("content", "x".repeat(1 << 20));
    let mut children: Vec<Child> = (0..4).map(|_| process(&fake).spawn().unwrap()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(started(&fake), ALL);
    assert_eq!(fs::metadata(fake.image()).unwrap().len(), 1 << 20);
}

#[test]
fn packages_whose_caches_were_removed_or_replaced_are_precompiled_again() {
    let fake = fake();
    let mut plan = plan(&fake);
    let depots = fake.path("depot").into_os_string();
    let surroundings = &mut plan.surroundings.environment;
    surroundings.push(("JULIA_DEPOT_PATH".into(), depots));
    let version = plan.julia.version;
    let loaded = plan.packages.iter().find(|package| package.load).unwrap();
    let caches = format!("depot/compiled/v{}.{}", version.major, version.minor);
    let folder = format!("{caches}/{}", loaded.name);
    let own = format!("{folder}/slug.ji");
    fs::create_dir_all(fake.path(&folder)).unwrap();
    fake.write(&own, "1");
    first(&fake, &plan);
    // A newer one beside it, and what Julia makes when it loads its own.
    fake.write(&format!("{folder}/other.ji"), "1");
    fake.write(&format!("{folder}/other.ji.pidfile"), "1");
    age::by_an_hour(&fake.path(&own));
    plan.import_into_main = false;
    expect(&fake, plan.clone(), Origin::Built, &FROM_IMAGE);
    let again = [&["precompile"], &FROM_IMAGE[..]].concat();
    // Of another version of the package, in its place.
    fake.write(&own, "2");
    plan.cpu_target = "haswell".into();
    expect(&fake, plan.clone(), Origin::Built, &again);
    // Julia keeps no more than so many.
    fs::remove_file(fake.path(&own)).unwrap();
    plan.cpu_target = "generic".into();
    expect(&fake, plan.clone(), Origin::Built, &again);
    plan.cpu_target = "native".into();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    fs::remove_dir_all(fake.path(&caches)).unwrap();
    plan.import_into_main = true;
    plan.force = false;
    fs::remove_file(fake.image()).unwrap();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    plan.guard = true;
    expect(&fake, plan, Origin::Built, &again);
}

#[test]
fn an_image_of_others_that_does_not_start_here_is_made_here() {
    let fake = fake();
    let mut plan = plan(&fake);
    plan.cache.as_mut().unwrap().shared = true;
    first(&fake, &plan);
    fs::remove_file(fake.image()).unwrap();
    // Outside of its project and in it.
    fake.on("verify", [unless(exists("starts"), [exit(1)])]);
    fake.on("image", [touch("starts")]);
    let report = build(plan).report();
    assert_eq!(report.origin, Origin::Built);
    assert_eq!(
        started(&fake),
        ["verify", "verify", "image", "link", "verify"]
    );
}

#[test]
fn an_unchanged_image_needs_no_compiler() {
    let fake = fake();
    let mut plan = plan(&fake);
    let compiler = plan.compiler.clone();
    first(&fake, &plan);
    plan.compiler = Some(vec!["no-such-compiler".into()]);
    expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
    fs::remove_file(fake.image()).unwrap();
    expect(&fake, plan.clone(), Origin::Cached, &NONE);
    // One that changes does.
    plan.cpu_target = "generic".into();
    let error = build(plan.clone()).error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
    assert!(
        text(&error).contains("no-such-compiler"),
        "{}",
        text(&error)
    );
    assert_eq!(started(&fake), NONE);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    plan.compiler = compiler;
    expect(&fake, plan, Origin::Built, &FROM_IMAGE);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_system_that_forbids_code_is_told_of_at_once() {
    let fake = fake();
    let plan = plan(&fake);
    let done = common::on_small_disk(&fake.path("target"), 1 << 20, |disk| {
        disk.forbid_code();
        let error = build(plan.clone()).error();
        assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
        assert!(text(&error).contains("`noexec`"), "{}", text(&error));
        assert_eq!(started(&fake), NONE);
    });
    if !done {
        println!("skipped: no file system can be mounted here");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_unchanged_image_may_be_in_a_folder_that_cannot_be_written_to() {
    let fake = fake();
    let mut plan = plan(&fake);
    let done = common::on_small_disk(&fake.path("target"), 1 << 20, |disk| {
        first(&fake, &plan);
        disk.make_read_only();
        expect(&fake, plan.clone(), Origin::UpToDate, &NONE);
        plan.force = true;
        let error = build(plan.clone()).error();
        assert!(text(&error).contains("permission"), "{}", text(&error));
    });
    if !done {
        println!("skipped: no file system can be mounted here");
    }
}
