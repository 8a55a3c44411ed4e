/* Starts and ends the Julia of a library. */
#ifndef PACKAGECOMPILERRS_JULIA_INIT_H
#define PACKAGECOMPILERRS_JULIA_INIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Before any other function of the library, and on the thread that calls them. `argv` is the name of the
   program and options of Julia, such as "--threads=4"; `argc` may be 0. An error ends the program. */
void init_julia(int argc, char *argv[]);

/* After the last of them; `retcode` is the exit code that the program will have. */
void shutdown_julia(int retcode);

#ifdef __cplusplus
}
#endif

#endif
