/* Temporary files: GET /tmpfiles/{2 digits}/{30 digits}/{name}. The id is the secret (api-status.md 4). */
#include "api/app.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/id.h"
#include "blob/blob.h"
#include "http/reply.h"
#include "http/select.h"
#include "http/server.h"
#include "store/store.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static void file_headers(struct http_response *r, const char *name)
{
    AUTO(str_done) struct str disposition = {0};

    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "Access-Control-Expose-Headers", "Content-Range, Content-Length, Accept-Ranges, ETag");
    http_response_header(r, "Accept-Ranges", "bytes");
    /* whatever a user uploaded must not act in this origin's name */
    http_response_header(r, "Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
                                                       "img-src data:; media-src 'self'");
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    http_response_header(r, "Cross-Origin-Resource-Policy", "cross-origin");
    http_response_header(r, "Cache-Control", "private, max-age=3600");
    str_puts(&disposition, "inline; filename*=UTF-8''");
    str_add_urlencoded(&disposition, name, "");
    http_response_header(r, "Content-Disposition", disposition.s);
}

/* What an id names never changes, so the id is the tag; whoever sees it has the address anyway. */
static int64_t modified_s(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_mtim.tv_sec : 0;
}

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

static void add_body(struct http_response *r, const char *mime, int fd, enum http_selected selected, int64_t from,
                     int64_t to, int64_t size)
{
    char range[80];

    if (selected == SELECTED_PART)
        snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to, size);
    else
        snprintf(range, sizeof range, "bytes */%" PRId64, size);
    if (selected == SELECTED_PART || selected == SELECTED_NOTHING)
        http_response_header(r, "Content-Range", range);
    if (selected == SELECTED_PART)
        http_response_fd(r, mime, fd, (uint64_t)from, (uint64_t)(to - from + 1));
    else if (selected == SELECTED_ALL)
        http_response_fd(r, mime, fd, 0, (uint64_t)size);
    else
        close(fd);
}

static enum http_next files_end(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *path = http_path(req) + strlen("/tmpfiles/");
    char id[ID_LEN + 1] = "", etag[ID_LEN + 3], date[30];
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;
    struct err err;
    int64_t size, from = 0, to = 0;
    int fd;

    if (strlen(path) >= 34 && path[2] == '/' && path[33] == '/')
        snprintf(id, sizeof id, "%.2s%.30s", path, path + 3);
    if (!id_valid(id) || store_file_get(&name, &mime, app->reader, id, &err) < 0 ||
        blob_open(&fd, &size, app->blobs, id, &err) < 0) {
        if (!id_valid(id) || err.code == ERR_NOT_FOUND) /* anything else is no reason to forget the address */
            err_set(&err, ERR_NOT_FOUND, "There is no such file, or its time is over");
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    http_known(req);
    snprintf(etag, sizeof etag, "\"%s\"", id);
    struct http_stored stored = {etag, modified_s(fd), size};
    struct http_asked asked = asked_of(req);
    enum http_selected selected = http_select(&from, &to, &asked, &stored);
    struct http_response *r = http_response_new((int)selected);
    add_body(r, *mime ? mime : "application/octet-stream", fd, selected, from, to, size);
    http_response_header(r, "ETag", etag);
    if (stored.modified_s) {
        date_format_http(date, stored.modified_s * SECOND_US);
        http_response_header(r, "Last-Modified", date);
    }
    file_headers(r, name);
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler files_get = {.end = files_end};
