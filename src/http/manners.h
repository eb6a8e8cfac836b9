/* manners.h - what all clients of this process (client.h) keep to, whoever uses them. */
#pragma once
#include "base/err.h"

#include <curl/curl.h>
#include <stdint.h>

struct http_manners {
    /* Asked before each hop; may wait, may refuse. NULL: nobody is asked. */
    int (*admit)(const char *host, int port, struct err *err);
    int64_t bytes_per_s; /* sent, and read; 0: any */
};
extern struct http_manners http_manners;

/* Before a request to url goes out by e. Errors: those of admit. */
MUST_CHECK int manners_keep(CURL *e, const char *url, struct err *err);
