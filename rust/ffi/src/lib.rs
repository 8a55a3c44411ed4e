//! The C ABI that Julia calls. Nothing here blocks, but `pcrs_wait`, which says so; nothing links
//! libjulia, so that one library serves every Julia version.
//!
//! Strings go in as pointer and length, and come out as NUL-terminated text that the caller gives
//! back to [`pcrs_free_string`]. All values are JSON: `BuildPlan` in, `Event`, `BuildReport`,
//! `BuildError` and `DryRun` out.

use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use pcrs_cache::Stop;
use pcrs_engine::build::channel::Waker;
use pcrs_engine::bundle::{audit, closure};
use pcrs_engine::identity::inspect::inspect;
use pcrs_engine::identity::stamp::Stamp;
use pcrs_engine::identity::{cache, parts};
use pcrs_engine::{Build, BuildError, BuildPlan, Job, Stage, dry_run};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Changes whenever a function or a value here does; Julia refuses a library with another one.
const ABI_VERSION: c_int = 4;

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

/// Work under way or ended: a build, or a question that reads files for a while.
pub enum Work {
    Build(Build),
    Question(Job<Value>),
}

impl Work {
    /// Starts what `start` gives; a panic in it is a build that has failed.
    fn boxed(send: AsyncSend, handle: *mut c_void, start: impl FnOnce(Waker) -> Self) -> *mut Self {
        let waker = || -> Waker {
            let handle = Handle(handle);
            Box::new(move || {
                let handle = &handle;
                // SAFETY: the caller keeps the handle valid.
                unsafe { send(handle.0) };
            })
        };
        let started = guarded(None, || Some(start(waker())));
        let failed = || Self::Build(Build::failed(engine_failed(), waker()));
        Box::into_raw(Box::new(started.unwrap_or_else(failed)))
    }

    /// Answers a question on a thread of its own.
    fn ask<T: Serialize>(
        waker: Waker,
        answer: impl FnOnce(&Stop) -> Result<T, BuildError> + Send + 'static,
    ) -> Self {
        Self::Question(Job::run(waker, |channel| {
            let answer = answer(channel.stop())?;
            if channel.cancelled() {
                return Err(BuildError::cancelled(Stage::Check));
            }
            serde_json::to_value(answer).map_err(|_| engine_failed())
        }))
    }
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
) -> *mut Work {
    // SAFETY: the caller's promise.
    Work::boxed(send, handle, |waker| {
        match unsafe { read_plan(plan, length) } {
            Ok(plan) => Work::Build(Build::start(plan, waker)),
            Err(error) => Work::Build(Build::failed(error, waker)),
        }
    })
}

/// What `pcrs_start` would do: as it, with the result `DryRun`.
///
/// # Safety
/// As `pcrs_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start_dry_run(
    plan: *const u8,
    length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Work {
    Work::boxed(send, handle, |waker| {
        // SAFETY: the caller's promise.
        let plan = unsafe { read_plan(plan, length) };
        Work::ask(waker, move |stop| dry_run(&plan?, stop))
    })
}

/// The stamp that an image at the path `image` would get if it were built from `plan` now, as far
/// as that is known before it is built: as `pcrs_start`, with the result `Stamp`. Reads all that
/// goes in.
///
/// # Safety
/// As `pcrs_start`; `image` must point to `image_length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start_stamp(
    plan: *const u8,
    length: usize,
    image: *const u8,
    image_length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Work {
    Work::boxed(send, handle, |waker| {
        // SAFETY: the caller's promise.
        let plan = unsafe { read_plan(plan, length) };
        // SAFETY: the caller's promise.
        let image = unsafe { read_text(image, image_length) }.map(PathBuf::from);
        Work::ask(waker, move |stop| {
            let (plan, image) = (plan?, image.map_err(BuildError::input)?);
            let parts = parts::read(&plan, &image, stop);
            Ok(Stamp::new(&plan, None, parts))
        })
    })
}

