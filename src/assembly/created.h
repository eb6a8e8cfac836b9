/* created.h - what an Assembly is told when it begins, as a record. The data of the `created` event is its JSON:
 * created.c alone knows the keys. Pure. */
#pragma once
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are NULL when there are none. All is lent: by who makes one, or from the JSON that was read. */
#define CREATED_PROBE_BATCH 16
#define CREATED_UPLOAD_BATCH 16
struct created {
    const char *workspace, *account_name, *key_id, *base_url;
    const char *nonce; /* of the request that made it */
    json_t *steps;     /* in the store: sealed */
    const char *params, *merged_params; /* JSON texts for the status, masked */
    json_t *fields;
    const char *client, *notify_url, *redirect_url, *usage_tags;
    const char *template_id, *template_name, *template_params; /* the last: JSON text, masked */
    bool quiet, ignores_meta_errors, tells_progress;
    bool by_url;                       /* a request by URL waits for its file: it ends with the process that has that */
    bool body_done;                    /* the create request is complete; else body_done or body_cut follows */
    int64_t body_bytes, body_expected; /* of the create request: came so far, and are announced */
    int expected;                      /* uploads by tus */
    int64_t max_size, max_files;       /* 0: no limit */
    int max_attempts;                  /* of a job */
    int probe_batch;                   /* imported files that one job looks into, at most */
    int upload_batch;                  /* small uploads, the same */
    bool notes;                        /* the engine evaluates `user_meta` */
    /* of a replay */
    const char *parent_id;
    json_t *inputs; /* [file {id, name, size, md5, field, user_meta}] */
    /* in older stores: the instructions were refused; {code, name, msg, step} */
    const json_t *refusal;
};

/* The caller's to free. */
json_t *created_json(const struct created *c);
void created_read(struct created *c, const json_t *data);
