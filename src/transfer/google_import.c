/* The half of google.h that is about imports. */
#include "transfer/fetch.h"
#include "transfer/google.h"
#include "transfer/values.h"

#include <stdio.h>
#include <string.h>

#define PER_ANSWER 500 /* objects: names of 1024 bytes, and an answer is read up to 1 MiB */
#define PAGES_MAX 2000 /* of all listings of a job */
#define FIELDS "name,size,generation,md5Hash,crc32c,contentType,contentEncoding"

/* ---- lists ---- */

static char *page_url(const struct google_listing *l, const struct remote_page *page, const char *token, int64_t most)
{
    AUTO(str_done) struct str out = {0};
    AUTO(mem_free) char *list = google_url(&l->google, NULL);

    str_addf(&out, "%s?maxResults=%lld&fields=nextPageToken%%2Citems(", list, (long long)most);
    str_add_urlencoded(&out, FIELDS, "");
    str_puts(&out, ")&prefix=");
    str_add_urlencoded(&out, page->place, "");
    if (!page->opts->recursive)
        str_puts(&out, "&delimiter=%2F");
    if (str_given(token)) {
        str_puts(&out, "&pageToken=");
        str_add_urlencoded(&out, token, "");
    }
    return str_take(&out);
}

int google_read_page(json_t *places, json_t *known, char **next, const json_t *answer, const char **what)
{
    const json_t *items = json_object_get(answer, "items"), *token = json_object_get(answer, "nextPageToken");
    json_t *item;
    size_t i;

    *what = "its list is none";
    *next = NULL;
    if ((items && !json_is_array(items)) || (token && !json_is_string(token)))
        return -1;
    json_array_foreach (items, i, item) {
        const char *name = jstr_or(item, "name", "");

        if (!*name || strlen(name) > GOOGLE_NAME_MAX) {
            *what = "its list has an object without a name";
            return -1;
        }
        if (str_ends(name, "/")) /* stands for a directory */
            continue;
        json_array_append(places, json_object_get(item, "name"));
        json_object_set(known, name, item);
    }
    if (json_string_length(token))
        *next = mem_strdup(json_string_value(token));
    return 0;
}

static int read_answer(struct google_listing *l, struct remote_page *page, const char *token, int64_t most,
                       char **next, struct err *err)
{
    AUTO(mem_free) char *url = page_url(l, page, token, most);
    const char *what;

    if (l->pages++ >= PAGES_MAX)
        return remote_fail(l->google.api.job, REMOTE_FAILED, err, "the list of '%.150s' has no end", page->place);
    AUTO(json_unref)
    json_t *answer = api_json(&l->google.api, &(struct api_call){.method = "GET", .url = url, .length = -1}, err);
    if (!answer)
        return -1;
    return google_read_page(page->places, l->known, next, answer, &what) < 0 ? api_odd(&l->google.api, err, what) : 0;
}

/* Until the page is full: one answer may have less, or only what stands for directories. */
static int list(void *ctx, struct remote_page *page, struct err *err)
{
    struct google_listing *l = ctx;
    AUTO(mem_free) char *token = page->after ? mem_strdup(page->after) : NULL;

    json_decref(l->known);
    l->known = json_object();
    for (;;) {
        int64_t left = page->opts->files_per_page - (int64_t)json_array_size(page->places);
        char *next = NULL;

        if (read_answer(l, page, token, left < PER_ANSWER ? left : PER_ANSWER, &next, err) < 0)
            return -1;
        free(token);
        token = next;
        if (!token || (int64_t)json_array_size(page->places) >= page->opts->files_per_page)
            break;
    }
    page->next = take(token);
    return 0;
}

/* ---- one object ---- */

struct getting {
    json_t *object; /* what the store says of it */
    struct google_sums *sums;
};

static int64_t number_of(const json_t *object, const char *name)
{
    const char *text = jstr_or(object, name, "x");
    int64_t n;

    return value_offset(&n, &text) && !*text ? n : -1;
}

