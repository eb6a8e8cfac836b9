#include "transfer/s3_get.h"
#include "transfer/body.h"
#include "transfer/s3_sums.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROUNDS 3 /* so often an object may change, or arrive damaged, under our hands */

/* One object on its way into a file, and the request under way for it. */
struct getting {
    struct s3_bucket *bucket;
    struct body body;
    const char *key;
    const struct value_range *range; /* that is asked for; NULL: the whole */
    bool own_offset;                 /* its bytes go where they are in the object */

    struct sigv4_pair headers[4];
    char range_text[64], etag[256]; /* etag "": none by which the object could be known again */
    int64_t shift;                  /* where the first byte of our file lies in the object */
    bool whole;                     /* the server gives all there is, though asked for a range */
    bool begun;                     /* there was an answer with bytes of this range */
    bool changed;                   /* there is another object now */
    bool coded;                     /* they are decoded on the way: they can't be counted */
    struct s3_sums *sums;
};

/* ---- what is asked for ---- */

static void get_ask(struct getting *g)
{
    const struct value_range *r = g->range;
    char *t = g->range_text;
    size_t n = sizeof g->range_text;

    *t = 0;
    if (g->body.at > g->body.begin)
        snprintf(t, n, g->body.size >= 0 ? "bytes=%lld-%lld" : "bytes=%lld-", (long long)(g->shift + g->body.at),
                 (long long)(g->shift + g->body.size - 1));
    else if (r && r->from < 0)
        snprintf(t, n, "bytes=-%lld", (long long)r->to);
    else if (r)
        snprintf(t, n, r->to >= 0 ? "bytes=%lld-%lld" : "bytes=%lld-", (long long)r->from,
                 (long long)r->to);
}

/* Everything of this range anew. */
static void get_forget(struct getting *g)
{
    body_back(&g->body);
    g->begun = g->coded = false;
    s3_sums_free(take(g->sums));
}

static bool get_before(void *ctx)
{
    struct getting *g = ctx;
    struct sigv4_pair *h = g->headers;

    if (g->body.at > g->body.begin && (!*g->etag || g->coded))
        get_forget(g);
    bool moved = body_moved(&g->body);
    get_ask(g);
    *h++ = (struct sigv4_pair){"x-amz-checksum-mode", "ENABLED"};
    if (*g->range_text)
        *h++ = (struct sigv4_pair){"range", g->range_text};
    if (*g->range_text && *g->etag)
        *h++ = (struct sigv4_pair){"if-match", g->etag};
    *h = (struct sigv4_pair){0};
    return moved;
}

/* ---- what comes ---- */

static int get_odd(const struct getting *g, struct err *err, const char *what)
{
    return remote_fail(g->bucket->job, REMOTE_FAILED, err, "of '%.150s' came %s", g->key, what);
}

static int get_part(struct getting *g, const struct http_client_response *r, struct err *err)
{
    const struct value_range *want = g->range;
    AUTO(mem_free) char *text = http_client_header(r, "content-range");
    int64_t from, to, total;

    if (!text || !value_content_range(&from, &to, &total, text))
        return get_odd(g, err, "a part that does not say which");
    if (g->begun) {
        if (from != g->shift + g->body.at || (g->body.size >= 0 && to + 1 != g->shift + g->body.size))
            return get_odd(g, err, "another part than was asked for");
        g->body.size = to + 1 - g->shift;
        return body_expect(&g->body, g->body.size, err);
    }
    /* there was a whole one in between, so what other ranges had brought is gone */
    g->changed = g->whole;
    if (g->changed)
        return get_odd(g, err, "a part of what had come whole");
    if (!want || (want->from >= 0 && (from != want->from || (want->to >= 0 && to > want->to))) ||
        (want->from < 0 && to - from >= want->to))
        return get_odd(g, err, "another range than was asked for");
    g->shift = g->own_offset ? 0 : from;
    g->begun = true;
    body_lies(&g->body, from - g->shift, to + 1 - g->shift);
    return body_expect(&g->body, g->body.size, err);
}

