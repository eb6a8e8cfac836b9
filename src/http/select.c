#include "http/select.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- entity tags ---- */

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* The end of the tag at s, which may be weak; NULL: it is none. */
static const char *tag_end(const char *s, bool *is_weak, const char **opaque)
{
    *is_weak = s[0] == 'W' && s[1] == '/';
    s += *is_weak ? 2 : 0;
    *opaque = s;
    if (*s++ != '"')
        return NULL;
    for (; *s && *s != '"'; s++)
        if ((unsigned char)*s < 0x21 || *s == 0x7f)
            return NULL;
    return *s ? s + 1 : NULL;
}

static bool select_is_listed(const char *list, const char *etag, bool strong)
{
    list = skip_blanks(list);
    if (*list == '*' && !*skip_blanks(list + 1))
        return true;
    while (*list) {
        const char *opaque, *end;
        bool is_weak;

        if (*list == ',') { /* an empty member */
            list = skip_blanks(list + 1);
            continue;
        }
        if (!(end = tag_end(list, &is_weak, &opaque)))
            return false;
        if (!(strong && is_weak) && (size_t)(end - opaque) == strlen(etag) && !memcmp(opaque, etag, strlen(etag)))
            return true;
        list = skip_blanks(end);
        if (*list && *list != ',')
            return false;
    }
    return false;
}

bool http_etag_listed(const char *list, const char *etag) { return select_is_listed(list, etag, /* strong */ false); }

/* ---- dates ---- */

/* One of the three forms of RFC 9110 5.6.7. -1: none of them. */
static int64_t date_of(const char *s)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *end = strptime(s, forms[i], &tm);

        if (end && !*end)
            return timegm(&tm);
    }
    return -1;
}

/* ---- the range ---- */

/* Digits alone; more than fit are as good as the most that do. NULL: there is none. */
static const char *select_number(int64_t *out, const char *s)
{
    if (!isdigit((unsigned char)*s))
        return NULL;
    for (*out = 0; isdigit((unsigned char)*s); s++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *s - '0', out))
            *out = INT64_MAX;
    return s;
}

static enum http_selected range_of(int64_t *from, int64_t *to, const char *h, int64_t size)
{
    int64_t first, last = INT64_MAX;

    if (strncasecmp(h, "bytes=", 6) || strchr(h, ','))
        return SELECTED_ALL;
    h = skip_blanks(h + 6);
    if (*h == '-') { /* the last so many */
        if (!(h = select_number(&last, h + 1)) || *skip_blanks(h))
            return SELECTED_ALL;
        if (!last || !size)
            return SELECTED_NOTHING;
        *from = last < size ? size - last : 0;
        *to = size - 1;
        return SELECTED_PART;
    }
    if (!(h = select_number(&first, h)) || *h++ != '-')
        return SELECTED_ALL;
    if (isdigit((unsigned char)*h))
        h = select_number(&last, h);
    if (*skip_blanks(h) || last < first)
        return SELECTED_ALL;
    if (first >= size)
        return SELECTED_NOTHING;
    *from = first;
    *to = last < size ? last : size - 1;
    return SELECTED_PART;
}

/* Else the range is about something that the client does not have: all of it, so that it can begin anew. */
static bool range_holds(const char *if_range, const struct http_stored *stored)
{
    if (!if_range)
        return true;
    if_range = skip_blanks(if_range);
    if (*if_range == '"') { /* strong comparison, and one tag only */
        const char *opaque, *end;
        bool is_weak;

        return (end = tag_end(if_range, &is_weak, &opaque)) && !*skip_blanks(end) &&
               select_is_listed(if_range, stored->etag, /* strong */ true);
    }
    return stored->modified_s > 0 && date_of(if_range) == stored->modified_s;
}

enum http_selected http_select(int64_t *from, int64_t *to, const struct http_asked *asked,
                               const struct http_stored *stored)
{
    int64_t since;

    /* in the order of RFC 9110 13.2.2 */
    if (asked->if_match) {
        if (!select_is_listed(asked->if_match, stored->etag, /* strong */ true))
            return SELECTED_PRECONDITION;
    } else if (asked->if_unmodified_since && stored->modified_s && (since = date_of(asked->if_unmodified_since)) >= 0 &&
               stored->modified_s > since) {
        return SELECTED_PRECONDITION;
    }
    if (asked->if_none_match) {
        if (http_etag_listed(asked->if_none_match, stored->etag))
            return SELECTED_NOT_MODIFIED;
    } else if (asked->if_modified_since && stored->modified_s && (since = date_of(asked->if_modified_since)) >= 0 &&
               stored->modified_s <= since) {
        return SELECTED_NOT_MODIFIED;
    }
    if (!asked->is_get || !asked->range || !range_holds(asked->if_range, stored))
        return SELECTED_ALL;
    return range_of(from, to, asked->range, stored->size);
}
