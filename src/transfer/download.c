#include "transfer/download.h"
#include "http/naming.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ATTEMPTS 3
#define PAUSE_MS 500
#define REDIRECTS_MAX 10

/* One address on its way into a file. */
struct download {
    struct remote_import_file *file;
    const struct download_plan *plan;
    const char *url;       /* what is fetched */
    const char *shown_url; /* what may be shown */
    double from, share;    /* of the request under way in the file's progress */

    int64_t offset, end; /* where the next byte goes; one past the highest byte */
    int64_t stop;        /* bytes of this answer end here; -1: anywhere */
    const struct value_range *range;
    bool whole;                          /* the server ignored the range */
    struct http_client_response *answer; /* of the request under way */
};

/* First byte of "bytes 0-99/1000"; -1 when it can't be read. */
static int64_t content_range(int64_t *to, const char *text)
{
    int64_t from;

    if (strncasecmp(text, "bytes", 5) != 0)
        return -1;
    text += 5 + strspn(text + 5, " =");
    if (!value_offset(&from, &text) || *text++ != '-' || !value_offset(to, &text) || *to < from)
        return -1;
    return from;
}

static int open_file(struct download *d, struct err *err)
{
    AUTO(mem_free) char *disposition = http_client_header(d->answer, "content-disposition");
    AUTO(mem_free) char *mime = http_client_header(d->answer, "content-type");
    AUTO(mem_free) char *name = disposition ? naming_from_disposition(disposition) : NULL;

    if (!name)
        name = naming_from_url(d->answer->url);
    return remote_open(d->file, name ? name : "", mime, err);
}

static int begin_part(struct download *d, struct err *err)
{
    AUTO(mem_free) char *text = http_client_header(d->answer, "content-range");
    const struct value_range *r = d->range;
    int64_t to, from = text ? content_range(&to, text) : -1;

    if (from < 0 || (r->from >= 0 && (from != r->from || (r->to >= 0 && to > r->to))) ||
        (r->from < 0 && to - from >= r->to))
        return remote_fail(d->file->job, REMOTE_FAILED, err,
                           "'%.150s' answered with another range than was asked for", d->shown_url);
    d->offset = d->plan->range_count > 1 ? from : 0;
    d->stop = d->offset + (to - from + 1);
    return d->file->limit && d->stop > d->file->limit
               ? remote_too_large(d->file, d->shown_url, d->stop, err)
               : 0;
}

static int on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct download *d = ctx;

    if (status / 100 != 2)
        return 0;
    if (open_file(d, err) < 0)
        return -1;
    d->stop = -1;
    if (d->range && status == 206)
        return begin_part(d, err);
    d->whole = true; /* a server that does not know ranges sends all there is */
    d->offset = d->end = 0;
    if (ftruncate(d->file->fd, 0) < 0)
        return err_errno(err, "empty the imported file");
    return d->file->limit && length > d->file->limit
               ? remote_too_large(d->file, d->shown_url, length, err)
               : 0;
}

static int on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct download *d = ctx;

    if (d->stop >= 0 && d->offset + (int64_t)len > d->stop)
        return remote_fail(d->file->job, REMOTE_FAILED, err,
                           "'%.150s' sent more bytes than it announced", d->shown_url);
    if (d->file->limit && d->offset + (int64_t)len > d->file->limit)
        return remote_too_large(d->file, d->shown_url, -1, err);
    while (len) {
        ssize_t n = pwrite(d->file->fd, data, len, d->offset);

        if (n < 0)
            return err_errno(err, "write the imported file");
        data += n;
        len -= (size_t)n;
        d->offset += n;
    }
    if (d->offset > d->end)
        d->end = d->offset;
    return 0;
}

static void download_on_progress(void *ctx, double fraction)
{
    const struct download *d = ctx;

    remote_import_progress(d->file, d->from + d->share * fraction);
}

/* What is sent: the caller's headers, and the range if there is one. The text is freed with *range.
 */
