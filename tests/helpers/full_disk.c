// Lets the writes below a folder fail as those on a full disk do, from a chosen one on, in every process that loads it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

// In a file that all processes share: writes so far, and how many go well; less than 0: all do.
static volatile long *shared;

static int is_full(int fd) {
    static const char *folder;
    if (!folder) {
        folder = getenv("OXNOR_FULL");
        const char *name = getenv("OXNOR_FULL_COUNT");
        int f = folder && name ? open(name, O_RDWR | O_CLOEXEC) : -1;
        if (f < 0) {
            folder = "";
            return 0;
        }
        shared = mmap(0, 2 * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        close(f);
    }
    struct stat s;
    char link[64], path[4096];
    if (!*folder || fstat(fd, &s) || !S_ISREG(s.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    if (strncmp(path, folder, strlen(folder))) return 0;
    long k = __sync_fetch_and_add(&shared[0], 1);
    if (shared[1] < 0 || k < shared[1]) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
ssize_t write(int fd, const void *b, size_t n) { return is_full(fd) ? -1 : REAL(write)(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { return is_full(fd) ? -1 : REAL(pwrite)(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { return is_full(fd) ? -1 : REAL(pwrite64)(fd, b, n, o); }
ssize_t writev(int fd, const struct iovec *v, int n) { return is_full(fd) ? -1 : REAL(writev)(fd, v, n); }
int ftruncate(int fd, off_t n) { return n && is_full(fd) ? -1 : REAL(ftruncate)(fd, n); }
int ftruncate64(int fd, off64_t n) { return n && is_full(fd) ? -1 : REAL(ftruncate64)(fd, n); }
int posix_fallocate(int fd, off_t o, off_t n) { return is_full(fd) ? ENOSPC : REAL(posix_fallocate)(fd, o, n); }
int fallocate(int fd, int m, off_t o, off_t n) { return is_full(fd) ? -1 : REAL(fallocate)(fd, m, o, n); }
ssize_t copy_file_range(int a, off64_t *p, int b, off64_t *q, size_t n, unsigned f) {
    return is_full(b) ? -1 : REAL(copy_file_range)(a, p, b, q, n, f);
}
