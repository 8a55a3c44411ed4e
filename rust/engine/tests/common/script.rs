//! What the fake of these tests is told to do: steps, as data in a file `on-EVENT` of the test's folder.
//!
//! In a text `$name` stands for what the fake knows by that name:
//!
//! - `here`: the folder of the test; `folder`: where the fake was started; `pid`, `stage`
//! - `object`, `trace`, `journal`, `ready`: files that it is to write or to wait for; `last`: its last argument
//! - `work`: the folder of the journal, of the trace, or of the last argument
//! - `workload`, `script`, `stem`: a workload's path, its file name, and that without ending
//! - `uuid`, `name`: of the package that loads; `number`: of the statement; `i`: which time of [`Step::Times`]
//! - `env{NAME}`: a variable, `unset` where there is none; `read{NAME}`: a line in a file of the test's folder

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    /// Text for standard output.
    Print(String),
    /// Bytes for standard output.
    Bytes(Vec<u8>),
    /// A file, on standard output.
    Show(String),
    /// Text for standard error.
    Complain(String),
    /// Ends the output, and not the process.
    CloseOutput,
    Exit(i32),
    /// Ends this event.
    Return,
    /// A signal to itself (Unix only).
    Signal(i32),
    /// From now on these signals are nothing to it and to what it starts (Unix only).
    Ignore(Vec<i32>),
    /// Ends as a program does that reads where nothing is.
    Crash,
    Sleep(f64),
    /// Computes for so many seconds.
    Compute(f64),
    Write {
        to: String,
        text: String,
    },
    Append {
        to: String,
        text: String,
    },
    /// The statements that are not left out, one a line.
    AppendStatements {
        to: String,
    },
    /// A file, or a folder with its files.
    Copy {
        from: String,
        to: String,
    },
    /// A file, or a folder with all in it; no error where there is none.
    Remove(String),
    MakeFolder(String),
    /// The paths of all files below a folder, one a line.
    List {
        folder: String,
        to: String,
    },
    /// Waits for a file.
    Await(String),
    /// A record for the journal.
    Note {
        key: String,
        value: String,
    },
    /// The values of a key of the spec, one a line.
    Values {
        key: String,
        to: String,
    },
    /// Another program, or for `$0` the fake itself. `$@` is the list of its own arguments.
    Run {
        program: String,
        args: Vec<String>,
        wait: Wait,
    },
    When(Condition, Vec<Step>),
    /// For the first of all fakes that come to this, which makes the folder.
    Once {
        folder: String,
        steps: Vec<Step>,
    },
    Times(u32, Vec<Step>),
}

/// What becomes of a program that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// It is waited for.
    Here,
    /// It is waited for, and the fake ends as it does.
    Instead,
    /// It is waited for when the event's steps are done.
    Later,
    /// It is left behind, without a hold on the output.
    Never,
    /// As `Never`, with a hold on the output.
    NeverWithOutput,
    /// As `NeverWithOutput`, in a session of its own and without a parent (Unix only).
    Escaped,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Condition {
    Exists(String),
    /// Two texts are the same.
    Same(String, String),
    /// The statement with this number is left out.
    Skipped(u64),
    /// The fake was started with an argument that begins so.
    Argument(String),
    /// How many fakes have begun a stage.
    Started(String, usize),
    Not(Box<Condition>),
}
