/* Blobs in a local directory: DIR/ab/<id>, and DIR/tmp for copies that are not complete. */
#include "base/fault.h"
#include "base/id.h"
#include "blob/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITTEN_BACK (INT64_C(2) << 20) /* bytes that are worth a call */

/* "ab/<id>", relative to DIR */
struct blob_path {
    char s[3 + 3 + ID_LEN + 1];
};

static struct blob_path path_of(const char *id)
{
    struct blob_path p;

    snprintf(p.s, sizeof p.s, "%.2s/%.32s", id, id);
    return p;
}

int blob_begin_call(struct blob_store *bs, const char *id, struct err *err)
{
    int left = atomic_load(&bs->good_calls);

    while (left > 0 && !atomic_compare_exchange_weak(&bs->good_calls, &left, left - 1))
        ;
    if (left == 0 || FAULT(BLOB))
        return err_set(err, ERR_IO, "blob '%s': broken for a test", id);
    /* An id is a part of a path here. */
    if (!id_valid(id))
        return err_set(err, ERR_NOT_FOUND, "'%s' is no file id", id);
    return 0;
}

/* ---- holds ---- */

void blob_hold(struct blob_store *bs, const char *id)
{
    pthread_mutex_lock(&bs->lock);
    map_put(&bs->held, id, bs);
    pthread_mutex_unlock(&bs->lock);
}

void blob_release(struct blob_store *bs, const char *id)
{
    pthread_mutex_lock(&bs->lock);
    map_del(&bs->held, id);
    pthread_mutex_unlock(&bs->lock);
}

bool blob_is_held(struct blob_store *bs, const char *id)
{
    pthread_mutex_lock(&bs->lock);
    bool held = map_get(&bs->held, id) != NULL;
    pthread_mutex_unlock(&bs->lock);
    return held;
}

static struct blob_store *store_new(void)
{
    struct blob_store *bs = mem_zalloc(sizeof *bs);

    bs->dir_fd = bs->tmp_fd = -1;
    bs->names_later = access("/proc/self/fd", X_OK) == 0;
    atomic_init(&bs->good_calls, -1);
    pthread_mutex_init(&bs->lock, NULL);
    return bs;
}

/* ---- directories ---- */

static int make_dir(int at, const char *name, struct err *err)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "create directory '%s'", name);
    return 0;
}

static int open_dir(int *out, int at, const char *name, struct err *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, "open directory '%s'", name);
    *out = fd;
    return 0;
}

void blob_write_back(int fd, int64_t *begun, int64_t size)
{
    if (size - *begun < WRITTEN_BACK)
        return;
    (void)sync_file_range(fd, *begun, size - *begun, SYNC_FILE_RANGE_WRITE);
    *begun = size;
}

int blob_flush_dir(int fd, const char *name, struct err *err)
{
    return fsync(fd) < 0 ? err_errno(err, "flush directory '%s'", name) : 0;
}

/* All 256 shelves exist from the start: making one costs a mkdir and two flushes, which a flood of small uploads
 * would pay for nearly every blob (random ids), one after the other. */
static int make_shelves(struct blob_store *bs, struct err *err)
{
    for (int i = 0; i < 256; i++) {
        char name[3];

        snprintf(name, sizeof name, "%02x", i);
        if (make_dir(bs->dir_fd, name, err) < 0)
            return -1;
    }
    return blob_flush_dir(bs->dir_fd, ".", err);
}

/* The directory of a blob. */
int blob_shelf_open(int *out, struct blob_store *bs, const char *id, struct err *err)
{
    char name[3];

    snprintf(name, sizeof name, "%.2s", id);
    return open_dir(out, bs->dir_fd, name, err);
}

/* DIR and what leads to it. */
static int make_path(const char *dir, struct err *err)
{
    AUTO(mem_free) char *path = mem_strdup(dir);

    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (make_dir(AT_FDCWD, path, err) < 0)
            return -1;
        *p = '/';
    }
    return make_dir(AT_FDCWD, path, err);
}

