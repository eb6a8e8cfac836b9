#include "http/decode.h"
#include "base/str.h"

#include <brotli/decode.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define LAYERS_MAX 3
#define PIECE ((size_t)32 * 1024)
#define PEEK_MAX ((size_t)64 * 1024) /* of the coded bytes, to learn the first two that come out */

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BROTLI };

struct layer {
    enum coding coding;
    bool begun, ended, has_header; /* has_header: of deflate, zlib's two bytes were there */
    bool is_padding;               /* something else than gzip came behind the end: all the rest is passed by */
    unsigned char first;           /* of deflate, while the second byte is still to come */
    bool has_first;
    z_stream z;
    BrotliDecoderState *brotli;
};

struct decoder {
    struct layer layers[LAYERS_MAX]; /* in the order of undoing */
    int count;
    int64_t in, out; /* bytes */
    bool peek, keep; /* undecided yet; hand on as it is */
    struct str waiting;
    decoder_sink sink;
    void *ctx;
};

static const struct {
    const char *name;
    enum coding coding;
} codings_known[] = {
    {"gzip", CODING_GZIP}, {"x-gzip", CODING_GZIP}, {"deflate", CODING_DEFLATE}, {"br", CODING_BROTLI}};

static int add_layer(struct decoder *d, const char *name, size_t len, struct err *err)
{
    if (len == 8 && !strncasecmp(name, "identity", len))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(codings_known); i++) {
        if (strlen(codings_known[i].name) != len || strncasecmp(codings_known[i].name, name, len))
            continue;
        if (d->count == LAYERS_MAX)
            return err_set(err, ERR_INPUT, "the answer has more than %d content codings", LAYERS_MAX);
        d->layers[d->count++] = (struct layer){.coding = codings_known[i].coding};
        return 0;
    }
    return err_set(err, ERR_INPUT, "the answer has the content coding '%.*s', which is not known here",
                   (int)(len < 60 ? len : 60), name);
}

int decoder_new(struct decoder **out, const char *codings, struct err *err)
{
    struct decoder *d = mem_zalloc(sizeof *d);

    while (*codings) {
        size_t skip = strspn(codings, ", \t"), len = strcspn(codings + skip, ", \t");

        if (len && add_layer(d, codings + skip, len, err) < 0) {
            free(d);
            return -1;
        }
        codings += skip + len;
    }
    for (int i = 0; i < d->count / 2; i++) { /* the last that was applied is undone first */
        struct layer first = d->layers[i];

        d->layers[i] = d->layers[d->count - 1 - i];
        d->layers[d->count - 1 - i] = first;
    }
    *out = d->count ? d : NULL;
    if (!d->count)
        free(d);
    return 0;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->count; i++) {
        if (d->layers[i].brotli)
            BrotliDecoderDestroyInstance(d->layers[i].brotli);
        else if (d->layers[i].begun)
            inflateEnd(&d->layers[i].z);
    }
    str_done(d->waiting);
    free(d);
}

/* ---- files that are gzip themselves ---- */

static bool ends_like(const char *name, const char *end)
{
    size_t n = strcspn(name, "?#"), len = strlen(end);

    return n > len && !strncasecmp(name + n - len, end, len);
}

bool decoder_is_archive(const char *type, const char *const *names, size_t count)
{
    static const char *const types[] = {"application/gzip",  "application/x-gzip",          "application/x-gunzip",
                                        "application/tgz",   "application/x-tgz",           "application/x-gtar",
                                        "application/x-tar+gzip", "application/gzip-compressed", "application/gzipped",
                                        "application/x-compressed-tar", "application/x-compressed"};
    static const char *const ends[] = {".gz", ".tgz", ".taz"};

    for (size_t i = 0; type && i < ARRAY_LEN(types); i++) {
        size_t n = strcspn(type, "; \t");

        if (strlen(types[i]) == n && !strncasecmp(type, types[i], n))
            return true;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; names[i] && k < ARRAY_LEN(ends); k++)
            if (ends_like(names[i], ends[k]))
                return true;
    return false;
}

void decoder_keep_archive(struct decoder *d) { d->peek = d->count == 1 && d->layers[0].coding == CODING_GZIP; }

/* Does gzip come out of the bytes that wait? 1 yes, 0 no, -1: too few to say. */
static int is_gzip_again(const struct str *waiting)
{
    z_stream z = {.next_in = (unsigned char *)waiting->s, .avail_in = (unsigned)waiting->len};
    unsigned char first[2] = {0};

    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return 0;
    z.next_out = first;
    z.avail_out = sizeof first;
    int rc = inflate(&z, Z_SYNC_FLUSH);
    bool all = z.avail_out == 0;
    inflateEnd(&z);
    if (all)
        return first[0] == 0x1F && first[1] == 0x8B;
    return rc == Z_OK || rc == Z_BUF_ERROR ? -1 : 0;
}

/* ---- the layers ---- */

static int feed_layer(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err);

