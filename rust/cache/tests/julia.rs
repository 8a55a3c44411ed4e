//! Julia's own parser has the last word on what its sources include.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pcrs_cache::include_closure;

/// The Julia to ask: `JULIA`, the one on the path, or the one that the workspace keeps for tests.
fn julia() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = manifest.join("../../.tools/julia-1.5.3/bin/julia");
    let runs = |path: &PathBuf| {
        let version = Command::new(path).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    let named = std::env::var_os("JULIA").map(PathBuf::from);
    named.into_iter().chain(["julia".into(), kept]).find(runs)
}

fn run(julia: &Path, arguments: &[&str]) -> String {
    let output = Command::new(julia)
        .args(["--startup-file=no", "-O0"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[derive(Default)]
struct Sites {
    code: Vec<PathBuf>,
    data: Vec<PathBuf>,
}

/// Every file that `script` leads to, there or not.
fn closure(script: &Path, sites: &BTreeMap<PathBuf, Sites>) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::from([script.to_path_buf()]);
    let mut searched = BTreeSet::new();
    let mut open = vec![script];
    while let Some(file) = open.pop() {
        if let Some(sites) = sites.get(file).filter(|_| searched.insert(file)) {
            all.extend(sites.code.iter().chain(&sites.data).cloned());
            open.extend(sites.code.iter().map(PathBuf::as_path));
        }
    }
    all
}

#[test]
fn julia_agrees_on_what_its_own_sources_include() {
    let Some(julia) = julia() else {
        println!("skipped: no Julia in JULIA, on the path or in .tools");
        return;
    };
    let share = run(
        &julia,
        &[
            "-e",
            "print(realpath(joinpath(Sys.BINDIR, Base.DATAROOTDIR, \"julia\")))",
        ],
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/julia.jl");
    let mut sites = BTreeMap::<PathBuf, Sites>::new();
    for line in run(&julia, &[script.to_str().unwrap(), &share]).lines() {
        let mut fields = line.split('\t');
        let found = sites.entry(fields.next().unwrap().into()).or_default();
        match (fields.next(), fields.next()) {
            (Some("include"), Some(path)) => found.code.push(path.into()),
            (Some(_), Some(path)) => found.data.push(path.into()),
            _ => {}
        }
    }
    assert!(!sites.is_empty());
    let included: BTreeSet<_> = sites.values().flat_map(|found| &found.code).collect();
    // The others are searched on the way.
    for file in sites.keys().filter(|file| !included.contains(file)) {
        let found = include_closure(file).unwrap();
        let missing = found.missing.into_iter().map(|site| site.text.into());
        let ours: BTreeSet<PathBuf> = found.files.into_iter().chain(missing).collect();
        assert_eq!(ours, closure(file, &sites), "{}", file.display());
    }
    println!("{} files", sites.len());
}
