#include "transfer/api.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MS 500
#define JSON_DEPTH 32

void api_done(struct api a)
{
    http_client_free(a.client);
    free(a.authorization);
}

/* ---- one attempt ---- */

struct attempt {
    struct api *a;
    const struct api_call *c;
    struct str kept; /* of the answer, up to c->most */
};

static void attempt_done(struct attempt t) { str_done(t.kept); }
DEFINE_AUTO(struct attempt, attempt_done)

static void api_on_progress(void *ctx, double fraction)
{
    const struct attempt *t = ctx;

    remote_progress(t->c->file, t->c->from + t->c->share * fraction);
}

static int api_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    const struct attempt *t = ctx;

    return t->c->on_head(t->c->ctx, status, length, err);
}

static int api_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct attempt *t = ctx;

    if (t->c->on_body)
        return t->c->on_body(t->c->ctx, data, len, err);
    if (len > t->c->most - t->kept.len)
        return remote_fail(t->a->job, REMOTE_FAILED, err, "%s answers with more than %zu bytes", t->a->service,
                           t->c->most);
    str_add(&t->kept, data, len);
    return 0;
}

static int api_on_end(void *ctx, struct err *err)
{
    const struct attempt *t = ctx;

    return t->c->on_end(t->c->end_ctx, err);
}

/* One line each, whatever a value holds that came from outside. */
static int add_call_header(struct str *lines, const struct api *a, const char *name, const char *value,
                           struct err *err)
{
    if (strpbrk(value, "\r\n"))
        return err_set(err, ERR_INPUT, "a header of a call of %s would have a line break", a->service);
    str_addf(lines, "%s%s%s\n", name, *name ? ": " : "", value);
    return 0;
}

static int add_lines(struct str *lines, struct api *a, const struct api_call *c, struct err *err)
{
    if (c->type && add_call_header(lines, a, "Content-Type", c->type, err) < 0)
        return -1;
    for (const char *const *h = c->headers; h && *h; h++)
        if (add_call_header(lines, a, "", *h, err) < 0)
            return -1;
    if (c->anonymous)
        return 0;
    if (a->authorization &&
        add_call_header(lines, a, a->header ? a->header : "Authorization", a->authorization, err) < 0)
        return -1;
    if (a->sign)
        a->sign(a, c, lines);
    return 0;
}

/* out, as http_client_run() leaves it. */
static int send_once(struct http_client_response *out, struct api *a, const struct api_call *c, struct err *err)
{
    AUTO(str_done) struct str lines = {0};
    bool queried = a->query && !c->anonymous;
    AUTO(mem_free)
    char *url = mem_printf("%s%s%s", c->url, !queried ? "" : strchr(c->url, '?') ? "&" : "?", queried ? a->query : "");
    const char *list[API_HEADERS_MAX + 1];
    const json_t *settings = robot_settings(a->job);
    AUTO(attempt_done) struct attempt t = {.a = a, .c = c};
    bool told = c->file && !c->on_body && !c->on_head, keeps = c->most && !c->on_body;
    int n = 0;

    if (add_lines(&lines, a, c, err) < 0)
        return -1;
    for (char *line = lines.s, *end; line && *line; line = end + 1) {
        if (n == API_HEADERS_MAX)
            return err_set(err, ERR_INTERNAL, "a call of %s has more than %d headers", a->service, API_HEADERS_MAX);
        end = strchr(line, '\n');
        *end = 0;
        list[n++] = line;
    }
    list[n] = NULL;
    int rc = http_client_run(out, a->client,
                             &(struct http_client_request){.method = c->method,
                                                           .url = url,
                                                           .headers = list,
                                                           .body = c->body,
                                                           .body_fd = c->fd,
                                                           .body_offset = c->offset,
                                                           .body_length = c->body || c->length < 0 ? -1 : c->length,
                                                           .pieces = c->pieces,
                                                           .piece_count = c->piece_count,
                                                           .idle_timeout_s = (int)jint(settings, "idle_s", c->idle_s),
                                                           .max_redirects = c->max_redirects,
                                                           .guard = jstr_or(settings, "import_allow", ""),
                                                           .on_body = c->on_body || keeps ? api_on_body : NULL,
                                                           .on_head = c->on_head ? api_on_head : NULL,
                                                           .on_end = c->on_end ? api_on_end : NULL,
                                                           .on_progress = told ? api_on_progress : NULL,
                                                           .ctx = &t},
                             err);
    if (rc == 0 && keeps && out->status / 100 == 2) {
        str_done(out->body);
        out->body = t.kept;
        t.kept = (struct str){0};
    }
    return rc;
}

/* ---- what an answer means ---- */

static bool is_fine(const struct api_call *c, int status)
{
    for (const int *s = c->fine; s && *s; s++)
        if (*s == status)
            return true;
    return status / 100 == 2;
}

/* Google's word for what failed ("quotaExceeded"), which its sentence may not have. */
static const char *word_in(const json_t *body)
{
    return jstr_or(json_array_get(json_object_get(json_object_get(body, "error"), "errors"), 0), "reason", "");
}

/* The first text that one of these has; NULL: none. */
static const char *text_in(const json_t *body)
{
    static const char *const names[] = {"error_description", "error_summary", "message", "developer_message", "detail",
                                        "title", "error", "reason"};
    const json_t *inner = json_object_get(body, "error");

    if (json_is_object(inner) && json_string_length(json_object_get(inner, "message")))
        return jstr(inner, "message");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_string_length(json_object_get(body, names[i])))
            return jstr(body, names[i]);
    return NULL;
}

