/* wishes.h - how a create request wants to be answered: redirect_url, quiet, await
 * (api-assemblies.md 1.2, 1.4, 1.5). */
#pragma once
#include "base/json.h"
#include "http/server.h"

enum await { AWAIT_NOTHING, AWAIT_END, AWAIT_NOTIFICATION };

struct wishes {
    bool quiet;
    enum await await;
    char *redirect; /* NULL: none */
    char *base_url;
};

/* From the merged params, once they are known to be somebody's. base_url is taken. */
void wishes_read(struct wishes *w, const json_t *params, bool may_redirect, char *base_url);
void wishes_done(struct wishes *w);
/* The answer: status_json is the whole document, lent. code NULL: a success. */
struct http_response *wishes_response(const struct wishes *w, const char *assembly_id,
                                      const char *status_json, int http_code, const char *code);
/* Nothing was created, or the request failed: reply_error_response() with what was wished. */
struct http_response *wishes_refusal(const struct wishes *w, const char *assembly_id,
                                     const struct err *err);
