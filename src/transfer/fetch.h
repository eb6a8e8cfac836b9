/* fetch.h - the bytes of a remote file by calls of its service's interface (api.h): an answer that is cut off is gone
 * on with where it stopped, of the same version. For imports, in workcell-transfer only. */
#pragma once
#include "transfer/api.h"

#define FETCH_LINES_MAX 4
struct fetch {
    struct api *api;
    struct remote_import_file *file;
    const char *url;
    const char *lines[FETCH_LINES_MAX + 1]; /* headers, ended by NULL */
    bool anonymous;                         /* an address that says all: no token goes there */
    int max_redirects;
    int64_t size; /* as the service says; -1: not known */
    /* With the head of each good answer, before its bytes: the first one opens the file, and may name its size, and
     * other lines for what is asked after a cut. */
    int (*on_answer)(struct fetch *f, const struct http_client_response *r, struct err *err);
    /* Every byte in its order. data NULL: from the beginning (again). May be NULL. */
    void (*on_bytes)(struct fetch *f, const void *data, size_t len);
    void *ctx;

    /* of fetch_run() */
    const struct http_client_response *answer;
    int64_t done;
    char *etag;
    bool ours, not_ready; /* ours: the failure is no cut, but what we said of an answer */
};
/* All of it, in file. Errors: remote_fail(), what on_answer says, or our own disk's. */
MUST_CHECK int fetch_run(struct fetch *f, struct err *err);
