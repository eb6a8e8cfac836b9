/* What every handler may ask. */
#include "api/app.h"
#include "config.h"
#include "http/server.h"

#include <string.h>

struct app *app_of(struct http_request *req) { return http_ctx(req); }

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
