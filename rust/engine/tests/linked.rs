//! Which builds link code in that is compiled already, and what is done where that cannot be:
//! on all systems but this, as it needs ELF and a preloaded library.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::path::Path;
use std::process::Command;

use common::script::{Condition, Step, Wait};
use common::steps::{
    append, at_statement, complain, copy, exists, exit, fail_with, note, run, say, touch, unless,
    when, write,
};
use common::{Fake, OBJECT, build};
use object::{Object, ObjectSection, ObjectSymbol};
use pcrs_cache::Stop;
use pcrs_engine::linked::Way;
use pcrs_engine::plan::{Base, Verify};
use pcrs_engine::report::{BuildReport, Owner, SizePart, SpanKind};
use pcrs_engine::{BuildPlan, Stage, dry_run};
use pcrs_linked::handover::{Counts, Handover, UsedBase, UsedPackage};

fn linkable(fake: &Fake) -> BuildPlan {
    let mut plan = fake.plan();
    // No library, which the loader says of the fakes and goes on.
    plan.interposer = Some(fake.write("interpose.so", ""));
    plan
}

/// Why `change` of a plan that would be linked makes it one that is not.
fn reason(change: impl FnOnce(&mut BuildPlan)) -> Option<String> {
    let mut plan = linkable(&Fake::new());
    assert_eq!(Way::of(&plan), Way::Linked);
    change(&mut plan);
    let way = Way::of(&plan);
    assert!(!way.is_linked());
    way.reason().map(String::from)
}

#[test]
fn each_thing_that_speaks_against_it_is_named() {
    let version = |text: &'static str| reason(|plan| plan.julia.version = text.parse().unwrap());
    let named = |reason: Option<String>, part: &str| {
        let reason = reason.unwrap();
        assert!(reason.contains(part), "{reason}");
    };
    assert_eq!(reason(|plan| plan.linked = false), None);
    named(version("1.5.3"), "Julia 1.5.3 keeps no native code");
    named(version("1.13.0"), "how Julia 1.13.0 keeps native code");
    named(
        reason(|plan| plan.julia.arch = "aarch64".into()),
        "x86-64 Linux",
    );
    named(reason(|plan| plan.interposer = None), "not built");
    named(
        reason(|plan| plan.interposer = Some("/a:b/x.so".into())),
        "cannot be preloaded",
    );
    for several in ["generic;haswell", "sysimage"] {
        named(
            reason(|plan| plan.cpu_target = several.into()),
            &format!("`cpu_target=\"{several}\"`"),
        );
    }
    named(reason(|plan| plan.compress = true), "compressed");
    named(reason(|plan| plan.build_args = vec!["-O1".into()]), "`-O1`");
    named(
        reason(|plan| plan.build_args = vec!["--strip-metadata".into(), "--inline=no".into()]),
        "`--inline=no`",
    );
}

#[test]
fn options_that_leave_code_as_it_is_do_not_speak_against_it() {
    let mut plan = linkable(&Fake::new());
    plan.build_args = vec!["--strip-metadata".into(), "--heap-size-hint=2G".into()];
    assert_eq!(Way::of(&plan), Way::Linked);
    plan.cpu_target = "haswell,-rdrnd".into();
    assert_eq!(Way::of(&plan), Way::Linked);
    // A base that the build makes has code for whatever the image is for.
    plan.cpu_target = "generic;haswell,clone_all".into();
    plan.base = Base::Fresh {
        filter_stdlibs: false,
    };
    assert_eq!(Way::of(&plan), Way::Linked);
}

#[test]
fn no_session_meets_caches_for_another_cpu() {
    let fake = Fake::new();
    let mut plan = linkable(&fake);
    plan.workloads = fake.plan_with_workloads(1).workloads;
    let asked = |plan: &BuildPlan, stage| {
        let commands = dry_run(plan, &Stop::default()).unwrap().commands;
        let of_stage = commands.into_iter().find(|command| command.stage == stage);
        of_stage.unwrap().command
    };
    let own = |stage| asked(&plan, stage).contains("--pkgimages=no");
    assert!(
        ![Stage::Precompile, Stage::Trace, Stage::Image]
            .map(own)
            .contains(&true)
    );
    plan.cpu_target = "haswell".into();
    for stage in [Stage::Precompile, Stage::Trace, Stage::Image] {
        let command = asked(&plan, stage);
        assert!(command.contains("--pkgimages=no"), "{command}");
        let compiles = command.contains("--cpu-target=haswell");
        assert_eq!(compiles, stage == Stage::Image, "{command}");
    }
    assert!(asked(&plan, Stage::Image).contains("image.jl"));
}

