//! Precompile statements: read from traces, statement files and SnoopCompile output, checked,
//! normalised, and merged.
//!
//! A statement is one call `precompile(...)` on one line. Nothing is evaluated here, and what is
//! handed on is such that evaluating it runs that one call: [`parse_line`] takes only lines that
//! Julia's own parser reads as one call of `precompile` with arguments made of types and plain
//! values, and reports every other line with its place and a [`RejectReason`].

mod ansi;
mod canonical;
pub mod classify;
mod line;
mod literal;
mod merge;
mod reject;
mod scaffold;
mod scan;
mod source;
mod store;
mod unicode;

pub use line::{Line, parse_line};
pub use merge::{MergeError, Merged, Merger, merge};
pub use reject::{RejectReason, Rejected};
pub use source::{SourceFile, SourceKind};
pub use store::{Statement, Statements};
