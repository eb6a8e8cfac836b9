/* GET /ws20001?assembly=ID - the event stream (api-realtime.md 2). Socket.IO shares this path later. */
#include "api/app.h"
#include "base/id.h"

#include <string.h>

/* A terminal Assembly that has left memory: the plain messages, then how it ended. */
static void tell_the_end(struct http_stream *s, const json_t *status)
{
    AUTO(str_done) struct str b = {0};
    const char *error = jstr(status, "error");

    str_puts(&b, ":ok\n\nretry: 2000\n\ndata: assembly_uploading_finished\n\n"
                 "data: assembly_upload_meta_data_extracted\n\n");
    if (error) {
        str_puts(&b, "event: assembly_error\ndata: ");
        str_add_json_value(&b, status);
        str_puts(&b, "\n\n");
    } else {
        str_puts(&b, "data: assembly_finished\n\n");
    }
    http_stream_write(s, b.s, b.len, 16 << 20);
    http_stream_end(s);
}

static struct http_response *stream_head(void)
{
    struct http_response *r = http_response_new(200);

    http_response_header(r, "Content-Type", "text/event-stream; charset=utf-8");
    http_response_header(r, "Cache-Control", "no-cache");
    http_response_header(r, "X-Accel-Buffering", "no");
    http_response_header(r, "Access-Control-Allow-Origin", "*");
    return r;
}

static enum http_next stream_end(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *id = http_query(req, "assembly"), *last = http_header(req, "Last-Event-ID");
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (!id || !id_valid(id)) {
        err_set_named(&err, ERR_FORM, "ASSEMBLY_NOT_FOUND", "The query names no Assembly");
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    AUTO(published_unref) struct published *p = conductor_find(app->conductor, id);
    if (p) {
        published_listen(p, http_answer_stream(req, stream_head()), last && *last ? atoll(last) : -1);
    } else if (store_status_get(&text, app->reader, id, &err) == 0) {
        AUTO(json_unref) json_t *status = json_loads(text.s, 0, NULL);

        tell_the_end(http_answer_stream(req, stream_head()), status);
    } else {
        err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "There is no such Assembly");
        reply_error(req, &err, NULL);
    }
    return HTTP_ANSWERED;
}

const struct http_handler stream_get = {.end = stream_end};
