/* Starts and ends the Julia of a library. */
#ifndef PACKAGECOMPILERRS_JULIA_INIT_H
#define PACKAGECOMPILERRS_JULIA_INIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Before any other function of the library; these may be called on any thread then. `argv` is the name of the
   program and options of Julia, such as "--threads=4"; `argc` may be 0. An error ends the program, also
   that another Julia runs in it.
   The thread is outside of Julia afterwards: call Julia's own functions (julia.h) on it between
   jl_gc_unsafe_enter and jl_gc_unsafe_leave. */
void init_julia(int argc, char *argv[]);

/* After the last of them, on the thread that called `init_julia`; `retcode` is the exit code that the program will have. */
void shutdown_julia(int retcode);

#ifdef __cplusplus
}
#endif

#endif