#[test]
fn a_base_that_cannot_be_taken_apart_is_compiled_in_full_with_one_warning() {
    let fake = Fake::new();
    let built = build(linkable(&fake));
    let warnings: Vec<String> = built.warnings().into_iter().map(String::from).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("cannot be taken apart"),
        "{warnings:?}"
    );
    let report = built.report();
    assert_eq!(report.how.linked, None);
    let why = report.how.not_linked.unwrap();
    assert!(warnings[0].ends_with(&why), "{why}");
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    // The workload is not run twice.
    let traces = fake
        .started()
        .into_iter()
        .filter(|line| line.starts_with("trace "));
    assert_eq!(traces.count(), 1);
}

#[test]
fn the_full_way_waits_for_caches_of_its_own() {
    let fake = Fake::new();
    let given = Condition::Exists("$work/image-packages.spec".into());
    let too_early = fail_with("ERROR: the image process waits no more");
    fake.on("precompile", [when(given, too_early)]);
    let report = build(linkable(&fake)).report();
    assert_eq!(report.how.linked, None);
    let started = fake.started().into_iter();
    let precompiled = started.filter(|line| line.starts_with("precompile "));
    assert_eq!(precompiled.count(), 2);
}

#[test]
fn an_option_that_changes_code_is_warned_of_and_wins() {
    let fake = Fake::new();
    let mut plan = linkable(&fake);
    plan.build_args = vec!["-O1".into()];
    let preview = dry_run(&plan, &Stop::default()).unwrap();
    assert!(preview.not_linked.unwrap().contains("`-O1`"));
    let built = build(plan);
    let warnings = built.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("`-O1`"), "{warnings:?}");
    assert!(built.report().how.not_linked.unwrap().contains("`-O1`"));
}

#[test]
fn a_system_or_julia_that_cannot_is_told_in_the_report_alone() {
    let fake = Fake::new();
    let mut plan = linkable(&fake);
    plan.julia.version = "1.8.5".parse().unwrap();
    let built = build(plan);
    assert!(built.warnings().is_empty(), "{:?}", built.warnings());
    assert!(built.report().how.not_linked.unwrap().contains("1.8.5"));
}

/// A C compiler's output of a file of rust/linked's tests; false where there is no compiler.
fn compiled(source: &str, options: &[&str], to: &Path) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../linked/tests/c")
        .join(source);
    let made = Command::new("cc")
        .args(["-fPIC", "-DLAYOUT=10"])
        .args(options)
        .arg("-o")
        .args([to, &source])
        .status();
    made.is_ok_and(|status| status.success())
}

/// A base that can be taken apart, made of C; false, with a line, where there is no compiler.
fn with_a_real_base(fake: &Fake) -> bool {
    let made = compiled("base.c", &["-shared", "-DTARGETS=1"], &fake.path("sys.so"));
    if !made {
        println!("skipped: no C compiler");
    }
    made
}

/// Lets the image process of the fake, when it is there for the first time, make a real object with
/// a function that calls one of a base made of C, and tell of it.
fn with_a_real_image(fake: &Fake) {
    let base = fake.path("sys.so");
    let bytes = std::fs::read(&base).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let address = |name: &str| {
        let mut symbols = file.symbols();
        symbols
            .find(|symbol| symbol.name() == Ok(name))
            .unwrap()
            .address()
    };
    let selected: Vec<u64> = ["base_one", "base_two", "base_three"].map(address).into();
    let called = format!("-DCALLED={}", pcrs_linked::base_symbol(selected[0]));
    let members = ["text#0.o", "metadata.o", "sysimg.o"];
    for (source, name) in ["new.c", "metadata.c", "sysimg.c"].iter().zip(members) {
        assert!(compiled(source, &["-c", &called], &fake.path(name)));
    }
    assert!(compiled("julia.c", &["-shared"], &fake.path("libjulia.so")));
    let archived = Command::new("ar")
        .current_dir(fake.root())
        .args(["rcs", "new.a"])
        .args(members)
        .status();
    assert!(archived.unwrap().success());
    let handover = Handover {
        base: UsedBase {
            path: base.clone(),
            functions: 3,
            globals: 2,
            shards: 1,
            targets: 1,
            selected,
        },
        packages: Vec::new(),
        refused: Vec::new(),
        heap: None,
        new_globals: 1,
        counts: Counts {
            base_functions: 3,
            emitted: 1,
            ..Counts::default()
        },
    };
    handover.save(&fake.path("told.json")).unwrap();
    first_time(fake, "generate", real_image());
}

