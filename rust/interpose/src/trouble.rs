//! The way out when something is not as it has to be: a sentence for the report, and an end of the
//! process that no handler of Julia's can turn into something else.

use std::fmt;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The code with which the process ends.
const EXIT: libc::c_int = 97;

/// Why the image has to be built in the ordinary way, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    pub fn new(reason: impl Into<String>) -> Self {
        Trouble(reason.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<pcrs_linked::Refused> for Trouble {
    fn from(refused: pcrs_linked::Refused) -> Self {
        Trouble(refused.to_string())
    }
}

/// The file that reasons are written to.
static PLACE: OnceLock<PathBuf> = OnceLock::new();

/// Lets reasons be written to the file at `place` from now on; they are printed before.
pub fn write_to(place: PathBuf) {
    // Set once, from the job.
    let _ = PLACE.set(place);
}

/// The check that shall fail, where a test asks for it.
static FAIL_AT: OnceLock<Option<String>> = OnceLock::new();

/// Makes the check of this name fail from now on.
pub fn fail_at(check: Option<String>) {
    // Set once, from the job.
    let _ = FAIL_AT.set(check);
}

/// The check named `check`: `reason` says what was found instead.
pub fn ensure(
    check: &'static str,
    holds: bool,
    reason: impl FnOnce() -> String,
) -> Result<(), Trouble> {
    if FAIL_AT.get().and_then(Option::as_deref) == Some(check) {
        return Err(Trouble(format!("the check {check} was made to fail")));
    }
    if holds {
        Ok(())
    } else {
        Err(Trouble(reason()))
    }
}

/// As [`ensure`], for something that has to be there.
pub fn there<T>(
    check: &'static str,
    value: Option<T>,
    reason: impl FnOnce() -> String,
) -> Result<T, Trouble> {
    ensure(check, true, String::new)?;
    value.ok_or_else(|| Trouble(reason()))
}

/// Runs what Julia has called. Neither an error nor a panic reaches Julia: both end the process.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> T {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => value,
        Ok(Err(trouble)) => stop(&trouble),
        Err(panic) => stop(&panicked(panic.as_ref())),
    }
}

/// What a panic tells, for a callback that has to hand it on through code that is not ours.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Trouble {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Trouble(format!(
        "a mistake in the interposer: {}",
        text.unwrap_or("a panic")
    ))
}

/// Writes the reason down and ends the process, without Julia's own work at an exit: that would
/// write the image.
pub fn stop(trouble: &Trouble) -> ! {
    let written = PLACE
        .get()
        .map(|place| std::fs::write(place, trouble.to_string()));
    if !matches!(written, Some(Ok(()))) {
        // Not `eprintln!`, which panics where stderr is closed.
        let _ = writeln!(std::io::stderr(), "linked image: {trouble}");
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(EXIT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_what_was_found() {
        assert_eq!(ensure("a", true, || "x".into()), Ok(()));
        assert_eq!(ensure("a", false, || "x".into()), Err(Trouble::new("x")));
        assert_eq!(there("a", Some(1), || "x".into()), Ok(1));
    }

    #[test]
    fn a_panic_becomes_a_sentence() {
        let caught = caught::<()>(|| panic!("number {}", 3));
        assert_eq!(
            caught.unwrap_err().to_string(),
            "a mistake in the interposer: number 3"
        );
    }
}
