/* What lies in a container of Swift, and a file out of it. */
#include "transfer/fetch.h"
#include "transfer/swift.h"

#include <string.h>
#include <strings.h>

#define LIST_MAX ((size_t)16 << 20) /* bytes of a page */
#define PAGE_MAX 10000              /* the service's limit */
#define BEHIND                                                                                     \
    "\xf4\x8f\xbf\xbf" /* no name of a directory's goes on with a character behind this one */

/* Adds what is a file, and lends the place behind the entry. NULL: it is none. */
static const char *read_entry(json_t *names, const json_t *entry)
{
    const char *name = jstr(entry, "name"), *type = jstr_or(entry, "content_type", "");

    if (!name || !*name)
        return NULL;
    if (!str_ends(name, "/") && strcasecmp(type, "application/directory") != 0)
        json_array_append_new(names, jstring(name));
    return name;
}

int64_t swift_read_list(json_t *names, char **marker, const char *text, size_t len, int64_t limit)
{
    struct err ignored;
    AUTO(json_unref)
    json_t *list = json_parse_within(
        text, len, &(struct json_bounds){.depth = 4, .values = 16 * PAGE_MAX}, &ignored);
    json_t *entry;
    size_t i;

    *marker = NULL;
    if (!json_is_array(list) || (int64_t)json_array_size(list) > limit)
        return -1;
    json_array_foreach (list, i, entry) {
        const char *subdir = jstr(entry, "subdir"),
                   *name = subdir ? subdir : read_entry(names, entry);

        if (!name || !*name) {
            free(take(*marker));
            return -1;
        }
        free(*marker);
        *marker = subdir ? mem_printf("%s" BEHIND, subdir) : mem_strdup(name);
    }
    return (int64_t)json_array_size(list);
}

static char *swift_list_url(const struct swift *w, const struct remote_page *page, const char *marker,
                            int64_t limit)
{
    AUTO(mem_free) char *container = swift_url(w, w->place->container, NULL);
    struct str url = {0};

    str_addf(&url, "%s?format=json&limit=%lld", container, (long long)limit);
    fetch_add_page(&url, page, marker);
    return str_take(&url);
}

/* One page: *after becomes the place behind it, NULL when it was the last one. */
static int swift_list_once(struct swift *w, json_t *names, char **after, const struct remote_page *page,
                           struct err *err)
{
    int64_t most = page->opts->files_per_page, limit = most > 0 && most < PAGE_MAX ? most : PAGE_MAX;
    AUTO(mem_free) char *url = swift_list_url(w, page, *after, limit);
    AUTO(http_client_response_done) struct http_client_response r = {0};

    if (api_run(&r, &w->api,
                &(struct api_call){
                    .method = "GET", .url = url, .fd = -1, .length = -1, .most = LIST_MAX},
                err) < 0)
        return -1;
    free(take(*after));
    if (r.status == 204) /* of nothing there is no list */
        return 0;
    int64_t n = swift_read_list(names, after, r.body.s ? r.body.s : "", r.body.len, limit);
    if (n < 0)
        return api_odd(&w->api, err, "its listing is none");
    if (n < limit)
        free(take(*after));
    return 0;
}

static int swift_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct swift *w = ctx;
    AUTO(mem_free) char *after = page->after ? mem_strdup(page->after) : NULL;

    /* a page by its number: the others are passed */
    for (int64_t number = 1; !page->after && number < page->number; number++) {
        AUTO(json_unref) json_t *passed = json_array();

        if (swift_list_once(w, passed, &after, page, err) < 0)
            return -1;
        if (!after)
            return 0;
    }
    if (swift_list_once(w, page->places, &after, page, err) < 0)
        return -1;
    page->next = take(after);
    return 0;
}

/* The ETag of a large object is none of its bytes. */
static int swift_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    AUTO(mem_free) char *etag = http_client_header(r, "etag");
    AUTO(mem_free) char *fixed = http_client_header(r, "x-static-large-object");
    AUTO(mem_free) char *moving = http_client_header(r, "x-object-manifest");
    AUTO(mem_free) char *mime = http_client_header(r, "content-type");
    const char *slash = strrchr(f->file->place, '/');

    f->want = etag && !fixed && !moving ? fetch_md5_hex(robot_arena(f->file->job), etag) : NULL;
    return remote_open(f->file, slash ? slash + 1 : f->file->place, mime, err);
}

static int swift_get(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct swift *w = ctx;
    AUTO(mem_free) char *url = swift_url(w, w->place->container, f->place);

    return fetch_keyed(&w->api, f, url, swift_on_answer, err);
}

static int swift_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct swift *w = ctx;

    return swift_open(w, job, w->place, err);
}

static void swift_import_close(void *ctx) { api_done(((struct swift *)ctx)->api); }

const struct import_service swift_service = {.things = "objects",
                                             .pages = IMPORT_ONE_DEEP,
                                             .keys = true,
                                             .open = swift_import_open,
                                             .close = swift_import_close,
                                             .list = swift_list,
                                             .get = swift_get};
