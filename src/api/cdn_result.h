/* cdn_result.h - what an Assembly that answers a request by URL is made of, and what came of it. Pure. */
#pragma once
#include "api/cdn_address.h"
#include "api/cdn_cache.h"
#include "api/cdn_template.h"

#include <stdint.h>

/* The data of its `created` event; the caller's. key_id: who signed the request, NULL: nobody. */
struct cdn_order {
    const struct cdn_address *address;
    const struct cdn_template *template;
    const char *key_id, *base_url, *client;
    int max_attempts;
};
json_t *cdn_created(const struct cdn_order *o);

/* From its final document, the answer; until_us is not after now_us when nobody may keep it. The caller unrefs *out.
 * Errors: ERR_CDN_NO_RESULT, ERR_BUSY (it was canceled), and what the Assembly failed with, under its own name. */
MUST_CHECK int cdn_result_read(struct cdn_entry **out, const json_t *status, const json_t *steps, const char *key,
                               int64_t now_us, struct err *err);
