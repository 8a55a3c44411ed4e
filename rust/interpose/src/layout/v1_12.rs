//! Julia 1.12 (`julia.h`, `processor.h`, `jloptions.h`).

use super::{
    CodeInstanceLayout, Flow, Layout, MethodInstanceLayout, MethodLayout, OptionsLayout, v1_11,
};

pub static LAYOUT: Layout = Layout {
    version: (1, 12),
    flow: Flow::Collected,
    packages_without_code: false,
    code_instance: CodeInstanceLayout {
        def: 0,
        owner: Some(8),
        next: 16,
        min_world: 24,
        max_world: 32,
        flags_name: "specsigflags",
        flags: 108,
        precompile: 109,
        invoke: 112,
        specptr: 120,
    },
    method_instance: MethodInstanceLayout { def: 0, cache: 32 },
    method: MethodLayout {
        name: 0,
        module: 8,
        primary_world: 40,
        deleted_world: None,
    },
    abi_override_def: Some(8),
    options: OptionsLayout {
        incremental: 216,
        use_pkgimages: None,
    },
    functions: v1_11::FUNCTIONS,
    shard: v1_11::SHARD,
    conventions: &[
        ("jl_fptr_args_addr", -1),
        ("jl_fptr_sparam_addr", -2),
        ("jl_f_opaque_closure_call_addr", -4),
    ],
};
