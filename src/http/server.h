/* server.h - our face over libmicrohttpd: HTTP/1.1, streaming bodies, suspended requests, event
 * streams. Knows no Assemblies.
 *
 * A request lives on one HTTP thread. Its handler is a table of callbacks:
 *
 *     begin   headers are in, no body yet.
 *     body    a piece of the body (only when the request has one). Lent for the call.
 *     end     the body is complete (also called when there is none).
 *     done    always last, exactly once: answered, or the connection went away. Frees handler data.
 *
 * begin and end return what happens next:
 *     HTTP_GO      go on (begin: read the body and call end).
 *     HTTP_WAIT    suspended: no callback until http_answer() or http_go_on(), from any thread.
 *                  The call may come before the callback has even returned.
 *     HTTP_ANSWERED http_answer() was called inside the callback. From begin this refuses the body and
 *                  closes the connection afterwards when a body is expected.
 * body returns 0 to go on or -1 to close the connection at once. http_answer() inside it, or from
 * another thread while the body arrives, does what http_cut() does (done() gets OK when all was sent).
 *
 * http_cut() is the way to end a request whose body is still arriving, from another thread. */
#pragma once
#include "base/budget.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct http_server;
struct http_request;
struct http_response;
struct http_stream;

enum http_next { HTTP_GO, HTTP_WAIT, HTTP_ANSWERED };
enum http_outcome { HTTP_DONE_OK, HTTP_DONE_CLOSED }; /* CLOSED: peer gone or cut before the answer */

struct http_handler {
    enum http_next (*begin)(struct http_request *req); /* NULL: HTTP_GO */
    int (*body)(struct http_request *req, const char *data, size_t len); /* NULL: drop */
    enum http_next (*end)(struct http_request *req);
    void (*done)(struct http_request *req, enum http_outcome outcome); /* may be NULL */
};

struct http_config {
    const char *host;  /* "127.0.0.1", "::1", "0.0.0.0" */
    int port;          /* 0: any free one */
    int threads;
    size_t connection_memory; /* bytes per connection: the size of body pieces */
    /* Connections that begin with this text ("GET /events") get less: there may be thousands of them.
     * Lent; NULL: none. */
    const char *stream_prefix;
    /* And those whose first head is short and asks for this ("GET /files/"), or for something of a host below this domain: all
     * of the memory is cleared for each request, which takes longer than to send a file. NULL or "": none. */
    const char *short_prefix, *short_host;
    size_t stream_memory; /* bytes; a request's headers must fit */
    /* Connections whose first head announces a body of at least large_body bytes (its own, or the Upload-Length of tus)
     * get more, so that it comes in fewer pieces: as long as there are no more than large_most of them, and few that
     * are not known. 0: none. */
    size_t large_memory;
    int64_t large_body;
    int large_most;
    int idle_timeout_s;   /* no byte moved on a connection */
    int header_timeout_s; /* request line and headers must be complete in this time, however they drip */
    int max_connections;
    /* Connections of clients that are not known (http_known()): above that many, and when hardly a place is left, those
     * at which least moves are closed. 0: any number. They share what memory there is: many get
     * stream_memory instead. */
    int max_strangers;
    int address_connections; /* of one address; 0: any number */
    bool local_is_exempt;    /* loopback addresses have any number */
    bool trust_forwarded; /* X-Request-Id and X-Forwarded-For are a proxy's; the latter says whose requests to count */
    /* Large answers to clients that are not known are taken from it; NULL: nothing is counted. */
    struct budget *strangers;
    int min_body_rate;       /* bytes a second that must move of a request, on the average of half a minute; 0: any */
    /* Which handler serves the request; never NULL. Called once, before begin. */
    const struct http_handler *(*route)(struct http_request *req, void *ctx);
    void *ctx;
};

MUST_CHECK int http_server_start(struct http_server **out, const struct http_config *conf,
                                 struct err *err);
int http_server_port(const struct http_server *s);
/* Stop accepting; open requests go on. */
void http_server_quiesce(struct http_server *s);
/* Number of requests between begin and done; a drain waits for 0. */
int http_server_busy(const struct http_server *s);
/* Close everything. Every request gets its done() first. No http_* call may run on other threads. */
void http_server_stop(struct http_server *s);

/* ---- the request ---- */
const char *http_method(const struct http_request *req); /* after X-HTTP-Method-Override on POST */
const char *http_path(const struct http_request *req);   /* percent-decoded, without the query */
const char *http_path_raw(const struct http_request *req);
const char *http_header(struct http_request *req, const char *name); /* NULL when absent; not in done() */
/* Every header in its order; value may be "". Not in done(). */
void http_headers(struct http_request *req, void (*each)(void *arg, const char *name, const char *value), void *arg);
/* Decoded query argument, NULL when absent, "" for a key without a value. */
const char *http_query(struct http_request *req, const char *name);
bool http_query_bad(const struct http_request *req); /* a bad percent escape or %00, in
                                                      * the path (which stays raw then) or query */
const char *http_query_raw(const struct http_request *req); /* as sent, without the ?; NULL: there was no ? */
int64_t http_content_length(struct http_request *req); /* -1: unknown (chunked); 0: no body */
const char *http_peer(const struct http_request *req);  /* textual address */
/* It is clear who sends this, or that they know what only who may come here knows: the connection is no stranger's from
 * here on. */
