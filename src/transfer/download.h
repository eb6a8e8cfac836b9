/* download.h - a file fetched by HTTP, whole or in ranges, with attempts and redirects, for import
 * Robots. */
#pragma once
#include "http/client.h"
#include "transfer/remote.h"
#include "transfer/values.h"

struct download_plan {
    struct http_client *client;
    const char *const *headers; /* "Name: value", NULL-terminated, at most VALUE_HEADERS_MAX */
    const struct value_range *ranges;
    int range_count; /* several are written at their own offsets; 0: the whole file */
    bool fail_fast;  /* one attempt only */
    int total_timeout_s; /* of all attempts; 0: any */
};

/* f->place is an address. A connection that breaks goes on where it was, if the other side can tell that the file is
 * still the same (If-Range); what is put together never stems from two. f->extra gets import_url, and the file the
 * name that the answer or the address gives it. */
MUST_CHECK int download(struct remote_import_file *f, const struct download_plan *plan,
                        struct err *err);
