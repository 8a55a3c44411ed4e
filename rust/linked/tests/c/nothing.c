// A shard of the image process without functions and globals, its metadata, and HEAP as its heap.
#define TARGETS_ARE_A_FILE
#include "tables.h"
asm(".section .rodata\n"
#if defined(SHARD) && LAYOUT == 10
    HIDE("jl_fvar_base_0") HIDE("jl_gvar_base_0") ".quad 0\n"
    HIDE("jl_fvar_offsets_0") HIDE("jl_gvar_offsets_0") HIDE("jl_clone_slots_0") HIDE("jl_clone_offsets_0") ".long 0\n"
#elif defined(SHARD)
    HIDE("jl_fvar_count_0") HIDE("jl_gvar_offsets_0") HIDE("jl_clone_slots_0") ".quad 0\n"
    ".section .data.rel.ro,\"aw\"\n" HIDE("jl_fvar_ptrs_0") HIDE("jl_clone_ptrs_0") ".section .rodata\n"
#endif
#ifdef SHARD
    HIDE("jl_fvar_idxs_0") HIDE("jl_gvar_idxs_0")
    HIDE("jl_clone_idxs_0") ".long 0x80000000\n"
#endif
#ifdef TARGETS
    ".type jl_dispatch_target_ids,@object\njl_dispatch_target_ids: .incbin \"" TARGETS "\"\n" END("jl_dispatch_target_ids")
    ".type jl_image_header,@object\njl_image_header: .long 1, 1, 0, 0\n" END("jl_image_header")
#endif
#ifdef HEAP
    ".globl jl_system_image_size\n.type jl_system_image_size,@object\njl_system_image_size: .quad heap_end - jl_system_image_data\n" END("jl_system_image_size")
    ".data\n.globl jl_system_image_data\n.type jl_system_image_data,@object\n.p2align 6\njl_system_image_data: .incbin \"" HEAP "\"\n"
    "heap_end:\n" END("jl_system_image_data")
#endif
    ".text\n");
