#include "transfer/fetch.h"
#include "transfer/values.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PAUSE_MS 500
#define WORTH (INT64_C(1) << 20) /* bytes: an attempt that brought so many counts as none */
#define NOT_READY_MAX 30         /* times that a service may say so */

/* ---- an answer ---- */

/* "bytes 5-9/10" must begin where we stopped. What it says of the whole is its size. */
static bool begins_where_we_stopped(struct fetch *f, const char *text)
{
    int64_t from, to, all;

    if (!text || strncasecmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    if (!value_offset(&from, &text) || *text++ != '-' || !value_offset(&to, &text) || *text++ != '/' ||
        from != f->done)
        return false;
    if (*text == '*')
        return true;
    if (!value_offset(&all, &text) || *text || to >= all || (f->size >= 0 && all != f->size))
        return false;
    f->size = all;
    return true;
}

/* A whole one: what an earlier one brought is forgotten. */
static int begin(struct fetch *f, int64_t length, struct err *err)
{
    f->done = 0;
    if (f->size < 0)
        f->size = length;
    if (length >= 0 && length != f->size)
        return remote_fail(f->file->job, REMOTE_FAILED, err, "'%.150s' has %lld bytes, but %s sends %lld",
                           f->file->place, (long long)f->size, f->api->service, (long long)length);
    if (f->file->limit && f->size > f->file->limit)
        return remote_too_large(f->file, f->file->place, f->size, err);
    if (ftruncate(f->file->fd, 0) < 0)
        return err_errno(err, "empty the imported file");
    if (f->on_bytes)
        f->on_bytes(f, NULL, 0);
    free(f->etag);
    f->etag = http_client_header(f->answer, "etag");
    return 0;
}

static int begin_or_go_on(struct fetch *f, int status, int64_t length, struct err *err)
{
    if (f->on_answer && f->on_answer(f, f->answer, err) < 0)
        return -1;
    if (status != 206)
        return begin(f, length, err);
    AUTO(mem_free) char *range = http_client_header(f->answer, "content-range");
    return begins_where_we_stopped(f, range) ? 0 : api_odd(f->api, err, "it sends another range than was asked for");
}

static int got_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct fetch *f = ctx;

    f->not_ready = status == 202;
    if (status / 100 != 2 || f->not_ready || begin_or_go_on(f, status, length, err) == 0)
        return 0;
    f->ours = true;
    return -1;
}

static int take_bytes(struct fetch *f, const char *data, size_t len, struct err *err)
{
    if (f->size >= 0 && f->done + (int64_t)len > f->size)
        return api_odd(f->api, err, "it sends more bytes than the file has");
    if (f->file->limit && f->done + (int64_t)len > f->file->limit)
        return remote_too_large(f->file, f->file->place, -1, err);
    if (f->on_bytes)
        f->on_bytes(f, data, len);
    while (len) {
        ssize_t n = pwrite(f->file->fd, data, len, f->done);

        if (n < 0)
            return err_errno(err, "write the imported file");
        data += n;
        len -= (size_t)n;
        f->done += n;
    }
    if (f->size > 0)
        remote_import_progress(f->file, (double)f->done / (double)f->size);
    return 0;
}

static int got_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct fetch *f = ctx;

    if (f->not_ready || take_bytes(f, data, len, err) == 0)
        return 0;
    f->ours = true;
    return -1;
}

/* ---- and another one, where it was cut off ---- */

/* to: its answer. -1: not an answer that is fine to the end. */
static int ask(struct http_client_response *to, struct fetch *f, struct err *err)
{
    AUTO(mem_free) char *range = f->done ? mem_printf("Range: bytes=%lld-", (long long)f->done) : NULL;
    AUTO(mem_free)
    char *condition = f->done && f->etag && *f->etag == '"' ? mem_printf("If-Range: %s", f->etag) : NULL;
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
                                      .anonymous = f->anonymous,
                                      .max_redirects = f->max_redirects,
                                      .on_head = got_head,
                                      .on_body = got_body,
                                      .ctx = f},
                   err);
}

static bool fetch_may_go_on(const struct fetch *f, int rc, int status, const struct err *err)
{
    /* A status that says no was heard as often as it is worth. Of an answer that broke off it is that of a redirect
     * before it, or 0. */
    return rc == 0 || (!f->ours && err->code != ERR_SERVER_403 && !err->is_private_address && status < 400);
}

static int fetch(struct fetch *f, struct err *err)
{
    int waits = 0;

    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        int64_t before = f->done;
        int rc = ask(&r, f, err);

        if (rc == 0 && !f->not_ready && (f->size < 0 || f->done == f->size))
            return 0;
        if (!fetch_may_go_on(f, rc, r.status, err))
            return -1;
        if (f->done - before >= WORTH)
            attempt = 1;
        if (rc == 0 && f->not_ready && waits++ < NOT_READY_MAX)
            attempt = 1;
        if (attempt >= REMOTE_ATTEMPTS)
            return rc < 0
                       ? -1
                       : remote_fail(f->file->job, REMOTE_FAILED, err, "%s sends %lld of the %lld bytes of '%.150s'",
                                     f->api->service, (long long)f->done, (long long)f->size, f->file->place);
        remote_wait(f->file->job, attempt, PAUSE_MS, remote_retry_after(&r));
    }
}

int fetch_run(struct fetch *f, struct err *err)
{
    int rc = fetch(f, err);

    free(take(f->etag));
    return rc;
}
