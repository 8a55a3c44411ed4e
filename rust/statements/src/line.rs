//! One line of a source, or the lines of one call: what it is, and its statement in normalised text.

use std::borrow::Cow;

use crate::ansi;
use crate::canonical::{Canonical, Text};
use crate::fault::Fault;
use crate::reject::RejectReason;
use crate::scaffold;
use crate::scan::{self, CALL, QUALIFIED};
use crate::source::SourceKind;

/// How long a line, and the text of a statement, may be, in bytes.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// One statement.
    Statement {
        /// The statement in normalised text: `precompile(...)`.
        text: Cow<'a, str>,
        /// Whether Julia marked it as compiled again (`# recompile`).
        recompile: bool,
    },
    /// Nothing but blanks and comments.
    Blank,
    /// A line that belongs to the frame around statements, such as `end`.
    Scaffold,
    /// Something else; it has to be reported, and must not be evaluated.
    Rejected(RejectReason),
}

/// Looks at one line by itself, as it could stand in a [`SourceKind::StatementFile`]. It may be
/// several lines if they are one call.
///
/// `line` is taken with or without its line ending. Terminal colours, comments and a timing before
/// the statement are dropped. Forms that come down to one call are reduced to it:
/// `Base.precompile(...)`, `@assert precompile(...)`, `@warnpcfail precompile(...)` and
/// `isdefined(M, name) && precompile(...)`.
///
/// Blanks are normalised as Julia prints them: one after a comma, none next to a bracket, and one
/// where there are several. A comma after the last argument is dropped. Text that differs
/// in nothing else becomes the same statement.
///
/// Never fails: what cannot be taken is [`Line::Rejected`]. A line that ends inside its statement
/// is [`RejectReason::Malformed`] here; whether it was [`RejectReason::Truncated`] shows only where
/// the source ends.
///
/// ```
/// use pcrs_statements::{Line, RejectReason, parse_line};
///
/// let line = parse_line(b"#= 39.1 ms =# precompile(Tuple{typeof(f),Int}) # recompile\r\n");
/// assert_eq!(
///     line,
///     Line::Statement { text: "precompile(Tuple{typeof(f), Int})".into(), recompile: true }
/// );
/// assert_eq!(parse_line(b"# nothing here"), Line::Blank);
/// assert_eq!(parse_line(b"end"), Line::Scaffold);
/// assert_eq!(
///     parse_line(b"precompile(f, (Int,)) && evil()"),
///     Line::Rejected(RejectReason::Unsafe)
/// );
/// ```
pub fn parse_line<L: AsRef<[u8]> + ?Sized>(line: &L) -> Line<'_> {
    let mut scratch = String::new();
    let mut reading = Reading::new(SourceKind::StatementFile);
    let text = match clean(line.as_ref()) {
        Ok(text) => text,
        Err(reason) => return Line::Rejected(reason),
    };
    let found = reading.line(&text, &mut scratch);
    match found {
        Found::Rejected(reason) => Line::Rejected(reason),
        Found::Unfinished => Line::Rejected(RejectReason::Malformed),
        _ if reading.end() < text.len() => Line::Rejected(RejectReason::Unsafe),
        Found::Statement {
            text: at,
            recompile,
        } => {
            let text = match (at, text) {
                (Text::Scratch, _) => Cow::Owned(scratch),
                (Text::Slice(range), Cow::Borrowed(text)) => Cow::Borrowed(&text[range]),
                (Text::Slice(range), Cow::Owned(text)) => Cow::Owned(text[range].to_owned()),
            };
            Line::Statement { text, recompile }
        }
        Found::Blank => Line::Blank,
        Found::Scaffold => Line::Scaffold,
    }
}

/// The line as text without its ending, a byte order mark and terminal colours.
pub(crate) fn clean(line: &[u8]) -> Result<Cow<'_, str>, RejectReason> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if line.len() > MAX_LINE {
        return Err(RejectReason::TooBig);
    }
    Ok(match ansi::strip(line) {
        Cow::Borrowed(bytes) => Cow::Borrowed(trimmed(bytes)?),
        Cow::Owned(bytes) => Cow::Owned(trimmed(&bytes)?.to_owned()),
    })
}

fn trimmed(bytes: &[u8]) -> Result<&str, RejectReason> {
    std::str::from_utf8(bytes.trim_ascii()).map_err(|_| RejectReason::NotUtf8)
}

/// What [`Reading::line`] found.
pub(crate) enum Found {
    Statement {
        text: Text,
        recompile: bool,
    },
    Blank,
    Scaffold,
    /// The text ends inside a statement.
    Unfinished,
    Rejected(RejectReason),
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        Self::Rejected(match fault {
            Fault::Malformed => RejectReason::Malformed,
            Fault::Unfinished => return Self::Unfinished,
            Fault::Unsafe => RejectReason::Unsafe,
            Fault::TooDeep => RejectReason::TooBig,
        })
    }
}

/// What one line of a source hands on to the next.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    kind: SourceKind,
    /// How many block comments are open.
    comments: u32,
    /// How much of the text was looked at.
    end: usize,
}

impl Reading {
    pub(crate) fn new(kind: SourceKind) -> Self {
        Self {
            kind,
            comments: 0,
            end: 0,
        }
    }

    /// Where the line that was looked at ends, or the last line of its call.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Whether a block comment goes on in the next line.
    pub(crate) fn in_comment(&self) -> bool {
        self.comments > 0
    }

    /// Looks at the first line of `line`, and at the lines that its call goes on over. `scratch`
    /// holds the statement if it had to be spaced anew.
    pub(crate) fn line(&mut self, line: &str, scratch: &mut String) -> Found {
        self.end = 0;
        let found = self.look_at(line, scratch);
        if self.end == 0 {
            self.end = line_end(line.as_bytes(), 0);
        }
        found
    }

