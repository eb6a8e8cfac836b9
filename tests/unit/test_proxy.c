/* The whole way: a client's socket, the server with the proxy, another server whose answers the
 * test says itself. */
#include "base/clock.h"
#include "base/str.h"
#include "http/proxy.h"
#include "unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_MS 10000

static struct http_server *server;
static struct proxy *proxy;
static int listener = -1; /* the other server's */

static struct http_response *refuse(const struct err *err, const char *method, const char *origin)
{
    struct http_response *r = http_response_new(err_http_status(err));

    (void)method;
    (void)origin;
    http_response_text(r, "text/plain", mem_strdup(err_name(err)), strlen(err_name(err)));
    return r;
}

static char *base_url(struct http_request *req)
{
    return mem_printf("http://%s", http_header(req, "Host"));
}

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    (void)ctx;
    http_set_data(req, proxy);
    return &proxy_handler;
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int set_up_with(int idle_timeout_s)
{
    struct err err;
    int port;

    listener = listen_anywhere(&port);
    AUTO(mem_free) char *url = mem_printf("http://127.0.0.1:%d", port);
    struct proxy_conf conf = {.upstream = url,
                              .name = "Other",
                              .prefix = "/other",
                              .max_body = 1000,
                              .connect_timeout_s = 5,
                              .idle_timeout_s = idle_timeout_s,
                              .base_url = base_url,
                              .refuse = refuse};
    struct http_config http = {.host = "127.0.0.1",
                               .threads = 2,
                               .connection_memory = 128 * 1024,
                               .idle_timeout_s = 60,
                               .header_timeout_s = 60,
                               .max_connections = 64,
                               .route = route};
    assert_int_equal(proxy_start(&proxy, &conf, &err), 0);
    assert_int_equal(http_server_start(&server, &http, &err), 0);
    return 0;
}

static int set_up(void **state) { return set_up_with(60); }
static int set_up_hasty(void **state) { return set_up_with(1); }

static int tear_down(void **state)
{
    (void)state;
    proxy_stop(proxy);
    http_server_stop(server);
    proxy_close(proxy);
    proxy = NULL;
    fd_close(listener);
    return 0;
}

static void wait_readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* A client that has said this. */
static int client(const char *request)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(server)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

