#include "base/space.h"
#include "base/clock.h"

#include <sys/statvfs.h>

#define FILES_RESERVE 64
#define RESERVE_PART 20 /* 5 % */

/* files: does it have free inodes, if it counts them? */
static bool ask(int64_t *above, bool *files, const char *path, int64_t reserve)
{
    struct statvfs v;

    if (statvfs(path, &v) < 0 || !v.f_blocks)
        return false;
    int64_t size = (int64_t)v.f_blocks * (int64_t)v.f_frsize, part = size / RESERVE_PART;
    *above = (int64_t)v.f_bavail * (int64_t)v.f_frsize - (reserve < part ? reserve : part);
    *files = !v.f_files || v.f_favail > FILES_RESERVE;
    return true;
}

int64_t space_above(const char *path, int64_t reserve)
{
    int64_t above;
    bool files;

    return ask(&above, &files, path, reserve) ? above : INT64_MAX;
}

#define GOOD_US (SECOND_US / 10)
#define PLENTY (INT64_C(256) << 20) /* more than is written while a figure is good */

/* Is there plenty, by what was said a moment ago? */
static bool remembers_plenty(struct space_memory *m, int i, int64_t need)
{
    if (!m)
        return false;
    pthread_mutex_lock(&m->lock);
    bool plenty = m->of[i].asked_us && clock_mono_us() - m->of[i].asked_us < GOOD_US && m->of[i].above - PLENTY > need;
    if (plenty)
        m->of[i].above -= need;
    pthread_mutex_unlock(&m->lock);
    return plenty;
}

static void remember(struct space_memory *m, int i, int64_t above, bool files)
{
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->of[i].asked_us = files ? clock_mono_us() : 0;
    m->of[i].above = above;
    pthread_mutex_unlock(&m->lock);
}

bool space_is_used_up(const struct space *s)
{
    struct statvfs v;

    if (remembers_plenty(s->memory, 0, 0))
        return false;
    return statvfs(s->paths[0], &v) == 0 && v.f_blocks &&
           space_above(s->paths[0], s->reserve) < -(int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

int space_check(const struct space *s, int64_t need, struct err *err)
{
    for (int i = 0; i < SPACE_PATHS; i++) {
        int64_t above;
        bool files;

        if (!s->paths[i] || remembers_plenty(s->memory, i, need) || !ask(&above, &files, s->paths[i], s->reserve))
            continue;
        if (above < need || (above <= 0 && s->reserve))
            return err_set(err, ERR_NOSPACE, "The server has no room on its disk at the moment");
        if (!files)
            return err_set(err, ERR_NOSPACE, "The server can't make more files on its disk at the moment");
        remember(s->memory, i, above - need, files);
    }
    return 0;
}
