//! Properties of what is taken and of merging, over generated lines.

use std::collections::BTreeSet;

use pcrs_statements::classify::classify;
use pcrs_statements::{Line, Merged, Merger, SourceKind, parse_line};
use proptest::prelude::*;
use proptest::sample::select;

/// A name, operator or literal that is an element of a statement by itself.
fn element() -> impl Strategy<Value = String> {
    select(vec![
        "Int64",
        "f!",
        "Base.:(==)",
        "Base.:+",
        "A.var\"#1#2\"",
        "A.var\"a\\\"b) ,\"",
        ":sym",
        ":end",
        ":(+)",
        "1",
        "-1.5e3",
        "0x0f",
        "'('",
        "'\\''",
        "'\\u00e9'",
        "\"a, )\"",
        "\"\\\"\"",
        "Symbol(\"##f#1\")",
        "typeof(∘)",
        "λ∇₁",
        "x̂",
        "Union{}",
        "()",
        "a'",
        "(a=1,)",
        "T...",
        "@NamedTuple{a::Int}",
        "<:Real",
        "typeof(in)",
    ])
    .prop_map(str::to_owned)
}

/// Blanks of any kind, which have no meaning where they stand.
fn blanks() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "",
        " ",
        "  ",
        "\t",
        " #= ) =# ",
        "#= #= =# =#",
    ])
}

/// Where [`spread`] ends a line.
const LINE_END: &str = "⏎";

/// What can stand between the parentheses of a call, spaced in any way.
fn argument() -> impl Strategy<Value = String> {
    argument_after(blanks().boxed())
}

/// The same with blanks `before` each element.
fn argument_after(before: BoxedStrategy<&'static str>) -> impl Strategy<Value = String> {
    element().prop_recursive(4, 24, 4, move |inner| {
        let part = (before.clone(), inner.clone(), blanks());
        let brackets = select(vec![("Tuple{", "}"), ("f(", ")"), ("(", ",)"), ("[", "]")]);
        let bracketed =
            (brackets, prop::collection::vec(part, 0..4)).prop_map(|((open, close), parts)| {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|(before, part, after)| format!("{before}{part}{after}"))
                    .collect();
                // A tuple without elements has no comma either.
                let close = if parts.is_empty() {
                    close.trim_start_matches(',')
                } else {
                    close
                };
                format!("{open}{}{close}", parts.join(","))
            });
        let wheres = inner.prop_map(|body| format!("Array{{{body}}} where  T<:Real"));
        prop_oneof![3 => bracketed, 1 => wheres]
    })
}

/// A line with one call in it.
fn statement() -> impl Strategy<Value = String> {
    let before = select(vec![
        "",
        "  ",
        "#=  1.0 ms =# ",
        "@assert ",
        "Base.",
        "isdefined(A, :b) && ",
        "\u{1b}[33m",
    ]);
    let after = select(vec![
        "",
        ";",
        "  # recompile",
        "\u{1b}[0m",
        " #= a =#",
        "\r",
    ]);
    (before, prop::collection::vec(argument(), 1..4), after).prop_map(
        |(before, arguments, after)| format!("{before}precompile({}){after}", arguments.join(",")),
    )
}

/// A call on one line, and the same over several.
fn spread() -> impl Strategy<Value = (String, String)> {
    let before = prop_oneof![blanks(), Just(LINE_END)].boxed();
    let end = select(vec!["\n", "\r\n", " # )\n\t", "\n#= ( \n =#"]);
    (prop::collection::vec(argument_after(before), 1..4), end).prop_map(|(arguments, end)| {
        let call = format!("precompile({})", arguments.join(&format!(",{LINE_END}")));
        (call.replace(LINE_END, " "), call.replace(LINE_END, end))
    })
}

fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => statement(),
        1 => "[ -~]{0,40}",
        1 => "precompile\\([ -~]{0,40}\\)",
        1 => Just(String::new()),
    ]
}

fn merged(lines: &[String], kind: SourceKind) -> Merged {
    let mut merger = Merger::new();
    merger
        .add_reader(kind, lines.join("\n").as_bytes())
        .unwrap();
    merger.finish()
}

fn set(merged: &Merged) -> BTreeSet<(String, u32, bool)> {
    let statements = merged.statements.iter();
    statements
        .map(|s| (s.text.to_owned(), s.times, s.recompile))
        .collect()
}

/// A line that a call starts on but does not end on.
fn stray() -> impl Strategy<Value = String> {
    (statement(), any::<prop::sample::Index>()).prop_map(|(line, at)| {
        let cut = at.index(line.chars().count());
        line.chars().take(cut).collect()
    })
}

