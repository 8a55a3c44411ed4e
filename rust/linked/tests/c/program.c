// A program that is linked against an image, and calls it before Julia is there.
#include <stdio.h>
extern long exported(long x);
int main(void)
{
    printf("%ld\n", exported(3));
    return 0;
}
