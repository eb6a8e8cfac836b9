#include "api/fields.h"
#include "api/app.h"

#include <string.h>

static void set_params(struct fields *f, const char *value, size_t len)
{
    free(f->params);
    f->params = mem_strndup(value, len);
    f->params_len = len;
}

static int on_field(void *ctx, const char *name, const char *value, size_t len, struct err *err)
{
    struct fields *f = ctx;

    (void)err;
    if (!strcmp(name, "params")) {
        set_params(f, value, len);
    } else if (!strcmp(name, "signature")) {
        free(f->signature);
        f->signature = mem_strndup(value, len);
    } else {
        jset(f->others, name, value);
    }
    return 0;
}

/* a file where none belongs is read over */
static int drop_begin(void *ctx, const char *n, const char *f, const char *t, struct err *err) { return 0; }
static int drop_data(void *ctx, const char *data, size_t len, struct err *err) { return 0; }
static int drop_end(void *ctx, struct err *err) { return 0; }
static const struct form_sink sink = {drop_begin, drop_data, drop_end, on_field};

void fields_begin(struct fields *f, struct http_request *req)
{
    static const char *const names[] = {"params", "signature", NULL};
    const struct form_limits limits = {.field_bytes = 10 << 20,
                                       .total_bytes = 20 << 20,
                                       .parts = 1000,
                                       .fields = names,
                                       .budget = &app_of(req)->strangers};
    const char *params = http_query(req, "params"), *signature = http_query(req, "signature");

    *f = (struct fields){.others = json_object()};
    if (params)
        set_params(f, params, strlen(params));
    if (signature)
        f->signature = mem_strdup(signature);
    /* without a type there is nothing to read; some clients send one with an empty body */
    if (http_header(req, "Content-Type") && http_content_length(req) != 0) {
        f->form = form_new(http_header(req, "Content-Type"), &sink, f, &limits, &f->err);
        f->bad = !f->form;
    }
}

void fields_feed(struct fields *f, const char *data, size_t len)
{
    if (f->form && !f->bad && form_feed(f->form, data, len, &f->err) < 0)
        f->bad = true;
}

int fields_end(struct fields *f, struct err *err)
{
    if (f->form && !f->bad && form_finish(f->form, &f->err) < 0)
        f->bad = true;
    if (!f->bad)
        return 0;
    *err = f->err;
    return -1;
}

void fields_done(struct fields *f)
{
    form_free(f->form);
    free(f->params);
    free(f->signature);
    json_decref(f->others);
}

enum http_next fields_request_begin(struct http_request *req)
{
    struct fields *f = mem_zalloc(sizeof *f);

    fields_begin(f, req);
    http_set_data(req, f);
    return HTTP_GO;
}

int fields_request_body(struct http_request *req, const char *data, size_t len)
{
    fields_feed(http_data(req), data, len);
    return 0;
}

void fields_request_done(struct http_request *req, enum http_outcome outcome)
{
    struct fields *f = http_data(req);

    (void)outcome;
    if (!f)
        return;
    fields_done(f);
    free(f);
}
