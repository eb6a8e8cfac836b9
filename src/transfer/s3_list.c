#include "transfer/s3_list.h"
#include "base/str.h"

#include <libxml/parser.h>
#include <string.h>

/* What of a listing is read; the rest is passed by. */
enum list_text { TEXT_NONE, TEXT_KEY, TEXT_NEXT, TEXT_MORE, TEXT_ENCODING, TEXT_COUNT };

struct s3_list {
    xmlParserCtxtPtr parser;
    int64_t bytes;
    int depth;
    bool in_contents, is_listing;
    enum list_text reading;
    struct str text[TEXT_COUNT];
    json_t *raw, *keys; /* as they are written, and as they are */
    const char *wrong;  /* what ended it; NULL: nothing */
};

/* ---- events of the parser ---- */

static void list_stop(struct s3_list *l, const char *wrong)
{
    if (!l->wrong)
        l->wrong = wrong;
    xmlStopParser(l->parser);
}

static bool is_name(const xmlChar *name, const char *want)
{
    return !strcmp((const char *)name, want);
}

static enum list_text text_of(const struct s3_list *l, const xmlChar *name)
{
    if (l->depth == 3)
        return l->in_contents && is_name(name, "Key") ? TEXT_KEY : TEXT_NONE;
    if (l->depth != 2)
        return TEXT_NONE;
    return is_name(name, "NextContinuationToken") ? TEXT_NEXT
           : is_name(name, "IsTruncated")         ? TEXT_MORE
           : is_name(name, "EncodingType")        ? TEXT_ENCODING
                                                  : TEXT_NONE;
}

static void list_on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                          int namespace_count, const xmlChar **namespaces, int attribute_count,
                          int defaulted, const xmlChar **attributes)
{
    struct s3_list *l = ctx;

    if (++l->depth > S3_LIST_DEPTH) {
        list_stop(l, "is nested too deeply");
        return;
    }
    if (l->depth == 1)
        l->is_listing = is_name(name, "ListBucketResult");
    if (l->depth == 2)
        l->in_contents = is_name(name, "Contents");
    l->reading = text_of(l, name);
    if (l->reading)
        str_reset(&l->text[l->reading]);
}

static void list_on_text(void *ctx, const xmlChar *data, int len)
{
    struct s3_list *l = ctx;
    struct str *t = &l->text[l->reading];

    if (!l->reading)
        return;
    if (t->len + (size_t)len > S3_LIST_TEXT)
        list_stop(l, "has a key that is too long");
    else
        str_add(t, data, (size_t)len);
}

static void list_on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct s3_list *l = ctx;

    if (l->reading == TEXT_KEY && l->text[TEXT_KEY].len) {
        if (json_array_size(l->raw) == S3_LIST_KEYS)
            list_stop(l, "has more keys than were asked for");
        else
            json_array_append_new(l->raw, jstring(l->text[TEXT_KEY].s));
    }
    l->reading = TEXT_NONE;
    l->depth--;
}

static void list_on_dtd(void *ctx, const xmlChar *name, const xmlChar *external,
                        const xmlChar *system)
{
    list_stop(ctx, "has a DTD");
}

/* ---- the whole ---- */

static void list_clear(struct s3_list *l)
{
    if (l->parser) {
        if (l->parser->myDoc)
            xmlFreeDoc(l->parser->myDoc);
        xmlFreeParserCtxt(l->parser);
    }
    for (int i = 0; i < TEXT_COUNT; i++)
        str_done(l->text[i]);
    json_decref(l->raw);
    json_decref(l->keys);
}

struct s3_list *s3_list_new(void)
{
    struct s3_list *l = mem_zalloc(sizeof *l);

    s3_list_restart(l);
    return l;
}

void s3_list_free(struct s3_list *l)
{
    if (l)
        list_clear(l);
    free(l);
}

void s3_list_restart(struct s3_list *l)
{
    xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                         .startElementNs = list_on_start,
                         .endElementNs = list_on_end,
                         .characters = list_on_text,
                         .cdataBlock = list_on_text,
                         .internalSubset = list_on_dtd};

    list_clear(l);
    *l = (struct s3_list){.raw = json_array(), .keys = json_array()};
    l->parser = xmlCreatePushParserCtxt(&sax, l, NULL, 0, NULL);
    if (!l->parser)
        abort();
    xmlCtxtUseOptions(l->parser, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static int list_fail(const struct s3_list *l, struct err *err, const char *wrong)
{
    return err_set(err, ERR_INPUT, "the list of keys %s", l->wrong ? l->wrong : wrong);
}

int s3_list_add(struct s3_list *l, const char *data, size_t len, struct err *err)
{
    if ((l->bytes += (int64_t)len) > S3_LIST_BYTES)
        return list_fail(l, err, "is too large");
    if (xmlParseChunk(l->parser, data, (int)len, 0) != 0 || l->wrong)
        return list_fail(l, err, "is no XML");
    return 0;
}

/* As it is: S3 was asked to write keys as in an address, since not every character of a key goes
 * into XML. */
static int list_decode(struct s3_list *l, struct err *err)
{
    const char *encoding = l->text[TEXT_ENCODING].s;
    bool coded = encoding && !strcmp(encoding, "url");
    json_t *item;
    size_t i;

    json_array_foreach (l->raw, i, item) {
        AUTO(mem_free) char *key = mem_strdup(json_string_value(item));
        ptrdiff_t n = coded ? url_decode(key, strlen(key), /* plus_is_space= */ true)
                            : (ptrdiff_t)strlen(key);

        if (n <= 0 || (key[n] = 0, strlen(key) != (size_t)n) || !utf8_valid(key, (size_t)n))
            return list_fail(l, err, "has a key that is no text");
        json_array_append_new(l->keys, jstring(key));
    }
    return 0;
}

int s3_list_end(struct s3_list *l, json_t **keys, const char **next, struct err *err)
{
    const char *more, *token;

    if (xmlParseChunk(l->parser, "", 0, 1) != 0 || l->wrong || !l->parser->wellFormed)
        return list_fail(l, err, "is no XML");
    if (!l->is_listing)
        return list_fail(l, err, "is something else");
    if (list_decode(l, err) < 0)
        return -1;
    more = l->text[TEXT_MORE].s;
    token = l->text[TEXT_NEXT].s;
    *keys = l->keys;
    *next = more && !strcmp(more, "true") ? token : NULL;
    if (more && !strcmp(more, "true") && !str_given(token))
        return list_fail(l, err, "goes on, but does not say where");
    return 0;
}
