/* Importing from whatever speaks like S3. */
#include "base/clock.h"
#include "transfer/s3_get.h"
#include "transfer/s3_list.h"
#include "transfer/s3_robot.h"
#include "transfer/s3_upload.h"

#include <stdio.h>
#include <string.h>

#define REQUESTS_MOST 10000 /* for pages of lists, in one job */
#define IDLE_MOST 1000      /* of them, without a file, one after the other */

struct s3_importing {
    struct s3_bucket bucket;
    const struct s3_import_opts *opts;
    struct value_range ranges[VALUE_RANGES_MAX];
    int range_count;
    struct s3_list *list;
    int requests, idle;
};

/* ---- a directory ---- */

/* Which part of it is wanted. */
struct s3_wanted {
    const char *prefix;
    int64_t skip, most; /* files before the first, and of them */
    json_t *places;
};

static int list_on_head(void *ctx, int status, const struct http_client_response *r, int64_t length,
                        struct err *err)
{
    s3_list_restart(((struct s3_importing *)ctx)->list);
    return 0;
}

static int list_failed(const struct s3_importing *im, const struct err *why, struct err *err)
{
    return remote_fail(im->bucket.job, REMOTE_FAILED, err, "%s", why->msg);
}

static int list_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct s3_importing *im = ctx;
    struct err why;

    return s3_list_add(im->list, data, len, &why) < 0 ? list_failed(im, &why, err) : 0;
}

/* What a key names: a file below the directory, and, unless it is to descend, not below another one
 * in it. One that ends in a slash is how some programs mark a directory. */
static bool is_wanted(const struct s3_importing *im, const struct s3_wanted *w, const char *key)
{
    return str_starts(key, w->prefix) && !str_ends(key, "/") &&
           (im->opts->import.recursive || !strchr(key + strlen(w->prefix), '/'));
}

static void take_keys(const struct s3_importing *im, struct s3_wanted *w, const json_t *keys)
{
    json_t *item;
    size_t i;

    json_array_foreach (keys, i, item)
        if (is_wanted(im, w, json_string_value(item)) && w->skip-- <= 0 && w->most > 0) {
            json_array_append(w->places, item);
            w->most--;
        }
}

/* One answer's worth. *token: where to go on, and where to then; NULL: the begin, and the end. */
static int list_some(struct s3_importing *im, struct s3_wanted *w, char **token, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    const char *start = str_given(im->opts->start_file_name) ? im->opts->start_file_name : NULL;
    int64_t most = (w->skip > 0 ? w->skip : 0) + w->most; /* no more than is still wanted */
    char most_text[24], code[64];

    snprintf(most_text, sizeof most_text, "%lld",
             (long long)(most < S3_LIST_KEYS ? most : S3_LIST_KEYS));
    const struct sigv4_pair query[] = {
        {"list-type", "2"},
        {"encoding-type", "url"},
        {"max-keys", most_text},
        {"prefix", w->prefix},
        {*token                ? "continuation-token"
         : start               ? "start-after"
         : im->opts->import.recursive ? NULL
                               : "delimiter",
         *token  ? *token
         : start ? start
                 : "/"},
        {(*token || start) && !im->opts->import.recursive ? "delimiter" : NULL, "/"},
        {0}};
    const char *next = NULL;
    json_t *keys;
    struct err why;

    if (im->requests++ == REQUESTS_MOST || im->idle == IDLE_MOST)
        return remote_fail(im->bucket.job, REMOTE_FAILED, err, "the list of '%.150s' has no end",
                           w->prefix);
    s3_list_restart(im->list);
    if (s3_call(&r, &im->bucket,
                &(struct s3_call){.method = "GET",
                                  .query = query,
                                  .fd = -1,
                                  .length = -1,
                                  .on_head = list_on_head,
                                  .on_body = list_on_body,
                                  .ctx = im},
                code, NULL, err) < 0)
        return -1;
    if (s3_list_end(im->list, &keys, &next, &why) < 0)
        return list_failed(im, &why, err);
    if (next && *token && !strcmp(next, *token))
        return remote_fail(im->bucket.job, REMOTE_FAILED, err,
                           "the list of '%.150s' turns in a circle", w->prefix);
    im->idle = json_array_size(keys) ? 0 : im->idle + 1;
    take_keys(im, w, keys);
    free(*token);
    *token = next ? mem_strdup(next) : NULL;
    return 0;
}

/* With `recursive` one page of the size that was asked for; else as the answers come, those with
 * nothing in them passed by. */
static int s3_list_page(void *ctx, struct remote_page *page, struct err *err)
{
    struct s3_importing *im = ctx;
    bool paged = page->opts->recursive;
    int64_t size = paged ? page->opts->files_per_page : S3_LIST_KEYS;
    struct s3_wanted w = {.prefix = page->place,
                          .skip = paged ? (page->number - 1) * size : 0,
                          .most = size,
                          .places = page->places};
    AUTO(mem_free) char *token = page->after ? mem_strdup(page->after) : NULL;

    do {
        if (list_some(im, &w, &token, err) < 0)
            return -1;
    } while (token && (paged ? w.most > 0 : !json_array_size(page->places)));
    page->next = take(token);
    return 0;
}

/* ---- a file ---- */

static int s3_get_file(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct s3_importing *im = ctx;

    remote_say_folder(f, f->place);
    return s3_get(&im->bucket, f, f->place, im->ranges, im->range_count, err);
}

/* The secret signs for one key and one day. What no list had is asked for first: nobody would find out before, and the
 * answer corrects a wrong region. */
static int s3_stub_file(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct s3_importing *im = ctx;
    struct s3_bucket *b = &im->bucket;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    const char *slash = strrchr(f->place, '/');
    char code[64];

    if (!f->listed && s3_call(&r, b, &(struct s3_call){.method = "HEAD", .key = f->place, .fd = -1, .length = -1},
                              code, NULL, err) < 0)
        return -1;
    AUTO(mem_free) char *url = s3_signed_url(b, b->scheme, f->place, REMOTE_STUB_LIFE_S);
    remote_say_folder(f, f->place);
    return remote_stub(f, slash ? slash + 1 : f->place, url, clock_now_us() + REMOTE_STUB_LIFE_S * SECOND_US, err);
}

/* ---- the bucket ---- */

static int s3_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct s3_importing *im = ctx;

    im->range_count = im->opts->range ? value_ranges(im->ranges, im->opts->range, err) : 0;
    im->list = s3_list_new();
    return im->range_count < 0 ? -1 : s3_open(&im->bucket, job, &im->opts->place, NULL, err);
}

static void s3_import_close(void *ctx)
{
    struct s3_importing *im = ctx;

    s3_list_free(im->list);
    s3_bucket_done(im->bucket);
}

int s3_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct import_service service = {.things = "keys",
                                                  .pages = IMPORT_ONE_DEEP,
                                                  .keys = true,
                                                  .open = s3_import_open,
                                                  .close = s3_import_close,
                                                  .list = s3_list_page,
                                                  .get = s3_get_file,
                                                  .stub = s3_stub_file};
    const struct s3_import_opts *o = opts;

    return remote_import(job, &service, &(struct s3_importing){.opts = o}, &o->import, err);
}
