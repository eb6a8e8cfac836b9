/* Which row of the route table serves a request: the one place that knows all handlers. */
#include "api/app.h"
#include "api/call.h"
#include "api/routes.h"
#include "base/id.h"
#include "http/reply.h"

#include <string.h>
#include <strings.h>

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

#define ARGS 4

/* Matches path against pattern; fills path arguments. */
static bool matches(struct http_request *req, const char *pattern, const char *path)
{
    int arg = 0;

    for (int i = 0; i < ARGS; i++) /* those of a row that was not the request's */
        http_set_path_arg(req, i, NULL);
    for (; *pattern; pattern++) {
        if (*pattern == '*' && !pattern[1]) {
            http_set_path_arg(req, arg, path);
            return true;
        }
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

/* Is it this row's? name: the request's method, or another whose rows serve it as well. */
static bool is_asked(struct http_request *req, const struct route *r, const char *name)
{
    const char *method = http_method(req), *other = http_query(req, "method");

    if (!strcmp(r->method, "*") || !strcmp(r->method, name))
        return true;
    return r->by_get && !strcmp(method, "GET") && other && !strcasecmp(other, r->method);
}

static const struct http_handler *handler_of(struct http_request *req, const char *name)
{
    const char *path = http_path(req);
    size_t count;
    const struct route *r = app_routes(&count);

    for (const struct route *end = r + count; r < end; r++) {
        const struct http_handler *h;

        if (!is_asked(req, r, name) || !matches(req, r->pattern, path))
            continue;
        if (r->find) {
            if ((h = r->find(req)))
                return h;
            continue;
        }
        if (r->handler) {
            if (r->of_uploads)
                http_set_data(req, app_of(req)->uploads);
            return r->handler;
        }
        http_set_data(req, (void *)r);
        return &call_handler;
    }
    return NULL;
}

/* The methods of this address, as Allow has them; empty: there is no such address. */
static void allowed(struct str *out, struct http_request *req)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    bool has[ARRAY_LEN(methods)] = {false};
    size_t count;
    const struct route *r = app_routes(&count);

    for (const struct route *end = r + count; r < end; r++)
        for (size_t i = 0; i < ARRAY_LEN(methods); i++)
            if (*r->pattern == '/' && !strcmp(r->method, methods[i]) && matches(req, r->pattern, http_path(req))) {
                has[i] = true;
                has[1] |= i == 0 && !r->find;
            }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (has[i])
            str_addf(out, "%s%s", out->len ? ", " : "", methods[i]);
    if (out->len)
        str_puts(out, ", OPTIONS");
}

static enum http_next wrong_method_end(struct http_request *req)
{
    AUTO(str_done) struct str allow = {0};
    struct err err;

    allowed(&allow, req);
    err_set(&err, ERR_SERVER_405, "%.20s is not served at %.200s", http_method(req), http_path(req));
    struct http_response *r = reply_error_response(&err, NULL);
    http_response_header(r, "Allow", allow.s);
    http_answer(req, r);
    return HTTP_ANSWERED;
}

static const struct http_handler wrong_method = {.end = wrong_method_end};

const struct http_handler *app_route(struct http_request *req, void *ctx)
{
    AUTO(str_done) struct str allow = {0};
    const char *method = http_method(req);
    const struct http_handler *h;

    (void)ctx;
    if (http_query_bad(req))
        return &bad_escape;
    if ((h = handler_of(req, method)) || (!strcmp(method, "HEAD") && (h = handler_of(req, "GET"))))
        return h;
    allowed(&allow, req);
    return allow.len ? &wrong_method : &not_found;
}
