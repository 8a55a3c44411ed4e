// Preloaded into a process of a test: a libc whose calls fail as those of a bad disk, of another file system
// or of a process that is killed do.
//
// FLOCK_RULES: "nfs", where a lock is one on a range of bytes, which takes a descriptor that is open for
// reading (shared) or for writing (exclusive); "none", where there are no locks.
//
// FAULT_KIND, one of the kinds below, befalls the calls about files in FAULT_UNDER (folders, with `:` in
// between) from number FAULT_AT on, FAULT_FOR of them. Only calls that can fail so are counted; at the end
// of the process their numbers, one for each kind, are written to FAULT_COUNTS.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// What a call does.
enum { OPEN = 1, CREATE = 2, READ = 4, WRITE = 8, SYNC = 16, NAME = 32, LOOK = 64, LOCK = 128, COPY = 256, MODE = 512, FOLDER = 1024, CLEAR = 2048 };

static const struct kind {
    const char *name;
    // The calls that it befalls.
    int calls;
    // What they fail with; 0 for what is no failure.
    int error;
} KINDS[] = {
    {"full-disk", CREATE | FOLDER | WRITE | COPY | SYNC, ENOSPC},
    {"bad-disk", ~0, EIO},
    {"interrupted", OPEN | CREATE | READ | WRITE | SYNC, EINTR},
    {"short", READ | WRITE | COPY, 0},
    {"no-locks", LOCK, ENOSYS},
    {"no-copies", COPY, ENOSYS},
    {"no-modes", MODE, ENOSYS},
    {"no-sync", SYNC, ENOSYS},
    {"no-clearing", CLEAR, EBUSY},
    {"kill", ~0, 0},
    {"interrupt", ~0, 0},
    {"kill-watchdog", ~0, 0},
};
enum { COUNT = sizeof KINDS / sizeof *KINDS };

static const char *under;
static const struct kind *chosen;
static long first, times;
static atomic_long counted[COUNT];
static pid_t process;

__attribute__((constructor)) static void start(void) {
    const char *kind = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *many = getenv("FAULT_FOR");
    under = getenv("FAULT_UNDER");
    first = at ? atol(at) : LONG_MAX;
    times = many ? atol(many) : 1;
    process = getpid();
    for (int i = 0; kind && i < COUNT; i++)
        if (strcmp(kind, KINDS[i].name) == 0) chosen = &KINDS[i];
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAULT_COUNTS");
    if (!path || getpid() != process) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    char text[64];
    for (int i = 0; i < COUNT; i++) {
        int length = snprintf(text, sizeof text, "%s %ld\n", KINDS[i].name, counted[i]);
        if (syscall(SYS_write, fd, text, length) != length) abort();
    }
    syscall(SYS_close, fd);
}

static bool is_under(const char *path) {
    for (const char *folder = under; folder && *folder;) {
        size_t length = strcspn(folder, ":");
        if (strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length])) return true;
        folder += length + (folder[length] == ':');
    }
    return false;
}

static bool place(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    if (length <= 0) return false;
    path[length] = 0;
    return true;
}

// Ends the child that is the build's watchdog; whether there is one.
static bool kill_watchdog(void) {
    char path[PATH_MAX], text[4096];
    int processes = (int)syscall(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
    bool done = false;
    char buffer[32768];
    long length;
    while (!done && (length = syscall(SYS_getdents64, processes, buffer, sizeof buffer)) > 0) {
        for (long at = 0; !done && at < length;) {
            struct dirent64 *entry = (struct dirent64 *)(buffer + at);
            at += entry->d_reclen;
            pid_t pid = atoi(entry->d_name);
            if (pid <= 0) continue;
            snprintf(path, sizeof path, "/proc/%d/stat", pid);
            int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
            long got = syscall(SYS_read, fd, text, sizeof text - 1);
            syscall(SYS_close, fd);
            text[got > 0 ? got : 0] = 0;
            char *name_end = strrchr(text, ')');
            if (!name_end || atoi(name_end + 4) != process) continue;
            snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
            fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
            got = syscall(SYS_read, fd, text, sizeof text);
            syscall(SYS_close, fd);
            static const char word[] = "packagecompilerrs-watchdog";
            if (got > 0 && memmem(text, got, word, sizeof word - 1)) done = kill(pid, SIGKILL) == 0;
        }
    }
    syscall(SYS_close, processes);
    return done;
}

static bool decide(int call, const char *path) {
    if (!under || !path || !is_under(path) || getpid() != process) return false;
    long number = 0;
    for (int i = 0; i < COUNT; i++)
        if (KINDS[i].calls & call) {
            long now = ++counted[i];
            if (chosen == &KINDS[i]) number = now;
        }
    if (!number || number < first || number - first >= times) return false;
    if (strcmp(chosen->name, "kill") == 0) kill(process, SIGKILL);
    if (strcmp(chosen->name, "interrupt") == 0) return kill(process, SIGINT), false;
    if (strcmp(chosen->name, "kill-watchdog") == 0) {
        static atomic_bool done;
        if (!done) done = kill_watchdog();
        return false;
    }
    // A call that is tried again succeeds.
    if (chosen->error == EINTR && (number - first) % 2) return false;
    if (chosen->error) errno = chosen->error;
    return true;
}

// Whether this call is to fail; `errno` is set then, and left alone otherwise: of `readdir`, a caller knows
// by it whether a folder has ended or failed.
static bool strikes(int call, const char *path) {
    int before = errno;
    bool struck = decide(call, path);
    if (!struck) errno = before;
    return struck;
}

static bool strikes_fd(int call, int fd) {
    char path[PATH_MAX];
    int before = errno;
    if (under && place(fd, path, sizeof path)) return strikes(call, path);
    return errno = before, false;
}

static bool strikes_at(int call, int folder, const char *name) {
    char path[2 * PATH_MAX];
    int before = errno;
    if (!under || !name) return false;
    if (name[0] == '/' || folder == AT_FDCWD) return strikes(call, name);
    if (!place(folder, path, PATH_MAX)) return errno = before, false;
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/%s", name);
    return strikes(call, path);
}

static bool is_short(void) { return chosen && chosen->error == 0; }

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAILS(condition) \
    if (condition) return -1

// Fails, or handles fewer bytes than it was asked to.
#define FAILS_OR_SHORTENS(condition, length) \
    if (condition) { \
        if (!is_short()) return -1; \
        if (length > 1) length = (length + 2) / 3; \
    }

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        NEXT(name); \
        va_list list; \
        va_start(list, flags); \
        int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, int) : 0; \
        va_end(list); \
        FAILS(strikes((flags & O_CREAT) ? CREATE : OPEN, path)); \
        return next(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        NEXT(name); \
        va_list list; \
        va_start(list, flags); \
        int mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, int) : 0; \
        va_end(list); \
        FAILS(strikes_at((flags & O_CREAT) ? CREATE : OPEN, folder, path)); \
        return next(folder, path, flags, mode); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

