//! Reads sources line by line and keeps each statement once.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::ahead::{LINE_READ, LookAhead};
use crate::canonical::Text;
use crate::line::{self, Found, MAX_LINE, Reading};
use crate::reject::{Account, Kept, RejectReason, Rejected, Unlisted};
use crate::source::{SourceFile, SourceKind};
use crate::store::{Collector, Statements};

/// How much of a file is read at once.
const READ_BUFFER: usize = 256 * 1024;

/// How many lines a call may go on over.
const MAX_CALL_LINES: usize = 256;

/// The unique statements of some sources, and what was not taken.
///
/// Every line read is blank, scaffold, rejected, a duplicate, the first occurrence of a statement, or
/// goes on with the call above it; only a line where a block comment starts that never ends may be
/// rejected besides.
#[derive(Debug, Default)]
pub struct Merged {
    /// The statements, in the order of their first occurrence.
    pub statements: Statements,
    /// The lines that were not taken, each once a source, in the order read. Every line that may be a
    /// statement is here; of others, the first [`Merged::OTHERS_KEPT`] of each source.
    pub rejected: Vec<Rejected>,
    /// The others, counted.
    pub unlisted: Vec<Unlisted>,
    /// How many lines were not taken, all together. A call over several lines is one.
    pub rejected_total: u64,
    /// How many of these repeat one that is in `rejected`.
    pub rejected_again: u64,
    /// How many lines were read.
    pub lines: u64,
    /// How many statements were left out since another is the same.
    pub duplicates: u64,
    /// How many lines were scaffold: `function _precompile_()`, `end` and the like.
    pub scaffold: u64,
}

impl Merged {
    /// How many rejected lines of a source are kept with their text if none of them holds the word
    /// `precompile`.
    pub const OTHERS_KEPT: usize = Account::OTHERS_KEPT;
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
    account: Account,
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
        reader: impl BufRead,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut reader = LookAhead::new(reader);
        let mut reading = Reading::new(kind);
        let mut number = 0_u32;
        let mut comment: Option<(u32, Vec<u8>)> = None;
        let mut joined = String::new();
        self.account.next_source();
        loop {
            buffer.clear();
            if reader
                .by_ref()
                .take(LINE_READ as u64)
                .read_until(b'\n', buffer)?
                == 0
            {
                if let Some((line, text)) = comment {
                    self.reject(source, line, &text, RejectReason::Truncated, false);
                }
                return Ok(());
            }
            self.merged.lines += 1;
            number = number.saturating_add(1);
            let line = number;
            let ended = buffer.last() == Some(&b'\n');
            if !ended && buffer.len() == LINE_READ {
                reader.skip_until(b'\n')?;
            }
            let text = match line::clean(buffer) {
                Ok(text) => text,
                Err(reason) => {
                    self.reject(source, line, buffer, reason, false);
                    continue;
                }
            };
            let before = reading;
            let mut found = reading.line(&text, &mut self.scratch);
            let mut text = &*text;
            let mut partial = false;
            if matches!(found, Found::Unfinished) && kind == SourceKind::StatementFile {
                joined.clear();
                joined.push_str(text);
                reading = before;
                found = join(&mut reading, &mut reader, &mut joined, &mut self.scratch)?;
                text = &joined[..reading.end()];
                for _ in memchr::memchr_iter(b'\n', text.as_bytes()) {
                    reader.skip_until(b'\n')?;
                    self.merged.lines += 1;
                    number = number.saturating_add(1);
                }
                partial = number == line;
            }
            if !reading.in_comment() {
                comment = None;
            } else if comment.is_none() {
                comment = Some((number, text.as_bytes().to_vec()));
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
                    if !self.collector.add(statement, source, line, recompile) {
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
                    if !ended && line::is_cut_off(text) =>
                {
                    RejectReason::Truncated
                }
                Found::Rejected(reason) => reason,
            };
            self.reject(source, line, text.as_bytes(), reason, partial);
        }
    }

    /// `partial` if the line is the first of several, which are not one call.
    fn reject(&mut self, source: u32, line: u32, raw: &[u8], reason: RejectReason, partial: bool) {
        let merged = &mut self.merged;
        merged.rejected_total += 1;
        match self.account.add(raw, reason, partial) {
            Kept::New => merged
                .rejected
                .push(Rejected::new(source, line, raw, reason)),
            Kept::Again => merged.rejected_again += 1,
            Kept::Unlisted => match merged.unlisted.last_mut() {
                Some(unlisted) if unlisted.source == source => unlisted.lines += 1,
                _ => merged.unlisted.push(Unlisted {
                    source,
                    line,
                    lines: 1,
                }),
            },
        }
    }
}

/// Looks at the line in `joined` again, together with the lines that follow it until its call ends
/// or cannot be one. `reading` is as it was before the line. The text of `joined` that is then looked
/// at ends where the call does, or else with its first line.
fn join<R: BufRead>(
    reading: &mut Reading,
    reader: &mut LookAhead<R>,
    joined: &mut String,
    scratch: &mut String,
) -> io::Result<Found> {
    let before = *reading;
    let mut ahead = 0;
    let mut lines = 1;
    loop {
        // Twice as many at each look, so that a long call is not looked at too often.
        let most = (2 * lines).min(MAX_CALL_LINES);
        let had = lines;
        while lines < most && joined.len() < MAX_LINE {
            let raw = reader.peek_line(ahead)?;
            let Ok(text) = line::clean(raw) else { break };
            if raw.is_empty() {
                break;
            }
            ahead += raw.len();
            lines += 1;
            joined.push('\n');
            joined.push_str(&text);
        }
        let found = reading.line(joined, scratch);
        if !matches!(found, Found::Unfinished) {
            return Ok(found);
        }
        if lines == had {
            let at_end = reader.peek_line(ahead)?.is_empty();
            return Ok(Found::Rejected(if at_end {
                RejectReason::Truncated
            } else {
                RejectReason::Malformed
            }));
        }
        *reading = before;
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
