/* select.h - what of a file a GET or HEAD asks for: conditional and range requests (RFC 9110 sections 13 and 14). One
 * range is served; several, another unit, and what can't be read are ignored, as the RFC has it: then the answer is all
 * of it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The request's headers, NULL when absent. */
struct http_asked {
    const char *if_match, *if_unmodified_since, *if_none_match, *if_modified_since, *if_range, *range;
    bool is_get; /* a HEAD has no ranges */
};

struct http_stored {
    const char *etag;   /* strong, with its quotes */
    int64_t modified_s; /* since the epoch; 0: unknown */
    int64_t size;
};

enum http_selected {
    SELECTED_ALL = 200,
    SELECTED_PART = 206,          /* *from to *to, both included */
    SELECTED_NOT_MODIFIED = 304,
    SELECTED_PRECONDITION = 412,
    SELECTED_NOTHING = 416,       /* no byte of the range exists */
};

/* The status to answer with. *from and *to are set with SELECTED_PART only. */
enum http_selected http_select(int64_t *from, int64_t *to, const struct http_asked *asked,
                               const struct http_stored *stored);

/* Is etag in the list of an If-None-Match ("*": any)? By weak comparison. */
bool http_etag_listed(const char *list, const char *etag);
