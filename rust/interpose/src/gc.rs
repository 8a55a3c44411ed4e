//! Roots for the garbage collector, as `JL_GC_PUSHARGS` makes them: a frame on the C stack that the
//! running task lists.

use std::ffi::c_void;
use std::marker::PhantomPinned;

/// `JL_GC_ENCODE_PUSHARGS(1)`.
const ONE_ROOT: usize = 1 << 2;

#[repr(C)]
struct Frame {
    roots: usize,
    previous: *mut c_void,
    object: usize,
    _pinned: PhantomPinned,
}

/// Keeps an object while it lives. Roots have to be dropped in the reverse order of their making, as
/// variables of a function are.
pub struct Root {
    stack: *mut *mut c_void,
    frame: Box<Frame>,
}

impl Root {
    /// Keeps `object` by the list at `stack`, the calling task's.
    ///
    /// # Safety
    /// `stack` is what `jl_get_pgcstack` gave in this task.
    pub unsafe fn new(stack: *mut *mut c_void, object: usize) -> Self {
        // SAFETY: the task's own list, which no other thread changes.
        let previous = unsafe { *stack };
        let mut frame = Box::new(Frame {
            roots: ONE_ROOT,
            previous,
            object,
            _pinned: PhantomPinned,
        });
        // SAFETY: as above; the frame does not move.
        unsafe { *stack = std::ptr::from_mut::<Frame>(frame.as_mut()).cast() };
        Root { stack, frame }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // SAFETY: the frame is the first of the list.
        unsafe { *self.stack = self.frame.previous };
    }
}
