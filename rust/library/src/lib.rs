//! Starts and ends the Julia of a library that `create_library` made. The library's own functions
//! `init_julia` and `shutdown_julia` come here, and say where they are.

#![cfg(unix)]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::exit;

use pcrs_driver::bundle::Bundle;
use pcrs_driver::environment::Changed;
use pcrs_driver::julia::Julia;
use pcrs_driver::table::Table;
use pcrs_driver::{c_string, tell};

/// Starts Julia with the library that holds `inside` as its image; `argv` is the program and options of
/// Julia. Nothing happens where this Julia runs already. An error is told, and ends the process; that another
/// Julia runs there is one.
///
/// # Safety
/// `argv` must have `argc` texts, or none; `inside` must be an address in the library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_library_init(
    argc: c_int,
    argv: *const *const c_char,
    inside: *const c_void,
) {
    // SAFETY: the caller's promise.
    if let Err(why) = unsafe { start(argc, argv, inside) } {
        tell(&why);
        exit(1);
    }
}

/// Runs what Julia runs at exit.
///
/// # Safety
/// As of `pcrs_library_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_library_shutdown(code: c_int, _: usize, inside: *const c_void) {
    // SAFETY: the caller's promise.
    if let Ok((_, _, julia)) = unsafe { open(inside) }
        && julia.is_started()
    {
        julia.come_back();
        julia.finish(code);
    }
}

unsafe fn start(
    argc: c_int,
    argv: *const *const c_char,
    inside: *const c_void,
) -> Result<(), String> {
    // SAFETY: the caller's promise.
    let (library, bundle, julia) = unsafe { open(inside) }?;
    if julia.is_started() {
        return Ok(());
    }
    let mut options = Vec::new();
    let count = if argv.is_null() { 0 } else { argc.max(0) };
    for i in 0..count as usize {
        // SAFETY: the caller's promise.
        options.push(CString::from(unsafe { CStr::from_ptr(*argv.add(i)) }));
    }
    if options.len() > 1 {
        julia.parse_options(&options);
    }
    // SAFETY: as of C's `setenv`, which every program that embeds Julia so has to call here.
    let changed = unsafe { Changed::for_bundle(&bundle) };
    julia.initialise(
        &c_string(bundle.bin().as_os_str())?,
        &c_string(library.as_os_str())?,
    );
    // SAFETY: as above.
    unsafe { changed.restore() };
    julia.leave();
    Ok(())
}

/// The library that holds the address `inside`, its bundle, and the Julia there.
unsafe fn open(inside: *const c_void) -> Result<(PathBuf, Bundle, Julia), String> {
    // SAFETY: the caller's promise.
    let library = unsafe { file_with(inside) }.ok_or("the library cannot tell where it is")?;
    let library = library
        .canonicalize()
        .map_err(|e| format!("`{}` cannot be found: {e}", library.display()))?;
    let bundle = Bundle::of_library(&library)?;
    let table = Table::read(&bundle.table())?;
    let libjulia = bundle.file(&table.libjulia);
    if let Some(other) = started_elsewhere(&libjulia) {
        return Err(format!(
            "`{}` cannot start its Julia: another one runs in this process already, that of `{}`. Use the \
             library in a process without Julia",
            library.display(),
            other.display()
        ));
    }
    let julia = Julia::open(&libjulia)?;
    Ok((library, bundle, julia))
}

/// The libjulia of a Julia that runs in this process, where it is not the file `own`: there is room for one.
fn started_elsewhere(own: &Path) -> Option<PathBuf> {
    // SAFETY: it only looks.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"jl_is_initialized".as_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: its type in Julia's headers (`julia.h`), in all versions; it only reads.
    let is_started: unsafe extern "C" fn() -> c_int = unsafe { std::mem::transmute(found) };
    // SAFETY: as above.
    if unsafe { is_started() } == 0 {
        return None;
    }
    // SAFETY: an address of what is open.
    let path = unsafe { file_with(found) }?.canonicalize().ok()?;
    (own.canonicalize().ok()? != path).then_some(path)
}

/// The file of the library, or program, that holds `address`.
unsafe fn file_with(address: *const c_void) -> Option<PathBuf> {
    // SAFETY: zeroes are a valid value of that struct.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the struct; any address may be asked for.
    let found = unsafe { libc::dladdr(address, &raw mut info) } != 0 && !info.dli_fname.is_null();
    if !found {
        return None;
    }
    // SAFETY: the loader's name of a library that is open.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
