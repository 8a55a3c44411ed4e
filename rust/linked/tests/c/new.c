// A shard of the image process: one function, which calls one of the base (CALLED), and one global.
#include "tables.h"
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN long new_global;
extern HIDDEN long CALLED(long x);
HIDDEN long new_one(long x) { return 2 * CALLED(x) + new_global; }
asm(".section .rodata\n"
#if LAYOUT == 10
    HIDE("jl_fvar_offsets_0") ".long 1, 0\n"
    HIDE("jl_gvar_offsets_0") ".long 1, 0\n"
    ".globl jl_fvar_base_0\n.hidden jl_fvar_base_0\n.set jl_fvar_base_0, new_one\n.globl jl_gvar_base_0\n.hidden jl_gvar_base_0\n.set jl_gvar_base_0, new_global\n"
    HIDE("jl_clone_offsets_0")
#else
    HIDE("jl_fvar_count_0") ".quad 1\n"
    HIDE("jl_gvar_offsets_0") ".long 1, new_global - jl_gvar_offsets_0\n"
#endif
    HIDE("jl_clone_slots_0") ".long 0\n" END("jl_clone_slots_0")
    HIDE("jl_fvar_idxs_0") ".long 0\n" END("jl_fvar_idxs_0")
    HIDE("jl_gvar_idxs_0") ".long 0\n" END("jl_gvar_idxs_0")
    HIDE("jl_clone_idxs_0") ".long 0x80000000\n"
#if LAYOUT == 12
    ".section .data.rel.ro,\"aw\"\n"
    HIDE("jl_fvar_ptrs_0") ".quad new_one\n"
    HIDE("jl_clone_ptrs_0")
#endif
    ".text\n");
