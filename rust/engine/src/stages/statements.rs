//! Merges what traces and statement files hold, and keeps account of what becomes of each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use pcrs_statements::classify::{Class, Hints, classify, starts_a_name};
use pcrs_statements::{Merged, SourceFile, SourceKind, code_in};

use super::about::Packages;
use super::{count, trace};
use crate::build::context::Context;
use crate::error::{BuildError, Stage};
use crate::plan::{BuildPlan, file_name};
use crate::report::{Outcome, StatementEntry, StatementReport};

/// The unique statements of a build, numbered from 1 as the lines of their file.
#[derive(Debug)]
pub struct Statements {
    merged: Merged,
    sources: Vec<Source>,
    file: PathBuf,
}

#[derive(Debug)]
struct Source {
    /// What the user knows it as: the workload of a trace, or the statement file.
    path: PathBuf,
    /// Made by Julia in this build: its lines mean nothing to the user.
    traced: bool,
    /// Derived from a trace, not written by it: no loss if it cannot be compiled.
    derived: bool,
    /// Of a test suite, which loads packages that are not meant for the image.
    of_tests: bool,
}

/// What the image process says of one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    pub outcome: Outcome,
    pub seconds: f64,
    pub detail: String,
}

impl Evaluated {
    /// Reads `number outcome seconds detail`, as `statements.jl` writes it.
    pub fn parse(text: &str) -> Option<(usize, Self)> {
        let mut parts = text.splitn(4, ' ');
        let number = parts.next()?.parse().ok()?;
        let outcome = match parts.next()? {
            "precompiled" => Outcome::Precompiled,
            "returned_false" => Outcome::ReturnedFalse,
            "name_not_found" => Outcome::NameNotFound,
            "error" => Outcome::Error,
            "rejected" => Outcome::Rejected,
            _ => return None,
        };
        let seconds = parts.next()?.parse().ok()?;
        let detail = parts.next().unwrap_or_default().to_string();
        Some((
            number,
            Self {
                outcome,
                seconds,
                detail,
            },
        ))
    }
}

/// Merges `traces`, which come from the plan's workloads in their order, the statement files, and those
/// of the layer that the traces were made on, which lack these.
///
/// # Errors
/// When a source cannot be read or the merged file cannot be written.
pub fn merge(
    ctx: &Context<'_>,
    traces: &[PathBuf],
    of_layer: Option<&Path>,
) -> Result<Statements, BuildError> {
    let plan = ctx.plan;
    let file = ctx.workspace.file("statements.jl");
    let mut inputs = Vec::new();
    let mut sources = Vec::new();
    let mut add = |path: &Path, kind, known_as: &Path, derived, of_tests| {
        inputs.push(SourceFile {
            path: path.to_path_buf(),
            kind,
        });
        sources.push(Source {
            path: known_as.to_path_buf(),
            traced: kind == SourceKind::Trace,
            derived,
            of_tests,
        });
    };
    let workload = |i: usize, trace: &PathBuf| match plan.workloads.get(i) {
        Some(workload) => (workload.file(), workload.is_test_suite()),
        None => (trace.clone(), false),
    };
    let traces = trace::written(Stage::Statements, traces)?;
    for (i, trace) in &traces {
        let (file, of_tests) = workload(*i, trace);
        add(trace, SourceKind::Trace, &file, false, of_tests);
    }
    if let Some(path) = of_layer {
        let (file, of_tests) = workload(0, &path.to_path_buf());
        add(path, SourceKind::Trace, &file, false, of_tests);
    }
    for path in &plan.statement_files {
        add(path, SourceKind::StatementFile, path, false, false);
    }
    for (i, trace) in &traces {
        let (file, of_tests) = workload(*i, trace);
        let variants = trace.with_extension("streams.jl");
        for_other_streams(trace, &variants)
            .map_err(|e| BuildError::io(Stage::Statements, "writing", &variants, &e))?;
        add(&variants, SourceKind::Trace, &file, true, of_tests);
    }
    let merged = pcrs_statements::merge(&inputs)
        .map_err(|e| BuildError::io(Stage::Statements, "reading", &e.path, &e.source))?;
    write(&file, &merged).map_err(|e| BuildError::io(Stage::Statements, "writing", &file, &e))?;
    let statements = Statements {
        merged,
        sources,
        file,
    };
    statements.warn_of_rejected(ctx);
    Ok(statements)
}

