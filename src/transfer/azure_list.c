/* What lies in a container of Azure Blob Storage, and a file out of it. */
#include "transfer/azure.h"
#include "transfer/fetch.h"

#include <libxml/parser.h>
#include <string.h>

#define LIST_MAX                                                                                   \
    ((size_t)16 << 20) /* bytes of a page: 5000 names of 1024 characters and what is said of them  \
                        */
#define PAGE_MAX 5000  /* the service's limit */
#define TEXT_MAX 8192  /* bytes of one text in it, percent-encoded perhaps */
#define EMPTY_MAX 100  /* pages in a row that hold nothing: the service may send such */

/* ---- the XML ---- */

/* Where we are in it: EnumerationResults/Blobs/Blob/Name. */
struct azure_reading {
    xmlParserCtxt *parser;
    json_t *names;
    char *next;
    const char *path[4];
    int depth;
    struct str text, name;
    bool encoded, is_directory, is_list, failed;
};

static const char *const known_elements[] = {
    "EnumerationResults", "Blobs",    "Blob",         "Name",      "Properties",
    "ResourceType",       "Metadata", "hdi_isfolder", "NextMarker"};

static const char *known_element(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known_elements); i++)
        if (!strcmp(known_elements[i], name))
            return known_elements[i];
    return "";
}

static void stop_reading(struct azure_reading *r)
{
    r->failed = true;
    xmlStopParser(r->parser);
}

/* The service has no entities to declare. */
static void on_dtd(void *ctx, const xmlChar *name, const xmlChar *id, const xmlChar *uri)
{
    (void)name;
    (void)id;
    (void)uri;
    stop_reading(ctx);
}

static void on_element(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                       int namespaces, const xmlChar **namespace_list, int attributes,
                       int defaulted, const xmlChar **list)
{
    struct azure_reading *r = ctx;

    (void)prefix;
    (void)uri;
    (void)namespaces;
    (void)namespace_list;
    (void)defaulted;
    if (r->depth < (int)ARRAY_LEN(r->path))
        r->path[r->depth] = known_element((const char *)name);
    if (++r->depth > 32)
        return stop_reading(r);
    if (r->depth == 1)
        r->is_list = !strcmp((const char *)name, "EnumerationResults");
    if (r->depth == 3) {
        str_reset(&r->name);
        r->is_directory = false;
    }
    str_reset(&r->text);
    if (r->depth == 4) /* name, prefix, address, begin and end of the value */
        r->encoded = attributes > 0 && !strcmp((const char *)list[0], "Encoded") &&
                     list[4] - list[3] == 4 && !memcmp(list[3], "true", 4);
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
    struct azure_reading *r = ctx;

    if (r->text.len + (size_t)len > TEXT_MAX)
        return stop_reading(r);
    str_add(&r->text, text, (size_t)len);
}

/* Below Blob or deeper: what decides. */
static bool is_at(const struct azure_reading *r, const char *third, const char *fourth)
{
    return r->depth == 4 && !strcmp(r->path[1], "Blobs") && !strcmp(r->path[2], third) &&
           !strcmp(r->path[3], fourth);
}

static void take_name(struct azure_reading *r)
{
    ptrdiff_t n = (ptrdiff_t)r->text.len;

    str_reset(&r->name);
    if (r->encoded && n)
        n = url_decode(r->text.s, r->text.len, /* plus_is_space= */ false);
    if (n <= 0 ||
        memchr(r->text.s, 0, (size_t)n)) /* a blob has a name, and no address could hold a NUL */
        return stop_reading(r);
    str_add(&r->name, r->text.s, (size_t)n);
}

static void take_blob(struct azure_reading *r)
{
    if (r->is_directory || !r->name.len || r->name.s[r->name.len - 1] == '/')
        return;
    if (json_array_size(r->names) >= PAGE_MAX || !utf8_valid(r->name.s, r->name.len))
        return stop_reading(r);
    json_array_append_new(r->names, jstring(r->name.s));
}

static void on_element_end(void *ctx, const xmlChar *name, const xmlChar *prefix,
                           const xmlChar *uri)
{
    struct azure_reading *r = ctx;
    const char *text = r->text.s ? r->text.s : "";

    (void)prefix;
    (void)uri;
    if (is_at(r, "Blob", "Name"))
        take_name(r);
    else if (r->depth == 3 && !strcmp(r->path[1], "Blobs") && !strcmp(r->path[2], "Blob"))
        take_blob(r);
    else if (r->depth == 2 && !strcmp(r->path[1], "NextMarker") && *text && !r->next)
        r->next = mem_strdup(text);
    else if (r->depth == 5 &&
             ((!strcmp(r->path[3], "Properties") && !strcmp((const char *)name, "ResourceType") &&
               !strcmp(text, "directory")) ||
              (!strcmp(r->path[3], "Metadata") && !strcasecmp((const char *)name, "hdi_isfolder") &&
               !strcasecmp(text, "true"))))
        r->is_directory = true;
    str_reset(&r->text);
    r->depth--;
}

