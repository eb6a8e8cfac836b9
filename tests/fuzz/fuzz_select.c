/* Conditional and range requests that are written out of what they mean, so that it is known what
 * they have to get: the rules of RFC 9110 13.2.2 and 14.1.2, once more, upon numbers instead of
 * texts. (fuzz_range.c has any text.) */
#include "fuzz.h"
#include "http/select.h"

#include <string.h>
#include <time.h>

static const char *const tags[] = {"0123", "0124", "", "a,b", "*"};

/* ---- lists of entity tags ---- */

struct list {
    struct str text;
    bool given, any, strong, weak; /* the stored tag is in it, by which comparison */
};

static void add_blanks(struct str *s, unsigned how)
{
    static const char *const blanks[] = {"", " ", "\t", "  "};

    str_puts(s, blanks[how % ARRAY_LEN(blanks)]);
}

static struct list take_list(struct bytes *b, const char *etag)
{
    struct list l = {0};
    unsigned n = take_below(b, 6);

    if (n == 0)
        return l;
    l.given = true;
    str_puts(&l.text, "");
    if (n == 5) {
        str_puts(&l.text, "*");
        l.any = true;
        return l;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned how = take_byte(b), which = take_below(b, ARRAY_LEN(tags));
        bool weak = how & 1;

        if (i)
            str_puts(&l.text, how & 2 ? "," : ",,");
        add_blanks(&l.text, how >> 2);
        str_addf(&l.text, "%s\"%s\"", weak ? "W/" : "", tags[which]);
        add_blanks(&l.text, how >> 4);
        if (!strcmp(tags[which], etag)) {
            l.weak = true;
            l.strong |= !weak;
        }
    }
    return l;
}

/* ---- dates ---- */

struct date {
    char text[64];
    bool given, valid;
    int64_t at;
};

static struct date take_date(struct bytes *b, int64_t near)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    struct date d = {0};
    unsigned how = take_byte(b);
    time_t t;
    struct tm tm;

    d.given = how & 1;
    d.valid = how & 2;
    d.at = near + (int)take_byte(b) - 128;
    t = d.at;
    gmtime_r(&t, &tm);
    strftime(d.text, sizeof d.text, forms[(how >> 2) % ARRAY_LEN(forms)], &tm);
    if (!d.valid)
        strcat(d.text, "x");
    return d;
}

/* ---- the range ---- */

struct range {
    struct str text;
    enum { RANGE_NONE, RANGE_IGNORED, RANGE_FROM_TO, RANGE_FROM, RANGE_LAST } kind;
    int64_t from, to; /* of RANGE_LAST: to is how many */
};

static int64_t take_number(struct bytes *b, int64_t size)
{
    static const int64_t far[] = {INT64_MAX, INT64_MAX - 1, 0, 1};
    unsigned how = take_byte(b);

    if (how < 128) {
        int64_t n = how & 64 ? size - 32 : 0, more = how & 63;

        n = n > INT64_MAX - more ? INT64_MAX : n + more;
        return n < 0 ? 0 : n;
    }
    return far[how % ARRAY_LEN(far)];
}

static struct range take_range(struct bytes *b, int64_t size)
{
    static const char *const ignored[] = {"items=0-1", "bytes=0-1,2-3", "bytes=",     "bytes=-",
                                          "bytes=a-b", "bytes 0-1",     "bytes=1-2x", "bytes=--1"};
    struct range r = {0};
    int64_t from = take_number(b, size), to = take_number(b, size);

    r.kind = take_below(b, 5);
    r.from = from;
    r.to = to;
    switch (r.kind) {
    case RANGE_NONE:
        return r;
    case RANGE_IGNORED:
        str_puts(&r.text, ignored[take_below(b, ARRAY_LEN(ignored))]);
        return r;
    case RANGE_FROM_TO:
        str_addf(&r.text, "bytes=%lld-%lld", (long long)from, (long long)to);
        return r;
    case RANGE_FROM:
        str_addf(&r.text, "bytes=%lld-", (long long)from);
        return r;
    case RANGE_LAST:
        str_addf(&r.text, "BYTES=-%lld", (long long)to);
    }
    return r;
}

static enum http_selected want_range(int64_t *from, int64_t *to, const struct range *r,
                                     int64_t size)
{
    if (r->kind == RANGE_NONE || r->kind == RANGE_IGNORED ||
        (r->kind == RANGE_FROM_TO && r->to < r->from))
        return SELECTED_ALL;
    if (r->kind == RANGE_LAST) {
        *from = r->to < size ? size - r->to : 0;
        *to = size - 1;
        return r->to && size ? SELECTED_PART : SELECTED_NOTHING;
    }
    *from = r->from;
    *to = r->kind == RANGE_FROM || r->to >= size ? size - 1 : r->to;
    return r->from < size ? SELECTED_PART : SELECTED_NOTHING;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int64_t sizes[] = {0, 1, 10, 1000, INT64_C(1) << 40, INT64_MAX};
    struct bytes b = {data, len};
    const char *tag = tags[take_below(&b, ARRAY_LEN(tags))];
    AUTO(mem_free) char *etag = mem_printf("\"%s\"", tag);
    struct http_stored stored = {etag, take_byte(&b) & 1 ? 1700000000 : 0,
                                 sizes[take_below(&b, ARRAY_LEN(sizes))]};
    struct list match = take_list(&b, tag), none = take_list(&b, tag);
    struct date unmodified = take_date(&b, 1700000000), modified = take_date(&b, 1700000000),
                held = take_date(&b, 1700000000);
    unsigned if_range = take_below(&b, 4); /* none, a date, a tag, a weak one */
    const char *held_tag = tags[take_below(&b, ARRAY_LEN(tags))];
    AUTO(mem_free) char *range_tag = mem_printf("%s\"%s\"", if_range == 3 ? "W/" : "", held_tag);
    bool is_get = take_byte(&b) & 1;
    struct range range = take_range(&b, stored.size);
    struct http_asked asked = {.if_match = match.given ? match.text.s : NULL,
                               .if_none_match = none.given ? none.text.s : NULL,
                               .if_unmodified_since = unmodified.given ? unmodified.text : NULL,
                               .if_modified_since = modified.given ? modified.text : NULL,
                               .if_range = if_range == 0   ? NULL
                                           : if_range == 1 ? held.text
                                                           : range_tag,
                               .range = range.kind == RANGE_NONE ? NULL : range.text.s,
                               .is_get = is_get};
    int64_t from = -1, to = -1, want_from = -1, want_to = -1;
    enum http_selected want = SELECTED_ALL;
    bool date_counts = stored.modified_s > 0;
    bool holds = if_range == 0 ||
                 (if_range == 1 && held.valid && date_counts && held.at == stored.modified_s) ||
                 (if_range == 2 && !strcmp(held_tag, tag));

    if (match.given ? !match.any && !match.strong
                    : unmodified.given && unmodified.valid && date_counts &&
                          stored.modified_s > unmodified.at)
        want = SELECTED_PRECONDITION;
    else if (none.given ? none.any || none.weak
                        : modified.given && modified.valid && date_counts &&
                              stored.modified_s <= modified.at)
        want = SELECTED_NOT_MODIFIED;
    else if (is_get && holds)
        want = want_range(&want_from, &want_to, &range, stored.size);
    CHECK(http_select(&from, &to, &asked, &stored) == want);
    CHECK(want != SELECTED_PART || (from == want_from && to == want_to));
    CHECK(!none.given || http_etag_listed(none.text.s, etag) == (none.any || none.weak));
    str_done(match.text);
    str_done(none.text);
    str_done(range.text);
    return 0;
}
