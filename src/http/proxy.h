/* proxy.h - hands requests on to another HTTP server and its answers back, WebSockets too. Knows
 * nothing of what they are about.
 *
 * One thread owns every connection to the other server: plain requests are libcurl's, a WebSocket
 * is relayed byte by byte once the other server has agreed to it. A request's body is gathered
 * first (max_body) and sent with a length of our own making, so the two servers can't disagree
 * where it ends; an answer's body streams, and waits for a slow client. Headers that are about one
 * connection only (RFC 9110 7.6.1) stay on it. */
#pragma once
#include "http/server.h"

struct proxy;

struct proxy_conf {
    const char *upstream; /* "http://127.0.0.1:3020": see proxy_check_url() */
    const char *name;     /* of it, for messages: "Companion" */
    const char *prefix;   /* "/companion": only what lies below it is handed on; slashes that repeat
                             behind it are one */
    size_t max_body;      /* bytes of a request's body */
    int connect_timeout_s,
        idle_timeout_s;   /* idle: nothing moves; a WebSocket may be silent for an hour */
    bool trust_forwarded; /* go on with the X-Forwarded-For that a request has */
    char *(*base_url)(
        struct http_request *req); /* "https://host", what the client sees; the caller frees */
    /* The answer when there is none of the other server's. origin: the request's header, or NULL.
     */
    struct http_response *(*refuse)(const struct err *err, const char *method, const char *origin);
};

/* http:// (the other server runs beside us), a host and perhaps a port, nothing else. Errors:
 * ERR_CONFIG. */
MUST_CHECK int proxy_check_url(const char *url, struct err *err);
/* The strings of conf are lent for as long as the proxy is. Errors: ERR_CONFIG, ERR_IO. */
MUST_CHECK int proxy_start(struct proxy **out, const struct proxy_conf *conf, struct err *err);
/* End what is under way and refuse what comes (503). Before http_server_stop(); does not wait for
 * peers. */
void proxy_stop(struct proxy *p);
void proxy_close(struct proxy *p); /* after http_server_stop(); NULL is fine */

/* Handler of any method; http_set_data() holds the struct proxy. Errors that refuse() hears of:
 * ERR_UPSTREAM_DOWN, ERR_UPSTREAM_ANSWER, ERR_MAX_SIZE, ERR_FORM, ERR_URL_ENCODING, ERR_NOT_FOUND,
 * ERR_SERVER_405, ERR_BUSY. */
extern const struct http_handler proxy_handler;
