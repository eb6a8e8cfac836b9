#include "transfer/s3_upload.h"
#include "transfer/trial.h"

#include <string.h>

/* One call without a body; r NULL: what it answers does not matter. */
static int plain(struct http_client_response *r, struct s3_bucket *b, const char *method, const char *key,
                 const struct sigv4_pair *query, struct err *err)
{
    char code[64];

    return s3_call(r, b, &(struct s3_call){.method = method, .key = key, .query = query, .fd = -1, .length = -1}, code,
                   NULL, err);
}

static int write_probe(void *ctx, const char *name, struct err *err)
{
    static const struct sigv4_pair headers[] = {{"content-type", "text/plain"}, {0}};
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];

    return s3_call(&r, ctx,
                   &(struct s3_call){.method = "PUT",
                                     .key = name,
                                     .headers = headers,
                                     .body = TRIAL_TEXT,
                                     .fd = -1,
                                     .length = -1},
                   code, NULL, err);
}

static int read_probe(void *ctx, struct str *text, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};

    if (plain(&r, ctx, "GET", name, NULL, err) < 0)
        return -1;
    str_puts(text, r.body.s ? r.body.s : "");
    return 0;
}

static int list_probe(void *ctx, const char *name, struct err *err)
{
    const struct sigv4_pair query[] = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", name}, {0}};
    AUTO(http_client_response_done) struct http_client_response r = {0};

    return plain(&r, ctx, "GET", NULL, query, err);
}

static int remove_probe(void *ctx, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};

    return plain(&r, ctx, "DELETE", name, NULL, err);
}

int s3_trial(struct s3_bucket *b, struct err *err)
{
    static const struct remote_trial trial = {write_probe, read_probe, list_probe, remove_probe};

    return remote_try(b->job, &trial, b, err);
}
