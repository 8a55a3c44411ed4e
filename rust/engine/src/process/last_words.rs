//! What of a child's output tells why it failed.

use std::collections::VecDeque;

/// Lines of output kept for an error, and how many bytes of each.
const TAIL: usize = 30;
const TAIL_LINE: usize = 2000;

#[derive(Debug, Clone, Default)]
pub struct LastWords {
    /// The last lines.
    pub tail: VecDeque<String>,
    /// The last line that names an error, but for those that only follow from it; a stack trace below
    /// it may be longer than the tail.
    pub error: Option<String>,
    /// The package that did not precompile.
    pub package: Option<String>,
}

impl LastWords {
    pub fn take(&mut self, line: String) {
        let line = clipped(line);
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

    /// The error in the child's own words.
    pub fn error(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        let words = error.trim().trim_start_matches("ERROR: ");
        Some(match &self.package {
            Some(package) => format!("`{package}` does not precompile: {words}"),
            None => words.to_string(),
        })
    }

    /// The last line that says anything, whatever it is.
    pub fn last(&self) -> Option<&str> {
        let mut lines = self.tail.iter().rev().map(|line| line.trim());
        lines.find(|line| !line.is_empty())
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

fn names_an_error(line: &str) -> bool {
    let line = line.trim_start();
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
}
