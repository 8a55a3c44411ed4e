//! What the executable of an app and the functions that start a library have in common: where their
//! bundle is, the environment that Julia starts in, and Julia itself.

pub mod arguments;
pub mod bundle;
pub mod environment;
// macOS and Windows have no such variables that Julia could use.
#[cfg(all(unix, not(target_os = "macos")))]
pub mod frames;
pub mod julia;
pub mod table;

use std::ffi::{CString, OsStr};
use std::io::Write;

/// Writes an error; where nobody can read it, there is nobody to tell.
pub fn tell(why: &str) {
    let _ = writeln!(std::io::stderr(), "ERROR: {why}");
}

/// A text for C.
///
/// # Errors
/// When it holds a NUL character.
pub fn c_string(text: &OsStr) -> Result<CString, String> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(text).to_vec();
    #[cfg(not(unix))]
    let bytes = text.to_string_lossy().into_owned().into_bytes();
    CString::new(bytes).map_err(|_| format!("`{}` holds a NUL character", text.to_string_lossy()))
}
