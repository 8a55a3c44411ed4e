//! Statements that crash the compiler, hang it, or are none.

mod common;

use std::io::Write;

use common::script::{Condition, Step};
use common::steps::{
    append, at_statement, complain, copy, exit, fail_with, frames, hang, note, same, say, unless,
    when,
};
use common::{Built, CRASH, Fake, build, text};
use pcrs_engine::report::{BuildReport, Outcome};
use pcrs_engine::{ErrorKind, Stage};

fn outcomes(report: &BuildReport) -> Vec<(&str, Outcome)> {
    report
        .statements
        .entries
        .iter()
        .map(|entry| (entry.text.as_str(), entry.outcome))
        .collect()
}

/// How often the image process was started.
fn tries(fake: &Fake) -> usize {
    let started = fake.started();
    let image = started.iter().filter(|line| line.starts_with("image "));
    image.count()
}

#[test]
fn a_statement_that_crashes_the_compiler_is_left_out() {
    let fake = Fake::new();
    let crash = [complain("signal (11): Segmentation fault"), Step::Crash];
    fake.on("statement", [when(at_statement(2), crash)]);
    let built = fake.build();
    assert_eq!(built.warnings().len(), 1);
    let warning = built.warnings()[0].to_string();
    assert!(warning.contains("`precompile(g, (Int,))`"), "{warning}");
    let report = built.report();
    let expected = [
        ("precompile(f, (Int,))", Outcome::Precompiled),
        ("precompile(g, (Int,))", Outcome::Crashed),
        ("precompile(h, (Int,))", Outcome::Precompiled),
    ];
    assert_eq!(outcomes(&report), expected);
    let detail = &report.statements.entries[1].detail;
    assert!(detail.contains(CRASH), "{detail}");
    assert_eq!(tries(&fake), 2);
}

#[test]
fn a_statement_that_hangs_the_compiler_is_left_out() {
    let fake = Fake::new();
    fake.on("statement", [when(at_statement(3), [hang()])]);
    let mut plan = fake.plan();
    plan.statement_timeout = Some(2.0);
    let report = build(plan).report();
    let expected = [
        ("precompile(f, (Int,))", Outcome::Precompiled),
        ("precompile(g, (Int,))", Outcome::Precompiled),
        ("precompile(h, (Int,))", Outcome::TimedOut),
    ];
    assert_eq!(outcomes(&report), expected);
    let detail = &report.statements.entries[2].detail;
    assert!(detail.contains("2 s"), "{detail}");
    assert_eq!(tries(&fake), 2);
}

#[test]
fn a_statement_that_ends_julia_is_left_out() {
    let fake = Fake::new();
    let ends = [copy("$here/content", "$object"), exit(0)];
    fake.on("statement", [when(at_statement(2), ends)]);
    let report = fake.build().report();
    let expected = [
        ("precompile(f, (Int,))", Outcome::Precompiled),
        ("precompile(g, (Int,))", Outcome::Crashed),
        ("precompile(h, (Int,))", Outcome::Precompiled),
    ];
    assert_eq!(outcomes(&report), expected);
    let detail = &report.statements.entries[1].detail;
    assert!(detail.contains("`exit`"), "{detail}");
}

#[test]
fn a_script_that_ends_julia_fails_the_build() {
    let fake = Fake::new();
    let copied = copy("$here/content", "$object");
    fake.on("image", [note("phase", "script"), copied, exit(0)]);
    let mut plan = fake.plan();
    plan.script = Some(fake.write("script.jl", "exit()"));
    let said = text(&build(plan).error());
    assert!(said.contains("running the script"), "{said}");
    assert!(said.contains("`exit`"), "{said}");
}

#[test]
fn a_script_that_throws_is_told_that_no_package_has_been_initialised() {
    let fake = Fake::new();
    let error = complain("ERROR: no device");
    fake.on("image", [note("phase", "script"), error, exit(1)]);
    let mut plan = fake.plan();
    plan.script = Some(fake.write("script.jl", "Device.first()"));
    let said = text(&build(plan).error());
    assert!(said.contains("no device"), "{said}");
    assert!(said.contains("no package's `__init__` has run"), "{said}");
}

#[test]
fn crashes_and_hangs_may_follow_each_other() {
    let fake = Fake::new();
    let ends = [Step::Crash, hang(), exit(9)];
    let steps = (1..).zip(ends).map(|(n, end)| when(at_statement(n), [end]));
    fake.on("statement", steps.collect::<Vec<_>>());
    let mut plan = fake.plan();
    plan.statement_timeout = Some(2.0);
    let report = build(plan).report();
    let outcomes: Vec<Outcome> = outcomes(&report).into_iter().map(|(_, o)| o).collect();
    let expected = [Outcome::Crashed, Outcome::TimedOut, Outcome::Crashed];
    assert_eq!(outcomes, expected);
}

