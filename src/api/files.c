/* Temporary files: GET /tmpfiles/{2 digits}/{30 digits}/{name}. The id is the secret (api-status.md 4). */
#include "api/app.h"
#include "api/file_answer.h"
#include "api/routes.h"
#include "base/id.h"
#include "blob/blob.h"
#include "http/reply.h"
#include "http/server.h"
#include "store/store.h"

#include <string.h>
#include <sys/stat.h>

static void file_headers(struct http_response *r, const char *name)
{
    AUTO(str_done) struct str disposition = {0};

    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "Access-Control-Expose-Headers", "Content-Range, Content-Length, Accept-Ranges, ETag");
    http_response_header(r, "Accept-Ranges", "bytes");
    /* whatever a user uploaded must not act in this origin's name */
    file_answer_sandbox(r);
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

static enum http_next files_end(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *path = http_path(req) + strlen("/tmpfiles/");
    char id[ID_LEN + 1] = "", etag[ID_LEN + 3];
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;
    struct err err;
    int64_t size;
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
    struct http_response *r = file_answer_new(
        req, &(struct file_answer){etag, *mime ? mime : NULL, .fd = fd, .size = size, .modified_s = modified_s(fd)});
    file_headers(r, name);
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler files_get = {.end = files_end};
