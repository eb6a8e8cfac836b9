/* The half of google.h that is about imports. */
#include "transfer/google.h"
#include "transfer/values.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PER_ANSWER 500 /* objects: names of 1024 bytes, and an answer is read up to 1 MiB */
#define PAGES_MAX 2000 /* of all listings of a job */
#define PAUSE_MS 500
#define FIELDS "name,size,generation,md5Hash,crc32c,contentType,contentEncoding"
#define WORTH ((int64_t)1024 * 1024) /* bytes after which attempts are counted anew */

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
    struct google *google;
    struct remote_import_file *file;
    const char *name;
    int64_t size, generation;
    const char *md5, *crc32c; /* as the store has them; NULL: it does not */
    bool coded;               /* stored compressed: it is decoded on the way, and can't be counted or compared */
    int64_t got;
    struct google_sums *sums;
    struct http_client_response *answer;
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

static int forget(struct getting *g, struct err *err)
{
    g->got = 0;
    google_sums_free(g->sums);
    g->sums = google_sums_new();
    return g->file->fd >= 0 && ftruncate(g->file->fd, 0) < 0 ? err_errno(err, "empty the imported file") : 0;
}

static int part_is_wrong(const struct getting *g, struct err *err)
{
    return remote_fail(g->file->job, REMOTE_FAILED, err, "of '%.150s' came another part than was asked for", g->name);
}

static int google_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct getting *g = ctx;
    AUTO(mem_free)
    char *want = mem_printf("bytes %lld-%lld/%lld", (long long)g->got, (long long)g->size - 1, (long long)g->size);
    AUTO(mem_free) char *part = http_client_header(g->answer, "content-range");

    if (status / 100 != 2)
        return 0;
    if (status == 206)
        return g->got && part && !strcmp(part, want) ? 0 : part_is_wrong(g, err);
    if (g->got && forget(g, err) < 0) /* all of it once more */
        return -1;
    return !g->coded && length >= 0 && length != g->size ? part_is_wrong(g, err) : 0;
}

static int google_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct getting *g = ctx;

    if (!g->coded && g->got + (int64_t)len > g->size)
        return remote_fail(g->file->job, REMOTE_FAILED, err, "of '%.150s' came more bytes than it has", g->name);
    if (g->file->limit && g->got + (int64_t)len > g->file->limit)
        return remote_too_large(g->file, g->name, -1, err);
    google_sums_add(g->sums, data, len);
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(g->file->fd, data + done, len - done, g->got + (int64_t)done);

        if (n < 0)
            return err_errno(err, "write the imported file");
        done += (size_t)n;
    }
    g->got += (int64_t)len;
    if (g->size > 0 && !g->coded)
        remote_import_progress(g->file, (double)g->got / (double)g->size);
    return 0;
}

/* 0: all of it came. *again: it did not, but may. */
static int fetch_object(struct getting *g, bool *again, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *object = google_url(g->google, g->name);
    AUTO(mem_free) char *url = mem_printf("%s?alt=media&generation=%lld", object, (long long)g->generation);
    AUTO(mem_free) char *range = g->got ? mem_printf("Range: bytes=%lld-", (long long)g->got) : NULL;
    const char *const headers[] = {range ? range : g->coded ? "Accept-Encoding: gzip" : NULL, NULL};

    g->answer = &r;
    int rc = api_run(&r, &g->google->api,
                     &(struct api_call){.method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .length = -1,
                                        .on_head = google_on_head,
                                        .on_body = google_on_body,
                                        .ctx = g},
                     err);
    g->answer = NULL;
    /* cut off: no answer, or one of which the rest is missing */
    *again = rc < 0 && r.status / 100 != 4 && !err->is_private_address && remote_is_failure(g->file->job, err);
    if (rc < 0 || g->coded || g->got == g->size)
        return rc;
    *again = true;
    return remote_fail(g->file->job, REMOTE_FAILED, err, "of '%.150s' came %lld of %lld bytes", g->name,
                       (long long)g->got, (long long)g->size);
}

static int compare(struct getting *g, struct err *err)
{
    char md5[25], crc32c[9];

    google_sums_end(g->sums, md5, crc32c);
    if (g->coded || ((!g->md5 || !strcmp(g->md5, md5)) && (!g->crc32c || !strcmp(g->crc32c, crc32c))))
        return 0;
    return remote_fail(g->file->job, REMOTE_FAILED, err, "what came of '%.150s' is not what its checksum says",
                       g->name);
}

static int fetch_whole(struct getting *g, struct err *err)
{
    if (forget(g, err) < 0)
        return -1;
    for (int attempt = 1;;) {
        int64_t before = g->got;
        bool again;

        if (g->coded && before && forget(g, err) < 0)
            return -1;
        if (fetch_object(g, &again, err) == 0)
            return compare(g, err);
        attempt = g->got - before >= WORTH && !g->coded ? 1 : attempt + 1;
        if (!again || attempt > REMOTE_ATTEMPTS)
            return -1;
        remote_pause(g->file->job, attempt, PAUSE_MS);
    }
}

static int get(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct google_listing *l = ctx;
    json_t *listed = json_object_get(l->known, f->place);
    AUTO(json_unref) json_t *object = listed ? json_incref(listed) : ask_object(&l->google, f->place, err);
    const char *coding = jstr_or(object, "contentEncoding", ""), *slash = strrchr(f->place, '/');
    struct getting g = {.google = &l->google,
                        .file = f,
                        .name = f->place,
                        .size = number_of(object, "size"),
                        .generation = number_of(object, "generation"),
                        .md5 = jstr(object, "md5Hash"),
                        .crc32c = jstr(object, "crc32c"),
                        .coded = *coding && strcmp(coding, "identity") != 0};

    if (!object)
        return -1;
    if (g.size < 0 || g.generation < 0)
        return api_odd(&l->google.api, err, "it does not say how large an object is");
    if (f->limit && g.size > f->limit)
        return remote_too_large(f, g.name, g.size, err);
    if (remote_open(f, slash ? slash + 1 : f->place, jstr(object, "contentType"), err) < 0)
        return -1;
    int rc = fetch_whole(&g, err);
    google_sums_free(g.sums);
    if (rc == 0)
        remote_say_folder(f, g.name);
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
