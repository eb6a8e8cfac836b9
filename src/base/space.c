#include "base/space.h"

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

bool space_is_used_up(const char *path, int64_t reserve)
{
    struct statvfs v;

    return statvfs(path, &v) == 0 && v.f_blocks &&
           space_above(path, reserve) < -(int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

int space_check(const struct space *s, int64_t need, struct err *err)
{
    for (int i = 0; i < SPACE_PATHS; i++) {
        int64_t above;
        bool files;

        if (!s->paths[i] || !ask(&above, &files, s->paths[i], s->reserve))
            continue;
        if (above < need || (above <= 0 && s->reserve))
            return err_set(err, ERR_NOSPACE, "The server has no room on its disk at the moment");
        if (!files)
            return err_set(err, ERR_NOSPACE, "The server can't make more files on its disk at the moment");
    }
    return 0;
}
