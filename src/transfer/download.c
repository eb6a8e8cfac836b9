#include "transfer/download.h"
#include "transfer/body.h"
#include "base/clock.h"
#include "http/naming.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define ATTEMPTS 3     /* without progress between them */
#define PAUSE_MS 500
#define REDIRECTS_MAX 10
#define CHANGES_MAX 2 /* how often a file may change under way */

/* What the other side says of the file, from its first answer on: as long as it says the same, parts of it belong
 * together. */
struct download_form {
    char *validator; /* for If-Range: a strong ETag, or a date that is as good; NULL: there is none */
    char *etag, *modified; /* as they came; NULL: not said */
    int64_t total;         /* bytes; -1: not said */
    bool known;
};

/* One address on its way into a file. */
struct download {
    struct body body;
    const struct download_plan *plan;
    const char *url;       /* what is fetched */
    const char *shown_url; /* what may be shown */
    bool own_range;        /* the caller's headers have a Range of their own */

    const struct value_range *range; /* that is asked for; NULL: the whole file */
    int64_t shift;       /* where the first byte of our file lies in theirs */
    int64_t resume;      /* of their file, where to go on; -1: from the beginning */
    bool whole;          /* the server ignored the range */
    bool parts;          /* it did not, for a range that was asked for */
    bool coded;          /* what is written is not what was sent */
    bool changed;        /* it is another file than before */
    int64_t deadline_us; /* 0: none */
    struct download_form form;
    struct http_client_response *answer; /* of the request under way */
};

static void form_forget(struct download_form *f)
{
    free(f->validator);
    free(f->etag);
    free(f->modified);
    *f = (struct download_form){.total = -1};
}

/* ---- which file it is ---- */

static int64_t time_of_header(const struct http_client_response *r, const char *name)
{
    AUTO(mem_free) char *text = http_client_header(r, name);
    struct tm tm = {0};

    return text && strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) ? timegm(&tm) : -1;
}

/* RFC 9110 13.1.5 and 8.8.2.2: a strong ETag, or, where there is none at all, a date that was past already when the
 * answer was made: what changes twice within a second has one date. */
static char *validator_of(const struct http_client_response *r, const char *etag, const char *modified)
{
    int64_t at = time_of_header(r, "last-modified"), now = time_of_header(r, "date");

    if (etag)
        return *etag == '"' && etag[1] && str_ends(etag, "\"") ? mem_strdup(etag) : NULL;
    return modified && at >= 0 && at < now ? mem_strdup(modified) : NULL;
}

static bool text_differs(const char *a, const char *b) { return a && b && strcmp(a, b) != 0; }

/* Is it still the file of the answers before? The first one is. */
static bool form_is_same(struct download *d, int64_t total)
{
    struct download_form *f = &d->form;
    AUTO(mem_free) char *etag = http_client_header(d->answer, "etag");
    AUTO(mem_free) char *modified = http_client_header(d->answer, "last-modified");

    if (f->known)
        return !text_differs(f->etag, etag) && !text_differs(f->modified, modified) &&
               (f->total < 0 || total < 0 || f->total == total);
    f->known = true;
    f->total = total;
    f->validator = validator_of(d->answer, etag, modified);
    f->etag = take(etag);
    f->modified = take(modified);
    return true;
}

/* ---- an answer ---- */

/* Of their file, the last byte that is wanted; -1: its end. */
static int64_t last_of(const struct download *d) { return d->body.size < 0 ? -1 : d->body.size + d->shift - 1; }

static int open_file(struct download *d, struct err *err)
{
    AUTO(mem_free) char *disposition = http_client_header(d->answer, "content-disposition");
    AUTO(mem_free) char *mime = http_client_header(d->answer, "content-type");
    AUTO(mem_free) char *name = disposition ? naming_from_disposition(disposition) : NULL;

    if (!name)
        name = naming_from_url(d->answer->url);
    return remote_open(d->body.file, name ? name : "", mime, err);
}

/* Is from-to what the request asked for? */
static bool is_asked_range(const struct download *d, int64_t from, int64_t to, int64_t total)
{
    const struct value_range *r = d->range;

    if (d->resume >= 0)
        return from == d->resume && (d->body.size < 0 || to <= last_of(d));
    if (!r)
        return false;
    if (r->from >= 0)
        return from == r->from && (r->to < 0 || to <= r->to);
    return to - from < r->to && (total < 0 || to == total - 1);
}

static int it_changed(struct download *d, struct err *err)
{
    d->changed = true;
    return err_set(err, ERR_IO, "the file changed while it was fetched");
}

