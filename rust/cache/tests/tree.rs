//! A tree's key changes with what is in it, and with nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use pcrs_cache::{Ignore, Key, Stop, Tree, hash_tree, hash_tree_until};
use proptest::prelude::*;
use tempfile::TempDir;

fn tree(dir: &Path) -> Tree {
    hash_tree(dir, &Ignore::default()).unwrap()
}

fn key(dir: &Path) -> Key {
    tree(dir).key
}

/// Writes files by relative path.
fn write<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

const PACKAGE: [(&str, &str); 4] = [
    ("Project.toml", "name = \"A\""),
    ("Manifest.toml", ""),
    ("src/A.jl", "module A end"),
    ("src/deep/b.jl", "b"),
];

#[test]
fn each_change_changes_the_key_and_undoing_it_brings_it_back() {
    let dir = write(PACKAGE);
    let path = |name: &str| dir.path().join(name);
    let before = tree(dir.path());
    assert_eq!(before.files, 4);
    let mut seen = vec![before.key];
    let mut changed = |what: &str| {
        let key = key(dir.path());
        assert!(!seen.contains(&key), "{what}");
        seen.push(key);
    };

    fs::write(path("src/A.jl"), "module A enD").unwrap();
    changed("a byte");
    fs::write(path("src/A.jl"), "module A end").unwrap();
    fs::rename(path("src/A.jl"), path("src/B.jl")).unwrap();
    changed("a name");
    fs::rename(path("src/B.jl"), path("A.jl")).unwrap();
    changed("a place");
    fs::create_dir(path("src/A.jl")).unwrap();
    changed("a folder in place of a file");
    fs::remove_dir(path("src/A.jl")).unwrap();
    fs::rename(path("A.jl"), path("src/A.jl")).unwrap();
    fs::create_dir(path("empty")).unwrap();
    changed("an empty folder");
    fs::remove_dir(path("empty")).unwrap();
    fs::write(path("empty"), "").unwrap();
    changed("an empty file");
    fs::remove_file(path("empty")).unwrap();
    fs::write(path("Manifest.toml"), "[deps]").unwrap();
    changed("the manifest");
    fs::write(path("Manifest.toml"), "").unwrap();

    assert_eq!(tree(dir.path()), before);
}

#[test]
fn times_and_the_place_of_the_tree_do_not_count() {
    let (dir, copy) = (write(PACKAGE), write(PACKAGE.into_iter().rev()));
    let old = SystemTime::now() - Duration::from_secs(1_000_000);
    let file = File::options()
        .append(true)
        .open(dir.path().join("src/A.jl"));
    file.unwrap().set_modified(old).unwrap();
    assert_eq!(key(dir.path()), key(copy.path()));
}

#[test]
fn content_does_not_pass_for_a_name() {
    let trees = [
        write([("a", "b"), ("c", "d")]),
        write([("a", "bc"), ("d", "")]),
        write([("ab", ""), ("cd", "")]),
        write([("a/b", ""), ("c", "d")]),
        write([("a", ""), ("b", ""), ("c", "d")]),
    ];
    let mut keys: Vec<_> = trees.iter().map(|dir| key(dir.path())).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), trees.len());
}

#[test]
fn litter_is_ignored_and_what_looks_like_it_is_not() {
    let dir = write(PACKAGE);
    let before = key(dir.path());
    for name in [
        ".git/HEAD",
        "src/.git/HEAD",
        "src/A.jl~",
        ".#A.jl",
        "src/#A.jl#",
        ".A.jl.swp",
        "src/.DS_Store",
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        assert_eq!(key(dir.path()), before, "{name}");
    }
    // A worktree has a file there.
    fs::remove_dir_all(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join(".git"), "gitdir: ..").unwrap();
    assert_eq!(key(dir.path()), before);
    for name in [".gitignore", "git", "#", "A.swp", "~a", ".hidden/x"] {
        let now = key(dir.path());
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        assert_ne!(key(dir.path()), now, "{name}");
    }
}

#[test]
fn ignored_paths_are_found_whatever_leads_to_them() {
    let dir = write(PACKAGE);
    let before = key(dir.path());
    let ignore = Ignore::default()
        .path(dir.path().join("out/../sys.so"))
        .path(dir.path().join("build"))
        .path("/nowhere/x");
    fs::create_dir_all(dir.path().join("build/deep")).unwrap();
    fs::write(dir.path().join("build/deep/x"), "x").unwrap();
    fs::write(dir.path().join("sys.so"), "x").unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    assert_ne!(key(dir.path()), before);
    fs::remove_dir(dir.path().join("out")).unwrap();
    // Once the folder on its way is gone, the path leads nowhere; but Windows looks for no such folder.
    let key_now = hash_tree(dir.path(), &ignore).unwrap().key;
    assert_eq!(key_now == before, cfg!(windows));
    let ignore = ignore.path(dir.path().join("src/../sys.so"));
    assert_eq!(hash_tree(dir.path(), &ignore).unwrap().key, before);
    // Nothing else of that name.
    fs::write(dir.path().join("src/sys.so"), "x").unwrap();
    assert_ne!(hash_tree(dir.path(), &ignore).unwrap().key, before);
}

