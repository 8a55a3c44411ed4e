//! What nobody has asked for.
//!
//! Before it writes an image, Julia compiles every method with a concrete signature (1.12), and what
//! inference has met on its way. The caches of packages do not hold these, and ordinary sessions go
//! without. A lean image has them only for the packages that the user names; of others, what was
//! compiled, or asked for by `precompile`, when the image process's script ended. Nor has it what that
//! script had compiled for itself, and of the compiler's functions those for the current world that
//! Julia calls in the compiler's, unless a statement asks for them.

use std::collections::{HashMap, HashSet};

use crate::julia::{Julia, Object};
use crate::objects::{MethodInstance, Objects};
use crate::trouble::{Trouble, ensure};

/// The module of the image process's script (`staging/image.jl`).
const SCRIPT: &str = "PackageCompilerRSStaging";

/// Whether the image process's script is made of it, which no image needs.
pub fn is_scripts(objects: Objects<'_>, julia: &Julia, mi: MethodInstance) -> bool {
    objects
        .module(mi)
        .is_some_and(|module| julia.module_name(module) == SCRIPT)
}

/// The marks, and whose code is never left out.
#[derive(Default)]
pub struct Lean {
    scripts: HashSet<MethodInstance>,
    /// Of the compiler's functions, those that statements ask for.
    asked_of_compiler: HashSet<MethodInstance>,
    marked: HashSet<MethodInstance>,
}

/// What decides, of a method instance that is not marked.
struct Unmarked<'a> {
    method: &'a str,
    root: &'a str,
}

impl Lean {
    /// Before anything is asked for: remembers `mi` if the script has compiled it for itself. What caches
    /// have asked for of the compiler's functions is forgotten, so that statements alone can ask for it.
    pub fn mark_script(&mut self, objects: Objects<'_>, mi: MethodInstance) {
        let compiled_here =
            |ci| objects.invoke(ci) != 0 && !objects.is_from_image(ci) && !objects.asked_for(ci);
        if objects.code_instances(mi).any(compiled_here) {
            self.scripts.insert(mi);
        }
        if objects.is_compilers(mi) {
            objects
                .code_instances(mi)
                .for_each(|ci| objects.not_asked_for(ci));
        }
    }

    /// At the end: marks `mi` if it was compiled or asked for.
    pub fn mark(&mut self, objects: Objects<'_>, mi: MethodInstance) {
        let asked_for = objects.code_instances(mi).any(|ci| objects.asked_for(ci));
        if asked_for && objects.is_compilers(mi) {
            self.asked_of_compiler.insert(mi);
        }
        let was_compiled = |ci| objects.invoke(ci) != 0;
        if asked_for
            || (!self.scripts.contains(&mi) && objects.code_instances(mi).any(was_compiled))
        {
            self.marked.insert(mi);
        }
    }

    /// Whether it is one of the compiler's own functions, and no statement asks for it. Julia's own rules,
    /// at work by now, ask for more.
    pub fn is_unasked_of_compiler(&self, objects: Objects<'_>, mi: MethodInstance) -> bool {
        objects.is_compilers(mi) && !self.asked_of_compiler.contains(&mi)
    }

    /// Whether the script has marked anything, as it must have.
    pub fn complete(&self) -> Result<(), Trouble> {
        ensure("lean-marks", !self.marked.is_empty(), || {
            "the script has not told which methods were compiled".into()
        })
    }

    pub fn is_marked(&self, mi: MethodInstance) -> bool {
        self.marked.contains(&mi)
    }
}

/// Tells which method instances are left out. Module names are looked up once.
pub struct Unasked<'a> {
    lean: Option<&'a Lean>,
    named: &'a [String],
    roots: HashMap<Object, String>,
}

impl<'a> Unasked<'a> {
    /// Nothing is, without `lean`.
    pub fn new(lean: Option<&'a Lean>, named: &'a [String]) -> Self {
        Unasked {
            lean,
            named,
            roots: HashMap::new(),
        }
    }

    pub fn leaves_out(&mut self, objects: Objects<'_>, julia: &Julia, mi: MethodInstance) -> bool {
        let Some(lean) = self.lean else { return false };
        if lean.is_marked(mi) {
            return false;
        }
        let Some(method) = objects.method(mi) else {
            return false;
        };
        let module = objects.method_module(method);
        let root = self
            .roots
            .entry(module)
            .or_insert_with(|| julia.module_name(julia.root_module(module)));
        left_out(
            &Unmarked {
                method: &objects.method_name(method),
                root,
            },
            self.named,
        )
    }
}

fn left_out(unmarked: &Unmarked<'_>, named: &[String]) -> bool {
    // Julia runs `__init__` when the image starts.
    unmarked.method != "__init__"
        && unmarked.root != "Main"
        && !named.iter().any(|name| name == unmarked.root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_packages_keep_their_methods() {
        let named = ["Demo".to_owned()];
        let out = |method: &str, root: &str| left_out(&Unmarked { method, root }, &named);
        assert!(out("f", "Base"));
        assert!(out("f", "CSV"));
        assert!(!out("f", "Demo"));
        assert!(!out("f", "Main"));
        assert!(!out("__init__", "CSV"));
    }
}
