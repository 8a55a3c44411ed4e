//! What depends on the Julia version, in one table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `major.minor.patch`; a pre-release or build suffix is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JuliaVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

/// An ability that came with a Julia version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `Base.TOML_CACHE`, a TOML parser in Base.
    BaseToml,
    /// `--strip-metadata` and `--strip-ir`.
    Strip,
    /// `Pkg.precompile` takes packages, does only their closure, and needs no registry.
    ParallelPrecompile,
    /// Native code in package caches, which an image must not be built from: `--pkgimages=no`.
    PkgImages,
    /// The image is written by several threads, as an archive.
    ImageThreads,
    /// Windows links need `--export-all-symbols`.
    ExportAllSymbols,
    /// Base is compiled from `Base_compiler.jl` with `--buildroot` and `--dataroot`.
    BaseCompiler,
    /// A process that makes an image runs the native code of the one it runs on.
    NativeImaging,
    /// `--compress-sysimage`.
    CompressSysimage,
}

/// The first `(major, minor)` that has each feature. Sources: Julia's NEWS.md of each version, and
/// PackageCompiler.jl 2.4.0 for the last three.
const TABLE: [(Feature, (u32, u32)); 9] = [
    (Feature::BaseToml, (1, 6)),
    (Feature::Strip, (1, 8)),
    (Feature::ParallelPrecompile, (1, 9)),
    (Feature::PkgImages, (1, 9)),
    (Feature::ImageThreads, (1, 10)),
    (Feature::ExportAllSymbols, (1, 11)),
    (Feature::BaseCompiler, (1, 12)),
    (Feature::NativeImaging, (1, 12)),
    (Feature::CompressSysimage, (1, 13)),
];

/// The versions whose native code can be linked in, as `rust/interpose` and `rust/linked` know how they
/// keep it.
const LINKED: [(u32, u32); 3] = [(1, 10), (1, 11), (1, 12)];

/// The oldest Julia that the package supports.
pub const OLDEST: (u32, u32) = (1, 5);

impl JuliaVersion {
    pub fn has(self, feature: Feature) -> bool {
        (self.major, self.minor) >= Self::first_with(feature)
    }

    /// Whether a linked image can be made with this Julia.
    pub fn can_be_linked(self) -> bool {
        LINKED.contains(&(self.major, self.minor))
    }

    /// The first `(major, minor)` with `feature`.
    pub fn first_with(feature: Feature) -> (u32, u32) {
        TABLE
            .iter()
            .find(|(f, _)| *f == feature)
            .map_or((u32::MAX, 0), |(_, version)| *version)
    }
}

impl FromStr for JuliaVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = digits.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Ok(Self {
                major,
                minor,
                patch,
            }),
            _ => Err(format!("`{text}` is not a Julia version")),
        }
    }
}

impl TryFrom<String> for JuliaVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<JuliaVersion> for String {
    fn from(version: JuliaVersion) -> String {
        version.to_string()
    }
}

impl fmt::Display for JuliaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_suffixes() {
        let v: JuliaVersion = "1.12.0-rc1".parse().unwrap();
        assert_eq!((v.major, v.minor, v.patch), (1, 12, 0));
        assert!("1.12".parse::<JuliaVersion>().is_err());
    }

    #[test]
    fn every_feature_is_in_the_table() {
        let old: JuliaVersion = "1.5.3".parse().unwrap();
        let new: JuliaVersion = "1.13.0".parse().unwrap();
        for (feature, _) in TABLE {
            assert!(!old.has(feature), "{feature:?}");
            assert!(new.has(feature), "{feature:?}");
        }
    }
}
