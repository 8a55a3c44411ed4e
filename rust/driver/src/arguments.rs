//! The arguments of the app, and those of Julia.

use std::ffi::OsString;

/// What comes before `--julia-args` is the app's, what comes behind it Julia's.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The program as it was called, then its arguments.
    pub of_app: Vec<OsString>,
    /// The program as it was called, then Julia's options.
    pub of_julia: Vec<OsString>,
}

const SEPARATOR: &str = "--julia-args";

/// Splits what the program was called with; the first is its own name.
pub fn split(mut given: Vec<OsString>) -> Arguments {
    let at = given.iter().skip(1).position(|arg| arg == SEPARATOR);
    let mut of_julia = at.map_or(Vec::new(), |at| given.split_off(at + 1));
    // The separator's place is the program's.
    match of_julia.first_mut() {
        Some(first) => *first = given.first().cloned().unwrap_or_default(),
        None => of_julia.extend(given.first().cloned()),
    }
    Arguments {
        of_app: given,
        of_julia,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(given: &[&str]) -> (Vec<OsString>, Vec<OsString>) {
        let split = split(given.iter().map(OsString::from).collect());
        (split.of_app, split.of_julia)
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn julias_options_come_after_the_separator() {
        let (app, julia) = splits(&["bin/App", "a", "--julia-args", "-t4", "--julia-args"]);
        assert_eq!(app, words(&["bin/App", "a"]));
        assert_eq!(julia, words(&["bin/App", "-t4", "--julia-args"]));
    }

    #[test]
    fn without_the_separator_all_are_the_apps() {
        let (app, julia) = splits(&["App", "-t4", "é"]);
        assert_eq!(app, words(&["App", "-t4", "é"]));
        assert_eq!(julia, words(&["App"]));
        assert_eq!(splits(&[]), (vec![], vec![]));
    }

    #[test]
    fn a_program_may_be_called_like_the_separator() {
        let (app, julia) = splits(&["--julia-args", "a"]);
        assert_eq!(app, words(&["--julia-args", "a"]));
        assert_eq!(julia, words(&["--julia-args"]));
    }
}
