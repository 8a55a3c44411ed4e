//! The C ABI that Julia calls. Nothing here blocks, but `pcrs_wait`, which says so; nothing links
//! libjulia, so that one library serves every Julia version.
//!
//! Strings go in as pointer and length, and come out as NUL-terminated text that the caller gives
//! back to [`pcrs_free_string`]. All values are JSON: `BuildPlan` in, `Event`, `BuildReport`,
//! `BuildError` and `DryRun` out.

use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::time::Duration;

use pcrs_engine::build::channel::Waker;
use pcrs_engine::identity::inspect::inspect;
use pcrs_engine::identity::stamp::Stamp;
use pcrs_engine::identity::{cache, parts};
use pcrs_engine::{Build, BuildError, BuildPlan, dry_run};
use serde::Serialize;

/// Changes whenever a function or a value here does; Julia refuses a library with another one.
const ABI_VERSION: c_int = 2;

/// `uv_async_send`, which any thread may call (libuv's documentation).
type AsyncSend = unsafe extern "C" fn(handle: *mut c_void) -> c_int;

struct Handle(*mut c_void);
// SAFETY: the handle is only given to `uv_async_send`, which is safe from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

#[unsafe(no_mangle)]
pub extern "C" fn pcrs_abi_version() -> c_int {
    ABI_VERSION
}

/// Starts a build and returns at once; null never comes back.
///
/// `send` is called with `handle` after each event, until `pcrs_free` returns. A plan that cannot
/// be read gives a build that has failed.
///
/// # Safety
/// `plan` must point to `length` bytes; `handle` must stay valid until `pcrs_free` returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start(
    plan: *const u8,
    length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Build {
    let waker = || -> Waker {
        let handle = Handle(handle);
        Box::new(move || {
            let handle = &handle;
            // SAFETY: the caller keeps the handle valid.
            unsafe { send(handle.0) };
        })
    };
    let started = guarded(None, || {
        // SAFETY: the caller's promise.
        Some(match unsafe { read_plan(plan, length) } {
            Ok(plan) => Build::start(plan, waker()),
            Err(error) => Build::failed(error, waker()),
        })
    });
    let build = started.unwrap_or_else(|| Build::failed(engine_failed(), waker()));
    Box::into_raw(Box::new(build))
}

/// The next event as JSON, or null when there is none now.
///
/// # Safety
/// `build` must come from `pcrs_start` and not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_next_event(build: *const Build) -> *mut c_char {
    guarded(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let event = unsafe { &*build }.next_event();
        event.map_or(ptr::null_mut(), |event| json(&event))
    })
}

/// `{"Ok": BuildReport}` or `{"Err": BuildError}`, or null before the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_result(build: *const Build) -> *mut c_char {
    guarded(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let result = unsafe { &*build }.result();
        result.map_or(ptr::null_mut(), |result| json(&result))
    })
}

/// Asks the build to stop. Its end is the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cancel(build: *const Build) {
    // SAFETY: the caller's promise.
    guarded((), || unsafe { &*build }.cancel());
}

/// Blocks until the build has ended, at most `milliseconds`; 1 if it has. For a process that is
/// about to exit and runs no event loop any more.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_wait(build: *const Build, milliseconds: u64) -> c_int {
    // SAFETY: the caller's promise.
    let build = unsafe { &*build };
    guarded(0, || {
        c_int::from(build.wait(Duration::from_millis(milliseconds)))
    })
}

/// Frees a build; one that has not ended is cancelled and waited for.
///
/// # Safety
/// `build` must come from `pcrs_start`, and not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_free(build: *mut Build) {
    if !build.is_null() {
        // SAFETY: the caller's promise.
        let build = unsafe { Box::from_raw(build) };
        guarded((), move || drop(build));
    }
}

/// What `pcrs_start` would do: `{"Ok": DryRun}` or `{"Err": BuildError}`.
///
/// # Safety
/// `plan` must point to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_dry_run(plan: *const u8, length: usize) -> *mut c_char {
    guarded(None, || {
        // SAFETY: the caller's promise.
        let plan = unsafe { read_plan(plan, length) };
        Some(json(&plan.and_then(|plan| dry_run(&plan))))
    })
    .unwrap_or_else(|| json(&Err::<(), _>(engine_failed())))
}

/// The stamp that an image at the path `image` would get if it were built from `plan` now, as far
/// as that is known before it is built: `{"Ok": Stamp}` or `{"Err": BuildError}`. Reads files of
/// some hundred megabytes.
///
/// # Safety
/// `plan` and `image` must point to as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_stamp(
    plan: *const u8,
    length: usize,
    image: *const u8,
    image_length: usize,
) -> *mut c_char {
    guarded(None, || {
        // SAFETY: the caller's promise.
        let plan = unsafe { read_plan(plan, length) };
        // SAFETY: the caller's promise.
        let image = unsafe { read_text(image, image_length) }.map_err(BuildError::input);
        let stamp = plan.and_then(|plan| {
            let parts = parts::read(&plan, Path::new(image?));
            Ok(Stamp::new(&plan, None, parts))
        });
        Some(json(&stamp))
    })
    .unwrap_or_else(|| json(&Err::<(), _>(engine_failed())))
}

