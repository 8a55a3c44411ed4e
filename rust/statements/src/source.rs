//! What statements are read from.

use std::path::PathBuf;

/// How a source was written, which decides what its lines can be.
///
/// ```
/// use pcrs_statements::SourceKind;
/// assert_ne!(SourceKind::Trace, SourceKind::StatementFile);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// Output of `julia --trace-compile`. Each line stands alone; there is no scaffold, and a
    /// comment never goes on in the next line, so output of the traced program that got between
    /// the statements cannot hide them.
    Trace,
    /// A file written by hand or by SnoopCompile: Julia code, so statements and block comments may
    /// span lines, and the lines SnoopCompile puts around statements are scaffold.
    StatementFile,
}

/// One file to read statements from.
///
/// ```
/// use pcrs_statements::{SourceFile, SourceKind};
/// let source = SourceFile { path: "trace.jl".into(), kind: SourceKind::Trace };
/// assert_eq!(source.kind, SourceKind::Trace);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// Where the file is.
    pub path: PathBuf,
    /// How it was written.
    pub kind: SourceKind,
}
