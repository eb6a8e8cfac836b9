/* power.c - LD_PRELOAD for the daemon (dev/power): keeps what would be left if the power failed after each flush.
 *
 * A flush of a file or directory below $WORKCELL_POWER_ROOT leaves a copy of what was flushed: $WORKCELL_POWER_LOG/N, and a
 * line "f|d KEY NANOSECONDS N MODE" in LOG/events (monotonic clock; 0: it was there at the start; MODE is octal, "-" after
 * fdatasync(), which need not write it). KEY tells files apart, also those that get the inode of a removed one. The copy of a
 * directory has a line "f|d KEY NAME" for each entry. So a name that was never flushed with its directory is not there, and
 * bytes that were never flushed are not either.
 *
 * Workers flush their own outputs, in a jail that lets no copy out: their files (of another user) count as flushed when
 * the directory that they were moved to is. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096], log_dir[4096];
static int events = -1, count;
static uint64_t kept[1 << 16]; /* hashes of keys; 0: empty */

struct key {
    char s[48];
};

static struct key key_of(const struct statx *st)
{
    struct key k;

    snprintf(k.s, sizeof k.s, "%llx.%llx.%x", (unsigned long long)st->stx_ino, (unsigned long long)st->stx_btime.tv_sec,
             st->stx_btime.tv_nsec);
    return k;
}

/* True the first time. */
static bool keep_first(struct key k)
{
    uint64_t h = 14695981039346656037u;

    for (const char *c = k.s; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    h |= 1;
    size_t i = h & 0xffff;
    for (; kept[i]; i = (i + 1) & 0xffff)
        if (kept[i] == h)
            return false;
    kept[i] = h;
    return true;
}

static void die(const char *what)
{
    perror(what);
    abort();
}

static int open_copy(int n)
{
    char path[5000];
    int fd;

    snprintf(path, sizeof path, "%s/%d", log_dir, n);
    if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        die(path);
    return fd;
}

enum what { AT_START, BYTES, ALL };

static void note(char type, const struct statx *st, enum what what, int n)
{
    struct timespec now;
    char line[200], mode[16] = "-";

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (what != BYTES)
        snprintf(mode, sizeof mode, "%o", st->stx_mode & 07777);
    int len = snprintf(line, sizeof line, "%c %s %lld %d %s\n", type, key_of(st).s,
                       what == AT_START ? 0 : (long long)now.tv_sec * 1000000000 + now.tv_nsec, n, mode);
    if (write(events, line, (size_t)len) != len)
        die("events");
}

static void keep_file(int dir, const char *name, const struct statx *st, enum what what)
{
    char buf[65536];
    int n = count++, to = open_copy(n), from = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (from < 0)
        die(name);
    while ((got = read(from, buf, sizeof buf)) > 0)
        if (write(to, buf, (size_t)got) != got)
            die("copy");
    close(from);
    close(to);
    keep_first(key_of(st));
    note('f', st, what, n);
}

static void keep_dir(int dir, const char *name, const struct statx *st, enum what what)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char *text = NULL;
    size_t len = 0;
    FILE *list = open_memstream(&text, &len);

    if (!d || !list)
        die(name);
    for (struct dirent *e; (e = readdir(d));) {
        struct statx s;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            statx(fd, e->d_name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &s) < 0)
            continue;
        bool is_dir = S_ISDIR(s.stx_mode), is_file = S_ISREG(s.stx_mode);
        if (!is_dir && !is_file)
            continue;
        fprintf(list, "%c %s %s\n", is_dir ? 'd' : 'f', key_of(&s).s, e->d_name);
        if (what == AT_START && is_dir)
            keep_dir(fd, e->d_name, &s, what);
        else if (is_file && (what == AT_START || (s.stx_uid != getuid() && keep_first(key_of(&s)))))
            keep_file(fd, e->d_name, &s, what);
    }
    closedir(d);
    fclose(list);
    int to = open_copy(n = count++);
    if (write(to, text, len) != (ssize_t)len)
        die("copy");
    close(to);
    free(text);
    note('d', st, what, n);
}

static void flushed(int fd, enum what what)
{
    char link[64], path[4096];
    struct statx st;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    size_t len = strlen(root);
    if (strncmp(path, root, len) || (path[len] && path[len] != '/') ||
        statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return;
    if (S_ISDIR(st.stx_mode))
        keep_dir(AT_FDCWD, link, &st, what);
    else if (S_ISREG(st.stx_mode))
        keep_file(AT_FDCWD, link, &st, what);
}

static int flush(int fd, const char *name, enum what what)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if (events < 0)
        return real(fd);
    pthread_mutex_lock(&lock);
    int rc = real(fd);
    if (rc == 0)
        flushed(fd, what);
    pthread_mutex_unlock(&lock);
    return rc;
}

int fsync(int fd) { return flush(fd, "fsync", ALL); }
int fdatasync(int fd) { return flush(fd, "fdatasync", BYTES); }

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("WORKCELL_POWER_ROOT"), *log = getenv("WORKCELL_POWER_LOG");
    char path[5000];
    struct statx st;

    if (!dir || !log || !realpath(dir, root) || !realpath(log, log_dir))
        return;
    snprintf(path, sizeof path, "%s/events", log_dir);
    if ((events = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0 ||
        statx(AT_FDCWD, root, 0, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        die(path);
    keep_dir(AT_FDCWD, root, &st, AT_START);
}
