/* JSON from outside: never deeper than allowed, and what was read can be written and read again. */
#include "base/json_mend.h"
#include "fuzz.h"

#include <string.h>

static int depth_of(const json_t *j)
{
    int deepest = 0;
    const char *key;
    json_t *item;
    size_t i;

    if (!json_is_array(j) && !json_is_object(j))
        return 0;
    json_array_foreach (j, i, item)
        deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
    json_object_foreach ((json_t *)j, key, item)
        deepest = depth_of(item) > deepest ? depth_of(item) : deepest;
    return deepest + 1;
}

/* What an object has is found in its text, unless its name is no C string or is written as jansson would refuse it. */
static void look_for_each(const char *text, size_t len, const json_t *j)
{
    const char *key, *path[] = {NULL, "x", NULL};
    json_t *v;

    json_object_foreach ((json_t *)j, key, v) {
        struct json_place at;

        path[0] = key;
        for (int k = 0; k < 2; k++) {
            (void)json_where(&at, text, len, path, k);
            CHECK(at.line >= 1 && at.column >= 1 && (size_t)at.line <= len + 1 && (size_t)at.column <= len + 1);
        }
    }
}

/* Something is said of it exactly when it is not JSON, and what was meant is. */
static void look_for_faults(const char *text, size_t len)
{
    AUTO(json_unref) json_t *is = json_parse(text, len, 200, NULL);
    struct json_mended m;
    struct err err = {0};
    int faults = 0;

    json_mend(&m, text, len);
    for (int i = 0; i < m.count; i++) {
        faults += !m.faults[i].is_doubtful;
        CHECK(m.faults[i].at <= len && m.faults[i].len > 0 && m.faults[i].text[0]);
    }
    CHECK(!is == (faults > 0));
    AUTO(json_unref) json_t *meant = m.gave_up ? NULL : json_parse(m.text.s, m.text.len, 200, &err);
    CHECK(m.gave_up || meant);
    CHECK(!is || json_equal(is, meant));
    json_mended_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    int max = 1 + (int)take_below(&b, 8);
    size_t n = b.left;
    AUTO(mem_free) char *text = take_rest(&b);
    struct err err = {0};
    AUTO(json_unref) json_t *j = json_parse(text, n, max, &err);

    look_for_faults(text, n);
    if (!j) {
        CHECK(err.msg[0]);
        return 0;
    }
    CHECK(depth_of(j) <= max);
    look_for_each(text, n, j);
    AUTO(mem_free) char *again = json_text(j);
    AUTO(json_unref) json_t *k = json_parse(again, strlen(again), max, &err);
    CHECK(k);
    AUTO(mem_free) char *twice = json_text(k);
    CHECK(!strcmp(again, twice));
    (void)jint(j, "a", 0);
    (void)jnum(j, "a", 0);
    (void)jbool(j, "a", false);
    return 0;
}
