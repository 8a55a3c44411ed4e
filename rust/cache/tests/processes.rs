//! Several processes at one store, and processes that die.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use common::{Fixture, age, argument, key, leftovers, spawn};
use pcrs_cache::{Entry, Key, Kind, Put, Store};
use serde_json::json;

const KEYS: u8 = 4;

fn sized(n: u8) -> (Key, Vec<u8>) {
    // From less than a page to more than is copied at once.
    let size = [100, 70_000, 1_000_000, 3_000_000][n as usize];
    (key(&n.to_string()), vec![n; size])
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    (0..KEYS).map(|n| folder.join(n.to_string())).collect()
}

fn is_right(entry: &Entry, n: u8) -> bool {
    let (_, content) = sized(n);
    entry.meta() == &json!({"n": n})
        && ["one", "two"]
            .iter()
            .all(|name| entry.read(name).unwrap() == content)
}

/// Waits until the child says that it has begun.
fn ready(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("ready"))
        .unwrap()
        .unwrap();
}

/// Puts and removes without end, when it is started by the test below.
#[test]
fn child_that_puts() {
    let Some(folder) = argument() else { return };
    let folder = Path::new(&folder);
    let store = Store::new(folder.join("cache"));
    let sources = sources(folder);
    println!("ready");
    for n in (0..KEYS).cycle() {
        let (key, _) = sized(n);
        let source = sources[n as usize].as_path();
        let files = [("one", source), ("two", source)];
        let put = store.put(Kind::Image, &key, &files, &json!({"n": n}));
        if n % 2 == 0 || put.unwrap() == Put::AlreadyThere {
            store.remove(Kind::Image, &key).unwrap();
        }
    }
}

#[test]
fn killed_while_putting_leaves_whole_entries_or_none() {
    let fixture = Fixture::new();
    for n in 0..KEYS {
        fixture.source(&n.to_string(), &sized(n).1);
    }
    let folder = fixture.folder.path().to_str().unwrap();
    let (mut hits, mut misses, mut torn) = (0, 0, 0);
    for round in 0u64.. {
        if round >= 80 && hits > 0 && misses > 0 && torn > 0 {
            break;
        }
        assert!(
            round < 400,
            "{hits} whole entries, {misses} misses, {torn} puts torn"
        );
        let mut child = spawn("child_that_puts", folder);
        ready(&mut child);
        // Anywhere in the first puts, evenly: the steps of one take from 0.02 to 3 ms, and more where
        // the machine is busy or emulated.
        let most = 20_000 * (1 + round / 80);
        thread::sleep(Duration::from_micros(round * 7919 % most));
        child.kill().unwrap();
        child.wait().unwrap();
        torn += usize::from(!leftovers(&fixture.root()).is_empty());
        for n in 0..KEYS {
            match fixture.store.get(Kind::Image, &sized(n).0) {
                Some(entry) => {
                    assert!(is_right(&entry, n));
                    hits += 1;
                }
                None => misses += 1,
            }
        }
        // What the dead left is no obstacle, and goes once it is old enough to be sure.
        for dir in leftovers(&fixture.root()) {
            age::by_an_hour(&dir);
        }
        let n = (round % u64::from(KEYS)) as u8;
        let source = sources(fixture.folder.path())[n as usize].clone();
        let files = [("one", source.as_path()), ("two", source.as_path())];
        let put = fixture
            .store
            .put(Kind::Image, &sized(n).0, &files, &json!({"n": n}));
        put.unwrap();
        assert!(is_right(
            &fixture.store.get(Kind::Image, &sized(n).0).unwrap(),
            n
        ));
        fixture.store.trim(u64::MAX).unwrap();
        assert_eq!(leftovers(&fixture.root()), [] as [PathBuf; 0]);
        fixture.store.clear(None).unwrap();
    }
}

/// Puts what both put, when it is started by the test below.
#[test]
fn child_that_fills() {
    let Some(folder) = argument() else { return };
    let folder = Path::new(&folder);
    let store = Store::new(folder.join("cache"));
    let source = folder.join("source");
    println!("ready");
    while !folder.join("go").exists() {
        std::hint::spin_loop();
    }
    for n in 0..50 {
        let key = key(&n.to_string());
        let put = store
            .put(Kind::Image, &key, &[("one", &source)], &json!(n))
            .unwrap();
        let entry = store.get(Kind::Image, &key).unwrap();
        assert_eq!(entry.meta(), &json!(n));
        println!("put {}", u8::from(put == Put::Stored));
    }
}