/// What `stdout` is in a traced child, and what it can be elsewhere: a terminal, a file.
const TRACED_STREAM: &str = "Base.PipeEndpoint";
const OTHER_STREAMS: [&str; 2] = ["Base.TTY", "Base.IOStream"];

/// Writes the statements of `trace` that are about its output, as they would be on other streams:
/// a child writes to a pipe, the user to a terminal, and each is compiled anew.
fn for_other_streams(trace: &Path, variants: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(variants)?);
    for line in BufReader::new(File::open(trace)?).split(b'\n') {
        let line = line?;
        if memchr::memmem::find(&line, TRACED_STREAM.as_bytes()).is_some() {
            let text = String::from_utf8_lossy(&line);
            for stream in OTHER_STREAMS {
                writeln!(out, "{}", text.replace(TRACED_STREAM, stream))?;
            }
        }
    }
    out.flush()
}

fn write(file: &Path, merged: &Merged) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for statement in merged.statements.iter() {
        writeln!(out, "{}", statement.text)?;
    }
    out.flush()
}

impl Statements {
    pub fn len(&self) -> usize {
        self.merged.statements.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Statements that are not evaluated, as their arguments would run code of somebody's choice.
    /// Where a name has to be known to tell, the image process refuses them.
    pub fn refused(&self) -> BTreeMap<usize, Evaluated> {
        let numbered = self.merged.statements.iter().enumerate();
        numbered
            .filter_map(|(index, statement)| {
                let code = code_in(statement.text)?;
                let refused = Evaluated {
                    outcome: Outcome::Rejected,
                    seconds: 0.0,
                    detail: format!("`{code}`"),
                };
                Some((index + 1, refused))
            })
            .collect()
    }

    /// Those that name one of the packages called `names`, or something of `Main`.
    pub fn naming(&self, names: &[&str]) -> BTreeMap<usize, Evaluated> {
        let named = |text: &str| {
            let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!'));
            words.any(|word| word == "Main" || names.contains(&word))
        };
        let numbered = self.merged.statements.iter().enumerate();
        numbered
            .filter(|(_, statement)| named(statement.text))
            .map(|(index, _)| {
                let above = Evaluated {
                    outcome: Outcome::NameNotFound,
                    seconds: 0.0,
                    detail: "it needs what is above this layer".into(),
                };
                (index + 1, above)
            })
            .collect()
    }

    /// The numbers of those that ask for code of the function `name`, as it is called without its
    /// module, or for one that takes keywords and hands them to it.
    pub fn of_function(&self, name: &str) -> Vec<usize> {
        let numbered = self.merged.statements.iter().enumerate();
        numbered
            .filter(|(_, statement)| asks_for(statement.text, name))
            .map(|(index, _)| index + 1)
            .collect()
    }

    /// The file of the merged statements, one a line.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The text of statement `number`.
    pub fn text(&self, number: usize) -> &str {
        self.merged
            .statements
            .get(number.wrapping_sub(1))
            .map_or("", |statement| statement.text)
    }

    fn source(&self, index: u32) -> PathBuf {
        self.sources
            .get(index as usize)
            .map(|source| source.path.clone())
            .unwrap_or_default()
    }

    /// The line in a file of the user's; 0 in a trace, which the user never sees.
    fn line(&self, index: u32, line: u32) -> u32 {
        let traced = self.sources.get(index as usize).is_some_and(|s| s.traced);
        if traced { 0 } else { line }
    }

    fn is_derived(&self, index: u32) -> bool {
        self.sources
            .get(index as usize)
            .is_some_and(|source| source.derived)
    }

    fn is_of_tests(&self, index: u32) -> bool {
        self.sources
            .get(index as usize)
            .is_some_and(|source| source.of_tests)
    }

    /// Users' own files may hold lines that they think do something; traces are Julia's.
    fn warn_of_rejected(&self, ctx: &Context<'_>) {
        let merged = &self.merged;
        if let Some(first) = merged.rejected.first() {
            let total = merged.rejected_total;
            ctx.warn(
                Stage::Statements,
                format!(
                    "{} not taken; the first is {}: `{}`: {}",
                    if total == 1 {
                        "1 line was".to_string()
                    } else {
                        format!("{total} lines were")
                    },
                    place(
                        &self.source(first.source),
                        self.line(first.source, first.line)
                    ),
                    first.text,
                    first.reason.sentence(),
                ),
            );
        }
    }

    /// One entry for each statement and each line that was not taken.
    pub fn report(
        &self,
        plan: &BuildPlan,
        mut outcomes: BTreeMap<usize, Evaluated>,
    ) -> StatementReport {
        let packages = Packages::of(plan);
        let mut entries: Vec<StatementEntry> = self
            .merged
            .statements
            .iter()
            .enumerate()
            .filter_map(|(index, statement)| {
                let evaluated = outcomes.remove(&(index + 1)).unwrap_or(Evaluated {
                    outcome: Outcome::Error,
                    seconds: 0.0,
                    detail: "the image process said nothing of it".into(),
                });
                let (mut outcome, mut detail) =
                    explain(plan, statement.text, evaluated.outcome, &evaluated.detail);
                if outcome == Outcome::NameNotFound && self.is_of_tests(statement.source) {
                    outcome = Outcome::ScriptLocal;
                    detail = format!("{detail}. Only the tests load it.");
                }
                if outcome != Outcome::Precompiled && self.is_derived(statement.source) {
                    return None;
                }
                Some(StatementEntry {
                    text: statement.text.to_string(),
                    outcome,
                    detail,
                    package: packages.named_in(statement.text),
                    source: self.source(statement.source),
                    line: self.line(statement.source, statement.line),
                    seconds: evaluated.seconds,
                })
            })
            .collect();
        let rejected = |text, detail: &str, source, line| StatementEntry {
            text,
            outcome: Outcome::Rejected,
            detail: detail.to_string(),
            package: None,
            source: self.source(source),
            line: self.line(source, line),
            seconds: 0.0,
        };
        entries.extend(self.merged.rejected.iter().map(|line| {
            let detail = line.reason.sentence();
            rejected(line.text.to_string(), detail, line.source, line.line)
        }));
        entries.extend(self.merged.unlisted.iter().map(|more| {
            let text = match more.lines {
                1 => "and 1 more line".to_string(),
                lines => format!("and {lines} more lines"),
            };
            rejected(text, UNLISTED, more.source, more.line)
        }));
        StatementReport {
            entries,
            duplicates: self.merged.duplicates + self.merged.rejected_again,
            residual: None,
            at_start: None,
        }
    }
}

/// Whether the statement `text` is about a method of the function `name`. Julia calls the body of a
/// function with keywords `#name#12`, and a closure `#12`, whose type is `#12#13`.
fn asks_for(text: &str, name: &str) -> bool {
    let called = called(text);
    let sorts_keywords = called.contains("kwcall") || called.contains("#kw");
    let place = if sorts_keywords { text } else { called };
    let body_of = name
        .strip_prefix('#')
        .and_then(|rest| rest.rsplit_once('#'))
        .map(|(outer, _)| outer)
        .filter(|outer| !outer.is_empty());
    holds_name(place, name) || body_of.is_some_and(|outer| holds_name(place, outer))
}

/// What a statement calls: the first part of its signature.
fn called(text: &str) -> &str {
    let text = text.strip_prefix("precompile(").unwrap_or(text);
    let text = text.strip_prefix("Tuple{").unwrap_or(text);
    let mut depth = 0;
    let end = text.find(|c| {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        depth < 0 || depth == 0 && c == ','
    });
    &text[..end.unwrap_or(text.len())]
}

/// Whether `name` stands in `text` as a name of its own.
fn holds_name(text: &str, name: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || c == '_' || c == '!';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(|c| continues(c) || c == '#') && !after.is_some_and(continues)
    })
}

