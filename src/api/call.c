#include "api/call.h"
#include "api/costly.h"
#include "api/keys.h"
#include "api/routes.h"
#include "base/clock.h"
#include "conductor/conductor.h"
#include "http/reply.h"

#include <stdio.h>
#include <string.h>

static enum http_next call_begin(struct http_request *req)
{
    struct call *c = mem_zalloc(sizeof *c);

    c->req = req;
    c->app = app_of(req);
    c->route = http_data(req); /* app_route() left it there */
    c->body = json_object();
    http_set_data(req, c);
    fields_begin(&c->fields, req);
    return HTTP_GO;
}

static int call_body(struct http_request *req, const char *data, size_t len)
{
    struct call *c = http_data(req);

    fields_feed(&c->fields, data, len);
    return 0;
}

static void call_send(struct call *c)
{
    if (c->failed) {
        reply_error(c->req, &c->err, c->extra);
        return;
    }
    AUTO(json_unref) json_t *all = json_object();

    if (c->route->ok) {
        json_object_set_new(all, "ok", json_string(c->route->ok));
        json_object_set_new(all, "http_code", json_integer(200));
    }
    json_object_update(all, c->body);
    reply_json(c->req, 200, json_text(all));
}

/* On the conductor's thread, inside the turn's transaction. */
static int write_in_turn(void *ctx, struct store *store, struct err *err)
{
    struct call *c = ctx;

    return c->route->write(c, store, err);
}

void call_answer(struct call *c, const struct err *err)
{
    struct http_request *req = c->req;

    if (err) {
        c->failed = true;
        c->err = *err;
    }
    call_send(c);
    http_request_unref(req);
}

static void written(void *ctx, const struct err *err, struct published *p)
{
    struct call *c = ctx;

    (void)p;
    if (!err && c->route->after)
        c->route->after(c);
    if (err || !c->deferred)
        call_answer(c, err);
}

/* On the thread of costly reads. */
static void run_costly(void *ctx)
{
    struct call *c = ctx;
    struct err err;

    if (!c->route->later)
        call_answer(c, c->route->read(c, &err) < 0 ? &err : NULL);
    else if (c->route->later(c, &err) < 0)
        call_answer(c, &err);
}

static enum http_next call_end(struct http_request *req)
{
    struct call *c = http_data(req);

    c->failed = fields_end(&c->fields, &c->err) < 0;
    struct auth_request who = {c->fields.params, c->fields.params_len, c->fields.signature,
                               http_header(req, "Referer"), http_header(req, "Authorization")};
    if (!c->failed)
        c->failed = auth_check(&c->auth, &c->params, c->app, c->route->need, &who, c->route->scope, &c->err) < 0;
    if (!c->failed)
        http_known(req);
    auth_name_key(req, &c->auth, c->params);
    if (!c->failed && c->route->write) {
        if (c->route->read && c->route->read(c, &c->err) < 0) {
            c->failed = true;
            call_send(c);
            return HTTP_ANSWERED;
        }
        http_request_ref(req);
        conductor_post_write(c->app->conductor, write_in_turn, written, c);
        return HTTP_WAIT;
    }
    if (!c->failed && c->route->costly) {
        http_request_ref(req);
        if (costly_post(c->app->costly, c->auth.key->workspace, run_costly, c, &c->err) == 0)
            return HTTP_WAIT;
        c->failed = true;
        http_request_unref(req);
    }
    if (!c->failed && c->route->later) {
        http_request_ref(req);
        if (c->route->later(c, &c->err) == 0)
            return HTTP_WAIT;
        c->failed = true;
        http_request_unref(req);
    }
    if (!c->failed)
        c->failed = c->route->read(c, &c->err) < 0;
    call_send(c);
    return HTTP_ANSWERED;
}

static void call_done(struct http_request *req, enum http_outcome outcome)
{
    struct call *c = http_data(req);

    (void)outcome;
    if (!c)
        return;
    fields_done(&c->fields);
    json_decref(c->params);
    json_decref(c->body);
    json_decref(c->extra);
    json_decref(c->work);
    auth_key_unref(c->made);
    auth_done(&c->auth);
    free(c);
}

const struct http_handler call_handler = {call_begin, call_body, call_end, call_done};

const char *call_text(struct call *c, const char *name)
{
    json_t *v = json_object_get(c->params, name);

    if (!v || json_is_null(v))
        return NULL;
    if (!json_is_string(v)) {
        AUTO(mem_free) char *text = json_text(v);

        /* kept where the call's other values are */
        json_object_set_new(c->params, name, json_string(text));
        v = json_object_get(c->params, name);
    }
    return json_string_value(v);
}

int call_int(int64_t *out, struct call *c, const char *name, int64_t fallback, int64_t min, int64_t max,
             enum err_code code, struct err *err)
{
    const json_t *v = json_object_get(c->params, name);
    const char *s = json_string_value(v);
    char *end = NULL;

    *out = fallback;
    if (!v || json_is_null(v))
        return 0;
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (s && *s)
        *out = strtoll(s, &end, 10);
    if ((!json_is_integer(v) && (!end || *end)) || *out < min || *out > max)
        return err_set(err, code, "%s must be a whole number from %lld to %lld", name, (long long)min,
                       (long long)max);
    return 0;
}

int call_date(int64_t *out, struct call *c, const char *name, int64_t fallback, bool day_end, enum err_code code,
              struct err *err)
{
    const char *s = call_text(c, name);
    int y, m, d, n = 0;

    *out = fallback;
    if (!s || !*s)
        return 0;
    /* a day alone is all of it */
    if ((sscanf(s, "%4d-%2d-%2d%n", &y, &m, &d, &n) == 3 || sscanf(s, "%4d/%2d/%2d%n", &y, &m, &d, &n) == 3) &&
        !s[n]) {
        AUTO(mem_free) char *full = mem_printf("%sT%s", s, day_end ? "23:59:59.999999" : "00:00:00");
        if (date_parse(out, full) == 0)
            return 0;
    } else if (date_parse(out, s) == 0) {
        return 0;
    }
    return err_set(err, code, "%s can't be read as a date", name);
}

void call_say(struct call *c, const char *message) { jset(c->body, "message", message); }

void call_set_date(json_t *o, const char *name, int64_t at_us)
{
    char text[25];

    if (at_us)
        date_format_iso(text, at_us);
    json_object_set_new(o, name, at_us ? json_string(text) : json_null());
}

bool call_flag(struct call *c, const char *name, bool fallback)
{
    const json_t *v = json_object_get(c->params, name);
    const char *s = json_string_value(v);

    if (json_is_boolean(v))
        return json_is_true(v);
    if (json_is_integer(v))
        return json_integer_value(v) != 0;
    if (s && (!strcmp(s, "1") || !strcmp(s, "true")))
        return true;
    if (s && (!strcmp(s, "0") || !strcmp(s, "false")))
        return false;
    return fallback;
}