#[test]
fn no_statement_is_blamed_for_a_full_disk() {
    let fake = Fake::new();
    let error = complain("ERROR: SystemError: writing: No space left on device");
    fake.on("statement", [error, frames(40), exit(1)]);
    let built = fake.build();
    assert_eq!(built.warnings(), [""; 0]);
    let said = text(&built.error());
    assert!(said.contains("no space is left"), "{said}");
    assert_eq!(tries(&fake), 1);
}

#[test]
fn too_many_crashes_end_the_build() {
    let fake = Fake::new();
    let names: Vec<String> = (1..=30).map(|i| format!("f{i}, (Int,)")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fake.statements(&names);
    fake.on("statement", [Step::Crash]);
    let error = fake.build().error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Failed, Stage::Image));
    let said = text(&error);
    let expected = "21 statements crashed the compiler, the last `precompile(f21, (Int,))`";
    assert!(said.contains(expected), "{said}");
    assert!(said.contains(CRASH), "{said}");
    assert_eq!(tries(&fake), 21);
}

#[test]
fn a_crash_while_code_is_generated_is_blamed_on_no_statement() {
    let fake = Fake::new();
    fake.on("generate", [Step::Crash]);
    let error = fake.build().error();
    let said = text(&error);
    assert!(
        said.contains("generating the code of the image failed"),
        "{said}"
    );
    assert!(said.contains(CRASH), "{said}");
    assert!(!said.contains("precompile("), "{said}");
    assert_eq!(tries(&fake), 1);
}

#[test]
fn a_package_that_does_not_load_is_named() {
    let fake = Fake::new();
    fake.on("early", [append("$here/tries", "\n")]);
    let error = fail_with("ERROR: LoadError: no such thing");
    fake.on("load", [when(same("$name", "Asked"), error)]);
    let said = text(&fake.build().error());
    assert!(said.contains("loading the package `Asked`"), "{said}");
    assert!(said.contains("LoadError: no such thing"), "{said}");
    assert_eq!(fake.read("tries"), "\n");
}

#[test]
fn a_build_without_statements_succeeds() {
    let fake = Fake::new();
    std::fs::remove_file(fake.path("trace")).unwrap();
    let report = fake.build().report();
    assert!(report.statements.entries.is_empty());
    fake.statements(&[]);
    let report = fake.build().report();
    assert!(report.statements.entries.is_empty());
}

fn build_with_a_bad_line(fake: &Fake, strict: bool) -> Built {
    let mut plan = fake.plan();
    let lines = "precompile(k, (Int,))\nrm(\"x\")\nprecompile(k, (Int,))\n";
    plan.statement_files = vec![fake.write("mine.jl", lines)];
    plan.strict = strict;
    build(plan)
}

#[test]
fn a_line_that_is_no_statement_is_reported_with_its_place() {
    let fake = Fake::new();
    let built = build_with_a_bad_line(&fake, false);
    let warning = built.warnings().join("\n");
    assert!(warning.contains("mine.jl:2: `rm(\"x\")`"), "{warning}");
    let report = built.report();
    assert_eq!(report.statements.duplicates, 1);
    let rejected: Vec<_> = report
        .statements
        .entries
        .iter()
        .filter(|entry| entry.outcome == Outcome::Rejected)
        .collect();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].text, "rm(\"x\")");
    assert_eq!(rejected[0].source, fake.path("mine.jl"));
    assert_eq!(rejected[0].line, 2);
    assert!(!rejected[0].detail.is_empty());
    let added = outcomes(&report).iter().any(|(text, outcome)| {
        (*text, *outcome) == ("precompile(k, (Int,))", Outcome::Precompiled)
    });
    assert!(added);
}

#[test]
fn with_strict_a_line_that_is_no_statement_fails_the_build() {
    let fake = Fake::new();
    let said = text(&build_with_a_bad_line(&fake, true).error());
    assert!(said.contains("mine.jl:2: `rm(\"x\")`"), "{said}");
    assert_eq!(fake.left(), ["Image.so.log"]);
}

fn build_with_file(fake: &Fake, text: impl AsRef<[u8]>) -> Built {
    let mut plan = fake.plan();
    fake.statements(&[]);
    plan.statement_files = vec![fake.write("mine.jl", text)];
    build(plan)
}

#[test]
fn a_statements_file_without_statements_is_no_error() {
    let fake = Fake::new();
    for text in ["", "\n", "# none\n#= precompile(f, (Int,)) =#\n"] {
        let built = build_with_file(&fake, text);
        assert_eq!(built.warnings(), [""; 0], "{text:?}");
        let report = built.report();
        assert!(report.statements.entries.is_empty(), "{text:?}");
        assert_eq!(report.statements.duplicates, 0);
    }
}

