// A `flock` with the rules of other file systems, preloaded into a test's process. FLOCK_RULES chooses:
// "nfs", where a lock is one on a range of bytes, which takes a descriptor that is open for reading
// (shared) or for writing (exclusive); "none", where there are no locks.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

int flock(int fd, int operation) {
    const char *rules = getenv("FLOCK_RULES");
    if (rules && strcmp(rules, "none") == 0) {
        errno = ENOSYS;
        return -1;
    }
    if (rules && strcmp(rules, "nfs") == 0) {
        int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
        if (((operation & LOCK_EX) && mode == O_RDONLY) || ((operation & LOCK_SH) && mode == O_WRONLY)) {
            errno = EBADF;
            return -1;
        }
    }
    return (int)syscall(SYS_flock, fd, operation);
}