/// What a user reads of [`pcrs_statements::Unlisted`].
const UNLISTED: &str = "None of these lines holds a `precompile(...)` call in UTF-8, so they are \
                        counted and not listed.";

/// `file:line`, or the file alone where the line means nothing.
fn place(source: &Path, line: u32) -> String {
    match line {
        0 => file_name(source),
        line => format!("{}:{line}", file_name(source)),
    }
}

/// What the text of a statement tells of it, for the Julia of `plan`.
pub fn hints(plan: &BuildPlan, text: &str) -> Hints {
    classify(text, (plan.julia.version.major, plan.julia.version.minor))
}

/// Gives a failure that the text explains its better name, and a sentence of help. `said` is what
/// the image process said of it.
fn explain(plan: &BuildPlan, text: &str, outcome: Outcome, said: &str) -> (Outcome, String) {
    let hints = hints(plan, text);
    let module = said.trim_matches('`');
    let named = match outcome {
        Outcome::Rejected => format!("{said}: {}", Class::CallsCode.sentence()),
        // Nothing in a module that is not there can be known to have another name.
        Outcome::NameNotFound if !hints.script_local && starts_a_name(text, module) => {
            let detail = format!(
                "{said} is not in the image; if it is a package or a standard library, add it to the \
                 packages of the image"
            );
            return (outcome, detail);
        }
        Outcome::NameNotFound => format!("{said} is not in the image"),
        _ => said.to_string(),
    };
    if !matches!(
        outcome,
        Outcome::NameNotFound | Outcome::ReturnedFalse | Outcome::Error
    ) {
        return (outcome, named);
    }
    let (outcome, class) = if hints.script_local {
        (Outcome::ScriptLocal, Class::ScriptLocal)
    } else if hints.other_version_format {
        (Outcome::Unportable, Class::OtherVersionFormat)
    } else if hints.gensym {
        (Outcome::Unportable, Class::Gensym)
    } else {
        return (outcome, named);
    };
    (outcome, format!("{named}. {}", class.sentence()))
}

