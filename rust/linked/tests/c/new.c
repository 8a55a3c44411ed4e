// A shard of the image process: one function, which calls one of the base (CALLED), or two, and one global. With
// TARGETS=2 there is another version for the second CPU target.
#include "tables.h"
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN long new_global;
extern HIDDEN long CALLED(long x);
#ifdef CALLED_TOO
extern HIDDEN long CALLED_TOO(long x);
#else
#define CALLED_TOO(x) 0
#endif
HIDDEN long new_one(long x) { return 2 * CALLED(x) + CALLED_TOO(x) + new_global; }
HIDDEN long new_one_cloned(long x) { return 3 * CALLED(x) + CALLED_TOO(x) + new_global; }
asm(".section .rodata\n"
#if LAYOUT == 10
    HIDE("jl_fvar_offsets_0") ".long 1, 0\n"
    HIDE("jl_gvar_offsets_0") ".long 1, 0\n"
    ".globl jl_fvar_base_0\n.hidden jl_fvar_base_0\n.set jl_fvar_base_0, new_one\n.globl jl_gvar_base_0\n.hidden jl_gvar_base_0\n.set jl_gvar_base_0, new_global\n"
    HIDE("jl_clone_offsets_0")
#if TARGETS == 2
    ".long new_one_cloned - new_one\n"
#endif
#else
    HIDE("jl_fvar_count_0") ".quad 1\n"
    HIDE("jl_gvar_offsets_0") ".long 1, new_global - jl_gvar_offsets_0\n"
#endif
    HIDE("jl_clone_slots_0") ".long 0\n" END("jl_clone_slots_0")
    HIDE("jl_fvar_idxs_0") ".long 0\n" END("jl_fvar_idxs_0")
    HIDE("jl_gvar_idxs_0") ".long 0\n" END("jl_gvar_idxs_0")
    HIDE("jl_clone_idxs_0") ".long 0x80000000\n"
#if TARGETS == 2
    ".long 1, 0, 0\n"
#endif
#if LAYOUT == 12
    ".section .data.rel.ro,\"aw\"\n"
    HIDE("jl_fvar_ptrs_0") ".quad new_one\n"
    HIDE("jl_clone_ptrs_0")
#if TARGETS == 2
    ".quad new_one_cloned\n"
#endif
#endif
    ".text\n");
