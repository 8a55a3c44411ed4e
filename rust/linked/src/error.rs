//! The one error of this crate: an image that is not taken, and why.

use std::fmt;

/// Why an image cannot be linked in, as a sentence for the user's report.
///
/// Nothing is repaired or guessed: whoever gets one of these builds in the ordinary way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Refused(reason.into())
    }

    /// The same reason, with what it is about before it.
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        Refused(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Returns `Err(Refused)` with a formatted reason.
macro_rules! refuse {
    ($($arg:tt)*) => {
        return Err($crate::error::Refused::new(format!($($arg)*)))
    };
}

pub(crate) use refuse;
