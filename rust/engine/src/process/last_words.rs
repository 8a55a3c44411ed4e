//! What of a child's output tells why it failed.

use std::collections::VecDeque;

/// Lines of output kept for an error, and how many bytes of each.
const TAIL: usize = 30;
const TAIL_LINE: usize = 2000;
/// Characters of a line that a cause gives.
const QUOTED: usize = 300;

#[derive(Debug, Clone, Default)]
pub struct LastWords {
    /// The last lines.
    pub tail: VecDeque<String>,
    /// The last line that names an error, but for those that only follow from it; a stack trace below
    /// it may be longer than the tail.
    pub error: Option<String>,
    /// The package that did not precompile.
    pub package: Option<String>,
    /// The function that LLVM gave up at, by its name in Julia.
    pub function: Option<String>,
    /// FILE:LINE of what ran when a signal ended Julia, which says so above its backtrace.
    pub crashed_at: Option<String>,
    /// The targets of an image with no code for the CPU that it was to start on.
    pub targets: Vec<String>,
}

impl LastWords {
    pub fn take(&mut self, line: String) {
        let line = clipped(line);
        if let Some(place) = line.strip_prefix(CRASHED_AT)
            && place != "none:0"
        {
            self.crashed_at = Some(quoted(place));
        }
        if let Some(name) = compiled_function(&line) {
            self.function.get_or_insert_with(|| name.to_string());
        }
        if let Some(name) = rejected_target(&line)
            && !self.targets.iter().any(|known| known == name)
        {
            self.targets.push(name.to_string());
        }
        self.take_parse_error(&line);
        self.take_what_is_announced(&line);
        // Julia shows the error on the line below.
        let fatal = |above: &String| above.starts_with("fatal: error thrown");
        if names_an_error(&line) || self.tail.back().is_some_and(fatal) {
            match not_precompiled(&line) {
                // The reason stands above it, as each dependent package says this of the next.
                Some(package) if self.error.is_some() => {
                    self.package.get_or_insert_with(|| package.to_string());
                }
                _ => {
                    self.error = Some(line.clone());
                    self.package = None;
                }
            }
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// Of a file that cannot be parsed Julia says the place and the reason below the error (since 1.10).
    fn take_parse_error(&mut self, line: &str) {
        let Some(error) = &mut self.error else { return };
        let at = line.trim_start().strip_prefix("# Error @ ");
        if error.ends_with(PARSE_ERROR)
            && let Some(place) = at
        {
            error.push_str(&format!(" at {}", place.trim_end()));
        } else if let Some((_, rest)) = error.rsplit_once(PARSE_ERROR)
            && rest.starts_with(" at ")
            && !rest.contains(REASON)
            && let Some((_, reason)) = line.split_once("── ")
        {
            error.push_str(REASON);
            error.push_str(reason.trim());
        }
    }

    /// Of some errors the line only announces what the next ones say, as Pkg's of what does not fit together, and
    /// Distributed's of a worker.
    fn take_what_is_announced(&mut self, line: &str) {
        let Some(error) = &mut self.error else { return };
        let line = line.trim();
        let announces = error.ends_with(':') && !error.ends_with(PARSE_ERROR);
        if line.starts_with("Stacktrace:") {
            error.truncate(error.trim_end_matches(':').len());
        } else if announces && !line.is_empty() && !names_an_error(line) && error.len() < QUOTED {
            error.push(' ');
            error.push_str(line);
        }
    }

    /// The error in the child's own words.
    pub fn error(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let words = error.trim().trim_start_matches("ERROR: ");
        // What was announced did not come.
        let words = words.trim_end_matches(':');
        let words = quoted(words);
        Some(match &self.package {
            Some(package) => format!("`{package}` does not precompile: {words}"),
            None => words,
        })
    }

    /// The last line that says anything, whatever it is.
    pub fn last(&self) -> Option<String> {
        let mut lines = self.tail.iter().rev().map(|line| line.trim());
        lines.find(|line| !line.is_empty()).map(quoted)
    }

    /// Whether a line of those that are known has one of `texts`.
    pub fn tell_of(&self, texts: &[&str]) -> bool {
        self.any(|line| texts.iter().any(|text| line.contains(text)))
    }

    /// Whether one of the lines is such a one.
    pub fn any(&self, is_one: impl Fn(&str) -> bool) -> bool {
        let mut lines = self.error.iter().chain(&self.tail);
        lines.any(|line| is_one(line))
    }
}

const PARSE_ERROR: &str = "ParseError:";
/// Between the place of such an error and its reason.
const REASON: &str = ": ";

/// How Julia begins the line (`jl_critical_error` in src/signal-handling.c, 1.5 to 1.12).
const CRASHED_AT: &str = "in expression starting at ";

/// The line as a sentence can hold it; the whole one is in the output.
fn quoted(line: &str) -> String {
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_string(),
    }
}

fn names_an_error(line: &str) -> bool {
    let line = line.trim_start();
    // The loader goes on without a library that it cannot preload.
    if line.starts_with("ERROR: ld.so: object ") && line.ends_with(": ignored.") {
        return false;
    }
    line.starts_with("ERROR:")
        || line.starts_with("error:")
        || line.starts_with("LLVM ERROR:")
        || line.contains(": error:")
        || line.contains("fatal error")
}

/// The name in "ERROR: LoadError: Failed to precompile A [1234...] to ...".
fn not_precompiled(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Failed to precompile ")?;
    rest.split_whitespace().next()
}

/// What Julia calls the function in LLVM's "In function: julia_bad_123", or in its
/// "error: <unknown>:0:0: in function julia_bad_123 i64 (i64): unsupported ...".
fn compiled_function(line: &str) -> Option<&str> {
    /// By the ways to call it (src/codegen.cpp, 1.5 to 1.12).
    const PREFIXES: [&str; 6] = ["julia_", "japi1_", "japi2_", "japi3_", "jfptr_", "jlsys_"];
    let (_, rest) = line
        .split_once("In function: ")
        .or_else(|| line.split_once(": in function "))?;
    let symbol = rest.split_whitespace().next()?;
    let name = PREFIXES
        .iter()
        .find_map(|prefix| symbol.strip_prefix(prefix))?;
    // One of several versions, each for a CPU.
    let name = name.split_once(".clone_").map_or(name, |(name, _)| name);
    match name.rsplit_once('_') {
        Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => Some(name),
        _ => Some(name),
    }
}

/// The name in Julia's "Target 0 (znver3): Rejecting this target due to ...".
fn rejected_target(line: &str) -> Option<&str> {
    let (number, rest) = line
        .trim_start()
        .strip_prefix("Target ")?
        .split_once(" (")?;
    let (name, reason) = rest.split_once("): ")?;
    let numbered = number.bytes().all(|b| b.is_ascii_digit());
    (numbered && reason.starts_with("Rejecting")).then_some(name)
}

/// Enough of a line for a message.
fn clipped(mut line: String) -> String {
    if line.len() > TAIL_LINE {
        let end = (0..=TAIL_LINE).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(end.unwrap_or(0));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> LastWords {
        let mut words = LastWords::default();
        lines
            .iter()
            .for_each(|line| words.take((*line).to_string()));
        words
    }

    #[test]
    fn errors_are_told_from_other_lines() {
        assert!(names_an_error("ERROR: LoadError: no"));
        assert!(names_an_error("ld: fatal error: cannot open"));
        assert!(names_an_error("ld.lld: error: undefined symbol"));
        assert!(names_an_error("LLVM ERROR: out of memory"));
        assert!(!names_an_error(" [1] error(s::String) at ./error.jl:33"));
        let ignored = "ERROR: ld.so: object 'x.so' from LD_PRELOAD cannot be preloaded (file too short): ignored.";
        assert!(!names_an_error(ignored));
    }

    #[test]
    fn where_julia_crashed_stands_above_its_backtrace() {
        let mut lines = vec![
            "[12] signal 11 (1): Segmentation fault",
            "in expression starting at /w/a.jl:3",
        ];
        lines.extend(["unsafe_load at ./pointer.jl:153"; 40]);
        assert_eq!(of(&lines).crashed_at.as_deref(), Some("/w/a.jl:3"));
        assert_eq!(of(&["in expression starting at none:0"]).crashed_at, None);
    }

    #[test]
    fn a_cause_holds_the_head_of_a_long_line() {
        let long = format!("ERROR: {}", "é".repeat(500));
        let words = of(&[&long]);
        for said in [words.error().unwrap(), words.last().unwrap()] {
            assert!(
                said.chars().count() < 310 && said.ends_with("é ..."),
                "{said}"
            );
        }
        assert_eq!(words.tail[0].chars().count(), long.chars().count());
    }

    #[test]
    fn what_does_not_precompile_is_no_reason() {
        // As Julia 1.5 writes it, and newer ones.
        let words = of(&[
            "ERROR: LoadError: UndefVarError: x not defined",
            "Stacktrace:",
            "ERROR: LoadError: Failed to precompile Inner [1234] to /d/Inner.ji.",
            "ERROR: LoadError: Failed to precompile Outer [5678] to /d/Outer.ji.",
        ]);
        let expected = "`Inner` does not precompile: LoadError: UndefVarError: x not defined";
        assert_eq!(words.error().as_deref(), Some(expected));
        let alone = of(&["ERROR: Failed to precompile Inner [1234] to /d/Inner.ji."]);
        let expected = "Failed to precompile Inner [1234] to /d/Inner.ji.";
        assert_eq!(alone.error().as_deref(), Some(expected));
    }

    #[test]
    fn a_file_that_cannot_be_parsed_has_a_place_and_a_reason() {
        let words = of(&[
            "ERROR: LoadError: ParseError:",
            "# Error @ /d/A/src/A.jl:2:7",
            "f(x) = (x +",
            "#          └ ── Expected `)`",
            "#          └ ── another",
            "Stacktrace:",
            "ERROR: LoadError: Failed to precompile A [1234] to /d/A.ji.",
        ]);
        let expected =
            "`A` does not precompile: LoadError: ParseError: at /d/A/src/A.jl:2:7: Expected `)`";
        assert_eq!(words.error().as_deref(), Some(expected));
    }

    #[test]
    fn an_error_that_announces_another_has_its_words() {
        let words = of(&[
            "ERROR: LoadError: Unsatisfiable requirements detected for package A [1234]:",
            " A [1234] log:",
            " ├─possible versions are: 1.0.0",
            " └─restricted to versions 2",
            "Stacktrace:",
        ]);
        let expected = "LoadError: Unsatisfiable requirements detected for package A [1234]: A [1234] log: \
                        ├─possible versions are: 1.0.0";
        assert_eq!(words.error().as_deref(), Some(expected));
        let words = of(&[
            "ERROR: LoadError: On worker 2:",
            "",
            "UndefVarError: x",
            " [1] f",
        ]);
        let expected = "LoadError: On worker 2: UndefVarError: x";
        assert_eq!(words.error().as_deref(), Some(expected));
        for lines in [
            &["ERROR: On worker 2:", "Stacktrace:", " [1] f"][..],
            &["ERROR: On worker 2:"],
        ] {
            assert_eq!(of(lines).error().as_deref(), Some("On worker 2"));
        }
        // Whose reason never came.
        let words = of(&["ERROR: LoadError: ParseError:", "Stacktrace:", " [1] f"]);
        assert_eq!(words.error().as_deref(), Some("LoadError: ParseError"));
    }

    #[test]
    fn llvm_names_the_function_that_it_gave_up_at() {
        let named = |line: &str| of(&[line, "[12] signal 6: Aborted"]).function;
        for (line, name) in [
            ("In function: julia_bad_123", "bad"),
            ("In function: japi1_#bad#3_45", "#bad#3"),
            (
                "In function: julia_with_number_2_45.clone_1",
                "with_number_2",
            ),
            (
                "error: <unknown>:0:0: in function julia_bad_7 i64 (i64): no",
                "bad",
            ),
        ] {
            assert_eq!(named(line).as_deref(), Some(name), "{line}");
        }
        assert_eq!(named("in expression starting at julia_bad_7"), None);
        assert_eq!(named("In function: main"), None);
    }

    #[test]
    fn an_image_that_does_not_start_names_its_targets() {
        let words = of(&[
            "ERROR: Unable to find compatible target in cached code image.",
            "Target 0 (znver3): Rejecting this target due to use of runtime-disabled features",
            "Target 1 (znver4): Rejecting this target due to use of runtime-disabled features",
            "Target 1 (znver4): Rejecting this target due to use of runtime-disabled features",
            "Target practice (all): Rejecting",
        ]);
        assert_eq!(words.targets, ["znver3", "znver4"]);
    }
}