void http_known(struct http_request *req);
bool http_host_valid(const char *host); /* name or address, with or without a port */
void *http_ctx(const struct http_request *req);         /* http_config.ctx */
void http_set_data(struct http_request *req, void *data); /* the handler's own */
void *http_data(const struct http_request *req);
void http_set_path_arg(struct http_request *req, int i, const char *value); /* router: {name} parts */
const char *http_path_arg(const struct http_request *req, int i);           /* up to 4; copied */

/* Every answer has an X-Request-Id, and every refusal a line in the log with it: method, path, code, the Auth Key that
 * was named (not its secret), the client's address. Of one code only so many lines a second; the others are counted. */
const char *http_request_id(const struct http_request *req);
/* The Auth Key that the request names. Before it is answered. */
void http_set_key(struct http_request *req, const char *key);

/* A reference keeps the struct (not the connection) alive for other threads. */
struct http_request *http_request_ref(struct http_request *req);
/* Has the peer of a request that waits left? libmicrohttpd does not look while it does. Any thread. */
bool http_is_deserted(struct http_request *req);
void http_request_unref(struct http_request *req);

/* ---- answering ---- */
struct http_response *http_response_new(int status);
void http_response_code(struct http_response *r, const char *code); /* it is a refusal, also with status 200 */
void http_response_free(struct http_response *r); /* one that is not used; NULL is fine */
void http_response_header(struct http_response *r, const char *name, const char *value);
/* Several at once, each name NUL value NUL: made of such as http_response_header() would take, which nobody looks at again. */
void http_response_headers(struct http_response *r, const char *block, size_t len);
/* Body choices; without one it is empty. text is taken over (malloc). */
void http_response_text(struct http_response *r, const char *content_type, char *text, size_t len);
/* data stays valid until release(arg) is called, once. For bodies shared between answers. */
void http_response_shared(struct http_response *r, const char *content_type, const char *data,
                          size_t len, void (*release)(void *), void *arg);
/* length bytes of fd from offset; fd is taken over. */
void http_response_fd(struct http_response *r, const char *content_type, int fd, uint64_t offset,
                      uint64_t length);
void http_response_close(struct http_response *r); /* add Connection: close */
/* Takes r. From a callback or, after HTTP_WAIT, from any thread. When the request is already gone r is
 * freed silently. Exactly one of http_answer and http_go_on ends a wait. */
void http_answer(struct http_request *req, struct http_response *r);
/* Ends a wait that began in begin(): the body is read. */
void http_go_on(struct http_request *req);
/* End a request while its body arrives (or while it waits to): sends r raw on the connection, then
 * discards what still comes in and closes it within about a second. done() follows with CLOSED.
 * Takes r (its body must be text). Any thread; does nothing when the request is already answered. Never blocks. */
void http_cut(struct http_request *req, struct http_response *r);

/* ---- connections that leave HTTP ---- */
struct http_socket;
/* Answer 101 with r's headers (Upgrade among them). Once that is sent, taken(arg, s) hands the connection over, on its
 * HTTP thread: s is the caller's until http_socket_close(). If it never comes to that, s is NULL. Exactly one call.
 * Until it is closed the connection counts as one, and the request's done() waits. */
void http_answer_upgrade(struct http_request *req, struct http_response *r,
                         void (*taken)(void *arg, struct http_socket *s), void *arg);
int http_socket_fd(const struct http_socket *s); /* non-blocking, TCP_NODELAY; closed by http_socket_close() */
/* Bytes that came right behind the request; s keeps them. */
size_t http_socket_early(const char **data, const struct http_socket *s);
/* Any thread. All must be closed before http_server_stop() returns. */
void http_socket_close(struct http_socket *s);

/* ---- event streams ---- */
/* Answer with status 200 and headers from r, body to come. The stream belongs to the caller until
 * http_stream_end(). Call from begin/end (returning HTTP_ANSWERED) or after HTTP_WAIT. */
struct http_stream *http_answer_stream(struct http_request *req, struct http_response *r);
/* The same for a body from elsewhere, with r's status, of length bytes (-1: unknown). wake(arg) is called when so much
 * was sent that at most low bytes wait, and when the peer is gone: on any thread and under the stream's lock, so it
 * leaves a note and calls nothing of the stream. It is not called any more after http_stream_end() or _abort(). */
struct http_stream *http_answer_body(struct http_request *req, struct http_response *r, int64_t length, size_t low,
                                     void (*wake)(void *arg), void *arg);
/* Queue bytes. Returns -1 when the peer is gone or more than max_queue bytes wait (slow reader): the
 * caller should end the stream. Any thread; never blocks. */
int http_stream_write(struct http_stream *s, const char *data, size_t len, size_t max_queue);
/* Send what is queued, then finish. The caller's reference is gone. */
void http_stream_end(struct http_stream *s);
/* Drop what is queued and close the connection, so that the peer sees that the body is not whole. The caller's
 * reference is gone. */
void http_stream_abort(struct http_stream *s);
size_t http_stream_queued(struct http_stream *s); /* bytes that wait to be sent */
bool http_stream_gone(const struct http_stream *s); /* peer has left */
