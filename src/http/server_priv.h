/* server_priv.h - what the files behind server.h share. Nobody else includes it.
 *
 * Locks, in the order they may be taken: request, stream, libmicrohttpd's own, shard. The last, because
 * libmicrohttpd tells the end of a connection that has left HTTP while it holds its own; under a shard's lock
 * a request's may only be tried. sweep_lock is taken last and briefly. No lock is held while a handler's
 * callback runs. */
#pragma once
#include "base/id.h"
#include "base/rate.h"
#include "http/server.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#define SHARDS 16
#define ADDRESS_SLOTS 65536
#define BIG_STRANGERS 96 /* connections with all their memory, of clients that are not known */
#define LARGE_STRANGERS 16 /* ... and with so many nobody gets the memory that is for large bodies */

struct entrance;

/* One TCP connection, from accept to just before its descriptor is closed. Whoever holds the
 * shard's lock and finds it in the list may use fd. */
struct conn {
    struct http_server *server;
    struct conn *prev, *next; /* in its shard; under the shard's lock */
    struct http_request *req; /* being served, or NULL; under the shard's lock */
    int fd;
    char peer[INET6_ADDRSTRLEN];
    char *query;                /* of the request whose headers are coming in, as sent; the HTTP thread's */
    bool has_long_query;        /* ... is of more parts than there is memory for; the HTTP thread's */
    _Atomic(unsigned) requests; /* begun so far */
    _Atomic(bool) is_serving;   /* between a request's headers and its end */
    _Atomic(bool) is_streaming; /* its answer is an event stream */
    _Atomic(int64_t) cut_at_us; /* answered raw in mid-body; 0: no */
    _Atomic(bool) is_upgraded;  /* it has left HTTP */
    _Atomic(bool) is_known;     /* http_known() */
    struct entrance *entrance;
    int slot;                   /* of its address; -1: not counted */
    int64_t since_us;

    /* crowd.c's notes, under the shard's lock */
    int64_t window_us, score;
    uint64_t window_bytes;
    bool is_slow;

    /* The sweeper's notes on the present pause between two requests. */
    unsigned seen_requests;
    uint64_t seen_bytes;
    int64_t headers_since_us; /* 0: not a byte yet */
    bool was_deserted;        /* its client had closed in mid-request */
};

/* A daemon of libmicrohttpd: how much memory a connection gets is a matter of the daemon's. */
enum entrance_kind { ENTRANCE_PLAIN, ENTRANCE_SMALL, ENTRANCE_LARGE, ENTRANCES };
struct entrance {
    struct http_server *server;
    enum entrance_kind kind;
    size_t memory; /* of each connection */
    struct MHD_Daemon *daemon; /* NULL: there is none of this kind */
    _Atomic(int) count; /* of its connections */
};

struct shard {
    pthread_mutex_t lock;
    struct conn *head;
};

struct refusals { /* refusals.c */
    pthread_mutex_t lock;
    struct refusal_kind {
        char code[48]; /* "" free, and all after it */
        struct rate_bucket rate;
        int64_t unsaid, said_us;
    } kinds[64];
};

struct http_server {
    struct http_config conf;
    struct entrance entrances[ENTRANCES];
    struct acceptor *acceptor;
    int listen_fd;
    int port;
    _Atomic(int) connections;
    _Atomic(int) strangers, big_strangers; /* handed to a daemon, and not known; those with all their memory */
    _Atomic(int) *by_address;              /* [ADDRESS_SLOTS]; NULL: not counted */
    uint64_t address_seed;
    _Atomic(int) busy;
    _Atomic(int) cuts;      /* connections with cut_at_us set: the sweeper hurries */
    _Atomic(bool) stopping; /* nothing may suspend any more */
    _Atomic(bool) quiesced;
    struct shard shards[SHARDS];

    pthread_t sweeper;
    bool has_sweeper;
    pthread_mutex_t sweep_lock;
    pthread_cond_t sweep_cond;
    bool sweep_stop; /* under sweep_lock */

    struct refusals refusals;
    char id_prefix[ID_LEN + 1]; /* of this process: its first 8 digits */
    _Atomic(unsigned) id_last;
};

enum phase {                /* of a request; only its HTTP thread looks at it */
             PHASE_BEGIN,   /* begin() runs or waits */
             PHASE_BODY,    /* the body arrives */
             PHASE_HELD,    /* answered in begin(), no body: queued in the handler's last call */
             PHASE_END,     /* end() runs or waits */
             PHASE_QUEUED,  /* libmicrohttpd has the answer */
             PHASE_DISCARD, /* answered raw on the socket; what still arrives is dropped */
};

struct query_arg {
    char *name, *value; /* into query_text */
};

struct upgrade {
    void (*taken)(void *arg, struct http_socket *s); /* NULL: none, or called */
    void *arg;
};

struct http_request {
    _Atomic(int) refs;
    struct http_server *server;
    const struct http_handler *handler; /* NULL: refused before routing */
    void *data;
    char *path_arg[4];
    struct query_arg *query;
    char *query_text, *query_raw;
    int query_count;
    struct share answer_share; /* of an answer to a stranger */
    int slot; /* of the address that it was forwarded for; -1: not counted */
    bool query_bad;
    bool is_head;        /* by override: libmicrohttpd does not know */
    int64_t body_length; /* as http_content_length() */
    enum phase phase;