fn real_image() -> [Step; 3] {
    [
        copy("$here/told.json", "$work/linked.handover.json"),
        copy("$here/new.a", "$object"),
        exit(0),
    ]
}

/// The fake does `steps` when it comes to `event` for the first time.
fn first_time(fake: &Fake, event: &str, steps: impl Into<Vec<Step>>) {
    let mark = format!("before-{event}");
    let mut all = vec![touch(&mark)];
    all.extend(steps.into());
    fake.on(event, [unless(exists(&mark), all)]);
}

/// Lets the object of [`with_a_real_image`] be linked with the cache of the package `Asked` too, made of C.
fn with_a_real_cache(fake: &Fake) {
    let cache = fake.path("compiled/v1.10/Asked/hash.so");
    std::fs::create_dir_all(cache.parent().unwrap()).unwrap();
    assert!(compiled(
        "package.c",
        &[
            "-shared",
            "-g",
            "-gdwarf-4",
            "-gno-variable-location-views",
            "-DNUMBER=10"
        ],
        &cache
    ));
    let bytes = std::fs::read(&cache).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let address = |name: &str| {
        let mut symbols = file.symbols();
        let found = symbols.find(|symbol| symbol.name() == Ok(name));
        found.unwrap().address()
    };
    let mut told = Handover::load(&fake.path("told.json")).unwrap();
    let id = "jlp0123456789abcdef";
    let package = pcrs_linked::Package::read(&cache, id).unwrap();
    let called = pcrs_linked::base_symbol(told.base.selected[0]);
    let slots = [(address("other_slot"), called)];
    told.packages.push(UsedPackage {
        id: id.into(),
        path: cache.clone(),
        object: package.write(&slots, &fake.path("package.o")).unwrap(),
        functions: ["package_one", "package_two"].map(address).into(),
        globals: vec![address("package_global")],
    });
    told.save(&fake.path("told.json")).unwrap();
}

#[test]
fn the_report_tells_whose_the_code_is() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    with_a_real_cache(&fake);
    let report = report_of_a_real_link(&fake);
    let size = std::fs::metadata(fake.image()).unwrap().len();
    assert_eq!(report.sizes.iter().map(|row| row.bytes).sum::<u64>(), size);
    let owners = |part| {
        let rows = report.sizes.iter().filter(move |row| row.part == part);
        let mut owners: Vec<_> = rows
            .map(|row| (row.owner, row.package.as_deref()))
            .collect();
        owners.sort();
        owners
    };
    let all = [
        (Some(Owner::Base), None),
        (Some(Owner::Package), Some("Asked")),
        (Some(Owner::New), None),
    ];
    assert_eq!(owners(SizePart::Code), all);
    assert_eq!(owners(SizePart::Data), all);
    // As much as the cache has.
    let cache = std::fs::read(fake.path("compiled/v1.10/Asked/hash.so")).unwrap();
    let cache = object::File::parse(&*cache).unwrap();
    let code = cache
        .sections()
        .filter(|section| section.kind() == object::SectionKind::Text);
    let code: u64 = code.map(|section| section.size()).sum();
    let rows = report.sizes.iter();
    let of_package: Vec<u64> = rows
        .filter(|row| row.part == SizePart::Code && row.package.is_some())
        .map(|row| row.bytes)
        .collect();
    assert_eq!(of_package, [code]);
    // What `jl_system_image_data` of the new object has.
    assert_eq!(owners(SizePart::Heap), [(None, None)]);
    for part in [SizePart::Symbols, SizePart::Unwind, SizePart::Relocations] {
        assert_eq!(owners(part), [(None, None)]);
    }
    let engine = report.timeline.iter();
    let engine = engine.filter(|span| span.kind == SpanKind::Engine && span.stage == Stage::Link);
    let engine: Vec<&str> = engine.map(|span| span.what.as_str()).collect();
    assert_eq!(
        engine,
        [
            "taking the base image apart",
            "joining the objects",
            "reading the linked image"
        ]
    );
}

