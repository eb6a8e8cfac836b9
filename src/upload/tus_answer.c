/* What tus requests are answered with, and the request itself (struct tus). */
#include "base/clock.h"
#include "upload/tus.h"

#include <stdio.h>
#include <string.h>

static void tus_headers(struct http_request *req, struct http_response *r)
{
    const char *origin = http_header(req, "Origin");

    http_response_header(r, "Tus-Resumable", "1.0.0");
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    http_response_header(r, "Access-Control-Allow-Origin", origin ? origin : "*");
    if (origin)
        http_response_header(r, "Vary", "Origin");
    http_response_header(r, "Access-Control-Expose-Headers",
                         "Upload-Offset, Location, Upload-Length, Tus-Version, Tus-Resumable, Tus-Max-Size, "
                         "Tus-Extension, Tus-Checksum-Algorithm, Upload-Metadata, Upload-Defer-Length, "
                         "Upload-Concat, Upload-Expires");
}

struct http_response *tus_answer(struct http_request *req, int status)
{
    struct http_response *r = http_response_new(status);

    tus_headers(req, r);
    return r;
}

struct http_response *tus_refusal(struct http_request *req, int status, const char *text)
{
    struct http_response *r = tus_answer(req, status);
    char *body = mem_printf("ERR: %s\n", text);

    if (strcmp(http_method(req), "HEAD"))
        http_response_text(r, "text/plain; charset=utf-8", body, strlen(body));
    else
        free(body);
    if (status == 412)
        http_response_header(r, "Tus-Version", "1.0.0");
    return r;
}

enum http_next tus_refuse_as(struct http_request *req, int status, const char *text)
{
    http_answer(req, tus_refusal(req, status, text));
    return HTTP_ANSWERED;
}

/* Refusals that the Assembly causes are JSON (api-tus.md 6). */
struct http_response *tus_refusal_json(struct http_request *req, int status, const struct err *err)
{
    struct http_response *r = tus_answer(req, status);
    struct str b = {0};

    str_puts(&b, "{\"error\":");
    str_add_json(&b, err_name(err));
    str_addf(&b, ",\"http_code\":%d,\"message\":", status);
    str_add_json(&b, err->msg);
    str_putc(&b, '}');
    size_t len = b.len;
    http_response_code(r, err_name(err));
    http_response_text(r, "application/json; charset=utf-8", str_take(&b), len);
    return r;
}

enum http_next tus_refuse_json(struct http_request *req, const struct err *err)
{
    int status = err_http_status(err);

    http_answer(req, tus_refusal_json(req, status, err));
    return HTTP_ANSWERED;
}

void tus_add_expires(struct http_response *r, const struct upload *p)
{
    char date[30];

    date_format_http(date, p->expires_us);
    http_response_header(r, "Upload-Expires", date);
}

void tus_add_number(struct http_response *r, const char *name, int64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)n);
    http_response_header(r, name, text);
}

struct http_response *tus_head_answer(struct http_request *req, const struct upload *p)
{
    struct http_response *r = tus_answer(req, 200);

    http_response_header(r, "Cache-Control", "no-store");
    tus_add_number(r, "Upload-Offset", p->offset);
    if (p->length >= 0)
        tus_add_number(r, "Upload-Length", p->length);
    else
        http_response_header(r, "Upload-Defer-Length", "1");
    if (p->metadata)
        http_response_header(r, "Upload-Metadata", p->metadata);
    if (p->concat_header)
        http_response_header(r, "Upload-Concat", p->concat_header);
    tus_add_expires(r, p);
    return r;
}

struct http_response *tus_progress_answer(struct tus *t)
{
    struct upload *p = t->upload;

    if (t->asking)
        return tus_head_answer(t->req, p);
    struct http_response *r = tus_answer(t->req, t->creating ? 201 : 204);
    if (t->creating)
        http_response_header(r, "Location", p->url);
    if (!t->creating || t->has_body)
        tus_add_number(r, "Upload-Offset", p->offset);
    tus_add_expires(r, p);
    return r;
}

/* ---- a request ---- */

bool tus_version_ok(struct http_request *req)
{
    const char *v = http_header(req, "Tus-Resumable");

    return v && !strcmp(v, "1.0.0");
}

struct tus *tus_new(struct http_request *req)
{
    struct tus *t = mem_zalloc(sizeof *t);

    t->refs = 1;
    t->req = req;
    t->all = http_data(req); /* from here on it is t */
    http_set_data(req, t);
    return t;
}

void tus_unref(struct tus *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        return;
    upload_unref(t->upload);
    EVP_MD_CTX_free(t->checksum);
    for (struct upload **p = t->parts; p && *p; p++)
        upload_unref(*p);
    free(t->parts);
    free(t);
}

/* For a reply or a thread that will use t and its request. */
void tus_await(struct tus *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    http_request_ref(t->req);
}

void tus_awaited(struct tus *t)
{
    http_request_unref(t->req);
    tus_unref(t);
}
