//! The store stays as small as it is asked to.

mod common;

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use common::{Fixture, content, key};
use pcrs_cache::{Kind, Totals};
use proptest::prelude::*;

impl Fixture {
    fn set_age(&self, kind: Kind, name: &str, seconds: u64) {
        let used = self.entry_dir(kind, &key(name)).join("used");
        let time = SystemTime::now() - Duration::from_secs(seconds);
        let file = File::options().append(true).open(used).unwrap();
        file.set_modified(time).unwrap();
    }
}

#[test]
fn trimming_starts_with_what_was_used_longest_ago() {
    let fixture = Fixture::new();
    for (name, kind, age) in [
        ("old", Kind::Trace, 300),
        ("older", Kind::Image, 400),
        ("young", Kind::Image, 100),
        ("oldest but got", Kind::Image, 500),
    ] {
        fixture.put(kind, &key(name), &[0; 10_000]);
        fixture.set_age(kind, name, age);
    }
    fixture
        .store
        .get(Kind::Image, &key("oldest but got"))
        .unwrap();
    let names = ["oldest but got", "young", "old", "older"].map(key);
    let listed: Vec<_> = fixture
        .store
        .info()
        .unwrap()
        .iter()
        .map(|e| e.key)
        .collect();
    assert_eq!(listed, names);

    let trimmed = fixture.store.trim(25_000).unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.kept.entries), (2, 0));
    assert!(trimmed.removed.bytes >= 20_000);
    let left: Vec<_> = fixture
        .store
        .info()
        .unwrap()
        .iter()
        .map(|e| e.key)
        .collect();
    assert_eq!(left, names[..2]);
    assert_eq!(
        fixture.store.trim(25_000).unwrap().removed,
        Totals::default()
    );
}

#[test]
fn entries_in_use_stay_and_others_go_in_their_place() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), &[0; 1000]);
    fixture.put(Kind::Image, &key("b"), &[0; 1000]);
    let first = fixture.store.get(Kind::Image, &key("a")).unwrap();
    fixture.set_age(Kind::Image, "a", 1000);
    let second = fixture.store.get(Kind::Image, &key("a")).unwrap();
    fixture.set_age(Kind::Image, "a", 1000);
    drop(first);
    let trimmed = fixture.store.trim(2000).unwrap();
    assert_eq!((trimmed.removed.entries, trimmed.kept.entries), (1, 1));
    assert_eq!(content(&second).len(), 1000);
    assert!(fixture.store.get(Kind::Image, &key("b")).is_none());
    assert!(!fixture.store.remove(Kind::Image, &key("a")).unwrap());
    drop(second);
    assert!(fixture.store.remove(Kind::Image, &key("a")).unwrap());
}

#[test]
fn an_entry_larger_than_the_bound_goes() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), &[0; 10_000]);
    assert_eq!(fixture.store.trim(9_999).unwrap().removed.entries, 1);
}

#[test]
fn damaged_entries_go_first() {
    let fixture = Fixture::new();
    for name in ["whole", "damaged"] {
        fixture.put(Kind::Image, &key(name), &[0; 1000]);
    }
    fs::remove_file(fixture.entry_dir(Kind::Image, &key("damaged")).join("used")).unwrap();
    fixture.set_age(Kind::Image, "whole", 1000);
    assert_eq!(fixture.store.trim(1500).unwrap().removed.entries, 1);
    assert!(fixture.store.get(Kind::Image, &key("whole")).is_some());
}

#[test]
fn what_is_not_ours_stays() {
    let fixture = Fixture::new();
    fixture.put(Kind::Image, &key("a"), b"image");
    let foreign = fixture.root().join("v1/image/README");
    let other_version = fixture.root().join("v0/image");
    fs::write(&foreign, "mine").unwrap();
    fs::create_dir_all(&other_version).unwrap();
    fixture.store.clear(None).unwrap();
    assert!(foreign.exists() && other_version.exists());
    assert_eq!(fixture.store.info().unwrap(), []);
}

#[test]
fn totals_and_clearing_are_by_kind() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.info().unwrap(), []);
    assert_eq!(
        fixture.store.clear(None).unwrap().removed,
        Totals::default()
    );
    fixture.put(Kind::Image, &key("a"), &[0; 1000]);
    fixture.put(Kind::Trace, &key("a"), &[0; 10]);
    fixture.put(Kind::Trace, &key("b"), &[0; 10]);
    let info = fixture.store.info().unwrap();
    let totals = Totals::by_kind(&info);
    assert_eq!(totals[&Kind::Trace].entries, 2);
    assert!(totals[&Kind::Image].bytes > 1000);
    assert!(info.iter().all(|entry| entry.meta["n"].is_u64()));
    assert!(
        info.iter()
            .all(|entry| entry.last_used.elapsed().unwrap().as_secs() < 60)
    );

    let cleared = fixture.store.clear(Some(Kind::Trace)).unwrap();
    assert_eq!(cleared.removed, totals[&Kind::Trace]);
    assert_eq!(fixture.store.info().unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn trimming_removes_the_oldest_and_no_more_than_needed(
        entries in prop::collection::vec((0..5000usize, 1..1000u64), 0..8), bound in 0..20_000u64,
    ) {
        let fixture = Fixture::new();
        for (n, (size, age)) in entries.iter().enumerate() {
            let name = n.to_string();
            fixture.put(Kind::Image, &key(&name), &vec![0; *size]);
            fixture.set_age(Kind::Image, &name, *age * 10 + n as u64);
        }
        let before = fixture.store.info().unwrap();
        fixture.store.trim(bound).unwrap();
        let after = fixture.store.info().unwrap();
        prop_assert_eq!(&before[..after.len()], &after[..]);
        let bytes = |n: usize| before[..n].iter().map(|entry| entry.bytes).sum::<u64>();
        prop_assert!(bytes(after.len()) <= bound);
        prop_assert!(after.len() == before.len() || bytes(after.len() + 1) > bound);
    }
}
