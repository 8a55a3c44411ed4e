//! What a build takes the place of, and what it leaves alone.

mod common;

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use common::script::Step;
use common::steps::{exit, list, say, write};
use common::{Fake, OBJECT, OLD, build, names, text};
use pcrs_cache::Stop;
use pcrs_engine::plan::Verify;
use pcrs_engine::report::Origin;
use pcrs_engine::{BuildPlan, ErrorKind, Stage, dry_run};

/// Nothing is started or changed, and the error names `word`.
#[track_caller]
fn refused(fake: &Fake, plan: &BuildPlan, word: &str) {
    let before = fake.left();
    for error in [
        dry_run(plan, &Stop::default()).expect_err("it is refused in the check"),
        build(plan.clone()).error(),
    ] {
        assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
        assert!(text(&error).contains(word), "{error}");
        assert!(error.hint.is_some(), "{error}");
    }
    assert_eq!(fake.started(), [""; 0]);
    assert_eq!(fake.left(), before);
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_file_that_is_no_image_is_not_replaced() {
    let fake = Fake::new();
    let source = fake.write("target/A.jl", "module A end\n");
    let mut plan = fake.plan();
    plan.sysimage_path.clone_from(&source);
    refused(&fake, &plan, "no sysimage");
    assert_eq!(fs::read_to_string(&source).unwrap(), "module A end\n");
    // A library that is no sysimage: its one symbol has another name.
    fs::write(&source, OLD.replace("jl_system", "my_system")).unwrap();
    refused(&fake, &plan, "no sysimage");
    #[cfg(unix)]
    {
        symlink("/dev/null", fake.path("target/null.so")).unwrap();
        plan.sysimage_path = fake.path("target/null.so");
        refused(&fake, &plan, "no sysimage");
    }
}

#[test]
fn an_empty_file_may_be_replaced() {
    let fake = Fake::new();
    fs::write(fake.image(), "").unwrap();
    fake.build().report();
    assert_eq!(fake.read_image(), OBJECT);
}

#[test]
fn a_file_that_is_no_stamp_is_not_replaced() {
    for other in ["{}", "no JSON", "[1]", "{\"name\": \"settings\"}"] {
        let fake = Fake::new();
        fake.write("target/Image.so.json", other);
        refused(&fake, &fake.plan(), "Image.so.json");
        assert_eq!(fake.read("target/Image.so.json"), other);
    }
}

#[test]
fn a_log_that_is_not_ours_stays_whatever_the_build_comes_to() {
    let fake = Fake::new();
    fake.write(
        "target/Image.so.log",
        "of a shell: julia build.jl > X.so.log",
    );
    fake.on("image", [exit(1)]);
    let error = fake.build().error();
    let kept = fake.path("target/Image.so.2.log");
    assert_eq!(error.log.as_deref(), Some(kept.as_path()));
    assert_eq!(dry_run(&fake.plan(), &Stop::default()).unwrap().log, kept);
    fake.on("image", []);
    fake.build().report();
    assert_eq!(fake.left(), ["Image.so", "Image.so.json", "Image.so.log"]);
    assert!(fake.read("target/Image.so.log").starts_with("of a shell"));
    // Nor is one that was just opened.
    fake.write("target/Image.so.log", "");
    let again = BuildPlan {
        force: true,
        ..fake.plan()
    };
    build(again).report();
    assert_eq!(fake.read("target/Image.so.log"), "");
}

#[test]
fn the_log_of_a_failed_build_is_replaced_and_removed() {
    let fake = Fake::new();
    fake.on("image", [exit(1)]);
    for _ in 0..2 {
        fake.build().error();
        assert_eq!(fake.left(), ["Image.so.log"]);
    }
    fake.on("image", []);
    fake.build().report();
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
}

#[test]
fn a_file_that_is_no_log_is_not_overwritten_by_one() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.log = Some(fake.write("notes.txt", "mine"));
    refused(&fake, &plan, "no log");
    assert_eq!(fake.read("notes.txt"), "mine");
    plan.log = Some(fake.path("new.log"));
    for _ in 0..2 {
        plan.force = true;
        build(plan.clone()).report();
    }
    if cfg!(unix) {
        plan.log = Some("/dev/null".into());
        build(plan).report();
    }
}

