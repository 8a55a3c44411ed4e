//! The environment that Julia starts in.

use std::env;
use std::ffi::OsString;

use crate::bundle::Bundle;

const SEPARATOR: &str = if cfg!(windows) { ";" } else { ":" };

/// Variables that were changed, with the values they had.
#[derive(Debug)]
pub struct Changed(Vec<(&'static str, Option<OsString>)>);

impl Changed {
    /// Makes the bundle the last depot, and the last place to load packages from: those of the user's
    /// environment come first.
    ///
    /// # Safety
    /// No other thread may read or change the environment meanwhile.
    pub unsafe fn for_bundle(bundle: &Bundle) -> Self {
        let share = bundle.share().into_os_string();
        let mut changed = Vec::new();
        for name in ["JULIA_DEPOT_PATH", "JULIA_LOAD_PATH"] {
            let before = env::var_os(name);
            if let Some(value) = with(before.clone(), &share, name == "JULIA_DEPOT_PATH") {
                // SAFETY: the caller's promise.
                unsafe { env::set_var(name, value) };
                changed.push((name, before));
            }
        }
        Self(changed)
    }

    /// Puts the values back that there were: processes that the program starts have the environment that
    /// it was given.
    ///
    /// # Safety
    /// As of `for_bundle`.
    pub unsafe fn restore(self) {
        for (name, before) in self.0 {
            // SAFETY: the caller's promise.
            match before {
                Some(value) => unsafe { env::set_var(name, value) },
                None => unsafe { env::remove_var(name) },
            }
        }
    }
}

/// The list `before` and `folder` behind it; none where the variable is to stay.
///
/// A list cannot hold a folder with the separator in its name. An empty entry of a list of depots stands
/// for those that Julia has by itself, and the bundle's is among these.
fn with(before: Option<OsString>, folder: &OsString, depots: bool) -> Option<OsString> {
    let fits = !folder.to_string_lossy().contains(SEPARATOR);
    if !fits && !depots {
        return None;
    }
    let before = before.filter(|list| !list.is_empty());
    let mut list = match (before, fits) {
        (None, true) => return Some(folder.clone()),
        (None, false) => return None,
        (Some(list), _) => list,
    };
    list.push(SEPARATOR);
    if fits {
        list.push(folder);
    }
    Some(list)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn list(before: Option<&str>, folder: &str, depots: bool) -> Option<String> {
        with(before.map(OsString::from), &folder.into(), depots)
            .map(|list| list.into_string().unwrap())
    }

    #[test]
    fn the_bundle_comes_last() {
        assert_eq!(list(None, "/a", true).unwrap(), "/a");
        assert_eq!(list(Some(""), "/a", false).unwrap(), "/a");
        assert_eq!(list(Some("/x:/y"), "/a", false).unwrap(), "/x:/y:/a");
    }

    #[test]
    fn a_folder_with_the_separator_is_left_to_julias_own_list() {
        assert_eq!(list(None, "/a:b", true), None);
        assert_eq!(list(Some("/x"), "/a:b", true).unwrap(), "/x:");
        assert_eq!(list(Some("/x"), "/a:b", false), None);
    }
}
