#include "worker/places.h"
#include "transfer/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#define MOST 1024 /* config.c */
#define HOSTS (1LL << 40)
#define WANTS (HOSTS * MOST) /* behind all places: a byte for each host, locked by all who wait for one there */

int places_file(int most) { return most > 0 ? memfd_create("places", MFD_CLOEXEC) : -1; }

struct places places_of(int fd, int most)
{
    return (struct places){fd > 2 ? fd : -1, most < MOST ? most : MOST, -1, -1};
}

bool places_asked(const struct sockaddr_storage *to, socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)to;
    size_t name = strlen(PLACE_NAME), begin = offsetof(struct sockaddr_un, sun_path) + 1;

    return to->ss_family == AF_UNIX && len >= begin + name && len <= begin + name + 16 && !un->sun_path[0] &&
           !memcmp(un->sun_path + 1, PLACE_NAME, name);
}

/* POSIX locks: they are the process's. One that was a descriptor's would be shared with all inits that inherit it. */
static int lock(const struct places *p, short type, long long at)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(p->fd, F_SETLK, &l);
}

static void let_go_more(struct places *p)
{
    while (p->more_count)
        (void)lock(p, F_UNLCK, p->more[--p->more_count]);
}

static void let_go(struct places *p)
{
    let_go_more(p);
    if (p->held >= 0)
        (void)lock(p, F_UNLCK, p->held);
    if (p->wanted >= 0)
        (void)lock(p, F_UNLCK, p->wanted);
    p->held = p->wanted = -1;
}

/* Locks that do not keep each other out, and F_GETLK tells of those of others alone. */
static void want(struct places *p, unsigned long long host)
{
    p->wanted = WANTS + (long long)(host % HOSTS);
    (void)lock(p, F_RDLCK, p->wanted);
}

static bool is_wanted(const struct places *p)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WANTS + p->held / MOST, .l_len = 1};

    return p->held >= 0 && fcntl(p->fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static bool is_ours(const struct places *p, long long at)
{
    for (int i = 0; i < p->more_count; i++)
        if (p->more[i] == at)
            return true;
    return p->held == at;
}

/* One more where we are. A lock that we have is ours again whenever we ask: those are passed by. */
static int one_more(struct places *p)
{
    long long first = p->held - p->held % MOST;

    for (long long at = first; p->held >= 0 && p->more_count < PLACES_MORE && at < first + p->most; at++)
        if (!is_ours(p, at) && lock(p, F_WRLCK, at) == 0) {
            p->more[p->more_count++] = at;
            return 0;
        }
    return EAGAIN;
}

int places_answer(struct places *p, const struct sockaddr_storage *to, socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)to;
    size_t name = strlen(PLACE_NAME), begin = offsetof(struct sockaddr_un, sun_path) + 1 + name;
    char text[17] = "", *end;

    if (p->fd < 0)
        return 0;
    memcpy(text, un->sun_path + 1 + name, len - begin);
    if (!strcmp(text, PLACE_WANTED))
        return is_wanted(p) ? EAGAIN : 0;
    if (!strcmp(text, PLACE_MORE))
        return one_more(p);
    if (!strcmp(text, PLACE_FEWER)) {
        let_go_more(p);
        return 0;
    }
    unsigned long long host = strtoull(text, &end, 16);
    let_go(p); /* first: who waits for one holds none */
    if (!*text)
        return 0;
    if (end != text + 16)
        return EINVAL;
    for (int i = 0; i < p->most; i++) {
        long long at = (long long)(host % HOSTS) * MOST + i;

        if (lock(p, F_WRLCK, at) == 0) {
            p->held = at;
            return 0;
        }
        if (errno != EAGAIN && errno != EACCES)
            return 0; /* no locks here: nobody counts */
    }
    want(p, host);
    return EAGAIN;
}
