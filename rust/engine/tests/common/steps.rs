//! Short names for the steps of the fake.

use super::script::{Condition, Step, Wait};

/// A line on standard output.
pub fn say(line: &str) -> Step {
    Step::Print(format!("{line}\n"))
}

/// A line on standard error.
pub fn complain(line: &str) -> Step {
    Step::Complain(format!("{line}\n"))
}

pub fn exit(code: i32) -> Step {
    Step::Exit(code)
}

/// Says `line`, as Julia does of an error, and fails.
pub fn fail_with(line: &str) -> [Step; 2] {
    [say(line), exit(1)]
}

/// The numbers from 1, one a line.
pub fn count_to(last: u32) -> Step {
    Step::Times(last, vec![say("$i")])
}

/// The frames of a stack.
pub fn frames(number: u32) -> Step {
    Step::Times(number, vec![complain(" [$i] f")])
}

pub fn sleep(seconds: f64) -> Step {
    Step::Sleep(seconds)
}

/// Longer than any test.
pub fn hang() -> Step {
    Step::Sleep(1000.0)
}

pub fn write(to: &str, text: &str) -> Step {
    Step::Write {
        to: to.into(),
        text: text.into(),
    }
}

pub fn append(to: &str, text: &str) -> Step {
    Step::Append {
        to: to.into(),
        text: text.into(),
    }
}

pub fn copy(from: &str, to: &str) -> Step {
    Step::Copy {
        from: from.into(),
        to: to.into(),
    }
}

/// An empty file in the folder of the test.
pub fn touch(name: &str) -> Step {
    append(&format!("$here/{name}"), "")
}

/// Waits for a file in the folder of the test.
pub fn await_file(name: &str) -> Step {
    Step::Await(format!("$here/{name}"))
}

/// Tells the test that it is there, and waits to be told to go on.
pub fn ready_then_go() -> [Step; 2] {
    [touch("ready"), await_file("go")]
}

pub fn note(key: &str, value: &str) -> Step {
    Step::Note {
        key: key.into(),
        value: value.into(),
    }
}

/// Writes what the spec says of `key` into a file of that name in the folder of the test.
pub fn keep(key: &str) -> Step {
    Step::Values {
        key: key.into(),
        to: format!("$here/{key}"),
    }
}

/// Writes the paths of all files below `folder` into the file `to`, both in the folder of the test.
pub fn list(folder: &str, to: &str) -> Step {
    Step::List {
        folder: format!("$here/{folder}"),
        to: format!("$here/{to}"),
    }
}

pub fn run(program: &str, args: &[&str], wait: Wait) -> Step {
    Step::Run {
        program: program.into(),
        args: args.iter().map(ToString::to_string).collect(),
        wait,
    }
}

pub fn when(condition: Condition, steps: impl Into<Vec<Step>>) -> Step {
    Step::When(condition, steps.into())
}

pub fn unless(condition: Condition, steps: impl Into<Vec<Step>>) -> Step {
    when(Condition::Not(Box::new(condition)), steps)
}

/// A file is there, in the folder of the test.
pub fn exists(name: &str) -> Condition {
    Condition::Exists(format!("$here/{name}"))
}

/// At the statement with this number.
pub fn at_statement(number: u64) -> Condition {
    same("$number", &number.to_string())
}

pub fn same(one: &str, other: &str) -> Condition {
    Condition::Same(one.into(), other.into())
}
