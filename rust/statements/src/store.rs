//! The unique statements: their text in chunks of one size, a record and a table slot each.
//!
//! Chunks never move and never grow, so adding a statement copies only its own text, and memory
//! stays within the text plus about 34 bytes a statement; a `Vec` of strings would need half as
//! much again while it grows.

use std::fmt;
use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use crate::line::MAX_LINE;

/// Text chunks are as long as the longest statement, so that each is whole in one chunk.
const CHUNK: usize = MAX_LINE;
/// Records in a chunk.
const RECORDS: usize = 4096;
/// The bit of [`Record::times`] that says "recompile".
const RECOMPILE: u32 = 1 << 31;
/// Bits of [`Record::place`] that hold the length.
const LENGTH_BITS: u32 = 24;

struct Record {
    /// Where the text starts, counting each chunk as full, and its length.
    place: u64,
    /// Kept so that the table can grow without a look at the text.
    hash: u32,
    source: u32,
    line: u32,
    /// Occurrences, and whether one of them was marked "recompile".
    times: u32,
}

/// The unique statements, in the order of their first occurrence.
///
/// ```
/// # use pcrs_statements::{Merger, SourceKind};
/// # let mut merger = Merger::new();
/// # let trace = b"precompile(f, (Int,))\nprecompile(g, (Int,))\nprecompile(f, (Int,))\n";
/// # merger.add_reader(SourceKind::Trace, &trace[..]).unwrap();
/// # let merged = merger.finish();
/// let texts: Vec<&str> = merged.statements.iter().map(|s| s.text).collect();
/// assert_eq!(texts, ["precompile(f, (Int,))", "precompile(g, (Int,))"]);
/// assert_eq!(merged.statements.len(), 2);
/// ```
#[derive(Default)]
pub struct Statements {
    text: Vec<String>,
    records: Vec<Vec<Record>>,
    len: usize,
}

/// One unique statement.
///
/// ```
/// # use pcrs_statements::{Merger, SourceKind};
/// let mut merger = Merger::new();
/// merger.add_reader(SourceKind::Trace, &b"precompile(f, (Int,))\n"[..]).unwrap();
/// let merged = merger.finish();
/// let statement = merged.statements.get(0).unwrap();
/// assert_eq!(statement.text, "precompile(f, (Int,))");
/// assert_eq!((statement.source, statement.line, statement.times), (0, 1, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Normalised text: `precompile(...)`, and nothing else.
    pub text: &'a str,
    /// Index of the source it came from first, in the order the sources were given.
    pub source: u32,
    /// Line where its first occurrence starts, from 1.
    pub line: u32,
    /// How often it was found.
    pub times: u32,
    /// Whether Julia marked one of them as compiled again.
    pub recompile: bool,
}

impl<'a> Statement<'a> {
    /// The source of its arguments: what stands between the parentheses of the call.
    ///
    /// ```
    /// # use pcrs_statements::{Merger, SourceKind};
    /// # let mut merger = Merger::new();
    /// # merger.add_reader(SourceKind::Trace, &b"precompile(f, (Int,))\n"[..]).unwrap();
    /// # let merged = merger.finish();
    /// assert_eq!(merged.statements.get(0).unwrap().arguments(), "f, (Int,)");
    /// ```
    pub fn arguments(&self) -> &'a str {
        &self.text["precompile(".len()..self.text.len() - 1]
    }
}