/// What the sysimage at the path `image` says of itself to the Julia of `version`: as `pcrs_start`,
/// with the result `Inspected`. Reads all of it.
///
/// # Safety
/// As `pcrs_start`, of `image` and `version`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start_inspect(
    image: *const u8,
    image_length: usize,
    version: *const u8,
    version_length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Work {
    Work::boxed(send, handle, |waker| {
        // SAFETY: the caller's promise.
        let image = unsafe { read_text(image, image_length) }.map(PathBuf::from);
        // SAFETY: the caller's promise.
        let version = unsafe { read_text(version, version_length) }.map(String::from);
        Work::ask(waker, move |stop| {
            let image = image.map_err(BuildError::input)?;
            let inspected = version
                .and_then(|version| version.parse())
                .and_then(|version| inspect(&image, version, stop));
            inspected.map_err(|why| {
                let image = image.display();
                BuildError::input(format!("the sysimage `{image}` cannot be read")).because(why)
            })
        })
    })
}

/// Which libraries some libraries need: as `pcrs_start`, of a `closure::Question`, with the result
/// `Closure`. Reads them.
///
/// # Safety
/// As `pcrs_start`, of `question`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start_closure(
    question: *const u8,
    length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Work {
    // SAFETY: the caller's promise.
    unsafe { ask_about(question, length, send, handle, closure::closure) }
}

/// What a bundle holds and needs: as `pcrs_start`, of an `audit::Question`, with the result `Audit`.
/// Reads all of it.
///
/// # Safety
/// As `pcrs_start`, of `question`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_start_audit(
    question: *const u8,
    length: usize,
    send: AsyncSend,
    handle: *mut c_void,
) -> *mut Work {
    // SAFETY: the caller's promise.
    unsafe { ask_about(question, length, send, handle, audit::audit) }
}

/// The next event as JSON, or null when there is none now.
///
/// # Safety
/// `work` must come from `pcrs_start`, or a function named after it, and not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_next_event(work: *const Work) -> *mut c_char {
    guarded(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let event = match unsafe { &*work } {
            Work::Build(build) => build.next_event(),
            Work::Question(job) => job.next_event(),
        };
        event.map_or(ptr::null_mut(), |event| json(&event))
    })
}

/// `{"Ok": BuildReport}`, or what was asked for, or `{"Err": BuildError}`, or null before the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_result(work: *const Work) -> *mut c_char {
    guarded(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        match unsafe { &*work } {
            Work::Build(build) => build.result().map(|result| json(&result)),
            Work::Question(job) => job.result().map(|result| json(&result)),
        }
        .unwrap_or(ptr::null_mut())
    })
}

/// Asks the build to stop. Its end is the `finished` event.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cancel(work: *const Work) {
    // SAFETY: the caller's promise.
    guarded((), || match unsafe { &*work } {
        Work::Build(build) => build.cancel(),
        Work::Question(job) => job.cancel(),
    });
}

/// Blocks until the build has ended, at most `milliseconds`; 1 if it has. For a process that is
/// about to exit and runs no event loop any more.
///
/// # Safety
/// As `pcrs_next_event`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_wait(work: *const Work, milliseconds: u64) -> c_int {
    // SAFETY: the caller's promise.
    let work = unsafe { &*work };
    let timeout = Duration::from_millis(milliseconds);
    guarded(0, || {
        c_int::from(match work {
            Work::Build(build) => build.wait(timeout),
            Work::Question(job) => job.wait(timeout),
        })
    })
}

/// Frees a build; one that has not ended is cancelled and waited for, at most 15 seconds. After that
/// it ends by itself, and `handle` is no longer used.
///
/// # Safety
/// `work` must come from `pcrs_start`, or a function named after it, and not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_free(work: *mut Work) {
    if !work.is_null() {
        // SAFETY: the caller's promise.
        let work = unsafe { Box::from_raw(work) };
        guarded((), move || drop(work));
    }
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

