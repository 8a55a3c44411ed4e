//! Where Julia keeps its frames: in a variable of the executable, as `JULIA_DEFINE_FAST_TLS` of its headers
//! does. Compiled code reads one directly, and asks a function for any other.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use libloading::os::unix::Library;

type Frames = unsafe extern "C" fn() -> *mut c_void;
type SetFrames = unsafe extern "C" fn(Frames, Frames);

thread_local! {
    /// What Julia keeps for each thread: the innermost of its frames that hold objects.
    static FRAMES: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

extern "C" fn frames() -> *mut c_void {
    FRAMES.with(Cell::get)
}

extern "C" fn place_of_frames() -> *mut c_void {
    FRAMES.with(Cell::as_ptr).cast()
}

/// Lets Julia keep them here. Between opening Julia and starting it; for an executable only.
pub fn keep_here() {
    // In libjulia-internal, which libjulia has opened; without, Julia is slower and otherwise the same.
    // SAFETY: both functions do what Julia expects of them, on any thread; Julia is not started yet.
    unsafe {
        if let Ok(set) = Library::this().get::<SetFrames>(b"jl_pgcstack_setkey") {
            set(frames, place_of_frames);
        }
    }
}