void api_reason(char *out, size_t n, const struct http_client_response *r, const json_t *body)
{
    const char *text = body ? text_in(body) : NULL, *end = NULL;
    AUTO(mem_free) char *both = text && *word_in(body) ? mem_printf("%s (%s)", text, word_in(body)) : NULL;
    size_t len;

    if (both)
        text = both;
    if (!text && r->body.s && (text = strstr(r->body.s, "<Message>"))) { /* XML of those that speak it */
        text += strlen("<Message>");
        end = strchr(text, '<');
    }
    len = text ? (end ? (size_t)(end - text) : strlen(text)) : 0;
    if (len > n - 1)
        len = n - 1;
    while (text && len && ((unsigned char)text[len] & 0xC0) == 0x80) /* not in the middle of a character */
        len--;
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    out[len] = 0;
}

static json_t *body_of(const struct http_client_response *r)
{
    struct err ignored;

    if (!r->body.s || r->body.s[strspn(r->body.s, " \t\r\n")] != '{')
        return NULL;
    return json_parse_within(r->body.s, r->body.len,
                             &(struct json_bounds){.depth = JSON_DEPTH, .values = API_VALUES_MAX}, &ignored);
}

static enum remote_failure kind_of(int status)
{
    return status == 401 || status == 403   ? REMOTE_DENIED
           : status == 404 || status == 410 ? REMOTE_NOT_FOUND
                                            : REMOTE_FAILED;
}

static bool status_passes(int status) { return status == 408 || status == 429 || status >= 500; }

/* Who takes longer than a patient caller allows would again. */
static bool was_silent(const struct api *a, const struct api_call *c, int64_t since_us)
{
    return c->idle_s && clock_mono_us() - since_us >= jint(robot_settings(a->job), "idle_s", c->idle_s) * SECOND_US;
}

static int not_heard(struct api *a, const struct err *cause, struct err *err)
{
    char what[100];

    snprintf(what, sizeof what, "can't talk to %.60s", a->service);
    if (cause->is_private_address)
        return remote_refused(a->job, err, what, cause->msg);
    if (cause->code == ERR_IO || cause->code == ERR_INPUT)
        return remote_fail(a->job, REMOTE_FAILED, err, "%s: %s", what, cause->msg);
    *err = *cause; /* our own disk, or what a callback said */
    return -1;
}

/* Some services repeat what they were sent. */
static bool repeats_secret(const struct api *a, const char *text)
{
    const char *space = a->authorization ? strchr(a->authorization, ' ') : NULL;
    const char *token = space ? space + 1 : a->authorization;

    return (str_given(token) && strstr(text, token)) || (str_given(a->secret) && strstr(text, a->secret));
}

static int not_fine(struct api *a, const struct http_client_response *r, const json_t *body, enum remote_failure kind,
                    struct err *err)
{
    char reason[300];

    if (r->body.s && repeats_secret(a, r->body.s))
        snprintf(reason, sizeof reason, "(left out: it repeats credentials)");
    else
        api_reason(reason, sizeof reason, r, body);
    return remote_fail(a->job, kind, err, "%s answered %d%s%s", a->service, r->status, *reason ? ": " : "", reason);
}

int api_run(struct http_client_response *out, struct api *a, const struct api_call *c, struct err *err)
{
    bool renewed = false;

    *out = (struct http_client_response){0};
    if (!c->anonymous && !a->authorization && a->sign_in && a->sign_in(a, err) < 0)
        return -1;
    for (int attempt = 1;; attempt++) {
        struct err cause = {0};
        bool again;
        int64_t wait_ms = 0, since_us = clock_mono_us();

        http_client_response_done(*out);
        *out = (struct http_client_response){0};
        if (send_once(out, a, c, &cause) < 0) {
            again = cause.code == ERR_IO && !c->once && !c->on_body && !was_silent(a, c, since_us);
            if (!again || attempt >= REMOTE_ATTEMPTS)
                return not_heard(a, &cause, err);
        } else {
            if (is_fine(c, out->status))
                return 0;
            if (out->status == 401 && !c->anonymous && a->sign_in && !renewed) {
                renewed = true; /* the first one may have been a kept one that is not good any more */
                if (a->sign_in(a, err) < 0)
                    return -1;
                continue;
            }
            AUTO(json_unref) json_t *body = body_of(out);
            enum remote_failure kind = kind_of(out->status);

            /* what was not carried out may be sent again, whatever the caller fears */
            again = out->status == 429 || out->status == 503 || (status_passes(out->status) && !c->once);
            if (a->judge)
                a->judge(a, out, body, &kind, &again);
            if (!again || attempt >= REMOTE_ATTEMPTS)
                return not_fine(a, out, body, kind, err);
            wait_ms = remote_retry_after(out);
        }
        remote_wait(a->job, attempt, PAUSE_MS, wait_ms);
    }
}

json_t *api_json(struct api *a, const struct api_call *c, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};

    if (api_run(&r, a, c, err) < 0)
        return NULL;
    json_t *body = body_of(&r);
    if (!body)
        api_odd(a, err, "its answer is no JSON object");
    return body;
}

int api_odd(const struct api *a, struct err *err, const char *what)
{
    return remote_fail(a->job, REMOTE_FAILED, err, "%s answered oddly: %s", a->service, what);
}