    fn look_at(&mut self, line: &str, scratch: &mut String) -> Found {
        let bytes = line.as_bytes();
        let Ok(mut at) = self.skip_blanks(bytes, 0) else {
            return match self.kind {
                SourceKind::Trace => Found::Unfinished,
                SourceKind::StatementFile => Found::Blank,
            };
        };
        let mut guarded = false;
        loop {
            let rest = &line[at..];
            let call = if rest.starts_with(CALL) {
                at
            } else if rest.starts_with(QUALIFIED) {
                at + QUALIFIED.len() - CALL.len()
            } else if let Some(after) = wrapper_end(line, at, scratch) {
                guarded = true;
                at = after;
                continue;
            } else if rest.is_empty() && guarded {
                return Found::Unfinished;
            } else if !guarded && (rest.is_empty() || rest.starts_with('#')) {
                return Found::Blank;
            } else {
                return self.other(line, at, guarded);
            };
            return self.statement(line, call, scratch);
        }
    }

    /// The call that starts at `start`, and what follows it.
    fn statement(&mut self, line: &str, start: usize, scratch: &mut String) -> Found {
        let arguments = start + CALL.len();
        let mut text = Canonical::new(line, scratch, start..arguments);
        let mut at = match scan::call(line, arguments, &mut text) {
            Ok(end) => end,
            Err(fault) => return fault.into(),
        };
        let text = text.finish();
        self.end = line_end(line.as_bytes(), at);
        let bytes = &line.as_bytes()[..self.end];
        loop {
            // A block comment may go on in the next line.
            at = self.skip_blanks(bytes, at).unwrap_or(bytes.len());
            match bytes.get(at) {
                Some(b';') => at += 1,
                None | Some(b'#') => break,
                Some(_) => return Found::Rejected(RejectReason::Unsafe),
            }
        }
        let arguments = match &text {
            Text::Slice(range) => &line[range.start + CALL.len()..range.end - 1],
            Text::Scratch => &scratch[CALL.len()..scratch.len() - 1],
        };
        if arguments.is_empty() {
            return Found::Rejected(RejectReason::Malformed);
        }
        // Blanks after commas make the text longer than the line.
        if arguments.len() > MAX_LINE - CALL.len() - 1 {
            return Found::Rejected(RejectReason::TooBig);
        }
        if arguments.starts_with("fbody,") {
            return Found::Rejected(RejectReason::KeywordBody);
        }
        let comment = line[at..self.end].trim_start_matches('#').trim_start();
        Found::Statement {
            text,
            recompile: comment.starts_with("recompile"),
        }
    }

    /// A line that starts with no statement.
    fn other(&self, line: &str, at: usize, guarded: bool) -> Found {
        let rest = &line[at..];
        let reason = if rest.contains('\0') {
            RejectReason::NotUtf8
        } else if starts_like_call(rest) {
            RejectReason::Malformed
        } else if !guarded && self.kind == SourceKind::StatementFile && scaffold::is_scaffold(rest)
        {
            return Found::Scaffold;
        } else {
            RejectReason::NotAStatement
        };
        Found::Rejected(reason)
    }

    /// The index after blanks and block comments, or an error when a comment takes up the rest of
    /// the line; then the next line is in it too, except in a trace.
    fn skip_blanks(&mut self, bytes: &[u8], at: usize) -> Result<usize, ()> {
        let mut at = at;
        loop {
            if self.comments > 0 {
                at = scan::comment_end(bytes, at, &mut self.comments).ok_or(())?;
            }
            while matches!(bytes.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            if !bytes[at..].starts_with(b"#=") {
                return Ok(at);
            }
            let mut depth = 1;
            match scan::comment_end(bytes, at + 2, &mut depth) {
                Some(end) => at = end,
                None => {
                    if self.kind == SourceKind::StatementFile {
                        self.comments = depth;
                    }
                    return Err(());
                }
            }
        }
    }
}

/// Where the line that `at` is in ends.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n)
}

/// The index after a wrapper that leaves the call after it as it is: `@assert`, `@warnpcfail`, or
/// a guard `isdefined(...) &&`. Without the guard an undefined name fails in the call itself.
fn wrapper_end(line: &str, at: usize, scratch: &mut String) -> Option<usize> {
    let bytes = line.as_bytes();
    for name in ["@assert", "@warnpcfail"] {
        if line[at..].starts_with(name) {
            let end = at + name.len();
            let after = scan::skip_blanks(bytes, end).ok()?;
            return (after > end).then_some(after);
        }
    }
    let guard = "isdefined(";
    if !line[at..].starts_with(guard) {
        return None;
    }
    let start = at + guard.len();
    let mut text = Canonical::new(line, scratch, at..start);
    let end = scan::call(line, start, &mut text).ok()?;
    let and = scan::skip_blanks(bytes, end).ok()?;
    if !bytes[and..].starts_with(b"&&") {
        return None;
    }
    scan::skip_space(bytes, and + 2).ok()
}

/// Whether a call of `precompile` was meant, though not written so that Julia takes it as one.
fn starts_like_call(rest: &str) -> bool {
    let rest = rest.strip_prefix("Base.").unwrap_or(rest);
    rest.strip_prefix("precompile")
        .is_some_and(|after| after.trim_start().starts_with('('))
}

/// Whether a last line without a line ending could be the start of a statement.
pub(crate) fn is_cut_off(line: &str) -> bool {
    !line.is_empty() && (CALL.starts_with(line) || QUALIFIED.starts_with(line))
}
