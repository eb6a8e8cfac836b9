#include "robot/page_list.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BLANKS " \t\n\v\f\r"

static bool page_number(int64_t *out, const char **at)
{
    const char *p = *at + strspn(*at, PAGE_BLANKS);
    size_t n = strspn(p, "0123456789");

    if (n < 1 || n > 9)
        return false;
    *out = strtoll(p, NULL, 10);
    p += n;
    *at = p + strspn(p, PAGE_BLANKS);
    return true;
}

/* One page or range at *at. */
static bool page_range(int64_t *first, int64_t *last, const char **at)
{
    if (!page_number(first, at))
        return false;
    *last = *first;
    if (**at != '-')
        return true;
    ++*at;
    return page_number(last, at);
}

int page_list_next(int64_t *first, int64_t *last, const char **at)
{
    if (!**at)
        return 0;
    if (!page_range(first, last, at) || *first < 1 || *last < 1)
        return -1;
    if (**at == ',')
        return *++*at ? 1 : -1;
    return **at ? -1 : 1;
}

int page_list_add(struct str *list, int64_t *count, const char *text, int64_t of, struct err *err)
{
    const char *at = text;
    int64_t first, last;
    int rc = -1; /* of nothing at all */

    while (*text && (rc = page_list_next(&first, &last, &at)) > 0) {
        if (!list)
            continue;
        if (first > of && last > of)
            return err_set(err, ERR_ROBOT_VALIDATION, "page %lld was asked for, but there are only %lld",
                           (long long)first, (long long)of);
        first = first < of ? first : of;
        last = last < of ? last : of;
        *count += (first < last ? last - first : first - last) + 1;
        if (*count > PAGE_LIST_MAX)
            return err_set(err, ERR_ROBOT_VALIDATION, "more than %d pages were asked for", PAGE_LIST_MAX);
        str_addf(list, "%s%lld-%lld", list->len ? "," : "", (long long)first, (long long)last);
    }
    if (rc < 0)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'%.60s' is no page or range of pages like 5 or 2-4, counted from 1", text);
    return 0;
}
