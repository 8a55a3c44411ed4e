//! Functions and variables of Julia that are looked up once, and called through safe methods where
//! Julia's own rules ask for nothing.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::gc::Root;
use crate::originals::{function, symbol};
use crate::trouble::{Trouble, ensure};

/// Address of an object of Julia's.
pub type Object = usize;

type Ptr = *mut c_void;

/// What is needed of libjulia-internal.
pub struct Julia {
    typeof_: unsafe extern "C" fn(Ptr) -> Ptr,
    array_ptr: unsafe extern "C" fn(Ptr) -> *mut usize,
    array_size: unsafe extern "C" fn(Ptr, c_int) -> usize,
    array_del_end: unsafe extern "C" fn(Ptr, usize),
    array_push: unsafe extern "C" fn(Ptr, Ptr),
    alloc_vec_any: unsafe extern "C" fn(usize) -> Ptr,
    symbol_name: unsafe extern "C" fn(Ptr) -> *const c_char,
    module_name: unsafe extern "C" fn(Ptr) -> Ptr,
    module_parent: unsafe extern "C" fn(Ptr) -> Ptr,
    string_ptr: unsafe extern "C" fn(Ptr) -> *const c_char,
    load: unsafe extern "C" fn(Ptr, *const c_char) -> Ptr,
    pgcstack: unsafe extern "C" fn() -> *mut *mut c_void,
    /// Addresses of the variables, which are filled when the sysimage is restored.
    nothing: *const usize,
    simple_vector: *const usize,
    method_instance: *const usize,
    method: *const usize,
    vector_any: *const usize,
    string: *const usize,
    main: *const usize,
    base: *const usize,
    core: *const usize,
    inference_world: *const usize,
}

// SAFETY: addresses of functions and of variables that stay where they are.
unsafe impl Send for Julia {}

/// The version of the Julia that runs.
pub fn version() -> Result<(u32, u32), Trouble> {
    let major = function!(symbol, c"jl_ver_major", fn() -> c_int)?;
    let minor = function!(symbol, c"jl_ver_minor", fn() -> c_int)?;
    // SAFETY: they return constants.
    let (major, minor) = unsafe { (major(), minor()) };
    Ok((
        u32::try_from(major).unwrap_or(0),
        u32::try_from(minor).unwrap_or(0),
    ))
}

impl Julia {
    pub fn find() -> Result<Self, Trouble> {
        let variable =
            |name: &CStr| symbol(name).map(|address| address.cast::<usize>().cast_const());
        Ok(Julia {
            typeof_: function!(symbol, c"jl_typeof", fn(Ptr) -> Ptr)?,
            array_ptr: function!(symbol, c"jl_array_ptr", fn(Ptr) -> *mut usize)?,
            array_size: function!(symbol, c"jl_array_size", fn(Ptr, c_int) -> usize)?,
            array_del_end: function!(symbol, c"jl_array_del_end", fn(Ptr, usize))?,
            array_push: function!(symbol, c"jl_array_ptr_1d_push", fn(Ptr, Ptr))?,
            alloc_vec_any: function!(symbol, c"jl_alloc_vec_any", fn(usize) -> Ptr)?,
            symbol_name: function!(symbol, c"jl_symbol_name", fn(Ptr) -> *const c_char)?,
            module_name: function!(symbol, c"jl_module_name", fn(Ptr) -> Ptr)?,
            module_parent: function!(symbol, c"jl_module_parent", fn(Ptr) -> Ptr)?,
            string_ptr: function!(symbol, c"jl_string_ptr", fn(Ptr) -> *const c_char)?,
            load: function!(symbol, c"jl_load", fn(Ptr, *const c_char) -> Ptr)?,
            pgcstack: function!(symbol, c"jl_get_pgcstack", fn() -> *mut *mut c_void)?,
            nothing: variable(c"jl_nothing")?,
            simple_vector: variable(c"jl_simplevector_type")?,
            method_instance: variable(c"jl_method_instance_type")?,
            method: variable(c"jl_method_type")?,
            vector_any: variable(c"jl_array_any_type")?,
            string: variable(c"jl_string_type")?,
            main: variable(c"jl_main_module")?,
            base: variable(c"jl_base_module")?,
            core: variable(c"jl_core_module")?,
            inference_world: variable(c"jl_typeinf_world")?,
        })
    }

    fn variable(address: *const usize) -> usize {
        // SAFETY: a variable of Julia's, of the size of a pointer.
        unsafe { address.read() }
    }

    fn is_a(&self, object: Object, ty: *const usize) -> bool {
        // SAFETY: an object has its type before it.
        let found = unsafe { (self.typeof_)(object as Ptr) };
        found as usize == Self::variable(ty)
    }

    pub fn is_simple_vector(&self, object: Object) -> bool {
        self.is_a(object, self.simple_vector)
    }

    pub fn is_method_instance(&self, object: Object) -> bool {
        self.is_a(object, self.method_instance)
    }

