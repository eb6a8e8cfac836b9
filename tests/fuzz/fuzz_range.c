/* What a GET of a file asks for, a header a line: Range, If-Range, If-None-Match, If-Match, dates. Whatever they say, what is
 * served as a part lies within the file. */
#include "fuzz.h"
#include "http/select.h"

#include <string.h>

/* An empty line is an absent header. */
static const char *line(char **rest)
{
    char *s = *rest ? strsep(rest, "\n") : NULL;

    return s && *s ? s : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int64_t sizes[] = {0, 1, 2, 10, 1 << 20, INT64_C(1) << 40, INT64_MAX};
    struct bytes b = {data, len};
    struct http_stored stored = {"\"0123456789abcdef\"", 1700000000, sizes[take_below(&b, ARRAY_LEN(sizes))]};
    int64_t from = -1, to = -1;
    AUTO(mem_free) char *text = take_rest(&b);
    char *rest = text;
    struct http_asked asked = {.is_get = true};

    asked.range = line(&rest);
    asked.if_range = line(&rest);
    asked.if_none_match = line(&rest);
    asked.if_match = line(&rest);
    asked.if_modified_since = line(&rest);
    asked.if_unmodified_since = line(&rest);
    enum http_selected s = http_select(&from, &to, &asked, &stored);

    CHECK(s == SELECTED_ALL || s == SELECTED_PART || s == SELECTED_NOT_MODIFIED || s == SELECTED_PRECONDITION ||
          s == SELECTED_NOTHING);
    CHECK(s != SELECTED_PART || (from >= 0 && from <= to && to < stored.size));
    asked.is_get = false;
    CHECK(http_select(&from, &to, &asked, &stored) != SELECTED_PART);
    return 0;
}
