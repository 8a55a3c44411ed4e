//! Environment variables and working folder of the user's session, as they were when the build was
//! asked for.
//!
//! Julia takes them on a thread of its own and puts them into the plan. The engine must not look
//! itself: its threads run beside those of Julia, which may change the environment at any time
//! (`setenv(3)` is not safe while another thread reads), and children that start late would get
//! another environment than those that start early. `clippy.toml` forbids the functions that look.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

/// What children inherit.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// Names and values.
    #[serde(deserialize_with = "variables")]
    pub environment: Vec<(OsString, OsString)>,
    /// The working folder.
    pub folder: PathBuf,
    /// The user's home.
    pub home: PathBuf,
}

/// Without the values, some of which are nobody's business.
impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// The value of the variable `name`.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        let mut found = self.environment.iter().filter(|(n, _)| same(n, name));
        found.next().map(|(_, value)| value.as_os_str())
    }

    /// The program that a shell would run for `name`; a path with separators is taken from the
    /// working folder.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Option<PathBuf> {
        which::which_in(name, self.var("PATH"), &self.folder).ok()
    }

    /// Where temporary files go.
    pub fn temporary(&self) -> &Path {
        let name = if cfg!(windows) { "TEMP" } else { "TMPDIR" };
        let chosen = self.var(name).map(Path::new);
        let chosen = chosen.filter(|folder| folder.is_absolute());
        chosen.unwrap_or(Path::new("/tmp"))
    }
}

/// Windows does not tell upper from lower case in names of variables.
fn same(name: &OsStr, wanted: &str) -> bool {
    if cfg!(windows) {
        name.eq_ignore_ascii_case(wanted)
    } else {
        name == wanted
    }
}

/// Text, or the bytes of what is no UTF-8.
#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Raw> for OsString {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::Text(text) => text.into(),
            #[cfg(unix)]
            Raw::Bytes(bytes) => std::os::unix::ffi::OsStringExt::from_vec(bytes),
            #[cfg(not(unix))]
            Raw::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        }
    }
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(OsString, OsString)>, D::Error> {
    let raw = Vec::<(Raw, Raw)>::deserialize(from)?;
    let pairs = raw.into_iter();
    Ok(pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn values_come_as_text_or_as_bytes() {
        let json =
            r#"{"environment": [["A", "b=c"], ["B", [255, 65]]], "folder": "/x", "home": "/h"}"#;
        let read: Surroundings = serde_json::from_str(json).unwrap();
        assert_eq!(read.var("A"), Some(OsStr::new("b=c")));
        assert_eq!(read.var("B"), Some(OsStr::from_bytes(&[255, 65])));
        assert_eq!(read.var("C"), None);
        assert_eq!(read.temporary(), Path::new("/tmp"));
        assert!(!format!("{read:?}").contains("b=c"));
    }
}