/// Whether the brackets outside quotes match, and the first closes at the end only.
fn is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut previous = ' ';
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => loop {
                match chars.next() {
                    Some((_, '\\')) => drop(chars.next()),
                    Some((_, '"')) => break,
                    Some(_) => {}
                    None => return false,
                }
            },
            '\'' if !(previous.is_alphanumeric() || "_)]}'".contains(previous)) => {
                if let Some((_, '\\')) = chars.next() {
                    chars.next();
                }
                while chars.next().is_some_and(|(_, c)| c != '\'') {}
            }
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                let matches = matches!(
                    (open.pop(), c),
                    (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')
                );
                if !matches || (open.is_empty() && at + 1 < text.len()) {
                    return false;
                }
            }
            _ => {}
        }
        previous = c;
    }
    open.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn normalising_twice_changes_nothing(line in any_line()) {
        if let Line::Statement { text, .. } = parse_line(&line) {
            match parse_line(&*text) {
                Line::Statement { text: again, recompile } => {
                    prop_assert_eq!(&again, &text);
                    prop_assert!(!recompile);
                }
                other => prop_assert!(false, "{} became {:?}", text, other),
            }
        }
    }

    #[test]
    fn what_is_taken_is_one_call(line in any_line()) {
        if let Line::Statement { text, .. } = parse_line(&line) {
            prop_assert!(text.starts_with("precompile("));
            prop_assert!(is_balanced(&text), "{}", text);
        }
    }

    #[test]
    fn well_formed_statements_are_taken(line in statement()) {
        let parsed = parse_line(&line);
        prop_assert!(matches!(parsed, Line::Statement { .. }), "{} {:?}", line, parsed);
    }

    #[test]
    fn blanks_make_no_difference(argument in argument()) {
        let spaced = format!("precompile({argument})");
        if let Line::Statement { text, .. } = parse_line(&spaced) {
            let wider = text.replace(", ", "  ,\t");
            // Inside quotes a blank is no blank.
            prop_assume!(!text.contains("\"a, )\"") && !text.contains(" ,\""));
            match parse_line(&wider) {
                Line::Statement { text: again, .. } => prop_assert_eq!(again, text),
                other => prop_assert!(false, "{} {:?}", wider, other),
            }
        }
    }

    #[test]
    fn line_ends_make_no_difference(calls in prop::collection::vec(spread(), 1..10)) {
        let (flat, spread): (Vec<String>, Vec<String>) = calls.into_iter().unzip();
        let flat = merged(&flat, SourceKind::StatementFile);
        let reversed: Vec<String> = spread.iter().rev().cloned().collect();
        for lines in [&spread, &reversed] {
            let merged = merged(lines, SourceKind::StatementFile);
            prop_assert_eq!(set(&merged), set(&flat), "{:?}", lines);
            prop_assert_eq!(merged.rejected_total, 0);
        }
        for statement in flat.statements.iter() {
            let again = Line::Statement { text: statement.text.into(), recompile: false };
            prop_assert_eq!(parse_line(statement.text), again);
        }
    }

    #[test]
    fn no_line_takes_a_statement_with_it(
        lines in prop::collection::vec(prop_oneof![any_line(), stray()], 0..30),
    ) {
        // A block comment may hide statements.
        let lines: Vec<String> = lines.iter().map(|line| line.replace("#=", "# ")).collect();
        let found = merged(&lines, SourceKind::StatementFile);
        let found: BTreeSet<&str> = found.statements.iter().map(|s| s.text).collect();
        for line in &lines {
            if let Line::Statement { text, .. } = parse_line(line) {
                prop_assert!(found.contains(&*text), "{} in {:?}", text, lines);
            }
        }
    }

    #[test]
    fn merging_does_not_depend_on_order(
        lines in prop::collection::vec(any_line(), 0..30),
        seed in any::<u64>(),
    ) {
        let mut shuffled = lines.clone();
        let mut state = seed | 1;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let (one, other) = (merged(&lines, SourceKind::Trace), merged(&shuffled, SourceKind::Trace));
        prop_assert_eq!(set(&one), set(&other));
        prop_assert_eq!(one.duplicates, other.duplicates);
        prop_assert_eq!(one.rejected_total, other.rejected_total);
    }

    #[test]
    fn order_is_that_of_the_first_occurrence(
        lines in prop::collection::vec(any_line(), 0..30),
    ) {
        let merged = merged(&lines, SourceKind::Trace);
        let mut expected: Vec<String> = Vec::new();
        for line in &lines {
            if let Line::Statement { text, .. } = parse_line(line)
                && !expected.iter().any(|e| *e == text)
            {
                expected.push(text.into_owned());
            }
        }
        let found: Vec<_> = merged.statements.iter().map(|s| s.text.to_owned()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_taken_in(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Line::Statement { text, .. } = parse_line(&bytes) {
            let _ = classify(&text, (1, 11));
        }
        for kind in [SourceKind::Trace, SourceKind::StatementFile] {
            let mut merger = Merger::new();
            merger.add_reader(kind, &bytes[..]).unwrap();
            let merged = merger.finish();
            prop_assert!(merged.rejected_total <= merged.lines + 1);
        }
    }

    #[test]
    fn classifying_takes_any_text(text in ".{0,60}") {
        let _ = classify(&text, (1, 9));
    }
}