static int taken(void)
{
    int fd;

    wait_readable(listener);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* What comes until `end` is in it, or the other side has closed (end NULL). */
static char *heard(int fd, const char *end)
{
    struct str b = {0};
    char piece[4096];
    ssize_t n;

    do {
        wait_readable(fd);
        n = recv(fd, piece, sizeof piece, 0);
        if (n > 0)
            str_add(&b, piece, (size_t)n);
    } while (n > 0 && !(end && b.s && strstr(b.s, end)));
    return str_take(&b);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static const char get[] = "GET /other/a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
static const char ask[] =
    "GET /other/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
static const char agreed[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: x\r\n\r\n";

static void an_answer_comes_back(void **state)
{
    AUTO(fd_close) int c = client(get);
    AUTO(fd_close) int o = taken();
    AUTO(mem_free) char *request = heard(o, "\r\n\r\n");

    assert_non_null(strstr(request, "GET /other/a?b=c HTTP/1.1\r\n"));
    assert_null(strstr(request, "Connection"));
    assert_non_null(strstr(request, "X-Forwarded-For: 127.0.0.1\r\n"));
    say(o, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
           "chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer-Of: x\r\n\r\n");
    AUTO(mem_free) char *answer = heard(c, NULL);
    assert_true(str_starts(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "5\r\nhello\r\n0\r\n\r\n"));
    assert_null(strstr(answer, "Trailer-Of"));
    assert_null(strstr(answer, "Link"));
}

static void silence_ends_with_a_502(void **state)
{
    AUTO(fd_close) int c = client(get);
    AUTO(fd_close) int o = taken();
    AUTO(mem_free) char *answer = heard(c, NULL);

    assert_true(str_starts(answer, "HTTP/1.1 502 "));
    assert_non_null(strstr(answer, "COMPANION_BAD_ANSWER"));
    AUTO(mem_free) char *rest = heard(o, NULL); /* and the other side is let go */
    assert_non_null(strstr(rest, "GET"));
}

static void silence_in_the_middle_breaks_the_answer_off(void **state)
{
    AUTO(fd_close) int c = client(get);
    AUTO(fd_close) int o = taken();

    say(o, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    AUTO(mem_free) char *answer = heard(c, NULL);
    assert_true(str_ends(answer, "\r\n\r\nhello"));
    assert_non_null(strstr(answer, "Content-Length: 10\r\n"));
}

static void a_client_that_leaves_ends_its_request(void **state)
{
    int c = client(get);
    AUTO(fd_close) int o = taken();

    AUTO(mem_free) char *request = heard(o, "\r\n\r\n");
    assert_true(str_starts(request, "GET "));
    int64_t start_us = clock_mono_us();

    close(c);
    AUTO(mem_free) char *rest = heard(o, NULL);
    assert_string_equal(rest, "");
    assert_true(clock_mono_us() - start_us < PATIENCE_MS * 1000);
}

static void a_websocket_is_relayed_and_its_end_too(void **state)
{
    AUTO(fd_close) int c = client(ask);
    int o = taken();

    AUTO(mem_free) char *request = heard(o, "\r\n\r\n");
    assert_non_null(strstr(request, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"));
    say(o, agreed);
    say(o, "from the other");
    AUTO(mem_free) char *answer = heard(c, "from the other");
    assert_true(str_starts(answer, "HTTP/1.1 101 "));
    say(c, "from the client");
    AUTO(mem_free) char *said = heard(o, "from the client");
    assert_string_equal(said, "from the client");
    say(o, "last words");
    close(o);
    AUTO(mem_free) char *last = heard(c, NULL);
    assert_string_equal(last, "last words");
}

/* Torn down by the fixture while each is in another phase: nothing may be left (the sanitizers
 * look). */
static void a_stop_ends_all_that_is_under_way(void **state)
{
    enum { HALFWAY, WAITS, STREAMS, ASKS, OPEN, PHASES };
    static const char slow[] =
        "POST /other/a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf";
    static const char *const requests[PHASES] = {slow, get, get, ask, ask};
    int here[PHASES], there[PHASES] = {-1};
    char *text;

    for (int i = 0; i < PHASES; i++) {
        here[i] = client(requests[i]);
        if (i == HALFWAY)
            continue;
        there[i] = taken();
        free(heard(there[i], "\r\n\r\n"));
    }
    say(there[STREAMS], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    free(heard(here[STREAMS], "hello"));
    say(there[OPEN], agreed);
    free(heard(here[OPEN], "\r\n\r\n"));
    proxy_stop(proxy);
    for (int i = WAITS; i <= ASKS; i++) {
        text = heard(here[i], i == STREAMS ? NULL : "CANNOT");
        assert_true(i == STREAMS ? !*text : str_starts(text, "HTTP/1.1 503 "));
        free(text);
    }
    text = heard(here[OPEN], NULL);
    assert_string_equal(text, "");
    free(text);
    AUTO(fd_close) int late = client(get);
    AUTO(mem_free) char *refused = heard(late, NULL);
    assert_true(str_starts(refused, "HTTP/1.1 503 "));
    for (int i = 0; i < PHASES; i++) {
        close(here[i]);
        fd_close(there[i]);
    }
}

static void a_url_is_a_scheme_a_host_and_a_port(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:3020", "http://localhost",
                                       "http://[::1]:1/", "http://companion:3020"};
    static const char *const bad[] = {"",
                                      "127.0.0.1:3020",
                                      "https://h:1",
                                      "http://u@h:1",
                                      "http://h:1/p",
                                      "http://h:1?q",
                                      "http://h:1#f",
                                      "http://h:x"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(proxy_check_url(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(proxy_check_url(bad[i], &err), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define HASTY(f) cmocka_unit_test_setup_teardown(f, set_up_hasty, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_back),
        HASTY(silence_ends_with_a_502),
        HASTY(silence_in_the_middle_breaks_the_answer_off),
        TEST(a_client_that_leaves_ends_its_request),
        TEST(a_websocket_is_relayed_and_its_end_too),
        TEST(a_stop_ends_all_that_is_under_way),
        cmocka_unit_test(a_url_is_a_scheme_a_host_and_a_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
