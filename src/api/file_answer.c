#include "api/file_answer.h"
#include "base/clock.h"
#include "http/select.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct http_asked asked_of(struct http_request *req)
{
    return (struct http_asked){.if_match = http_header(req, "If-Match"),
                               .if_unmodified_since = http_header(req, "If-Unmodified-Since"),
                               .if_none_match = http_header(req, "If-None-Match"),
                               .if_modified_since = http_header(req, "If-Modified-Since"),
                               .if_range = http_header(req, "If-Range"),
                               .range = http_header(req, "Range"),
                               .is_get = !strcmp(http_method(req), "GET")};
}

static void set_body(struct http_response *r, const struct file_answer *file, const char *type, int64_t from,
                     int64_t length)
{
    if (file->bytes)
        http_response_shared(r, type, file->bytes + from, (size_t)length, file->release, file->arg);
    else
        http_response_fd(r, type, file->fd, (uint64_t)from, (uint64_t)length);
}

static void add_body(struct http_response *r, const struct file_answer *file, enum http_selected selected, int64_t from,
                     int64_t to)
{
    const char *type = file->type ? file->type : "application/octet-stream";
    char range[80];

    if (selected == SELECTED_PART)
        snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to, file->size);
    else
        snprintf(range, sizeof range, "bytes */%" PRId64, file->size);
    if (selected == SELECTED_PART || selected == SELECTED_NOTHING)
        http_response_header(r, "Content-Range", range);
    if (selected == SELECTED_PART)
        set_body(r, file, type, from, to - from + 1);
    else if (selected == SELECTED_ALL)
        set_body(r, file, type, 0, file->size);
    else if (file->bytes)
        file->release(file->arg);
    else
        close(file->fd);
}

struct http_response *file_answer_new(struct http_request *req, const struct file_answer *file)
{
    struct http_stored stored = {file->etag, file->modified_s, file->size};
    struct http_asked asked = asked_of(req);
    int64_t from = 0, to = 0;
    enum http_selected selected = http_select(&from, &to, &asked, &stored);
    struct http_response *r = http_response_new((int)selected);
    char date[30];

    add_body(r, file, selected, from, to);
    http_response_header(r, "ETag", file->etag);
    if (file->modified_s && !file->modified)
        date_format_http(date, file->modified_s * SECOND_US);
    if (file->modified_s)
        http_response_header(r, "Last-Modified", file->modified ? file->modified : date);
    return r;
}

void file_answer_sandbox(struct http_response *r)
{
    http_response_header(r, "Content-Security-Policy",
                         "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
                         "img-src data:; media-src 'self'");
}
