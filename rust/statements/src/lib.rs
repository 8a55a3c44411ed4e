//! Precompile statements: read from traces, statement files and SnoopCompile output, checked,
//! normalised, and merged.
//!
//! A statement is one call `precompile(...)`, on one line or, in a file, on several. Nothing is
//! evaluated here, and only lines are taken that Julia's own parser reads as that one call: no second
//! expression, no macro but the two that Julia prints types with, no command, assignment, block or
//! interpolation. Every other line is reported with its place and a [`RejectReason`]. Arguments may
//! hold calls, as in `typeof(f)`; [`code_in`] finds those that are not on a closed list.
//!
//! Lines of a multi-line string or docstring are not known as such: a whole statement on one of them
//! is taken.

mod ahead;
mod ansi;
mod calls;
mod canonical;
pub mod classify;
mod fault;
mod line;
mod literal;
mod merge;
mod reject;
mod scaffold;
mod scan;
mod source;
mod store;
mod unicode;

pub use calls::code_in;
pub use line::{Line, parse_line};
pub use merge::{MergeError, Merged, Merger, merge};
pub use reject::{RejectReason, Rejected, Unlisted};
pub use source::{SourceFile, SourceKind};
pub use store::{Statement, Statements};
