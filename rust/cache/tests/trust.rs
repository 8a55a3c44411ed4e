//! Who may write to what a store makes.

#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{Fixture, argument, key, spawn};
use pcrs_cache::{Kind, Store};
use serde_json::Value;

/// Files and folders below `root` that the group or others may write to.
fn open_to_others(root: &Path) -> Vec<String> {
    let all = walkdir::WalkDir::new(root).into_iter().flatten();
    all.filter(|entry| entry.metadata().unwrap().mode() & 0o022 != 0)
        .map(|entry| entry.path().display().to_string())
        .collect()
}

/// The umask belongs to the whole process, so this runs in one of its own.
#[test]
fn what_a_store_makes_is_its_users_alone_whatever_the_umask() {
    if let Some(root) = argument() {
        rustix::process::umask(rustix::fs::Mode::empty());
        let root = Path::new(&root);
        let file = root.join("image");
        fs::write(&file, "image").unwrap();
        for shared in [false, true] {
            let store = Store::new(root.join(shared.to_string())).shared(shared);
            let _lock = store.lock(Kind::Image, &key("a"), || false).unwrap();
            store
                .put(Kind::Image, &key("a"), &[("f", &file)], &Value::Null)
                .unwrap();
            assert!(store.get(Kind::Image, &key("a")).is_some());
        }
        return;
    }
    let fixture = Fixture::new();
    let root = fixture.folder.path();
    let name = "what_a_store_makes_is_its_users_alone_whatever_the_umask";
    let mut child = spawn(name, root.to_str().unwrap());
    assert!(child.wait().unwrap().success());
    let mine = open_to_others(&root.join("false/v1"));
    // A lock file holds nothing.
    let mine: Vec<_> = mine
        .iter()
        .filter(|path| !path.contains("/locks/"))
        .collect();
    assert_eq!(mine, [""; 0]);
    assert!(!open_to_others(&root.join("true/v1/image")).is_empty());
}
