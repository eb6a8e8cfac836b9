/* companion_url: a Companion that runs beside this server, reached through it (api-companion.md).
 */
#include "api/companion.h"
#include "api/app.h"
#include "api/routes.h"
#include "config.h"
#include "http/server.h"

#include <string.h>

#define PREFIX "/companion"
#define MAX_BODY (1 << 20) /* Companion itself takes 100 KB of JSON */
#define CONNECT_S 5
#define IDLE_S 120 /* Companion answers some requests only after it has asked another server */

/* What Companion says of who may call it: any page that knows the address, with what Uppy sends. */
static void allow(struct http_response *r, const char *origin)
{
    http_response_header(r, "Access-Control-Allow-Origin", origin ? origin : "*");
    if (origin)
        http_response_header(r, "Access-Control-Allow-Credentials", "true");
    http_response_header(r, "Vary", "Origin");
    http_response_header(r, "Access-Control-Allow-Methods", "GET,POST,OPTIONS,DELETE");
    http_response_header(r, "Access-Control-Allow-Headers",
                         "uppy-auth-token,uppy-credentials-params,uppy-versions,authorization,"
                         "origin,content-type,accept");
    http_response_header(r, "Cache-Control", "no-store");
}

/* A browser shows an error to its page only when the preflight went well, so that one always does.
 */
static struct http_response *companion_refuse(const struct err *err, const char *method, const char *origin)
{
    bool is_preflight = !strcmp(method, "OPTIONS");
    struct http_response *r = http_response_new(is_preflight ? 200 : err_http_status(err));
    struct str b = {0};

    allow(r, origin);
    if (is_preflight)
        return r;
    str_puts(&b, "{\"error\":");
    str_add_json(&b, err_name(err));
    str_addf(&b, ",\"http_code\":%d,\"message\":", err_http_status(err));
    str_add_json(&b, err->msg);
    str_putc(&b, '}');
    size_t len = b.len;

    http_response_text(r, "application/json; charset=utf-8", str_take(&b), len);
    return r;
}

static enum http_next none_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_UPSTREAM_DOWN,
            "This server has no Companion. Run one beside it (examples/companion) and start the "
            "server with --companion http://127.0.0.1:3020");
    http_answer(req, companion_refuse(&err, http_method(req), http_header(req, "Origin")));
    return HTTP_ANSWERED;
}

static const struct http_handler none = {.end = none_end};

const struct http_handler *companion_route(struct http_request *req)
{
    const char *path = http_path(req), *rest = path + strlen(PREFIX);

    if (!str_starts(path, PREFIX) || (*rest && *rest != '/'))
        return NULL;
    if (!app_of(req)->companion)
        return &none;
    http_set_data(req, app_of(req)->companion);
    return &proxy_handler;
}

int companion_open(struct proxy **out, const struct config *config, struct err *err)
{
    struct proxy_conf conf = {.upstream = config->companion,
                              .name = "Companion",
                              .prefix = PREFIX,
                              .max_body = MAX_BODY,
                              .connect_timeout_s = CONNECT_S,
                              .idle_timeout_s = IDLE_S,
                              .trust_forwarded = config->trust_forwarded,
                              .base_url = app_base_url,
                              .refuse = companion_refuse};

    return *config->companion ? proxy_start(out, &conf, err) : 0;
}
