//! Disks that are full, or not to be written.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Mount, alone, entry_dir, key, leftovers};
use pcrs_cache::{Kind, Put, Store};
use serde_json::Value;

#[test]
fn a_full_disk_takes_no_entry_and_keeps_those_it_has() {
    let _alone = alone();
    let Some(mount) = Mount::new("size=2m") else {
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    let source = |name: &str, size: usize| {
        let path = outside.path().join(name);
        fs::write(&path, vec![1; size]).unwrap();
        path
    };
    let (small, large) = (source("small", 100_000), source("large", 4_000_000));
    let root = mount.dir.path().join("cache");
    let store = Store::new(&root);
    let put = |name: &str, file: &PathBuf| {
        store.put(
            Kind::Image,
            &key(name),
            &[("small", &small), ("last", file)],
            &Value::Null,
        )
    };
    assert_eq!(put("fits", &small).unwrap(), Put::Stored);
    for _ in 0..3 {
        let error = put("large", &large).unwrap_err();
        assert_eq!(
            error.source.kind(),
            std::io::ErrorKind::StorageFull,
            "{error}"
        );
        assert!(store.get(Kind::Image, &key("large")).is_none());
        assert_eq!(leftovers(&root), [] as [PathBuf; 0]);
    }
    assert!(store.get(Kind::Image, &key("fits")).is_some());
    assert_eq!(put("fits too", &small).unwrap(), Put::Stored);

    // Full to the last page: entries are found, and can still be removed.
    let filler = mount.dir.path().join("filler");
    let _ = fs::copy(&large, &filler);
    assert!(store.get(Kind::Image, &key("fits")).is_some());
    assert_eq!(store.trim(300_000).unwrap().removed.entries, 1);
    assert_eq!(store.clear(None).unwrap().removed.entries, 1);
    assert_eq!(leftovers(&root), [] as [PathBuf; 0]);
}

/// Each step of a put fails once, as the disk has room for one file more each time.
#[test]
fn no_step_of_a_put_leaves_a_half_when_it_fails() {
    let _alone = alone();
    let Some(mount) = Mount::new("size=2m,nr_inodes=100") else {
        return;
    };
    let outside = tempfile::tempdir().unwrap();
    let source = outside.path().join("source");
    fs::write(&source, "image").unwrap();
    let root = mount.dir.path().join("cache");
    let store = Store::new(&root);
    let files = [("one", source.as_path()), ("two", source.as_path())];
    let mut failed = 0;
    for inodes in 2.. {
        mount.remount(&format!("nr_inodes={inodes}"));
        match store.put(Kind::Image, &key("a"), &files, &Value::Null) {
            Ok(put) => {
                assert_eq!(put, Put::Stored);
                break;
            }
            Err(error) => assert_eq!(error.source.kind(), std::io::ErrorKind::StorageFull),
        }
        failed += 1;
        assert!(store.get(Kind::Image, &key("a")).is_none());
        assert!(store.info().unwrap().is_empty());
        assert_eq!(leftovers(&root), [] as [PathBuf; 0]);
    }
    assert!(failed >= 8, "only {failed} steps failed");
    assert!(store.get(Kind::Image, &key("a")).is_some());
    assert!(store.remove(Kind::Image, &key("a")).unwrap());
}

#[test]
fn a_store_that_is_read_only_is_read() {
    let _alone = alone();
    let Some(mount) = Mount::new("size=2m") else {
        return;
    };
    let root = mount.dir.path().join("cache");
    let store = Store::new(&root);
    let outside = tempfile::tempdir().unwrap();
    let source = outside.path().join("source");
    fs::write(&source, "image").unwrap();
    let put = |name: &str| store.put(Kind::Image, &key(name), &[("f", &source)], &Value::Null);
    put("a").unwrap();
    put("broken").unwrap();
    fs::write(
        entry_dir(&root, Kind::Image, &key("broken")).join("files/f"),
        "IMAGE",
    )
    .unwrap();
    mount.remount("ro");

    for _ in 0..2 {
        let entry = store.get(Kind::Image, &key("a")).unwrap();
        assert_eq!(entry.read("f").unwrap(), b"image");
        assert!(store.get(Kind::Image, &key("broken")).is_none());
    }
    assert_eq!(put("a").unwrap(), Put::AlreadyThere);
    assert!(put("b").is_err());
    assert!(store.lock(Kind::Image, &key("a"), || true).is_err());
    assert!(store.remove(Kind::Image, &key("a")).is_err());
    let trimmed = store.trim(0).unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.kept.entries), (0, 2));
    assert_eq!(store.info().unwrap().len(), 2);
    mount.remount("rw");
    assert!(put("b").is_ok());
}
