#include "transfer/fetch.h"
#include "transfer/values.h"

#include <string.h>

#define PAUSE_MS 500
#define NOT_READY_MAX 30 /* times that a service may say so */
#define MD5_DIGITS 32

const char *fetch_md5_hex(struct arena *a, const char *text)
{
    size_t quote = *text == '"', n = strspn(text + quote, "0123456789abcdefABCDEF");

    return n == MD5_DIGITS && strlen(text) == n + 2 * quote ? arena_printf(a, "%.*s", MD5_DIGITS, text + quote) : NULL;
}

const char *fetch_md5_base64(struct arena *a, const char *text)
{
    unsigned char md5[32];
    char hex[MD5_DIGITS + 1];

    if (strlen(text) != 24 || base64_decode(md5, text, 24) != MD5_DIGITS / 2)
        return NULL;
    hex_encode(hex, md5, MD5_DIGITS / 2);
    return arena_strdup(a, hex);
}

/* Has a name that comes from a listing no part that is "." or ".."? Servers make another address of such. */
static bool fetch_is_path(const char *path)
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

/* ---- an answer ---- */

static void fetch_keep_etag(struct fetch *f)
{
    free(f->etag);
    f->etag = http_client_header(f->answer, "etag");
    bool good = f->etag && (f->same == FETCH_IF_MATCH ? *f->etag && !str_starts(f->etag, "W/") : *f->etag == '"');
    if (!good || f->same == FETCH_NEVER)
        free(take(f->etag));
}

/* All of it. */
static int fetch_begins(struct fetch *f, int64_t length, struct err *err)
{
    if (f->on_answer && f->on_answer(f, f->answer, err) < 0)
        return -1;
    if (f->size >= 0 && length >= 0 && length != f->size)
        return remote_fail(f->file->job, REMOTE_FAILED, err, "'%.150s' has %lld bytes, but %s sends %lld",
                           f->file->place, (long long)f->size, f->api->service, (long long)length);
    fetch_keep_etag(f);
    f->body.digest = f->want ? f->digest : NULL;
    return body_starts_over(&f->body, f->size >= 0 ? f->size : length, err);
}

/* The rest of what is there. Who minds no condition must not have two files put together: a part has the ETag of the
 * whole (RFC 9110 15.3.7). */
static int fetch_goes_on(struct fetch *f, const char *range, struct err *err)
{
    AUTO(mem_free) char *etag = http_client_header(f->answer, "etag");

    if (!body_goes_on(&f->body, range))
        return api_odd(f->api, err, "it sends another range than was asked for");
    if (!f->etag || (etag && !strcmp(etag, f->etag)))
        return 0;
    body_back(&f->body);
    f->ours = false;
    return remote_fail(f->file->job, REMOTE_FAILED, err, "'%.150s' changes all the time", f->file->place);
}

static int fetch_heard(struct fetch *f, int status, int64_t length, struct err *err)
{
    AUTO(mem_free) char *range = http_client_header(f->answer, "content-range");
    int64_t from, to, total = length;

    if (status != 206)
        return fetch_begins(f, length, err);
    if (f->body.at)
        return fetch_goes_on(f, range, err);
    /* some have a part of nothing, of which nothing that is said can be true */
    bool told = range && value_content_range(&from, &to, &total, range);
    if (!f->as_it_lies || f->no_part || (told ? from : length) != 0)
        return api_odd(f->api, err, "it sends another range than was asked for");
    return fetch_begins(f, told ? total : 0, err);
}

static int fetch_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct fetch *f = ctx;

    f->not_ready = status == 202;
    if (status / 100 != 2 || f->not_ready)
        return 0;
    f->ours = true;
    if (fetch_heard(f, status, length, err) < 0)
        return -1;
    f->ours = false;
    return 0;
}

static int fetch_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct fetch *f = ctx;

    f->ours = !f->not_ready && body_take(&f->body, data, len, err) < 0;
    return f->ours ? -1 : 0;
}

/* ---- and another one, where it was cut off ---- */

static bool fetch_may_go_on(const struct fetch *f) { return f->etag || f->same == FETCH_PINNED; }

/* to: its answer. -1: not an answer that is fine to the end. Statuses beside 2xx: 412, it is another file now; 416,
 * there is nothing from there on. */
