// Opens an image as Julia does, and calls its functions by number: run IMAGE NUMBER:ARGUMENT...
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern void *jl_state(void);
extern void *jl_RTLD_DEFAULT_handle;

int main(int argc, char **argv)
{
    void *h = dlopen(argv[1], RTLD_NOW);
    if (!h) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void ***root = dlsym(h, "jl_image_pointers");
    uint32_t *header = (uint32_t *)root[0];
    void **shards = root[1], **ptls = root[2];
    void *(*getter)(void) = (void *(*)(void))dlsym(h, "get_jl_RTLD_DEFAULT_handle_addr");
    if (getter() != &jl_RTLD_DEFAULT_handle)
        return 2;
    void **functions = calloc(header[2], sizeof(void *));
    char **globals = calloc(header[3], sizeof(void *));
    uint32_t target = getenv("TARGET") ? atoi(getenv("TARGET")) : 0;
    for (uint32_t i = 0; i < header[1]; i++) {
#if LAYOUT == 10
        void **s = shards + 9 * i;
        int32_t *goffsets = s[4], *slots = s[6];
        uint32_t *idxs = s[2], *gidxs = s[5], *clones = s[8];
        char *gbase = s[3], *sbase = s[3], *list = (char *)s[1] + 4, *versions = s[7];
        uint32_t count = *(uint32_t *)s[1];
        #define WIDTH 4
        #define FUNCTION(list, k) ((char *)s[0] + ((int32_t *)(list))[k])
#else
        void **s = shards + 8 * i;
        int32_t *goffsets = s[3], *slots = s[5];
        uint32_t *idxs = s[2], *gidxs = s[4], *clones = s[7];
        char *gbase = s[3], *sbase = s[5], *list = s[1], *versions = s[6];
        uint32_t count = *(uint64_t *)s[0];
        #define WIDTH 8
        #define FUNCTION(list, k) ((char **)(list))[k]
#endif
        #define TAG 0x80000000
        char *lists[10] = {list};
        uint32_t word = *clones++, length = word & ~TAG;
        for (uint32_t t = 0; t < target; t++) {
            versions += WIDTH * (!(word & TAG) ? length : t ? count : 0);
            clones += length + (word & TAG ? 1 : 2);
            word = clones[-1];
            length = word & ~TAG;
            lists[t + 1] = versions;
        }
        list = lists[word & TAG ? target : *clones++];
        for (uint32_t k = 0; k < count; k++)
            functions[idxs[k]] = FUNCTION(list, k);
        for (int32_t k = 0; k < goffsets[0]; k++)
            globals[gidxs[k]] = gbase + goffsets[k + 1];
        for (uint32_t k = 0; k < length; k++) {
            uint32_t place = clones[k] & ~TAG, found = 0;
            char *function = FUNCTION(word & TAG ? list : versions, word & TAG ? place : k);
            if (!(word & TAG))
                functions[idxs[place]] = function;
            if (!((word | clones[k]) & TAG))
                continue;
            for (int32_t j = 0; j < slots[0]; j++)
                if ((uint32_t)slots[1 + 2 * j] == place) {
                    *(void **)(sbase + slots[2 + 2 * j]) = function;
                    found = 1;
                }
            if (!found)
                return 3;
        }
    }
    printf("shards %u functions %u globals %u heap %.4s\n", header[1], header[2], header[3], (char *)dlsym(h, "jl_system_image_data"));
    long (**ask)(long) = calloc(header[2], sizeof(void *));
    memcpy(ask, functions, header[2] * sizeof(void *));
    for (uint32_t i = 0; i < header[3]; i++)
        *(long *)globals[i] = 100 * (i + 1);
    // a call before Julia has filled the slots answers nothing
    if (argc > 2 && !strcmp(argv[2], "early")) {
        printf("early %ld\n", ask[atoi(argv[3])](0));
        argv += 2;
        argc -= 2;
    }
    *(void **)ptls[0] = (void *)jl_state;
    *(long *)ptls[1] = 5;
    *(long *)ptls[2] = 6;
    for (int i = 2; i < argc; i++) {
        int number;
        long argument;
        sscanf(argv[i], "%d:%ld", &number, &argument);
        printf("%d(%ld) = %ld\n", number, argument, ask[number](argument));
    }
    for (uint32_t i = 0; i < header[3]; i++)
        printf("%ld ", *(long *)globals[i]);
    long (*exported)(long) = (long (*)(long))dlsym(h, "exported");
    printf("exported %ld\n", exported ? exported(3) : -1);
    return 0;
}
