/* Bytes on a connection of a real server: request lines, headers, framing, escapes, pipelines. They come in pieces, cut
 * where the first byte says. libmicrohttpd itself is not instrumented. */
#include "fuzz.h"
#include "http/select.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define FILE_SIZE 1000

static struct http_server *server;
static _Atomic(int) open_requests;

struct seen {
    int64_t body;
    size_t headers;
};

static void hear(void *arg, const char *name, const char *value)
{
    struct seen *s = arg;

    s->headers += strlen(name) + strlen(value);
}

static struct http_response *text_answer(int status, const char *text)
{
    struct http_response *r = http_response_new(status);

    http_response_text(r, "text/plain", mem_strdup(text), strlen(text));
    return r;
}

static void *answer_later(void *req)
{
    http_answer(req, text_answer(200, "later"));
    http_request_unref(req);
    return NULL;
}

static void in_thread(struct http_request *req)
{
    pthread_t t;

    CHECK(pthread_create(&t, NULL, answer_later, http_request_ref(req)) == 0);
    pthread_detach(t);
}

static enum http_next on_begin(struct http_request *req)
{
    struct seen *s = mem_zalloc(sizeof *s);
    const char *path = http_path(req);

    http_set_data(req, s);
    open_requests++;
    /* what handlers take for granted */
    CHECK(http_content_length(req) >= -1 && *http_method(req) && *http_peer(req));
    http_headers(req, hear, s);
    if (http_query_bad(req) || str_starts(path, "/refuse")) {
        http_answer(req, text_answer(400, "no"));
        return HTTP_ANSWERED;
    }
    if (str_starts(path, "/wait")) {
        in_thread(req);
        return HTTP_WAIT;
    }
    return HTTP_GO;
}

static int on_body(struct http_request *req, const char *data, size_t len)
{
    struct seen *s = http_data(req);

    CHECK(len && data);
    s->body += (int64_t)len;
    if (str_starts(http_path(req), "/cut"))
        http_cut(req, text_answer(413, "enough"));
    return str_starts(http_path(req), "/drop") ? -1 : 0;
}

static void answer_file(struct http_request *req)
{
    int64_t from = 0, to = FILE_SIZE - 1;
    const struct http_asked asked = {.range = http_header(req, "Range"), .if_range = http_header(req, "If-Range"), .is_get = true};
    enum http_selected rc = http_select(&from, &to, &asked, &(struct http_stored){"\"x\"", 1700000000, FILE_SIZE});
    struct http_response *r = http_response_new((int)rc);
    int fd = memfd_create("file", MFD_CLOEXEC);

    CHECK(fd >= 0 && ftruncate(fd, FILE_SIZE) == 0);
    if (rc != SELECTED_ALL && rc != SELECTED_PART)
        close(fd);
    else
        http_response_fd(r, "text/plain", fd, (uint64_t)from, (uint64_t)(to - from + 1));
    http_answer(req, r);
}

static enum http_next on_end(struct http_request *req)
{
    const struct seen *s = http_data(req);
    const char *path = http_path(req);

    CHECK(http_content_length(req) < 0 || s->body <= http_content_length(req));
    if (str_starts(path, "/late")) {
        in_thread(req);
        return HTTP_WAIT;
    }
    if (str_starts(path, "/file")) {
        answer_file(req);
    } else if (str_starts(path, "/stream")) {
        struct http_stream *stream = http_answer_stream(req, http_response_new(200));
        (void)http_stream_write(stream, "data: x\n\n", 9, 1000);
        http_stream_end(stream);
    } else {
        AUTO(mem_free) char *text = mem_printf("%s %s %s %s %zu", http_method(req), path, http_query(req, "a"), http_query_raw(req), s->headers);
        http_answer(req, text_answer(200, text));
    }
    return HTTP_ANSWERED;
}

static void on_done(struct http_request *req, enum http_outcome outcome)
{
    free(http_data(req));
    open_requests--;
}

static const struct http_handler handler = {on_begin, on_body, on_end, on_done};

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    http_set_path_arg(req, 0, http_path(req));
    return &handler;
}

static void start(void)
{
    static const struct http_config conf = {.host = "127.0.0.1",
                                            .threads = 2,
                                            .connection_memory = 8192,
                                            .stream_prefix = "GET /stream",
                                            .stream_memory = 4096,
                                            .idle_timeout_s = 5,
                                            .header_timeout_s = 5,
                                            .max_connections = 100,
                                            .route = route};
    struct err err;

    CHECK(http_server_start(&server, &conf, &err) == 0);
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct linger reset = {1, 0}; /* no port is left waiting: there are thousands of connections */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

/* Read what comes until the server closes or has nothing more to say for a moment. */
static void drain(int fd, struct str *first)
{
    struct pollfd p = {fd, POLLIN, 0};
    char buf[4096];
    ssize_t n;

    while (poll(&p, 1, open_requests ? 50 : 2) > 0) {
        if ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) <= 0)
            return;
        if (first->len < 20)
            str_add(first, buf, (size_t)n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned seed = take_byte(&b);
    AUTO(str_done) struct str first = {0};
    int fd;

    if (!server)
        start();
    fd = connect_to(http_server_port(server));
    while (b.left) {
        size_t n = seed < 4 ? b.left : 1 + (seed = seed * 1103515245 + 12345) / 65536 % 100;

        n = n < b.left ? n : b.left;
        if (send(fd, b.p, n, MSG_NOSIGNAL) != (ssize_t)n)
            break; /* it has closed already */
        b.p += n;
        b.left -= n;
    }
    shutdown(fd, SHUT_WR);
    drain(fd, &first);
    CHECK(!first.len || first.len < 9 || !memcmp(first.s, "HTTP/1.", 7));
    close(fd);
    for (int i = 0; open_requests && i < 50000; i++)
        usleep(100);
    CHECK(!open_requests); /* the connection is gone: so is what it asked for */
    return 0;
}
