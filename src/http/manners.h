/* manners.h - what all clients of this process (client.h) keep to, whoever uses them. */
#pragma once
#include "base/err.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct http_manners {
    /* Asked before each hop; may wait, may refuse. NULL: nobody is asked. */
    int (*admit)(const char *host, int port, struct err *err);
    int64_t bytes_per_s; /* sent, and read; 0: any */
    /* May a client's connection to this host outlive its job? Then drop() is called when it must be closed, unless
     * taken() is before. NULL: it may not. See transfer/place.h. */
    bool (*keep)(const char *host, int port, void (*drop)(void));
    void (*taken)(void);
};
extern struct http_manners http_manners;

/* Where url leads to; the caller frees *host. False: nowhere. */
bool manners_where(char **host, int *port, const char *url);
/* Before a request to there (host NULL: it is not known) goes out by e. Errors: those of admit. */
MUST_CHECK int manners_keep(CURL *e, const char *host, int port, struct err *err);
