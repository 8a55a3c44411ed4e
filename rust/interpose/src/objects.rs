//! Fields of Julia's objects, read at the offsets of the layout.
//!
//! The addresses are handed over by Julia, or read from objects that were; code instances, method
//! instances and methods are never freed while an image is made, for all of them are written into it.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::julia::{Julia, Object};
use crate::layout::{FROM_IMAGE, Layout};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeInstance(pub Object);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodInstance(pub Object);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(pub Object);

/// Reads them.
#[derive(Clone, Copy)]
pub struct Objects<'a> {
    pub layout: &'static Layout,
    pub julia: &'a Julia,
}

fn word(object: Object, offset: usize) -> usize {
    // SAFETY: a field of that size; see the module. Julia's threads write it atomically.
    unsafe { AtomicUsize::from_ptr((object + offset) as *mut usize) }.load(Ordering::Relaxed)
}

fn byte(object: Object, offset: usize) -> &'static AtomicU8 {
    // SAFETY: as in `word`.
    unsafe { AtomicU8::from_ptr((object + offset) as *mut u8) }
}

impl Objects<'_> {
    pub fn invoke(&self, ci: CodeInstance) -> usize {
        word(ci.0, self.layout.code_instance.invoke)
    }

    pub fn specptr(&self, ci: CodeInstance) -> usize {
        word(ci.0, self.layout.code_instance.specptr)
    }

    pub fn valid_in(&self, ci: CodeInstance, world: usize) -> bool {
        let fields = &self.layout.code_instance;
        (word(ci.0, fields.min_world)..=word(ci.0, fields.max_world)).contains(&world)
    }

    /// Whether it is of Julia's own compiler, not of one that a package brings.
    pub fn native(&self, ci: CodeInstance) -> bool {
        let owner = self.layout.code_instance.owner;
        owner.is_none_or(|offset| word(ci.0, offset) == self.julia.nothing())
    }

    /// Whether it was asked for by a `precompile`.
    pub fn asked_for(&self, ci: CodeInstance) -> bool {
        byte(ci.0, self.layout.code_instance.precompile).load(Ordering::Relaxed) != 0
    }

    /// Lets it be forgotten that it was asked for.
    pub fn not_asked_for(&self, ci: CodeInstance) {
        byte(ci.0, self.layout.code_instance.precompile).store(0, Ordering::Relaxed);
    }

    /// Whether Julia takes its code as that of an image.
    pub fn is_from_image(&self, ci: CodeInstance) -> bool {
        byte(ci.0, self.layout.code_instance.flags).load(Ordering::Relaxed) & FROM_IMAGE != 0
    }

    /// Lets Julia emit its code, instead of calling what an image has.
    pub fn forget_image(&self, ci: CodeInstance) {
        byte(ci.0, self.layout.code_instance.flags).fetch_and(!FROM_IMAGE, Ordering::Relaxed);
    }

    pub fn method_instance(&self, ci: CodeInstance) -> MethodInstance {
        let def = word(ci.0, self.layout.code_instance.def);
        match self.layout.abi_override_def {
            Some(offset) if !self.julia.is_method_instance(def) => {
                MethodInstance(word(def, offset))
            }
            _ => MethodInstance(def),
        }
    }

    /// The code instances of a method instance.
    pub fn code_instances(
        &self,
        mi: MethodInstance,
    ) -> impl Iterator<Item = CodeInstance> + use<'_> {
        let next = self.layout.code_instance.next;
        let first = word(mi.0, self.layout.method_instance.cache);
        let some = |address: usize| (address != 0).then_some(CodeInstance(address));
        std::iter::successors(some(first), move |ci| some(word(ci.0, next)))
    }

    /// Its method; none for code at top level, which is a module's.
    pub fn method(&self, mi: MethodInstance) -> Option<Method> {
        let def = word(mi.0, self.layout.method_instance.def);
        self.julia.is_method(def).then_some(Method(def))
    }

    pub fn method_name(&self, method: Method) -> String {
        self.julia.name(word(method.0, self.layout.method.name))
    }

    pub fn method_module(&self, method: Method) -> Object {
        word(method.0, self.layout.method.module)
    }

    /// The module of its method; none for code at top level.
    pub fn module(&self, mi: MethodInstance) -> Option<Object> {
        self.method(mi).map(|method| self.method_module(method))
    }

    /// Whether its method is of the compiler.
    pub fn is_compilers(&self, mi: MethodInstance) -> bool {
        self.module(mi)
            .is_some_and(|module| self.julia.is_compilers(module))
    }

    /// Whether a method is visible in that world.
    pub fn visible(&self, method: Method, world: usize) -> bool {
        let fields = &self.layout.method;
        let deleted = fields
            .deleted_world
            .map_or(usize::MAX, |offset| word(method.0, offset));
        word(method.0, fields.primary_world) <= world && world <= deleted
    }
}
