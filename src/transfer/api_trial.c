/* The half of api.h that tries credentials. */
#include "transfer/api.h"
#include "transfer/trial.h"

static int api_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct api_trial *t = ctx;

    return remote_put_probe(t->api->job, t->store, t->ctx, name, err);
}

static int api_ask(struct http_client_response *r, const struct api_trial *t, const char *method,
                   const char *url, struct err *err)
{
    return api_run(r, t->api,
                   &(struct api_call){.method = method, .url = url, .fd = -1, .length = -1}, err);
}

static int api_read_probe(void *ctx, struct str *text, const char *name, struct err *err)
{
    const struct api_trial *t = ctx;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = t->url(t->ctx, name);

    if (api_ask(&r, t, "GET", url, err) < 0)
        return -1;
    str_puts(text, r.body.s ? r.body.s : "");
    return 0;
}

static int api_list_probe(void *ctx, const char *name, struct err *err)
{
    const struct api_trial *t = ctx;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = t->list(t->ctx, name);

    return api_ask(&r, t, "GET", url, err);
}

static int api_remove_probe(void *ctx, const char *name, struct err *err)
{
    const struct api_trial *t = ctx;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = t->url(t->ctx, name);

    return api_ask(&r, t, "DELETE", url, err);
}

int api_try(const struct api_trial *t, struct err *err)
{
    static const struct remote_trial trial = {api_write_probe, api_read_probe, api_list_probe,
                                              api_remove_probe};

    return remote_try(t->api->job, &trial, (void *)t, err);
}
