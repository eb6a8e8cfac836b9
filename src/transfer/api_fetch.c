/* The half of api.h that is about files which are imported. */
#include "transfer/api.h"
#include "transfer/values.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PAUSE_MS 500
#define TRIES_MAX 1000            /* with progress between them */
#define PROGRESS_MIN (256 * 1024) /* bytes that make a failure the first again */

static void fetch_md_free(EVP_MD_CTX *m) { EVP_MD_CTX_free(m); }
DEFINE_AUTO(EVP_MD_CTX *, fetch_md_free)

struct fetch {
    struct api *a;
    const struct api_file *what;
    struct remote_import_file *file;
    const struct http_client_response *answer; /* of the request under way */
    EVP_MD_CTX *md;                            /* of what is written */
    char *etag;                                /* of what is written; NULL: not said */
    int64_t offset, total;                     /* written; -1: not said */
    unsigned char md5[16];
    bool has_md5;
    bool failed; /* we ourselves said no */
};

/* ---- what headers say ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : tolower((unsigned char)c) >= 'a' && tolower((unsigned char)c) <= 'f'
               ? tolower((unsigned char)c) - 'a' + 10
               : -1;
}

bool api_md5_hex(unsigned char md5[static 16], const char *text)
{
    bool quoted = *text == '"';

    text += quoted;
    if (strlen(text) != 32 + (size_t)quoted)
        return false;
    for (int i = 0; i < 16; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        md5[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool api_md5_base64(unsigned char md5[static 16], const char *text)
{
    unsigned char out[32];

    if (strlen(text) != 24 || base64_decode(out, text, 24) != 16)
        return false;
    memcpy(md5, out, 16);
    return true;
}

bool api_is_path(const char *path)
{
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");

        if ((n == 1 || n == 2) && !strncmp(p, "..", n))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}

/* "bytes 5-99/100": where it begins, and *total. -1: it can't be read. */
static int64_t range_of(int64_t *total, const char *text)
{
    int64_t from, to;

    if (!text || strncasecmp(text, "bytes ", 6) != 0)
        return -1;
    text += 6;
    if (!value_offset(&from, &text) || *text++ != '-' || !value_offset(&to, &text) ||
        *text++ != '/' || to < from)
        return -1;
    *total = -1;
    return *text == '*' || (value_offset(total, &text) && to < *total) ? from : -1;
}

/* ---- an answer ---- */

static int fetch_start_over(struct fetch *d, struct err *err)
{
    free(d->etag);
    d->etag = NULL;
    d->offset = 0;
    d->total = -1;
    d->has_md5 = false;
    if (!EVP_DigestInit_ex(d->md, EVP_md5(), NULL))
        return err_set(err, ERR_INTERNAL, "MD5 is not available");
    return d->file->fd >= 0 && ftruncate(d->file->fd, 0) < 0
               ? err_errno(err, "empty the imported file")
               : 0;
}

/* The first answer for these bytes. */
static int fetch_learn(struct fetch *d, int64_t total, struct err *err)
{
    AUTO(mem_free) char *mime = http_client_header(d->answer, "content-type");

    if (fetch_start_over(d, err) < 0)
        return -1;
    d->total = total;
    d->etag = http_client_header(d->answer, "etag");
    if (d->etag && (!*d->etag || str_starts(d->etag, "W/"))) { /* says nothing of single bytes */
        free(d->etag);
        d->etag = NULL;
    }
    d->has_md5 = d->what->md5 && d->what->md5(d->answer, d->md5);
    if (d->file->limit && total > d->file->limit)
        return remote_too_large(d->file, d->file->place, total, err);
    return remote_open(d->file, d->what->name, mime, err);
}

static int fetch_head(struct fetch *d, int status, int64_t length, struct err *err)
{
    AUTO(mem_free) char *range = http_client_header(d->answer, "content-range");
    int64_t total = length, from = status == 206 ? range_of(&total, range) : 0;

    if (status / 100 != 2)
        return 0;
    if (status == 206 && from < 0 && !length &&
        !d->offset) /* a part of nothing: what is said of it can't be true */
        from = total = 0;
    if (status == 206 && from != d->offset)
        return remote_fail(d->file->job, REMOTE_FAILED, err,
                           "%s answered with another range than was asked for", d->a->service);
    if (from > 0)
        return total >= 0 && d->total >= 0 && total != d->total
                   ? remote_fail(d->file->job, REMOTE_FAILED, err, "'%.150s' changed under way",
                                 d->file->place)
                   : 0;
    return fetch_learn(d, total, err);
}

static int fetch_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct fetch *d = ctx;
    int rc = fetch_head(d, status, length, err);

    d->failed = rc < 0;
    return rc;
}

