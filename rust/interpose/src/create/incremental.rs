//! Julia 1.10 and 1.11: `jl_create_native` of aotcompile.cpp, to which the list of methods is handed shortened.

use std::ffi::c_int;

use super::{Raw, asked, call_linked};
use crate::julia::{Julia, Object};
use crate::layout::VectorLayout;
use crate::llvm::Llvm;
use crate::numbers::Ids;
use crate::originals::{function, original, symbol};
use crate::rework::{Reworked, again};
use crate::session::{self, Native, Session};
use crate::trouble::{Trouble, ensure};

/// Items that an `arraylist_t` has room for without an allocation.
const INLINE_ITEMS: usize = 29;

/// `arraylist_t`. One that is dropped leaks what it has allocated, as small as that is.
#[repr(C)]
pub struct ArrayList {
    length: usize,
    room: usize,
    items: *mut usize,
    space: [usize; INLINE_ITEMS],
}

/// From here on this is an ordinary process that writes a whole image. It was started for an
/// incremental one, because Julia then uses the sysimage's native code, which it does not for a whole
/// one; the option is looked at next when that is decided for `__init__` functions. And it was started
/// for package images, as Julia takes several CPU targets for an incremental image of these only.
pub fn flip(session: &Session) -> Result<(), Trouble> {
    let options = session.layout.options;
    turn(options.incremental, "--output-incremental", false)?;
    match options.use_pkgimages.filter(|_| !session.job.pkgimages) {
        Some(offset) => turn(offset, "--pkgimages", false),
        None => Ok(()),
    }
}

/// Makes this a process for an incremental image, or again one for a whole image.
pub fn count_as_incremental(yes: bool) -> Result<(), Trouble> {
    let offset = session::with(|session| Ok(session.layout.options.incremental))?;
    turn(offset, "--output-incremental", yes)
}

/// Switches the option of Julia's at `offset` on or off, which has to be the other.
fn turn(offset: usize, name: &str, on: bool) -> Result<(), Trouble> {
    let options = symbol(c"jl_options")?.cast::<i8>();
    // SAFETY: a field of Julia's options; the script tells later whether it lies there.
    let option = unsafe { options.add(offset) };
    // SAFETY: as above.
    let value = unsafe { option.read() };
    ensure("option", value == i8::from(!on), || {
        format!("{name} of Julia is {value}, where it was to be turned to {on}")
    })?;
    // SAFETY: as above.
    unsafe { option.write(i8::from(on)) };
    Ok(())
}

/// Fills an empty list of Julia's.
pub fn fill(list: &mut ArrayList, items: &[Object]) -> Result<(), Trouble> {
    ensure("list-empty", list.length == 0, || {
        "a list of Julia's is not empty".into()
    })?;
    let grow = function!(symbol, c"arraylist_grow", fn(*mut ArrayList, usize))?;
    // SAFETY: the list has room for the items once it has grown.
    unsafe {
        grow(list, items.len());
        std::ptr::copy_nonoverlapping(items.as_ptr(), list.items, items.len());
    }
    Ok(())
}

/// What an original function puts into a list.
fn listed(name: &'static std::ffi::CStr, native: Raw) -> Result<Vec<Object>, Trouble> {
    let get = function!(original, name, fn(Raw, *mut ArrayList))?;
    let mut list = ArrayList {
        length: 0,
        room: INLINE_ITEMS,
        items: std::ptr::null_mut(),
        space: [0; INLINE_ITEMS],
    };
    list.items = list.space.as_mut_ptr();
    // SAFETY: an empty list, as `arraylist_new` makes it.
    unsafe {
        get(native, &raw mut list);
        Ok(std::slice::from_raw_parts(list.items, list.length).to_vec())
    }
}

/// A list of pointers in C++.
trait Vector {
    fn items(&self) -> &[usize];
}

/// A `std::vector` (1.10).
#[repr(C)]
struct StandardVector {
    begin: *const usize,
    end: *const usize,
    _room: *const usize,
}

impl Vector for StandardVector {
    fn items(&self) -> &[usize] {
        // SAFETY: two pointers into one allocation, the second not before the first.
        unsafe {
            match usize::try_from(self.end.offset_from(self.begin)) {
                Ok(length) if length > 0 => std::slice::from_raw_parts(self.begin, length),
                _ => &[],
            }
        }
    }
}

