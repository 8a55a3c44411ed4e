//! What is put comes back whole, or not at all.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{Fixture, age, content, key, leftovers};
use pcrs_cache::{Kind, Put, Store};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn an_entry_comes_back_under_its_kind_and_key_only() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"image");
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    assert_eq!(content(&entry), b"image");
    assert_eq!(
        entry.files().collect::<Vec<_>>(),
        [("sys.so", 5), ("notes", 6)]
    );
    assert!(fixture.store.get(Kind::Base, &key("a")).is_none());
    assert!(fixture.store.get(Kind::Image, &key("b")).is_none());
    assert_eq!(leftovers(&fixture.root()), [] as [PathBuf; 0]);
}

#[test]
fn an_entry_may_be_empty_or_hold_metadata_alone() {
    let fixture = Fixture::new();
    let meta = json!({"nested": [1, "two", null], "ünï": 1.25});
    fixture
        .store
        .put(Kind::Trace, &key("a"), &[], &meta)
        .unwrap();
    let entry = fixture.store.get(Kind::Trace, &key("a")).unwrap();
    assert_eq!(entry.meta(), &meta);
    assert_eq!(entry.files().count(), 0);
}

#[test]
fn the_first_entry_stays() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"first");
    let second = fixture.source("second", b"second");
    let files = [("sys.so", second.as_path())];
    let put = fixture
        .store
        .put(Kind::Image, &key("a"), &files, &Value::Null);
    assert_eq!(put.unwrap(), Put::AlreadyThere);
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    assert_eq!(content(&entry), b"first");
}

#[test]
fn changing_the_original_or_a_copy_leaves_the_entry_as_it_was() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"image");
    // In place, as `strip` does.
    fs::write(fixture.folder.path().join("a"), "changed").unwrap();
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    let copy = fixture.folder.path().join("copy");
    let copied = entry.copy_to("sys.so", &copy).unwrap();
    // Wine 8 calls no progress routine (CopyFileExW in dlls/kernelbase/file.c), by which Rust counts.
    assert!(copied == 5 || cfg!(windows) && copied == 0);
    fs::write(&copy, "changed").unwrap();
    drop(entry);
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    assert_eq!(content(&entry), b"image");
}

#[cfg(unix)]
#[test]
fn copies_keep_their_mode() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let source = fixture.source("x", b"x");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
    let files = [("x", source.as_path())];
    fixture
        .store
        .put(Kind::Image, &key("a"), &files, &Value::Null)
        .unwrap();
    let copy = fixture.folder.path().join("copy");
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    entry.copy_to("x", &copy).unwrap();
    assert_eq!(
        fs::metadata(copy).unwrap().permissions().mode() & 0o777,
        0o755
    );
}

#[test]
fn a_put_that_fails_leaves_nothing() {
    let fixture = Fixture::new();
    let there = fixture.source("there", b"x");
    let gone = fixture.folder.path().join("gone");
    let files = [("a", there.as_path()), ("b", gone.as_path())];
    let error = fixture
        .store
        .put(Kind::Image, &key("a"), &files, &Value::Null)
        .unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("gone"), "{error}");
    assert!(fixture.store.get(Kind::Image, &key("a")).is_none());
    assert_eq!(fixture.store.info().unwrap(), []);
    assert_eq!(leftovers(&fixture.root()), [] as [PathBuf; 0]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let fixture = Fixture::new();
    let source = fixture.source("x", b"x");
    for name in ["", ".", "..", "a/b", "/a", "../a", "a/", "./a"] {
        let put = fixture
            .store
            .put(Kind::Image, &key("a"), &[(name, &source)], &Value::Null);
        assert!(put.is_err(), "{name:?}");
    }
    let twice = [("x", source.as_path()), ("x", source.as_path())];
    assert!(
        fixture
            .store
            .put(Kind::Image, &key("a"), &twice, &Value::Null)
            .is_err()
    );
    // Those of the store itself are free.
    let own = [("record", source.as_path()), ("used", source.as_path())];
    fixture
        .store
        .put(Kind::Image, &key("a"), &own, &Value::Null)
        .unwrap();
    assert!(fixture.store.get(Kind::Image, &key("a")).is_some());
}