/// What the sysimage at the path `image` says of itself to the Julia of `version`:
/// `{"Ok": Inspected}` or `{"Err": String}`. Reads all of it.
///
/// # Safety
/// `image` and `version` must point to as many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_inspect(
    image: *const u8,
    image_length: usize,
    version: *const u8,
    version_length: usize,
) -> *mut c_char {
    let result = guarded(Err("the engine failed".to_string()), || {
        // SAFETY: the caller's promise.
        let image = unsafe { read_text(image, image_length) }?;
        // SAFETY: the caller's promise.
        let version = unsafe { read_text(version, version_length) }?;
        inspect(Path::new(image), version.parse()?)
    });
    json(&result)
}

/// How much the cache in the folder `dir` holds: `{"Ok": CacheInfo}` or `{"Err": String}`.
///
/// # Safety
/// `dir` must point to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cache_info(dir: *const u8, length: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { with_folder(dir, length, cache::info) }
}

/// Removes what the cache in the folder `dir` holds: `{"Ok": bytes}` or `{"Err": String}`.
///
/// # Safety
/// As `pcrs_cache_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cache_clear(dir: *const u8, length: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { with_folder(dir, length, cache::clear) }
}

unsafe fn with_folder<T: Serialize>(
    dir: *const u8,
    length: usize,
    run: impl FnOnce(&Path) -> Result<T, String>,
) -> *mut c_char {
    let result = guarded(Err("the engine failed".to_string()), || {
        // SAFETY: the caller's promise.
        run(Path::new(unsafe { read_text(dir, length) }?))
    });
    json(&result)
}

/// # Safety
/// `text` must point to `length` bytes that live as long as the result.
unsafe fn read_text<'a>(text: *const u8, length: usize) -> Result<&'a str, String> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(text, length) };
    std::str::from_utf8(bytes).map_err(|e| e.to_string())
}

/// Frees a string that came from here.
///
/// # Safety
/// `text` must come from a function of this library, and not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_free_string(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// `run`, or `otherwise` if it panics: a panic that leaves a function here ends the user's session.
fn guarded<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(otherwise)
}

fn engine_failed() -> BuildError {
    BuildError::input("the engine failed on this plan")
        .hint("this is a bug of PackageCompilerRS: please report it with the plan")
}

unsafe fn read_plan(plan: *const u8, length: usize) -> Result<BuildPlan, BuildError> {
    let bytes = if plan.is_null() {
        &[]
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(plan, length) }
    };
    let unreadable = |why: String| {
        BuildError::input("the engine cannot read the build plan")
            .because(why)
            .hint("Julia package and library differ: run `Pkg.build(\"PackageCompilerRS\")`")
    };
    let text = std::str::from_utf8(bytes).map_err(|e| unreadable(e.to_string()))?;
    BuildPlan::from_json(text).map_err(unreadable)
}

fn json(value: &impl Serialize) -> *mut c_char {
    // JSON escapes control characters, so that no NUL can be inside.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
    CString::new(text).unwrap_or_default().into_raw()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    unsafe extern "C" fn count(handle: *mut c_void) -> c_int {
        // SAFETY: the tests give an `AtomicUsize` that outlives the build.
        let calls = unsafe { &*handle.cast::<AtomicUsize>() };
        calls.fetch_add(1, Ordering::SeqCst);
        0
    }

    fn take(text: *mut c_char) -> Option<String> {
        if text.is_null() {
            return None;
        }
        // SAFETY: the text comes from a function above and is freed once.
        let taken = unsafe { CStr::from_ptr(text) }
            .to_str()
            .unwrap()
            .to_string();
        // SAFETY: as above.
        unsafe { pcrs_free_string(text) };
        Some(taken)
    }

    /// Starts a build of `plan` and gives its events and its result.
    fn build(plan: *const u8, length: usize) -> (Vec<String>, String) {
        let mut calls = AtomicUsize::new(0);
        let handle = (&raw mut calls).cast();
        // SAFETY: the plan is that of the test, the handle outlives the build, which is freed last.
        unsafe {
            let build = pcrs_start(plan, length, count, handle);
            assert_eq!(pcrs_wait(build, 10_000), 1);
            pcrs_cancel(build);
            let events = std::iter::from_fn(|| take(pcrs_next_event(build))).collect();
            let result = take(pcrs_result(build)).unwrap();
            pcrs_free(build);
            assert!(calls.load(Ordering::SeqCst) > 0);
            (events, result)
        }
    }

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded(7, || panic!("as a test")), 7);
    }

    #[test]
    fn a_plan_that_cannot_be_read_is_a_failed_build() {
        for plan in [&b"{}"[..], b"", b"\xff", b"{\"schema\": 1}"] {
            let (events, result) = build(plan.as_ptr(), plan.len());
            assert_eq!(events, ["{\"event\":\"finished\"}"]);
            assert!(result.starts_with("{\"Err\":"), "{result}");
            assert!(result.contains("cannot read the build plan"), "{result}");
            // SAFETY: the plan is a slice.
            let told = unsafe { pcrs_dry_run(plan.as_ptr(), plan.len()) };
            assert_eq!(take(told).unwrap(), result);
        }
    }

    #[test]
    fn nothing_is_no_plan_and_can_be_freed() {
        let (_, result) = build(ptr::null(), 0);
        assert!(result.starts_with("{\"Err\":"), "{result}");
        // SAFETY: null is allowed.
        unsafe {
            pcrs_free(ptr::null_mut());
            pcrs_free_string(ptr::null_mut());
        }
    }
}
