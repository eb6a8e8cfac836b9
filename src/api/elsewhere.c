/* POST /assemblies/{id}/reserve_file and add_file: uploads that lie elsewhere. Contract:
 * api-assemblies.md 7. */
#include "api/app.h"
#include "api/assemblies.h"
#include "api/routes.h"
#include "conductor/conductor.h"
#include "http/reply.h"
#include "http/server.h"

#include <string.h>
#include <strings.h>

#define SIZE_MOST ((1LL << 53) - 1) /* what every client can write down as a number */

static void answered(void *ctx, const struct err *err, struct published *p)
{
    struct http_request *req = ctx;
    AUTO(json_unref) json_t *extra = NULL;

    if (!err) {
        assembly_answer_as(
            req, p, str_ends(http_path(req), "/reserve_file") ? "ASSEMBLY_FILE_RESERVED" : "ASSEMBLY_FILE_ACCEPTED");
    } else if (err->code != ERR_NOT_CAPABLE && (p ? published_is_over(p) : err->code == ERR_ASSEMBLY_NOT_FOUND)) {
        assembly_answer(req, http_path_arg(req, 0), p, 200); /* without p: over for a while, or unknown */
    } else {
        struct err shown = *err;

        extra = json_loads(err->detail, 0, NULL);
        shown.detail[0] = 0;
        reply_error(req, &shown, extra);
    }
    http_request_unref(req);
}

static int size_of(int64_t *out, struct http_request *req, struct err *err)
{
    const char *text = http_query(req, "size");
    char *end;

    *out = -1;
    if (!text || !*text || !strcmp(text, "null") || !strcmp(text, "undefined"))
        return 0;
    *out = strtoll(text, &end, 10);
    return *text < '0' || *text > '9' || *end || *out > SIZE_MOST
               ? err_set(err, ERR_FORM, "size must be a whole number of bytes, at most %lld", SIZE_MOST)
               : 0;
}

static enum http_next post(struct http_request *req, enum event_type type, json_t *data)
{
    http_request_ref(req);
    conductor_post(app_of(req)->conductor,
                   &(struct conductor_news){.assembly_id = http_path_arg(req, 0),
                                            .type = type,
                                            .data = data,
                                            .reply = answered,
                                            .ctx = req});
    return HTTP_WAIT;
}

static enum http_next reserve_end(struct http_request *req)
{
    int64_t size;
    struct err err;

    if (size_of(&size, req, &err) < 0) {
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    return post(req, EV_FILE_RESERVED, json_pack("{s:I}", "size", (json_int_t)size));
}

static enum http_next add_end(struct http_request *req)
{
    const char *url = http_query(req, "s3Url"), *filename = http_query(req, "filename");
    int64_t size;
    struct err err;

    if (size_of(&size, req, &err) < 0) {
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    if (!url || (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8))) {
        err_set(&err, ERR_FORM, "s3Url must be an http or https address");
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    json_t *data = json_pack("{s:I,s:o}", "size", (json_int_t)size, "url", jstring(url));
    if (filename && *filename)
        json_object_set_new(data, "filename", jstring(filename));
    json_object_set_new(
        data, "fieldname",
        jstring(http_query(req, "fieldname") ? http_query(req, "fieldname") : "file"));
    return post(req, EV_FILE_ADDED, data);
}

const struct http_handler assembly_reserve_file = {.end = reserve_end},
                          assembly_add_file = {.end = add_end};