/// What the fake compiler runs to be a real one.
fn real_link() -> [Step; 1] {
    [run("cc", &["$@", "$here/libjulia.so"], Wait::Instead)]
}

/// What a build reports that is linked by a real compiler, without a warning.
#[track_caller]
fn report_of_a_real_link(fake: &Fake) -> BuildReport {
    fake.on("link", real_link());
    let built = build(linkable(fake));
    let told = built.output(Stage::Link);
    assert!(
        built.warnings().is_empty(),
        "{:?}: {told:?}",
        built.warnings()
    );
    built.report()
}

/// The image is made in full, for a reason that holds `why`, when the fake does `steps` at `event`
/// for the first time.
fn falls_back(event: &str, steps: impl Into<Vec<Step>>, why: &str) {
    let fake = Fake::new();
    if with_a_real_base(&fake) {
        first_time(&fake, event, steps);
        is_made_in_full(&fake, why);
    }
}

fn is_made_in_full(fake: &Fake, why: &str) {
    let built = build(linkable(fake));
    let warnings: Vec<String> = built.warnings().into_iter().map(String::from).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(why), "{warnings:?}");
    let report = built.report();
    assert!(report.how.not_linked.unwrap().contains(why));
    assert_eq!(report.statements.entries.len(), 3);
    assert_eq!(report.statements.missing().count(), 0);
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    let started = fake.started();
    let of = |stage: &str| {
        started
            .iter()
            .filter(|line| line.starts_with(stage))
            .count()
    };
    assert_eq!((of("trace "), of("image ")), (1, 2), "{started:?}");
    fake.await_end_of_processes();
}

#[test]
fn new_code_and_a_base_become_one_image() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    let code = report_of_a_real_link(&fake).how.linked.unwrap();
    assert_eq!((code.from_base, code.compiled), (3, 1));
    let image = std::fs::read(fake.image()).unwrap();
    let image = object::File::parse(&*image).unwrap();
    let found = |name: &str| image.symbols().any(|symbol| symbol.name() == Ok(name));
    assert!(found("new_one") && found("base_two"));
}

/// The same for an image that is good up to the link, for which the fake compiler does `steps`.
fn falls_back_after_link(steps: impl Into<Vec<Step>>, why: &str) {
    let fake = Fake::new();
    if with_a_real_base(&fake) {
        with_a_real_image(&fake);
        first_time(&fake, "link", steps);
        is_made_in_full(&fake, why);
    }
}

#[test]
fn one_that_the_linker_refuses_is_compiled_in_full() {
    falls_back_after_link([complain("ld: error: no room"), exit(1)], "no room");
}

#[test]
fn on_a_full_disk_the_link_is_an_error_as_more_would_not_fit_either() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    let error = complain("ld: final link failed: No space left on device");
    fake.on("link", [error, exit(1)]);
    let built = build(linkable(&fake));
    assert!(built.warnings().is_empty(), "{:?}", built.warnings());
    let error = built.error();
    assert_eq!(error.stage, Stage::Link);
    assert_eq!(error.cause.as_deref(), Some("no space is left on the disk"));
    let images = fake.started();
    let images = images.iter().filter(|line| line.starts_with("image "));
    assert_eq!(images.count(), 1);
}

/// Where the preloaded library says why it gave up.
const TROUBLE: &str = "$work/linked.trouble";