#[test]
fn a_statement_that_would_run_code_is_not_evaluated() {
    let fake = Fake::new();
    let code = "precompile(Base.Set(Base.Generator(Base.run, (Base.Cmd([\"touch\", \"x\"]),))))";
    let report = build_with_file(&fake, format!("{code}\nprecompile(f, (Int,))\n")).report();
    let expected = [
        (code, Outcome::Rejected),
        ("precompile(f, (Int,))", Outcome::Precompiled),
    ];
    assert_eq!(outcomes(&report), expected);
    let detail = &report.statements.entries[0].detail;
    assert!(
        detail.starts_with("`Base.Set(`: Calls a function"),
        "{detail}"
    );
}

/// The entry of `statement` when the image process has said `result` of it.
fn said_of(statement: &str, result: &str) -> (Outcome, String) {
    let fake = Fake::new();
    fake.on("generate", [note("result", &format!("1 {result}"))]);
    let report = build_with_file(&fake, statement).report();
    let entry = &report.statements.entries[0];
    (entry.outcome, entry.detail.clone())
}

#[test]
fn what_only_the_image_process_can_refuse_is_rejected() {
    let (outcome, detail) = said_of(
        "precompile(f, (Val{A.Timer(0)},))",
        "rejected 0.1 `A.Timer(0)`",
    );
    assert_eq!(outcome, Outcome::Rejected);
    assert!(
        detail.starts_with("`A.Timer(0)`: Calls a function"),
        "{detail}"
    );
}

#[test]
fn a_package_that_is_not_in_the_image_is_to_be_added() {
    for statement in [
        "precompile(Distributed.start_worker, ())",
        "precompile(Tuple{Distributed.var\"#12#13\", Int64})",
        "precompile(Tuple{Distributed.var\"#f##kw\", Any, typeof(Distributed.f)})",
        "precompile(Tuple{typeof(Core.kwcall), Any, typeof(Distributed.f)})",
    ] {
        let (outcome, detail) = said_of(statement, "name_not_found 0.1 `Distributed`");
        assert_eq!(outcome, Outcome::NameNotFound, "{statement}: {detail}");
        let expected = "`Distributed` is not in the image; if it is a package";
        assert!(detail.starts_with(expected), "{statement}: {detail}");
    }
    // The module is there, so that the name may be another one by now.
    let statement = "precompile(Tuple{A.var\"#12#13\", Int64})";
    let (outcome, detail) = said_of(statement, "name_not_found 0.1 `#12#13`");
    assert_eq!(outcome, Outcome::Unportable, "{detail}");
}

#[test]
fn why_nothing_was_compiled_is_told() {
    let why = "`Number` stands for several types";
    let (outcome, detail) = said_of(
        "precompile(f, (Number,))",
        &format!("returned_false 0.1 {why}"),
    );
    assert_eq!((outcome, detail.as_str()), (Outcome::ReturnedFalse, why));
    let (outcome, detail) = said_of(
        "precompile(Tuple{A.var\"#12#13\", Int64})",
        "returned_false 0.1 no method takes these types",
    );
    assert_eq!(outcome, Outcome::Unportable);
    assert!(detail.contains("numbered by itself"), "{detail}");
}

