/* form.h - request bodies of forms: multipart/form-data and application/x-www-form-urlencoded, parsed
 * as they arrive. Text fields are collected up to a limit; file parts go to the caller piece by piece
 * and are never held. Contract: api.md section 1 (file parts, part order, empty file inputs). */
#pragma once
#include "base/budget.h"

#include <stdint.h>

struct form;

struct form_sink {
    /* A file part begins: it has a filename parameter, or a Content-Type that is neither text nor JSON and a name that
     * is not in form_limits.fields (HTTP libraries put a type on every part). A part with an empty filename and no
     * bytes is dropped before this is called. name: field name; filename: last path component, "" never (the field name
     * stands in); content_type: application/octet-stream when the part has none. Returns 0 or -1 with err. */
    int (*file_begin)(void *ctx, const char *name, const char *filename, const char *content_type,
                      struct err *err);
    int (*file_data)(void *ctx, const char *data, size_t len, struct err *err);
    int (*file_end)(void *ctx, struct err *err);
    /* A complete text field. value is NUL-terminated at value[len] and may hold NULs before. */
    int (*field)(void *ctx, const char *name, const char *value, size_t len, struct err *err);
};

struct form_limits {
    size_t field_bytes; /* of one text field, e.g. 8 MiB */
    size_t total_bytes; /* of all text fields together */
    int parts;          /* number of parts */
    const char *const *fields; /* names of parts that are text whatever their type, unless they have a filename; NULL at
                                * the end; lent for good. NULL: none */
    struct budget *budget; /* what is held of the form is taken from it until form_known(); NULL: nothing is counted */
};

/* content_type: the request's header, may be NULL (then every byte must be absent). Returns NULL with
 * err ERR_FORM when the type is another one or the boundary is missing or bad. */
struct form *form_new(const char *content_type, const struct form_sink *sink, void *ctx,
                      const struct form_limits *limits, struct err *err);
/* Feed the next bytes. Errors: ERR_FORM, ERR_URL_ENCODING, ERR_BUSY (the budget is used up), or what the
 * sink reported. */
MUST_CHECK int form_feed(struct form *f, const char *data, size_t len, struct err *err);
/* The sink keeps so much of it. Errors: as share_take(). */
MUST_CHECK int form_hold(struct form *f, size_t bytes, struct err *err);
/* It is clear who sends the form and that they may: the budget is for others. */
void form_known(struct form *f);
/* The body is over. Errors: ERR_FORM when the last part or the closing boundary is missing. */
MUST_CHECK int form_finish(struct form *f, struct err *err);
void form_free(struct form *f);
DEFINE_AUTO(struct form *, form_free)
