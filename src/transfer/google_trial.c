#include "transfer/google.h"
#include "transfer/trial.h"

#include <string.h>

static int google_plain(struct http_client_response *r, struct google *g, const char *method, const char *url,
                        struct err *err)
{
    return api_run(r, &g->api, &(struct api_call){.method = method, .url = url, .length = -1}, err);
}

/* In one request: a session would have to be noted down, and nobody does that here. */
static int google_write_probe(void *ctx, const char *name, struct err *err)
{
    struct google *g = ctx;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free)
    char *url = mem_printf("%s/upload/storage/v1/b/%s/o?uploadType=media&name=%s", g->endpoint, g->bucket, name);

    return api_run(
        &r, &g->api,
        &(struct api_call){.method = "POST", .url = url, .type = "text/plain", .body = TRIAL_TEXT, .length = -1}, err);
}

static int google_read_probe(void *ctx, struct str *text, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *object = google_url(ctx, name);
    AUTO(mem_free) char *url = mem_printf("%s?alt=media", object);

    if (google_plain(&r, ctx, "GET", url, err) < 0)
        return -1;
    str_puts(text, r.body.s ? r.body.s : "");
    return 0;
}

static int google_list_probe(void *ctx, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *list = google_url(ctx, NULL);
    AUTO(mem_free) char *url = mem_printf("%s?maxResults=1&fields=nextPageToken%%2Citems(name)&prefix=%s", list, name);

    return google_plain(&r, ctx, "GET", url, err);
}

static int google_remove_probe(void *ctx, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = google_url(ctx, name);

    return google_plain(&r, ctx, "DELETE", url, err);
}

int google_trial(struct google *g, struct err *err)
{
    static const struct remote_trial trial = {google_write_probe, google_read_probe, google_list_probe,
                                              google_remove_probe};

    g->api.ctx = g;
    return remote_try(g->api.job, &trial, g, err);
}