#[test]
fn a_store_in_an_impossible_place_misses_and_refuses() {
    let fixture = Fixture::new();
    let file = fixture.source("file", b"not a folder");
    let store = Store::new(&file);
    assert!(store.get(Kind::Image, &key("a")).is_none());
    assert!(
        store
            .put(Kind::Image, &key("a"), &[], &Value::Null)
            .is_err()
    );
    assert!(store.lock(Kind::Image, &key("a"), || true).is_err());
    assert!(!store.remove(Kind::Image, &key("a")).unwrap_or(false));
}

/// The files of an entry, as `used`, `record` and what was put.
fn files_of(dir: &Path) -> Vec<PathBuf> {
    ["record", "files/sys.so", "files/notes", "used"]
        .map(|name| dir.join(name))
        .to_vec()
}

/// The entry is a miss, it is gone, and another can be put in its place.
fn is_a_miss_and_can_be_put_again(fixture: &Fixture) {
    assert!(fixture.store.get(Kind::Image, &key("a")).is_none());
    assert!(!fixture.entry_dir(Kind::Image, &key("a")).exists());
    fixture.put(Kind::Image, &key("a"), b"again");
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    assert_eq!(content(&entry), b"again");
}

#[test]
fn a_missing_file_is_a_miss() {
    for at in 0..4 {
        let fixture = Fixture::new();
        fixture.put(Kind::Image, &key("a"), b"image");
        let file = &files_of(&fixture.entry_dir(Kind::Image, &key("a")))[at];
        fs::remove_file(file).unwrap();
        is_a_miss_and_can_be_put_again(&fixture);
        // A folder where a file was.
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
        is_a_miss_and_can_be_put_again(&fixture);
    }
}

#[test]
fn garbage_for_a_record_is_a_miss() {
    for garbage in [
        "",
        "{}",
        "null",
        "\0\0\0",
        &"0".repeat(64),
        &"x".repeat(1 << 20),
    ] {
        let fixture = Fixture::new();
        fixture.put(Kind::Image, &key("a"), b"image");
        let dir = fixture.entry_dir(Kind::Image, &key("a"));
        fs::write(dir.join("record"), garbage).unwrap();
        assert_eq!(fixture.store.info().unwrap()[0].meta, Value::Null);
        is_a_miss_and_can_be_put_again(&fixture);
    }
}

#[test]
fn another_keys_entry_is_a_miss() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("b"), b"other");
    let (from, to) = (key("b"), key("a"));
    fs::rename(
        fixture.entry_dir(Kind::Image, &from),
        fixture.entry_dir(Kind::Image, &to),
    )
    .unwrap();
    is_a_miss_and_can_be_put_again(&fixture);
}

#[test]
fn an_empty_folder_or_a_file_in_place_of_an_entry_is_a_miss() {
    let fixture = Fixture::new();
    let dir = fixture.entry_dir(Kind::Image, &key("a"));
    fs::create_dir_all(&dir).unwrap();
    is_a_miss_and_can_be_put_again(&fixture);
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "file").unwrap();
    is_a_miss_and_can_be_put_again(&fixture);
    // Without a look between.
    fs::write(dir.join("files/sys.so"), "").unwrap();
    fixture.put(Kind::Image, &key("a"), b"put over a broken one");
    assert!(fixture.store.get(Kind::Image, &key("a")).is_some());
}

#[cfg(unix)]
#[test]
fn links_in_the_store_are_misses_and_what_they_lead_to_stays() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    let dir = fixture.entry_dir(Kind::Image, &key("a"));

    // The whole entry.
    fixture.put(Kind::Image, &key("a"), b"image");
    fs::rename(&dir, &outside).unwrap();
    symlink(&outside, &dir).unwrap();
    is_a_miss_and_can_be_put_again(&fixture);
    assert_eq!(fs::read(outside.join("files/sys.so")).unwrap(), b"image");

    // One of its files, and each of its own.
    for file in files_of(&dir) {
        let aside = fixture.folder.path().join("aside");
        fs::copy(&file, &aside).unwrap();
        fs::remove_file(&file).unwrap();
        symlink(&aside, &file).unwrap();
        is_a_miss_and_can_be_put_again(&fixture);
        assert!(aside.exists());
    }

    // Clearing removes links, and nothing behind them.
    fs::remove_dir_all(&dir).unwrap();
    symlink(&outside, &dir).unwrap();
    fixture.store.clear(None).unwrap();
    assert!(fs::symlink_metadata(&dir).is_err());
    assert!(outside.join("files/sys.so").exists());
}

