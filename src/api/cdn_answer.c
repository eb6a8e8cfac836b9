#include "api/cdn_answer.h"
#include "api/file_answer.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void release_entry(void *e) { cdn_entry_unref(e); }

/* Is there only an address to tell (robot_input.stub)? */
static bool sends_on(const struct cdn_entry *e)
{
    for (const char *name = e->headers; *name && e->size == 0;) {
        const char *value = name + strlen(name) + 1;

        if (!strcasecmp(name, "Location"))
            return true;
        name = value + strlen(value) + 1;
    }
    return false;
}

void cdn_answer(struct http_request *req, struct cdn_entry *e, int fd, int64_t now_us, bool own_origin)
{
    int64_t age_s = (now_us - e->stored_us) / SECOND_US;
    struct file_answer file = {
        e->etag, e->type, .fd = fd, .size = e->size, .modified_s = e->stored_us / SECOND_US, .modified = e->modified};
    char age[24];

    bool away = sends_on(e);

    if (fd < 0 && !away) {
        file.bytes = cdn_entry_bytes(e);
        file.release = release_entry;
        file.arg = cdn_entry_ref(e);
    }
    struct http_response *r = away ? http_response_new(302) : file_answer_new(req, &file);

    http_response_headers(r, e->headers, e->headers_len);
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    if (own_origin)
        file_answer_sandbox(r);
    http_response_header(r, "Transloadit-RequestID", http_request_id(req));
    snprintf(age, sizeof age, "%lld", (long long)(age_s > 0 ? age_s : 0));
    http_response_header(r, "Age", age); /* RFC 9111: a cache between has to count it */
    http_answer(req, r);
}

void cdn_preflight(struct http_request *req)
{
    struct http_response *r = http_response_new(200);

    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "Access-Control-Allow-Methods", "POST, GET, PUT, DELETE, OPTIONS");
    http_response_header(r, "Access-Control-Allow-Headers",
                         "X-Requested-With, Content-Type, Cache-Control, Accept, Content-Length, Transloadit-Client, "
                         "Authorization, Range, If-Range");
    http_response_header(r, "Access-Control-Max-Age", "86400");
    http_answer(req, r);
}
