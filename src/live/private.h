/* private.h - what the files of the room share: notes to the thread, and what it keeps. */
#pragma once
#include "base/clock.h"
#include "base/id.h"
#include "base/map.h"
#include "http/websocket.h"
#include "live/live.h"
#include "live/packet.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_PAYLOAD 1000000             /* bytes of a message or a polling request */
#define MAX_PAYLOADS (64 << 20)         /* of all messages that are coming in */
#define MAX_QUEUE (4 << 20)             /* bytes a slow reader may fall behind, as with event streams */
#define MAX_EARS 16                     /* Assemblies a client may listen to */
#define PING_INTERVAL_US (25 * SECOND_US)
#define PING_TIMEOUT_3_US (5 * SECOND_US)
#define PING_TIMEOUT_4_US (20 * SECOND_US)
#define CONNECT_US (45 * SECOND_US)     /* version 4: to join the namespace */
#define LONELY_US (60 * SECOND_US)      /* a client that listens to nothing */
#define UPGRADE_US (10 * SECOND_US)     /* from the second transport's opening to the change */
#define LINGER_US SECOND_US             /* from our good-bye on a WebSocket */

enum transport { TRANSPORT_POLLING, TRANSPORT_WEBSOCKET };

/* Engine.IO's error codes. */
enum eio_error {
    EIO_ERROR_NONE = -1,
    EIO_BAD_TRANSPORT = 0,
    EIO_BAD_SID = 1,
    EIO_BAD_METHOD = 2,
    EIO_BAD_REQUEST = 3,
    EIO_FULL = 4, /* "forbidden" */
    EIO_BAD_VERSION = 5,
};

/* ---- notes ---- */

enum note_kind {
    NOTE_POLL,   /* GET by polling: req waits */
    NOTE_POST,   /* POST: req waits, body */
    NOTE_ASK,    /* GET that wants a WebSocket: req waits, handshake is its answer */
    NOTE_SOCKET, /* the WebSocket is there */
    NOTE_EVENT,  /* ear, text */
    NOTE_END,    /* ear: no more events; with the document's reference on it */
};

struct note {
    enum note_kind kind;
    struct note *next;
    struct live *live;
    struct http_request *req; /* a reference */
    char *origin;             /* of req; NULL: none */
    char sid[ID_LEN + 1];     /* "": a new session */
    int version;
    struct str body;
    struct http_response *handshake;
    struct http_socket *socket;
    struct ear *ear;
    struct shared_text *text;
};

/* Takes n; false, and n is freed with all that is in it, when the thread has ended. */
bool live_note(struct live *l, struct note *n);
void note_free(struct note *n);

/* ---- door.c ---- */
struct http_response *door_answer(int status, const char *type, const char *text, size_t len, const char *origin);
struct http_response *door_error(enum eio_error code, const char *origin);

/* ---- sessions ---- */

/* A listener for one session. The document, the session and notes hold references. */
struct ear {
    struct listener listener;
    atomic_int refs;
    struct live *live;
    atomic_size_t waiting;    /* bytes between the document and the wire */
    atomic_bool is_slow;      /* it was too much */
    struct session *session;  /* the rest is the thread's own. NULL: the session is over */
    struct published *doc;    /* NULL: none, or over */
    bool has_ended;
    char id[ID_LEN + 1];
};

struct parcel {
    struct shared_text *text;
    struct ear *ear; /* NULL: not an event */
};

struct session {
    char sid[ID_LEN + 1];
    struct live *live;
    struct session *prev, *next;
    int version;
    enum transport transport;
    struct line *line, *probe;   /* WebSockets: the one in use; one that wants to become it */
    int64_t probe_since_us;
    bool is_probed;              /* the probe has been answered */
    struct http_request *poll;   /* waits; a reference */
    char *poll_origin;
    struct parcel *queue;
    int queued, queue_cap, chatter; /* chatter: of them, those that are not events */
    bool is_joined;              /* in the namespace */
    struct ear *ears[MAX_EARS];
    int ear_count;
    int64_t born_us, heard_us, pinged_us, lonely_us; /* pinged: 0: no answer is due; lonely: 0: it listens */
    int64_t next_ping_us;
};

/* A WebSocket. */
struct line {
    struct live *live;
    struct line *prev, *next;
    struct websocket *ws;
    struct session *session; /* NULL: none any more */
    int64_t closing_us;      /* 0: open */
    uint32_t watched;        /* epoll events */
    bool is_dirty;           /* on the list of those to pump before the thread sleeps */
    bool is_dead;            /* free it at the end of the round */
    struct line *next_dirty;
};

struct live {
    struct live_conf conf;
    pthread_t thread;
    int epoll, bell; /* bell: an eventfd */
    pthread_mutex_t lock;
    struct note *first, **last; /* under the lock, as is: */
    bool has_ended;
    atomic_bool stopping;
    /* the thread's own */
    struct map sessions;
    struct session *session_list;
    struct line *lines, *dirty;
    struct websocket_room room;
    atomic_size_t posting; /* bytes of polling requests that are coming in */
    int64_t now_us;
};

/* ear.c */
extern const struct listener_kind ear_kind;
void ear_unref(struct ear *e);              /* any thread */
struct listener *ear_lend(void *ear);       /* to a document, with a reference */
void ear_forget(struct ear *e);             /* the session hears no more of it */

/* session.c; all on the thread */
void session_poll(struct live *l, struct note *n);
void session_post(struct live *l, struct note *n);
void session_ask(struct live *l, struct note *n);
void session_socket(struct live *l, struct note *n);
void session_event(struct note *n);
void session_ear_end(struct note *n);
void session_tick(struct session *s);
/* Over. code: the WebSocket's good-bye. */
void session_close(struct session *s, int code);
void line_text(void *line, const char *s, size_t len); /* websocket_calls */
void session_line_lost(struct line *line);
void session_flush(struct session *s); /* after a pump there is room again */

/* live.c */
struct line *line_new(struct live *l, struct http_socket *s);
void line_pump_soon(struct line *line);
void line_close(struct line *line, int code); /* the session lets go of it */
