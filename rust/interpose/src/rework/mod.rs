//! The module that the code generator has made, before it is optimised: calls into code that an image
//! holds become direct calls of that code's symbol.
//!
//! New functions keep their names and their internal linkage. The functions of the images below have
//! hidden symbols of their own kind (`jlsb_..`, `jlp.._..`), so that nothing can clash.

pub mod again;
pub mod slots;
pub mod thunks;

use std::ffi::c_uint;

use crate::llvm::{Llvm, Module, Type, Value, c_name};
use crate::trouble::{Trouble, ensure};

/// A module at work.
#[derive(Clone, Copy)]
pub struct Reworked<'a, 'm> {
    pub llvm: &'a Llvm,
    pub module: Module<'m>,
}

impl<'m> Reworked<'_, 'm> {
    /// The declaration of a function of an image.
    pub fn declared(
        &self,
        symbol: &str,
        ty: Type<'m>,
        convention: c_uint,
    ) -> Result<Value<'m>, Trouble> {
        let name = c_name(symbol);
        let Some(function) = self.llvm.named_function(self.module, &name) else {
            return Ok(self.llvm.declare_hidden(self.module, &name, ty, convention));
        };
        let same = self.llvm.is_declaration(function)
            && self.llvm.function_type(function) == ty
            && self.llvm.function_convention(function) == convention;
        ensure("declaration", same, || {
            format!("{symbol} is declared in two ways")
        })?;
        Ok(function)
    }
}
