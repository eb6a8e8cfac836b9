#include "store/renewed.h"
#include "base/clock.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 65536 /* bytes; two tokens of 8 KB, sealed, are half of it */
#define ROOM 49152
#define LOOK_US 20000
#define NEXT ".next" /* sealed with the key that comes */
#define TMP ".tmp"

void renewed_id(char id[static RENEWED_ID_LEN + 1], const char *workspace, const json_t *content)
{
    const char *client = jstr_or(content, "client_id", ""), *token = jstr_or(content, "refresh_token", "");
    AUTO(json_unref) json_t *all = json_pack("[s,s,s]", workspace, client, token);
    AUTO(mem_free) char *text = all ? json_text(all) : NULL;
    unsigned char sum[SHA256_DIGEST_LENGTH];

    *id = 0;
    if (!text || !*client || !*token)
        return;
    SHA256((const unsigned char *)text, strlen(text), sum);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(id + 2 * i, 3, "%02x", sum[i]);
    explicit_bzero(text, strlen(text));
}

static void forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void renewed_done(struct renewed r)
{
    forget(r.refresh_token);
    forget(r.access_token);
    free(r.refused);
    forget(r.refused_of);
}

/* ---- one file ---- */

/* 1: read, 0: there is none. *out is the caller's. */
static int read_sealed(char **out, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(mem_free) char *text = NULL;
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open '%s'", path);
    text = mem_zalloc(FILE_MAX + 1);
    while (len < FILE_MAX && (n = read(fd, text + len, FILE_MAX - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    *out = take(text);
    return 1;
}

/* What lies at path, as it was before it was sealed. 1, 0 as above. */
static int open_sealed(char **plain, const char *path, const struct seal_key *k, const char *id, struct err *err)
{
    AUTO(mem_free) char *sealed = NULL;
    AUTO(mem_free) char *context = mem_printf("renewed/%s", id);
    int rc = read_sealed(&sealed, path, err);

    return rc <= 0 ? rc : unseal(plain, k, context, sealed, err) < 0 ? -1 : 1;
}

int renewed_read(struct renewed *out, const char *dir, const struct seal_key *k, const char *id, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, id);
    AUTO(mem_free) char *plain = NULL;
    int rc = open_sealed(&plain, path, k, id, err);

    *out = (struct renewed){0};
    if (rc <= 0)
        return rc;
    AUTO(json_unref) json_t *o = json_reads(plain);
    explicit_bzero(plain, strlen(plain));
    if (!jstr(o, "refresh_token"))
        return err_set(err, ERR_CREDENTIALS, "'%s' holds no refresh token", path);
    const char *access = jstr(o, "access_token"), *refused = jstr(o, "refused"), *of = jstr(o, "refused_of");
    *out = (struct renewed){.refresh_token = mem_strdup(jstr(o, "refresh_token")),
                            .access_token = access ? mem_strdup(access) : NULL,
                            .renew_at_us = jint(o, "renew_at_us", 0),
                            .until_us = jint(o, "until_us", 0),
                            .refused = refused ? mem_strdup(refused) : NULL,
                            .refused_of = of ? mem_strdup(of) : NULL};
    return 1;
}

static int flush_dir(const char *dir, struct err *err)
{
    AUTO(fd_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? err_errno(err, "flush '%s'", dir) : 0;
}

static int make_dir(const char *dir, struct err *err)
{
    if (mkdir(dir, 0700) == 0) {
        AUTO(mem_free) char *above = mem_printf("%s/..", dir);

        return flush_dir(above, err);
    }
    return errno == EEXIST ? 0 : err_errno(err, "make '%s'", dir);
}

int renewed_begin(const char *dir, const char *id, struct err *err)
{
    AUTO(mem_free) char *tmp = mem_printf("%s/%s" TMP, dir, id);
    AUTO(fd_close) int fd = open(tmp, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_errno(err, "create '%s'", tmp);
    if ((errno = posix_fallocate(fd, 0, ROOM)))
        return err_errno(err, "take room for '%s'", tmp);
    return fsync(fd) < 0 ? err_errno(err, "flush '%s'", tmp) : flush_dir(dir, err);
}

static int put_sealed(const char *dir, const char *tmp, const char *path, const char *sealed, struct err *err)
{
    size_t len = strlen(sealed);
    AUTO(fd_close) int fd = open(tmp, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_errno(err, "create '%s'", tmp);
    if (pwrite(fd, sealed, len, 0) != (ssize_t)len || ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0)
        return err_errno(err, "write '%s'", tmp);
    if (rename(tmp, path) < 0)
        return err_errno(err, "rename '%s'", tmp);
    return flush_dir(dir, err);
}

int renewed_write(const char *dir, const struct seal_key *k, const char *id, const struct renewed *r, struct err *err)
{
    AUTO(json_unref)
    json_t *o = json_pack("{s:s,s:s*,s:I,s:I,s:s*,s:s*}", "refresh_token", r->refresh_token, "access_token",
                          r->access_token, "renew_at_us", (json_int_t)r->renew_at_us, "until_us",
                          (json_int_t)r->until_us, "refused", r->refused, "refused_of", r->refused_of);
    AUTO(mem_free) char *plain = json_text(o);
    AUTO(mem_free) char *context = mem_printf("renewed/%s", id);
    AUTO(mem_free) char *sealed = seal(k, context, plain);
    AUTO(mem_free) char *tmp = mem_printf("%s/%s" TMP, dir, id);
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, id);

    explicit_bzero(plain, strlen(plain));
    return put_sealed(dir, tmp, path, sealed, err);
}

/* ---- one at a time ---- */

/* A byte of one file for each id: no file of its own to be left behind, or to be removed under who holds it. */
static struct flock lock_of(const char *id)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char head[16] = "";

    if (id) {
        snprintf(head, sizeof head, "%.15s", id); /* 60 bits */
        l.l_start = (off_t)strtoull(head, NULL, 16);
        l.l_len = 1;
    }
    return l;
}

int renewed_lock(int *out, const char *dir, const char *id, int64_t wait_us, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/lock", dir);
    AUTO(fd_close) int fd = -1;
    int64_t end = clock_mono_us() + wait_us;
    struct flock l = lock_of(id);

    if (make_dir(dir, err) < 0)
        return -1;
    if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
        return err_errno(err, "open '%s'", path);
    while (fcntl(fd, F_OFD_SETLK, &l) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_errno(err, "lock '%s'", path);
        if (clock_mono_us() >= end)
            return err_set(err, ERR_BUSY, "tokens of stored credentials are being renewed");
        usleep(LOOK_US);
    }
    *out = take_fd(fd);
    return 0;
}

/* ---- all of them ---- */

/* NAME is an id with this end; out gets the id. */
static bool is_named(char out[static RENEWED_ID_LEN + 1], const char *name, const char *end)
{
    if (strspn(name, "0123456789abcdef") != RENEWED_ID_LEN || strcmp(name + RENEWED_ID_LEN, end) != 0)
        return false;
    snprintf(out, RENEWED_ID_LEN + 1, "%.*s", RENEWED_ID_LEN, name);
    return true;
}

static int reseal_one(const char *dir, const char *id, const struct seal_key *old, const struct seal_key *next,
                      struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, id);
    AUTO(mem_free) char *to = mem_printf("%s" NEXT, path);
    AUTO(mem_free) char *tmp = mem_printf("%s" NEXT TMP, path);
    AUTO(mem_free) char *context = mem_printf("renewed/%s", id);
    AUTO(mem_free) char *plain = NULL;

    if (open_sealed(&plain, path, old, id, err) <= 0)
        return -1;
    AUTO(mem_free) char *sealed = seal(next, context, plain);
    explicit_bzero(plain, strlen(plain));
    return put_sealed(dir, tmp, to, sealed, err);
}

int renewed_reseal(const char *dir, const struct seal_key *old, const struct seal_key *next, struct err *err)
{
    DIR *d = opendir(dir);
    char id[RENEWED_ID_LEN + 1];
    int rc = 0;

    if (!d)
        return errno == ENOENT ? 0 : err_errno(err, "read '%s'", dir);
    for (struct dirent *e; rc == 0 && (e = readdir(d));)
        if (is_named(id, e->d_name, ""))
            rc = reseal_one(dir, id, old, next, err);
    closedir(d);
    return rc;
}

void renewed_settle(const char *dir, const struct seal_key *k)
{
    DIR *d = opendir(dir);
    char id[RENEWED_ID_LEN + 1];
    struct err ignored;

    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        AUTO(mem_free) char *from = mem_printf("%s/%s", dir, e->d_name);
        AUTO(mem_free) char *to = mem_printf("%s/%.*s", dir, RENEWED_ID_LEN, e->d_name);
        AUTO(mem_free) char *plain = NULL;

        if (!is_named(id, e->d_name, NEXT))
            continue;
        if (open_sealed(&plain, from, k, id, &ignored) == 1)
            (void)!rename(from, to);
        else
            unlink(from);
        if (plain)
            explicit_bzero(plain, strlen(plain));
    }
    closedir(d);
    (void)!flush_dir(dir, &ignored);
}
