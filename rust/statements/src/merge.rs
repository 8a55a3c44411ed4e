//! Reads sources line by line and keeps each statement once.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::canonical::Text;
use crate::line::{self, Found, MAX_LINE, Reading};
use crate::reject::{RejectReason, Rejected};
use crate::source::{SourceFile, SourceKind};
use crate::store::{Collector, Statements};

/// How much of a file is read at once.
const READ_BUFFER: usize = 256 * 1024;

/// The unique statements of some sources, and what was not taken.
///
/// Every line read is blank, scaffold, rejected, a duplicate, or the first occurrence of a
/// statement; only a line where a block comment starts that never ends may be rejected besides.
#[derive(Debug, Default)]
pub struct Merged {
    /// The statements, in the order of their first occurrence.
    pub statements: Statements,
    /// The first [`Merged::REJECTED_KEPT`] lines that were not taken, in the order read.
    pub rejected: Vec<Rejected>,
    /// How many lines were not taken.
    pub rejected_total: u64,
    /// How many lines were read.
    pub lines: u64,
    /// How many statements were left out since another line holds the same.
    pub duplicates: u64,
    /// How many lines were scaffold: `function _precompile_()`, `end` and the like.
    pub scaffold: u64,
}

impl Merged {
    /// How many rejected lines are kept with their text.
    pub const REJECTED_KEPT: usize = 10_000;
}

/// A source could not be read.
///
/// ```
/// use pcrs_statements::{SourceFile, SourceKind, merge};
/// let source = SourceFile { path: "no/such/file".into(), kind: SourceKind::Trace };
/// let error = merge(&[source]).unwrap_err();
/// assert!(error.to_string().starts_with("could not read statements from no/such/file: "));
/// ```
#[derive(Debug)]
pub struct MergeError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub source: io::Error,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "could not read statements from {}: {}",
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for MergeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Merges files, in the order given.
///
/// A file is read through a buffer and never held as a whole. Gives the merged statements, or a
/// [`MergeError`] with the path of the first file that cannot be read; lines that are not
/// statements are no error.
///
/// ```
/// use pcrs_statements::{SourceFile, SourceKind, merge};
///
/// # let folder = std::env::temp_dir().join(format!("pcrs-merge-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let path = folder.join("trace.jl");
/// std::fs::write(&path, "precompile(Tuple{typeof(f), Int})\nprecompile(Tuple{typeof(f),Int})\n")?;
/// let merged = merge(&[SourceFile { path, kind: SourceKind::Trace }]).unwrap();
/// assert_eq!(merged.statements.len(), 1);
/// assert_eq!(merged.duplicates, 1);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn merge(sources: &[SourceFile]) -> Result<Merged, MergeError> {
    let mut merger = Merger::new();
    for SourceFile { path, kind } in sources {
        File::open(path)
            .and_then(|file| merger.add_reader(*kind, BufReader::with_capacity(READ_BUFFER, file)))
            .map_err(|source| MergeError {
                path: path.clone(),
                source,
            })?;
    }
    Ok(merger.finish())
}

/// Merges sources that need not be files.
///
/// ```
/// use pcrs_statements::{Merger, RejectReason, SourceKind};
///
/// let mut merger = Merger::new();
/// merger.add_reader(SourceKind::Trace, &b"precompile(f, (Int,))\nprecompile(g, (In"[..])?;
/// let merged = merger.finish();
/// assert_eq!(merged.statements.len(), 1);
/// assert_eq!(merged.rejected[0].reason, RejectReason::Truncated);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct Merger {
    collector: Collector,
    merged: Merged,
    sources: u32,
    buffer: Vec<u8>,
    scratch: String,
}

impl Merger {
    /// A merger that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next source to its end. Its index is the number of sources read before it.
    ///
    /// Gives the error of `reader`, and then keeps what was read before it.
    pub fn add_reader(&mut self, kind: SourceKind, reader: impl BufRead) -> io::Result<()> {
        let source = self.sources;
        self.sources += 1;
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read(source, kind, reader, &mut buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    /// Ends merging and gives the result.
    pub fn finish(self) -> Merged {
        Merged {
            statements: self.collector.finish(),
            ..self.merged
        }
    }

    fn read(
        &mut self,
        source: u32,
        kind: SourceKind,
        mut reader: impl BufRead,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut reading = Reading::new(kind);
        let mut number = 0_u32;
        let mut comment = None;
        loop {
            buffer.clear();
            // One byte over the limit shows that the line is too long.
            let limit = MAX_LINE as u64 + 2;
            if reader.by_ref().take(limit).read_until(b'\n', buffer)? == 0 {
                if let Some(rejected) = comment {
                    self.reject(rejected);
                }
                return Ok(());
            }
            self.merged.lines += 1;
            number = number.saturating_add(1);
            let ended = buffer.last() == Some(&b'\n');
            if !ended && buffer.len() as u64 == limit {
                reader.skip_until(b'\n')?;
            }
            let text = match line::clean(buffer) {
                Ok(text) => text,
                Err(reason) => {
                    self.reject(Rejected::new(source, number, buffer, reason));
                    continue;
                }
            };
            let found = reading.line(&text, &mut self.scratch);
            if !reading.in_comment() {
                comment = None;
            } else if comment.is_none() {
                let reason = RejectReason::Truncated;
                comment = Some(Rejected::new(source, number, buffer, reason));
            }
            let reason = match found {
                Found::Statement {
                    text: at,
                    recompile,
                } => {
                    let statement = match at {
                        Text::Slice(range) => &text[range],
                        Text::Scratch => &self.scratch,
                    };
                    if !self.collector.add(statement, source, number, recompile) {
                        self.merged.duplicates += 1;
                    }
                    continue;
                }
                Found::Blank => continue,
                Found::Scaffold => {
                    self.merged.scaffold += 1;
                    continue;
                }
                Found::Unfinished if is_at_end(&mut reader)? => RejectReason::Truncated,
                Found::Unfinished => RejectReason::Malformed,
                Found::Rejected(RejectReason::NotAStatement)
                    if !ended && line::is_cut_off(&text) =>
                {
                    RejectReason::Truncated
                }
                Found::Rejected(reason) => reason,
            };
            self.reject(Rejected::new(source, number, buffer, reason));
        }
    }

    fn reject(&mut self, rejected: Rejected) {
        self.merged.rejected_total += 1;
        if self.merged.rejected.len() < Merged::REJECTED_KEPT {
            self.merged.rejected.push(rejected);
        }
    }
}

fn is_at_end(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(<[u8]>::is_empty),
        }
    }
}
