//! mimalloc under the names of the C library's allocator, for `LD_PRELOAD` into the Julias that
//! compile: LLVM makes billions of small allocations, on several threads.
//!
//! The names are those that glibc's manual wants of a replacement ("Replacing malloc"). Linux only:
//! elsewhere the library is empty, and not used.
//!
//! ```sh
//! LD_PRELOAD=deps/usr/lib/libpackagecompilerrs_allocator.so julia
//! ```
#![cfg(target_os = "linux")]

use std::ffi::{c_int, c_void};

use libmimalloc_sys as mi;

unsafe extern "C" {
    // In mimalloc's C library, but not in the crate's declarations.
    fn mi_valloc(size: usize) -> *mut c_void;
    fn mi_pvalloc(size: usize) -> *mut c_void;
}

/// Exports each of mimalloc's functions under a name of the C library's.
macro_rules! export {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $function:expr;)*) => {$(
        /// # Safety
        /// As the function of this name in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller's promise is what mimalloc's function asks for.
            unsafe { $function($($arg),*) }
        }
    )*};
}

export! {
    malloc(size: usize) -> *mut c_void = mi::mi_malloc;
    calloc(count: usize, size: usize) -> *mut c_void = mi::mi_calloc;
    realloc(block: *mut c_void, size: usize) -> *mut c_void = mi::mi_realloc;
    free(block: *mut c_void) = mi::mi_free;
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void = mi::mi_aligned_alloc;
    memalign(alignment: usize, size: usize) -> *mut c_void = mi::mi_aligned_alloc;
    posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int = mi::mi_posix_memalign;
    valloc(size: usize) -> *mut c_void = mi_valloc;
    pvalloc(size: usize) -> *mut c_void = mi_pvalloc;
    malloc_usable_size(block: *const c_void) -> usize = mi::mi_usable_size;
}
