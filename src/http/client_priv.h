/* client_priv.h - a client's connections (client_keep.c), and its requests (client.c). */
#pragma once
#include "http/client.h"

#include <curl/curl.h>

struct http_client {
    CURL *curl;
    char *guard; /* what curl's open connections were checked against; NULL: nothing */
    char *host;  /* where they lead to; NULL: there are none yet */
    int port;
    bool several; /* or to others as well */
    bool rested;  /* they are of an earlier job */
};

/* Connections that were opened under other rules must not serve this request. */
void client_use_guard(struct http_client *c, const char *guard);
/* What an earlier job left open is for its host alone: its place there is given back with the first word to another.
 * May begin anew, as the one above. */
void client_use_host(struct http_client *c, const char *url);
