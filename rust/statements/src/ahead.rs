//! Looks at lines before they are read.

use std::io::{self, BufRead, Read};

use crate::line::MAX_LINE;

/// The most bytes of a line that are read at once: one over the limit and a line ending, which
/// shows that the line is too long.
pub(crate) const LINE_READ: usize = MAX_LINE + 2;

/// A reader whose next lines can be looked at without reading them.
pub(crate) struct LookAhead<R> {
    inner: R,
    /// What was looked at and is not read yet starts at `at`.
    seen: Vec<u8>,
    at: usize,
}

impl<R: BufRead> LookAhead<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            seen: Vec::new(),
            at: 0,
        }
    }

    /// The line after the next `skip` bytes, which were looked at, with its ending, or the first
    /// [`LINE_READ`] bytes of it; empty where the source ends.
    pub(crate) fn peek_line(&mut self, skip: usize) -> io::Result<&[u8]> {
        let line_at = |seen: &[u8], start| {
            let rest = &seen[start..];
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
            start..start + end
        };
        let mut line = line_at(&self.seen, self.at + skip);
        if self.seen[line.clone()].last() != Some(&b'\n') {
            if self.at > self.seen.len() / 2 {
                self.seen.drain(..self.at);
                self.at = 0;
            }
            let start = self.at + skip;
            let missing = LINE_READ.saturating_sub(self.seen.len() - start);
            let mut rest = self.inner.by_ref().take(missing as u64);
            rest.read_until(b'\n', &mut self.seen)?;
            line = line_at(&self.seen, start);
        }
        Ok(&self.seen[line])
    }
}

impl<R: BufRead> Read for LookAhead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for LookAhead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.seen.is_empty() {
            self.inner.fill_buf()
        } else {
            Ok(&self.seen[self.at..])
        }
    }

    fn consume(&mut self, count: usize) {
        if self.seen.is_empty() {
            return self.inner.consume(count);
        }
        self.at += count;
        if self.at == self.seen.len() {
            self.seen.clear();
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_still_read() {
        let text = b"one\ntwo\nthree\nfour";
        for capacity in [1, 5, 100] {
            let inner = io::BufReader::with_capacity(capacity, &text[..]);
            let mut reader = LookAhead::new(inner);
            assert_eq!(reader.peek_line(0).unwrap(), b"one\n");
            assert_eq!(reader.peek_line(4).unwrap(), b"two\n");
            assert_eq!(reader.peek_line(0).unwrap(), b"one\n");
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).unwrap();
            reader.read_until(b'\n', &mut line).unwrap();
            assert_eq!(line, b"one\ntwo\n");
            assert_eq!(reader.peek_line(0).unwrap(), b"three\n");
            assert_eq!(reader.peek_line(6).unwrap(), b"four");
            assert_eq!(reader.peek_line(10).unwrap(), b"");
            let mut rest = String::new();
            reader.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "three\nfour");
            assert_eq!(reader.peek_line(0).unwrap(), b"");
        }
    }

    #[test]
    fn of_a_long_line_only_the_start_is_held() {
        let mut reader = LookAhead::new(io::BufReader::new(io::repeat(b'x').take(8 << 20)));
        assert_eq!(reader.peek_line(0).unwrap().len(), LINE_READ);
        assert_eq!(reader.peek_line(0).unwrap().len(), LINE_READ);
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 8 << 20);
    }
}
