//! The functions that this library stands before, and those of Julia that it calls.

use std::ffi::{CStr, c_void};

use crate::trouble::{Trouble, there};

pub type Address = *mut c_void;

/// The function or variable that this library hides by one of the same name.
pub fn original(name: &CStr) -> Result<Address, Trouble> {
    // SAFETY: looks a name up.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    there("original", (!found.is_null()).then_some(found), || {
        format!("Julia has no {} to call", name.to_string_lossy())
    })
}

/// A function or variable of Julia's libraries, all of which are global.
pub fn symbol(name: &CStr) -> Result<Address, Trouble> {
    // SAFETY: looks a name up.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    there("symbol", (!found.is_null()).then_some(found), || {
        format!("Julia has no {}", name.to_string_lossy())
    })
}

/// A typed function pointer of what [`original`] or [`symbol`] finds.
macro_rules! function {
    ($find:path, $name:expr, fn($($arg:ty),*) $(-> $result:ty)?) => {
        $find($name).map(|address| {
            // SAFETY: Julia's headers give the function this signature.
            unsafe {
                std::mem::transmute::<
                    $crate::originals::Address,
                    unsafe extern "C" fn($($arg),*) $(-> $result)?,
                >(address)
            }
        })
    };
}
pub(crate) use function;