static int ask(struct http_client_response *to, struct fetch *f, struct err *err)
{
    static const int fine[] = {412, 416, 0};
    bool part = f->body.at || (f->as_it_lies && !f->no_part);
    AUTO(mem_free) char *range = part ? mem_printf("Range: bytes=%lld-", (long long)f->body.at) : NULL;
    AUTO(mem_free)
    char *condition = f->body.at && f->etag
                          ? mem_printf("If-%s: %s", f->same == FETCH_IF_MATCH ? "Match" : "Range", f->etag)
                          : NULL;
    const char *lines[FETCH_LINES_MAX + 3] = {0};
    int n = 0;

    while (f->lines[n]) {
        lines[n] = f->lines[n];
        n++;
    }
    if (range)
        lines[n++] = range;
    if (condition)
        lines[n] = condition;
    f->ours = f->not_ready = false;
    f->answer = to;
    return api_run(to, f->api,
                   &(struct api_call){.method = "GET",
                                      .url = f->url,
                                      .headers = lines,
                                      .fd = -1,
                                      .length = -1,
                                      .fine = fine,
                                      .anonymous = f->anonymous,
                                      .max_redirects = f->max_redirects,
                                      .on_head = fetch_on_head,
                                      .on_body = fetch_on_body,
                                      .ctx = f},
                   err);
}

/* Was it only cut off? A status that says no was heard as often as it is worth. Of an answer that broke off it is that
 * of a redirect before it, or 0. */
static bool is_cut(const struct fetch *f, int status, const struct err *err)
{
    return !f->ours && err->code == ERR_IMPORT && !err->is_private_address && status < 400;
}

/* 1: it is there. 0: it is worth another attempt, err says why. -1: it is not. */
static int fetch_judge(struct fetch *f, int rc, int status, struct err *err)
{
    bool other = rc == 0 && (status == 412 || status == 416);

    if (rc < 0)
        return is_cut(f, status, err) ? 0 : -1;
    if (!other && !f->not_ready && body_is_whole(&f->body))
        return 1;
    if (!other) {
        remote_fail(f->file->job, REMOTE_FAILED, err, "%s sends %lld of the %lld bytes of '%.150s'", f->api->service,
                    (long long)f->body.at, (long long)f->body.size, f->file->place);
        return 0;
    }
    body_back(&f->body);
    remote_fail(f->file->job, REMOTE_FAILED, err, "'%.150s' changes all the time", f->file->place);
    return 0;
}

static int fetch(struct fetch *f, struct err *err)
{
    int waits = 0;

    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        int rc = ask(&r, f, err);

        if (rc == 0 && r.status == 416 && f->as_it_lies && !f->body.at && !f->no_part) {
            f->no_part = true;
            continue;
        }
        int verdict = fetch_judge(f, rc, r.status, err);
        if (verdict)
            return verdict < 0 ? -1 : 0;
        if (!fetch_may_go_on(f))
            body_back(&f->body);
        else if (body_moved(&f->body))
            attempt = 1;
        if (f->not_ready && waits++ < NOT_READY_MAX)
            attempt = 1;
        if (attempt >= REMOTE_ATTEMPTS)
            return -1;
        remote_wait(f->file->job, attempt, PAUSE_MS, remote_retry_after(&r));
    }
}

int fetch_run(struct fetch *f, struct err *err)
{
    f->body = (struct body){.file = f->file,
                            .shown = f->file->place,
                            .share = 1,
                            .on_bytes = f->on_bytes,
                            .ctx = f->ctx};
    body_piece(&f->body);
    int rc = fetch(f, err);
    if (rc == 0 && f->want && !body_is(&f->body, f->want))
        rc = remote_fail(f->file->job, REMOTE_FAILED, err,
                         "the bytes that came of '%.150s' have another %s than the file", f->file->place, f->digest);
    body_done(f->body);
    free(take(f->etag));
    return rc;
}

int fetch_keyed(struct api *api, struct remote_import_file *file, const char *url,
                 int (*on_answer)(struct fetch *f, const struct http_client_response *r, struct err *err),
                 struct err *err)
{
    if (!fetch_is_path(file->place))
        return remote_fail(file->job, REMOTE_FAILED, err, "'%.150s' has no address: '.' and '..' are no names",
                           file->place);
    if (fetch_run(&(struct fetch){.api = api,
                                  .file = file,
                                  .url = url,
                                  .as_it_lies = true,
                                  .same = FETCH_IF_MATCH,
                                  .size = -1,
                                  .digest = "MD5",
                                  .on_answer = on_answer},
                  err) < 0)
        return -1;
    remote_say_folder(file, file->place);
    return 0;
}

void fetch_add_page(struct str *url, const struct remote_page *page, const char *marker)
{
    if (*page->place) {
        str_puts(url, "&prefix=");
        str_add_urlencoded(url, page->place, "");
    }
    if (!page->opts->recursive)
        str_puts(url, "&delimiter=%2F");
    if (marker) {
        str_puts(url, "&marker=");
        str_add_urlencoded(url, marker, "");
    }
}