/// The build ends in `stage` for a full disk, without another try, where the fake does `steps` at `event`.
fn is_an_error_on_a_full_disk(event: &str, steps: impl Into<Vec<Step>>, stage: Stage) {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    fake.on("link", real_link());
    fake.on(event, steps);
    let built = build(linkable(&fake));
    assert!(built.warnings().is_empty(), "{:?}", built.warnings());
    let error = built.error();
    assert_eq!(error.stage, stage, "{error}");
    let cause = error.cause.as_deref();
    assert_eq!(cause, Some("no space is left on the disk"), "{error}");
    assert!(error.hint.as_deref().unwrap().contains("free some space"));
    let images = fake.started();
    let images = images.iter().filter(|line| line.starts_with("image "));
    assert_eq!(images.count(), 1);
    assert!(!fake.image().exists());
}

#[test]
fn a_full_disk_that_the_preloaded_library_meets_is_an_error() {
    let told = "x.o cannot be written: No space left on device (os error 28)\n";
    let to_file = [write(TROUBLE, told), exit(97)];
    is_an_error_on_a_full_disk("generate", to_file, Stage::Image);
    // There was no room for the sentence either.
    let to_terminal = [complain(told), write(TROUBLE, ""), exit(97)];
    is_an_error_on_a_full_disk("generate", to_terminal, Stage::Image);
}

#[test]
fn so_is_one_that_the_linked_image_meets_when_it_is_tried() {
    let told = complain("ERROR: IOError: write: no space left on device (ENOSPC)");
    is_an_error_on_a_full_disk("verify", [told, exit(1)], Stage::Verify);
}

#[test]
fn so_is_one_that_linking_meets_before_the_linker() {
    for file in ["metadata.o", "image.lds"] {
        // A device that is always full, in the place of a file that merging writes.
        let link = ["-s", "/dev/full", &format!("$work/link/{file}")];
        let mut steps = vec![Step::MakeFolder("$work/link".into())];
        steps.push(run("ln", &link, Wait::Here));
        steps.extend(real_image());
        is_an_error_on_a_full_disk("generate", steps, Stage::Link);
    }
}

#[test]
fn so_is_one_whose_tables_are_not_as_they_should_be() {
    let other = [copy("$here/sys.so", "$last"), exit(0)];
    falls_back_after_link(other, "is not as it should be");
}

#[test]
fn so_is_one_that_does_not_start() {
    let error = fail_with("ERROR: no such library");
    for dies in [vec![Step::Crash], error.into()] {
        let fake = Fake::new();
        if with_a_real_base(&fake) {
            with_a_real_image(&fake);
            first_time(&fake, "link", real_link());
            // It is tried in two ways.
            let made_anew = Condition::Started("image".into(), 2);
            fake.on("verify", [unless(made_anew, dies)]);
            is_made_in_full(&fake, "the linked image does not work");
        }
    }
}

/// The build of `change`'s plan ends in `:verify` after its first image, which linked; the error holds `why`.
fn is_refused_at_once(fake: &Fake, change: impl FnOnce(&mut BuildPlan), why: &str) {
    with_a_real_image(fake);
    fake.on("link", real_link());
    let mut plan = linkable(fake);
    change(&mut plan);
    let built = build(plan);
    assert!(built.warnings().is_empty(), "{:?}", built.warnings());
    let error = built.error();
    assert_eq!(error.stage, Stage::Verify);
    assert!(error.to_string().contains(why), "{error}");
    let started = fake.started();
    let images = started.iter().filter(|line| line.starts_with("image "));
    assert_eq!(images.count(), 1, "{started:?}");
}

#[test]
fn what_another_way_to_make_it_would_not_mend_is_an_error() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    let of_other = note("version", "00000000-0000-0000-0000-000000000002 9.0.0");
    fake.on("verify", [of_other]);
    let registered = |plan: &mut BuildPlan| plan.packages[1].tree_hash = Some("1".repeat(40));
    is_refused_at_once(&fake, registered, "holds `Asked` 9.0.0");

    let fake = Fake::new();
    with_a_real_base(&fake);
    let again = Condition::Started("trace".into(), 2);
    fake.on(
        "trace",
        [when(again, fail_with("ERROR: the folder exists"))],
    );
    let workloads = fake.plan_with_workloads(1).workloads;
    let traced = |plan: &mut BuildPlan| {
        plan.workloads = workloads;
        plan.verify = Verify::Trace;
    };
    is_refused_at_once(&fake, traced, "a workload runs twice");
}

