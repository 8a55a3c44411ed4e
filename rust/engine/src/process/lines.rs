//! Splits what a child writes into lines, whatever it is.

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;

use memchr::{memchr, memrchr};

/// Bytes after which a line that has not ended is handed on in pieces.
pub const LONGEST: usize = 16 << 10;

/// Gives each line of `source` to `take`, without its end, until `take` wants no more.
pub fn each(mut source: impl Read, mut take: impl FnMut(String) -> ControlFlow<()>) {
    let mut buffer = vec![0; LONGEST];
    let mut rest = Vec::new();
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        rest.extend_from_slice(&buffer[..read]);
        let mut start = 0;
        while let Some(length) = memchr(b'\n', &rest[start..]) {
            if take(line(&rest[start..start + length])).is_break() {
                return;
            }
            start += length + 1;
        }
        rest.drain(..start);
        forget_overdrawn(&mut rest);
        while rest.len() > LONGEST {
            let end = boundary(&rest);
            if take(line(&rest[..end])).is_break() {
                return;
            }
            rest.drain(..end);
        }
    }
    if !rest.is_empty() {
        let _ = take(line(&rest));
    }
}

/// A progress bar may draw over its line for hours.
fn forget_overdrawn(rest: &mut Vec<u8>) {
    if rest.len() > LONGEST {
        let start = last_state(rest);
        rest.drain(..start);
    }
}

/// Where the last state of a line starts that was drawn over with `\r`; one at the end may belong
/// to the line's end.
fn last_state(line: &[u8]) -> usize {
    memrchr(b'\r', without_end(line)).map_or(0, |at| at + 1)
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r');
    &line[..end.map_or(0, |at| at + 1)]
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&without_end(bytes)[last_state(bytes)..]).into_owned()
}

/// The last place not after [`LONGEST`] that is not inside a character.
fn boundary(bytes: &[u8]) -> usize {
    let inside = |at: &usize| bytes[*at] & 0b1100_0000 == 0b1000_0000;
    let near = (LONGEST - 3..=LONGEST).rev();
    near.into_iter().find(|at| !inside(at)).unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn lines(bytes: &[u8], step: usize) -> Vec<String> {
        let mut all = Vec::new();
        each(Slow(bytes, step), |line| {
            all.push(line);
            ControlFlow::Continue(())
        });
        all
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = "a\n\nb\r\n1%\r2%\n\r\né\u{fffd}\r\r\nlast".as_bytes();
        for step in 1..text.len() {
            assert_eq!(
                lines(text, step),
                ["a", "", "b", "2%", "", "é\u{fffd}", "last"]
            );
        }
        assert!(lines(b"", 1).is_empty());
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let text = "ab€".repeat(LONGEST);
        let pieces = lines(text.as_bytes(), 1000);
        assert!(pieces.len() > 4);
        assert!(pieces.iter().all(|piece| piece.len() <= LONGEST));
        assert_eq!(pieces.concat(), text);
    }

    #[test]
    fn a_progress_bar_without_an_end_needs_no_room() {
        let text = "\rworking".repeat(LONGEST);
        assert_eq!(lines(text.as_bytes(), 777), ["working"]);
    }

    #[test]
    fn bytes_that_are_no_characters_are_cut_too() {
        let bytes = vec![0x80; 3 * LONGEST + 1];
        assert_eq!(lines(&bytes, 4096).len(), 4);
    }
}
