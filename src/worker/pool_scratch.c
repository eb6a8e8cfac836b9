/* The scratch directory: nobody else's, and nothing of an earlier daemon's is in it or alive. */
#include "base/clock.h"
#include "worker/pool_priv.h"
#include "worker/users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64   /* directories that are open at a time */
#define PASSES_MAX 2000
#define LEFT_BEHIND_US (5 * SECOND_US)

static const struct log log_ctx = {"room", "worker", NULL};

/* ---- emptying ---- */

struct emptying {
    int top;
    int64_t bytes;
    int moved; /* directories that were too deep, and lie in the top one now */
};

static int open_below(int at, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);

    if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0) /* a worker took the right from itself */
        fd = openat(at, name, flags);
    return fd;
}

/* fd is closed. By descriptors, never by names that grow: a worker can make directories deeper than any path. */
static void clear(struct emptying *e, int fd, int depth)
{
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct stat st;
    char name[32];

    if (!d) {
        fd_close(fd);
        return;
    }
    while ((entry = readdir(d))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (!S_ISDIR(st.st_mode)) {
            if (unlinkat(fd, entry->d_name, 0) == 0 && st.st_nlink == 1)
                e->bytes += st.st_size; /* a link to a blob frees nothing */
            continue;
        }
        if (depth >= DEPTH_MAX) {
            snprintf(name, sizeof name, ".deep-%d", e->moved++);
            (void)!renameat(fd, entry->d_name, e->top, name);
            continue;
        }
        clear(e, open_below(fd, entry->d_name), depth + 1);
        (void)!unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
    closedir(d);
}

int64_t empty_dir(const char *path, bool and_itself)
{
    struct emptying e = {.top = open_below(AT_FDCWD, path)};
    int before;

    if (e.top < 0)
        return 0;
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        before = e.moved;
        clear(&e, open_below(e.top, "."), 0);
        if (e.moved == before)
            break;
    }
    close(e.top);
    if (and_itself)
        rmdir(path);
    return e.bytes;
}

/* ---- who lives there still ---- */

static bool lives_in(const char *pid, const char *dir)
{
    char path[64], cwd[4096];

    snprintf(path, sizeof path, "/proc/%.20s/cwd", pid);
    ssize_t n = readlink(path, cwd, sizeof cwd - 1);
    if (n < 0)
        return false;
    cwd[n] = 0;
    return str_starts(cwd, dir) && cwd[strlen(dir)] == '/';
}

static bool is_user_of(const char *pid, int64_t first, int users)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%.20s", pid);
    return first && stat(path, &st) == 0 && (int64_t)st.st_uid >= first && (int64_t)st.st_uid < first + users;
}

static int kill_once(const char *scratch, int64_t first, int users)
{
    DIR *d = opendir("/proc");
    int found = 0;

    for (struct dirent *e; d && (e = readdir(d));) {
        if (*e->d_name < '1' || *e->d_name > '9' || atoi(e->d_name) == (int)getpid() ||
            (!lives_in(e->d_name, scratch) && !is_user_of(e->d_name, first, users)))
            continue;
        kill((pid_t)atoi(e->d_name), SIGKILL);
        found++;
    }
    if (d)
        closedir(d);
    return found;
}

/* Workers end with their daemon. Where the kernel has no PID namespaces one might not have: nothing is called settled
 * while it lives. */
static int kill_left_behind(const char *scratch, const char *users_file, struct err *err)
{
    AUTO(json_unref) json_t *was = json_load_file(users_file, 0, NULL);
    int64_t first = jint(was, "user", 0), deadline = clock_mono_us() + LEFT_BEHIND_US;
    int users = (int)jint(was, "users", 0), found = kill_once(scratch, first, users);

    if (found)
        log_warn(&log_ctx, "%d processes of an earlier server were left and are killed", found);
    while (found && clock_mono_us() < deadline) {
        usleep(2000);
        found = kill_once(scratch, first, users);
    }
    return found ? err_set(err, ERR_CONFIG, "%d processes of an earlier server can't be ended", found) : 0;
}

/* ---- users ---- */

/* A range that no account has. Another server on this machine takes another one, most likely: its processes are out
 * of reach all the same, but share what counts by user. */
static void choose_users(struct pool *p)
{
    enum { HIGH = 1900000000, HIGH_RANGES = 50000, HIGH_USERS = 4096, LOW = 62000, LOW_USERS = 3000 };
    uint32_t random = 0;

    if (geteuid() != 0 || (p->conf.jail_without && strstr(p->conf.jail_without, "user")))
        return;
    (void)!getrandom(&random, sizeof random, 0);
    if (users_are_mapped(HIGH, HIGH_RANGES * HIGH_USERS)) {
        p->user = HIGH + (int64_t)(random % HIGH_RANGES) * HIGH_USERS;
        p->users = HIGH_USERS;
    } else if (users_are_mapped(LOW, LOW_USERS)) {
        p->user = LOW;
        p->users = LOW_USERS;
    }
}

static int write_users(const struct pool *p, const char *path, struct err *err)
{
    AUTO(json_unref) json_t *j = json_pack("{s:I,s:i}", "user", (json_int_t)p->user, "users", p->users);

    return json_dump_file(j, path, 0) < 0 ? err_set(err, ERR_IO, "write '%s'", path) : 0;
}

int scratch_open(struct pool *p, struct err *err)
{
    const char *scratch = p->conf.scratch;
    AUTO(mem_free) char *users_file = mem_printf("%s.users", scratch);
    AUTO(mem_free) char *trial = mem_printf("%s/.trial", scratch);
    AUTO(mem_free) char *in = mem_printf("%s/in", trial), *out = mem_printf("%s/out", trial);
    struct stat st;

    if (mkdir(scratch, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "make '%s'", scratch);
    /* what is emptied as root must not be somebody else's choice */
    if (lstat(scratch, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, ERR_CONFIG, "'%s' is a link, no directory, or another user's", scratch);
    if (chmod(scratch, 0700) < 0)
        return err_errno(err, "close '%s' to others", scratch);
    if (kill_left_behind(scratch, users_file, err) < 0)
        return -1;
    empty_dir(scratch, false); /* what an earlier process left */
    choose_users(p);
    if (write_users(p, users_file, err) < 0)
        return -1;
    return mkdir(trial, 0700) < 0 || mkdir(in, 0700) < 0 || mkdir(out, 0700) < 0 ? err_errno(err, "make '%s'", trial)
                                                                                 : 0;
}
