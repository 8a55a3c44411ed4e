// A program with Julia inside. Linked against an image, it calls a function of the image by its name;
// without IMAGE_IS_LINKED it opens the image itself, before Julia is set up.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

void jl_init_with_image(const char *bindir, const char *image);
void *jl_eval_string(const char *code);
void *jl_exception_occurred(void);
int64_t jl_unbox_int64(void *value);
void jl_atexit_hook(int status);

#ifdef IMAGE_IS_LINKED
int pcrs_features_twice(int x);
#endif

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
#ifndef IMAGE_IS_LINKED
    void *image = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL);
    int (*pcrs_features_twice)(int) = image ? (int (*)(int))dlsym(image, "pcrs_features_twice") : NULL;
    if (!pcrs_features_twice) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
#endif
    jl_init_with_image(argv[1], argv[2]);
    printf("%d ", pcrs_features_twice(21));
    void *length = jl_eval_string("length(Main.Features.report())");
    if (jl_exception_occurred() || !length)
        return 4;
    printf("%d ", (int)jl_unbox_int64(length));
    fflush(stdout);
    jl_eval_string("print(Main.Features.caught())");
    jl_atexit_hook(0);
    return 0;
}