/// Windows lets only some users make links, and Wine none.
#[cfg(unix)]
#[test]
fn a_link_is_followed_and_stays() {
    for there in [true, false] {
        let fake = Fake::new();
        let store = fake.path("store");
        fs::create_dir(&store).unwrap();
        if there {
            fs::write(store.join("Real.so"), OLD).unwrap();
        }
        symlink("../store/Real.so", fake.image()).unwrap();
        fake.on("image", [list("store", "seen")]);
        assert_eq!(
            dry_run(&fake.plan(), &Stop::default())
                .unwrap()
                .sysimage_path,
            fake.image()
        );
        let report = fake.build().report();
        assert_eq!(report.sysimage_path, fake.image());
        assert!(fake.read("seen").contains(".Real.so.build-"));
        assert_eq!(fake.left(), ["Image.so"]);
        assert_eq!(names(&store), ["Real.so", "Real.so.json"]);
        assert_eq!(fs::read_to_string(store.join("Real.so")).unwrap(), OBJECT);
        assert!(fs::symlink_metadata(fake.image()).unwrap().is_symlink());
        // Its stamp is found through the link, too.
        let report = fake.build().report();
        assert_eq!(report.origin, pcrs_engine::report::Origin::UpToDate);
        let stamp = pcrs_engine::identity::stamp::Stamp::read(&fake.image());
        assert!(stamp.is_some());
    }
}

/// Windows lets only some users make links, and Wine none.
#[cfg(unix)]
#[test]
fn links_in_a_circle_are_an_input_error() {
    let fake = Fake::new();
    symlink("Image.so", fake.image()).unwrap();
    refused(&fake, &fake.plan(), "circle");
}

/// Modes and groups are Unix's.
#[cfg(unix)]
#[test]
fn a_replaced_image_and_its_stamp_keep_mode_and_group() {
    let fake = Fake::new();
    fake.build().report();
    let stamp = fake.path("target/Image.so.json");
    let mut group = fs::metadata(fake.image()).unwrap().gid();
    for (path, mode) in [(&fake.image(), 0o640), (&stamp, 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if chown(path, None, Some(12345)).is_ok() {
            group = 12345;
        }
    }
    let again = BuildPlan {
        force: true,
        ..fake.plan()
    };
    build(again).report();
    assert_eq!((mode(&fake.image()), mode(&stamp)), (0o640, 0o600));
    for path in [&fake.image(), &stamp] {
        assert_eq!(fs::metadata(path).unwrap().gid(), group);
    }
}

/// The umask, of Unix, belongs to the whole process: each part of the test runs in one of its own.
#[cfg(unix)]
#[allow(
    clippy::disallowed_methods,
    reason = "the test tells its own process what to be"
)]
#[test]
fn new_files_have_the_umask_of_now_whoever_built_first() {
    const NAME: &str = "new_files_have_the_umask_of_now_whoever_built_first";
    const VARIABLE: &str = "PCRS_TEST_UMASK";
    if let Ok(told) = std::env::var(VARIABLE) {
        let (umask, root) = told.split_once(' ').unwrap();
        // SAFETY: umask(2) cannot fail.
        unsafe { libc::umask(umask.parse().unwrap()) };
        let fake = Fake::at(root.into());
        let mut plan = fake.plan();
        plan.cache = fake.cache();
        build(plan).report();
        return;
    }
    let fake = Fake::new();
    let build_under = |umask: libc::mode_t| {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(VARIABLE, format!("{umask} {}", fake.root().display()))
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        let modes = (
            mode(&fake.image()) & !0o111,
            mode(&fake.path("target/Image.so.json")),
        );
        fs::remove_dir_all(fake.path("target")).unwrap();
        fs::create_dir(fake.path("target")).unwrap();
        modes
    };
    assert_eq!(build_under(0o077), (0o600, 0o600));
    // The second and third come from the cache, where the first builder's are nobody else's.
    assert_eq!(build_under(0o022), (0o644, 0o644));
    assert_eq!(build_under(0o002), (0o664, 0o664));
    assert_eq!(
        fake.started()
            .iter()
            .filter(|l| l.starts_with("link "))
            .count(),
        1
    );
}