/// LLVM's `SmallVector` with no room of its own (1.11).
#[repr(C)]
struct SmallVector {
    begin: *const usize,
    length: u32,
    _room: u32,
}

impl Vector for SmallVector {
    fn items(&self) -> &[usize] {
        match self.length {
            0 => &[],
            // SAFETY: what the list holds.
            length => unsafe { std::slice::from_raw_parts(self.begin, length as usize) },
        }
    }
}

/// How `jl_native_code_desc_t` begins, the one C++ object that is looked into. What is read is
/// compared with what Julia's own functions tell.
#[repr(C)]
struct Descriptor<V> {
    module: Raw,
    _context: [usize; 2],
    functions: V,
    globals: V,
}

/// What is read of it: the module's address, the functions and the variables.
struct Described {
    module: usize,
    functions: Vec<usize>,
    globals: Vec<usize>,
}

fn described(vectors: VectorLayout, native: Raw) -> Described {
    fn read<V: Vector>(native: Raw) -> Described {
        // SAFETY: the descriptor begins so, as is checked by the caller.
        let descriptor = unsafe { &*native.cast::<Descriptor<V>>() };
        Described {
            module: descriptor.module as usize,
            functions: descriptor.functions.items().to_vec(),
            globals: descriptor.globals.items().to_vec(),
        }
    }
    match vectors {
        VectorLayout::Standard => read::<StandardVector>(native),
        VectorLayout::Small => read::<SmallVector>(native),
    }
}

type CreateNative = unsafe extern "C" fn(Raw, Raw, Raw, c_int, c_int, c_int, usize) -> Raw;

/// `jl_create_native`. `parameters`: what is handed on as it is.
pub fn create(
    vectors: VectorLayout,
    methods: Raw,
    parameters: Raw,
    policy: c_int,
    imaging: c_int,
    world: usize,
) -> Result<Raw, Trouble> {
    let create: CreateNative = function!(
        original,
        c"jl_create_native",
        fn(Raw, Raw, Raw, c_int, c_int, c_int, usize) -> Raw
    )?;
    let lost = session::with(|session| prepare(session, methods as Object, world))?;
    // With no lock held, as the list may grow.
    Julia::find()?.append(methods as Object, &lost);
    // SAFETY: as Julia calls it, but for external linkage: calls to what is in an image load a pointer.
    let native = unsafe {
        create(
            methods,
            std::ptr::null_mut(),
            parameters,
            policy,
            imaging,
            1,
            world,
        )
    };
    session::with(|session| finish(session, vectors, native))?;
    Ok(native)
}

/// Shortens the list; gives what Julia's does not have.
fn prepare(session: &mut Session, list: Object, world: usize) -> Result<Vec<Object>, Trouble> {
    session.settle()?;
    let asked = asked(session, list)?;
    let mut kept = asked.exported;
    for mi in asked.methods {
        if session.seen(mi, world)?.emitted() {
            kept.push(mi.0);
        }
    }
    session.julia.shorten(list, &kept)?;
    let lost = session.lost(world, &kept)?;
    session.forget_refused()?;
    Ok(lost)
}

fn finish(session: &mut Session, vectors: VectorLayout, native: Raw) -> Result<(), Trouble> {
    let values = listed(c"jl_get_llvm_gvs", native)?;
    let external = listed(c"jl_get_llvm_external_fns", native)?;
    let get_module = function!(original, c"jl_get_llvm_module", fn(Raw) -> Raw)?;
    // SAFETY: the code that Julia has just made.
    let module = unsafe { get_module(native) };
    ensure("descriptor-module", module == native, || {
        "the module is not where it should be".into()
    })?;
    let Described {
        module: first,
        functions,
        globals,
    } = described(vectors, native);
    ensure(
        "descriptor-globals",
        globals.len() == values.len() + external.len(),
        || {
            format!(
                "{} variables, but {} values and {} functions",
                globals.len(),
                values.len(),
                external.len()
            )
        },
    )?;
    let get_function = function!(original, c"jl_get_llvm_function", fn(Raw, u32) -> Raw)?;
    for (i, &function) in (0..).zip(&functions) {
        // SAFETY: one of the functions of that code.
        let told = unsafe { get_function(native, i) } as usize;
        ensure("descriptor-functions", told == function, || {
            "the functions are not where they should be".into()
        })?;
    }

    let llvm = &Llvm::find()?;
    let mut replaced = 0;
    llvm.with_module(module, |module| {
        ensure("descriptor-first", module.is_at(first), || {
            "the module's address is not where it should be".into()
        })?;
        let at = Reworked { llvm, module };
        replaced = replace_again(session, at, native)?;
        call_linked(session, at, &external, &globals[values.len()..])?;
        Ok(())
    })?;
    session.native = Some(Native {
        handle: native as usize,
        values,
        unused: external.len(),
        emitted: functions.len().saturating_sub(replaced),
        taken: Vec::new(),
    });
    Ok(())
}

