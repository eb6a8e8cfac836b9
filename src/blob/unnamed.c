/* Files of ours that have no name while they grow: made on the shelf of the blob that they are to be. So nothing is
 * renamed from one directory to another, for which Linux has one lock a file system, and nobody waits for the one
 * directory in which all would begin. */
#include "base/fault.h"
#include "blob/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mark of a blob that had its name before its bytes were flushed. It stays: what is committed was flushed, and
 * nobody asks any more. */
#define NAMED_EARLY S_ISVTX

int blob_begin(int *out, struct blob_store *bs, const char *id, struct err *err)
{
    char shelf[3];

    *out = -1;
    if (blob_begin_call(bs, id, err) < 0)
        return -1;
    if (!bs->names_later)
        return 0;
    snprintf(shelf, sizeof shelf, "%.2s", id);
    *out = openat(bs->dir_fd, shelf, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (*out < 0 && errno != EOPNOTSUPP)
        return err_errno(err, "begin blob '%s'", id);
    return 0;
}

int blob_link_fd(int fd, int dir, const char *name)
{
    char self[40];

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW);
}

static int give_name(int fd, int dir, const char *name)
{
    return FAULT(BLOB) ? (errno = EIO, -1) : blob_link_fd(fd, dir, name);
}

int blob_name(int fd, const char *path, struct err *err)
{
    return give_name(fd, AT_FDCWD, path) < 0 ? err_errno(err, "name an upload file") : 0;
}

static int flush_file(int fd, const char *id, struct err *err)
{
    return (FAULT(BLOB) ? (errno = EIO, -1) : fsync(fd)) < 0 ? err_errno(err, "flush blob '%s'", id) : 0;
}

/* The name first: what is flushed after it says that there is one. A file that was flushed without any would, on a file
 * system without a journal, be one that is to be freed. So the name may be on the disk before the bytes are. */
static int finish(struct blob_store *bs, const char *id, int fd, bool flush, bool *lost, struct err *err)
{
    AUTO(fd_close) int shelf = -1;

    if (blob_begin_call(bs, id, err) < 0 || blob_shelf_open(&shelf, bs, id, err) < 0)
        return -1;
    if (fchmod(fd, 0444 | NAMED_EARLY) < 0)
        return err_errno(err, "protect blob '%s'", id);
    if (give_name(fd, shelf, id) < 0)
        return err_errno(err, "name blob '%s'", id);
    if ((!flush || flush_file(fd, id, err) == 0) && blob_flush_dir(shelf, id, err) == 0)
        return 0;
    *lost = true;
    unlinkat(shelf, id, 0);
    return -1;
}

bool blob_was_left(struct blob_store *bs, const char *id)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;
    struct err err;
    int64_t size;

    if (blob_open(&fd, &size, bs, id, &err) < 0 || fstat(fd, &st) < 0)
        return false;
    if (!(st.st_mode & NAMED_EARLY))
        return true;
    (void)blob_delete(bs, id, &err); /* or the next one of this name is refused, and says so */
    return false;
}

int blob_finish(struct blob_store *bs, const char *id, int fd, bool flush, bool *lost, struct err *err)
{
    *lost = false;
    blob_hold(bs, id);
    if (finish(bs, id, fd, flush, lost, err) == 0)
        return 0;
    blob_release(bs, id);
    return -1;
}