static int fetch_take_bytes(struct fetch *d, const char *data, size_t len, struct err *err)
{
    if (d->total >= 0 && (int64_t)len > d->total - d->offset)
        return remote_fail(d->file->job, REMOTE_FAILED, err, "%s sent more bytes than it announced",
                           d->a->service);
    if (d->file->limit && (int64_t)len > d->file->limit - d->offset)
        return remote_too_large(d->file, d->file->place, -1, err);
    EVP_DigestUpdate(d->md, data, len);
    while (len) {
        ssize_t n = pwrite(d->file->fd, data, len, d->offset);

        if (n < 0)
            return err_errno(err, "write the imported file");
        data += n;
        len -= (size_t)n;
        d->offset += n;
    }
    if (d->total > 0)
        remote_import_progress(d->file, (double)d->offset / (double)d->total);
    return 0;
}

static int fetch_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct fetch *d = ctx;
    int rc = fetch_take_bytes(d, data, len, err);

    d->failed = rc < 0;
    return rc;
}

/* ---- attempts ---- */

/* whole: without a range, as nothing has none. Statuses beside 2xx: 412, it is another file now;
 * 416, there is nothing from there on. */
static int fetch_request(int *status, struct fetch *d, bool whole, struct err *err)
{
    static const int fine[] = {412, 416, 0};
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *range = mem_printf("Range: bytes=%lld-", (long long)d->offset);
    AUTO(mem_free) char *match = mem_printf("If-Match: %s", d->etag ? d->etag : "");
    const char *headers[4] = {"Accept-Encoding: identity"};
    int n = 1;

    if (!whole)
        headers[n++] = range;
    if (d->offset && d->etag)
        headers[n++] = match;
    d->answer = &r;
    d->failed = false;
    int rc = api_run(&r, d->a,
                     &(struct api_call){.method = "GET",
                                        .url = d->what->url,
                                        .headers = headers,
                                        .fd = -1,
                                        .length = -1,
                                        .fine = fine,
                                        .on_head = fetch_on_head,
                                        .on_body = fetch_on_body,
                                        .ctx = d},
                     err);
    d->answer = NULL;
    *status = r.status;
    return rc;
}

static int fetch_check(const struct fetch *d, struct err *err)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!d->has_md5)
        return 0;
    if (!EVP_DigestFinal_ex(d->md, md, NULL))
        return err_set(err, ERR_INTERNAL, "MD5 is not available");
    return memcmp(md, d->md5, 16)
               ? remote_fail(d->file->job, REMOTE_FAILED, err,
                             "'%.150s' came with other bytes than its MD5 says", d->file->place)
               : 0;
}

/* 1: all is there. 0: the line broke, or what came is worth nothing: err says why. -1: err. */
static int fetch_go_on(struct fetch *d, struct err *err)
{
    int status;

    if (fetch_request(&status, d, /* whole= */ false, err) < 0)
        /* what we refused, and what an answer said, lasts */
        return d->failed || err->is_private_address || (status && status / 100 != 2) ||
                       err->code != ERR_IMPORT
                   ? -1
                   : 0;
    if (status == 416 && !d->offset) /* of nothing there is no range */
        if (fetch_request(&status, d, /* whole= */ true, err) < 0)
            return d->failed || (status && status / 100 != 2) ? -1 : 0;
    if (status == 412 || status == 416) {
        remote_fail(d->file->job, REMOTE_FAILED, err, "'%.150s' changes all the time",
                    d->file->place);
        return fetch_start_over(d, err) < 0 ? -1 : 0;
    }
    if (d->total < 0 || d->offset == d->total)
        return 1;
    remote_fail(d->file->job, REMOTE_FAILED, err, "of '%.150s' came %lld bytes of %lld",
                d->file->place, (long long)d->offset, (long long)d->total);
    return 0;
}

int api_fetch(struct api *a, struct remote_import_file *f, const struct api_file *what,
              struct err *err)
{
    AUTO(fetch_md_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    struct fetch d = {.a = a, .what = what, .file = f, .md = md, .total = -1};
    int rc = fetch_start_over(&d, err);

    for (int attempt = 1, tries = 0; rc == 0; attempt++, tries++) {
        int64_t before = d.offset;

        rc = fetch_go_on(&d, err);
        if (rc)
            break;
        if (d.offset && !d.etag &&
            fetch_start_over(&d, err) < 0) /* nobody knows whether the rest would fit */
            rc = -1;
        if (d.offset >= before + PROGRESS_MIN)
            attempt = 1;
        if (attempt == REMOTE_ATTEMPTS || tries == TRIES_MAX)
            rc = -1;
        else if (rc == 0)
            remote_pause(f->job, attempt, PAUSE_MS);
    }
    free(d.etag);
    return rc < 0 ? -1 : fetch_check(&d, err);
}
