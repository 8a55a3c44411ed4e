//! Julia's own parser has the last word on what is one call of `precompile`.

mod common;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pcrs_statements::{Line, code_in, parse_line};

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

/// Lets Julia read pairs of a line and the statement taken from it, and gives what it objects to.
fn objections(julia: &Path, name: &str, pairs: &[(String, String)]) -> Vec<String> {
    let mut text = String::new();
    for (found, statement) in pairs {
        writeln!(text, "{}\n{statement}", found.replace('\n', "\u{1}")).unwrap();
    }
    let file = std::env::temp_dir().join(format!("pcrs-{name}-{}.txt", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/julia.jl");
    let output = Command::new(julia)
        .args(["--startup-file=no", "--compile=min", "-O0"])
        .args([&script, &file])
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
    assert_eq!(
        lines.pop(),
        Some(format!("read {}", pairs.len())),
        "Julia stopped: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines
}

#[test]
fn julia_agrees_with_what_is_taken() {
    let Some(julia) = julia() else {
        println!("skipped: no Julia in JULIA, on the path or in .tools");
        return;
    };
    let count = std::env::var("PCRS_JULIA_LINES").map_or(20_000, |n| n.parse().unwrap());
    let seed = std::env::var("PCRS_JULIA_SEED").map_or(3, |n| n.parse().unwrap());
    let seeds = common::seeds();
    let mut random = common::Random::new(seed);
    let mut lines: Vec<String> = seeds.iter().map(|&seed| seed.to_owned()).collect();
    lines.extend((0..count).map(|i| common::mutate(&mut random, seeds[i % seeds.len()], &seeds)));
    check(&julia, "agrees", &lines);
}

#[test]
fn julia_agrees_on_where_lines_may_end() {
    let Some(julia) = julia() else {
        println!("skipped: no Julia in JULIA, on the path or in .tools");
        return;
    };
    let seeds = common::seeds();
    let mut random = common::Random::new(5);
    let mut lines = Vec::new();
    for &seed in &seeds {
        for (at, _) in seed.char_indices() {
            lines.push(format!("{}\n{}", &seed[..at], &seed[at..]));
        }
    }
    for i in 0..20_000 {
        let seed = seeds[i % seeds.len()];
        let line = if i % 2 == 0 {
            seed.to_owned()
        } else {
            common::mutate(&mut random, seed, &seeds)
        };
        lines.push(common::break_lines(&mut random, &line));
    }
    check(&julia, "line-ends", &lines);
}

/// The image process goes by the same list, by the tree that Julia's parser makes.
#[test]
fn julia_refuses_what_is_refused_here() {
    let Some(julia) = julia() else {
        println!("skipped: no Julia in JULIA, on the path or in .tools");
        return;
    };
    let mut seeds = common::seeds();
    seeds.extend([
        "precompile(Tuple{typeof(A.f), Int64}, (a, b), a.b)",
        "precompile(A.f, (Val{A.Point(x=1, y=A.Q{UInt8}(z=0x02))}, Val{A.Q{Int}(1)}))",
        "precompile(A.evil(1), (a + b, a[1], a', -a, !a, a == b, [a, b], a:b, (a..., 1), a in b))",
        "precompile(A.f, (Val{A.Point(a, A.evil(1))}, Val{a^2}, Val{A.Mine(1)}, Val{a(1)}))",
        "precompile(getfield(A, :f), (Val{2:3}, Val{1//2}, Val{'a'}, which(A.f, (Int,)), a(1)))",
    ]);
    let mut random = common::Random::new(11);
    let mut known = HashSet::new();
    let mut texts: Vec<String> = Vec::new();
    for i in 0..60_000 {
        let seed = seeds[i % seeds.len()];
        let line = if i < seeds.len() {
            seed.to_owned()
        } else {
            common::mutate(&mut random, seed, &seeds)
        };
        if let Line::Statement { text, .. } = parse_line(&line)
            && known.insert(text.clone().into_owned())
        {
            texts.push(text.into_owned());
        }
    }
    let file = std::env::temp_dir().join(format!("pcrs-refusals-{}.txt", std::process::id()));
    std::fs::write(&file, texts.join("\n") + "\n").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals.jl");
    let output = Command::new(julia)
        .args(["--startup-file=no", "-O0"])
        .args([&script, &file])
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = stdout.lines().collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines.pop(), Some("no code ran"), "{stderr}");
    assert_eq!(lines.len(), texts.len(), "{stderr}");
    let (mut read, mut refused) = (0, 0);
    for (text, outcome) in texts.iter().zip(lines) {
        read += usize::from(outcome == "read");
        refused += usize::from(outcome == "refused");
        if code_in(text).is_some() {
            assert_ne!(outcome, "read", "{text}");
        }
    }
    println!("{read} read and {refused} refused of {}", texts.len());
    assert!(read > 40 && refused > 100, "{read} and {refused}");
}

/// Fails with what Julia objects to in the statements taken from `lines`.
fn check(julia: &Path, name: &str, lines: &[String]) {
    let mut known = HashSet::new();
    let mut pairs = Vec::new();
    for line in lines {
        // Julia 1.5 takes a line end behind the call for a second expression.
        let line = line.trim_end();
        let Line::Statement { text, .. } = parse_line(line) else {
            continue;
        };
        if line.contains('\n') || known.insert(text.clone().into_owned()) {
            // Only where the call is the whole line does Julia read the same from it, and it takes a
            // type variable such as `#s45` for a comment.
            let whole = line.starts_with("precompile(")
                && !line.contains(['\u{1b}', '\r', ';'])
                && !line.contains("#s");
            pairs.push((
                if whole {
                    line.to_owned()
                } else {
                    String::new()
                },
                text.into_owned(),
            ));
        }
    }
    println!("{} statements", pairs.len());
    let objections = objections(julia, name, &pairs);
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}
