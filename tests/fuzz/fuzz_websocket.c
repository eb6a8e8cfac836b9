/* A WebSocket's handshake and the frames behind it. Five lines of headers, then frames; what comes in is echoed. The
 * request and its connection are made here, no server runs. */
#include "fuzz.h"
#include "http/websocket.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* ---- in the place of the rooms around it ---- */

struct http_socket {
    int fd;
    const char *early;
    size_t early_len;
};

static char *headers[4];

const char *http_header(struct http_request *req, const char *name)
{
    static const char *const names[] = {"Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcasecmp(names[i], name))
            return *headers[i] ? headers[i] : NULL;
    return NULL;
}

struct http_response *http_response_new(int status)
{
    static char dummy;

    CHECK(status == 101);
    return (struct http_response *)&dummy;
}

void http_response_header(struct http_response *r, const char *name, const char *value)
{
    CHECK(!strpbrk(name, "\r\n") && !strpbrk(value, "\r\n"));
}

int http_socket_fd(const struct http_socket *s) { return s->fd; }

size_t http_socket_early(const char **data, const struct http_socket *s)
{
    *data = s->early;
    return s->early_len;
}

void http_socket_close(struct http_socket *s) { close(s->fd); }

/* ---- the conversation ---- */

#define MAX_MESSAGE 1000

static struct websocket *ws;
static int messages;

static void text(void *arg, const char *s, size_t len)
{
    CHECK(len <= MAX_MESSAGE && utf8_valid(s, len));
    messages++;
    websocket_send(ws, s, len);
    if (len == 3 && !memcmp(s, "bye", 3))
        websocket_close(ws, 1000);
}

static void drain(int fd)
{
    char buf[4096];

    while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
}

static void converse(struct bytes *b)
{
    static const struct websocket_calls calls = {text};
    struct websocket_room room = {MAX_MESSAGE, 3 * MAX_MESSAGE, 0};
    enum websocket_state state = WEBSOCKET_OPEN;
    struct http_socket s = {0};
    int fds[2];
    size_t early = take_byte(b);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    AUTO(mem_free) char *first = NULL;
    s.fd = fds[0];
    s.early_len = early < b->left ? early : b->left;
    s.early = first = take_text(b, s.early_len);
    ws = websocket_new(&s, &room, &calls, NULL);
    state = websocket_pump(ws);
    while (b->left && state != WEBSOCKET_GONE) {
        size_t n = 1 + take_below(b, 64);

        n = n < b->left ? n : b->left;
        if (n && send(fds[1], b->p, n, MSG_NOSIGNAL) == (ssize_t)n) {
            b->p += n;
            b->left -= n;
        }
        state = websocket_pump(ws);
        CHECK(room.all <= 3 * MAX_MESSAGE);
        if (*headers[3] == '1')
            drain(fds[1]);
    }
    shutdown(fds[1], SHUT_RDWR);
    for (int i = 0; i < 4 && state != WEBSOCKET_GONE; i++)
        state = websocket_pump(ws);
    CHECK(state == WEBSOCKET_GONE); /* the peer has left */
    websocket_free(ws);
    CHECK(room.all == 0);
    close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    struct http_request *req = NULL;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        headers[i] = take_line(&b);
    if (websocket_is_asked(req) && websocket_accept(req, &err))
        converse(&b);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        free(headers[i]);
    return 0;
}
