//! Julia 1.12: its `jl_create_native` has inference collect all callees, code of the base too. A file
//! of Julia code collects instead what is to be emitted, `jl_create_native` is called for nothing, and
//! its call of `jl_emit_native` gets that list.

use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::os::unix::ffi::OsStrExt;

use super::{Raw, asked, call_linked};
use crate::julia::{Julia, Object};
use crate::llvm::Llvm;
use crate::objects::{CodeInstance, MethodInstance};
use crate::originals::{function, original, symbol};
use crate::rework::{Reworked, thunks};
use crate::session::{self, Native, Session};
use crate::trouble::{Trouble, ensure, there};

/// A process that writes an image for nobody's use but ours was not started for an incremental one.
pub fn check_options(session: &Session) -> Result<(), Trouble> {
    let option = symbol(c"jl_options")?.cast::<i8>();
    // SAFETY: a field of Julia's options; the script tells later whether it lies there.
    let value = unsafe { option.add(session.layout.options.incremental).read() };
    ensure("incremental", value == 0, || {
        "Julia was started with --output-incremental=yes".into()
    })
}

/// `jl_create_native`.
pub fn create(methods: Raw, world: usize) -> Result<Raw, Trouble> {
    let create = function!(
        original,
        c"jl_create_native",
        fn(Raw, Raw, c_int, c_int, usize) -> Raw
    )?;
    let file = session::with(|session| {
        session.infer_again()?;
        prepare(session, methods as Object, world)
    })?;
    // One that holds the list and calls Julia with no lock held: Julia calls back.
    let julia = Julia::find()?;
    let sources = julia.load(&file);
    let collected = julia.is_vector_any(sources);
    ensure("collected", collected, || {
        let told = julia.text(sources).unwrap_or_default();
        format!("what is to be emitted could not be collected: {told}")
    })?;
    let _sources = julia.root(sources);
    let nothing = julia.vector(&[]);
    let _nothing = julia.root(nothing);
    session::with(|session| {
        session.sources = Some(sources);
        Ok(())
    })?;
    // SAFETY: as Julia calls it.
    let native = unsafe { create(nothing as Raw, std::ptr::null_mut(), 0, 0, world) };
    session::with(|session| {
        ensure("emitted", session.sources.is_none(), || {
            "the list of code was not asked for".into()
        })?;
        finish(session, native)
    })?;
    Ok(native)
}

fn prepare(session: &mut Session, list: Object, world: usize) -> Result<CString, Trouble> {
    let collect = there("collect", session.job.collect.as_ref(), || {
        "the job names no collector".into()
    })?;
    let file = CString::new(collect.as_os_str().as_bytes())
        .map_err(|_| Trouble::new("the collector's path has a zero byte"))?;
    session.settle()?;
    let asked = asked(session, list)?;
    let (mut current, mut compiler) = (asked.exported, Vec::new());
    for mi in asked.methods {
        let seen = session.seen(mi, world)?;
        if seen.emitted_for_current() {
            if session.job.lean
                && seen.is_compilers_alone()
                && session.lean.is_unasked_of_compiler(session.objects(), mi)
            {
                session.left_out.insert(mi);
            } else {
                current.push(mi.0);
            }
        }
        if seen.emitted_for_compiler() {
            compiler.push(mi.0);
        }
    }
    current.extend(session.lost(world, &current)?);
    session.wanted = [current, compiler];
    session.forget_refused()?;
    Ok(file)
}

/// For the collector: what is to be emitted, for the current world (0) or the compiler's (1).
pub fn wanted(which: c_int) -> Result<Object, Trouble> {
    let which = usize::try_from(which).ok().filter(|&which| which < 2);
    let which = there("wanted", which, || {
        "the collector asks for another list".into()
    })?;
    let list = session::with(|session| Ok(session.wanted[which].clone()))?;
    // The elements are in the list that Julia has handed over, which it keeps.
    Ok(Julia::find()?.vector(&list))
}

/// For the collector: nothing has to be emitted for this code instance, nor for what it calls.
pub fn has_code(ci: CodeInstance) -> Result<bool, Trouble> {
    session::with(|session| {
        if session.objects().invoke(ci) == session.conventions.constant {
            // One that is not in an image has a new object.
            return session.in_linked_image(ci.0);
        }
        let Some(held) = session.held(ci)? else {
            session.forget(ci)?;
            return Ok(false);
        };
        if held.ids.func == GENERIC {
            let mi = session.objects().method_instance(ci);
            session.generic.push((mi, ci));
        }
        Ok(true)
    })
}

/// The id that stands for the generic convention.
const GENERIC: i32 = -1;

/// For the collector: nothing has to be inferred for this method instance in that world.
pub fn is_compiled(mi: MethodInstance, world: usize) -> Result<bool, Trouble> {
    use crate::filter::Found;
    session::with(|session| Ok(session.found(mi, world)? >= Found::Base))
}

