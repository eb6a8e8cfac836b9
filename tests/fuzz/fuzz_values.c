/* Values that other servers and clients write: the first byte says which, a text follows. */
#include "fuzz.h"
#include "base/json.h"
#include "transfer/values.h"

#include <string.h>

static void content_range(const char *text)
{
    int64_t from, to, total;

    if (value_content_range(&from, &to, &total, text))
        CHECK(from >= 0 && from <= to && (total == -1 || to < total));
}

static void headers(const json_t *v)
{
    static const char *const reserved[] = {"range", "x-own", NULL};
    AUTO(json_unref) json_t *list = json_array();
    struct err err = {0};
    json_t *line;
    size_t i;

    int rc = value_headers(list, v, &err);
    CHECK(rc == 0 || err.msg[0]);
    CHECK(json_array_size(list) <= VALUE_HEADERS_MAX);
    json_array_foreach (list, i, line) {
        CHECK(strchr(json_string_value(line), ':') && !strpbrk(json_string_value(line), "\r\n"));
        CHECK(strncasecmp(json_string_value(line), "host:", 5) != 0);
    }
    (void)!value_headers_reserved(list, reserved, &err);
    (void)!value_header_map(v, reserved, &err);
    (void)!value_text_map(v, "texts", 10, &err);
}

static void ranges(const json_t *v)
{
    struct value_range out[VALUE_RANGES_MAX];
    struct err err = {0};
    int n = value_ranges(out, v, &err);

    CHECK(n <= VALUE_RANGES_MAX && (n >= 0 || err.msg[0]));
    for (int i = 0; i < n; i++)
        CHECK(out[i].from >= 0 ? out[i].to == -1 || out[i].to >= out[i].from : out[i].to > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned which = take_byte(&b);
    AUTO(mem_free) char *text = take_rest(&b);
    struct err err;

    content_range(text);
    if (value_is_web(text))
        CHECK(strstr(text, "://"));
    AUTO(json_unref) json_t *v = which & 1 ? json_parse(text, strlen(text), 8, &err) : json_string(text);
    if (v) {
        headers(v);
        ranges(v);
    }
    return 0;
}
