//! Thunks of 1.12: with external linkage, a callee by the generic convention that is not emitted is
//! called through a function `tojlinvoke..`, which asks Julia to find its code. It names only the
//! method instance.

use std::collections::HashMap;

use super::Reworked;
use crate::julia::Object;
use crate::trouble::Trouble;

/// Replaces each thunk for whose object `symbol` knows a function. `objects`: what the variables of
/// the module stand for, by their addresses.
pub fn replace(
    at: Reworked<'_, '_>,
    objects: &HashMap<usize, Object>,
    symbol: impl Fn(Object) -> Option<String>,
) -> Result<(), Trouble> {
    let llvm = at.llvm;
    for function in llvm.functions(at.module) {
        if llvm.is_declaration(function) || !llvm.name(function).starts_with("tojlinvoke") {
            continue;
        }
        let top = llvm.blocks(function).first().copied();
        let object = top
            .into_iter()
            .flat_map(|block| llvm.instructions(block))
            .find_map(|instruction| {
                let loaded = llvm
                    .is_load(instruction)
                    .then(|| llvm.operand(instruction, 0))?;
                objects.get(&llvm.address(loaded)).copied()
            });
        let Some(symbol) = object.and_then(&symbol) else {
            continue;
        };
        let (ty, convention) = (
            llvm.function_type(function),
            llvm.function_convention(function),
        );
        let declared = at.declared(&symbol, ty, convention)?;
        llvm.replace_uses(function, declared);
        llvm.delete_function(function);
    }
    Ok(())
}
