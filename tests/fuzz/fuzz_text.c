/* Escapes, base64 and UTF-8: what everything else is made of. */
#include "fuzz.h"

#include <string.h>

static void url(const char *text, size_t len, bool plus)
{
    AUTO(mem_free) char *copy = mem_strndup(text, len);
    AUTO(str_done) struct str encoded = {0};
    ptrdiff_t n = url_decode(copy, len, plus);

    CHECK(n >= -1 && n <= (ptrdiff_t)len);
    if (n < 0 || memchr(copy, 0, (size_t)n))
        return;
    copy[n] = 0;
    str_add_urlencoded(&encoded, copy, "");
    if (!encoded.len)
        return;
    ptrdiff_t back = url_decode(encoded.s, encoded.len, plus);
    CHECK(back == n && !memcmp(encoded.s, copy, (size_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(mem_free) char *text = take_rest(&b);
    size_t n = strlen(text);

    url(text, n, false);
    url(text, n, true);
    AUTO(mem_free) char *out = mem_alloc(n / 4 * 3 + 3);
    ptrdiff_t got = base64_decode((unsigned char *)out, text, n);
    CHECK(got >= -1 && got <= (ptrdiff_t)(n / 4 * 3 + 3));
    AUTO(str_done) struct str json = {0};
    str_add_json(&json, text);
    AUTO(json_unref) json_t *j = json_read(json.s, json.len); /* half a pair is text, too */
    CHECK(json_is_string(j));
    CHECK(!utf8_valid(text, n) || !strcmp(json_string_value(j), text));
    AUTO(json_unref) json_t *made = jstring(text);
    CHECK(json_equal(made, j));
    return 0;
}
