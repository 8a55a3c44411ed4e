//! The image's heap, taken out of the stream that Julia gives to LLVM.

use std::ffi::{c_char, c_void};
use std::path::Path;

use crate::create::Raw;
use crate::originals::{function, symbol};
use crate::trouble::{Trouble, there};

/// What the stream holds instead.
const PLACEHOLDER: [u8; 8] = [0; 8];

/// Writes the content of `stream` as an object to `file`, and leaves a few bytes there.
///
/// # Safety
/// An `ios_t` of Julia's in memory.
pub unsafe fn take(stream: Raw, file: &Path) -> Result<(), Trouble> {
    let take = function!(
        symbol,
        c"ios_take_buffer",
        fn(Raw, *mut usize) -> *mut c_char
    )?;
    let write = function!(symbol, c"ios_write", fn(Raw, *const u8, usize) -> usize)?;
    let mut size = 0;
    // SAFETY: the caller's promise. The buffer is ours then, with a NUL behind what is in it.
    unsafe {
        let buffer = take(stream, &raw mut size);
        there("heap", (!buffer.is_null()).then_some(()), || {
            "there is no memory for the heap".into()
        })?;
        let heap = std::slice::from_raw_parts(buffer.cast::<u8>(), size - 1);
        let written = pcrs_linked::write_heap(heap, file);
        libc::free(buffer.cast::<c_void>());
        written?;
        write(stream, PLACEHOLDER.as_ptr(), PLACEHOLDER.len());
    }
    Ok(())
}