impl Statements {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The statement at `index`, counted from 0, or nothing when there are not that many.
    pub fn get(&self, index: usize) -> Option<Statement<'_>> {
        let record = self.records.get(index / RECORDS)?.get(index % RECORDS)?;
        Some(Statement {
            text: self.text_at(record.place),
            source: record.source,
            line: record.line,
            times: record.times & !RECOMPILE,
            recompile: record.times & RECOMPILE != 0,
        })
    }

    /// All of them, in the order of their first occurrence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Statement<'_>> + '_ {
        (0..self.len).map(|index| self.get(index).expect("index is below len"))
    }

    /// Bytes of text, all unique statements together.
    pub fn text_bytes(&self) -> usize {
        self.text.iter().map(String::len).sum()
    }

    fn text_at(&self, place: u64) -> &str {
        let start = (place >> LENGTH_BITS) as usize;
        let length = (place & ((1 << LENGTH_BITS) - 1)) as usize;
        let offset = start % CHUNK;
        &self.text[start / CHUNK][offset..offset + length]
    }

    fn record(&self, index: u32) -> &Record {
        let index = index as usize;
        &self.records[index / RECORDS][index % RECORDS]
    }

    fn push(&mut self, text: &str, hash: u32, source: u32, line: u32) {
        debug_assert!(text.len() <= CHUNK);
        if self
            .text
            .last()
            .is_none_or(|chunk| chunk.len() + text.len() > CHUNK)
        {
            self.text.push(String::with_capacity(CHUNK));
        }
        if self.len.is_multiple_of(RECORDS) {
            self.records.push(Vec::with_capacity(RECORDS));
        }
        let last = self.text.len() - 1;
        let chunk = &mut self.text[last];
        let start = (last * CHUNK + chunk.len()) as u64;
        chunk.push_str(text);
        let record = Record {
            place: (start << LENGTH_BITS) | text.len() as u64,
            hash,
            source,
            line,
            times: 1,
        };
        self.records[self.len / RECORDS].push(record);
        self.len += 1;
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Statements while they are collected: with a table to find a text again.
#[derive(Default)]
pub(crate) struct Collector {
    statements: Statements,
    table: HashTable<u32>,
}

impl Collector {
    /// Adds one occurrence. Whether the text was new.
    pub(crate) fn add(&mut self, text: &str, source: u32, line: u32, recompile: bool) -> bool {
        let hash = hash(text);
        let Self { statements, table } = self;
        let same = |&index: &u32| {
            let record = statements.record(index);
            record.hash == hash && statements.text_at(record.place) == text
        };
        let known = table.find(spread(hash), same).copied();
        let index = known.unwrap_or_else(|| {
            let index = statements.len as u32;
            statements.push(text, hash, source, line);
            table.insert_unique(spread(hash), index, |&other| {
                spread(statements.record(other).hash)
            });
            index
        }) as usize;
        let record = &mut statements.records[index / RECORDS][index % RECORDS];
        if known.is_some() && record.times & !RECOMPILE < !RECOMPILE {
            record.times += 1;
        }
        if recompile {
            record.times |= RECOMPILE;
        }
        known.is_none()
    }

    pub(crate) fn finish(self) -> Statements {
        self.statements
    }
}

fn hash(text: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    (hasher.finish() >> 32) as u32
}

/// The table takes its tag from the top bits of a hash, and the slot from the low ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_back_in_order() {
        let mut collector = Collector::default();
        for i in 0..10_000_u32 {
            assert!(collector.add(&format!("precompile(f{i}, (Int,))"), 1, i, false));
        }
        for i in (0..10_000_u32).rev() {
            assert!(!collector.add(&format!("precompile(f{i}, (Int,))"), 2, i, i == 7));
        }
        let statements = collector.finish();
        assert_eq!(statements.len(), 10_000);
        for (i, statement) in statements.iter().enumerate() {
            assert_eq!(statement.text, format!("precompile(f{i}, (Int,))"));
            assert_eq!(statement.line, i as u32);
            assert_eq!(statement.times, 2);
            assert_eq!(statement.recompile, i == 7);
        }
        assert!(statements.get(10_000).is_none());
    }

    #[test]
    fn texts_of_the_greatest_length_fit() {
        let mut collector = Collector::default();
        let long = "x".repeat(CHUNK);
        assert!(collector.add("a", 0, 1, false));
        assert!(collector.add(&long, 0, 2, false));
        assert!(collector.add("b", 0, 3, false));
        assert!(!collector.add(&long, 0, 4, false));
        let statements = collector.finish();
        assert_eq!(statements.get(1).unwrap().text, long);
        assert_eq!(statements.get(2).unwrap().text, "b");
        assert_eq!(statements.text_bytes(), CHUNK + 2);
    }
}
