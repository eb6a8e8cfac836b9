/* Files of processes that are not trusted become blobs. Such a process has its directory to itself, and may go on doing
 * whatever it likes while we look: nothing that it can still change may be measured, or kept. */
#include "blob/private.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <linux/fs.h> /* FICLONE */

enum { CHUNK = 256 * 1024 };

static void md5_free(EVP_MD_CTX *ctx) { EVP_MD_CTX_free(ctx); }
DEFINE_AUTO(EVP_MD_CTX *, md5_free)

/* What all of it is about. */
struct source {
    int dir, fd;
    const char *name, *label;
    struct stat st;
    int64_t max;
    struct blob_follow *beside; /* NULL: nothing was summed before */
    const atomic_bool *stop;
};

static int is_stopped(const struct source *s, struct err *err)
{
    return atomic_load(s->stop) ? err_set(err, ERR_BUSY, "nobody wants '%s' any more", s->label) : 0;
}

static int too_large(const struct source *s, struct err *err)
{
    return err_set(err, ERR_WORKER, "'%s' is larger than the limit of %lld bytes (job_file_size)", s->label,
                   (long long)s->max);
}

static int look(struct source *s, struct err *err)
{
    /* NONBLOCK: neither a FIFO nor a lease that the other side holds keeps us here. */
    s->fd = openat(s->dir, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (s->fd < 0 && (errno == ENOENT || errno == ENXIO))
        return err_set(err, ERR_WORKER, "there is no file '%s'", s->label);
    if (s->fd < 0 && errno == ELOOP)
        return err_set(err, ERR_WORKER, "'%s' is a symbolic link", s->label);
    if (s->fd < 0 && (errno == EWOULDBLOCK || errno == EACCES || errno == EPERM))
        return err_set(err, ERR_WORKER, "'%s' is kept from us", s->label);
    if (s->fd < 0 || fstat(s->fd, &s->st) < 0)
        return err_errno(err, "open '%s'", s->label);
    if (!S_ISREG(s->st.st_mode))
        return err_set(err, ERR_WORKER, "'%s' is not a regular file", s->label);
    if (s->st.st_nlink != 1)
        return err_set(err, ERR_WORKER, "'%s' has a second name", s->label);
    return s->st.st_size > s->max ? too_large(s, err) : 0;
}

/* ---- the file itself ---- */

static bool drop_xattrs(int fd)
{
    char names[4096];
    ssize_t n = flistxattr(fd, names, sizeof names);

    if (n < 0)
        return errno == EOPNOTSUPP;
    for (const char *at = names; at < names + n; at += strlen(at) + 1)
        if ((str_starts(at, "user.") || str_starts(at, "system.posix_acl")) && fremovexattr(fd, at) < 0)
            return false;
    return true;
}

/* True: it is of our user, nobody else's, and nobody can write to it: neither through a descriptor or mapping that was
 * made before (a lease for reading is refused while there is one), nor by opening it, as owner and mode forbid that.
 * What is of our user already may be that of whoever made it, too: then a mode proves nothing. */
static bool make_ours(const struct source *s)
{
    uid_t us = geteuid();

    if (s->st.st_uid == us || fchown(s->fd, us, getegid()) < 0 || !drop_xattrs(s->fd) || fchmod(s->fd, 0444) < 0)
        return false;
    if (fcntl(s->fd, F_SETLEASE, F_RDLCK) < 0)
        return false;
    if (fcntl(s->fd, F_SETLEASE, F_UNLCK) < 0)
        return false;
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    return futimens(s->fd, now) == 0;
}

/* MD5 of what is in from; also written to to, unless that is -1. beside: it is ours alone by now, so that what was
 * summed before may count. */
static int measure(struct blob_taken *out, const struct source *s, struct blob_follow *beside, int from, int to,
                   struct err *err)
{
    int64_t done = 0, begun = 0;
    AUTO(md5_free) EVP_MD_CTX *ctx = beside ? blob_follow_end(&done, beside, from) : NULL;
    bool goes_on = ctx;
    AUTO(mem_free) char *buf = mem_alloc(CHUNK);
    unsigned char digest[EVP_MAX_MD_SIZE];
    ssize_t n;

    if (!ctx)
        ctx = EVP_MD_CTX_new();
    if (!ctx || (!goes_on && !EVP_DigestInit_ex(ctx, EVP_md5(), NULL)))
        return err_set(err, ERR_INTERNAL, "no MD5");
    out->size = done;
    if (done > s->max)
        return too_large(s, err);
    while ((n = pread(from, buf, CHUNK, out->size)) > 0) {
        if (is_stopped(s, err) < 0)
            return -1;
        if (out->size + n > s->max)
            return too_large(s, err);
        EVP_DigestUpdate(ctx, buf, (size_t)n);
        for (ssize_t put = 0; to >= 0 && put < n;) {
            ssize_t w = write(to, buf + put, (size_t)(n - put));

            if (w < 0 && errno != EINTR)
                return err_errno(err, "copy '%s': write", s->label);
            put += w > 0 ? w : 0;
        }
        out->size += n;
        blob_write_back(to >= 0 ? to : from, &begun, out->size);
    }
    if (n < 0)
        return err_errno(err, "read '%s'", s->label);
    EVP_DigestFinal_ex(ctx, digest, NULL);
    hex_encode(out->md5, digest, 16);
    return 0;
}

/* 1: it lies on the shelf. 0: it must be copied. The file that we have open is linked, not a name moved: whoever owns
 * the directory may put another file, or a directory, under that name at any time. */
static int move(struct source *s, int shelf, const char *id, struct err *err)
{
    struct stat now;

    if (is_stopped(s, err) < 0)
        return -1;
    if (fsync(s->fd) < 0)
        return err_errno(err, "flush '%s'", s->label);
    if (blob_link_fd(s->fd, shelf, id) < 0)
        return 0;
    unlinkat(s->dir, s->name, 0);
    if (fstat(s->fd, &now) == 0 && now.st_nlink == 1)
        return 1;
    unlinkat(shelf, id, 0);
    return err_set(err, ERR_WORKER, "'%s' was given another name", s->label);
}

/* ---- a copy ---- */

static int fill_copy(struct blob_taken *out, const struct source *s, int to, struct err *err)
{
    /* where the file system can share blocks, the copy is a snapshot at once, and is read by itself */
    if (ioctl(to, FICLONE, s->fd) == 0) {
        if (measure(out, s, NULL, to, -1, err) < 0)
            return -1;
    } else if (measure(out, s, NULL, s->fd, to, err) < 0) {
        return -1;
    }
    if (is_stopped(s, err) < 0)
        return -1;
    return fchmod(to, 0444) < 0 || fsync(to) < 0 ? err_errno(err, "copy '%s'", s->label) : 0;
}

static int copy(struct blob_taken *out, struct blob_store *bs, const struct source *s, int shelf, const char *id,
                struct err *err)
{
    AUTO(fd_close) int to = -1;
    char tmp[ID_LEN + 1];

    id_new(tmp);
    to = openat(bs->tmp_fd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_errno(err, "copy '%s': create", s->label);
    if (fill_copy(out, s, to, err) < 0) {
        unlinkat(bs->tmp_fd, tmp, 0);
        return -1;
    }
    if (renameat(bs->tmp_fd, tmp, shelf, id) < 0) {
        err_errno(err, "copy '%s' to blob '%s'", s->label, id);
        unlinkat(bs->tmp_fd, tmp, 0);
        return -1;
    }
    unlinkat(s->dir, s->name, 0); /* its room is free now; whatever stays goes with the directory */
    return 0;
}

static int take_file(struct blob_taken *out, struct blob_store *bs, const char *id, struct source *s, struct err *err)
{
    AUTO(fd_close) int shelf = -1;
    int moved = 0;

    if (blob_begin_call(bs, id, err) < 0 || look(s, err) < 0 || blob_shelf_open(&shelf, bs, id, err) < 0)
        return -1;
    if (make_ours(s) && (measure(out, s, s->beside, s->fd, -1, err) < 0 || (moved = move(s, shelf, id, err)) < 0))
        return -1;
    out->copied = !moved;
    if (!moved && copy(out, bs, s, shelf, id, err) < 0)
        return -1;
    return blob_flush_dir(shelf, id, err);
}

int blob_take(struct blob_taken *out, struct blob_store *bs, const char *id, int dir, const char *name,
              const char *label, int64_t max_size, struct blob_follow *beside, const atomic_bool *stop,
              struct err *err)
{
    struct source s = {
        .dir = dir, .fd = -1, .name = name, .label = label, .max = max_size, .beside = beside, .stop = stop};
    struct blob_taken taken = {0};
    int rc;

    blob_hold(bs, id);
    rc = take_file(&taken, bs, id, &s, err);
    fd_close(s.fd);
    if (rc < 0)
        blob_release(bs, id);
    else
        *out = taken;
    return rc;
}