#[test]
fn a_statement_over_several_lines_goes_in() {
    let fake = Fake::new();
    let report = build_with_file(
        &fake,
        "precompile(a, ())\nprecompile(\n    Tuple{\n        typeof(k), # of k\n        Int,\n    \
         },\n)\nprecompile(b, ())\n",
    )
    .report();
    let places: Vec<_> = report
        .statements
        .entries
        .iter()
        .map(|entry| (entry.text.as_str(), entry.outcome, entry.line))
        .collect();
    let expected = [
        ("precompile(a, ())", Outcome::Precompiled, 1),
        ("precompile(Tuple{typeof(k), Int})", Outcome::Precompiled, 2),
        ("precompile(b, ())", Outcome::Precompiled, 8),
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_file_of_200_megabytes_is_accounted_for() {
    const UNIQUE: usize = 100;
    // Long, so that an unoptimized reader is done soon.
    let types = "Base.Dict{String, Array{Float64, 1}}, ".repeat(50);
    let block: String = (0..UNIQUE)
        .map(|i| format!("precompile(Tuple{{typeof(f{i}), {types}Int}})\n"))
        .collect();
    let times = 200_000_000 / block.len() + 1;
    let fake = Fake::new();
    let path = fake.path("large.jl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for _ in 0..times {
        file.write_all(block.as_bytes()).unwrap();
    }
    let last = "precompile(\n  last,\n  (Int,),\n)\nprecompile(last, <1>)\nrm(\"x\")\n";
    file.write_all(last.as_bytes()).unwrap();
    file.into_inner().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 200_000_000);
    fake.statements(&[]);
    let mut plan = fake.plan();
    plan.statement_files = vec![path];
    let statements = build(plan).report().statements;
    assert_eq!(statements.duplicates as usize, (times - 1) * UNIQUE);
    let (lines, outcomes): (Vec<u32>, Vec<Outcome>) = statements
        .entries
        .iter()
        .map(|entry| (entry.line, entry.outcome))
        .unzip();
    assert_eq!(outcomes[..=UNIQUE], [Outcome::Precompiled; UNIQUE + 1]);
    assert_eq!(outcomes[UNIQUE + 1..], [Outcome::Rejected; 2]);
    let end = (times * UNIQUE) as u32;
    assert_eq!(lines[UNIQUE..], [end + 1, end + 5, end + 6]);
    let last = &statements.entries[UNIQUE].text;
    assert_eq!(last, "precompile(last, (Int,))");
}

#[test]
fn no_statement_is_missing_from_the_report() {
    const COUNT: usize = 12_000;
    let fake = Fake::new();
    let text: String = (0..COUNT)
        .map(|i| format!("output {i}\nprecompile(f{i}, <{i}>)\nprecompile(g, <1>)\n"))
        .collect();
    let built = build_with_file(&fake, text);
    let warning = built.warnings().join("\n");
    assert!(warning.contains("36000 lines were not taken"), "{warning}");
    let statements = built.report().statements;
    let of = |start: &str| {
        let rows = statements.entries.iter();
        rows.filter(|row| row.text.starts_with(start)).count()
    };
    assert_eq!(of("precompile(f"), COUNT);
    assert_eq!(of("precompile(g"), 1);
    assert_eq!(statements.duplicates as usize, COUNT - 1);
    // What is no statement is counted.
    assert_eq!(of("output "), 1000);
    let last = statements.entries.last().unwrap();
    assert_eq!(last.outcome, Outcome::Rejected);
    assert_eq!(
        (last.text.as_str(), last.line),
        ("and 11000 more lines", 3001)
    );
    assert!(last.detail.contains("not listed"), "{}", last.detail);
}

/// As LLVM ends the process that generates code, long after the statement that asked for it; a stack
/// trace follows.
fn llvm_gives_up() -> [Step; 6] {
    [
        say("LLVM ERROR: Cannot select: 0x5581: v2i64 = X86ISD::AESENC 0x5580, 0x5582"),
        say("In function: julia_bad_123"),
        say("[9] signal (6): Aborted"),
        frames(40),
        say("Allocations: 7"),
        Step::Crash,
    ]
}

#[test]
fn a_statement_for_what_llvm_cannot_compile_is_left_out() {
    let fake = Fake::new();
    fake.statements(&[
        "Tuple{typeof(A.good), Int64}",
        "Tuple{typeof(A.bad), Int64}",
        "Tuple{typeof(A.badly), Int64}",
    ]);
    fake.on("generate", [unless(Condition::Skipped(2), llvm_gives_up())]);
    let built = fake.build();
    let warnings = built.warnings().join("\n");
    let named = "`precompile(Tuple{typeof(A.bad), Int64})`";
    assert!(warnings.contains(named), "{warnings}");
    let report = built.report();
    let found: Vec<Outcome> = outcomes(&report).iter().map(|(_, o)| *o).collect();
    let expected = [Outcome::Precompiled, Outcome::Crashed, Outcome::Precompiled];
    assert_eq!(found, expected);
    let detail = &report.statements.entries[1].detail;
    assert!(detail.contains("LLVM cannot compile `bad`"), "{detail}");
    assert_eq!(tries(&fake), 2);
}

#[test]
fn what_llvm_cannot_compile_is_named_where_no_statement_asks_for_it() {
    let fake = Fake::new();
    fake.on("generate", llvm_gives_up());
    let error = fake.build().error();
    assert_eq!((error.kind, error.stage), (ErrorKind::Failed, Stage::Image));
    assert!(error.message.contains("function `bad`"), "{error}");
    assert!(text(&error).contains("Cannot select"), "{error}");
    let hint = error.hint.clone().unwrap();
    assert!(hint.contains("cpu_target"), "{hint}");
    assert_eq!(tries(&fake), 1);
}

#[test]
fn what_llvm_cannot_compile_without_its_statement_either_ends_the_build() {
    let fake = Fake::new();
    fake.statements(&["Tuple{typeof(A.bad), Int64}"]);
    fake.on("generate", llvm_gives_up());
    let error = fake.build().error();
    assert!(error.message.contains("function `bad`"), "{error}");
    assert_eq!(tries(&fake), 2);
}
