//! LLVM-C, of the libLLVM that Julia's code generator is linked to. No link dependency: its version
//! goes with Julia's.
//!
//! Modules and values are handed out for the time of [`Llvm::with_module`], during which LLVM's lock
//! is held. A value that was erased must not be used again.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;

use crate::loaded;
use crate::trouble::{Trouble, caught};

type Raw = *mut c_void;

/// A module, while its lock is held.
#[derive(Clone, Copy)]
pub struct Module<'m>(Raw, PhantomData<&'m ()>);

/// A function, variable, instruction or constant of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'m>(Raw, PhantomData<&'m ()>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type<'m>(Raw, PhantomData<&'m ()>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Block<'m>(Raw, PhantomData<&'m ()>);

impl Module<'_> {
    /// Whether it lies at that address.
    pub fn is_at(self, address: usize) -> bool {
        self.0 as usize == address
    }
}

const EXTERNAL_LINKAGE: c_uint = 0;
const HIDDEN: c_uint = 1;
const VOID_KIND: c_uint = 0;
/// `LLVMTokenTypeKind`, the same from LLVM 6 on.
const TOKEN_KIND: c_uint = 16;

macro_rules! functions {
    ($($field:ident = $name:literal($($arg:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions.
        pub struct Llvm {
            $($field: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Llvm {
            /// Looks them up.
            pub fn find() -> Result<Self, Trouble> {
                let library = loaded::code_generator()?;
                Ok(Llvm {
                    $($field: {
                        let address = library.symbol($name)?;
                        // SAFETY: LLVM-C's headers give it this signature, in 15 as in 19.
                        unsafe {
                            std::mem::transmute::<Raw, unsafe extern "C" fn($($arg),*) $(-> $result)?>(
                                address as Raw,
                            )
                        }
                    },)*
                })
            }
        }
    };
}

type Callback = unsafe extern "C" fn(Raw, Raw) -> Raw;

functions! {
    with_module_do = c"LLVMOrcThreadSafeModuleWithModuleDo"(Raw, Callback, Raw) -> Raw;
    first_function = c"LLVMGetFirstFunction"(Raw) -> Raw;
    next_function = c"LLVMGetNextFunction"(Raw) -> Raw;
    is_declaration = c"LLVMIsDeclaration"(Raw) -> c_int;
    name = c"LLVMGetValueName2"(Raw, *mut usize) -> *const c_char;
    set_linkage = c"LLVMSetLinkage"(Raw, c_uint);
    set_visibility = c"LLVMSetVisibility"(Raw, c_uint);
    named_function = c"LLVMGetNamedFunction"(Raw, *const c_char) -> Raw;
    add_function = c"LLVMAddFunction"(Raw, *const c_char, Raw) -> Raw;
    delete_function = c"LLVMDeleteFunction"(Raw);
    value_type = c"LLVMGlobalGetValueType"(Raw) -> Raw;
    function_convention = c"LLVMGetFunctionCallConv"(Raw) -> c_uint;
    set_function_convention = c"LLVMSetFunctionCallConv"(Raw, c_uint);
    first_use = c"LLVMGetFirstUse"(Raw) -> Raw;
    next_use = c"LLVMGetNextUse"(Raw) -> Raw;
    user = c"LLVMGetUser"(Raw) -> Raw;
    is_load = c"LLVMIsALoadInst"(Raw) -> Raw;
    is_call = c"LLVMIsACallInst"(Raw) -> Raw;
    called_value = c"LLVMGetCalledValue"(Raw) -> Raw;
    called_type = c"LLVMGetCalledFunctionType"(Raw) -> Raw;
    call_convention = c"LLVMGetInstructionCallConv"(Raw) -> c_uint;
    replace_uses = c"LLVMReplaceAllUsesWith"(Raw, Raw);
    erase = c"LLVMInstructionEraseFromParent"(Raw);
    type_of = c"LLVMTypeOf"(Raw) -> Raw;
    type_kind = c"LLVMGetTypeKind"(Raw) -> c_uint;
    print = c"LLVMPrintValueToString"(Raw) -> *mut c_char;
    dispose_message = c"LLVMDisposeMessage"(*mut c_char);
    first_block = c"LLVMGetFirstBasicBlock"(Raw) -> Raw;
    next_block = c"LLVMGetNextBasicBlock"(Raw) -> Raw;
    delete_block = c"LLVMDeleteBasicBlock"(Raw);
    append_block = c"LLVMAppendBasicBlockInContext"(Raw, Raw, *const c_char) -> Raw;
    first_instruction = c"LLVMGetFirstInstruction"(Raw) -> Raw;
    last_instruction = c"LLVMGetLastInstruction"(Raw) -> Raw;
    next_instruction = c"LLVMGetNextInstruction"(Raw) -> Raw;
    operand = c"LLVMGetOperand"(Raw, c_uint) -> Raw;
    undefined = c"LLVMGetUndef"(Raw) -> Raw;
    null = c"LLVMConstNull"(Raw) -> Raw;
    clear_metadata = c"LLVMGlobalClearMetadata"(Raw);
    context = c"LLVMGetModuleContext"(Raw) -> Raw;
    new_builder = c"LLVMCreateBuilderInContext"(Raw) -> Raw;
    position_at_end = c"LLVMPositionBuilderAtEnd"(Raw, Raw);
    unreachable = c"LLVMBuildUnreachable"(Raw) -> Raw;
    dispose_builder = c"LLVMDisposeBuilder"(Raw);
}

fn some<T>(raw: Raw, wrap: impl FnOnce(Raw) -> T) -> Option<T> {
    (!raw.is_null()).then(|| wrap(raw))
}

fn value<'m>(raw: Raw) -> Value<'m> {
    Value(raw, PhantomData)
}

fn block<'m>(raw: Raw) -> Block<'m> {
    Block(raw, PhantomData)
}

/// What a callback through LLVM's code needs.
struct Call<'a> {
    work: Option<Work<'a>>,
    result: Result<(), Trouble>,
}

type Work<'a> = Box<dyn FnOnce(Module<'_>) -> Result<(), Trouble> + 'a>;

unsafe extern "C" fn call_work(context: Raw, module: Raw) -> Raw {
    // SAFETY: what `with_module` has given.
    let call = unsafe { &mut *context.cast::<Call<'_>>() };
    if let Some(work) = call.work.take() {
        call.result = caught(|| work(Module(module, PhantomData)));
    }
    std::ptr::null_mut()
}

// All calls: LLVM's functions, given what LLVM has given, of a module whose lock is held.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Llvm {
    /// Works on a module of the code generator's, an `LLVMOrcThreadSafeModuleRef`.
    pub fn with_module<'a>(
        &self,
        module: Raw,
        work: impl FnOnce(Module<'_>) -> Result<(), Trouble> + 'a,
    ) -> Result<(), Trouble> {
        let mut call = Call {
            work: Some(Box::new(work)),
            result: Ok(()),
        };
        let error = unsafe { (self.with_module_do)(module, call_work, (&raw mut call).cast()) };
        call.result?;
        if error.is_null() {
            Ok(())
        } else {
            Err(Trouble::new("LLVM does not hand out the module"))
        }
    }

    /// A value that Julia's code generator tells, by its address.
    pub fn of_julia<'m>(&self, _module: Module<'m>, address: usize) -> Value<'m> {
        value(address as Raw)
    }

    /// Where it lies: what Julia knows it by.
    pub fn address(&self, value: Value<'_>) -> usize {
        value.0 as usize
    }

    pub fn functions<'m>(&self, module: Module<'m>) -> Vec<Value<'m>> {
        let first = some(unsafe { (self.first_function)(module.0) }, value);
        std::iter::successors(first, |f| some(unsafe { (self.next_function)(f.0) }, value))
            .collect()
    }

    pub fn is_declaration(&self, v: Value<'_>) -> bool {
        unsafe { (self.is_declaration)(v.0) != 0 }
    }

    pub fn name(&self, v: Value<'_>) -> String {
        let mut length = 0;
        let bytes = unsafe {
            let name = (self.name)(v.0, &raw mut length);
            if length == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(name.cast::<u8>(), length)
            }
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// As text, for an error.
    pub fn shown(&self, v: Value<'_>) -> String {
        unsafe {
            let text = (self.print)(v.0);
            let shown = CStr::from_ptr(text).to_string_lossy().trim().to_owned();
            (self.dispose_message)(text);
            shown
        }
    }

    pub fn named_function<'m>(&self, module: Module<'m>, name: &CStr) -> Option<Value<'m>> {
        some(
            unsafe { (self.named_function)(module.0, name.as_ptr()) },
            value,
        )
    }

    /// Declares a function of another object file of the same image.
    pub fn declare_hidden<'m>(
        &self,
        module: Module<'m>,
        name: &CStr,
        ty: Type<'m>,
        convention: c_uint,
    ) -> Value<'m> {
        unsafe {
            let function = (self.add_function)(module.0, name.as_ptr(), ty.0);
            (self.set_linkage)(function, EXTERNAL_LINKAGE);
            (self.set_visibility)(function, HIDDEN);
            (self.set_function_convention)(function, convention);
            value(function)
        }
    }

    /// Of a function: its type, not that of its address.
    pub fn function_type<'m>(&self, function: Value<'m>) -> Type<'m> {
        Type(unsafe { (self.value_type)(function.0) }, PhantomData)
    }

    pub fn function_convention(&self, function: Value<'_>) -> c_uint {
        unsafe { (self.function_convention)(function.0) }
    }

    pub fn delete_function(&self, function: Value<'_>) {
        unsafe { (self.delete_function)(function.0) }
    }

    pub fn clear_metadata(&self, function: Value<'_>) {
        unsafe { (self.clear_metadata)(function.0) }
    }

    pub fn type_of<'m>(&self, v: Value<'m>) -> Type<'m> {
        Type(unsafe { (self.type_of)(v.0) }, PhantomData)
    }

    /// Whoever uses it.
    pub fn users<'m>(&self, v: Value<'m>) -> Vec<Value<'m>> {
        let first = some(unsafe { (self.first_use)(v.0) }, |raw| raw);
        std::iter::successors(first, |used| {
            some(unsafe { (self.next_use)(*used) }, |raw| raw)
        })
        .map(|used| value(unsafe { (self.user)(used) }))
        .collect()
    }

    pub fn is_load(&self, v: Value<'_>) -> bool {
        unsafe { !(self.is_load)(v.0).is_null() }
    }

    /// Of a call: what it calls, that function's type, and the convention.
    pub fn call<'m>(&self, v: Value<'m>) -> Option<(Value<'m>, Type<'m>, c_uint)> {
        unsafe {
            (!(self.is_call)(v.0).is_null()).then(|| {
                let ty = Type((self.called_type)(v.0), PhantomData);
                (
                    value((self.called_value)(v.0)),
                    ty,
                    (self.call_convention)(v.0),
                )
            })
        }
    }

    pub fn replace_uses(&self, old: Value<'_>, new: Value<'_>) {
        unsafe { (self.replace_uses)(old.0, new.0) }
    }

    pub fn erase(&self, instruction: Value<'_>) {
        unsafe { (self.erase)(instruction.0) }
    }

    pub fn operand<'m>(&self, instruction: Value<'m>, index: c_uint) -> Value<'m> {
        value(unsafe { (self.operand)(instruction.0, index) })
    }

    pub fn blocks<'m>(&self, function: Value<'m>) -> Vec<Block<'m>> {
        let first = some(unsafe { (self.first_block)(function.0) }, block);
        std::iter::successors(first, |b| some(unsafe { (self.next_block)(b.0) }, block)).collect()
    }

    pub fn instructions<'m>(&self, b: Block<'m>) -> Vec<Value<'m>> {
        let first = some(unsafe { (self.first_instruction)(b.0) }, value);
        std::iter::successors(first, |i| {
            some(unsafe { (self.next_instruction)(i.0) }, value)
        })
        .collect()
    }

    /// Leaves a function that must not be called: its name only.
    pub fn empty(&self, module: Module<'_>, function: Value<'_>) {
        for b in self.blocks(function) {
            for instruction in self.instructions(b) {
                unsafe {
                    let ty = (self.type_of)(instruction.0);
                    let replacement = match (self.type_kind)(ty) {
                        VOID_KIND => continue,
                        // `none`: tokens are never undefined.
                        TOKEN_KIND => (self.null)(ty),
                        _ => (self.undefined)(ty),
                    };
                    (self.replace_uses)(instruction.0, replacement);
                }
            }
        }
        for b in self.blocks(function) {
            while let Some(last) = some(unsafe { (self.last_instruction)(b.0) }, value) {
                self.erase(last);
            }
        }
        for b in self.blocks(function) {
            unsafe { (self.delete_block)(b.0) }
        }
        unsafe {
            let context = (self.context)(module.0);
            let top = (self.append_block)(context, function.0, c"top".as_ptr());
            let builder = (self.new_builder)(context);
            (self.position_at_end)(builder, top);
            (self.unreachable)(builder);
            (self.dispose_builder)(builder);
        }
    }
}

/// A symbol for LLVM.
pub fn c_name(symbol: &str) -> CString {
    // Names of symbols are made of letters, digits and underscores.
    CString::new(symbol).unwrap_or_default()
}