/* What a process left that died while it copied. */
static int clean_tmp(struct blob_store *bs, struct err *err)
{
    int fd = dup(bs->tmp_fd);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        fd_close(fd);
        return err_errno(err, "read directory 'tmp'");
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(bs->tmp_fd, e->d_name, 0);
    closedir(d);
    return 0;
}

int blob_store_open(struct blob_store **out, const char *dir, struct err *err)
{
    AUTO(blob_store_close) struct blob_store *bs = store_new();

    if (!*dir)
        return err_set(err, ERR_CONFIG, "the directory of the blobs has no name");
    if (make_path(dir, err) < 0 || open_dir(&bs->dir_fd, AT_FDCWD, dir, err) < 0 ||
        make_dir(bs->dir_fd, "tmp", err) < 0 || open_dir(&bs->tmp_fd, bs->dir_fd, "tmp", err) < 0 ||
        clean_tmp(bs, err) < 0 || make_shelves(bs, err) < 0)
        return -1;
    /* DIR may be new as well. Above it, fsync of what we don't own is of no use to anybody else. */
    AUTO(fd_close) int parent = openat(bs->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0 && blob_flush_dir(parent, dir, err) < 0)
        return -1;
    *out = take(bs);
    return 0;
}

int blob_store_open_as_is(struct blob_store **out, const char *dir, struct err *err)
{
    AUTO(blob_store_close) struct blob_store *bs = store_new();

    if (open_dir(&bs->dir_fd, AT_FDCWD, dir, err) < 0 || open_dir(&bs->tmp_fd, bs->dir_fd, "tmp", err) < 0)
        return -1;
    *out = take(bs);
    return 0;
}

void blob_store_close(struct blob_store *bs)
{
    if (!bs)
        return;
    fd_close(bs->dir_fd);
    fd_close(bs->tmp_fd);
    map_done(&bs->held);
    pthread_mutex_destroy(&bs->lock);
    free(bs);
}

void blob_store_break(struct blob_store *bs, int good_calls)
{
    atomic_store(&bs->good_calls, good_calls);
}

/* ---- copying ---- */

static int copy_bytes(int to, int from, const char *id, struct err *err)
{
    enum { CHUNK = 256 * 1024 };
    AUTO(mem_free) char *buf = mem_alloc(CHUNK);
    off_t at = 0; /* pread: from may be shared */
    ssize_t n;

    while ((n = pread(from, buf, CHUNK, at)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, buf + done, (size_t)(n - done));

            if (w < 0 && errno != EINTR)
                return err_errno(err, "copy blob '%s': write", id);
            done += w > 0 ? w : 0;
        }
        at += n;
    }
    return n < 0 ? err_errno(err, "copy blob '%s': read", id) : 0;
}

/* The contents of from become blob id: complete and flushed under another name first. */
static int copy_in(struct blob_store *bs, int shelf, const char *id, int from, struct err *err)
{
    char tmp[ID_LEN + 1];
    AUTO(fd_close) int to = -1;

    id_new(tmp);
    to = openat(bs->tmp_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_errno(err, "copy blob '%s': create", id);
    if (copy_bytes(to, from, id, err) < 0) {
        unlinkat(bs->tmp_fd, tmp, 0);
        return -1;
    }
    if (fchmod(to, 0444) < 0 || fsync(to) < 0 || renameat(bs->tmp_fd, tmp, shelf, id) < 0) {
        err_errno(err, "copy blob '%s'", id);
        unlinkat(bs->tmp_fd, tmp, 0);
        return -1;
    }
    return 0;
}

/* Link errors after which a copy still works: another file system, one without links, too many of
 * them, or links to files of others forbidden. */
static bool copy_instead(int error)
{
    return error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP;
}

/* ---- the calls ---- */

/* Whoever made the file is not trusted: it may be a link to one of ours, or a device.
 * 1: fd and st are set. 0: there is no such file. */
static int open_source(int *out, struct stat *st, const char *path, struct err *err)
{
    /* NONBLOCK: a FIFO would keep us here. */
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_IO, "'%s' is a symbolic link", path);
    if (fd < 0 || fstat(fd, st) < 0)
        return err_errno(err, "open '%s'", path);
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_IO, "'%s' is not a regular file", path);
    if (st->st_nlink != 1)
        return err_set(err, ERR_IO, "'%s' has a second name", path);
    *out = take_fd(fd);
    return 1;
}

