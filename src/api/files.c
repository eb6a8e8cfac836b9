/* Temporary files: GET /tmpfiles/{2 digits}/{30 digits}/{name}. The id is the secret (api-status.md 4). */
#include "api/app.h"
#include "base/id.h"

#include <inttypes.h>
#include <string.h>

/* One range only: "bytes=a-b", "a-", "-n". 0: none or to be ignored, 1: use it, -1: can't be satisfied. */
static int parse_range(const char *h, int64_t size, int64_t *from, int64_t *to)
{
    char *end;

    if (!h || strncmp(h, "bytes=", 6) || strchr(h, ','))
        return 0;
    h += 6;
    if (*h == '-') {
        int64_t n = strtoll(h + 1, &end, 10);

        if (end == h + 1 || *end)
            return 0;
        if (n <= 0 || !size)
            return -1;
        *from = n > size ? 0 : size - n;
        *to = size - 1;
        return 1;
    }
    *from = strtoll(h, &end, 10);
    if (end == h || *end != '-' || *from < 0)
        return 0;
    h = end + 1;
    *to = *h ? strtoll(h, &end, 10) : size - 1;
    if (*h && (*end || *to < *from))
        return 0;
    if (*to > size - 1)
        *to = size - 1;
    return *from < size ? 1 : -1;
}

static void file_headers(struct http_response *r, const char *name)
{
    AUTO(str_done) struct str disposition = {0};

    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "Access-Control-Expose-Headers", "Content-Range, Content-Length, Accept-Ranges");
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

static enum http_next files_end(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *path = http_path(req) + strlen("/tmpfiles/");
    char id[ID_LEN + 1] = "";
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;
    struct err err;
    int64_t size, from = 0, to;
    int fd, ranged;

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
    to = size - 1;
    ranged = parse_range(http_header(req, "Range"), size, &from, &to);
    struct http_response *r = http_response_new(ranged < 0 ? 416 : ranged ? 206 : 200);
    char range[80];
    if (ranged < 0) {
        snprintf(range, sizeof range, "bytes */%" PRId64, size);
        close(fd);
    } else {
        snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to, size);
        http_response_fd(r, *mime ? mime : "application/octet-stream", fd, (uint64_t)from,
                         (uint64_t)(to - from + 1));
    }
    if (ranged)
        http_response_header(r, "Content-Range", range);
    file_headers(r, name);
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler files_get = {.end = files_end};
