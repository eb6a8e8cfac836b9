/* Each request of the browser's becomes an errand, and its answer one of the browser's own making. */
#include "browser/private.h"
#include "http/address.h"
#include "http/naming.h"

#include <stdio.h>
#include <strings.h>

#define HEADER_BYTES ((size_t)64 * 1024)    /* of a request */
#define BODY_BYTES (INT64_C(8) << 20)       /* of a request */
#define ANSWER_HEADERS 200
#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool is_one_of(const char *name, size_t n, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == n && !strncasecmp(name, *list, n))
            return true;
    return false;
}

static void answer_refuse(struct drawing *d, const char *session, const char *id, const char *reason)
{
    cdp_send(&d->b->cdp, session, "Fetch.failRequest", json_pack("{s:s,s:s}", "requestId", id, "errorReason", reason));
}

/* ---- the request ---- */

static bool add_line(struct errand *e, int *n, size_t *bytes, char *line)
{
    if (*n >= ERRAND_HEADERS || (*bytes += strlen(line)) > HEADER_BYTES || strpbrk(line, "\r\n")) {
        free(line);
        return false;
    }
    e->headers[(*n)++] = line;
    return true;
}

/* The page's own headers go to where the page is, and nowhere else. */
static bool is_at_home(const struct drawing *d, const char *url)
{
    AUTO(mem_free) char *origin = address_origin(url);

    return *d->origin && !strcasecmp(origin, d->origin);
}

static bool is_set_by_hand(const char *const *own, const char *name)
{
    for (size_t n = strlen(name); own && *own; own++)
        if (!strncasecmp(*own, name, n) && (*own)[n] == ':')
            return true;
    return false;
}

/* What belongs to the connection is ours: the client makes it. */
static bool add_headers(struct drawing *d, struct errand *e, const json_t *headers)
{
    static const char *const ours[] = {"accept-encoding", "connection", "content-length", "expect", "host",
                                       "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", NULL};
    const char *const *own = is_at_home(d, e->url) ? d->wish->headers : NULL;
    bool is_part = false, has_agent = is_set_by_hand(own, "user-agent"), ok = true;
    const char *name;
    size_t bytes = 0;
    int n = 0;
    json_t *v;

    json_object_foreach ((json_t *)headers, name, v) {
        if (!json_is_string(v) || !*name || name[strspn(name, TOKEN)])
            return false;
        is_part |= !strcasecmp(name, "range");
        has_agent |= !strcasecmp(name, "user-agent");
        if (!is_one_of(name, strlen(name), ours) && strncasecmp(name, "proxy-", 6) != 0 && !is_set_by_hand(own, name))
            ok = ok && add_line(e, &n, &bytes, mem_printf("%s: %s", name, json_string_value(v)));
    }
    for (const char *const *p = own; p && *p; p++)
        ok = ok && add_line(e, &n, &bytes, mem_strdup(*p));
    if (!has_agent && *d->b->agent) /* workers' own scripts are asked for without */
        ok = ok && add_line(e, &n, &bytes, mem_printf("User-Agent: %s", d->b->agent));
    if (!is_part) /* a part of a coded form could never be decoded */
        ok = ok && add_line(e, &n, &bytes, mem_strdup("Accept-Encoding: gzip, deflate, br"));
    return ok;
}

/* False: it is too long, or is of something that the browser does not tell (a file, a blob). */
static bool add_body(struct errand *e, const json_t *request)
{
    const json_t *entries = json_object_get(request, "postDataEntries");
    const char *text = jstr(request, "postData");
    json_t *entry;
    size_t i;

    if (!json_array_size(entries) && text)
        str_puts(&e->body, text);
    json_array_foreach (entries, i, entry) {
        const char *coded = jstr(entry, "bytes");
        size_t n = coded ? strlen(coded) : 0;

        if (!coded || (int64_t)(e->body.len + n) > BODY_BYTES)
            return false;
        AUTO(mem_free) char *raw = mem_alloc(n / 4 * 3 + 3);
        ptrdiff_t got = base64_decode((unsigned char *)raw, coded, n);
        if (got < 0)
            return false;
        str_add(&e->body, raw, (size_t)got);
    }
    return (int64_t)e->body.len <= BODY_BYTES && (e->body.len || !jbool(request, "hasPostData", false));
}

/* NULL: it is not one that we make. */
static struct errand *errand_of(struct drawing *d, const char *session, const char *id, const json_t *request)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", NULL};
    const char *method = jstr_or(request, "method", ""), *url = jstr_or(request, "url", "");
    struct errand *e;

    if (!is_one_of(method, strlen(method), methods) || (!str_starts(url, "http://") && !str_starts(url, "https://")))
        return NULL;
    e = mem_zalloc(sizeof *e);
    e->url = mem_strndup(url, strcspn(url, "#"));
    e->method = mem_strdup(method);
    e->session = mem_strdup(session);
    e->id = mem_strdup(id);
    if (add_headers(d, e, json_object_get(request, "headers")) && add_body(e, request))
        return e;
    errands_drop(e);
    return NULL;
}

