/* Answers that every endpoint gives the same way. */
#include "http/reply.h"

#include <stdio.h>
#include <string.h>

void reply_headers(struct http_response *r)
{
    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "Access-Control-Allow-Methods", "POST, GET, PUT, DELETE, OPTIONS");
    http_response_header(r, "Access-Control-Allow-Headers",
                         "X-Requested-With, Content-Type, Cache-Control, Accept, Content-Length, "
                         "Transloadit-Client, Authorization");
    http_response_header(r, "Access-Control-Expose-Headers", "Retry-After, X-Request-Id");
    http_response_header(r, "Cache-Control", "no-cache");
}

struct http_response *reply_json_response(int status, char *json)
{
    struct http_response *r = http_response_new(status);

    reply_headers(r);
    http_response_text(r, "application/json; charset=utf-8", json, strlen(json));
    return r;
}

static void reply_release_nothing(void *arg) { (void)arg; }

struct http_response *reply_shared_response(const char *json, size_t len)
{
    struct http_response *r = http_response_new(200);

    reply_headers(r);
    http_response_shared(r, "application/json; charset=utf-8", json, len, reply_release_nothing, NULL);
    return r;
}

struct http_response *reply_error_response(const struct err *err, const json_t *extra)
{
    struct str b = {0};
    const char *key;
    json_t *v;
    int status = err_http_status(err);

    str_puts(&b, "{\"error\":");
    str_add_json(&b, err_name(err));
    str_addf(&b, ",\"http_code\":%d,\"message\":", status);
    str_add_json(&b, err->msg);
    str_puts(&b, ",\"reason\":");
    str_add_json(&b, err->msg);
    json_object_foreach ((json_t *)extra, key, v) {
        str_putc(&b, ',');
        str_add_json(&b, key);
        str_putc(&b, ':');
        str_add_json_value(&b, v);
    }
    if (err->retry_s > 0)
        str_addf(&b, ",\"info\":{\"retryIn\":%d}", err->retry_s);
    str_putc(&b, '}');
    struct http_response *r = reply_json_response(status, str_take(&b));
    http_response_code(r, err_name(err));
    if (status == 401) /* HTTP demands that a 401 names a way in */
        http_response_header(r, "WWW-Authenticate", str_starts(err_name(err), "TOKEN_") ? "Basic" : "Bearer");
    if (err->retry_s > 0) {
        char seconds[16];

        snprintf(seconds, sizeof seconds, "%d", err->retry_s);
        http_response_header(r, "Retry-After", seconds);
    }
    return r;
}

struct http_response *reply_preflight_response(void)
{
    struct http_response *r = http_response_new(200);

    reply_headers(r);
    http_response_header(r, "Access-Control-Max-Age", "86400");
    return r;
}
