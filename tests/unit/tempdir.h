/* tempdir.h - a fresh directory for one test, gone with everything in it at the end of the scope.
 */
#pragma once
#include "base/auto.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int tempdir_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void tempdir_remove(char *dir)
{
    if (!dir)
        return;
    nftw(dir, tempdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}
DEFINE_AUTO(char *, tempdir_remove)

/* parent: NULL for TMPDIR or /tmp. NULL when it can't be made. */
static inline char *tempdir_new(const char *parent)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = mem_printf("%s/workcell-test-XXXXXX", parent ? parent : tmp && *tmp ? tmp : "/tmp");

    if (mkdtemp(dir))
        return dir;
    free(dir);
    return NULL;
}