/* The page that came as a file; beside it there is nothing. Text without a name for its characters is UTF-8 if it can
 * be, for else Chromium guesses. */
static void answer_with_input(struct drawing *d, const char *session, const char *id, const char *url)
{
    const struct page_wish *w = d->wish;
    const char *path = url + strlen(INPUT_URL);
    bool is_it = !*path || *path == '?' || *path == '#';
    const char *type = is_it && utf8_valid(w->html, w->html_len) ? "text/html; charset=utf-8" : "text/html";
    json_t *params = json_pack("{s:s,s:i,s:[{s:s,s:s}]}", "requestId", id, "responseCode", is_it ? 200 : 404,
                               "responseHeaders", "name", "content-type", "value", type);

    cdp_send_bytes(&d->b->cdp, session, "Fetch.fulfillRequest", params, "body", is_it ? w->html : "",
                   is_it ? w->html_len : 0);
}

int answer_request(struct drawing *d, const char *session, const json_t *event, struct err *err)
{
    const json_t *request = json_object_get(event, "request");
    const char *id = jstr(event, "requestId"), *url = jstr(request, "url");
    bool is_page = !strcmp(jstr_or(event, "resourceType", ""), "Document") &&
                   !strcmp(jstr_or(event, "frameId", ""), d->target);

    if (!id || !url)
        return err_set(err, ERR_COMMAND, "the browser asks for something without saying what");
    if (++d->requests > PAGE_REQUESTS_MAX)
        return err_set(err, ERR_COMMAND, "the page asks for more than %d files", PAGE_REQUESTS_MAX);
    if (is_page) {
        AUTO(mem_free) char *shown = naming_public_url(url);

        snprintf(d->page_url, sizeof d->page_url, "%s", shown ? shown : "");
        d->page_err = (struct err){0};
    }
    if (d->wish->html && str_starts(url, INPUT_URL)) {
        answer_with_input(d, session, id, url);
        return 0;
    }
    struct errand *e = errand_of(d, session, id, request);
    if (!e) {
        answer_refuse(d, session, id, "BlockedByClient");
        return 0;
    }
    e->is_page = is_page;
    d->in_flight++;
    errands_put(d->errands, e);
    return 0;
}

/* ---- its answer ---- */

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 && *s != '\t')
            return false;
    return true;
}

/* Of the lines "name: value" those that are true of the bytes as the browser gets them: decoded, and whole. */
static json_t *answer_headers(const char *lines)
{
    static const char *const gone[] = {"alt-svc", "connection", "content-encoding", "content-length", "keep-alive",
                                       "strict-transport-security", "trailer", "transfer-encoding", "upgrade", NULL};
    json_t *list = json_array();

    for (const char *p = lines; *p && json_array_size(list) < ANSWER_HEADERS;) {
        size_t len = strcspn(p, "\n"), n = strspn(p, TOKEN);
        AUTO(mem_free) char *name = mem_strndup(p, n);
        AUTO(mem_free) char *value = n + 2 <= len ? mem_strndup(p + n + 2, len - n - 2) : NULL;

        if (n && value && p[n] == ':' && is_printable(value) && !is_one_of(p, n, gone))
            json_array_append_new(list, json_pack("{s:s,s:o}", "name", name, "value", jstring(value)));
        p += len + (p[len] == '\n');
    }
    return list;
}

static const char *reason_of(const struct err *err)
{
    if (err->is_private_address)
        return "AccessDenied";
    if (strstr(err->msg, "resolve"))
        return "NameNotResolved";
    if (strstr(err->msg, "timed out") || strstr(err->msg, "no answer within"))
        return "TimedOut";
    return strstr(err->msg, "refused") ? "ConnectionRefused" : "Failed";
}

static int answer_one(struct drawing *d, struct errand *e, struct err *err)
{
    d->in_flight--;
    d->quiet_us = clock_mono_us();
    if ((d->bytes += (int64_t)e->answer.len) > PAGE_BYTES_MAX)
        return err_set(err, ERR_COMMAND, "the page and its files have more than %lld MiB",
                       (long long)(PAGE_BYTES_MAX >> 20));
    if (e->is_page)
        d->page_err = e->err;
    if (e->status < 200 || e->status > 599) {
        answer_refuse(d, e->session, e->id, reason_of(&e->err));
        return 0;
    }
    json_t *params = json_pack("{s:s,s:i,s:o}", "requestId", e->id, "responseCode", e->status, "responseHeaders",
                               answer_headers(e->answer_headers));
    cdp_send_bytes(&d->b->cdp, e->session, "Fetch.fulfillRequest", params, "body", e->answer.s, e->answer.len);
    return 0;
}

int answer_done(struct drawing *d, struct err *err)
{
    struct errand *e;
    int rc = 0;

    while (rc == 0 && (e = errands_take(d->errands))) {
        rc = answer_one(d, e, err);
        errands_drop(e);
    }
    return rc;
}