static int begin_part(struct download *d, struct err *err)
{
    AUTO(mem_free) char *text = http_client_header(d->answer, "content-range");
    int64_t from, to, total;

    if (!text || !value_content_range(&from, &to, &total, text) || !is_asked_range(d, from, to, total))
        return remote_fail(d->body.file->job, REMOTE_FAILED, err,
                           "'%.150s' answered with another range than was asked for", d->shown_url);
    if (!form_is_same(d, total))
        return it_changed(d, err);
    if (d->resume < 0) {
        d->parts = true;
        int64_t end = d->range->to >= 0 && d->range->from >= 0 ? d->range->to + 1 : total;

        d->shift = d->plan->range_count > 1 ? 0 : from;
        body_lies(&d->body, from - d->shift, end < 0 ? -1 : end - d->shift);
    }
    return body_expect(&d->body, to - d->shift + 1, err);
}

/* All of it, from the beginning. */
static int begin_whole(struct download *d, int64_t length, struct err *err)
{
    AUTO(mem_free) char *coding = http_client_header(d->answer, "content-encoding");

    if (d->parts && !form_is_same(d, length)) /* the old one's range is not worth the new one's whole */
        return it_changed(d, err);
    form_forget(&d->form);
    (void)form_is_same(d, length);
    d->coded = coding && *coding && strcasecmp(coding, "identity") != 0;
    d->whole = true; /* a server that does not know ranges sends all there is */
    d->shift = 0;
    return body_starts_over(&d->body, d->coded ? -1 : length, err);
}

static int on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct download *d = ctx;

    if (status / 100 != 2)
        return 0;
    if (open_file(d, err) < 0)
        return -1;
    if (status == 206 && (d->range || d->resume >= 0))
        return begin_part(d, err);
    if (status == 206 && !d->own_range)
        return remote_fail(d->body.file->job, REMOTE_FAILED, err,
                           "'%.150s' answered with a part of the file, which nobody asked for", d->shown_url);
    return begin_whole(d, length, err);
}

static int on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    return body_take(&((struct download *)ctx)->body, data, len, err);
}

/* Of what can't be counted. */
static void download_on_progress(void *ctx, double fraction)
{
    const struct body *b = &((const struct download *)ctx)->body;

    if (b->size < 0)
        remote_import_progress(b->file, b->from + b->share * fraction);
}

/* ---- a request ---- */

struct download_lines {
    const char *all[VALUE_HEADERS_MAX + 3];
    char *range, *if_range; /* ours; NULL: none */
};

static void lines_done(struct download_lines l)
{
    free(l.range);
    free(l.if_range);
}
DEFINE_AUTO(struct download_lines, lines_done)

static char *range_line(const struct download *d)
{
    const struct value_range *r = d->range;

    if (d->resume >= 0 && d->body.size >= 0 && r)
        return mem_printf("Range: bytes=%lld-%lld", (long long)d->resume, (long long)last_of(d));
    if (d->resume >= 0)
        return mem_printf("Range: bytes=%lld-", (long long)d->resume);
    if (!r)
        return NULL;
    if (r->from < 0)
        return mem_printf("Range: bytes=-%lld", (long long)r->to);
    return r->to < 0 ? mem_printf("Range: bytes=%lld-", (long long)r->from)
                     : mem_printf("Range: bytes=%lld-%lld", (long long)r->from, (long long)r->to);
}

/* The caller's headers, and ours where we ask for a part. */
static void fill_headers(struct download_lines *l, const struct download *d)
{
    int n = 0;

    *l = (struct download_lines){.range = range_line(d)};
    if (d->resume >= 0)
        l->if_range = mem_printf("If-Range: %s", d->form.validator);
    for (const char *const *p = d->plan->headers; *p; p++)
        if (!l->range || (strncasecmp(*p, "range:", 6) != 0 && strncasecmp(*p, "if-range:", 9) != 0))
            l->all[n++] = *p;
    if (l->range)
        l->all[n++] = l->range;
    if (l->if_range)
        l->all[n++] = l->if_range;
}

