// A package image: two functions, one global, a slot for a function of another image.
#include "tables.h"
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN long package_global;
HIDDEN long (*other_slot)(long);
HIDDEN void *(*jl_pgcstack_func_slot)(void), *jl_pgcstack_key_slot;
HIDDEN long jl_tls_offset;
HIDDEN void *jl_small_typeof[16];
static long table[3] = {NUMBER, 20, 30};
HIDDEN long *to_table = &table[1];
extern void *jl_RTLD_DEFAULT_handle;
HIDDEN long package_one(long x) { return other_slot(x) + package_global + to_table[-1]; }
HIDDEN long package_one_cloned(long x) { return package_one(x) + 700000; }
#if TARGETS == 2
HIDDEN long (*own_slot)(long);
HIDDEN long package_two(long x) { return own_slot(x); }
#else
// the state of the thread, and whether the slots are filled
HIDDEN long package_two(long x)
{
    void *before = (void*)jl_pgcstack_func_slot;
    long *state = jl_pgcstack_func_slot();
    if (!state)
        return (void*)jl_pgcstack_func_slot == before ? -1 : -2;
    return *state + x + 1000 * (long)jl_pgcstack_key_slot + 10000 * jl_tls_offset;
}
#endif
void *get_jl_RTLD_DEFAULT_handle_addr(void) { return &jl_RTLD_DEFAULT_handle; }
asm(".section .rodata\n"
#if LAYOUT == 10
    HIDE("jl_fvar_offsets_0") ".long 2, 0, package_two - package_one\n"
    HIDE("jl_gvar_offsets_0") ".long 1, 0\n"
    ".globl jl_fvar_base_0\n.hidden jl_fvar_base_0\n.set jl_fvar_base_0, package_one\n.globl jl_gvar_base_0\n.hidden jl_gvar_base_0\n.set jl_gvar_base_0, package_global\n"
    HIDE("jl_clone_offsets_0")
#if TARGETS == 2
    ".long package_one_cloned - package_one, package_two - package_one\n"
    HIDE("jl_clone_slots_0") ".long 1, 0, own_slot - package_global\n"
#endif
#else
    HIDE("jl_fvar_count_0") ".quad 2\n"
    HIDE("jl_gvar_offsets_0") ".long 1, package_global - jl_gvar_offsets_0\n"
#endif
#if TARGETS != 2
    HIDE("jl_clone_slots_0") ".long 0\n"
    HIDE("jl_clone_idxs_0") ".long 0x80000000\n"
    HIDE("jl_dispatch_target_ids") TARGET_IDS
#else
#if LAYOUT == 12
    HIDE("jl_clone_slots_0") ".long 1, 0, own_slot - jl_clone_slots_0\n"
#endif
    HIDE("jl_clone_idxs_0") ".long 0x80000001, 0, 0x80000001, 0\n"
    HIDE("jl_dispatch_target_ids") TARGET_IDS
#endif
    HIDE("jl_fvar_idxs_0") ".long 0, 1\n"
    HIDE("jl_gvar_idxs_0") ".long 0\n"
    HIDE("jl_image_header") ".long 1, 1, 2, 1\n"
    ".globl jl_system_image_size\n.type jl_system_image_size,@object\n.size jl_system_image_size, 8\n.p2align 3\njl_system_image_size: .quad 30000\n"
    ".section .data.rel.ro,\"aw\"\n"
#if LAYOUT == 12
    HIDE("jl_fvar_ptrs_0") ".quad package_one, package_two\n"
    HIDE("jl_clone_ptrs_0")
#if TARGETS == 2
    ".quad package_one_cloned, package_two\n"
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
    ".globl jl_system_image_data\n.type jl_system_image_data,@object\n.size jl_system_image_data, 30000\n.p2align 6\njl_system_image_data: .ascii \"PACK\"\n.zero 29996\n.text\n");
