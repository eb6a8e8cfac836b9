/* What every handler may ask, and which one serves a request. */
#include "api/call.h"
#include "api/notifications.h"
#include "base/id.h"

#include <string.h>

struct app *app_of(struct http_request *req) { return http_ctx(req); }
struct uploads *app_uploads(struct http_request *req) { return app_of(req)->uploads; }

char *app_base_url(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *host = http_header(req, "Host"), *scheme = "http";

    if (*app->config->public_url) {
        char *url = mem_strdup(app->config->public_url);

        while (*url && url[strlen(url) - 1] == '/')
            url[strlen(url) - 1] = 0;
        return url;
    }
    if (app->config->trust_forwarded) {
        const char *h = http_header(req, "X-Forwarded-Host"), *p = http_header(req, "X-Forwarded-Proto");

        if (h && http_host_valid(h))
            host = h;
        if (p && !strcmp(p, "https"))
            scheme = "https";
    }
    if (!host) /* HTTP/1.0; others have a good one, or are refused */
        return mem_printf("%s://127.0.0.1:%d", scheme, app->port);
    return mem_printf("%s://%s", scheme, host);
}

static enum http_next not_found_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_NOT_FOUND, "There is nothing at %.200s", http_path(req));
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static enum http_next bad_escape_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_URL_ENCODING, "The address holds a malformed percent escape");
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static const struct http_handler not_found = {.end = not_found_end}, bad_escape = {.end = bad_escape_end};

/* Matches path against pattern; fills path arguments. */
static bool matches(struct http_request *req, const char *pattern, const char *path)
{
    int arg = 0;

    for (; *pattern; pattern++) {
        if (*pattern == '*' && !pattern[1])
            return true;
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");
            AUTO(mem_free) char *part = mem_strndup(path, n);

            if (!n || (str_starts(pattern, "{id}") && !id_valid(part)))
                return false;
            http_set_path_arg(req, arg++, part);
            path += n;
            pattern = strchr(pattern, '}');
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return !*path;
}

const struct http_handler *app_route(struct http_request *req, void *ctx)
{
    const char *method = http_method(req), *path = http_path(req);

    const struct http_handler *other;
    const struct route *routes;
    size_t count;

    (void)ctx;
    if (http_query_bad(req))
        return &bad_escape;
    if ((other = stream_route(req)) || (other = companion_route(req)))
        return other;
    routes = app_routes(&count);
    for (size_t i = 0; i < count; i++)
        if ((*routes[i].method == '*' || !strcmp(routes[i].method, method)) &&
            matches(req, routes[i].pattern, path)) {
            if (routes[i].handler)
                return routes[i].handler;
            http_set_data(req, (void *)&routes[i]);
            return &call_handler;
        }
    /* tus answers for its own paths, in its own manner */
    if (str_starts(path, "/resumable/files/") && strcmp(method, "GET")) {
        http_set_path_arg(req, 0, "");
        return !strcmp(method, "PATCH")    ? &tus_patch
               : !strcmp(method, "HEAD")   ? &tus_head
               : !strcmp(method, "DELETE") ? &tus_delete
                                           : &tus_refuse;
    }
    return &not_found;
}
