// What stands for libjulia.
void *jl_RTLD_DEFAULT_handle;
static long state = 77;
void *jl_state(void) { return &state; }
long jl_helper(long x) { return x + 1000; }