/// Removes what the cache in the folder `dir` holds, to which others may write if `shared` is not 0:
/// `{"Ok": bytes}` or `{"Err": String}`.
///
/// # Safety
/// As `pcrs_cache_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_cache_clear(
    dir: *const u8,
    length: usize,
    shared: c_int,
) -> *mut c_char {
    // SAFETY: the caller's promise.
    unsafe { with_folder(dir, length, |dir| cache::clear(dir, shared != 0)) }
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

/// Answers a question of this package's own Julia side.
///
/// # Safety
/// As `pcrs_start`, of `question`.
unsafe fn ask_about<Q: DeserializeOwned + Send + 'static, A: Serialize + 'static>(
    question: *const u8,
    length: usize,
    send: AsyncSend,
    handle: *mut c_void,
    answer: fn(&Q, &Stop) -> Result<A, BuildError>,
) -> *mut Work {
    Work::boxed(send, handle, |waker| {
        // SAFETY: the caller's promise.
        let text = unsafe { read_text(question, length) };
        let question: Result<Q, _> = text
            .and_then(|text| serde_json::from_str(text).map_err(|e| e.to_string()))
            .map_err(|why| engine_failed().because(why));
        Work::ask(waker, move |stop| answer(&question?, stop))
    })
}

fn json(value: &impl Serialize) -> *mut c_char {
    // JSON escapes control characters, so that no NUL can be inside.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
    CString::new(text).unwrap_or_default().into_raw()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    unsafe extern "C" fn count(handle: *mut c_void) -> c_int {
        // SAFETY: the tests give an `AtomicUsize` that outlives the build.
        let calls = unsafe { &*handle.cast::<AtomicUsize>() };
        calls.fetch_add(1, Ordering::SeqCst);
        0
    }

    type Start = unsafe extern "C" fn(*const u8, usize, AsyncSend, *mut c_void) -> *mut Work;

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

    /// Starts a build of `plan`, or what else `start` is, and gives its events and its result.
    fn run(start: Start, plan: *const u8, length: usize) -> (Vec<String>, String) {
        let mut calls = AtomicUsize::new(0);
        let handle = (&raw mut calls).cast();
        // SAFETY: the plan is that of the test, the handle outlives the build, which is freed last.
        unsafe {
            let build = start(plan, length, count, handle);
            assert_eq!(pcrs_wait(build, 10_000), 1);
            pcrs_cancel(build);
            let events = std::iter::from_fn(|| take(pcrs_next_event(build))).collect();
            let result = take(pcrs_result(build)).unwrap();
            // The last call comes after the end, and none after the build is freed.
            let limit = Instant::now() + Duration::from_secs(10);
            while calls.load(Ordering::SeqCst) == 0 {
                assert!(Instant::now() < limit, "nobody was called");
                std::thread::yield_now();
            }
            pcrs_free(build);
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
            let (events, result) = run(pcrs_start, plan.as_ptr(), plan.len());
            assert_eq!(events, ["{\"event\":\"finished\"}"]);
            assert!(result.starts_with("{\"Err\":"), "{result}");
            assert!(result.contains("cannot read the build plan"), "{result}");
            let (_, told) = run(pcrs_start_dry_run, plan.as_ptr(), plan.len());
            assert_eq!(told, result);
        }
    }

    /// A question that reads without end, as from a server that does not answer.
    fn endless() -> (Work, Arc<AtomicUsize>) {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        let job = Job::run(Box::new(|| ()), move |channel| {
            while !channel.cancelled() {
                counted.fetch_add(1, Ordering::SeqCst);
                std::thread::yield_now();
            }
            Err(BuildError::cancelled(Stage::Check))
        });
        (Work::Question(job), rounds)
    }

    #[test]
    fn a_question_can_be_cancelled() {
        let (work, rounds) = endless();
        let work = Box::into_raw(Box::new(work));
        while rounds.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        // SAFETY: the work is from above and freed last.
        unsafe {
            assert!(take(pcrs_result(work)).is_none());
            pcrs_cancel(work);
            assert_eq!(pcrs_wait(work, 30_000), 1);
            let result = take(pcrs_result(work)).unwrap();
            assert!(result.contains("cancelled"), "{result}");
            pcrs_free(work);
        }
    }

    #[test]
    fn nothing_is_no_plan_and_can_be_freed() {
        let (_, result) = run(pcrs_start, ptr::null(), 0);
        assert!(result.starts_with("{\"Err\":"), "{result}");
        // SAFETY: null is allowed.
        unsafe {
            pcrs_free(ptr::null_mut());
            pcrs_free_string(ptr::null_mut());
        }
    }
}
