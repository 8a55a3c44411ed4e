// The metadata of the image process: only what is read of it.
#include "tables.h"
asm(".section .rodata\n"
    ".type jl_dispatch_target_ids,@object\njl_dispatch_target_ids:" TARGET_IDS END("jl_dispatch_target_ids")
    ".type jl_image_header,@object\njl_image_header: .long 1, 1, 1, 1\n" END("jl_image_header") ".text\n");
