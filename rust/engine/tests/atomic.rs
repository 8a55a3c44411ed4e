//! What a build leaves on disk: the image, whole or not at all, and nothing else.

mod common;

use std::fs;
#[cfg(unix)]
use std::fs::File;
use std::path::Path;

use common::script::Step;
use common::steps::{exit, ready_then_go, say, touch};
use common::{Fake, OBJECT, OLD, age, build, finish, names, start};
use pcrs_cache::Stop;
use pcrs_engine::plan::Base;
use pcrs_engine::{BuildPlan, ErrorKind, Event, Stage, dry_run};

#[test]
fn a_whole_build_leaves_the_image_and_nothing_else() {
    let fake = Fake::new();
    let built = fake.build();
    let stages = [
        Stage::Precompile,
        Stage::Trace,
        Stage::Statements,
        Stage::Image,
        Stage::Link,
        Stage::Verify,
        Stage::Publish,
    ];
    let mut started = Vec::new();
    let mut finished = Vec::new();
    for event in &built.events {
        match event {
            Event::StageStarted { stage, .. } => {
                assert_eq!(
                    started, finished,
                    "a stage starts when the last has finished"
                );
                started.push(*stage);
            }
            Event::StageFinished { stage, .. } => finished.push(*stage),
            Event::Progress { stage, .. } | Event::Output { stage, .. } => {
                assert_eq!(Some(stage), started.last());
            }
            Event::Warning { text, .. } => panic!("{text}"),
            Event::Beat => {}
            Event::Finished => unreachable!("it ends the list"),
        }
    }
    assert_eq!((&started[..], &finished[..]), (&stages[..], &stages[..]));
    let report = built.report();
    assert_eq!(report.sysimage_path, fake.image());
    assert_eq!(report.image_size, OBJECT.len() as u64);
    assert!(report.seconds > 0.0);
    assert_eq!(report.log, None);
    assert_eq!(report.base_sysimage, Some(fake.path("sys.so")));
    assert!(report.linker.contains("JULIA_CC"), "{}", report.linker);
    let timed: Vec<Stage> = report.stages.iter().map(|time| time.stage).collect();
    assert_eq!(timed, stages);
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
}

#[test]
fn a_fresh_base_is_built_before_the_packages() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.base = Base::Fresh {
        filter_stdlibs: false,
    };
    let report = build(plan).report();
    assert_eq!(report.base_sysimage, None);
    assert_eq!(report.stages[0].stage, Stage::Base);
    let stages: Vec<String> = fake
        .started()
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_string())
        .collect();
    let expected = [
        "base",
        "link",
        "base",
        "link",
        "stdlibs",
        "precompile",
        "trace",
        "image",
        "link",
        "verify",
    ];
    assert_eq!(stages, expected);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
}

#[test]
fn the_folder_of_the_image_is_created() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    // The one with all that Unix takes, the other with what Windows does.
    let name = match cfg!(windows) {
        true => "a b'c%$d;e &é^!.so",
        false => "a b'c\"$d:e é.so",
    };
    plan.sysimage_path = fake.path("target/new/deep").join(name);
    build(plan.clone()).report();
    assert_eq!(fs::read_to_string(&plan.sysimage_path).unwrap(), OBJECT);
    assert_eq!(names(plan.target_dir()).len(), 2);
}

#[test]
fn a_name_as_long_as_the_file_system_takes_is_fine() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    // No multiple of the two bytes of each character.
    plan.sysimage_path = fake.path(&format!("target/{}.so", "é".repeat(126)));
    dry_run(&plan, &Stop::default()).unwrap();
    build(plan.clone()).report();
    assert_eq!(fs::read_to_string(&plan.sysimage_path).unwrap(), OBJECT);
    assert_eq!(fake.left().len(), 1);
}

#[test]
fn the_log_is_kept_beside_the_image_when_the_build_fails() {
    let fake = Fake::new();
    fake.on("image", [say("some output"), exit(1)]);
    let error = fake.build().error();
    let log = fake.path("target/Image.so.log");
    assert_eq!(error.log.as_deref(), Some(log.as_path()));
    assert_eq!(fake.left(), ["Image.so.log"]);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("image| some output"), "{log}");
    assert!(log.contains("--output-o="), "{log}");
    assert!(log.contains("failed: "), "{log}");
}

#[test]
fn a_log_of_the_users_is_kept_whatever_happens() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    let log = fake.path("my.log");
    plan.log = Some(log.clone());
    let report = build(plan.clone()).report();
    assert_eq!(report.log.as_ref(), Some(&log));
    assert!(fs::metadata(&log).unwrap().len() > 0);
    fake.on("link", [exit(1)]);
    let again = BuildPlan {
        force: true,
        ..plan
    };
    assert_eq!(build(again).error().log.as_ref(), Some(&log));
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
}

