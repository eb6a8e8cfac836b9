/* GET /console/: the web console's files; GET /robots: the Robots and their options. Neither needs
 * a key: nothing in them is anybody's. What the page asks for goes over the API like any client's
 * requests. */
#include "api/routes.h"
#include "console/pages.h"
#include "http/reply.h"
#include "http/select.h"
#include "robot/robot.h"
#include "http/server.h"

#include <pthread.h>
#include <string.h>

/* Only what this server sends may run, and nothing may be sent elsewhere. Previews are files of
 * this server or, for PDF, a copy in the page's memory. Trusted Types: a text can't become markup,
 * whatever a script does with it. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; frame-src blob:; object-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

static void page_headers(struct http_response *r)
{
    http_response_header(r, "Content-Security-Policy", policy);
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    http_response_header(r, "X-Frame-Options", "DENY");
    http_response_header(r, "Referrer-Policy", "no-referrer");
    http_response_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    http_response_header(r, "Cache-Control",
                         "no-cache"); /* asked for again with its tag, so never stale */
    http_response_header(r, "Vary", "Accept-Encoding");
}

static bool takes_gzip(struct http_request *req)
{
    const char *accept = http_header(req, "Accept-Encoding"),
               *at = accept ? strstr(accept, "gzip") : NULL;

    return at && strncmp(at, "gzip;q=0", 8) != 0;
}

static void release_nothing(void *arg) { (void)arg; }

static enum http_next page_end(struct http_request *req)
{
    const char *name = http_path(req) + strlen("/console/"),
               *known = http_header(req, "If-None-Match");
    bool gzip = takes_gzip(req);
    const struct page *p = console_pages;
    struct err err;

    while (p->name && strcmp(p->name, name))
        p++;
    if (!p->name) {
        err_set(&err, ERR_NOT_FOUND, "The console has no such file");
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    bool fresh = known && (http_etag_listed(known, p->etag) || http_etag_listed(known, p->gzip_etag));
    struct http_response *r = http_response_new(fresh ? 304 : 200);
    page_headers(r);
    http_response_header(r, "ETag", gzip ? p->gzip_etag : p->etag);
    if (!fresh) {
        if (gzip)
            http_response_header(r, "Content-Encoding", "gzip");
        http_response_shared(r, p->type, (const char *)(gzip ? p->gzip_data : p->data),
                             gzip ? p->gzip_len : p->len, release_nothing, NULL);
    }
    http_answer(req, r);
    return HTTP_ANSWERED;
}

static enum http_next enter_end(struct http_request *req)
{
    struct http_response *r = http_response_new(301);

    http_response_header(r, "Location", "/console/");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

/* Made once: whoever asks ten thousand times and does not read must cost nothing. */
static struct {
    pthread_once_t once;
    char *text;
    size_t len;
} robots = {PTHREAD_ONCE_INIT, NULL, 0};

static void write_robots(void)
{
    AUTO(json_unref) json_t *o = json_pack("{s:s,s:i,s:o}", "ok", "ROBOTS_FOUND", "http_code", 200, "robots",
                                           robots_describe());

    robots.text = json_text(o);
    robots.len = strlen(robots.text);
}

static enum http_next robots_end(struct http_request *req)
{
    pthread_once(&robots.once, write_robots);
    reply_json_shared(req, robots.text, robots.len);
    return HTTP_ANSWERED;
}

const struct http_handler console_get = {.end = page_end}, console_enter = {.end = enter_end},
                          robots_get = {.end = robots_end};
