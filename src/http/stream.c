/* stream.c - answers whose body is written little by little: server-sent events, and bodies from elsewhere. */
#include "http/server_priv.h"

#include <string.h>

/* Shared by the writer, libmicrohttpd's response object and, once queued, the request. */
struct http_stream {
    _Atomic(int) refs;
    struct http_server *server;
    pthread_mutex_t lock; /* for all below */
    struct MHD_Connection *mhd;
    int64_t length;            /* of the whole body; -1: unknown */
    void (*wake)(void *arg);   /* NULL: nobody waits for room */
    void *wake_arg;
    size_t low;
    struct str queue;
    size_t sent;       /* bytes of queue that are with libmicrohttpd already */
    bool is_suspended; /* nothing to send */
    bool is_ended;     /* by the writer */
    bool is_aborted;   /* the same, before the body was whole */
    bool is_gone;      /* the peer has left */
};

struct http_stream *stream_new(struct http_server *server, int64_t length)
{
    struct http_stream *s = mem_zalloc(sizeof *s);

    s->refs = 2; /* the writer's and the response's */
    s->server = server;
    s->length = length;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void stream_ref(struct http_stream *s) { atomic_fetch_add(&s->refs, 1); }

void stream_unref(struct http_stream *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&s->lock);
    str_done(s->queue);
    free(s);
}

void stream_set_wake(struct http_stream *s, size_t low, void (*wake)(void *arg), void *arg)
{
    s->low = low;
    s->wake = wake;
    s->wake_arg = arg;
}

static void wake_writer(struct http_stream *s) /* under the lock */
{
    if (s->wake)
        s->wake(s->wake_arg);
}

static ssize_t stream_read(void *stream, uint64_t pos, char *buf, size_t max)
{
    struct http_stream *s = stream;
    ssize_t n = 0;

    pthread_mutex_lock(&s->lock);
    if (s->is_aborted) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (s->queue.len > s->sent) {
        size_t left = s->queue.len - s->sent;

        n = (ssize_t)(left < max ? left : max);
        memcpy(buf, s->queue.s + s->sent, (size_t)n);
        s->sent += (size_t)n;
        if (left > s->low && left - (size_t)n <= s->low)
            wake_writer(s);
        if (s->sent == s->queue.len) {
            /* An idle stream keeps no buffer: there may be thousands. */
            str_done(s->queue);
            s->queue = (struct str){0};
            s->sent = 0;
        }
    } else if (s->is_ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (s->is_gone || s->server->stopping) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else {
        /* Under the lock: a writer that comes now must find us suspended. */
        s->is_suspended = true;
        MHD_suspend_connection(s->mhd);
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void stream_peer_gone(void *stream)
{
    struct http_stream *s = stream;

    pthread_mutex_lock(&s->lock);
    s->is_gone = true;
    s->is_suspended = false;
    s->mhd = NULL;
    wake_writer(s);
    pthread_mutex_unlock(&s->lock);
    stream_unref(s);
}

struct MHD_Response *stream_response(struct http_stream *s, struct MHD_Connection *mhd)
{
    /* Small blocks for events: libmicrohttpd keeps one for each open stream. */
    struct MHD_Response *m = MHD_create_response_from_callback(
        s->length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)s->length, /* block */ s->low ? 16 * 1024 : 1024, stream_read, s,
        stream_peer_gone);

    pthread_mutex_lock(&s->lock);
    s->mhd = mhd;
    pthread_mutex_unlock(&s->lock);
    return m;
}

static void stream_wake(struct http_stream *s) /* under the lock */
{
    if (!s->is_suspended)
        return;
    s->is_suspended = false;
    MHD_resume_connection(s->mhd);
}

int http_stream_write(struct http_stream *s, const char *data, size_t len, size_t max_queue)
{
    int result = -1;

    pthread_mutex_lock(&s->lock);
    if (!s->is_gone && s->queue.len - s->sent <= max_queue &&
        len <= max_queue - (s->queue.len - s->sent)) {
        if (s->sent > s->queue.len / 2) { /* each byte moves at most once on average */
            memmove(s->queue.s, s->queue.s + s->sent, s->queue.len - s->sent);
            s->queue.len -= s->sent;
            s->sent = 0;
        }
        str_add(&s->queue, data, len);
        stream_wake(s);
        result = 0;
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

static void stream_end(struct http_stream *s, bool is_aborted)
{
    pthread_mutex_lock(&s->lock);
    s->is_ended = true;
    s->is_aborted = is_aborted;
    s->wake = NULL;
    stream_wake(s);
    pthread_mutex_unlock(&s->lock);
    stream_unref(s);
}

void http_stream_end(struct http_stream *s) { stream_end(s, false); }
void http_stream_abort(struct http_stream *s) { stream_end(s, true); }

size_t http_stream_queued(struct http_stream *s)
{
    size_t queued;

    pthread_mutex_lock(&s->lock);
    queued = s->queue.len - s->sent;
    pthread_mutex_unlock(&s->lock);
    return queued;
}

bool http_stream_gone(const struct http_stream *stream)
{
    struct http_stream *s = (struct http_stream *)stream; /* the lock is not part of the value */
    bool is_gone;

    pthread_mutex_lock(&s->lock);
    is_gone = s->is_gone;
    pthread_mutex_unlock(&s->lock);
    return is_gone;
}

void stream_drop(struct http_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_gone = true;
    wake_writer(s);
    stream_wake(s);
    pthread_mutex_unlock(&s->lock);
}
