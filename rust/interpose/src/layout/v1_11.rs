//! Julia 1.11 (`julia.h`, `processor.h`, `jloptions.h`): options as in 1.10.

use super::{
    CodeInstanceLayout, Flow, FunctionsLayout, Layout, MethodInstanceLayout, MethodLayout,
    ShardLayout, VectorLayout, v1_10,
};

pub const FUNCTIONS: FunctionsLayout = FunctionsLayout::Absolute {
    count: 0,
    pointers: 8,
    clones: 16,
    clone_pointers: 24,
    clone_indices: 32,
};

// fvar_count, fvar_ptrs, fvar_idxs, gvar_offsets, gvar_idxs, clone_slots, clone_ptrs, clone_idxs
pub const SHARD: ShardLayout = ShardLayout {
    size: 64,
    global_base: 24,
    global_offsets: 24,
    global_indices: 32,
};

pub static LAYOUT: Layout = Layout {
    version: (1, 11),
    flow: Flow::Incremental(VectorLayout::Small),
    packages_without_code: true,
    code_instance: CodeInstanceLayout {
        def: 0,
        owner: Some(8),
        next: 16,
        min_world: 24,
        max_world: 32,
        flags_name: "specsigflags",
        flags: 88,
        precompile: 89,
        invoke: 96,
        specptr: 104,
    },
    method_instance: MethodInstanceLayout { def: 0, cache: 40 },
    method: MethodLayout {
        name: 0,
        module: 8,
        primary_world: 32,
        deleted_world: Some(40),
    },
    abi_override_def: None,
    options: v1_10::OPTIONS,
    functions: FUNCTIONS,
    shard: SHARD,
    conventions: &v1_10::CONVENTIONS,
};
