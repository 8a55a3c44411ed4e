//! mimalloc under the names of C++'s `new` and `delete`, for `LD_PRELOAD` into the Julias that
//! generate code: LLVM makes billions of small allocations, on several threads.
//!
//! Not under the name `malloc`: Julia's `Libc.malloc` finds the C library's (libjulia is searched for
//! the symbol, with what it is linked to), and libuv frees that memory with the `free` that a preloaded
//! library defines, so that the two must be one. Linux with 64 bits only: elsewhere the names are
//! others, and the library is empty and not used.
//!
//! ```sh
//! LD_PRELOAD=deps/usr/x86_64-linux-gnu/lib/libpackagecompilerrs_allocator.so julia
//! ```
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
// Names that C++ gives its symbols: `m` is a `size_t`, `Pv` a `void*`.
#![allow(non_snake_case)]

use std::ffi::c_void;

use libmimalloc_sys::mi_free;

type Block = *mut c_void;
/// `std::nothrow`, which only tells functions apart.
type NoThrow = *const c_void;

unsafe extern "C" {
    // In mimalloc's C library, but not in the crate's declarations.
    fn mi_new(size: usize) -> Block;
    fn mi_new_nothrow(size: usize) -> Block;
    fn mi_new_aligned(size: usize, alignment: usize) -> Block;
    fn mi_new_aligned_nothrow(size: usize, alignment: usize) -> Block;
    fn mi_is_in_heap_region(block: Block) -> bool;
    // The C library's.
    fn free(block: Block);
}

/// A library with a `new` of its own, kept to itself, may leave the `delete` to us.
///
/// # Safety
/// `block` is null, or of mimalloc or the C library, and not freed yet.
unsafe fn delete(block: Block) {
    // SAFETY: the first takes any address; the caller's promise for the other two.
    unsafe {
        if mi_is_in_heap_region(block) {
            mi_free(block);
        } else {
            free(block);
        }
    }
}

/// Exports functions with the names and signatures that C++ gives them.
macro_rules! export {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $call:expr;)*) => {$(
        /// # Safety
        /// As the C++ operator of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller's promise.
            unsafe { $call }
        }
    )*};
}

export! {
    _Znwm(size: usize) -> Block = mi_new(size);
    _Znam(size: usize) -> Block = mi_new(size);
    _ZnwmRKSt9nothrow_t(size: usize, _no: NoThrow) -> Block = mi_new_nothrow(size);
    _ZnamRKSt9nothrow_t(size: usize, _no: NoThrow) -> Block = mi_new_nothrow(size);
    _ZnwmSt11align_val_t(size: usize, align: usize) -> Block = mi_new_aligned(size, align);
    _ZnamSt11align_val_t(size: usize, align: usize) -> Block = mi_new_aligned(size, align);
    _ZnwmSt11align_val_tRKSt9nothrow_t(size: usize, align: usize, _no: NoThrow) -> Block =
        mi_new_aligned_nothrow(size, align);
    _ZnamSt11align_val_tRKSt9nothrow_t(size: usize, align: usize, _no: NoThrow) -> Block =
        mi_new_aligned_nothrow(size, align);

    _ZdlPv(block: Block) = delete(block);
    _ZdaPv(block: Block) = delete(block);
    _ZdlPvm(block: Block, _size: usize) = delete(block);
    _ZdaPvm(block: Block, _size: usize) = delete(block);
    _ZdlPvRKSt9nothrow_t(block: Block, _no: NoThrow) = delete(block);
    _ZdaPvRKSt9nothrow_t(block: Block, _no: NoThrow) = delete(block);
    _ZdlPvSt11align_val_t(block: Block, _align: usize) = delete(block);
    _ZdaPvSt11align_val_t(block: Block, _align: usize) = delete(block);
    _ZdlPvmSt11align_val_t(block: Block, _size: usize, _align: usize) = delete(block);
    _ZdaPvmSt11align_val_t(block: Block, _size: usize, _align: usize) = delete(block);
    _ZdlPvSt11align_val_tRKSt9nothrow_t(block: Block, _align: usize, _no: NoThrow) = delete(block);
    _ZdaPvSt11align_val_tRKSt9nothrow_t(block: Block, _align: usize, _no: NoThrow) = delete(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn malloc(size: usize) -> Block;
    }

    #[test]
    fn blocks_are_of_the_size_and_alignment_asked_for() {
        for size in [0, 1, 100, 1 << 20] {
            for align in [16, 64, 4096] {
                // SAFETY: the block is written within its size, and freed once.
                unsafe {
                    let block = _ZnwmSt11align_val_t(size, align);
                    assert_eq!(block as usize % align, 0);
                    assert!(mi_is_in_heap_region(block));
                    block.cast::<u8>().write_bytes(1, size);
                    _ZdlPvmSt11align_val_t(block, size, align);
                }
            }
        }
    }

    #[test]
    fn what_the_c_library_gave_goes_back_there() {
        // SAFETY: freed once, by the library it is of.
        unsafe {
            let block = malloc(100);
            assert!(!mi_is_in_heap_region(block));
            _ZdlPv(block);
            _ZdlPv(std::ptr::null_mut());
        }
    }

    #[test]
    fn a_block_may_be_freed_on_another_thread() {
        // SAFETY: freed once.
        let block = unsafe { _Znam(1000) } as usize;
        // SAFETY: as above.
        let freed = std::thread::spawn(move || unsafe { _ZdaPv(block as Block) });
        freed.join().unwrap();
    }
}