#[cfg(unix)]
#[test]
fn a_store_reached_by_a_link_works() {
    let fixture = Fixture::new();
    let real = fixture.folder.path().join("real");
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, fixture.root()).unwrap();
    fixture.put(Kind::Image, &key("a"), b"image");
    assert!(fixture.store.get(Kind::Image, &key("a")).is_some());
    assert!(real.join("v1/image").exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_store_does_not_block() {
    let fixture = Fixture::new();
    let dir = fixture.entry_dir(Kind::Image, &key("a"));
    fixture.put(Kind::Image, &key("a"), b"image");
    for file in files_of(&dir) {
        fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        is_a_miss_and_can_be_put_again(&fixture);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_flipped_byte_is_never_served(
        which in 0..3usize, at in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let fixture = Fixture::new();
        fixture.put(Kind::Image, &key("a"), b"image of some length");
        let file = &files_of(&fixture.entry_dir(Kind::Image, &key("a")))[which];
        let mut bytes = fs::read(file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(file, bytes).unwrap();
        if let Some(entry) = fixture.store.get(Kind::Image, &key("a")) {
            // The checksum in other letters.
            prop_assert!(which == 0 && at < 64 && flip == 0x20);
            prop_assert_eq!(content(&entry), b"image of some length");
        } else {
            is_a_miss_and_can_be_put_again(&fixture);
        }
    }

    #[test]
    fn a_truncated_or_grown_file_is_a_miss(
        which in 0..3usize, at in any::<prop::sample::Index>(), grow: bool,
    ) {
        let fixture = Fixture::new();
        fixture.put(Kind::Image, &key("a"), b"image of some length");
        let file = &files_of(&fixture.entry_dir(Kind::Image, &key("a")))[which];
        let size = fs::metadata(file).unwrap().len();
        let size = if grow { size + 1 } else { at.index(size as usize) as u64 };
        File::options().write(true).open(file).unwrap().set_len(size).unwrap();
        is_a_miss_and_can_be_put_again(&fixture);
    }
}

// On Windows the reader's open files keep their names, and the folder with them, on all but NTFS.
#[cfg(unix)]
#[test]
fn an_entry_deleted_under_a_reader_is_an_error_to_it_and_a_miss_to_others() {
    use std::io::Read;
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"image");
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    let mut open = File::open(entry.path("sys.so").unwrap()).unwrap();
    fs::remove_dir_all(fixture.entry_dir(Kind::Image, &key("a"))).unwrap();
    assert!(entry.read("sys.so").is_err());
    assert!(
        entry
            .copy_to("sys.so", &fixture.folder.path().join("copy"))
            .is_err()
    );
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"image");
    is_a_miss_and_can_be_put_again(&fixture);
    drop(entry);
}

#[test]
fn a_failed_copy_does_not_remove_what_was_there() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"image");
    let entry = fixture.store.get(Kind::Image, &key("a")).unwrap();
    let target = fixture.source("target", b"the user's");
    fs::remove_file(entry.path("sys.so").unwrap()).unwrap();
    assert!(entry.copy_to("sys.so", &target).is_err());
    assert_eq!(fs::read(&target).unwrap(), b"the user's");
}

#[test]
fn readers_see_whole_entries_while_others_remove_and_put() {
    let fixture = Fixture::new();
    let source = fixture.source("big", &vec![7; 300_000]);
    let done = AtomicBool::new(false);
    let (store, key) = (&fixture.store, key("a"));
    let put = || store.put(Kind::Image, &key, &[("big", &source)], &json!(1));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    put().unwrap();
                    store.remove(Kind::Image, &key).unwrap();
                    store.trim(0).unwrap();
                }
            });
        }
        let mut hits = 0;
        let start = SystemTime::now();
        while start.elapsed().unwrap() < Duration::from_millis(1500) {
            if let Some(entry) = store.get(Kind::Image, &key) {
                hits += 1;
                // Held, so it is not removed before this.
                thread::yield_now();
                assert!(entry.read("big").unwrap() == vec![7; 300_000]);
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(hits > 0);
    });
    // On Windows an entry that a reader is looking at, to find it locked, is left to the next sweep.
    if cfg!(windows) {
        for dir in leftovers(&fixture.root()) {
            age::by_an_hour(&dir);
        }
        store.trim(u64::MAX).unwrap();
    }
    assert_eq!(leftovers(&fixture.root()), [] as [PathBuf; 0]);
}