static int hand_on(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err)
{
    if (!len)
        return 0;
    if (i + 1 < d->count)
        return feed_layer(d, i + 1, data, len, err);
    d->out += (int64_t)len;
    if (d->out > DECODE_RATIO_FREE && d->out / DECODE_RATIO_MAX > d->in)
        return err_set(err, ERR_INPUT, "the answer unpacks to more than %d times the bytes that were sent",
                       DECODE_RATIO_MAX);
    return d->sink(d->ctx, (const char *)data, len, err);
}

static int not_of(struct err *err, const char *coding)
{
    return err_set(err, ERR_INPUT, "the answer says that it is coded with %s, but it can't be decoded", coding);
}

static int feed_zlib(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err)
{
    struct layer *l = &d->layers[i];
    unsigned char out[PIECE];

    if (l->is_padding)
        return 0;
    if (!l->begun && inflateInit2(&l->z, l->coding == CODING_GZIP ? 15 + 16 : l->has_header ? 15 : -15) != Z_OK)
        abort(); /* only without memory */
    l->begun = true;
    l->z.next_in = (unsigned char *)data;
    l->z.avail_in = (unsigned)len;
    while (!l->ended || l->z.avail_in) {
        if (l->ended) {
            /* gzip may go on with another member; anything else behind the end is padding */
            l->is_padding = l->coding != CODING_GZIP || *l->z.next_in != 0x1F;
            if (l->is_padding)
                return 0;
            inflateReset(&l->z);
            l->ended = false;
        }
        l->z.next_out = out;
        l->z.avail_out = sizeof out;
        int rc = inflate(&l->z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return not_of(err, l->coding == CODING_GZIP ? "gzip" : "deflate");
        l->ended = rc == Z_STREAM_END;
        if (hand_on(d, i, out, sizeof out - l->z.avail_out, err) < 0)
            return -1;
        if (!l->ended && l->z.avail_out)
            return 0; /* all that came is used up */
    }
    return 0;
}

/* "deflate" is zlib's form (RFC 1950) by the book, and bare deflate (RFC 1951) from some servers: the first two bytes
 * tell. */
static int feed_deflate(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err)
{
    struct layer *l = &d->layers[i];
    unsigned char both[2];

    if (l->begun)
        return feed_zlib(d, i, data, len, err);
    if (!l->has_first) {
        l->first = *data++;
        l->has_first = true;
        if (!--len)
            return 0;
    }
    both[0] = l->first;
    both[1] = *data++;
    l->has_header = (both[0] & 0x0F) == 8 && (both[0] << 8 | both[1]) % 31 == 0;
    if (feed_zlib(d, i, both, 2, err) < 0)
        return -1;
    return --len ? feed_zlib(d, i, data, len, err) : 0;
}

static int feed_brotli(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err)
{
    struct layer *l = &d->layers[i];
    unsigned char out[PIECE];
    BrotliDecoderResult rc;

    if (!l->brotli && !(l->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL)))
        abort();
    if (l->ended)
        return 0;
    l->begun = true;
    do {
        unsigned char *to = out;
        size_t room = sizeof out;

        rc = BrotliDecoderDecompressStream(l->brotli, &len, &data, &room, &to, NULL);
        if (rc == BROTLI_DECODER_RESULT_ERROR)
            return not_of(err, "br");
        if (hand_on(d, i, out, sizeof out - room, err) < 0)
            return -1;
    } while (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
    l->ended = rc == BROTLI_DECODER_RESULT_SUCCESS;
    return 0;
}

static int feed_layer(struct decoder *d, int i, const unsigned char *data, size_t len, struct err *err)
{
    switch (d->layers[i].coding) {
    case CODING_GZIP: return feed_zlib(d, i, data, len, err);
    case CODING_DEFLATE: return feed_deflate(d, i, data, len, err);
    default: return feed_brotli(d, i, data, len, err);
    }
}

static int decide(struct decoder *d, bool at_end, struct err *err)
{
    int again = is_gzip_again(&d->waiting);

    if (again < 0 && !at_end && d->waiting.len < PEEK_MAX)
        return 0;
    d->peek = false;
    d->keep = again != 1;
    AUTO(str_done) struct str first = d->waiting;
    d->waiting = (struct str){0};
    if (!first.len)
        return 0;
    return d->keep ? d->sink(d->ctx, first.s, first.len, err)
                   : feed_layer(d, 0, (const unsigned char *)first.s, first.len, err);
}

int decoder_feed(struct decoder *d, const char *data, size_t len, decoder_sink sink, void *ctx, struct err *err)
{
    d->sink = sink;
    d->ctx = ctx;
    d->in += (int64_t)len;
    if (!len)
        return 0;
    if (d->peek) {
        str_add(&d->waiting, data, len);
        return decide(d, false, err);
    }
    return d->keep ? sink(ctx, data, len, err) : feed_layer(d, 0, (const unsigned char *)data, len, err);
}

int decoder_end(struct decoder *d, decoder_sink sink, void *ctx, struct err *err)
{
    d->sink = sink;
    d->ctx = ctx;
    if (d->peek && decide(d, true, err) < 0)
        return -1;
    if (d->keep || !d->in) /* an empty body is an empty file, whatever it is said to be */
        return 0;
    for (int i = 0; i < d->count; i++)
        if (!d->layers[i].ended)
            return err_set(err, ERR_IO, "the answer breaks off in the middle of its coded body");
    return 0;
}
