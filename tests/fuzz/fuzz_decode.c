/* Content codings, undone in pieces cut anywhere: what comes out, and how it ends, is what zlib and
 * brotli give of the whole at once, and never more than the bound on unpacking lets through. */
#include "fuzz.h"
#include "http/decode.h"

#include <brotli/decode.h>
#include <string.h>
#include <zlib.h>

#define WHOLE_MAX ((size_t)4 << 20) /* bytes of one layer, up to which the reference follows */

static const char *const layers[] = {"gzip", "deflate", "br", "x-gzip", "identity"};

enum state { STATE_WHOLE, STATE_CUT_OFF, STATE_BROKEN, STATE_TOO_LONG };

/* ---- the reference: a layer at a time, all bytes at hand ---- */

/* One stream at *in; what follows it stays. */
static enum state inflate_one(struct str *out, const uint8_t **in, size_t *left, int form)
{
    z_stream z = {.next_in = (Bytef *)*in, .avail_in = (uInt)*left};
    unsigned char buf[16384];
    int rc;

    CHECK(inflateInit2(&z, form) == Z_OK);
    do {
        z.next_out = buf;
        z.avail_out = sizeof buf;
        rc = inflate(&z, Z_SYNC_FLUSH);
        str_add(out, buf, sizeof buf - z.avail_out);
    } while (rc == Z_OK && out->len < WHOLE_MAX);
    *in = z.next_in;
    *left = z.avail_in;
    inflateEnd(&z);
    return out->len >= WHOLE_MAX ? STATE_TOO_LONG
           : rc == Z_STREAM_END  ? STATE_WHOLE
           : rc == Z_BUF_ERROR   ? STATE_CUT_OFF
                                 : STATE_BROKEN;
}

static enum state undo_brotli(struct str *out, const uint8_t *in, size_t left)
{
    BrotliDecoderState *b = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    BrotliDecoderResult rc;

    CHECK(b);
    do {
        size_t room = 0, n = 0;
        uint8_t *none = NULL;

        rc = BrotliDecoderDecompressStream(b, &left, &in, &room, &none, NULL);
        const uint8_t *made = BrotliDecoderTakeOutput(b, &n);
        str_add(out, made, n);
    } while (rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && out->len < WHOLE_MAX);
    BrotliDecoderDestroyInstance(b);
    return out->len >= WHOLE_MAX                          ? STATE_TOO_LONG
           : rc == BROTLI_DECODER_RESULT_SUCCESS          ? STATE_WHOLE
           : rc == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT ? STATE_CUT_OFF
                                                          : STATE_BROKEN;
}

static enum state undo(struct str *out, const char *coding, const uint8_t *in, size_t left)
{
    enum state s;

    if (!left)
        return STATE_CUT_OFF;
    if (!strcmp(coding, "br"))
        return undo_brotli(out, in, left);
    if (!strcmp(coding, "deflate")) {
        bool zlib = left >= 2 && (in[0] & 15) == 8 && (in[0] << 8 | in[1]) % 31 == 0;

        return left < 2 ? STATE_CUT_OFF : inflate_one(out, &in, &left, zlib ? 15 : -15);
    }
    do /* members, until something else follows: padding */
        s = inflate_one(out, &in, &left, 15 + 16);
    while (s == STATE_WHOLE && left && *in == 0x1F);
    return s;
}

/* All layers, the outermost first. When one is not whole, what it gave still goes to the next. */
static enum state undo_all(struct str *out, const char *const *codings, int count,
                           const uint8_t *in, size_t left)
{
    enum state worst = STATE_WHOLE;

    str_add(out, in, left);
    for (int i = 0; i < count; i++) {
        struct str next = {0};
        enum state s;

        if (!strcmp(codings[i], "identity"))
            continue;
        s = undo(&next, codings[i], (const uint8_t *)out->s, out->len);
        str_done(*out);
        *out = next;
        worst = s > worst ? s : worst;
    }
    return worst;
}

/* ---- the decoder ---- */