/// Callees by the generic convention that are emitted although an image has them; how many functions.
fn replace_again(session: &Session, at: Reworked<'_, '_>, native: Raw) -> Result<usize, Trouble> {
    let get_id = function!(
        original,
        c"jl_get_function_id",
        fn(Raw, Raw, *mut i32, *mut i32)
    )?;
    let get_function = function!(original, c"jl_get_llvm_function", fn(Raw, u32) -> Raw)?;
    let (plan, objects) = (session.plan()?, session.objects());
    let mut replaced = 0;
    for (image, index, mi) in plan.settled.functions.all_owned() {
        for ci in objects.code_instances(mi) {
            let Some(held) = session.held(ci)? else {
                continue;
            };
            // Each code instance once: at its first function.
            let Ids { func, spec } = held.ids;
            let first = if func > 0 && (spec == 0 || func < spec) {
                func
            } else {
                spec
            };
            if first != plan.functions.id(image, index) {
                continue;
            }
            let mut new = Ids::default();
            // SAFETY: the code that Julia has just made.
            unsafe { get_id(native, ci.0 as Raw, &raw mut new.func, &raw mut new.spec) };
            for (id, address) in replaceable(held.ids, new, objects.invoke(ci), objects.specptr(ci))
            {
                let Some(symbol) = session.symbol(address)? else {
                    continue;
                };
                // SAFETY: as above; ids count from 1.
                let function = unsafe { get_function(native, id.cast_unsigned() - 1) };
                again::replace(at, function as usize, &symbol)?;
                replaced += 1;
            }
        }
    }
    Ok(replaced)
}

/// Of the ids of a code instance that was emitted again, those whose function can be replaced by the
/// one at the address beside it: both have to be of the same kind.
fn replaceable(old: Ids, new: Ids, invoke: usize, specptr: usize) -> Vec<(i32, usize)> {
    const SPARAM: i32 = -2;
    let mut pairs = Vec::new();
    if new.func > 0 {
        pairs.push((new.func, invoke));
    }
    let same_kind = (new.func > 0) == (old.func > 0) && new.func != SPARAM && old.func != SPARAM;
    if new.spec > 0 && same_kind {
        pairs.push((new.spec, specptr));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_different_kinds_are_not_exchanged() {
        let ids = |func, spec| Ids { func, spec };
        assert_eq!(replaceable(ids(-1, 5), ids(-1, 7), 100, 200), [(7, 200)]);
        assert_eq!(
            replaceable(ids(4, 5), ids(6, 7), 100, 200),
            [(6, 100), (7, 200)]
        );
        assert_eq!(replaceable(ids(4, 5), ids(-1, 7), 100, 200), []);
        assert_eq!(replaceable(ids(-2, 5), ids(-2, 7), 100, 200), []);
        assert_eq!(replaceable(ids(4, 5), ids(0, 0), 100, 200), []);
    }

    #[test]
    fn a_vector_may_be_empty() {
        let nothing = StandardVector {
            begin: std::ptr::null(),
            end: std::ptr::null(),
            _room: std::ptr::null(),
        };
        assert!(nothing.items().is_empty());
        let items = [1usize, 2];
        let range = items.as_ptr_range();
        let some = StandardVector {
            begin: range.start,
            end: range.end,
            _room: range.end,
        };
        assert_eq!(some.items(), items);
        let small = |length| SmallVector {
            begin: items.as_ptr(),
            length,
            _room: 2,
        };
        assert!(small(0).items().is_empty());
        assert_eq!(small(2).items(), items);
    }
}