static json_t *ask_object(const struct google *g, const char *name, struct err *err)
{
    AUTO(mem_free) char *object = google_url(g, name);
    AUTO(mem_free) char *url = mem_printf("%s?fields=" FIELDS, object);

    return api_json((struct api *)&g->api, &(struct api_call){.method = "GET", .url = url, .length = -1}, err);
}

static int google_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    const struct getting *g = f->ctx;
    const char *slash = strrchr(f->file->place, '/');

    (void)r;
    return remote_open(f->file, slash ? slash + 1 : f->file->place, jstr(g->object, "contentType"), err);
}

static void google_on_bytes(void *ctx, const void *data, size_t len)
{
    struct getting *g = ctx;

    if (data) {
        google_sums_add(g->sums, data, len);
        return;
    }
    google_sums_free(g->sums);
    g->sums = google_sums_new();
}

static int compare(struct getting *g, const struct remote_import_file *f, struct err *err)
{
    const char *want_md5 = jstr(g->object, "md5Hash"), *want_crc32c = jstr(g->object, "crc32c");
    char md5[25], crc32c[9];

    google_sums_end(g->sums, md5, crc32c);
    if ((!want_md5 || !strcmp(want_md5, md5)) && (!want_crc32c || !strcmp(want_crc32c, crc32c)))
        return 0;
    return remote_fail(f->job, REMOTE_FAILED, err, "what came of '%.150s' is not what its checksum says", f->place);
}

/* coded: stored compressed, so that it is decoded on the way, and can't be counted or compared. */
static int fetch_object(struct getting *g, struct google *google, struct remote_import_file *f, bool coded,
                        struct err *err)
{
    int64_t size = number_of(g->object, "size"), generation = number_of(g->object, "generation");
    AUTO(mem_free) char *object = google_url(google, f->place);
    AUTO(mem_free) char *url = mem_printf("%s?alt=media&generation=%lld", object, (long long)generation);

    if (size < 0 || generation < 0)
        return api_odd(&google->api, err, "it does not say how large an object is");
    if (f->limit && size > f->limit)
        return remote_too_large(f, f->place, size, err);
    if (fetch_run(&(struct fetch){.api = &google->api,
                                  .file = f,
                                  .url = url,
                                  .lines = {coded ? "Accept-Encoding: gzip" : NULL},
                                  .same = coded ? FETCH_NEVER : FETCH_PINNED,
                                  .size = coded ? -1 : size,
                                  .on_answer = google_on_answer,
                                  .on_bytes = google_on_bytes,
                                  .ctx = g},
                  err) < 0)
        return -1;
    return coded ? 0 : compare(g, f, err);
}

static int get(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct google_listing *l = ctx;
    json_t *listed = json_object_get(l->known, f->place);
    AUTO(json_unref) json_t *object = listed ? json_incref(listed) : ask_object(&l->google, f->place, err);
    const char *coding = jstr_or(object, "contentEncoding", "");
    struct getting g = {.object = object};

    if (!object)
        return -1;
    int rc = fetch_object(&g, &l->google, f, *coding && strcmp(coding, "identity") != 0, err);
    google_sums_free(g.sums);
    if (rc == 0)
        remote_say_folder(f, f->place);
    return rc;
}

static int google_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct google_listing *l = ctx;
    int rc = google_open(&l->google, job, l->place, "devstorage.read_only", err);

    l->google.api.ctx = &l->google;
    return rc;
}

static void google_import_close(void *ctx)
{
    struct google_listing *l = ctx;

    json_decref(l->known);
    google_close(l->google);
}

const struct import_service google_service = {.things = "objects",
                                              .pages = IMPORT_ONE_DEEP,
                                              .keys = true,
                                              .open = google_import_open,
                                              .close = google_import_close,
                                              .list = list,
                                              .get = get};
