/* Rust's standard library takes its random bytes from this, and Wine before version 9 has no such library.
 * Needs no C library, as it is linked without one. */
typedef unsigned long long size;

unsigned char SystemFunction036(void *bytes, unsigned long count);

__declspec(dllexport) int ProcessPrng(void *bytes, size count)
{
    return SystemFunction036(bytes, (unsigned long)count) != 0;
}

int DllMainCRTStartup(void *library, unsigned long reason, void *reserved)
{
    (void)library, (void)reason, (void)reserved;
    return 1;
}
