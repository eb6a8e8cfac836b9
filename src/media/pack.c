#include "media/pack.h"
#include "media/archive_locale.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PACK_CHUNK (256 * 1024) /* bytes that are read at once, and written at once */

struct pack {
    struct archive *a;
    struct archive_locale locale;
    int fd;
    char *chunk;
};

static int pack_failed(struct err *err, struct archive *a, const char *what)
{
    int why = archive_errno(a);

    if (why == ENOSPC || why == EDQUOT || why == EIO) {
        errno = why;
        return err_errno(err, "%s", what);
    }
    if (why == EFBIG)
        return err_set(err, ERR_INPUT, "%s: it grows beyond what one file may have (setting job_file_size)", what);
    return err_set(err, ERR_COMMAND, "%s: %s", what,
                   archive_error_string(a) ? archive_error_string(a) : "no reason is known");
}

/* Nothing of the clock, of this machine or of its user goes in. */
static int choose_format(struct archive *a, const struct pack_how *how)
{
    char level[32];

    snprintf(level, sizeof level, "compression-level=%d", how->level);
    if (!how->zip) {
        int rc = archive_write_set_format_pax_restricted(a);

        if (rc == ARCHIVE_OK && how->gzip)
            rc = archive_write_add_filter_gzip(a);
        if (rc == ARCHIVE_OK && how->gzip)
            rc = archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
        if (rc == ARCHIVE_OK && how->gzip)
            rc = archive_write_set_options(a, level);
        return rc;
    }
    int rc = archive_write_set_format_zip(a);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_options(a, how->level ? level : "compression=store");
    if (rc == ARCHIVE_OK && how->password)
        rc = archive_write_set_options(a, "zip:encryption=aes256");
    if (rc == ARCHIVE_OK && how->password)
        rc = archive_write_set_passphrase(a, how->password);
    return rc;
}

int pack_open(struct pack **out, const char *path, const struct pack_how *how, struct err *err)
{
    AUTO(pack_free) struct pack *p = mem_zalloc(sizeof *p);

    p->locale = archive_locale_set();
    p->chunk = mem_alloc(PACK_CHUNK);
    p->a = archive_write_new();
    if ((p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
        return err_errno(err, "create an archive");
    archive_write_set_bytes_per_block(p->a, PACK_CHUNK);
    archive_write_set_bytes_in_last_block(p->a, 1);
    if (choose_format(p->a, how) != ARCHIVE_OK || archive_write_open_fd(p->a, p->fd) != ARCHIVE_OK)
        return pack_failed(err, p->a, "begin an archive");
    *out = take(p);
    return 0;
}

static int copy_member(struct pack *p, int fd, const char *name, int64_t size, void (*told)(void *ctx, int64_t bytes),
                       void *ctx, struct err *err)
{
    for (int64_t left = size; left;) {
        ssize_t n = read(fd, p->chunk, (size_t)(left < PACK_CHUNK ? left : PACK_CHUNK));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read '%s'", name);
        if (!n)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", name);
        for (ssize_t at = 0; at < n;) {
            la_ssize_t put = archive_write_data(p->a, p->chunk + at, (size_t)(n - at));

            if (put <= 0)
                return pack_failed(err, p->a, "write an archive");
            at += put;
        }
        left -= n;
        told(ctx, n);
    }
    return 0;
}

int pack_add(struct pack *p, const char *name, const char *file, int64_t size, int64_t mtime_s,
             void (*told)(void *ctx, int64_t bytes), void *ctx, struct err *err)
{
    AUTO(fd_close) int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct archive_entry *e = archive_entry_new2(p->a);

    if (fd < 0) {
        archive_entry_free(e);
        return err_errno(err, "open '%s'", name);
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    archive_entry_update_pathname_utf8(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, size);
    archive_entry_set_mtime(e, mtime_s, 0);
    int rc = archive_write_header(p->a, e);
    archive_entry_free(e);
    if (rc != ARCHIVE_OK)
        return pack_failed(err, p->a, "write an archive");
    if (copy_member(p, fd, name, size, told, ctx, err) < 0)
        return -1;
    return archive_write_finish_entry(p->a) == ARCHIVE_OK ? 0 : pack_failed(err, p->a, "write an archive");
}

int pack_finish(struct pack *p, struct err *err)
{
    return archive_write_close(p->a) == ARCHIVE_OK ? 0 : pack_failed(err, p->a, "end an archive");
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    if (p->a)
        archive_write_free(p->a);
    fd_close(p->fd);
    free(p->chunk);
    archive_locale_reset(&p->locale);
    free(p);
}
