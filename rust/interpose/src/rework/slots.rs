//! Slots for functions of images: with external linkage, which is how code for package images is
//! made, the code generator loads a pointer from a variable and calls through that.

use super::Reworked;
use crate::llvm::Value;
use crate::trouble::{Trouble, ensure};

/// Makes all calls through the variable at `slot` calls of `symbol`. The slot stays, unused.
pub fn call_directly(at: Reworked<'_, '_>, slot: usize, symbol: &str) -> Result<(), Trouble> {
    let llvm = at.llvm;
    let slot: Value<'_> = llvm.of_julia(at.module, slot);
    // One at a time: a load that goes takes its use with it.
    while let Some(load) = llvm.users(slot).first().copied() {
        ensure("slot-use", llvm.is_load(load), || {
            format!(
                "a slot for {symbol} is used otherwise: {}",
                llvm.shown(load)
            )
        })?;
        let mut declared = None;
        for user in llvm.users(load) {
            let call = llvm.call(user).filter(|(called, _, _)| *called == load);
            ensure("function-use", call.is_some(), || {
                format!(
                    "the pointer to {symbol} is used otherwise: {}",
                    llvm.shown(user)
                )
            })?;
            if let Some((_, ty, convention)) = call {
                declared = Some(at.declared(symbol, ty, convention)?);
            }
        }
        if let Some(function) = declared {
            ensure(
                "function-type",
                llvm.type_of(function) == llvm.type_of(load),
                || format!("the address of {symbol} has another type"),
            )?;
            llvm.replace_uses(load, function);
        }
        llvm.erase(load);
    }
    Ok(())
}