/// `jl_emit_native`.
pub fn emit(
    list: Raw,
    module: Raw,
    parameters: Raw,
    external_linkage: c_int,
) -> Result<Raw, Trouble> {
    let emit = function!(original, c"jl_emit_native", fn(Raw, Raw, Raw, c_int) -> Raw)?;
    let sources = session::with(|session| Ok(session.sources.take()))?;
    let Some(sources) = sources else {
        // SAFETY: as Julia calls it.
        return Ok(unsafe { emit(list, module, parameters, external_linkage) });
    };
    // SAFETY: as Julia calls it, with another list, and external linkage: what an image has is
    // called, not emitted.
    let native = unsafe { emit(sources as Raw, module, parameters, 1) };
    // Code is kept, as `jl_create_native` does for a whole image.
    let keep = function!(symbol, c"jl_add_codeinst_to_cache", fn(Raw, Raw))?;
    let julia = Julia::find()?;
    let mut items = julia.elements(sources)?.into_iter();
    while let Some(item) = items.next() {
        if julia.is_simple_vector(item) {
            continue;
        }
        let source = there("sources", items.next(), || {
            "a code instance without its code".into()
        })?;
        // SAFETY: a code instance and its code.
        unsafe { keep(item as Raw, source as Raw) };
    }
    Ok(native)
}

/// What an original function tells of a list, in two calls.
fn listed(name: &'static std::ffi::CStr, native: Raw) -> Result<Vec<usize>, Trouble> {
    let get = function!(original, name, fn(Raw, *mut usize, *mut usize))?;
    let mut length = 0;
    // SAFETY: the code that Julia has just made; the list has the length that it tells.
    unsafe {
        get(native, &raw mut length, std::ptr::null_mut());
        let mut list = vec![0; length];
        if length > 0 {
            get(native, &raw mut length, list.as_mut_ptr());
        }
        Ok(list)
    }
}

/// All that Julia's own lists tell of the code.
fn finish(session: &mut Session, native: Raw) -> Result<(), Trouble> {
    let values = listed(c"jl_get_llvm_gvs", native)?;
    let external = listed(c"jl_get_llvm_external_fns", native)?;
    let variables = listed(c"jl_get_llvm_gvs_globals", native)?;
    let emitted = functions_of(native)?;
    ensure(
        "native-globals",
        variables.len() == values.len() + external.len(),
        || {
            format!(
                "{} variables, but {} values and {} functions",
                variables.len(),
                values.len(),
                external.len()
            )
        },
    )?;
    let get_module = function!(original, c"jl_get_llvm_module", fn(Raw) -> Raw)?;
    // SAFETY: the code that Julia has just made.
    let module = unsafe { get_module(native) };
    let llvm = &Llvm::find()?;
    let generic = generic_code(&session.generic);
    llvm.with_module(module, |module| {
        let at = Reworked { llvm, module };
        call_linked(session, at, &external, &variables[values.len()..])?;
        let objects: HashMap<usize, Object> = variables
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        let symbols = |object: Object| -> Option<String> {
            let ci = generic.get(&MethodInstance(object)).copied().flatten()?;
            session.symbol(session.objects().specptr(ci)).ok().flatten()
        };
        thunks::replace(at, &objects, symbols)
    })?;
    session.native = Some(Native {
        handle: native as usize,
        values,
        unused: external.len(),
        emitted,
        taken: Vec::new(),
    });
    Ok(())
}

/// How many functions the tables of that code have.
fn functions_of(native: Raw) -> Result<usize, Trouble> {
    let get_id = function!(
        original,
        c"jl_get_function_id",
        fn(Raw, usize, *mut i32, *mut i32)
    )?;
    let mut functions = 0;
    for ci in listed(c"jl_get_llvm_cis", native)? {
        let mut ids = [0, 0];
        let [func, spec] = &mut ids;
        // SAFETY: that code's own code instances.
        unsafe { get_id(native, ci, func, spec) };
        functions += ids.into_iter().filter(|&id| id > 0).count();
    }
    Ok(functions)
}

/// The code instance of each callee; none where code of the two worlds means different ones.
fn generic_code(
    seen: &[(MethodInstance, CodeInstance)],
) -> HashMap<MethodInstance, Option<CodeInstance>> {
    let mut code: HashMap<MethodInstance, Option<CodeInstance>> = HashMap::new();
    for &(mi, ci) in seen {
        code.entry(mi)
            .and_modify(|known| *known = known.filter(|&known| known == ci))
            .or_insert(Some(ci));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callees_with_two_meanings_are_left_alone() {
        let (a, b) = (MethodInstance(1), MethodInstance(2));
        let seen = [
            (a, CodeInstance(10)),
            (b, CodeInstance(20)),
            (a, CodeInstance(10)),
            (b, CodeInstance(21)),
            (b, CodeInstance(20)),
        ];
        let code = generic_code(&seen);
        assert_eq!(code[&a], Some(CodeInstance(10)));
        assert_eq!(code[&b], None);
    }
}
