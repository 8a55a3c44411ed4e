//! Julia 1.10 (`julia.h`, `processor.h`, `jloptions.h`).

use super::{
    CodeInstanceLayout, Flow, FunctionsLayout, Layout, MethodInstanceLayout, MethodLayout,
    OptionsLayout, ShardLayout, VectorLayout,
};

pub const OPTIONS: OptionsLayout = OptionsLayout {
    incremental: 200,
    use_pkgimages: Some(139),
};

pub const CONVENTIONS: [(&str, i32); 2] = [("jl_fptr_args_addr", -1), ("jl_fptr_sparam_addr", -2)];

pub static LAYOUT: Layout = Layout {
    version: (1, 10),
    flow: Flow::Incremental(VectorLayout::Standard),
    packages_without_code: false,
    code_instance: CodeInstanceLayout {
        def: 0,
        owner: None,
        next: 8,
        min_world: 16,
        max_world: 24,
        flags_name: "isspecsig",
        flags: 72,
        precompile: 73,
        invoke: 80,
        specptr: 88,
    },
    method_instance: MethodInstanceLayout { def: 0, cache: 48 },
    method: MethodLayout {
        name: 0,
        module: 8,
        primary_world: 32,
        deleted_world: Some(40),
    },
    abi_override_def: None,
    options: OPTIONS,
    functions: FunctionsLayout::Relative {
        base: 0,
        count: 8,
        offsets: 16,
        clones: 24,
        clone_offsets: 32,
        clone_indices: 40,
    },
    // fvar_base, fvar_offsets, fvar_idxs, gvar_base, gvar_offsets, gvar_idxs, clone_slots,
    // clone_offsets, clone_idxs
    shard: ShardLayout {
        size: 72,
        global_base: 24,
        global_offsets: 32,
        global_indices: 40,
    },
    conventions: &CONVENTIONS,
};