#[test]
fn a_failed_build_leaves_the_older_image_as_it_was() {
    for stage in ["precompile", "trace", "image", "generate", "link", "verify"] {
        let fake = Fake::new();
        fs::write(fake.image(), OLD).unwrap();
        fake.on(stage, [exit(1)]);
        fake.build().error();
        assert_eq!(fake.read_image(), OLD, "{stage}");
        assert_eq!(fake.left(), ["Image.so", "Image.so.log"], "{stage}");
    }
}

#[test]
fn two_builds_to_one_path_at_once_both_succeed() {
    let fakes = [Fake::new(), Fake::new()];
    let target = fakes[0].image();
    let builds: Vec<_> = fakes
        .iter()
        .enumerate()
        .map(|(i, fake)| {
            // Some size, so that halves would be seen.
            fake.write("content", format!("image {i}\n").repeat(100_000));
            // Neither goes on before both are under way.
            let other = fakes[1 - i].path("ready").display().to_string();
            fake.on("image", [touch("ready"), Step::Await(other)]);
            let mut plan = fake.plan();
            plan.sysimage_path.clone_from(&target);
            start(plan)
        })
        .collect();
    for build in &builds {
        finish(build).report();
    }
    let image = fs::read_to_string(&target).unwrap();
    assert_eq!(image, image[..8].repeat(100_000));
    assert_eq!(fakes[0].left(), ["Image.so", "Image.so.json"]);
}

