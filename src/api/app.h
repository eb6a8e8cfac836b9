/* app.h - what a handler may ask of the server that it is part of. */
#pragma once
#include "base/budget.h"
#include "base/space.h"

#include <stdbool.h>

struct http_request;

struct app {
    const struct config *config;
    struct conductor *conductor;
    struct uploads *uploads;
    struct blob_store *blobs;
    struct store_reader *reader;
    struct keys *keys;
    const struct seal_key *seal;
    struct store_reader *list_reader; /* its own: a search may take longer than a status may wait */
    struct limits *limits;
    struct costly *costly;
    struct live *live;
    struct proxy *companion; /* NULL: none */
    struct cdn *cdn;
    struct credential_trials *trials;
    const char *instance;
    struct space space;
    struct budget strangers; /* what clients keep here before it is known who they are */
    int port;
    _Atomic(bool) draining;
};

struct app *app_of(struct http_request *req);

/* scheme://host[:port] as the client sees this server, without a slash at the end. The caller frees. */
char *app_base_url(struct http_request *req);
