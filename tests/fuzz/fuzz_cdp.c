/* Messages of a browser: what is heard does not depend on how the bytes come in pieces, and is an object with an
 * integer `id` or a text `method`; after a refusal nothing is. */
#include "browser/cdp.h"
#include "fuzz.h"

struct heard {
    struct str all;
    int count;
};

static int hear(void *ctx, const json_t *message, struct err *err)
{
    struct heard *h = ctx;

    (void)err;
    CHECK(json_is_object(message));
    CHECK(json_is_integer(json_object_get(message, "id")) || jstr(message, "method"));
    h->count++;
    str_add_json_value(&h->all, message);
    return 0;
}

static int feed(struct heard *h, const uint8_t *data, size_t len, size_t piece)
{
    struct cdp_reader r = {0};
    struct err err = {0};
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < len; at += piece)
        rc = cdp_feed(&r, (const char *)data + at, len - at < piece ? len - at : piece, hear, h, &err);
    CHECK(rc == 0 || (err.code == ERR_COMMAND && err.msg[0]));
    CHECK(r.messages >= h->count && r.messages <= h->count + 1);
    str_done(r.part);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct heard whole = {0}, parts = {0};
    int a = feed(&whole, data, len, len + 1), b = feed(&parts, data, len, 1 + len % 7);

    CHECK(a == b && whole.count == parts.count && whole.all.len == parts.all.len);
    CHECK(!whole.all.len || !memcmp(whole.all.s, parts.all.s, whole.all.len));
    str_done(whole.all);
    str_done(parts.all);
    return 0;
}