#[test]
fn a_stamp_that_cannot_be_put_there_leaves_the_image_without_one() {
    let fake = Fake::new();
    fake.build().report();
    // Something else takes its place while the next build runs.
    let stamp = String::from("$here/target/Image.so.json");
    fake.on(
        "link",
        [Step::Remove(stamp.clone()), Step::MakeFolder(stamp)],
    );
    let again = BuildPlan {
        force: true,
        ..fake.plan()
    };
    fs::write(fake.image(), OLD).unwrap();
    let error = build(again).error();
    assert_eq!(
        (error.kind, error.stage),
        (ErrorKind::Failed, Stage::Publish)
    );
    assert!(text(&error).contains("Image.so.json"), "{error}");
    assert_eq!(fake.read_image(), OLD);
}

#[cfg(target_os = "linux")]
mod held_in_place {
    use super::*;
    use common::on_small_disk;

    #[test]
    fn a_mounted_image_is_told_of_in_the_check() {
        let fake = Fake::new();
        fs::write(fake.image(), OLD).unwrap();
        // Of the same file system, so that only the mount tells.
        let done = on_small_disk(&fake.path("project"), 1 << 20, |_| {
            let file = std::ffi::CString::new(fake.image().to_str().unwrap()).unwrap();
            let (null, flags) = (std::ptr::null(), libc::MS_BIND);
            // SAFETY: paths that end in NUL; a bind mount reads no other argument.
            let bound =
                unsafe { libc::mount(file.as_ptr(), file.as_ptr(), null, flags, std::ptr::null()) };
            assert_eq!(bound, 0);
            fs::write(fake.path("project/Project.toml"), "").unwrap();
            refused(&fake, &fake.plan(), "mounted");
        });
        if !done {
            eprintln!("skipped: mounting is not permitted");
        }
    }

    #[test]
    fn another_users_image_in_a_sticky_folder_is_told_of_in_the_check() {
        let fake = Fake::new();
        let target = fake.path("target");
        fs::write(fake.image(), OLD).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o1777)).unwrap();
        fs::set_permissions(fake.root(), fs::Permissions::from_mode(0o755)).unwrap();
        let checked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // SAFETY: changes the user of this thread alone, which ends with the closure.
                let done = unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) };
                (done == 0).then(|| dry_run(&fake.plan(), &Stop::default()))
            });
            thread.join().unwrap()
        });
        let Some(checked) = checked else {
            eprintln!("skipped: this user cannot become another");
            return;
        };
        let error = checked.expect_err("it cannot be replaced");
        assert_eq!((error.kind, error.stage), (ErrorKind::Input, Stage::Check));
        assert!(text(&error).contains("another user's"), "{error}");
    }
}

/// Every path that children are given is that of a file in a folder of this name, but for those of the programs
/// where these have a folder of their own.
fn builds_below(name: &str, programs: Option<&Path>) {
    let fake = Fake::below(name);
    let mut plan = fake.plan_with_workloads(2);
    if let Some(programs) = programs {
        fake.programs_in(programs, &mut plan);
    }
    plan.workloads.extend(fake.plan_with_tests().workloads);
    plan.statement_files = vec![fake.write("mine.jl", "precompile(k, (Int,))\r\n")];
    plan.script = Some(fake.write("script.jl", ""));
    plan.log = Some(fake.path("a log"));
    plan.cache = fake.cache();
    plan.verify = Verify::Trace;
    fake.on("trace", [say("$script in $folder")]);
    let base = fake.path("base");
    // A process of Windows starts in no folder of a longer name (CreateProcessW, lpCurrentDirectory).
    if !cfg!(windows) || base.as_os_str().len() < 250 {
        plan.surroundings.folder = base;
    }
    let folder = plan.surroundings.folder.display().to_string();
    let built = build(plan.clone());
    let traced = built.output(Stage::Trace);
    assert!(
        traced.iter().any(|line| line.ends_with(&folder)),
        "{traced:?}, {:?}",
        built.result.as_ref().err()
    );
    let report = built.report();
    assert_eq!(report.sysimage_path, fake.image());
    assert_eq!(report.statements.entries.len(), 4);
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    // Wine gives no canonical path here, and nothing counts as unchanged of which it is not known where it is.
    if cfg!(windows) && fs::canonicalize(fake.image()).is_err() {
        assert_eq!(build(plan).report().origin, Origin::Built);
    } else {
        assert_eq!(build(plan.clone()).report().origin, Origin::UpToDate);
        fs::remove_file(fake.image()).unwrap();
        assert_eq!(build(plan).report().origin, Origin::Cached);
    }
}

