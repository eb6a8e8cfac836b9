/* /http/import: fetch files from web addresses. */
#include "http/address.h"
#include "http/naming.h"
#include "transfer/download.h"

#include <string.h>

struct http_opts {
    struct import_opts import;
    json_t *url, *headers, *range;
    const char *url_delimiter, *credentials;
    bool fail_fast;
};
#define T struct http_opts
static const struct option http_size[] = {
    OPT_INT(struct import_opts, max_file_size, .min = 1, .max = 9e15, .unit = "bytes",
            .help = "Refuse files that are larger."),
    OPT_END,
};
static const struct option options[] = {
    OPT_JSON(T, url, .required = true, .example = "\"http://b/\"",
             .help = "Address, list of addresses, or several joined by url_delimiter."),
    OPT_STR(T, url_delimiter, .def_str = "|",
            .help = "What separates several addresses in one text."),
    OPT_JSON(T, headers, .def_str = "[]", .example = "[\"A: b\"]",
             .help = "Headers sent with every request: a list of \"Name: value\", a list of maps, "
                     "or either as JSON text."),
    OPT_STR(T, credentials,
            .help = "Name of stored credentials of type http, which hold the headers."),
    IMPORT_GROUP(T, import_options),
    OPT_BOOL(T, fail_fast, .help = "Do not try a failed download again."),
    IMPORT_GROUP(T, http_size),
    OPT_JSON(T, range, .example = "\"0-9\"",
             .help = "Bytes to fetch: \"0-99\", \"-100\" (the last 100), or a list; several are "
                     "written at their own offsets into one file."),
    IMPORT_GROUP(T, import_stub_options),
    OPT_UNSUPPORTED("bucket"),
    OPT_UNSUPPORTED("force_original_id"),
    OPT_END,
};

/* ---- what both the check and the run read ---- */

static void unref(void *j) { json_decref(j); }

static int add_url(json_t *list, const char *url, size_t len, struct err *err)
{
    AUTO(mem_free) char *text = mem_strndup(url, len);

    if (!text[strspn(text, " \t\r\n")])
        return 0; /* "a||b", a trailing delimiter */
    if (!value_is_web(text)) {
        const char *host = strstr(text, "://");

        if (host && strchr(host, '@'))
            text[host - text] = 0; /* a password may follow */
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'url' holds '%.100s', which is not an http or https address", text);
    }
    if (json_array_size(list) >= REMOTE_IMPORT_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'url' holds more than %d addresses",
                       REMOTE_IMPORT_MAX);
    json_array_append_new(list, jstring(text));
    return 0;
}

static int add_joined(json_t *list, const char *text, const char *delimiter, struct err *err)
{
    size_t n = delimiter ? strlen(delimiter) : 0;

    for (const char *hit; n && (hit = strstr(text, delimiter)); text = hit + n)
        if (add_url(list, text, (size_t)(hit - text), err) < 0)
            return -1;
    return add_url(list, text, strlen(text), err);
}

/* All addresses as a list of texts in a. NULL with err when there are none or one is not http. */
static json_t *read_urls(struct arena *a, const struct http_opts *o, struct err *err)
{
    json_t *list = json_array(), *item;
    size_t i;

    arena_defer(a, unref, list);
    if (json_is_string(o->url)) {
        if (add_joined(list, json_string_value(o->url), o->url_delimiter, err) < 0)
            return NULL;
    } else if (json_is_array(o->url)) {
        json_array_foreach (o->url, i, item) {
            if (!json_is_string(item)) {
                err_set(err, ERR_ROBOT_VALIDATION, "'url' must hold texts only");
                return NULL;
            }
            /* Lists come out of templates too: "${fields.urls}" may hold several. */
            if (add_joined(list, json_string_value(item), o->url_delimiter, err) < 0)
                return NULL;
        }
    } else {
        err_set(err, ERR_ROBOT_VALIDATION, "'url' must be a text or a list of texts");
        return NULL;
    }
    if (!json_array_size(list)) {
        err_set(err, ERR_ROBOT_VALIDATION, "'url' holds no address");
        return NULL;
    }
    return list;
}

/* "Name: value" texts in a. */
static json_t *read_headers(struct arena *a, const T *o, struct err *err)
{
    json_t *list = json_array();

    arena_defer(a, unref, list);
    return value_headers(list, o->headers, err) < 0 ? NULL : list;
}

static int http_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct value_range ranges[VALUE_RANGES_MAX];

    if ((o->url || !partial) && !read_urls(a, o, err))
        return -1;
    const json_t *headers = read_headers(a, o, err);
    if (!headers || value_ranges(ranges, o->range, err) < 0)
        return -1;
    if (o->import.return_file_stubs && (o->range || json_array_size(headers)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'return_file_stubs' fetches nothing, so 'range' and 'headers' have no place beside it");
    return import_opts_check(&o->import, err);
}

/* User and password stay here: the address is for everybody who sees the file. */
static int http_stub(void *ctx, struct remote_import_file *f, struct err *err)
{
    AUTO(mem_free) char *clean = naming_clean_url(f->place);
    AUTO(mem_free) char *direct = clean ? naming_direct_url(clean) : NULL;
    AUTO(mem_free) char *url = direct ? address_resolve(direct, direct) : NULL;
    AUTO(mem_free) char *shown = naming_public_url(clean ? clean : "");
    AUTO(mem_free) char *name = url ? naming_from_url(clean) : NULL;

    (void)ctx;
    if (!url)
        return remote_fail(f->job, REMOTE_FAILED, err, "'url' holds something that is not a web address");
    jset(f->extra, "import_url", shown);
    return remote_stub(f, name ? name : "", url, 0, err);
}

static int http_get(void *ctx, struct remote_import_file *f, struct err *err)
{
    return download(f, ctx, err);
}

static int http_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct import_service service = {.things = "addresses", .get = http_get, .stub = http_stub};
    const T *o = opts;
    struct arena *a = robot_arena(job);
    json_t *urls = read_urls(a, o, err), *headers = urls ? read_headers(a, o, err) : NULL, *item;
    const char *lines[VALUE_HEADERS_MAX + 1] = {0};
    struct value_range ranges[VALUE_RANGES_MAX];
    int range_count = headers ? value_ranges(ranges, o->range, err) : -1;
    size_t i;

    if (range_count < 0)
        return -1;
    json_array_foreach (headers, i, item)
        lines[i] = json_string_value(item);
    AUTO(http_client_free) struct http_client *client = http_client_new();
    struct download_plan how = {.client = client,
                                .headers = lines,
                                .ranges = ranges,
                                .range_count = range_count,
                                .fail_fast = o->fail_fast};
    struct import_opts import = o->import;
    import.path = urls;
    return remote_import(job, &service, &how, &import, err);
}

const struct robot robot_import_http = {
    .name = "/http/import",
    .summary = "Import files from web addresses",
    .role = ROLE_TRANSFER,
    IMPORT_RECORD(T),
    .flags = ROBOT_FETCHES,
    .price_factor = 10,
    .slots = 10,
    .example = "{\"url\": \"http://a.example/\"}",
    .check = http_check,
    .run = IN_WORKER(http_run),
};
