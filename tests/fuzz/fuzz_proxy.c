/* The head of another server's answer, which goes on to a client: a status line and headers. */
#include "fuzz.h"
#include "http/proxy_priv.h"
#include "http/server_priv.h"

#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(str_done) struct str head = {0};
    struct http_response *r;
    int64_t length = -2;

    while (b.left) { /* libcurl gives it line by line; a line has no NUL */
        AUTO(mem_free) char *line = take_line(&b);
        str_addf(&head, "%s\n", line);
    }
    (void)proxy_status(&head);
    (void)proxy_is_websocket(&head);
    if (!(r = proxy_answer(&length, &head)))
        return 0;
    CHECK(length >= -1);
    for (size_t at = 0; at < r->headers.len;) {
        const char *p = r->headers.s + at;
        CHECK(*p && !p[strcspn(p, " \t\r\n:")]); /* a name */
        CHECK(strcasecmp(p, "Content-Length") && strcasecmp(p, "Transfer-Encoding") && strcasecmp(p, "Connection"));
        at += strlen(p) + 1;
        p = r->headers.s + at;
        CHECK(!strpbrk(p, "\r\n"));
        at += strlen(p) + 1;
    }
    http_response_free(r);
    return 0;
}
