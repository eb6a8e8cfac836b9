/* fetch.h - a remote file by calls of its service's interface (api.h): an answer that is cut off is gone on with where
 * it stopped, of the same version; what came is checked. For imports, in workcell-transfer only. */
#pragma once
#include "transfer/api.h"
#include "transfer/body.h"

/* What proves that the rest is of the same file. */
enum fetch_same {
    FETCH_IF_RANGE, /* a strong ETag; without one it begins anew */
    FETCH_IF_MATCH, /* any ETag that is not a weak one: what some know in the place of If-Range */
    FETCH_PINNED,   /* what is asked for is one version for ever. Where there is a strong ETag it counts as well */
    FETCH_NEVER     /* it always begins anew: the bytes are made on the way */
};

#define FETCH_LINES_MAX 4
struct fetch {
    struct api *api;
    struct remote_import_file *file;
    const char *url;
    const char *lines[FETCH_LINES_MAX + 1]; /* headers, ended by NULL */
    bool anonymous;                         /* an address that says all: no token goes there */
    bool as_it_lies; /* no Content-Encoding is undone: it is asked for as a part that is the whole */
    int max_redirects;
    enum fetch_same same;
    int64_t size;       /* as the service says; -1: not known */
    const char *digest; /* "MD5", "sha1", as messages name it; NULL: none, */
    const char *want;   /* and what it must be, in hexadecimal digits; NULL: not said. Lent */
    /* With the head of each good answer that begins the file, before its bytes: opens the file, and may say its size,
     * what is wanted, and other lines for what is asked after a cut. */
    int (*on_answer)(struct fetch *f, const struct http_client_response *r, struct err *err);
    /* Every byte in its order. data NULL: from the beginning (again). May be NULL. */
    void (*on_bytes)(void *ctx, const void *data, size_t len);
    void *ctx;

    /* of fetch_run() */
    const struct http_client_response *answer;
    struct body body;
    char *etag;           /* by which it is known again; NULL: there is none */
    bool ours, not_ready; /* ours: the failure is no cut, but what we said of an answer */
    bool no_part;         /* of an empty file there is none */
};
/* All of it, in file. Errors: remote_fail(), what on_answer says, or our own disk's. */
MUST_CHECK int fetch_run(struct fetch *f, struct err *err);

/* An object of a store without directories: file's place, which is its name there, lies at url. Its bytes as they lie,
 * of one version by its ETag, whose MD5 on_answer may say; the file's record says in which folder it lay. Errors also:
 * the name is no path. */
MUST_CHECK int fetch_keyed(struct api *api, struct remote_import_file *file, const char *url,
                            int (*on_answer)(struct fetch *f, const struct http_client_response *r, struct err *err),
                            struct err *err);

/* What such a store is asked of a page, added to an address that has a query: &prefix, &delimiter, &marker (NULL: it is
 * the first page). */
void fetch_add_page(struct str *url, const struct remote_page *page, const char *marker);

/* An MD5 for want, as headers have it: hexadecimal, with or without quotes, or base64. NULL: it is none. */
const char *fetch_md5_hex(struct arena *a, const char *text);
const char *fetch_md5_base64(struct arena *a, const char *text);