#[test]
fn a_workload_that_crashes_on_the_linked_image_is_tried_on_one_compiled_in_full() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    first_time(&fake, "link", real_link());
    fake.on(
        "trace",
        [when(Condition::Started("trace".into(), 2), [Step::Crash])],
    );
    let mut plan = linkable(&fake);
    plan.workloads = fake.plan_with_workloads(1).workloads;
    plan.verify = Verify::Trace;
    let why = build(plan).report().how.not_linked.unwrap();
    assert!(why.contains("the linked image does not work"), "{why}");
}

#[test]
fn a_trace_made_on_a_layer_is_not_taken_on_one_with_other_statements() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    fake.on("link", real_link());
    // The layer alone is made; the image upon it is compiled in full, which is of no concern here.
    let make_layer = || std::fs::remove_file(fake.path("before-generate")).unwrap();
    let plan_of = |name: &str| {
        let mut plan = linkable(&fake);
        plan.cache = fake.cache();
        plan.packages[0].settled = false;
        plan.packages[1].tree_hash = Some("46d2680e618f8abd007bce0c3026cb0c4a8f2032".into());
        plan.workloads = vec![fake.path(&format!("{name}.jl")).into()];
        plan.sysimage_path = fake.path(&format!("target/{name}.so"));
        plan
    };
    let traced = |plan: &BuildPlan| {
        let _ = std::fs::remove_file(fake.path("started"));
        build(plan.clone()).report();
        let started = fake.started().into_iter();
        started.filter(|line| line.starts_with("trace ")).count()
    };
    fake.write("first.jl", "1");
    fake.write("second.jl", "1");
    fake.statements(&["f, (Int,)", "g, (Int,)"]);
    let (mut first, mut second) = (plan_of("first"), plan_of("second"));
    assert_eq!(traced(&first), 1);
    assert_eq!(traced(&second), 1);
    second.import_into_main = false;
    assert_eq!(traced(&second), 0);
    // The layer is made again for a smaller workload.
    fake.write("first.jl", "2");
    fake.statements(&["f, (Int,)"]);
    make_layer();
    first.force = true;
    assert_eq!(traced(&first), 1);
    second.guard = true;
    assert_eq!(traced(&second), 1);
    second.guard = false;
    second.import_into_main = true;
    second.statement_files = vec![fake.write("more.jl", "precompile(k, (Int,))\n")];
    assert_eq!(traced(&second), 0);
}

#[test]
fn what_the_preloaded_library_does_not_know_is_compiled_in_full() {
    let trouble = write(TROUBLE, "a field is elsewhere\n");
    falls_back("generate", [trouble, exit(97)], "a field is elsewhere");
}

#[test]
fn so_is_an_image_whose_process_crashes() {
    falls_back("generate", [Step::Crash], "SIGSEGV");
    let aborts = Step::Signal(libc::SIGABRT);
    falls_back("generate", [aborts], "SIGABRT");
    falls_back("generate", [exit(97)], "its process failed");
}

#[test]
fn so_is_one_without_an_account_or_with_a_wrong_one() {
    falls_back("generate", [], "left no account");
    falls_back(
        "generate",
        [write("$work/linked.handover.json", "{\n")],
        "left no account",
    );
}

#[test]
fn a_package_that_does_not_load_is_an_error_at_once() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    let tried = append("$here/loads", "tried\n");
    fake.on("load", [tried, say("ERROR: InitError: no"), exit(1)]);
    let error = build(linkable(&fake)).error();
    assert_eq!(error.stage, Stage::Image);
    assert!(error.to_string().contains("InitError: no"), "{error}");
    assert_eq!(fake.read("loads"), "tried\n");
}

#[test]
fn a_statement_that_crashes_is_left_out_of_a_linked_image_too() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    fake.on("statement", [when(at_statement(2), [Step::Crash])]);
    let report = build(linkable(&fake)).report();
    assert_eq!(report.statements.missing().count(), 1);
    // The fake makes no linked image, and is asked for a full one in the end.
    assert!(report.how.not_linked.unwrap().contains("left no account"));
}