    pthread_mutex_t lock;       /* for all below */
    struct MHD_Connection *mhd; /* NULL once the request is over */
    struct conn *conn;          /* the same */
    struct http_response *answer;
    struct http_stream *stream; /* once libmicrohttpd has it; a reference */
    struct upgrade upgrade;     /* the same */
    bool is_answered;           /* there was an answer; later ones are dropped */
    bool can_go_on;             /* http_go_on() was called */
    bool is_suspended;          /* waiting, and libmicrohttpd knows */
    bool is_in_body;            /* an answer now would have to be sent raw */
    bool is_raw_sent;           /* and it was, to the last byte */
    bool is_cut;                /* by http_cut() */

    char peer[INET6_ADDRSTRLEN], client[INET6_ADDRSTRLEN]; /* client: as a trusted proxy has it */
    char id[65];  /* X-Request-Id */
    char key[65]; /* the Auth Key that the request names, for the log; "" none */
    const char *method, *path, *path_raw; /* into text */
    char text[];
};

struct http_response {
    int status;
    char code[48]; /* of a refusal, for the log; "" none, or its status says it */
    bool is_close;
    struct str headers; /* name NUL value NUL ... */
    enum { BODY_NONE, BODY_TEXT, BODY_SHARED, BODY_FD, BODY_STREAM, BODY_UPGRADE } body;
    char *content_type;
    char *text; /* BODY_TEXT: ours; BODY_SHARED: lent */
    size_t len;
    void (*release)(void *);
    void *release_arg;
    int fd;
    uint64_t offset, length;
    struct http_stream *stream;
    struct upgrade upgrade;
};

/* conn.c */
void conn_begin(struct conn *c, struct http_request *req); /* it serves this one */
void conn_end(struct conn *c);
void conn_cut(struct conn *c); /* answered raw: the sweeper closes it */
bool conn_deserted(const struct conn *c); /* the peer has closed its direction, or all */

/* accept.c: its thread takes connections until s->quiesced, and ends with acceptor_stop() (fine when there is none).
 * Those that have not said a word are closed then. */
MUST_CHECK int acceptor_start(struct http_server *s, struct err *err);
void acceptor_stop(struct http_server *s);

/* head.c: what is wrong with the request's line and headers; NULL: nothing. query: as sent. */
const char *head_ambiguous(struct MHD_Connection *mhd, const char *method, const char *url, const char *version,
                           const char *query);

/* crowd.c */
void crowd_open(struct http_server *s);
void crowd_close(struct http_server *s);
int crowd_slot(const struct http_server *s, const struct sockaddr *addr); /* where it is counted; -1: nowhere */
int crowd_forwarded_slot(const struct http_server *s, const char *forwarded_for);
bool crowd_take(struct http_server *s, int slot); /* false: that address has enough */
void crowd_give(struct http_server *s, int slot);
void crowd_conn_known(struct conn *c);
bool crowd_is_tight(const struct http_server *s); /* hardly a place is left */
/* Has hardly anything moved for half a minute? Under the shard's lock. */
bool crowd_too_slow(struct conn *c, int64_t now_us);
/* Close the count strangers at which least moved since they came, of those that have been there for min_age_us. How
 * many there were. */
int crowd_evict(struct http_server *s, int count, int64_t min_age_us);
/* Those of which too much is held are told to make room: a part of the strangers whose request is under way. */
void crowd_relieve(struct http_server *s);
void request_cut_slow(struct http_request *req);

/* request.c: the access handler and the completed callback */
enum MHD_Result request_handle(void *server, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **req);
void request_completed(void *server, struct MHD_Connection *mhd, void **req,
                       enum MHD_RequestTerminationCode how);
/* The server stops: what waits wakes up and finds out. */
void request_wake_for_stop(struct http_request *req);
void request_drop_stream(struct http_request *req); /* if it has one */

/* answer.c */
/* Hand r to libmicrohttpd. Frees r. */
enum MHD_Result response_queue(struct http_response *r, struct MHD_Connection *mhd, bool is_head);
/* Can the body go out in one piece from memory? */
bool response_is_plain(const struct http_response *r);
/* Write r on the socket without waiting, then end our direction. Frees r. Returns whether every
 * byte went to the kernel. */
bool response_send_raw(struct http_response *r, int fd, bool is_head);

/* refusals.c */
/* Its id, and who asks. */
void request_identify(struct http_request *req, const char *given_id, const char *forwarded_for);
void refusal_note(struct http_request *req, const struct http_response *r); /* r is about to be its answer */
void refusals_flush(struct refusals *all, bool all_of_them);

/* upgrade.c */
struct MHD_Response *upgrade_response(void);
/* It will not come to an upgrade any more. */
void upgrade_fail(struct upgrade *u);

/* stream.c */
void stream_ref(struct http_stream *s);
void stream_unref(struct http_stream *s);
struct http_stream *stream_new(struct http_server *s, int64_t length);
void stream_set_wake(struct http_stream *s, size_t low, void (*wake)(void *arg), void *arg);
struct MHD_Response *stream_response(struct http_stream *s, struct MHD_Connection *mhd);
/* The other side of the stream went away (or never came). Drops its reference. */
void stream_peer_gone(void *stream);
/* The peer has left or has to: nothing more is written. */
void stream_drop(struct http_stream *s);
