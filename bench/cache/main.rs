//! Measures the cache: `cargo bench -p pcrs-cache`, or `-- FOLDER` to measure in another file
//! system. Prints medians of rounds in which the ways that are compared take turns.

use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pcrs_cache::{Ignore, Key, KeyBuilder, Kind, Store, hash_file, hash_tree, include_closure};
use serde_json::Value;
use walkdir::{DirEntry, WalkDir};

const FILES: usize = 10_000;
const IMAGE: usize = 300_000_000;
const ROUNDS: usize = 11;

type Way<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Prints the median time of each way, and its ratio to the first.
fn compare(what: &str, mut ways: Vec<Way<'_>>) {
    println!("\n{what}");
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for ((_, run), times) in ways.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|times| {
            times.sort();
            times[ROUNDS / 2]
        })
        .collect();
    for ((name, _), (median, times)) in ways.iter().zip(medians.iter().zip(&times)) {
        let milliseconds = median.as_secs_f64() * 1e3;
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        let [least, most] = [times[0], times[ROUNDS - 1]].map(|t| t.as_secs_f64() * 1e3);
        println!("  {name:<44} {milliseconds:>9.2} ms  {ratio:>5.2}   ({least:.2} .. {most:.2})");
    }
}

/// Lets the compiler not leave out what made `value`.
fn keep<T>(value: T) {
    black_box(value);
}

/// A hundred packages of a hundred files of 0 to 12 kB, as Julia's are.
fn write_tree(dir: &Path) {
    for n in 0..FILES {
        let folder = dir.join(format!("P{}/src/part{}", n / 100, n % 7));
        fs::create_dir_all(&folder).unwrap();
        let text = format!("f{n}(x) = x + {n}\n");
        fs::write(folder.join(format!("f{n}.jl")), text.repeat(n * 31 % 600)).unwrap();
    }
}

fn entries(dir: &Path) -> Vec<DirEntry> {
    WalkDir::new(dir).into_iter().map(Result::unwrap).collect()
}

fn one_by_one(dir: &Path) -> Key {
    let mut builder = KeyBuilder::new("tree");
    for entry in WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            builder
                .file(&entry.path().to_string_lossy(), entry.path())
                .unwrap();
        }
    }
    builder.finish()
}

/// The least that a table of times has to do.
fn look_at_times(dir: &Path) -> u128 {
    let times = entries(dir).into_iter().map(|entry| {
        let modified = entry.metadata().unwrap().modified().unwrap();
        modified
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos()
    });
    times.sum()
}

fn write_image(path: &Path) {
    let words = (0..IMAGE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes());
    fs::write(path, words.collect::<Vec<_>>()).unwrap();
    File::open(path).unwrap().sync_all().unwrap();
}

fn trees(dir: &Path) {
    let tree = dir.join("tree");
    write_tree(&tree);
    compare(
        &format!("a tree of {FILES} files"),
        vec![
            ("one by one", Box::new(|| keep(one_by_one(&tree)))),
            (
                "hash_tree",
                Box::new(|| {
                    let hashed = hash_tree(&tree, &Ignore::default()).unwrap();
                    assert_eq!(hashed.files, FILES);
                }),
            ),
            (
                "only names",
                Box::new(|| assert!(entries(&tree).len() > FILES)),
            ),
            ("only times", Box::new(|| keep(look_at_times(&tree)))),
        ],
    );
}

fn images(dir: &Path) {
    let (image, copy) = (dir.join("image"), dir.join("copy"));
    write_image(&image);
    let store = Store::new(dir.join("cache"));
    let key = KeyBuilder::new("image").finish();
    let files = [("sys.so", image.as_path())];
    let put = || store.put(Kind::Image, &key, &files, &Value::Null).unwrap();
    put();
    let entry = store.get(Kind::Image, &key).unwrap();
    let other = KeyBuilder::new("other").finish();
    compare(
        &format!("an image of {} MB", IMAGE / 1_000_000),
        vec![
            ("hash_file", Box::new(|| keep(hash_file(&image).unwrap()))),
            (
                "get",
                Box::new(|| assert!(store.get(Kind::Image, &key).is_some())),
            ),
            (
                "copy_to",
                Box::new(|| {
                    let _ = fs::remove_file(&copy);
                    entry.copy_to("sys.so", &copy).unwrap();
                }),
            ),
            (
                "put",
                Box::new(|| {
                    store.remove(Kind::Image, &other).unwrap();
                    store
                        .put(Kind::Image, &other, &files, &Value::Null)
                        .unwrap();
                }),
            ),
            (
                "hard link",
                Box::new(|| {
                    let _ = fs::remove_file(&copy);
                    fs::hard_link(&image, &copy).unwrap();
                }),
            ),
        ],
    );
}

fn small_entries(dir: &Path) {
    let store = Store::new(dir.join("many"));
    let trace = dir.join("trace");
    fs::write(&trace, "precompile(f, (Int,))\n".repeat(1000)).unwrap();
    let key = |n: usize| KeyBuilder::new("trace").field("n", n.to_string()).finish();
    let put = |n| {
        store
            .put(Kind::Trace, &key(n), &[("trace", &trace)], &Value::Null)
            .unwrap()
    };
    for n in 0..1000 {
        put(n);
    }
    let mut next = 1000..;
    compare(
        "1000 entries of 22 kB",
        vec![
            (
                "get one",
                Box::new(|| assert!(store.get(Kind::Trace, &key(5)).is_some())),
            ),
            ("put one", Box::new(|| keep(put(next.next().unwrap())))),
            (
                "miss",
                Box::new(|| assert!(store.get(Kind::Image, &key(5)).is_none())),
            ),
            (
                "info",
                Box::new(|| assert!(store.info().unwrap().len() >= 1000)),
            ),
            (
                "trim of nothing",
                Box::new(|| keep(store.trim(u64::MAX).unwrap())),
            ),
        ],
    );
}

fn includes(dir: &Path) {
    let folder = dir.join("scripts");
    fs::create_dir(&folder).unwrap();
    let script = |n: usize| folder.join(format!("s{n}.jl"));
    let code = "# a comment\nf(x, y') = \"$(x + 1)\" * 'c'\n".repeat(100);
    for n in 0..1000 {
        let next = if n < 999 {
            format!("include(\"s{}.jl\")\n", n + 1)
        } else {
            String::new()
        };
        fs::write(script(n), code.clone() + &next).unwrap();
    }
    let first: PathBuf = script(0);
    compare(
        "1000 scripts of 4 kB, each included by another",
        vec![(
            "include_closure",
            Box::new(|| {
                assert_eq!(include_closure(&first).unwrap().files.len(), 1000);
            }),
        )],
    );
}

fn main() {
    // Cargo says `--bench`.
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(folder).unwrap();
    let threads = std::thread::available_parallelism().unwrap();
    println!(
        "{threads} threads, in {}; ratios are to the first line",
        dir.path().display()
    );
    trees(dir.path());
    includes(dir.path());
    small_entries(dir.path());
    images(dir.path());
}