#[test]
fn so_is_one_for_what_llvm_cannot_compile() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    fake.statements(&[
        "Tuple{typeof(A.good), Int64}",
        "Tuple{typeof(A.bad), Int64}",
    ]);
    let gives_up = [
        say("LLVM ERROR: Cannot select: x"),
        say("In function: julia_bad_123"),
        Step::Signal(libc::SIGABRT),
    ];
    fake.on("generate", [unless(Condition::Skipped(2), gives_up)]);
    let report = build(linkable(&fake)).report();
    assert_eq!(report.statements.missing().count(), 1);
    // Not for its statement.
    assert!(report.how.not_linked.unwrap().contains("left no account"));
}

#[test]
fn what_fails_on_the_layer_is_done_without_one() {
    for stage in ["precompile", "trace"] {
        let fake = Fake::new();
        if !with_a_real_base(&fake) {
            return;
        }
        with_a_real_image(&fake);
        fake.on("generate", real_image());
        fake.on("link", real_link());
        let mut plan = linkable(&fake);
        plan.cache = fake.cache();
        plan.workloads = fake.plan_with_workloads(1).workloads;
        let below = &mut plan.packages[0];
        below.tree_hash = Some("1".repeat(40));
        plan.packages[1].settled = false;
        build(plan.clone()).report();
        // The layer stays as it was.
        fake.write("workload1.jl", "# an edit");
        let steps = fail_with("ERROR: Evaluation into the closed module").into();
        let folder = "$here/failed".into();
        fake.on(stage, [Step::Once { folder, steps }]);
        let on_layer = |plan: &BuildPlan| {
            let before = fake.started().len();
            let built = build(plan.clone());
            assert!(built.warnings().is_empty(), "{:?}", built.warnings());
            let how = built.report().how;
            assert!(how.linked.is_some() && how.layer.is_none(), "{how:?}");
            let started = fake.started().split_off(before);
            let failed = started.iter().find(|line| line.starts_with(stage));
            let tried = |line: &String| line.contains("layer.so");
            (failed.is_some_and(tried), started.iter().any(tried))
        };
        assert!(on_layer(&plan).0);
        // Nor is it tried again, until that is asked for.
        fake.write("workload1.jl", "# another");
        assert!(!on_layer(&plan).1);
        plan.force = true;
        assert!(on_layer(&plan).1);
        plan.force = false;
        fake.write("workload1.jl", "# a third");
        assert!(on_layer(&plan).1);
    }
}

#[test]
fn a_package_is_named_that_failed_in_the_last_process() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    fake.on("generate", real_image());
    fake.on("link", real_link());
    let mut plan = linkable(&fake);
    plan.cache = fake.cache();
    plan.packages[0].tree_hash = Some("1".repeat(40));
    plan.packages[1].settled = false;
    build(plan.clone()).report();
    // On the layer it is another one than without.
    plan.import_into_main = false;
    plan.packages[1].version = Some("2.0.0".into());
    let fails = |name: &str| {
        let [error, end] = fail_with(&format!("ERROR: {name} is broken"));
        vec![note("failed", name), error, end]
    };
    let folder = "$here/failed".into();
    let mut steps = vec![Step::Once {
        folder,
        steps: fails("Needed"),
    }];
    steps.extend(fails("Asked"));
    fake.on("precompile", steps);
    let error = build(plan).error();
    assert_eq!(
        error.message,
        "the package Asked 2.0.0 cannot be precompiled"
    );
}

#[test]
fn what_another_image_held_says_nothing_of_this_one() {
    let fake = Fake::new();
    if !with_a_real_base(&fake) {
        return;
    }
    with_a_real_image(&fake);
    first_time(&fake, "link", real_link());
    // The linked image tells of both packages, and does not work; the full one tells of one alone.
    let of = |digit| {
        note(
            "loaded",
            &format!("00000000-0000-0000-0000-00000000000{digit}"),
        )
    };
    let of_linked = vec![of(1), of(2), Step::Crash];
    let made_anew = Condition::Started("image".into(), 2);
    fake.on("verify", [unless(made_anew, of_linked), of(2), exit(0)]);
    let error = build(linkable(&fake)).error();
    assert_eq!(error.message, "`Needed` is not in the image");
}
