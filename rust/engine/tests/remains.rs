//! What dead builds left, and who else may write to the cache.

mod common;

use std::fs;
use std::path::PathBuf;

use common::steps::{copy, write};
use common::{Fake, age, build};
use pcrs_engine::BuildPlan;
use pcrs_engine::identity::cache;

fn plan(fake: &Fake) -> BuildPlan {
    let mut plan = fake.plan();
    plan.cache = fake.cache();
    plan
}

/// The work folder, as a build leaves it that ends with its machine, and its note in the cache.
fn die(fake: &Fake) -> PathBuf {
    let steps = [
        copy("$here/cache/work", "$here/notes"),
        copy("$work/lock", "$here/mark"),
        write("$here/folder", "$work"),
    ];
    fake.on("image", steps);
    build(plan(fake)).report();
    fake.on("image", []);
    let folder = PathBuf::from(fake.read("folder"));
    assert!(!folder.exists());
    assert_eq!(common::names(&fake.path("cache/work")), [""; 0]);
    fs::create_dir(&folder).unwrap();
    fs::copy(fake.path("mark"), folder.join("lock")).unwrap();
    fs::write(folder.join("object"), [0; 1000]).unwrap();
    age::by_an_hour(&folder);
    fs::remove_dir(fake.path("cache/work")).unwrap();
    fs::rename(fake.path("notes"), fake.path("cache/work")).unwrap();
    folder
}

#[test]
fn the_next_build_in_a_folder_sweeps_those_of_other_images() {
    let fake = Fake::new();
    let folder = die(&fake);
    let mut other = plan(&fake);
    other.sysimage_path = fake.path("target/Other.so");
    build(other).report();
    assert!(!folder.exists());
}

#[test]
fn clearing_the_cache_removes_work_folders_wherever_they_are() {
    let fake = Fake::new();
    let folder = die(&fake);
    // What bears no mark is not ours, whatever a note says.
    let foreign = fake.path("target/.Mine.so.build-1");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("lock"), "").unwrap();
    age::by_an_hour(&foreign);
    fs::write(
        fake.path("cache/work/foreign"),
        foreign.display().to_string(),
    )
    .unwrap();
    let size = cache::info(&fake.path("cache")).unwrap().kinds;
    let entries: u64 = size.iter().map(|kind| kind.bytes).sum();
    let cleared = cache::clear(&fake.path("cache"), false).unwrap();
    assert!(!folder.exists() && foreign.exists());
    assert!(cleared >= entries + 1000, "{cleared} and {entries}");
    assert_eq!(common::names(&fake.path("cache/work")), ["foreign"]);
    assert_eq!(cache::clear(&fake.path("cache"), false).unwrap(), 0);
}

#[test]
fn clearing_the_cache_removes_what_of_a_work_folder_could_not_be_removed() {
    let fake = Fake::new();
    let folder = die(&fake);
    // What is left when a file in it was in use: folders only, and no mark.
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(folder.join("linked")).unwrap();
    age::by_an_hour(&folder);
    cache::clear(&fake.path("cache"), false).unwrap();
    assert!(!folder.exists());
}

/// Modes, and owners by number, are Unix's.
#[cfg(unix)]
mod trust {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::path::Path;

    use pcrs_engine::report::Origin;

    use super::*;

    #[test]
    fn clearing_a_shared_cache_trusts_those_who_may_write_there() {
        let fake = Fake::new();
        let folder = die(&fake);
        let cache = fake.path("cache");
        set_mode(&cache, 0o777);
        cache::clear(&cache, false).unwrap();
        assert!(folder.exists());
        cache::clear(&cache, true).unwrap();
        assert!(!folder.exists());
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Builds twice, with another image in between, and says what came of the second and with which
    /// warnings.
    fn origin(fake: &Fake, plan: &BuildPlan) -> (Origin, Vec<String>) {
        fs::remove_file(fake.image()).unwrap();
        let built = build(plan.clone());
        let warnings = built.warnings().into_iter().map(String::from).collect();
        (built.report().origin, warnings)
    }

    #[test]
    fn a_cache_that_others_can_write_to_is_not_used() {
        let fake = Fake::new();
        let mut plan = plan(&fake);
        build(plan.clone()).report();
        let cache = fake.path("cache");
        for (folder, mode) in [("", 0o777), ("v1", 0o757), ("v1/image", 0o777)] {
            let folder = cache.join(folder);
            set_mode(&folder, mode);
            let (found, warnings) = origin(&fake, &plan);
            assert_eq!(found, Origin::Built);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("can be written by everybody"));
            assert!(warnings[0].contains("PCRS_CACHE_SHARED=1"));
            set_mode(&folder, 0o755);
        }
        assert_eq!(origin(&fake, &plan).0, Origin::Cached);
        // The user may say that they are trusted.
        set_mode(&cache, 0o777);
        if let Some(cache) = &mut plan.cache {
            cache.shared = true;
        }
        let verified = || {
            let started = fake.started();
            started
                .iter()
                .filter(|line| line.starts_with("verify "))
                .count()
        };
        let before = verified();
        assert_eq!(origin(&fake, &plan), (Origin::Cached, vec![]));
        // What they say of having tried it is not taken.
        assert_eq!(verified(), before + 1);
    }

    #[test]
    fn a_cache_of_another_user_or_group_is_not_used() {
        let fake = Fake::new();
        let plan = plan(&fake);
        build(plan.clone()).report();
        let cache = fake.path("cache");
        if chown(&cache, Some(12345), Some(12345)).is_err() {
            eprintln!("skipped: this user cannot give files away");
            return;
        }
        let (found, warnings) = origin(&fake, &plan);
        assert_eq!(found, Origin::Built);
        assert!(warnings[0].contains("belongs to another user (number 12345)"));
        // A group that may write, and is not the owner's own.
        chown(&cache, Some(0), Some(12345)).unwrap();
        set_mode(&cache, 0o775);
        let (found, warnings) = origin(&fake, &plan);
        assert_eq!(found, Origin::Built);
        assert!(warnings[0].contains("written by its group (number 12345)"));
        chown(&cache, Some(0), Some(0)).unwrap();
        assert_eq!(origin(&fake, &plan), (Origin::Cached, vec![]));
    }
}
