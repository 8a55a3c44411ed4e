//! Renames that have the patience that Windows asks for.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What lies between two attempts, in milliseconds: six seconds in all.
const PAUSES: [u64; 8] = [25, 50, 100, 200, 400, 800, 1600, 3200];

/// What Windows says of a file that another program has open: `ERROR_ACCESS_DENIED`, `ERROR_SHARING_VIOLATION`,
/// `ERROR_LOCK_VIOLATION` (winerror.h).
const IN_USE: [i32; 3] = [5, 32, 33];

/// Renames `from` to `to`, as [`fs::rename`]. On Windows a virus scanner or an indexer has a new file open for a
/// moment (JuliaLang/Pkg.jl#4001, conda/rattler#2453), so that there it is tried again for up to six seconds.
///
/// # Errors
/// As `fs::rename`.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let (from, to) = (folder.path().join("a"), folder.path().join("b"));
/// std::fs::write(&from, "text")?;
/// pcrs_cache::rename(&from, &to)?;
/// assert_eq!(std::fs::read(&to)?, b"text");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let pauses: &[u64] = if cfg!(windows) { &PAUSES } else { &[] };
    // No folder is ever put in the place of another there.
    patiently(pauses, || fs::rename(from, to), || !to.is_dir())
}

fn patiently(
    pauses: &[u64],
    mut rename: impl FnMut() -> io::Result<()>,
    hope: impl Fn() -> bool,
) -> io::Result<()> {
    for pause in pauses {
        match rename() {
            Err(error) if error.raw_os_error().is_some_and(|e| IN_USE.contains(&e)) && hope() => {
                std::thread::sleep(Duration::from_millis(*pause));
            }
            result => return result,
        }
    }
    rename()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is tried, and what comes of it.
    fn tried(pauses: &[u64], hope: bool, mut results: Vec<io::Result<()>>) -> (usize, bool) {
        let count = results.len();
        results.reverse();
        let rename = || results.pop().expect("no more attempts than results");
        let good = patiently(pauses, rename, || hope).is_ok();
        (count - results.len(), good)
    }

    #[test]
    fn only_what_passes_is_waited_for() {
        let error = |number| Err(io::Error::from_raw_os_error(number));
        let in_use = || vec![error(5), error(32), Ok(()), Ok(())];
        assert_eq!(tried(&[0, 0], true, in_use()), (3, true));
        assert_eq!(tried(&[0, 0], false, in_use()), (1, false));
        assert_eq!(tried(&[0], true, in_use()), (2, false));
        assert_eq!(tried(&[], true, in_use()), (1, false));
        // ERROR_PATH_NOT_FOUND
        assert_eq!(tried(&[0, 0], true, vec![error(3), Ok(())]), (1, false));
    }
}
