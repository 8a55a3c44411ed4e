//! The functions that Julia finds here: first those that stand before its own, then those that the
//! image process's script and the collector call.
//!
//! One name serves all versions, whose signatures differ: arguments come in the order of the longest
//! one, in registers and then on the stack, and what a version does not have is not looked at. Passing
//! on more than the original takes does no harm.
//!
//! Nothing here does anything of its own in a process without a job.

use std::ffi::{CStr, c_char, c_int};

use crate::create::{Raw, collected, incremental};
use crate::images::Image;
use crate::job::{self, Job};
use crate::layout::Flow;
use crate::lean::Lean;
use crate::numbers::{Ids, shifted};
use crate::objects::{CodeInstance, MethodInstance, Objects};
use crate::originals::{function, original, symbol};
use crate::session::{self, Session};
use crate::trouble::{Trouble, ensure, guarded};
use crate::{create, handover, heap};

/// Whether this process has a session.
fn active() -> bool {
    Job::current().is_some() && session::begun()
}

fn flow() -> Result<Flow, Trouble> {
    session::with(|session| Ok(session.layout.flow))
}

/// A 32-bit argument, whose upper half is undefined.
fn int(argument: usize) -> c_int {
    argument as c_int
}

/// Called while an image is restored, with the functions that it has and whose they are: first for the
/// sysimage, later for each package image that has any.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_register_fptrs(base: u64, table: Raw, owners: Raw, owned: usize) {
    guarded(|| {
        let register = function!(original, c"jl_register_fptrs", fn(u64, Raw, Raw, usize))?;
        // SAFETY: the caller's arguments.
        unsafe { register(base, table, owners, owned) };
        let Some(job) = Job::current() else {
            return Ok(());
        };
        let first = !session::begun();
        if first {
            job::leave_environment();
            session::begin(job)?;
        }
        session::with(|session| {
            let (table, owners) = (table as usize, owners as usize);
            let image = Image::registered(session.layout, base as usize, table, owners, owned)?;
            session.images.push(image);
            match session.layout.flow {
                Flow::Incremental(_) if first => incremental::flip(session),
                Flow::Collected if first => collected::check_options(session),
                _ => Ok(()),
            }
        })
    });
}

/// What Base calls by this name restores a package image: `(file, dependencies, completely, name, without code)`.
const RESTORE_PACKAGE: &CStr = c"ijl_restore_package_image_from_file";

/// Gives the address of a C function to code of an image that calls it for the first time: `(library, name, the
/// library's handle)`.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ijl_load_and_lookup(
    library: Raw,
    name: *const c_char,
    handle: Raw,
) -> Raw {
    let lookup = guarded(|| {
        function!(
            original,
            c"ijl_load_and_lookup",
            fn(Raw, *const c_char, Raw) -> Raw
        )
    });
    // SAFETY: the caller's arguments. An error of Julia's leaves this function without a return.
    let found = unsafe { lookup(library, name, handle) };
    guarded(|| {
        // SAFETY: the name of a function.
        if !active() || unsafe { CStr::from_ptr(name) } != RESTORE_PACKAGE {
            return Ok(found);
        }
        let left_alone = session::with(|session| Ok(session.layout.packages_without_code))?;
        Ok(if left_alone {
            restore_package as Raw
        } else {
            found
        })
    })
}

/// Restores a package image with its native code, in a process that counts as one for an incremental image for so long.
///
/// # Safety
/// As Julia's function `jl_restore_package_image_from_file`.
unsafe extern "C" fn restore_package(
    file: Raw,
    dependencies: Raw,
    completely: usize,
    name: Raw,
    without_code: usize,
) -> Raw {
    let restore = guarded(|| {
        incremental::count_as_incremental(true)?;
        function!(
            symbol,
            RESTORE_PACKAGE,
            fn(Raw, Raw, usize, Raw, usize) -> Raw
        )
    });
    // SAFETY: the caller's arguments. An error of Julia's leaves this function without a return, and ends the build.
    let restored = unsafe { restore(file, dependencies, completely, name, without_code) };
    guarded(|| incremental::count_as_incremental(false));
    restored
}

