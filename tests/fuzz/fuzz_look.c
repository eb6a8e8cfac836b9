/* A text of anybody's is counted before it is read: the counting has to see what the reading then
 * makes, and a look at some members has to find what reading all of it finds. */
#include "fuzz.h"

#include <string.h>

static const char *const names[] = {"auth", "a", "", "key", NULL};

static size_t values_of(const json_t *j, int depth, int *deepest)
{
    const char *key;
    size_t n = 1, i;
    json_t *v;

    if (!json_is_array(j) && !json_is_object(j))
        return 1;
    *deepest = depth + 1 > *deepest ? depth + 1 : *deepest;
    json_array_foreach (j, i, v)
        n += values_of(v, depth + 1, deepest);
    json_object_foreach ((json_t *)j, key, v)
        n += values_of(v, depth + 1, deepest);
    return n;
}

static bool is_read(const char *text, size_t n, int depth, size_t values)
{
    struct err err = {0};
    AUTO(json_unref)
    json_t *j =
        json_parse_within(text, n, &(struct json_bounds){.depth = depth, .values = values}, &err);

    CHECK(j || err.msg[0]);
    return j != NULL;
}

/* Is all of it looked at, with that many values and none of them made? */
static bool is_passed(const char *text, size_t n, size_t values)
{
    static const char *const none[] = {NULL};
    struct err err = {0};
    AUTO(json_unref)
    json_t *j =
        json_look(text, n, none, 0, &(struct json_bounds){.depth = 200, .passed = values}, &err);

    CHECK(j || err.msg[0]);
    return j != NULL;
}

/* The bounds are met exactly: what is there is let in, one less is not. */
static void check_bounds(const char *text, size_t n, const json_t *all)
{
    AUTO(json_unref)
    json_t *once = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    int deepest = 0;
    size_t values = values_of(all, 0, &deepest);

    CHECK(!is_read(text, n, 200, values - 1));
    CHECK(values == 1 || !is_passed(text, n, values - 1));
    if (!once)
        return; /* a key that came twice was counted twice, and so was what lay in its value */
    CHECK(is_read(text, n, deepest, values) && is_passed(text, n, values));
    CHECK(!deepest || !is_read(text, n, deepest - 1, values));
}

static bool same(const json_t *a, const json_t *b)
{
    AUTO(mem_free) char *s = json_text(a);
    AUTO(mem_free) char *t = json_text(b);

    return !strcmp(s, t);
}

static void check_look(const char *text, size_t n, const json_t *all, size_t max_bytes,
                       const struct json_bounds *most)
{
    struct err err = {0};
    AUTO(json_unref) json_t *seen = json_look(text, n, names, max_bytes, most, &err);
    int deepest = 0, named = 0;

    for (int i = 0; names[i]; i++) {
        const json_t *want = json_object_get(all, names[i]), *got = json_object_get(seen, names[i]);

        named += want != NULL;
        if (!seen)
            continue;
        CHECK(!want == !got);
        CHECK(!want || (same(want, got) && values_of(got, 0, &deepest) <= most->values));
        /* no text of a value is shorter than it has values */
        CHECK(!want || values_of(got, 0, &deepest) <= max_bytes);
    }
    if (!seen) {
        CHECK(err.msg[0] && named);
        CHECK(max_bytes < n || most->values < n);
        return;
    }
    CHECK(json_is_object(all) ? json_object_size(seen) == (size_t)named : json_is_null(seen));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    int depth = (int)take_below(&b, 10);
    size_t values = take_byte(&b), max_bytes = take_byte(&b);
    size_t n = b.left;
    AUTO(mem_free) char *text = take_rest(&b);
    struct err err = {0};
    AUTO(json_unref)
    json_t *all =
        json_parse_within(text, n, &(struct json_bounds){.depth = depth, .values = SIZE_MAX}, &err);
    AUTO(json_unref)
    json_t *wide = json_look(text, n, names, n,
                             &(struct json_bounds){.depth = depth, .values = SIZE_MAX}, &err);

    CHECK(!all == !wide); /* a look checks as much as reading does */
    if (!all) {
        CHECK(!is_read(text, n, depth, 1));
        CHECK(!json_look(text, n, names, max_bytes,
                         &(struct json_bounds){.depth = depth, .values = values}, &err));
        return 0;
    }
    check_bounds(text, n, all);
    check_look(text, n, all, n, &(struct json_bounds){.depth = depth, .values = SIZE_MAX});
    check_look(text, n, all, max_bytes, &(struct json_bounds){.depth = depth, .values = values});
    return 0;
}