/// What Windows does in its place is tested in `stages/publish.rs`.
#[cfg(unix)]
#[test]
fn a_process_keeps_the_image_it_runs_on() {
    use std::os::fd::AsRawFd;
    let fake = Fake::new();
    fs::write(fake.image(), OLD).unwrap();
    let file = File::open(fake.image()).unwrap();
    // SAFETY: maps the bytes of an open file for reading; unmapped with the process.
    let mapped = unsafe {
        let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
        libc::mmap(
            std::ptr::null_mut(),
            OLD.len(),
            read,
            private,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(mapped, libc::MAP_FAILED);
    fake.build().report();
    // SAFETY: the mapping above, which nobody writes to.
    let old = unsafe { std::slice::from_raw_parts(mapped.cast::<u8>(), OLD.len()) };
    assert_eq!(old, OLD.as_bytes());
    assert_eq!(fake.read_image(), OBJECT);
}

#[test]
fn a_dead_builds_folder_is_swept_and_a_live_ones_is_not() {
    let fake = Fake::new();
    let dead = fake.path("target/.Image.so.build-dead00");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    let other = fake.path("target/.Other.so.build-dead00");
    fs::create_dir(&other).unwrap();
    fake.on("image", ready_then_go());
    let live = start(fake.plan());
    fake.await_file("ready");
    let left = fake.left();
    let folder = left
        .iter()
        .find(|name| name.starts_with(".Image.so.build-") && !name.ends_with("dead00"))
        .expect("the live build has a folder");
    // Older than any build that has not locked its folder yet.
    for path in [&dead, &other, &fake.path("target").join(folder)] {
        age::by_an_hour(path);
    }
    fake.write("go", "");
    fake.build().report();
    assert!(!dead.exists());
    finish(&live).report();
    // That of another image is not ours to judge.
    assert_eq!(
        fake.left(),
        [".Other.so.build-dead00", "Image.so", "Image.so.json"]
    );
}

#[test]
fn a_dry_run_starts_no_child_and_writes_nothing() {
    let fake = Fake::new();
    let mut plan = fake.plan_with_workloads(2);
    plan.sysimage_path = fake.path("target/new/Image.so");
    let before = names(fake.root());
    let told = dry_run(&plan, &Stop::default()).unwrap();
    assert_eq!(names(fake.root()), before);
    assert!(fake.left().is_empty() && fake.started().is_empty());
    assert_eq!(told.sysimage_path, plan.sysimage_path);
    assert_eq!(told.log, fake.path("target/new/Image.so.log"));
    let stages: Vec<Stage> = told.commands.iter().map(|command| command.stage).collect();
    let expected = [
        Stage::Precompile,
        Stage::Trace,
        Stage::Trace,
        Stage::Image,
        Stage::Link,
        Stage::Verify,
    ];
    assert_eq!(stages, expected);
    let julia = fake.path("julia").display().to_string();
    // Quoted where its path needs it, as on Windows.
    let command = told.commands[0].command.trim_start_matches('\'');
    assert!(command.starts_with(&julia), "{command}");
}

#[test]
fn a_dry_run_says_when_there_is_nothing_to_do() {
    let fake = Fake::new();
    let plan = fake.plan();
    let ask = |plan: &BuildPlan| dry_run(plan, &Stop::default()).unwrap();
    assert!(!ask(&plan).up_to_date);
    build(plan.clone()).report();
    let told = ask(&plan);
    assert!(told.up_to_date && told.commands.is_empty() && told.linker.is_none());
    let forced = BuildPlan {
        force: true,
        ..plan.clone()
    };
    let told = ask(&forced);
    assert!(!told.up_to_date && !told.commands.is_empty() && told.linker.is_some());
    fs::remove_file(fake.image()).unwrap();
    assert!(!ask(&plan).up_to_date);
}

#[test]
fn a_project_whose_path_holds_the_list_separator_is_loaded_from_source() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.project.dir = fake.path(if cfg!(windows) {
        "pro;ject"
    } else {
        "pro:ject"
    });
    fs::create_dir(&plan.project.dir).unwrap();
    build(plan).report();
    let started = fake.started();
    assert!(!started.iter().any(|line| line.starts_with("precompile ")));
    for stage in ["trace ", "image "] {
        let line = started.iter().find(|line| line.starts_with(stage)).unwrap();
        assert!(line.contains(" --compiled-modules=no "), "{line}");
    }
}

#[cfg(target_os = "linux")]
mod small_disks {
    use super::*;
    use common::script::Wait;
    use common::steps::run;
    use common::{on_small_disk, text};

    /// Builds on a disk of `size` bytes, over an older image, with a new one of a megabyte.
    fn build_on_full_disk(size: usize, change: impl FnOnce(&Fake) + Send) {
        let fake = Fake::new();
        fake.write("content", vec![b'x'; 1 << 20]);
        change(&fake);
        let done = on_small_disk(&fake.path("target"), size, |_| {
            fs::write(fake.image(), OLD).unwrap();
            let error = fake.build().error();
            assert_eq!(error.kind, ErrorKind::Failed);
            let said = text(&error);
            assert!(said.to_lowercase().contains("no space"), "{said}");
            assert!(said.contains("free some space"), "{said}");
            assert_eq!(fake.read_image(), OLD);
            let mut left = fake.left();
            left.retain(|name| name != "Image.so.log");
            assert_eq!(left, ["Image.so"]);
        });
        if !done {
            eprintln!("skipped: mounting a small disk is not permitted");
        }
    }

    #[test]
    fn a_disk_that_is_full_when_code_is_generated_is_named() {
        build_on_full_disk(1 << 19, |_| {});
    }

    #[test]
    fn a_disk_that_is_full_when_the_image_is_linked_is_named() {
        build_on_full_disk(3 << 19, |_| {});
    }

    #[test]
    fn a_disk_that_is_full_from_the_start_is_named() {
        build_on_full_disk(16 << 10, |_| {});
    }

    #[test]
    fn a_disk_that_is_full_when_packages_load_is_named() {
        build_on_full_disk(1 << 18, |fake| {
            let steps = [
                run("sh", &["-c", "cat /dev/zero >$journal.rest"], Wait::Here),
                say("ERROR: SystemError: writing: No space left on device"),
                exit(1),
            ];
            fake.on("load", steps);
        });
    }

    #[test]
    fn a_read_only_folder_is_an_input_error_before_any_child() {
        let fake = Fake::new();
        let done = on_small_disk(&fake.path("target"), 1 << 20, |disk| {
            fs::write(fake.image(), OLD).unwrap();
            disk.make_read_only();
            let error = fake.build().error();
            assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
            let said = text(&error);
            assert!(said.contains("no permission to write"), "{said}");
            assert!(said.contains("sysimage_path"), "{said}");
            assert_eq!(fake.started(), [""; 0]);
            assert_eq!(fake.left(), ["Image.so"]);
        });
        if !done {
            eprintln!("skipped: mounting a small disk is not permitted");
        }
    }
}

/// A folder of Windows has no such mode; what its lists of rights say only trying tells.
#[cfg(unix)]
#[test]
fn a_folder_without_write_permission_is_an_input_error_before_any_child() {
    use std::os::unix::fs::PermissionsExt;
    let fake = Fake::new();
    let folder = fake.path("target");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if File::create(folder.join("probe")).is_ok() {
        eprintln!("skipped: this user may write to any folder");
        fs::remove_file(folder.join("probe")).unwrap();
        return;
    }
    let error = fake.build().error();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(error.kind, ErrorKind::Input);
    assert!(fake.started().is_empty());
}

#[test]
fn a_path_below_a_file_is_an_input_error_before_any_child() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.sysimage_path = fake.path("sys.so/Image.so");
    let error = build(plan).error();
    assert_eq!(error.kind, ErrorKind::Input);
    assert!(fake.started().is_empty());
    assert!(Path::new(&fake.path("sys.so")).is_file());
}
