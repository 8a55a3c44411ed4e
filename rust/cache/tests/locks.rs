//! Locks as other file systems have them: a process with a `flock` of NFS's rules, and one without.

#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::{Fixture, argument, entry_dir, key, leftovers};
use pcrs_cache::{Kind, LockState, Store, hold, is_abandoned, lock_state};

const RULES: &str = "FLOCK_RULES";

/// The preloaded library, made by the C compiler; none where there is no compiler.
fn library(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/faults.c");
    let library = folder.join("faults.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source);
    match cc.status() {
        Ok(status) => {
            assert!(status.success());
            Some(library)
        }
        Err(error) => {
            println!("skipped: no C compiler: {error}");
            None
        }
    }
}

/// Runs the test `name` of this file in a process whose `flock` has the rules.
fn run(name: &str, rules: &str) {
    let fixture = Fixture::new();
    let folder = fixture.folder.path();
    let Some(library) = library(folder) else {
        return;
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("PCRS_CACHE_TEST", folder)
        .env("LD_PRELOAD", library)
        .env(RULES, rules)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

fn age(path: &Path, hours: u64) {
    let old = SystemTime::now() - Duration::from_secs(hours * 3600);
    File::open(path).unwrap().set_modified(old).unwrap();
}

#[test]
fn with_nfs_rules_what_is_in_use_is_kept_and_what_is_dead_is_swept() {
    run("nfs", "nfs");
}

/// Not a test by itself.
#[test]
fn nfs() {
    let Some(folder) = argument() else { return };
    let folder = Path::new(&folder);
    // The rules hold here.
    let path = folder.join("read-only");
    File::create(&path).unwrap();
    let refused = File::open(&path).unwrap().try_lock();
    assert!(matches!(refused, Err(TryLockError::Error(_))));

    for (name, held) in [("live", true), ("dead", false)] {
        let dir = folder.join(name);
        fs::create_dir(&dir).unwrap();
        let lock = hold(&dir.join("lock")).unwrap();
        let lock = held.then_some(lock);
        age(&dir, 2);
        let state = if held {
            LockState::Held
        } else {
            LockState::Free
        };
        assert_eq!(lock_state(&dir.join("lock")), state);
        assert_eq!(is_abandoned(&dir, &dir.join("lock")), !held);
        drop(lock);
    }

    let store = Store::new(folder.join("store"));
    let lock = store.lock(Kind::Image, &key("k"), || true).unwrap();
    assert!(lock.is_some());
    assert!(
        store
            .lock(Kind::Image, &key("k"), || true)
            .unwrap()
            .is_none()
    );
    drop(lock);

    let source = folder.join("source");
    fs::write(&source, "image").unwrap();
    let files = [("image", source.as_path())];
    store
        .put(Kind::Image, &key("k"), &files, &serde_json::Value::Null)
        .unwrap();
    let entry = store.get(Kind::Image, &key("k")).unwrap();
    let here = entry_dir(&folder.join("store"), Kind::Image, &key("k"));
    store.remove(Kind::Image, &key("k")).unwrap();
    assert!(here.exists(), "an entry in use was removed");
    drop(entry);
    store.remove(Kind::Image, &key("k")).unwrap();
    assert!(!here.exists(), "an entry that nobody uses stays");
}

#[test]
fn without_locks_results_are_kept_and_folders_are_left_alone_for_a_day() {
    run("none", "none");
}

/// Not a test by itself.
#[test]
fn none() {
    let Some(folder) = argument() else { return };
    let folder = Path::new(&folder);
    let dir = folder.join("folder");
    fs::create_dir(&dir).unwrap();
    let lock = dir.join("lock");
    let _held = hold(&lock).unwrap();
    assert_eq!(lock_state(&lock), LockState::Unknown);
    for (hours, abandoned) in [(2, false), (48, true)] {
        age(&dir, hours);
        assert_eq!(is_abandoned(&dir, &lock), abandoned, "{hours} hours");
    }

    let root = folder.join("store");
    let store = Store::new(&root);
    assert!(store.lock(Kind::Image, &key("k"), || true).is_err());
    let source = folder.join("source");
    fs::write(&source, "image").unwrap();
    let files = [("image", source.as_path())];
    store
        .put(Kind::Image, &key("k"), &files, &serde_json::Value::Null)
        .unwrap();
    assert!(store.get(Kind::Image, &key("k")).is_some());
    assert!(leftovers(&root).is_empty());
}

#[test]
fn a_pipe_in_the_place_of_a_lock_file_is_not_waited_for() {
    let fixture = Fixture::new();
    let locks = fixture.root().join("v1/locks");
    fs::create_dir_all(&locks).unwrap();
    let pipe = locks.join(format!("image-{}", key("k")));
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    assert!(fixture.store.lock(Kind::Image, &key("k"), || true).is_err());
    assert_eq!(lock_state(&pipe), LockState::Unknown);
    fixture.store.clear(None).unwrap();
    assert!(pipe.exists());
}

#[test]
fn a_lock_ends_though_a_process_that_was_just_forked_has_a_copy() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let (built, used) = (key("built"), key("used"));
    fixture.put(Kind::Image, &used, b"image");
    let file = fixture.folder.path().join("lock");

    let lock = store.lock(Kind::Image, &built, || true).unwrap();
    let entry = store.get(Kind::Image, &used);
    let work = hold(&file).unwrap();
    assert!(lock.is_some() && entry.is_some());
    let (mut forked, mut tell) = std::io::pipe().unwrap();
    let (mut wait, go_on) = std::io::pipe().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut command = Command::new("true");
            // SAFETY: read(2) and write(2) are async-signal-safe, and nothing allocates.
            unsafe {
                command.pre_exec(move || {
                    tell.write_all(b"!")?;
                    wait.read_exact(&mut [0])
                })
            };
            assert!(command.status().unwrap().success());
        });
        forked.read_exact(&mut [0]).unwrap();
        drop((lock, entry, work));
        let again = store.lock(Kind::Image, &built, || true).unwrap().is_some();
        let state = lock_state(&file);
        let removed = store.clear(None).unwrap().removed.entries;
        (&go_on).write_all(b"!").unwrap();
        assert_eq!((again, state, removed), (true, LockState::Free, 1));
    });
}