static int download_refuse(const struct download *d, int rc, int status, const struct err *cause,
                           struct err *err)
{
    const struct robot_job *job = d->body.file->job;

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

static int seconds_left(const struct download *d)
{
    int64_t left = (d->deadline_us - clock_mono_us()) / SECOND_US;

    return !d->deadline_us ? 0 : left > 0 ? (int)left : 1;
}

static int run_once(struct http_client_response *r, struct download *d, struct err *cause)
{
    const struct robot_job *job = d->body.file->job;
    AUTO(lines_done) struct download_lines lines = {0};

    fill_headers(&lines, d);
    d->answer = r;
    int rc = http_client_run(r, d->plan->client,
                             &(struct http_client_request){
                                 .method = "GET",
                                 .url = d->url,
                                 .headers = lines.all,
                                 .body_length = -1,
                                 .idle_timeout_s = (int)jint(robot_settings(job), "idle_s", 0),
                                 .total_timeout_s = seconds_left(d),
                                 .max_redirects = REDIRECTS_MAX,
                                 .cookies = true,
                                 .guard = jstr_or(robot_settings(job), "import_allow", ""),
                                 .on_head = on_head,
                                 .on_body = on_body,
                                 .on_progress = download_on_progress,
                                 .ctx = d,
                             },
                             cause);
    d->answer = NULL;
    return rc;
}

/* Where the next attempt begins: behind what is there, if the other side can tell whether it is still the same file;
 * else what a broken answer wrote does not count. */
static void choose_resume(struct download *d, bool fits)
{
    d->resume = -1;
    if (fits && d->form.validator && !d->coded && !d->own_range && d->body.at > d->body.begin) {
        d->resume = d->body.at + d->shift;
        return;
    }
    body_back(&d->body);
    d->changed = d->whole && d->parts; /* what ranges had brought is gone */
    d->whole = false;
}

/* 1: all that was to come is there; 0: it is worth another attempt; -1: it is not. */
static int download_judge(const struct download *d, int rc, int status, struct err *cause)
{
    bool ended = d->body.stop >= 0 && d->body.at == d->body.stop;

    if (rc < 0)
        return cause->code == ERR_IO ? ended : -1;
    if (status / 100 == 2 && (ended || d->body.stop < 0))
        return 1;
    if (status / 100 == 2) {
        err_set(cause, ERR_IO, "it sent fewer bytes than it announced");
        return 0;
    }
    if (status == 416 && d->resume >= 0)
        return 0;
    return status >= 500 || status == 429 || status == 408 ? 0 : -1;
}

/* The whole file or one of its ranges. 1: it turned out to be another file than before. */
static int request(struct download *d, struct err *err)
{
    d->resume = -1;
    body_piece(&d->body);
    for (int attempt = 1;; attempt++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        struct err cause = {0};

        d->body.stop = -1;
        int rc = run_once(&r, d, &cause), verdict = download_judge(d, rc, r.status, &cause);

        if (d->changed)
            return 1;
        if (verdict > 0)
            return 0;
        if (verdict == 0)
            choose_resume(d, rc < 0 || r.status != 416);
        if (d->changed)
            return 1;
        if (d->resume >= 0 && body_moved(&d->body))
            attempt = 1;
        bool late = d->deadline_us && clock_mono_us() + SECOND_US >= d->deadline_us;
        if (verdict < 0 || d->plan->fail_fast || late || attempt == ATTEMPTS)
            return download_refuse(d, cause.code ? -1 : rc, r.status, &cause, err);
        remote_wait(d->body.file->job, attempt, PAUSE_MS, rc == 0 ? remote_retry_after(&r) : 0);
    }
}

/* All that is asked for of one file: again from the beginning when it turns out to be another one. */
static int fetch_all(struct download *d, struct err *err)
{
    int requests = d->plan->range_count ? d->plan->range_count : 1, changes = 0;

    d->body.share = 1.0 / requests;
    for (int k = 0; k < requests && !d->whole; k++) {
        d->range = d->plan->range_count ? &d->plan->ranges[k] : NULL;
        d->body.from = k * d->body.share;
        int rc = request(d, err);

        if (rc < 0)
            return -1;
        if (rc == 0)
            continue;
        if (d->plan->fail_fast || ++changes > CHANGES_MAX)
            return remote_fail(d->body.file->job, REMOTE_FAILED, err, "'%.150s' changes while it is fetched",
                               d->shown_url);
        form_forget(&d->form);
        d->changed = d->whole = d->parts = false;
        d->body.end = 0;
        k = -1;
    }
    return 0;
}

int download(struct remote_import_file *f, const struct download_plan *plan, struct err *err)
{
    AUTO(mem_free) char *asked = naming_clean_url(f->place);
    AUTO(mem_free) char *shown = naming_public_url(asked ? asked : "");
    AUTO(mem_free) char *direct = asked ? naming_direct_url(asked) : NULL;
    struct download d = {
        .body = {.file = f, .shown = shown}, .plan = plan, .url = direct, .shown_url = shown, .form = {.total = -1}};

    if (!asked)
        return remote_fail(f->job, REMOTE_FAILED, err,
                           "'url' holds something that is not a web address");
    if (plan->total_timeout_s)
        d.deadline_us = clock_mono_us() + plan->total_timeout_s * SECOND_US;
    for (const char *const *p = plan->headers; *p; p++)
        d.own_range |= !strncasecmp(*p, "range:", 6);
    int rc = fetch_all(&d, err);
    form_forget(&d.form);
    if (rc < 0 || body_cut(&d.body, err) < 0)
        return -1;
    jset(f->extra, "import_url", d.shown_url);
    return 0;
}