/* All of it: it was asked for, or the server knows no ranges. */
static int get_whole(struct getting *g, const struct http_client_response *r, int64_t length,
                     struct err *err)
{
    AUTO(mem_free) char *coding = http_client_header(r, "content-encoding");

    get_forget(g);
    g->whole = g->begun = true;
    g->coded = coding && *coding && strcasecmp(coding, "identity") != 0;
    g->shift = 0;
    if (!g->coded)
        g->sums = s3_sums_new(r);
    return body_starts_over(&g->body, g->coded ? -1 : length, err);
}

/* By its ETag, which is kept. A store that minds no If-Match must not have two objects spliced. */
static bool get_same(struct getting *g, const struct http_client_response *r, bool is_part)
{
    AUTO(mem_free) char *etag = http_client_header(r, "etag");
    bool known = etag && *etag && *etag != 'W' && strlen(etag) < sizeof g->etag;

    g->changed = is_part && *g->etag && (!etag || strcmp(g->etag, etag) != 0);
    if (!g->changed)
        snprintf(g->etag, sizeof g->etag, "%s", known ? etag : "");
    return !g->changed;
}

static int get_on_head(void *ctx, int status, const struct http_client_response *r, int64_t length,
                       struct err *err)
{
    struct getting *g = ctx;
    AUTO(mem_free) char *mime = http_client_header(r, "content-type");
    const char *slash = strrchr(g->key, '/');
    bool is_part = status == 206 && *g->range_text;

    if (remote_open(g->body.file, slash ? slash + 1 : g->key, mime, err) < 0)
        return -1;
    if (!get_same(g, r, is_part))
        return get_odd(g, err, "a part of another object: it has changed");
    return is_part ? get_part(g, r, err) : get_whole(g, r, length, err);
}

static int get_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct getting *g = ctx;

    s3_sums_add(g->sums, data, len);
    return body_take(&g->body, data, len, err);
}

/* ---- all of it ---- */

/* One range, or the whole. 1: the object is not the one of which the bytes so far are. */
static int get_one(struct getting *g, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];

    body_piece(&g->body);
    get_forget(g);
    g->whole = g->changed = false;
    if (s3_call(&r, g->bucket,
                &(struct s3_call){.method = "GET",
                                  .key = g->key,
                                  .headers = g->headers,
                                  .fd = -1,
                                  .length = -1,
                                  .before = get_before,
                                  .on_head = get_on_head,
                                  .on_body = get_on_body,
                                  .ctx = g},
                code, NULL, err) < 0)
        return g->changed || !strcmp(code, "PreconditionFailed") || !strcmp(code, "412") ? 1 : -1;
    if (!body_is_whole(&g->body))
        return get_odd(g, err, "fewer bytes than were announced");
    const char *wrong = s3_sums_wrong(g->sums);
    if (!wrong)
        return 0;
    remote_fail(g->bucket->job, REMOTE_FAILED, err, "the bytes of '%.150s' are not those of its %s",
                g->key, wrong);
    return 1;
}

static int get_all(struct getting *g, const struct value_range *ranges, int count, struct err *err)
{
    int rc = 0, requests = count ? count : 1;

    g->etag[0] = 0;
    g->body.share = 1.0 / requests;
    if (body_starts_over(&g->body, -1, err) < 0)
        return -1;
    for (int k = 0; k < requests && rc == 0 && !(k && g->whole); k++) {
        g->range = count ? &ranges[k] : NULL;
        g->body.from = k * g->body.share;
        rc = get_one(g, err);
    }
    return rc ? rc : body_cut(&g->body, err);
}

int s3_get(struct s3_bucket *b, struct remote_import_file *f, const char *key,
           const struct value_range *ranges, int range_count, struct err *err)
{
    struct getting g = {.bucket = b, .body = {.file = f, .shown = key}, .key = key, .own_offset = range_count > 1};
    int rc = 1;

    for (int round = 1; rc == 1 && round <= ROUNDS; round++)
        rc = get_all(&g, ranges, range_count, err);
    get_forget(&g);
    return rc == 0 ? 0 : -1;
}
