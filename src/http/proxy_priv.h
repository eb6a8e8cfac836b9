/* proxy_priv.h - what the files behind proxy.h share. Nobody else includes it. */
#pragma once
#include "base/clock.h"
#include "http/proxy.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define MAX_HEAD (32 * 1024)         /* of an answer's headers */
#define MAX_BODIES (64 << 20)        /* bytes of all requests' bodies */
#define QUEUE_HIGH (256 * 1024)      /* of an answer's body: above this the other server waits */
#define QUEUE_LOW (64 * 1024)        /* and goes on at this */
#define FLOW_SIZE (16 * 1024)        /* of a WebSocket, each way */
#define ASK_US (30 * SECOND_US)      /* the other server has to agree to a WebSocket */
#define SILENT_US (3600 * SECOND_US) /* on a WebSocket */

/* A descriptor in the thread's epoll. */
struct watch {
    int fd; /* -1: not watched */
    uint32_t events;
    struct errand *errand; /* NULL: libcurl's */
    bool is_dead;
    struct watch *next_dead;
};

/* Bytes on the way from one side to the other. */
struct flow {
    char *data;
    size_t at, len;
    bool has_ended; /* the side they come from has closed */
};

enum tunnel_phase {
    TUNNEL_CONNECTS, /* libcurl connects */
    TUNNEL_ASKS,     /* the handshake is on its way, or its answer */
    TUNNEL_WAITS, /* the other server has agreed: the client's connection is about to leave HTTP */
    TUNNEL_OPEN,
};

struct tunnel {
    enum tunnel_phase phase;
    int64_t moved_us; /* a byte, or the phase */
    struct str ask;   /* the handshake */
    size_t asked;     /* bytes of it that are sent */
    int fd;           /* of the other server's side; -1: none yet */
    struct watch client, server;
    struct flow up, down;
    /* under the proxy's lock */
    struct http_socket *socket;
    bool is_taken, is_orphan; /* orphan: the thread has ended; who takes the connection frees all */
};

/* A request that is handed on. Of the thread, but for what stands under the proxy's lock. */
struct errand {
    struct proxy *proxy;
    struct errand *prev, *next;
    struct errand *next_asked, *next_rung; /* under the lock, as is_rung */
    bool is_rung;
    struct http_request *req; /* a reference */
    const char *method;
    char *target, *origin;
    struct curl_slist *headers;
    struct str body;
    size_t counted; /* in the proxy's bodies */

    CURL *easy;
    char text[CURL_ERROR_SIZE];
    struct str head; /* of the answer: status line and headers, each ended by \n */
    bool is_head_done, is_answered, is_paused, is_dead;
    const char *flaw; /* why there is no answer, when we know it better than libcurl */
    struct http_stream *stream;
    struct tunnel *tunnel; /* NULL: a plain request */
};

struct proxy {
    struct proxy_conf conf;
    char *upstream, *authority; /* "http://host:port", "host:port" */
    pthread_t thread;
    bool has_thread;
    int epoll, bell; /* bell: an eventfd */
    CURLM *multi;
    pthread_mutex_t lock;
    struct errand *asked, **asked_last; /* under the lock, as are: */
    struct errand *rung;                /* somebody has a note for them */
    bool has_ended;
    atomic_bool stopping;
    atomic_size_t bodies;
    /* the thread's own */
    struct errand *errands, *dead_errands;
    struct watch *dead_watches;
    int64_t curl_us; /* libcurl wants to be called then; 0: no */
    int64_t now_us;
};

/* proxy_head.c: no I/O */
/* "http://host:port" and "host:port" of url; both are the caller's. Errors: ERR_CONFIG. */
MUST_CHECK int proxy_take_apart(char **upstream, char **authority, const char *url, struct err *err);
/* The request's headers as they go on. Errors: ERR_FORM. */
MUST_CHECK int proxy_request_headers(struct curl_slist **out, struct http_request *req,
                                     const struct proxy_conf *conf, struct err *err);
/* Path and query as they go on; the caller frees. NULL with err: ERR_URL_ENCODING, ERR_NOT_FOUND.
 */
char *proxy_target(struct http_request *req, const char *prefix, struct err *err);
/* The same word as a constant; NULL: none that is handed on. */
const char *proxy_method(const char *method);
int proxy_status(const struct str *head);
/* The answer with the headers that go on. *length: of the body, -1 unknown. NULL: it is malformed.
 */
struct http_response *proxy_answer(int64_t *length, const struct str *head);
/* Is it 101 with a WebSocket? */
bool proxy_is_websocket(const struct str *head);

/* proxy.c */
/* For the thread to hand on. False: it has ended, and e is still the caller's. */
bool proxy_leave(struct proxy *p, struct errand *e);
/* Have the thread look at e: under the lock; true: ring the bell when it is given up. */
bool proxy_ring_locked(struct errand *e);
void proxy_ring_bell(struct proxy *p);
/* It is over. why: what the client hears that has no answer yet; may be NULL when it has. */
void errand_end(struct errand *e, const struct err *why);
/* The same, when the other server is to blame; what goes into the log. */
void errand_fail(struct errand *e, enum err_code code, const char *what);
void errand_answer(struct errand *e, struct http_response *r); /* one without a stream; takes r */
void errand_free(struct errand *e);
void proxy_watch(struct proxy *p, struct watch *w, int fd, uint32_t events); /* 0: not at all */

/* proxy_tunnel.c; on the thread */
struct tunnel *tunnel_new(struct errand *e);
void tunnel_free(struct tunnel *t);
void tunnel_connected(struct errand *e);
void tunnel_ready(struct errand *e, struct watch *w, uint32_t events);
void tunnel_rung(struct errand *e);
void tunnel_tick(struct errand *e);
