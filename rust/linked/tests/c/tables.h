// The tables of an image, written as Julia's compiler writes them. Version: LAYOUT, 10 or 12.
// How many CPU targets there are: TARGETS, one or two.
#if LAYOUT == 10
#define BASE_COLUMNS ".quad jl_fvar_base_0, jl_fvar_offsets_0, jl_fvar_idxs_0, jl_gvar_base_0, jl_gvar_offsets_0, jl_gvar_idxs_0, jl_clone_slots_0, jl_clone_offsets_0, jl_clone_idxs_0\n"
#else
#define BASE_COLUMNS ".quad jl_fvar_count_0, jl_fvar_ptrs_0, jl_fvar_idxs_0, jl_gvar_offsets_0, jl_gvar_idxs_0, jl_clone_slots_0, jl_clone_ptrs_0, jl_clone_idxs_0\n"
#endif
#define HIDE(name) ".globl " name "\n.hidden " name "\n.type " name ",@object\n.p2align 3\n" name ":\n"
#define END(name) ".size " name ", . - " name "\n"
// Flags, number of features, lengths of the name and of further features.
#ifdef TARGETS_ARE_A_FILE
#elif TARGETS == 2
#define TARGET_IDS ".long 2, 0, 0, 0, 0, 1, 0, 0, 0\n"
#else
#define TARGET_IDS ".long 1, 0, 0, 0, 0\n"
#endif
