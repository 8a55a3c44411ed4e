//! The C ABI that Julia calls. Nothing here blocks, but `pcrs_wait`, which says so; nothing links
//! libjulia, so that one library serves every Julia version.
//!
//! Strings go in as pointer and length, and come out as NUL-terminated text that the caller gives
//! back to [`pcrs_free_string`]. All values are JSON: `BuildPlan` in, `Event`, `BuildReport`,
//! `BuildError` and `DryRun` out.

use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::Duration;

use pcrs_engine::{Build, BuildError, BuildPlan, dry_run};
use serde::Serialize;

/// Changes whenever a function or a value here does; Julia refuses a library with another one.
const ABI_VERSION: c_int = 1;

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
    let handle = Handle(handle);
    let waker = Box::new(move || {
        let handle = &handle;
        // SAFETY: the caller keeps the handle valid.
        unsafe { send(handle.0) };
    });
    // SAFETY: the caller's promise.
    let build = match unsafe { read_plan(plan, length) } {
        Ok(plan) => Build::start(plan, waker),
        Err(error) => Build::failed(error, waker),
    };
    Box::into_raw(Box::new(build))
}

/// The next event as JSON, or null when there is none now.
///
/// # Safety
/// `build` must come from `pcrs_start` and not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_next_event(build: *const Build) -> *mut c_char {
    // SAFETY: the caller's promise.
    let event = unsafe { &*build }.next_event();
    event.map_or(ptr::null_mut(), |event| json(&event))
}

/// `{"Ok": BuildReport}` or `{"Err": BuildError}`, or null before the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_result(build: *const Build) -> *mut c_char {
    // SAFETY: the caller's promise.
    let result = unsafe { &*build }.result();
    result.map_or(ptr::null_mut(), |result| json(&result))
}

/// Asks the build to stop. Its end is the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cancel(build: *const Build) {
    // SAFETY: the caller's promise.
    unsafe { &*build }.cancel();
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
    c_int::from(build.wait(Duration::from_millis(milliseconds)))
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
        let _ = catch_unwind(AssertUnwindSafe(move || drop(build)));
    }
}

/// What `pcrs_start` would do: `{"Ok": DryRun}` or `{"Err": BuildError}`.
///
/// # Safety
/// `plan` must point to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_dry_run(plan: *const u8, length: usize) -> *mut c_char {
    // SAFETY: the caller's promise.
    let plan = unsafe { read_plan(plan, length) };
    let result = plan.and_then(|plan| {
        catch_unwind(AssertUnwindSafe(|| dry_run(&plan)))
            .unwrap_or_else(|_| Err(BuildError::input("the engine failed on this plan")))
    });
    json(&result)
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

unsafe fn read_plan(plan: *const u8, length: usize) -> Result<BuildPlan, BuildError> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(plan, length) };
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
