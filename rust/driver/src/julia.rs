//! The Julia of the bundle: all that is unsafe about it.
//!
//! These are functions of Julia's embedding interface that every version since 1.10 exports with the
//! same signatures, so that one program serves all.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;

type ParseOptions = unsafe extern "C" fn(*mut c_int, *mut *mut *mut c_char);
type Initialise = unsafe extern "C" fn(*const c_char, *const c_char);
type SetArguments = unsafe extern "C" fn(c_int, *mut *mut c_char);
type Evaluate = unsafe extern "C" fn(*const c_char) -> *mut c_void;
type UnboxInt32 = unsafe extern "C" fn(*mut c_void) -> i32;
type Finish = unsafe extern "C" fn(c_int);
type IsStarted = unsafe extern "C" fn() -> c_int;
type RunRepl = unsafe extern "C" fn(c_int, *mut *mut c_char) -> c_int;
type StateOfThread = unsafe extern "C" fn() -> *mut c_void;
type Change = unsafe extern "C" fn(*mut c_void) -> i8;

/// The opened libjulia, with the functions that are called.
pub struct Julia {
    parse_options: ParseOptions,
    initialise: Initialise,
    set_arguments: SetArguments,
    evaluate: Evaluate,
    unbox_int32: UnboxInt32,
    finish: Finish,
    run_repl: RunRepl,
    is_started: IsStarted,
    state_of_thread: StateOfThread,
}

impl Julia {
    /// Opens the library at `path`, which stays open.
    ///
    /// # Errors
    /// When it cannot be opened, or is not one of Julia 1.10 or newer.
    pub fn open(path: &Path) -> Result<Self, String> {
        // SAFETY: loading libjulia runs its own start-up code, as every program that embeds Julia does.
        let library = unsafe { open_for_all(path) };
        let library: &'static Library = Box::leak(Box::new(
            library.map_err(|e| format!("the app's Julia cannot be loaded: {e}"))?,
        ));
        Ok(Self {
            parse_options: symbol(library, "jl_parse_opts")?,
            // Its name since Julia 1.12, then the one before.
            initialise: symbol(library, "jl_init_with_image_file")
                .or_else(|_| symbol(library, "jl_init_with_image"))?,
            set_arguments: symbol(library, "jl_set_ARGS")?,
            evaluate: symbol(library, "jl_eval_string")?,
            unbox_int32: symbol(library, "jl_unbox_int32")?,
            finish: symbol(library, "jl_atexit_hook")?,
            run_repl: symbol(library, "jl_load_repl")?,
            is_started: symbol(library, "jl_is_initialized")?,
            state_of_thread: symbol(library, "jl_get_ptls_states")?,
        })
    }

    /// Whether somebody has started Julia in this process.
    pub fn is_started(&self) -> bool {
        // SAFETY: it only reads.
        unsafe { (self.is_started)() != 0 }
    }

    /// Sets Julia's options; the first of `options` is the program. One that Julia does not know ends
    /// the process with Julia's own words.
    pub fn parse_options(&self, options: &[CString]) {
        let (mut count, mut texts) = for_c(options);
        // SAFETY: `texts` is as `argv` of C's `main`, and lives on.
        unsafe { (self.parse_options)(&raw mut count, &raw mut texts) };
    }

    /// Starts Julia on the image at the path `sysimage`, as if the executable were in the folder `bin`.
    pub fn initialise(&self, bin: &CString, sysimage: &CString) {
        // Julia keeps the texts.
        let (bin, sysimage) = (bin.clone().into_raw(), sysimage.clone().into_raw());
        // SAFETY: this thread starts Julia once; the texts end in NUL and live on.
        unsafe { (self.initialise)(bin, sysimage) };
    }

    /// Sets `Core.ARGS`.
    pub fn set_arguments(&self, arguments: &[CString]) {
        let (count, texts) = for_c(arguments);
        // SAFETY: Julia is started, on this thread; it copies the texts.
        unsafe { (self.set_arguments)(count, texts) };
    }

    /// Calls the function that `Core.ARGS` names, and gives the exit code.
    pub fn start(&self) -> i32 {
        // SAFETY: Julia is started, on this thread.
        let result = unsafe { (self.evaluate)(c"Base.PackageCompilerRSApp.start()".as_ptr()) };
        if result.is_null() {
            crate::tell("the app failed before it could start, or while it told of an error");
            return 1;
        }
        // SAFETY: `start` gives an `Int32` (`app.jl`), and nothing can collect it before it is read.
        unsafe { (self.unbox_int32)(result) }
    }

    /// Runs what Julia runs at exit.
    pub fn finish(&self, code: i32) {
        // SAFETY: Julia is started, on this thread, and is not called again.
        unsafe { (self.finish)(code) };
    }

    /// Lets this thread be outside of Julia: its garbage collector, which runs when all threads have stopped,
    /// does not wait for it any more. Compiled functions that C calls come back by themselves, and leave again
    /// (`julia.get_pgcstack_or_new` in Julia's src/llvm-ptls.cpp); Julia's own functions do not.
    pub fn leave(&self) {
        self.change("jl_gc_safe_enter");
    }

    /// Ends what [`leave`](Self::leave) began, if it was this thread.
    pub fn come_back(&self) {
        self.change("jl_gc_unsafe_enter");
    }

    fn change(&self, name: &str) {
        // SAFETY: it gives what Julia knows of this thread, or null.
        let thread = unsafe { (self.state_of_thread)() };
        // These are exported by libjulia-internal, which libjulia has opened for all.
        let Some(change) = symbol_of_process::<Change>(name).filter(|_| !thread.is_null()) else {
            return;
        };
        // SAFETY: this thread's own state, between two calls of Julia's functions.
        unsafe { change(thread) };
    }

    /// What `julia` with these arguments does; gives its exit code.
    pub fn run_as_julia(&self, arguments: &[CString]) -> i32 {
        let (count, texts) = for_c(arguments);
        // SAFETY: `texts` is as `argv` of C's `main`, and lives on.
        unsafe { (self.run_repl)(count, texts) }
    }
}

/// Opens the library so that all that is loaded later finds its symbols, as those of one that the
/// program were linked to.
unsafe fn open_for_all(path: &Path) -> Result<Library, libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: the caller's promise.
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map(Into::into)
    }
    #[cfg(not(unix))]
    // SAFETY: the caller's promise.
    unsafe {
        Library::new(path)
    }
}

fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the types above are those of Julia's headers (`julia.h`).
    unsafe { library.get::<T>(name.as_bytes()) }
        .map(|symbol| *symbol)
        .map_err(|e| format!("the app's Julia cannot be used: {e}"))
}

/// A symbol of what is open in this process for all.
fn symbol_of_process<T: Copy>(name: &str) -> Option<T> {
    #[cfg(unix)]
    {
        // SAFETY: the types above are those of Julia's headers (`julia_threads.h`).
        unsafe { libloading::os::unix::Library::this().get::<T>(name.as_bytes()) }
            .ok()
            .map(|symbol| *symbol)
    }
    #[cfg(not(unix))]
    {
        let _ = name;
        None
    }
}

/// `argc` and `argv` of texts, which live on.
fn for_c(texts: &[CString]) -> (c_int, *mut *mut c_char) {
    let mut pointers: Vec<*mut c_char> = texts.iter().map(|text| text.clone().into_raw()).collect();
    pointers.push(ptr::null_mut());
    let count = c_int::try_from(texts.len()).unwrap_or(c_int::MAX);
    (count, pointers.leak().as_mut_ptr())
}