    pub fn is_method(&self, object: Object) -> bool {
        self.is_a(object, self.method)
    }

    pub fn is_vector_any(&self, object: Object) -> bool {
        self.is_a(object, self.vector_any)
    }

    pub fn nothing(&self) -> Object {
        Self::variable(self.nothing)
    }

    /// The world in which the compiler runs, or 0.
    pub fn inference_world(&self) -> usize {
        Self::variable(self.inference_world)
    }

    /// What a `Vector{Any}` holds; nothing of it is undefined.
    pub fn elements(&self, array: Object) -> Result<Vec<Object>, Trouble> {
        ensure("vector", self.is_vector_any(array), || {
            "a list of Julia's is no Vector{Any}".into()
        })?;
        // SAFETY: a `Vector{Any}`, whose elements are pointers.
        unsafe {
            let length = (self.array_size)(array as Ptr, 0);
            if length == 0 {
                return Ok(Vec::new());
            }
            Ok(std::slice::from_raw_parts((self.array_ptr)(array as Ptr), length).to_vec())
        }
    }

    /// Keeps only `kept` of a `Vector{Any}`, which is a part of its elements, in their order.
    pub fn shorten(&self, array: Object, kept: &[Object]) -> Result<(), Trouble> {
        let before = self.elements(array)?.len();
        ensure("shorten", kept.len() <= before, || {
            "a list cannot grow".into()
        })?;
        // SAFETY: the array has room, and the garbage collector knows it to hold what it is given.
        unsafe {
            let data = (self.array_ptr)(array as Ptr);
            std::ptr::copy_nonoverlapping(kept.as_ptr(), data, kept.len());
            (self.array_del_end)(array as Ptr, before - kept.len());
        }
        Ok(())
    }

    /// Appends objects that something else keeps to a `Vector{Any}` that the caller has rooted.
    pub fn append(&self, array: Object, objects: &[Object]) {
        for &object in objects {
            // SAFETY: a rooted array, and an object.
            unsafe { (self.array_push)(array as Ptr, object as Ptr) };
        }
    }

    /// A new `Vector{Any}` of objects that something else keeps. The caller roots it.
    pub fn vector(&self, elements: &[Object]) -> Object {
        // SAFETY: the array is rooted while it grows.
        unsafe {
            let array = (self.alloc_vec_any)(0);
            let _root = self.root(array as Object);
            self.append(array as Object, elements);
            array as Object
        }
    }

    /// Keeps `object` while the result lives.
    pub fn root(&self, object: Object) -> Root {
        // SAFETY: on a thread of Julia's, as all of this library; the list is the calling task's.
        unsafe { Root::new((self.pgcstack)(), object) }
    }

    pub fn name(&self, symbol: Object) -> String {
        // SAFETY: a symbol, whose name ends with a zero.
        let name = unsafe { CStr::from_ptr((self.symbol_name)(symbol as Ptr)) };
        name.to_string_lossy().into_owned()
    }

    /// What a `String` says.
    pub fn text(&self, object: Object) -> Option<String> {
        self.is_a(object, self.string).then(|| {
            // SAFETY: a string, behind which Julia has a zero.
            let text = unsafe { CStr::from_ptr((self.string_ptr)(object as Ptr)) };
            text.to_string_lossy().into_owned()
        })
    }

    pub fn module_name(&self, module: Object) -> String {
        // SAFETY: a module.
        self.name(unsafe { (self.module_name)(module as Ptr) } as Object)
    }

    /// A module, the one it is in, and so on. `Base` and `Core` are the last of theirs, although they
    /// have `Main` for a parent.
    fn outwards(&self, module: Object) -> impl Iterator<Item = Object> {
        let roots = [Self::variable(self.base), Self::variable(self.core)];
        std::iter::successors(Some(module), move |&module| {
            // SAFETY: a module.
            let parent = unsafe { (self.module_parent)(module as Ptr) } as Object;
            let is_last = roots.contains(&module) || parent == module || parent == 0;
            (!is_last).then_some(parent)
        })
    }

    /// The package's module that a module is in: its last parent.
    pub fn root_module(&self, module: Object) -> Object {
        self.outwards(module).last().unwrap_or(module)
    }

    /// Whether a module is, or is in, the compiler's (1.12: `Base.Compiler`).
    pub fn is_compilers(&self, module: Object) -> bool {
        let base = Self::variable(self.base);
        let mut modules = self.outwards(module).peekable();
        while let Some(module) = modules.next() {
            if modules.peek() == Some(&base) && self.module_name(module) == "Compiler" {
                return true;
            }
        }
        false
    }

    /// Evaluates a file in `Main`. Julia's exceptions pass through: no lock may be held.
    pub fn load(&self, file: &CStr) -> Object {
        // SAFETY: as Julia does it with the file it is started with.
        unsafe { (self.load)(Self::variable(self.main) as Ptr, file.as_ptr()) as Object }
    }
}