struct got {
    struct str text;     /* its first bytes */
    int64_t total, most; /* most: the sink takes no more; 0: anything, which is slow */
};

static int sink(void *ctx, const char *data, size_t len, struct err *err)
{
    struct got *g = ctx;

    CHECK(len && len <= 64 * 1024);
    g->total += (int64_t)len;
    if (g->most && g->total > g->most)
        return err_set(err, ERR_INPUT, "the sink has enough");
    if (g->text.len < 2 * WHOLE_MAX)
        str_add(&g->text, data, len);
    return 0;
}

static int decode(struct got *g, const char *header, bool archive, const uint8_t *in, size_t left,
                  unsigned seed, struct err *err)
{
    struct decoder *d = NULL;
    int64_t came = 0;
    int rc = decoder_new(&d, header, err);

    CHECK(rc == 0);
    if (!d) {
        str_add(&g->text, in, left);
        return 0;
    }
    if (archive)
        decoder_keep_archive(d);
    while (rc == 0 && left) {
        size_t n = seed == 0   ? left
                   : seed == 1 ? 1
                               : 1 + (seed = seed * 1103515245 + 12345) / 65536 % 64;

        n = n < left ? n : left;
        AUTO(mem_free) char *piece = mem_alloc(n); /* of its own: a byte too far is seen */
        memcpy(piece, in, n);
        rc = decoder_feed(d, piece, n, sink, g, err);
        in += n;
        left -= n;
        came += (int64_t)n;
        CHECK(g->total <= DECODE_RATIO_FREE + 64 * 1024 ||
              g->total / DECODE_RATIO_MAX <= came + 64 * 1024);
    }
    if (rc == 0)
        rc = decoder_end(d, sink, g, err);
    decoder_free(d);
    return rc;
}

/* A decoder that finds gzip within gzip keeps the inner one; anything else it lets through as it
 * came. */
static bool is_archive(const uint8_t *in, size_t left)
{
    AUTO(str_done) struct str out = {0};

    (void)inflate_one(&out, &in, &left, 15 + 16);
    return out.len >= 2 && !memcmp(out.s, "\x1F\x8B", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    int count = 1 + (int)take_below(&b, 3), coded = 0, last = 0;
    const char *undone[3];
    AUTO(str_done) struct str header = {0}, want = {0};
    struct got got = {0};
    struct err err = {0};

    for (int i = count - 1; i >= 0; i--) { /* the header has them in the order of coding */
        undone[i] = layers[take_below(&b, ARRAY_LEN(layers))];
        str_addf(&header, "%s%s", header.len ? ", " : "", undone[i]);
        if (strcmp(undone[i], "identity") != 0) {
            coded++;
            last = i;
        }
    }
    unsigned how = take_byte(&b);
    bool archive = how & 1;
    unsigned seed = take_byte(&b);
    bool kept = archive && coded == 1 && strstr(undone[last], "gzip") && !is_archive(b.p, b.left);
    enum state end = STATE_WHOLE;

    got.most = how < 254 ? 2 * (int64_t)WHOLE_MAX : 0;
    if (kept || !b.left)
        str_add(&want, b.p, b.left);
    else
        end = undo_all(&want, undone, count, b.p, b.left);
    int rc = decode(&got, header.s, archive, b.p, b.left, seed, &err);
    if (end == STATE_TOO_LONG) { /* it has to be stopped by its size, or is broken behind what was
                                    compared */
        str_done(got.text);
        return 0;
    }
    CHECK(rc == 0 || err.msg[0]);
    CHECK((end == STATE_WHOLE) == (rc == 0));
    CHECK((end == STATE_CUT_OFF) == (rc < 0 && err.code == ERR_IO));
    CHECK(got.text.len <= want.len ||
          end == STATE_BROKEN); /* brotli keeps back what it has when it finds a fault */
    size_t both = got.text.len < want.len ? got.text.len : want.len;
    CHECK(!both || !memcmp(got.text.s, want.s, both));
    CHECK(rc < 0 || got.text.len == want.len);
    str_done(got.text);
    return 0;
}
