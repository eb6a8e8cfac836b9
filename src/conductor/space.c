/* Room on the disks, and the ballast: bytes that are given back when everything is full, so that
 * cancels and deletes can still be written down. */
#include "conductor/private.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>

#define BALLAST "ballast"
#define BALLAST_PART                                                                               \
    40 /* of a small volume at most 2.5 %: without it, and nothing else gone, it is still too full \
        */

static void ballast_path(char out[PATH_MAX], const struct conductor *c)
{
    snprintf(out, PATH_MAX, "%s/" BALLAST, c->conf.space.paths[0]);
}

void ballast_drop(struct conductor *c)
{
    char path[PATH_MAX];

    ballast_path(path, c);
    if (c->ballast && unlink(path) == 0)
        log_warn(&c->log, "the disk is full: gave back %s", path);
    c->ballast = false;
}

void ballast_check(struct conductor *c)
{
    if (c->ballast && space_is_used_up(&c->conf.space))
        ballast_drop(c);
}

void ballast_make(struct conductor *c)
{
    const char *dir = c->conf.space.paths[0];
    struct statvfs v;
    char path[PATH_MAX];

    if (!c->conf.ballast_bytes || statvfs(dir, &v) < 0)
        return;
    int64_t part = (int64_t)v.f_blocks * (int64_t)v.f_frsize / BALLAST_PART;
    int64_t want = c->conf.ballast_bytes < part ? c->conf.ballast_bytes : part;
    ballast_path(path, c);
    if (access(path, F_OK) == 0) { /* an earlier process made it */
        c->ballast = true;
        return;
    }
    if (space_above(dir, c->conf.space.reserve) < want + want / 2)
        return;
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    /* not posix_fallocate(): where the file system can't, that writes, and we must not wait */
    if (fd >= 0 && fallocate(fd, 0, 0, want) == 0)
        c->ballast = true;
    else
        unlink(path);
}

bool space_watch(struct conductor *c)
{
    const struct space *s = &c->conf.space;
    bool was = c->no_space;
    struct err err;

    c->no_space = space_check(s, 0, &err) < 0;
    if (c->no_space && !was)
        log_warn(&c->log,
                 "no new work is taken, and no job begins: less than min_free_bytes is free");
    ballast_check(c);
    if (!c->no_space && was)
        log_info(&c->log, "there is room on the disk again");
    if (!c->no_space && !c->ballast && c->ticks % 10 == 0)
        ballast_make(c);
    return !c->no_space && was;
}