int azure_read_list(json_t *names, char **next, const char *xml, size_t len)
{
    xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                         .internalSubset = on_dtd,
                         .startElementNs = on_element,
                         .endElementNs = on_element_end,
                         .characters = on_text,
                         .cdataBlock = on_text};
    struct azure_reading r = {.names = names};

    *next = NULL;
    if (!len || !(r.parser = xmlCreatePushParserCtxt(&sax, &r, NULL, 0, NULL)))
        return -1;
    xmlCtxtUseOptions(r.parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    bool fine = !xmlParseChunk(r.parser, xml, (int)len, /* terminate= */ 1) &&
                r.parser->wellFormed && !r.failed && r.is_list;
    xmlFreeParserCtxt(r.parser);
    str_done(r.text);
    str_done(r.name);
    if (!fine) {
        free(r.next);
        return -1;
    }
    *next = r.next;
    return 0;
}

/* ---- pages ---- */

static char *list_url(const struct azure *z, const struct remote_page *page, const char *marker)
{
    int64_t most = page->opts->files_per_page;
    struct str url = {0};

    str_addf(&url, "%s?restype=container&comp=list&include=metadata&maxresults=%lld", z->base,
             (long long)(most > 0 && most < PAGE_MAX ? most : PAGE_MAX));
    fetch_add_page(&url, page, marker);
    return str_take(&url);
}

static int list_once(struct azure *z, struct remote_page *page, const char *marker, struct err *err)
{
    AUTO(mem_free) char *url = list_url(z, page, marker);
    AUTO(http_client_response_done) struct http_client_response r = {0};

    if (api_run(&r, &z->api,
                &(struct api_call){
                    .method = "GET", .url = url, .fd = -1, .length = -1, .most = LIST_MAX},
                err) < 0)
        return -1;
    free(page->next);
    page->next = NULL;
    return azure_read_list(page->places, &page->next, r.body.s ? r.body.s : "", r.body.len) < 0
               ? api_odd(&z->api, err, "its listing is none")
               : 0;
}

static int azure_list(void *ctx, struct remote_page *page, struct err *err)
{
    struct azure *z = ctx;
    AUTO(mem_free) char *marker = page->after ? mem_strdup(page->after) : NULL;

    for (int pages = 0; pages < EMPTY_MAX; pages++) {
        if (list_once(z, page, marker, err) < 0)
            return -1;
        if (json_array_size(page->places) || !page->next)
            return 0;
        free(marker);
        marker = take(page->next);
    }
    return api_odd(&z->api, err, "its listing has nothing but empty pages");
}

/* ---- a file ---- */

/* Of a part, Content-MD5 would be that of the part. */
static int azure_on_answer(struct fetch *f, const struct http_client_response *r, struct err *err)
{
    AUTO(mem_free) char *whole = http_client_header(r, "x-ms-blob-content-md5");
    AUTO(mem_free) char *this = http_client_header(r, "content-md5");
    AUTO(mem_free) char *range = http_client_header(r, "content-range");
    AUTO(mem_free) char *mime = http_client_header(r, "content-type");
    const char *md5 = whole ? whole : range ? NULL : this, *slash = strrchr(f->file->place, '/');

    f->want = md5 ? fetch_md5_base64(robot_arena(f->file->job), md5) : NULL;
    return remote_open(f->file, slash ? slash + 1 : f->file->place, mime, err);
}

static int azure_get(void *ctx, struct remote_import_file *f, struct err *err)
{
    struct azure *z = ctx;
    AUTO(mem_free) char *url = azure_url(z, f->place);

    return fetch_keyed(&z->api, f, url, azure_on_answer, err);
}

static int azure_import_open(void *ctx, struct robot_job *job, struct err *err)
{
    struct azure *z = ctx;

    return azure_open(z, job, z->place, err);
}

static void azure_import_close(void *ctx) { azure_done(ctx); }

const struct import_service azure_service = {.things = "blobs",
                                             .pages = IMPORT_ONE_TOLD,
                                             .keys = true,
                                             .open = azure_import_open,
                                             .close = azure_import_close,
                                             .list = azure_list,
                                             .get = azure_get};
