//! What sort of result an entry holds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The sorts of entries; each has its own folder in the store, and its own keys.
///
/// ```
/// use pcrs_cache::Kind;
/// assert_eq!(Kind::ALL.map(Kind::name), ["image", "trace", "base", "layer"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A finished sysimage.
    Image,
    /// What a workload compiled.
    Trace,
    /// A fresh base sysimage.
    Base,
    /// An image of packages that seldom change, on which others are built.
    Layer,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Image, Kind::Trace, Kind::Base, Kind::Layer];

    /// Its name in paths and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Trace => "trace",
            Kind::Base => "base",
            Kind::Layer => "layer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
