#include "upload/spool.h"
#include "base/fault.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

static void *new_md5(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    return ctx;
}

int spool_create(struct spool *s, const char *path, struct err *err)
{
    int fd = FAULT(SPOOL) ? (errno = EIO, -1) : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_errno(err, "create an upload file");
    *s = (struct spool){.path = mem_strdup(path), .fd = fd, .md5 = new_md5()};
    return 0;
}

int spool_begin(struct spool *s, const char *path, struct blob_store *bs, const char *id, struct err *err)
{
    int fd;

    if (blob_begin(&fd, bs, id, err) < 0)
        return -1;
    if (fd < 0)
        return spool_create(s, path, err);
    *s = (struct spool){.path = mem_strdup(path), .fd = fd, .md5 = new_md5(), .unnamed = true};
    return 0;
}

int spool_name(struct spool *s, struct err *err)
{
    if (s->unnamed && blob_name(s->fd, s->path, err) < 0)
        return -1;
    s->unnamed = false;
    return 0;
}

int spool_open(struct spool *s, const char *path, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_errno(err, "open an upload file");
    if (fstat(fd, &st) < 0) {
        err_errno(err, "stat an upload file");
        close(fd);
        return -1;
    }
    *s = (struct spool){.path = mem_strdup(path), .fd = fd, .size = st.st_size, .begun = st.st_size};
    return 0;
}

/* After a restart or a truncation the hash is made again from the file. */
static int rehash(struct spool *s, struct err *err)
{
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    EVP_MD_CTX *ctx = new_md5();

    for (int64_t at = 0; at < s->size;) {
        size_t want = s->size - at < 256 * 1024 ? (size_t)(s->size - at) : 256 * 1024;
        ssize_t n = FAULT(SPOOL) ? (errno = EIO, -1) : pread(s->fd, buf, want, at);

        if (n <= 0) {
            if (n == 0)
                errno = EIO;
            EVP_MD_CTX_free(ctx);
            return err_errno(err, "read an upload file again");
        }
        EVP_DigestUpdate(ctx, buf, (size_t)n);
        at += n;
    }
    s->md5 = ctx;
    return 0;
}

int spool_write(struct spool *s, const void *data, size_t len, struct err *err)
{
    const char *p = data;

    if (!s->md5 && rehash(s, err) < 0)
        return -1;
    EVP_DigestUpdate(s->md5, data, len);
    while (len) {
        ssize_t n = FAULT(SPOOL) ? (errno = EIO, -1) : pwrite(s->fd, p, len, s->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, "write an upload file");
            EVP_MD_CTX_free(s->md5); /* it has seen bytes that are not in the file */
            s->md5 = NULL;
            return -1;
        }
        s->size += n;
        p += n;
        len -= (size_t)n;
    }
    blob_write_back(s->fd, &s->begun, s->size);
    return 0;
}

int spool_truncate(struct spool *s, int64_t size, struct err *err)
{
    if (s->path && ftruncate(s->fd, size) < 0)
        return err_errno(err, "truncate an upload file");
    s->size = size;
    s->begun = s->begun < size ? s->begun : size;
    EVP_MD_CTX_free(s->md5);
    s->md5 = NULL;
    return 0;
}

/* The next flush would succeed, and the bytes be lost all the same. */
static int flush_bytes(struct spool *s, struct err *err)
{
    if (!s->doubtful && (FAULT(SPOOL) ? (errno = EIO, -1) : fsync(s->fd)) == 0)
        return 0;
    if (s->doubtful)
        return err_set(err, ERR_IO, "the bytes of the upload could not be flushed");
    s->doubtful = true;
    return err_errno(err, "flush an upload file");
}

int name_flush(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
    AUTO(fd_close) int fd = open(slash ? (*dir ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || (FAULT(SPOOL) ? (errno = EIO, -1) : fsync(fd)) < 0
               ? err_errno(err, "flush the directory of '%s'", path)
               : 0;
}

int spool_flush(struct spool *s, struct err *err)
{
    if (flush_bytes(s, err) < 0)
        return -1;
    if (name_flush(s->path, err) == 0)
        return 0;
    s->doubtful = true;
    return -1;
}

int spool_commit(struct spool *s, char md5[33], struct blob_store *bs, const char *id, bool sync,
                 struct err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!s->md5 && rehash(s, err) < 0)
        return -1;
    /* The mode of a blob first, so that it is flushed, too: a worker is another user. */
    if (!s->unnamed && fchmod(s->fd, 0444) < 0)
        return err_errno(err, "protect an upload file");
    if (!s->unnamed && (sync || s->doubtful) && flush_bytes(s, err) < 0)
        return -1;
    EVP_DigestFinal_ex(s->md5, digest, NULL);
    hex_encode(md5, digest, 16);
    EVP_MD_CTX_free(s->md5);
    s->md5 = NULL;
    if ((s->unnamed ? blob_finish(bs, id, s->fd, sync, &s->doubtful, err)
                    : blob_adopt(bs, id, s->path, /* synced= */ true, err)) < 0)
        return -1;
    spool_close(s, false);
    return 0;
}

int64_t spool_close(struct spool *s, bool remove)
{
    int64_t freed = 0;

    if (s->path && remove && (s->unnamed || unlink(s->path) == 0))
        freed = s->size;
    EVP_MD_CTX_free(s->md5);
    if (s->path)
        fd_close(s->fd);
    free(s->path);
    *s = (struct spool){.fd = -1};
    return freed;
}
