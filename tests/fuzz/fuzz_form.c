/* Bodies of forms. However the network cuts a body, the form that comes out is the same. */
#include "fuzz.h"
#include "http/form.h"

#include <string.h>

static int file_begin(void *ctx, const char *name, const char *filename, const char *type, struct err *err)
{
    CHECK(name && type && *filename && !strchr(filename, '/'));
    str_addf(ctx, "file %s, %s, %s: ", name, filename, type);
    return 0;
}

static int file_data(void *ctx, const char *data, size_t len, struct err *err)
{
    str_add(ctx, data, len);
    return 0;
}

static int file_end(void *ctx, struct err *err)
{
    str_putc(ctx, '\n');
    return 0;
}

static int field(void *ctx, const char *name, const char *value, size_t len, struct err *err)
{
    CHECK(value[len] == 0 && len <= 2000);
    str_addf(ctx, "field %s: ", name);
    str_add(ctx, value, len);
    return file_end(ctx, err);
}

/* seed 0: in one piece. 0 or the error's code; out gets what the sink heard. */
static int read_form(struct str *out, const char *type, const uint8_t *data, size_t len, unsigned seed)
{
    const struct form_sink sink = {file_begin, file_data, file_end, field};
    const struct form_limits limits = {2000, 6000, 40};
    struct err err = {0};
    AUTO(form_free) struct form *f = form_new(type, &sink, out, &limits, &err);

    if (!f)
        return (int)err.code;
    for (size_t at = 0, n; at < len; at += n) {
        seed = seed ? seed * 1103515245 + 12345 : 0;
        n = seed ? seed >> 16 & (seed >> 10 & 1 ? 3 : 63) : len;
        n = n < 1 ? 1 : n > len - at ? len - at : n;
        AUTO(mem_free) char *piece = mem_alloc(n);
        memcpy(piece, data + at, n);
        if (form_feed(f, piece, n, &err) < 0)
            return (int)err.code;
    }
    return form_finish(f, &err) < 0 ? (int)err.code : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned seed = take_byte(&b) + 1;
    AUTO(mem_free) char *type = take_line(&b);
    AUTO(str_done) struct str whole = {0}, cut = {0};
    int as_whole = read_form(&whole, *type ? type : NULL, b.p, b.left, 0);
    int as_pieces = read_form(&cut, *type ? type : NULL, b.p, b.left, seed);

    CHECK(as_whole == as_pieces);
    CHECK(as_whole || (whole.len == cut.len && (!whole.len || !memcmp(whole.s, cut.s, whole.len))));
    return 0;
}