#[test]
fn what_is_no_folder_is_an_error_that_names_it() {
    let dir = write(PACKAGE);
    for name in ["gone", "Project.toml"] {
        let path = dir.path().join(name);
        let error = hash_tree(&path, &Ignore::default()).unwrap_err();
        assert_eq!(error.path, path);
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn the_executable_bit_counts_and_other_permissions_do_not() {
        let dir = write(PACKAGE);
        let file = dir.path().join("src/A.jl");
        let with = |mode| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            key(dir.path())
        };
        assert_eq!(with(0o644), with(0o600));
        assert_ne!(with(0o644), with(0o755));
    }

    #[test]
    fn links_count_by_where_they_lead_and_what_file_is_there() {
        let (dir, other) = (write(PACKAGE), write([("x/data", "1")]));
        let link = dir.path().join("link");
        let mut seen = vec![key(dir.path())];
        let mut changed = |target: &Path| {
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            let tree = tree(dir.path());
            assert!(!seen.contains(&tree.key), "{}", target.display());
            seen.push(tree.key);
            tree
        };
        assert_eq!(changed(Path::new("src/A.jl")).files, 5);
        changed(Path::new("./src/A.jl"));
        changed(Path::new("nowhere"));
        changed(Path::new("link"));
        assert_eq!(changed(Path::new("src")).unfollowed, [] as [&Path; 0]);
        assert_eq!(changed(Path::new(".")).files, 4);
        let outside = changed(&other.path().join("x"));
        assert_eq!(
            (outside.files, outside.unfollowed.as_slice()),
            (4, &[link.clone()][..])
        );

        let target = other.path().join("x/data");
        let before = changed(&target);
        fs::write(&target, "2").unwrap();
        assert_ne!(tree(dir.path()).key, before.key);
    }

    #[test]
    fn a_tree_reached_by_a_link_is_the_same_tree() {
        let dir = write(PACKAGE);
        let aside = tempfile::tempdir().unwrap();
        let link = aside.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert_eq!(tree(&link), tree(dir.path()));
        // And so are the paths in it.
        fs::write(dir.path().join("sys.so"), "x").unwrap();
        let ignore = Ignore::default().path(link.join("sys.so"));
        let key = hash_tree(dir.path(), &ignore).unwrap().key;
        assert_ne!(tree(dir.path()).key, key);
        let ignore = Ignore::default().path(dir.path().join("sys.so"));
        assert_eq!(hash_tree(&link, &ignore).unwrap().key, key);
    }

    #[test]
    fn pipes_do_not_block_and_odd_names_are_taken() {
        let dir = write(PACKAGE);
        let before = key(dir.path());
        let made = Command::new("mkfifo").arg(dir.path().join("pipe")).status();
        assert!(made.unwrap().success());
        let with_pipe = key(dir.path());
        assert_ne!(with_pipe, before);
        let odd = std::ffi::OsStr::from_bytes(b"\xff \n'\"");
        fs::write(dir.path().join(odd), "").unwrap();
        assert_ne!(key(dir.path()), with_pipe);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
        let dir = write(PACKAGE);
        // Reading it fails whoever reads.
        let link = dir.path().join("src/unreadable");
        symlink("/proc/self/mem", &link).unwrap();
        let error = hash_tree(dir.path(), &Ignore::default()).unwrap_err();
        assert_eq!(error.path, link);
        assert!(error.to_string().starts_with("reading `"));
    }
}

#[test]
fn many_files_are_hashed_as_one_by_one() {
    let files: Vec<_> = (0..1000)
        .map(|n| (format!("d{}/f{n}", n % 37), n.to_string()))
        .collect();
    let dir = write(
        files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_str())),
    );
    let first = tree(dir.path());
    assert_eq!(first.files, 1000);
    for _ in 0..5 {
        assert_eq!(tree(dir.path()), first);
    }
    fs::write(dir.path().join("d5/f5"), "6").unwrap();
    assert_ne!(key(dir.path()), first.key);
}

fn files() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[ab]{1,2}(/[ab.]?[xy]{1,2}){0,2}", "[01]{0,2}", 1..6).prop_filter(
        "a file is no folder",
        |files| {
            let is_folder = |name: &str| files.keys().any(|k| k.starts_with(&format!("{name}/")));
            !files.keys().any(|name| is_folder(name))
        },
    )
}

fn write_map(files: &BTreeMap<String, String>) -> TempDir {
    write(
        files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_str())),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn keys_are_equal_when_all_files_are(left in files(), right in files()) {
        let (a, b) = (write_map(&left), write_map(&right));
        prop_assert_eq!(key(a.path()) == key(b.path()), left == right);
        prop_assert_eq!(key(a.path()), key(write_map(&left).path()));
    }

    #[test]
    fn one_byte_of_one_file_counts(
        files in files(), which in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let dir = write_map(&files);
        let before = key(dir.path());
        let name = files.keys().nth(which.index(files.len())).unwrap();
        let path = dir.path().join(name);
        let mut content = fs::read(&path).unwrap();
        match content.first_mut() {
            Some(byte) => *byte ^= flip,
            None => content.push(flip),
        }
        fs::write(&path, content).unwrap();
        prop_assert_ne!(key(dir.path()), before);
    }
}

#[test]
fn hashing_ends_when_it_is_told_to_and_gives_no_key() {
    let dir = write(PACKAGE);
    // More than any machine reads; it takes no room.
    let huge = File::create(dir.path().join("src/huge")).unwrap();
    huge.set_len(1 << 42).unwrap();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let hashing = scope.spawn(|| hash_tree_until(dir.path(), &Ignore::default(), &stop));
        stop.set();
        assert!(hashing.join().unwrap().is_err());
    });
}
