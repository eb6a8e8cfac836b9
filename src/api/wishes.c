#include "api/wishes.h"
#include "http/reply.h"
#include "http/server.h"

#include <string.h>
#include <strings.h>

void wishes_read(struct wishes *w, const json_t *params, bool may_redirect, char *base_url)
{
    const char *url = jstr(params, "redirect_url");
    const json_t *await = json_object_get(params, "await");
    const char *until = json_string_value(await);

    wishes_done(w);
    w->base_url = base_url;
    w->quiet = jbool(params, "quiet", false);
    if (json_is_true(await) || jbool(params, "blocking", false) ||
        (until && (!strcmp(until, "transcoding") || !strcmp(until, "persisting"))))
        w->await = AWAIT_END;
    if (until && !strcmp(until, "notification"))
        w->await = AWAIT_NOTIFICATION;
    if (url && may_redirect &&
        (!strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8)) &&
        !strpbrk(url, "\r\n\t "))
        w->redirect = mem_strdup(url);
}

void wishes_done(struct wishes *w)
{
    free(w->redirect);
    free(w->base_url);
    *w = (struct wishes){0};
}

static void redirect(struct http_response *r, const struct wishes *w, const char *id,
                     const char *code)
{
    AUTO(str_done) struct str b = {0};
    AUTO(mem_free) char *url = mem_printf("%s/assemblies/%s", w->base_url, id);
    const char *hash = strchr(w->redirect, '#');
    size_t len = hash ? (size_t)(hash - w->redirect) : strlen(w->redirect);

    str_add(&b, w->redirect, len);
    str_putc(&b, memchr(w->redirect, '?', len) ? '&' : '?');
    str_addf(&b, "assembly_id=%s&assembly_url=", id);
    str_add_urlencoded(&b, url, "");
    str_puts(&b, "&assembly_ssl_url=");
    str_add_urlencoded(&b, url, "");
    if (code) {
        str_puts(&b, "&error=");
        str_add_urlencoded(&b, code, "");
    }
    if (hash)
        str_puts(&b, hash);
    http_response_header(r, "Location", b.s);
}

/* Only what api-assemblies.md 1.4 leaves of it. */
static char *shortened(const char *status_json)
{
    static const char *const kept[] = {"ok", "error", "http_code", "message", "assembly_id"};
    AUTO(json_unref) json_t *all = json_reads(status_json);
    AUTO(json_unref) json_t *few = json_object();

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (json_object_get(all, kept[i]))
            json_object_set(few, kept[i], json_object_get(all, kept[i]));
    return json_text(few);
}

struct http_response *wishes_response(const struct wishes *w, const char *assembly_id,
                                      const char *status_json, int http_code, const char *code)
{
    struct http_response *r = http_response_new(w->redirect ? 302 : http_code);
    char *text = w->quiet ? shortened(status_json) : mem_strdup(status_json);

    reply_headers(r);
    if (w->redirect)
        redirect(r, w, assembly_id, code);
    http_response_text(r, "application/json; charset=utf-8", text, strlen(text));
    return r;
}

struct http_response *wishes_refusal(const struct wishes *w, const char *assembly_id,
                                     const struct err *err)
{
    if (!w->redirect)
        return reply_error_response(err, NULL);
    AUTO(json_unref)
    json_t *body =
        json_pack("{s:s,s:i,s:o,s:o}", "error", err_name(err), "http_code", err_http_status(err),
                  "message", jstring(err->msg), "reason", jstring(err->msg));
    AUTO(mem_free) char *text = json_text(body);
    struct http_response *r = wishes_response(w, assembly_id, text, 302, err_name(err));

    http_response_code(r, err_name(err));
    return r;
}