/// # Errors
/// With `strict`, when a statement is not in the image.
pub fn enforce(plan: &BuildPlan, report: &StatementReport) -> Result<(), BuildError> {
    if !plan.strict {
        return Ok(());
    }
    let Some(first) = report.missing().next() else {
        return Ok(());
    };
    Err(BuildError::failed(
        Stage::Statements,
        format!(
            "{} not precompiled",
            count(report.missing().count(), "statement")
        ),
    )
    .because(format!(
        "the first is {}: `{}`: {}",
        place(&first.source, first.line),
        first.text,
        first.detail
    ))
    .hint("mend or remove it, or build with `strict=false`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_about_the_function_it_calls() {
        for (text, name) in [
            ("precompile(Tuple{typeof(A.bad), Int64})", "bad"),
            ("precompile(bad, (Int,))", "bad"),
            ("precompile(Tuple{A.var\"#3#4\"{Int64}, Int64})", "#3"),
            (
                "precompile(Tuple{typeof(A.var\"#bad#5\"), Int64})",
                "#bad#5",
            ),
            ("precompile(Tuple{typeof(A.bad), Int64})", "#bad#5"),
            (
                "precompile(Tuple{typeof(Core.kwcall), NamedTuple{(:a,), Tuple{Int64}}, typeof(A.bad)})",
                "#bad#5",
            ),
            ("precompile(Tuple{Type{A.T{Int64, 2}}, Int64})", "T"),
            ("precompile(Tuple{typeof(Base.:(+)), A.X, Int64})", "+"),
        ] {
            assert!(asks_for(text, name), "{text} {name}");
        }
        for (text, name) in [
            ("precompile(Tuple{typeof(A.badly), Int64})", "bad"),
            ("precompile(Tuple{typeof(A.not_bad), Int64})", "bad"),
            ("precompile(Tuple{typeof(A.good), typeof(A.bad)})", "bad"),
            ("precompile(Tuple{typeof(A.var\"#bad#5\"), Int64})", "bad"),
            ("precompile(Tuple{A.var\"#13#14\", Int64})", "#3"),
        ] {
            assert!(!asks_for(text, name), "{text} {name}");
        }
    }
}