#[test]
fn two_processes_fill_the_same_entries() {
    let fixture = Fixture::new();
    fixture.source("source", &vec![1; 500_000]);
    let folder = fixture.folder.path().to_str().unwrap();
    let mut children = [0, 1].map(|_| spawn("child_that_fills", folder));
    children.iter_mut().for_each(ready);
    fixture.source("go", b"");
    let mut stored = 0;
    for mut child in children {
        let mut output = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut output)
            .unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        stored += output.matches("put 1").count();
    }
    // Each was stored by one of the two, and by one alone.
    assert_eq!(stored, 50);
    assert_eq!(fixture.store.info().unwrap().len(), 50);
    assert_eq!(leftovers(&fixture.root()), [] as [PathBuf; 0]);
}

/// Builds what nobody has built yet, when it is started by the tests below.
#[test]
fn child_that_builds() {
    let Some(folder) = argument() else { return };
    let folder = Path::new(&folder);
    let store = Store::new(folder.join("cache"));
    println!("ready");
    let _lock = store
        .lock(Kind::Image, &key("a"), || false)
        .unwrap()
        .unwrap();
    println!("locked");
    if store.get(Kind::Image, &key("a")).is_some() {
        return;
    }
    thread::sleep(Duration::from_millis(300));
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("builds"));
    std::io::Write::write_all(&mut log.unwrap(), b"built\n").unwrap();
    store
        .put(Kind::Image, &key("a"), &[], &json!(null))
        .unwrap();
    thread::sleep(Duration::from_millis(if folder.join("hang").exists() {
        60_000
    } else {
        0
    }));
}

#[test]
fn builds_of_one_key_wait_for_the_first() {
    let fixture = Fixture::new();
    let folder = fixture.folder.path().to_str().unwrap();
    let children: Vec<_> = (0..4).map(|_| spawn("child_that_builds", folder)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let builds = fs::read_to_string(fixture.folder.path().join("builds")).unwrap();
    assert_eq!(builds, "built\n");
}

#[test]
fn a_lock_ends_with_its_process_and_waiting_can_be_stopped() {
    let fixture = Fixture::new();
    let folder = fixture.folder.path().to_str().unwrap();
    fixture.source("hang", b"");
    let mut child = spawn("child_that_builds", folder);
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("locked"))
        .unwrap()
        .unwrap();
    let store = &fixture.store;

    let mut asked = 0;
    let stop = || {
        asked += 1;
        asked == 4
    };
    assert!(store.lock(Kind::Image, &key("a"), stop).unwrap().is_none());
    assert_eq!(asked, 4);
    // Others are not held up.
    let asked = || panic!("somebody holds this lock");
    assert!(store.lock(Kind::Trace, &key("a"), asked).unwrap().is_some());

    // Being built: not removed.
    while store.get(Kind::Image, &key("a")).is_none() {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(store.trim(0).unwrap().kept.entries, 1);
    assert_eq!(store.clear(None).unwrap().removed.entries, 0);

    let killed = Instant::now();
    child.kill().unwrap();
    assert!(
        store
            .lock(Kind::Image, &key("a"), || false)
            .unwrap()
            .is_some()
    );
    assert!(killed.elapsed() < Duration::from_secs(5));
    child.wait().unwrap();
    assert_eq!(store.trim(0).unwrap().removed.entries, 1);
}

#[test]
fn sweeping_locks_lets_nobody_share_one() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let inside = std::sync::atomic::AtomicU32::new(0);
    let end = Instant::now() + Duration::from_millis(800);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while Instant::now() < end {
                    let past_end = || Instant::now() >= end;
                    let Some(lock) = store.lock(Kind::Image, &key("a"), past_end).unwrap() else {
                        return;
                    };
                    let before = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(before, 0);
                    thread::yield_now();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
        while Instant::now() < end {
            store.trim(u64::MAX).unwrap();
        }
    });
    store.trim(u64::MAX).unwrap();
    assert_eq!(
        fs::read_dir(fixture.root().join("v1/locks"))
            .unwrap()
            .count(),
        0
    );
}
