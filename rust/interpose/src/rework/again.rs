//! Functions that are emitted although an image holds them: 1.10 does so for callees by the generic
//! convention. Their uses are pointed at the image's, and nothing is left for LLVM to compile.

use super::Reworked;
use crate::llvm::Value;
use crate::trouble::Trouble;

/// Lets `symbol` take the place of `function`, of which only the name stays: the table has it.
pub fn replace(at: Reworked<'_, '_>, function: usize, symbol: &str) -> Result<(), Trouble> {
    let llvm = at.llvm;
    let function: Value<'_> = llvm.of_julia(at.module, function);
    let ty = llvm.function_type(function);
    let convention = llvm.function_convention(function);
    let declared = at.declared(symbol, ty, convention)?;
    llvm.replace_uses(function, declared);
    llvm.clear_metadata(function);
    llvm.empty(at.module, function);
    Ok(())
}