DIR *opendir(const char *path) {
    NEXT(opendir);
    return strikes(OPEN, path) ? NULL : next(path);
}

ssize_t read(int fd, void *buffer, size_t length) {
    NEXT(read);
    FAILS_OR_SHORTENS(strikes_fd(READ, fd), length);
    return next(fd, buffer, length);
}

ssize_t write(int fd, const void *buffer, size_t length) {
    NEXT(write);
    FAILS_OR_SHORTENS(strikes_fd(WRITE, fd), length);
    return next(fd, buffer, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    NEXT(writev);
    FAILS_OR_SHORTENS(strikes_fd(WRITE, fd), count);
    return next(fd, parts, count);
}

ssize_t pread64(int fd, void *buffer, size_t length, off64_t at) {
    NEXT(pread64);
    FAILS_OR_SHORTENS(strikes_fd(READ, fd), length);
    return next(fd, buffer, length, at);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t length, unsigned flags) {
    NEXT(copy_file_range);
    FAILS_OR_SHORTENS(strikes_fd(COPY, to), length);
    return next(from, at, to, to_at, length, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length) {
    NEXT(sendfile64);
    FAILS_OR_SHORTENS(strikes_fd(COPY, to), length);
    return next(to, from, at, length);
}

#define OF_FD(name, call) \
    int name(int fd) { \
        NEXT(name); \
        FAILS(strikes_fd(call, fd)); \
        return next(fd); \
    }
OF_FD(fsync, SYNC)
OF_FD(fdatasync, SYNC)

int rename(const char *from, const char *to) {
    NEXT(rename);
    FAILS(strikes(NAME, to));
    return next(from, to);
}

int unlink(const char *path) {
    NEXT(unlink);
    FAILS(strikes(NAME, path));
    return next(path);
}

int unlinkat(int folder, const char *path, int flags) {
    NEXT(unlinkat);
    FAILS(strikes_at((flags & AT_REMOVEDIR) ? CLEAR : NAME, folder, path));
    return next(folder, path, flags);
}

int rmdir(const char *path) {
    NEXT(rmdir);
    FAILS(strikes(CLEAR, path));
    return next(path);
}

int mkdir(const char *path, mode_t mode) {
    NEXT(mkdir);
    FAILS(strikes(FOLDER, path));
    return next(path, mode);
}

int chmod(const char *path, mode_t mode) {
    NEXT(chmod);
    FAILS(strikes(MODE, path));
    return next(path, mode);
}

int fchmod(int fd, mode_t mode) {
    NEXT(fchmod);
    FAILS(strikes_fd(MODE, fd));
    return next(fd, mode);
}

int chown(const char *path, uid_t user, gid_t group) {
    NEXT(chown);
    FAILS(strikes(MODE, path));
    return next(path, user, group);
}

int futimens(int fd, const struct timespec times[2]) {
    NEXT(futimens);
    FAILS(strikes_fd(MODE, fd));
    return next(fd, times);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *told) {
    NEXT(statx);
    // Rust's standard library asks with NULL whether there is such a call; the header says that nobody does.
    const char *volatile given = path;
    if (!given) return next(folder, path, flags, mask, told);
    FAILS(!*path ? strikes_fd(LOOK, folder) : strikes_at(LOOK, folder, path));
    return next(folder, path, flags, mask, told);
}

ssize_t readlink(const char *path, char *buffer, size_t size) {
    NEXT(readlink);
    FAILS(strikes(LOOK, path));
    return next(path, buffer, size);
}

char *realpath(const char *path, char *resolved) {
    NEXT(realpath);
    return strikes(LOOK, path) ? NULL : next(path, resolved);
}

struct dirent64 *readdir64(DIR *folder) {
    NEXT(readdir64);
    return strikes_fd(LOOK, dirfd(folder)) ? NULL : next(folder);
}

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
    FAILS(strikes_fd(LOCK, fd));
    return (int)syscall(SYS_flock, fd, operation);
}