/// Makes the code of an image. 1.10 and 1.11: `(methods, module, parameters, policy, imaging, external linkage,
/// world)`; 1.12: `(methods, module, trim, external linkage, world)`.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_create_native(
    methods: Raw,
    module: Raw,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    g: usize,
) -> Raw {
    guarded(|| {
        if active() && module.is_null() {
            match flow()? {
                Flow::Incremental(vectors) if int(d) == 0 && int(f) == 0 => {
                    return incremental::create(vectors, methods, c as Raw, int(d), int(e), g);
                }
                Flow::Collected if int(c) == 0 && int(d) == 0 => {
                    return collected::create(methods, e);
                }
                _ => {}
            }
        }
        let create = function!(
            original,
            c"jl_create_native",
            fn(Raw, Raw, usize, usize, usize, usize, usize) -> Raw
        )?;
        // SAFETY: the caller's arguments.
        Ok(unsafe { create(methods, module, c, d, e, f, g) })
    })
}

/// Emits code (1.12).
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_emit_native(
    list: Raw,
    module: Raw,
    parameters: Raw,
    external_linkage: c_int,
) -> Raw {
    guarded(|| {
        if active() {
            return collected::emit(list, module, parameters, external_linkage);
        }
        let emit = function!(original, c"jl_emit_native", fn(Raw, Raw, Raw, c_int) -> Raw)?;
        // SAFETY: the caller's arguments.
        Ok(unsafe { emit(list, module, parameters, external_linkage) })
    })
}

/// The numbers of a code instance's functions in the image.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_get_function_id(native: Raw, ci: Raw, func: *mut i32, spec: *mut i32) {
    guarded(|| {
        let get_id = function!(
            original,
            c"jl_get_function_id",
            fn(Raw, Raw, *mut i32, *mut i32)
        )?;
        let ids = if active() {
            session::with(|session| ids_of(session, native as usize, CodeInstance(ci as usize)))?
        } else {
            None
        };
        // SAFETY: the caller's arguments.
        unsafe {
            let Some((held, before)) = ids else {
                get_id(native, ci, func, spec);
                return Ok(());
            };
            let ids = held.unwrap_or_else(|| {
                let mut new = Ids::default();
                get_id(native, ci, &raw mut new.func, &raw mut new.spec);
                shifted(new, before)
            });
            (*func, *spec) = (ids.func, ids.spec);
        }
        Ok(())
    });
}

/// The ids of a code instance that an image has, and how many functions the images have; nothing for
/// code that is not ours.
fn ids_of(
    session: &mut Session,
    native: usize,
    ci: CodeInstance,
) -> Result<Option<(Option<Ids>, u32)>, Trouble> {
    if !session.is_current(native) {
        return Ok(None);
    }
    let held = session.held(ci)?.map(|held| held.ids);
    let total = session.plan()?.functions.total;
    for id in held.into_iter().flat_map(|ids| [ids.func, ids.spec]) {
        let Ok(id @ 1..) = usize::try_from(id) else {
            continue;
        };
        let Some(native) = session.native.as_mut() else {
            continue;
        };
        native.taken.resize(total as usize + 1, None);
        let other = native.taken[id].replace(ci).filter(|&other| other != ci);
        ensure("function-taken", other.is_none(), || {
            let objects = session.objects();
            let method = objects.method(objects.method_instance(ci));
            let name = method.map_or_else(
                || "top-level code".into(),
                |method| objects.method_name(method),
            );
            format!("two code instances of {name} have one function")
        })?;
    }
    Ok(Some((held, total)))
}

/// The objects that the image's globals stand for. 1.10 and 1.11: `(native, list)`; 1.12: `(native, length,
/// data)`, first without the data.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_get_llvm_gvs(native: Raw, list: Raw, data: *mut usize) {
    guarded(|| {
        let ours = active() && session::with(|session| Ok(session.is_current(native as usize)))?;
        if !ours {
            let get = function!(original, c"jl_get_llvm_gvs", fn(Raw, Raw, *mut usize))?;
            // SAFETY: the caller's arguments.
            unsafe { get(native, list, data) };
            return Ok(());
        }
        session::with(|session| {
            let globals = session.globals()?;
            // SAFETY: the caller's arguments, and room for the length that was told.
            unsafe {
                match session.layout.flow {
                    Flow::Incremental(_) => incremental::fill(&mut *list.cast(), &globals)?,
                    Flow::Collected => {
                        *list.cast::<usize>() = globals.len();
                        if !data.is_null() {
                            std::ptr::copy_nonoverlapping(globals.as_ptr(), data, globals.len());
                        }
                    }
                }
            }
            Ok(())
        })
    });
}

