// A sysimage: three functions, two globals, a heap within its data.
#include "tables.h"
extern long jl_helper(long x);
extern void *jl_RTLD_DEFAULT_handle;
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN long global_0, global_1;
HIDDEN long number = 7;
HIDDEN long *to_number = &number;
HIDDEN long in_the_bss[1000];
HIDDEN long (*slot)(long);
HIDDEN void *jl_pgcstack_func_slot, *jl_pgcstack_key_slot;
HIDDEN long jl_tls_offset;
HIDDEN void *jl_small_typeof[16];
HIDDEN long base_one(long x) { in_the_bss[5] = x; return jl_helper(x) + *to_number; }
HIDDEN long base_two(long x) { return global_0 + global_1 + x + in_the_bss[5]; }
HIDDEN long base_three(long x) { return slot ? slot(x) : -5; }
HIDDEN long base_one_cloned(long x) { return base_one(x) + 500000; }
__attribute__((visibility("default"))) long exported(long x) { return base_one(x) + 1; }
void *get_jl_RTLD_DEFAULT_handle_addr(void) { return &jl_RTLD_DEFAULT_handle; }
asm(".section .rodata\n"
#if LAYOUT == 10
    HIDE("jl_fvar_offsets_0") ".long 3, 0, base_two - base_one, base_three - base_one\n"
    HIDE("jl_gvar_offsets_0") ".long 2, 0, global_1 - global_0\n"
    ".globl jl_fvar_base_0\n.hidden jl_fvar_base_0\n.set jl_fvar_base_0, base_one\n.globl jl_gvar_base_0\n.hidden jl_gvar_base_0\n.set jl_gvar_base_0, global_0\n"
    HIDE("jl_clone_slots_0") ".long 1, 0, slot - global_0\n"
    HIDE("jl_clone_offsets_0")
#if TARGETS == 2
    ".long base_one_cloned - base_one\n"
#endif
#else
    HIDE("jl_fvar_count_0") ".quad 3\n"
    HIDE("jl_gvar_offsets_0") ".long 2, global_0 - jl_gvar_offsets_0, global_1 - jl_gvar_offsets_0\n"
    HIDE("jl_clone_slots_0") ".long 1, 0, slot - jl_clone_slots_0\n"
#endif
    HIDE("jl_fvar_idxs_0") ".long 0, 1, 2\n"
    HIDE("jl_gvar_idxs_0") ".long 0, 1\n"
    HIDE("jl_clone_idxs_0") ".long 0x80000001, 0\n"
#if TARGETS == 2
    ".long 1, 0, 0x80000000\n"
#endif
    HIDE("jl_dispatch_target_ids") TARGET_IDS
    HIDE("jl_image_header") ".long 1, 1, 3, 2\n"
    ".globl jl_system_image_size\n.type jl_system_image_size,@object\n.size jl_system_image_size, 8\n.p2align 3\njl_system_image_size: .quad 40000\n"
    ".section .data.rel.ro,\"aw\"\n"
#if LAYOUT == 12
    HIDE("jl_fvar_ptrs_0") ".quad base_one, base_two, base_three\n"
    HIDE("jl_clone_ptrs_0")
#if TARGETS == 2
    ".quad base_one_cloned\n"
#endif
#endif
    HIDE("jl_shard_tables") BASE_COLUMNS
    HIDE("jl_ptls_table") ".quad jl_pgcstack_func_slot, jl_pgcstack_key_slot, jl_tls_offset\n"
    ".globl jl_image_pointers\n.type jl_image_pointers,@object\n.size jl_image_pointers, 40\n.p2align 3\njl_image_pointers: .quad jl_image_header, jl_shard_tables, jl_ptls_table, jl_small_typeof, jl_dispatch_target_ids\n"
#if LAYOUT == 10
    ".data\n"
#else
    ".section .ldata,\"awl\"\n"
#endif
    ".globl jl_system_image_data\n.type jl_system_image_data,@object\n.size jl_system_image_data, 40000\n.p2align 6\njl_system_image_data: .ascii \"BASE\"\n.zero 39996\n.text\n");
