//! What the tests share.
#![allow(dead_code)] // Each test file uses its own part.

pub mod age;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pcrs_cache::{Entry, Key, KeyBuilder, Kind, Put, Store};
use serde_json::json;
use tempfile::TempDir;

pub struct Fixture {
    pub folder: TempDir,
    pub store: Store,
    _alone: MutexGuard<'static, ()>,
}

/// Keeps other tests of the file from starting processes: between `fork` and `exec`, a child holds
/// copies of all open files, so space is freed a little later than the test expects.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fixture {
    pub fn new() -> Self {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("cache"));
        Self {
            folder,
            store,
            _alone,
        }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub fn source(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Puts an entry with two files.
    pub fn put(&self, kind: Kind, key: &Key, content: &[u8]) {
        let (a, b) = (self.source("a", content), self.source("b", b"second"));
        let files = [("sys.so", a.as_path()), ("notes", b.as_path())];
        let put = self
            .store
            .put(kind, key, &files, &json!({"n": content.len()}));
        assert_eq!(put.unwrap(), Put::Stored);
    }

    pub fn entry_dir(&self, kind: Kind, key: &Key) -> PathBuf {
        entry_dir(&self.root(), kind, key)
    }
}

pub fn entry_dir(root: &Path, kind: Kind, key: &Key) -> PathBuf {
    root.join("v1").join(kind.name()).join(key.to_string())
}

pub fn key(name: &str) -> Key {
    KeyBuilder::new("test").field("name", name).finish()
}

/// What an entry holds, once it is checked to be what [`Fixture::put`] puts.
pub fn content(entry: &Entry) -> Vec<u8> {
    assert_eq!(entry.read("notes").unwrap(), b"second");
    let content = entry.read("sys.so").unwrap();
    assert_eq!(entry.meta(), &json!({"n": content.len()}));
    content
}

/// Folders and files that are on their way in or out.
pub fn leftovers(root: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(root.join("v1/tmp")).into_iter().flatten();
    listed.map(|entry| entry.unwrap().path()).collect()
}

/// Runs the test `name` of this test file in a process of its own, which finds `argument` in
/// [`argument`].
pub fn spawn(name: &str, argument: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("PCRS_CACHE_TEST", argument)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the process was started for; `None` in the process that runs all tests.
pub fn argument() -> Option<String> {
    std::env::var("PCRS_CACHE_TEST").ok()
}

/// A small file system of its own, while it lives.
pub struct Mount {
    pub dir: TempDir,
}

impl Mount {
    /// `None`, with a word to the reader, where this user may not mount.
    pub fn new(options: &str) -> Option<Self> {
        let mount = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        if mount.run("mount", &["-t", "tmpfs", "-o", options, "none"]) {
            Some(mount)
        } else {
            println!("skipped: mounting a tmpfs is not permitted");
            None
        }
    }

    pub fn remount(&self, options: &str) {
        assert!(self.run("mount", &["-o", &format!("remount,{options}")]));
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.dir.path());
        command.stderr(Stdio::null());
        cfg!(target_os = "linux") && command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.run("umount", &["-l"]);
    }
}