/// The functions of other images that the image's globals stand for: none. A whole image does not
/// resolve them, and they are not used any more.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_get_llvm_external_fns(native: Raw, list: Raw, data: Raw) {
    guarded(|| {
        let ours = active() && session::with(|session| Ok(session.is_current(native as usize)))?;
        if !ours {
            let get = function!(original, c"jl_get_llvm_external_fns", fn(Raw, Raw, Raw))?;
            // SAFETY: the caller's arguments.
            unsafe { get(native, list, data) };
            return Ok(());
        }
        if flow()? == Flow::Collected {
            // SAFETY: the caller's arguments. Else the list is empty as it is.
            unsafe { *list.cast::<usize>() = 0 };
        }
        Ok(())
    });
}

/// Writes the objects: `(native, bitcode, unoptimised, object, assembly, z, s)`, from 1.11 on
/// with parameters behind them.
///
/// # Safety
/// As Julia's function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn jl_dump_native(
    native: Raw,
    bitcode: Raw,
    unoptimised: Raw,
    object: Raw,
    assembly: Raw,
    z: Raw,
    s: Raw,
    parameters: Raw,
) {
    guarded(|| {
        if active() {
            session::with(|session| {
                if session.is_current(native as usize) {
                    handover::write(session)?;
                    // SAFETY: the caller's argument: a whole image has a stream.
                    unsafe { heap::take(z, &session.job.heap)? };
                }
                Ok(())
            })?;
        }
        let dump = function!(
            original,
            c"jl_dump_native",
            fn(Raw, Raw, Raw, Raw, Raw, Raw, Raw, Raw)
        )?;
        // SAFETY: the caller's arguments.
        unsafe {
            dump(
                native,
                bitcode,
                unoptimised,
                object,
                assembly,
                z,
                s,
                parameters,
            )
        };
        Ok(())
    });
}

/// For the script: where Julia's reflection has a field. Whether it is one that is used here.
///
/// # Safety
/// Two strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_layout_field(
    ty: *const c_char,
    field: *const c_char,
    offset: usize,
) -> c_int {
    guarded(|| {
        if !active() {
            return Ok(0);
        }
        // SAFETY: the caller's promise.
        let (ty, field) = unsafe { (CStr::from_ptr(ty), CStr::from_ptr(field)) };
        let (ty, field) = (ty.to_string_lossy(), field.to_string_lossy());
        session::with(|session| session.told.field(&ty, &field, offset)).map(c_int::from)
    })
}

/// For the script, before anything is asked for, of every method instance: remembers those that it has
/// compiled for itself.
///
/// # Safety
/// A method instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_mark_script(mi: Raw) {
    with_lean(|lean, objects| lean.mark_script(objects, MethodInstance(mi as usize)));
}

/// For the script, at its end, of every method instance: remembers those that were compiled or asked
/// for. Before it Julia's own rules must not have been at work.
///
/// # Safety
/// A method instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_mark(mi: Raw) {
    with_lean(|lean, objects| lean.mark(objects, MethodInstance(mi as usize)));
}

/// For the script, once all is marked: Julia infers by way of `closure` until it asks for the code.
///
/// # Safety
/// An opaque closure, which the script keeps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_infer_through(closure: Raw) {
    guarded(|| {
        if active() {
            session::with(|session| session.infer_through(closure as usize))
        } else {
            Ok(())
        }
    });
}

/// For that closure: whether it will be left out.
///
/// # Safety
/// A method instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_is_unasked(mi: Raw) -> c_int {
    guarded(|| session::with(|session| session.passes_over(MethodInstance(mi as usize)))).into()
}

fn with_lean(work: impl FnOnce(&mut Lean, Objects<'_>)) {
    guarded(|| {
        if !active() {
            return Ok(());
        }
        session::with(|session| {
            session.told.complete()?;
            if !session.job.lean {
                return Ok(());
            }
            let mut lean = std::mem::take(&mut session.lean);
            work(&mut lean, session.objects());
            session.lean = lean;
            Ok(())
        })
    });
}

/// For the collector: see [`create::collected::has_code`].
///
/// # Safety
/// A code instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_has_code(ci: Raw) -> c_int {
    guarded(|| create::collected::has_code(CodeInstance(ci as usize)).map(c_int::from))
}

/// For the collector: see [`create::collected::is_compiled`].
///
/// # Safety
/// A method instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_is_compiled(mi: Raw, world: usize) -> c_int {
    guarded(|| create::collected::is_compiled(MethodInstance(mi as usize), world).map(c_int::from))
}

/// For the collector: see [`create::collected::wanted`].
///
/// # Safety
/// On a thread of Julia's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcrs_wanted(which: c_int) -> Raw {
    guarded(|| create::collected::wanted(which).map(|list| list as Raw))
}