static void fill_headers(const char *out[static VALUE_HEADERS_MAX + 2], char **range,
                         const struct download *d)
{
    const struct value_range *r = d->range;
    int n = 0;

    for (const char *const *p = d->plan->headers; *p; p++)
        if (!r || strncasecmp(*p, "range:", 6) != 0)
            out[n++] = *p;
    if (r && r->from < 0)
        *range = mem_printf("Range: bytes=-%lld", (long long)r->to);
    else if (r && r->to < 0)
        *range = mem_printf("Range: bytes=%lld-", (long long)r->from);
    else if (r)
        *range = mem_printf("Range: bytes=%lld-%lld", (long long)r->from, (long long)r->to);
    if (*range)
        out[n++] = *range;
    out[n] = NULL;
}

static int refuse(const struct download *d, int rc, int status, const struct err *cause,
                  struct err *err)
{
    const struct robot_job *job = d->file->job;

    if (rc < 0 && cause->is_private_address) {
        char what[200];

        snprintf(what, sizeof what, "'%.150s' is not fetched", d->shown_url);
        return remote_refused(job, err, what, cause->msg);
    }
    if (rc < 0 && (cause->code == ERR_IO || cause->code == ERR_INPUT))
        return remote_fail(job, REMOTE_FAILED, err, "can't fetch '%.150s': %s", d->shown_url,
                           cause->msg);
    if (rc < 0) { /* ours: no space, too large */
        *err = *cause;
        return -1;
    }
    return remote_fail(job,
                       status == 404 || status == 410   ? REMOTE_NOT_FOUND
                       : status == 401 || status == 403 ? REMOTE_DENIED
                                                        : REMOTE_FAILED,
                       err, "'%.150s' answered with status %d", d->shown_url, status);
}

/* One request: the whole file or one of its ranges. */
static int request(struct download *d, struct err *err)
{
    const struct robot_job *job = d->file->job;
    AUTO(mem_free) char *range = NULL;
    const char *headers[VALUE_HEADERS_MAX + 2];

    fill_headers(headers, &range, d);
    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};
        int64_t end_before = d->end;

        d->answer = &r;
        int rc = http_client_run(&r, d->plan->client,
                                 &(struct http_client_request){
                                     .method = "GET",
                                     .url = d->url,
                                     .headers = headers,
                                     .body_length = -1,
                                     .idle_timeout_s = (int)jint(robot_settings(job), "idle_s", 0),
                                     .max_redirects = REDIRECTS_MAX,
                                     .cookies = true,
                                     .guard = jstr_or(robot_settings(job), "import_allow", ""),
                                     .on_head = on_head,
                                     .on_body = on_body,
                                     .on_progress = download_on_progress,
                                     .ctx = d,
                                 },
                                 &cause);
        d->answer = NULL;
        if (rc == 0 && r.status / 100 == 2)
            return 0;
        bool again = rc < 0 ? cause.code == ERR_IO : r.status >= 500 || r.status == 429;
        if (!again || d->plan->fail_fast || attempt == ATTEMPTS)
            return refuse(d, rc, r.status, &cause, err);
        d->end = end_before; /* what a broken answer wrote does not count */
        d->whole = false;
        remote_pause(job, attempt, PAUSE_MS);
    }
}

int download(struct remote_import_file *f, const struct download_plan *plan, struct err *err)
{
    AUTO(mem_free) char *asked = naming_clean_url(f->place);
    AUTO(mem_free) char *shown = naming_public_url(asked ? asked : "");
    AUTO(mem_free) char *direct = asked ? naming_direct_url(asked) : NULL;
    struct download d = {.file = f, .plan = plan, .url = direct, .shown_url = shown};
    int requests = plan->range_count ? plan->range_count : 1;

    if (!asked)
        return remote_fail(f->job, REMOTE_FAILED, err,
                           "'url' holds something that is not a web address");
    d.share = 1.0 / requests;
    for (int k = 0; k < requests && !d.whole; k++) {
        d.range = plan->range_count ? &plan->ranges[k] : NULL;
        d.from = k * d.share;
        if (request(&d, err) < 0)
            return -1;
    }
    /* A shorter second answer must not leave the tail of a longer, broken first one behind. */
    if (ftruncate(f->fd, d.end) < 0)
        return err_errno(err, "cut the imported file");
    jset(f->extra, "import_url", d.shown_url);
    return 0;
}
