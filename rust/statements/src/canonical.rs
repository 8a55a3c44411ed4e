//! Builds the canonical text of a statement, without a copy where the source has it already.

use std::ops::Range;

/// Where a finished canonical text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// A part of the source line.
    Slice(Range<usize>),
    /// In the scratch buffer, since the source was spaced in another way.
    Scratch,
}

/// Takes tokens one after the other. As long as each stands in the source where the canonical text
/// wants it, the result is a range of the source; the first that does not starts a copy.
pub(crate) struct Canonical<'a, 's> {
    source: &'a str,
    range: Range<usize>,
    scratch: &'s mut String,
    copied: bool,
}

impl<'a, 's> Canonical<'a, 's> {
    /// Starts with the token at `first`.
    pub(crate) fn new(source: &'a str, scratch: &'s mut String, first: Range<usize>) -> Self {
        scratch.clear();
        Self {
            source,
            range: first,
            scratch,
            copied: false,
        }
    }

    /// Adds the token at `token`, after a blank if `blank`.
    #[inline]
    pub(crate) fn push(&mut self, token: Range<usize>, blank: bool) {
        if !self.copied {
            let end = self.range.end;
            let as_wanted = token.start == end + usize::from(blank)
                && (!blank || self.source.as_bytes()[end] == b' ');
            if as_wanted {
                self.range.end = token.end;
                return;
            }
            self.copy();
        }
        if blank {
            self.scratch.push(' ');
        }
        self.scratch.push_str(&self.source[token]);
    }

    /// Adds a token that the source has in another form.
    pub(crate) fn push_text(&mut self, text: &str, blank: bool) {
        if !self.copied {
            self.copy();
        }
        if blank {
            self.scratch.push(' ');
        }
        self.scratch.push_str(text);
    }

    /// Takes away the last byte.
    pub(crate) fn pop(&mut self) {
        if !self.copied {
            self.copy();
        }
        self.scratch.pop();
    }

    fn copy(&mut self) {
        self.scratch.push_str(&self.source[self.range.clone()]);
        self.copied = true;
    }

    /// Ends the text.
    pub(crate) fn finish(self) -> Text {
        if self.copied {
            Text::Scratch
        } else {
            Text::Slice(self.range)
        }
    }
}
