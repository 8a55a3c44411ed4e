//! What the dynamic linker has loaded: which file an address is of, its symbols, where code is.

use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::trouble::{Trouble, there};

/// A loaded library.
pub struct Library {
    pub path: PathBuf,
    /// Where its file's address 0 is.
    pub address: usize,
    handle: *mut c_void,
}

impl Library {
    /// The one that `address` lies in.
    pub fn of(address: usize) -> Result<Self, Trouble> {
        // SAFETY: `Dl_info` is filled where the call succeeds, and its name stays.
        let found = unsafe {
            let mut info: libc::Dl_info = std::mem::zeroed();
            let found = libc::dladdr(address as *const c_void, &raw mut info) != 0
                && !info.dli_fname.is_null();
            found.then(|| {
                (
                    CStr::from_ptr(info.dli_fname).to_owned(),
                    info.dli_fbase as usize,
                )
            })
        };
        let (name, base) = there("image-file", found, || "an image that is no file".into())?;
        Self::named(&name, base)
    }

    fn named(name: &CStr, address: usize) -> Result<Self, Trouble> {
        // SAFETY: a library that is loaded already, which nobody unloads.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_NOW) };
        let shown = || name.to_string_lossy().into_owned();
        let handle = there(
            "image-loaded",
            (!handle.is_null()).then_some(handle),
            || format!("{} is not loaded", shown()),
        )?;
        let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
        let path = std::fs::canonicalize(&path)
            .map_err(|e| Trouble::new(format!("{}: {e}", path.display())))?;
        Ok(Library {
            path,
            address,
            handle,
        })
    }

    /// Where it has what this symbol names.
    pub fn symbol(&self, name: &CStr) -> Result<usize, Trouble> {
        // SAFETY: a handle of the dynamic linker's.
        let found = unsafe { libc::dlsym(self.handle, name.as_ptr()) } as usize;
        there("image-symbol", (found != 0).then_some(found), || {
            format!("{} has no {}", self.path.display(), name.to_string_lossy())
        })
    }
}

/// What is known of a loaded library while the list of them is walked.
struct Seen {
    code: Vec<Range<usize>>,
    generators: Vec<CString>,
}

/// Whether a library is Julia's code generator.
fn is_generator(path: &CStr) -> bool {
    let file = path.to_bytes().rsplit(|&byte| byte == b'/').next();
    file.is_some_and(|file| file.starts_with(b"libjulia-codegen"))
}

unsafe extern "C" fn see(info: *mut libc::dl_phdr_info, _size: usize, seen: *mut c_void) -> c_int {
    // SAFETY: the dynamic linker's description, and what `walk` has given.
    unsafe {
        let (info, seen) = (&*info, &mut *seen.cast::<Seen>());
        if !info.dlpi_phdr.is_null() {
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
            seen.code.extend(headers.iter().filter_map(|header| {
                let code = header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0;
                let start = (info.dlpi_addr + header.p_vaddr) as usize;
                code.then(|| start..start + header.p_memsz as usize)
            }));
        }
        if !info.dlpi_name.is_null() {
            let name = CStr::from_ptr(info.dlpi_name);
            if is_generator(name) {
                seen.generators.push(name.to_owned());
            }
        }
    }
    0
}

fn walk() -> Seen {
    let mut seen = Seen {
        code: Vec::new(),
        generators: Vec::new(),
    };
    // SAFETY: the callback gets what it casts to.
    unsafe { libc::dl_iterate_phdr(Some(see), (&raw mut seen).cast()) };
    seen.code.sort_by_key(|range| range.start);
    seen
}

/// Where all libraries have code.
pub struct Code(Vec<Range<usize>>);

impl Code {
    pub fn of_process() -> Self {
        Code(walk().code)
    }

    pub fn contains(&self, address: usize) -> bool {
        let after = self.0.partition_point(|range| range.start <= address);
        after > 0 && self.0[after - 1].contains(&address)
    }
}

/// Julia's code generator. Symbols that are looked up there are also those of what it needs itself: of
/// its LLVM, which need not be the only one in the process, as packages bring another or load the system's.
pub fn code_generator() -> Result<Library, Trouble> {
    let mut found = walk().generators;
    let name = there(
        "generator-loaded",
        if found.len() == 1 { found.pop() } else { None },
        || "there is not one libjulia-codegen in the process".into(),
    )?;
    Library::named(&name, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_data() {
        let code = Code::of_process();
        assert!(code.contains(walk as *const () as usize));
        let data = Box::new(1);
        assert!(!code.contains(&raw const *data as usize));
    }

    #[test]
    fn the_code_generator_is_told_by_its_file() {
        for path in [
            c"/j/lib/julia/libjulia-codegen.so.1.10.6",
            c"libjulia-codegen-debug.so.1.12",
        ] {
            assert!(is_generator(path), "{path:?}");
        }
        for path in [
            c"",
            c"/j/lib/julia/libLLVM-15jl.so",
            c"/d/lib/libLLVMExtra-15.so",
            c"/j/lib/julia/libjulia-internal.so.1.10",
            c"/libjulia-codegen/libz.so",
        ] {
            assert!(!is_generator(path), "{path:?}");
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let code = Code(vec![10..20, 30..40]);
        let inside: Vec<usize> = (0..50).filter(|&address| code.contains(address)).collect();
        assert_eq!(inside, (10..20).chain(30..40).collect::<Vec<_>>());
    }
}
