/* fields.h - the text fields of a request that carries no file: from its form body, else from its query
 * (api.md section 1). */
#pragma once
#include "base/json.h"
#include "http/form.h"
#include "http/server.h"

struct fields {
    struct form *form;    /* NULL: no body to read */
    char *params;         /* the exact bytes; NULL: none came */
    size_t params_len;
    char *signature;      /* NULL: none came */
    json_t *others;       /* object of strings: every other field of the body */
    bool bad;             /* the body can't be read; err says why */
    struct err err;
};

/* Takes what the query holds and gets ready for a body. */
void fields_begin(struct fields *f, struct http_request *req);
void fields_feed(struct fields *f, const char *data, size_t len);
/* The body is over. Errors: ERR_FORM, ERR_URL_ENCODING (also those of an earlier fields_feed()). */
MUST_CHECK int fields_end(struct fields *f, struct err *err);
void fields_done(struct fields *f);

/* begin, body and done of a http_handler whose request is nothing but fields: http_data() is them in its end. */
enum http_next fields_request_begin(struct http_request *req);
int fields_request_body(struct http_request *req, const char *data, size_t len);
void fields_request_done(struct http_request *req, enum http_outcome outcome);