static int move_in(struct blob_store *bs, int shelf, const char *id, const char *path, int fd,
                   const struct stat *st, struct err *err)
{
    struct stat moved;

    if (renameat(AT_FDCWD, path, shelf, id) < 0) {
        if (errno != EXDEV)
            return err_errno(err, "move '%s' to blob '%s'", path, id);
        if (copy_in(bs, shelf, id, fd, err) < 0)
            return -1;
        if (unlink(path) < 0 && errno != ENOENT)
            return err_errno(err, "remove '%s'", path);
        return 0;
    }
    /* The name may have been given to another file since it was looked at. */
    if (fstatat(shelf, id, &moved, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(err, "blob '%s'", id);
    if (moved.st_dev != st->st_dev || moved.st_ino != st->st_ino || moved.st_nlink != 1) {
        unlinkat(shelf, id, 0);
        return err_set(err, ERR_IO, "'%s' was exchanged", path);
    }
    return 0;
}

static int adopt(struct blob_store *bs, const char *id, const char *path, bool synced, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    AUTO(fd_close) int shelf = -1;
    struct stat st;
    int found;

    if (blob_begin_call(bs, id, err) < 0 || (found = open_source(&fd, &st, path, err)) < 0 ||
        blob_shelf_open(&shelf, bs, id, err) < 0)
        return -1;
    if (!found) {
        /* Moved before, perhaps by a process that died before the directory was flushed. */
        if (fstatat(shelf, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return err_errno(err, "'%s' for blob '%s'", path, id);
        return blob_flush_dir(shelf, id, err);
    }
    /* The mode first, so that it is flushed, too. An upload has it already. */
    if ((st.st_mode & ALLPERMS) != 0444 && fchmod(fd, 0444) < 0)
        return err_errno(err, "protect '%s'", path);
    if (!synced && fsync(fd) < 0)
        return err_errno(err, "flush '%s'", path);
    if (move_in(bs, shelf, id, path, fd, &st, err) < 0)
        return -1;
    return blob_flush_dir(shelf, id, err);
}

int blob_adopt(struct blob_store *bs, const char *id, const char *path, bool synced, struct err *err)
{
    blob_hold(bs, id);
    if (adopt(bs, id, path, synced, err) == 0)
        return 0;
    blob_release(bs, id);
    return -1;
}

static int open_blob(int *out, struct blob_store *bs, const char *id, struct err *err)
{
    int fd = openat(bs->dir_fd, path_of(id).s, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "there is no file '%s'", id);
    if (fd < 0)
        return err_errno(err, "open blob '%s'", id);
    *out = fd;
    return 0;
}

int blob_open(int *fd, int64_t *size, struct blob_store *bs, const char *id, struct err *err)
{
    AUTO(fd_close) int f = -1;
    struct stat st;

    if (blob_begin_call(bs, id, err) < 0 || open_blob(&f, bs, id, err) < 0)
        return -1;
    if (fstat(f, &st) < 0)
        return err_errno(err, "size of blob '%s'", id);
    *size = st.st_size;
    *fd = take_fd(f);
    return 0;
}

int blob_link(struct blob_store *bs, const char *id, const char *path, struct err *err)
{
    AUTO(fd_close) int from = -1;
    AUTO(fd_close) int to = -1;

    if (blob_begin_call(bs, id, err) < 0)
        return -1;
    if (linkat(bs->dir_fd, path_of(id).s, AT_FDCWD, path, 0) == 0)
        return 0;
    int failed = errno;
    if (open_blob(&from, bs, id, err) < 0)
        return -1;
    errno = failed;
    if (!copy_instead(failed))
        return err_errno(err, "link blob '%s' to '%s'", id, path);
    to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_errno(err, "copy blob '%s' to '%s'", id, path);
    if (copy_bytes(to, from, id, err) < 0) {
        unlink(path);
        return -1;
    }
    if (fchmod(to, 0444) < 0) {
        err_errno(err, "protect '%s'", path);
        unlink(path);
        return -1;
    }
    return 0;
}

static int clone_blob(struct blob_store *bs, const char *id, const char *new_id, struct err *err)
{
    AUTO(fd_close) int from = -1;
    AUTO(fd_close) int shelf = -1;
    struct stat a, b;

    if (blob_begin_call(bs, id, err) < 0)
        return -1;
    if (!id_valid(new_id))
        return err_set(err, ERR_NOT_FOUND, "'%s' is no file id", new_id);
    if (open_blob(&from, bs, id, err) < 0 || blob_shelf_open(&shelf, bs, new_id, err) < 0)
        return -1;
    if (linkat(bs->dir_fd, path_of(id).s, shelf, new_id, 0) < 0) {
        if (errno == EEXIST && fstat(from, &a) == 0 &&
            fstatat(shelf, new_id, &b, AT_SYMLINK_NOFOLLOW) == 0) {
            /* Done before; anything else under this id is not ours to replace. */
            if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
                return err_set(err, ERR_EXISTS, "there is another file '%s'", new_id);
        } else if (!copy_instead(errno)) {
            return err_errno(err, "clone blob '%s'", id);
        } else if (copy_in(bs, shelf, new_id, from, err) < 0) {
            return -1;
        }
    }
    return blob_flush_dir(shelf, new_id, err);
}

int blob_clone(struct blob_store *bs, const char *id, const char *new_id, struct err *err)
{
    blob_hold(bs, new_id);
    if (clone_blob(bs, id, new_id, err) == 0)
        return 0;
    blob_release(bs, new_id);
    return -1;
}

int64_t blob_delete(struct blob_store *bs, const char *id, struct err *err)
{
    struct stat st;

    if (blob_begin_call(bs, id, err) < 0)
        return -1;
    blob_release(bs, id);
    if (fstatat(bs->dir_fd, path_of(id).s, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_errno(err, "delete blob '%s'", id);
    if (unlinkat(bs->dir_fd, path_of(id).s, 0) < 0)
        return errno == ENOENT ? 0 : err_errno(err, "delete blob '%s'", id);
    /* A clone or a running job still has the contents. */
    return st.st_nlink > 1 ? 0 : st.st_size;
}

int blob_each(struct blob_store *bs, int shelf,
              int (*cb)(void *ctx, const char *id, int64_t size, int64_t changed_us), void *ctx, struct err *err)
{
    char name[3];
    int fd = -1;

    snprintf(name, sizeof name, "%02x", shelf & 0xff);
    if (faccessat(bs->dir_fd, name, F_OK, 0) < 0 && errno == ENOENT)
        return 0;
    if (open_dir(&fd, bs->dir_fd, name, err) < 0)
        return -1;
    DIR *d = fdopendir(fd);
    if (!d) {
        fd_close(fd);
        return err_errno(err, "read directory '%s'", name);
    }
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) /* deleted meanwhile */
            continue;
        if (cb(ctx, e->d_name, st.st_size,
               (int64_t)st.st_ctim.tv_sec * 1000000 + st.st_ctim.tv_nsec / 1000) < 0)
            break;
    }
    closedir(d);
    return 0;
}
