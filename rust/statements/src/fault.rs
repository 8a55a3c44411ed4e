//! Why a text is not taken for a call.

/// Why a scan stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not in the grammar.
    Malformed,
    /// The text ends inside the call.
    Unfinished,
    /// Holds what would run other code.
    Unsafe,
    /// Nested too deep.
    TooDeep,
}