#[test]
fn folders_may_have_any_name_that_windows_takes() {
    builds_below("a b & c", None);
    builds_below("100% %PATH% ^(x)!;,='`$x{y}[z]~#@", None);
    builds_below("é ü λ 日本", None);
}

#[test]
fn paths_may_be_longer_than_windows_once_took() {
    // Wine 8 starts no program in such a folder (CreateProcessW: ERROR_INVALID_NAME), and does not tell where its
    // files are (GetFinalPathNameByHandleW: ERROR_MORE_DATA, from some 280 letters on).
    let programs = tempfile::tempdir().unwrap();
    builds_below(
        &["a folder of a deep tree"; 14].join("/"),
        Some(programs.path()),
    );
}

/// Builds in a work folder in `work`, and fails in one, and looks at what is where.
fn works_elsewhere(fake: &Fake, work: &Path) {
    let mut plan = fake.plan();
    plan.cache = fake.cache();
    plan.work_dir = Some(work.into());
    let folder = write("$here/folder", "$work");
    fake.on("image", [list("target", "beside"), folder]);
    build(plan.clone()).report();
    assert_eq!(fake.read_image(), OBJECT);
    assert_eq!(fake.left(), ["Image.so", "Image.so.json"]);
    let folder = fake.read("folder");
    assert_eq!(Path::new(&folder).parent(), Some(work));
    // What is published from there, and nothing yet but its lock.
    let beside = fake.read("beside");
    assert!(
        Path::new(beside.trim_end()).ends_with("lock") && beside.lines().count() == 1,
        "{beside}"
    );
    assert_eq!(names(work), [""; 0]);
    assert_eq!(names(&fake.path("cache/work")), [""; 0]);
    // It is no input.
    let other = BuildPlan {
        work_dir: None,
        ..plan.clone()
    };
    assert_eq!(build(other).report().origin, Origin::UpToDate);

    fake.on("image", [exit(1)]);
    plan.force = true;
    let error = build(plan.clone()).error();
    let kept = fake.path("target/Image.so.log");
    assert_eq!(error.log.as_deref(), Some(kept.as_path()));
    assert!(fs::read_to_string(kept).unwrap().contains("== image"));
    assert_eq!(fake.left(), ["Image.so", "Image.so.json", "Image.so.log"]);
    assert_eq!(names(work), [""; 0]);
    let planned = dry_run(&plan, &Stop::default()).unwrap().commands;
    assert!(
        planned
            .iter()
            .any(|command| command.command.contains(work.to_str().unwrap()))
    );
}

#[test]
fn the_work_folder_is_where_the_user_wants_it() {
    let fake = Fake::new();
    let work = fake.path("new/work");
    works_elsewhere(&fake, &work);
}

#[test]
#[cfg(target_os = "linux")]
fn the_work_folder_may_be_on_another_disk() {
    let fake = Fake::new();
    let work = fake.path("work");
    fs::create_dir(&work).unwrap();
    if !common::on_small_disk(&work, 1 << 20, |_| works_elsewhere(&fake, &work)) {
        println!("skipped: mounting a tmpfs is not permitted");
    }
}

#[test]
fn a_work_folder_that_cannot_be_made_is_found_in_the_check() {
    let fake = Fake::new();
    let mut plan = fake.plan();
    plan.work_dir = Some(fake.write("file", ""));
    refused(&fake, &plan, "`work_dir`");
}
