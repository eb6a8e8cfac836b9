#include "base/clock.h"
#include "base/str.h"
#include "http/server.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#define PATIENCE_MS 5000

/* ---- the handler under test: the path says what it does ---- */

static struct http_request *_Atomic parked; /* a reference, for the test thread */
static struct http_stream *_Atomic stream;
static _Atomic(int) done_ok, done_closed, body_calls;
static _Atomic(size_t) largest_piece;

struct seen {
    size_t bytes;
    bool is_parked;
};

static struct http_response *text_response(int status, const char *text)
{
    struct http_response *r = http_response_new(status);

    http_response_text(r, "text/plain", mem_strdup(text), strlen(text));
    return r;
}

static void *answer_now(void *req)
{
    http_answer(req, text_response(200, "early"));
    http_answer(req, text_response(500, "never seen"));
    http_request_unref(req);
    return NULL;
}

static void *go_on_now(void *req)
{
    http_go_on(req);
    http_request_unref(req);
    return NULL;
}

static void call_before_return(struct http_request *req, void *(*fn)(void *))
{
    pthread_t t;

    assert_int_equal(pthread_create(&t, NULL, fn, http_request_ref(req)), 0);
    pthread_join(t, NULL);
}

static bool path_is(struct http_request *req, const char *path)
{
    return !strcmp(http_path(req), path);
}

/* One at a time: wait until the test has taken the one before. */
static void park(struct http_request *req)
{
    struct http_request *none = NULL;

    http_request_ref(req);
    for (int tries = 0; !atomic_compare_exchange_strong(&parked, &none, req) && tries < 1000;
         tries++) {
        none = NULL;
        usleep(1000);
    }
}

static enum http_next on_begin(struct http_request *req)
{
    http_set_data(req, mem_zalloc(sizeof(struct seen)));
    if (path_is(req, "/refuse")) {
        http_answer(req, text_response(413, "too big"));
        return HTTP_ANSWERED;
    }
    if (path_is(req, "/begin")) {
        http_answer(req, text_response(200, "begin"));
        return HTTP_ANSWERED;
    }
    if (path_is(req, "/begin-go-on")) {
        call_before_return(req, go_on_now);
        return HTTP_WAIT;
    }
    if (path_is(req, "/sink") || path_is(req, "/begin-wait"))
        park(req);
    return path_is(req, "/begin-wait") ? HTTP_WAIT : HTTP_GO;
}

static int on_body(struct http_request *req, const char *data, size_t len)
{
    struct seen *seen = http_data(req);

    seen->bytes += len;
    body_calls++;
    if (len > largest_piece)
        largest_piece = len;
    return path_is(req, "/drop") ? -1 : 0;
}

static enum http_next on_end(struct http_request *req)
{
    struct seen *seen = http_data(req);
    AUTO(str_done) struct str text = {0};

    if (path_is(req, "/wait")) {
        park(req);
        return HTTP_WAIT;
    }
    if (path_is(req, "/early")) {
        call_before_return(req, answer_now);
        return HTTP_WAIT;
    }
    if (path_is(req, "/stream")) {
        struct http_response *r = http_response_new(200);

        http_response_header(r, "Content-Type", "text/event-stream");
        stream = http_answer_stream(req, r);
        return HTTP_ANSWERED;
    }
    if (path_is(req, "/file")) {
        struct http_response *r = http_response_new(200);

        http_response_fd(r, "text/plain", open("meson.build", O_RDONLY | O_CLOEXEC), 0, 7);
        http_answer(req, r);
        return HTTP_ANSWERED;
    }
    str_addf(&text, "%s %s q=%s bad=%d len=%jd got=%zu", http_method(req), http_path(req),
             http_query(req, "q") ? http_query(req, "q") : "(none)", http_query_bad(req),
             (intmax_t)http_content_length(req), seen->bytes);
    http_answer(req, text_response(200, text.s));
    return HTTP_ANSWERED;
}

static void on_done(struct http_request *req, enum http_outcome outcome)
{
    free(http_data(req));
    http_set_data(req, NULL);
    if (outcome == HTTP_DONE_OK)
        done_ok++;
    else
        done_closed++;
}

static const struct http_handler handler = {on_begin, on_body, on_end, on_done};

static const struct http_handler *route(struct http_request *req, void *ctx) { return &handler; }

#define LARGE_BODY (1 << 20)

static int max_connections = 1000, max_strangers;

static struct http_server *start(int idle_timeout_s, int header_timeout_s)
{
    struct http_config conf = {.host = "127.0.0.1",
                               .threads = 2,
                               .connection_memory = 64 * 1024,
                               .stream_prefix = "GET /stream",
                               .stream_memory = 16 * 1024,
                               .large_memory = 512 * 1024,
                               .large_body = LARGE_BODY,
                               .large_most = 1,
                               .idle_timeout_s = idle_timeout_s,
                               .header_timeout_s = header_timeout_s,
                               .max_connections = max_connections,
                               .max_strangers = max_strangers,
                               .route = route};
    struct http_server *s = NULL;
    struct err err;

    done_ok = done_closed = body_calls = 0;
    parked = NULL;
    stream = NULL;
    if (http_server_start(&s, &conf, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

/* ---- a client ---- */

static int dial(struct http_server *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(s)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Read until `want` has come; true. False: the connection ended or PATIENCE_MS went by. */
static bool hear(struct str *got, int fd, const char *want)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * 1000;
    char buf[4096];

    while (!got->s || !strstr(got->s, want)) {
        struct pollfd p = {fd, POLLIN, 0};
        ssize_t n;

        if (poll(&p, 1, (int)((until_us - clock_mono_us()) / 1000)) <= 0)
            return false;
        n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0)
            return false;
        str_add(got, buf, (size_t)n);
    }
    return true;
}

/* Is the connection closed within ms? Drops what is read. */
static bool closes_within(int fd, int ms)
{
    int64_t until_us = clock_mono_us() + ms * INT64_C(1000);
    char buf[4096];

    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left_ms = (until_us - clock_mono_us()) / 1000;

        if (left_ms < 0 || poll(&p, 1, (int)left_ms) <= 0)
            return false;
        if (recv(fd, buf, sizeof buf, 0) <= 0)
            return true;
    }
}

static void expect(int fd, const char *request, const char *want)
{
    AUTO(str_done) struct str got = {0};

    say(fd, request);
    if (!hear(&got, fd, want))
        fail_msg("asked <%s>, got <%s>, want <%s>", request, got.s, want);
}

#define EVENTUALLY(cond)                                                                           \
    do {                                                                                           \
        for (int tries_ = 0; !(cond) && tries_ < PATIENCE_MS; tries_++)                            \
            usleep(1000);                                                                          \
        assert_true(cond);                                                                         \
    } while (0)

/* ---- the tests ---- */

static void a_connection_serves_many_requests(void **state)
{
    static const struct {
        const char *request, *want;
    } rows[] = {
        {"GET /a%20b?q=1+%2B&q=2&z HTTP/1.1\r\nHost: x\r\n\r\n",
         "GET /a b q=1 + bad=0 len=0 got=0"},
        {"GET /p?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET /p q= bad=0"},
        {"GET /p%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /p%zz q=(none) bad=1"},
        {"GET /p%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /p%00 q=(none) bad=1"},
        {"GET /p?q=%4 HTTP/1.1\r\nHost: x\r\n\r\n", "bad=1"},
        {"GET http://x/p?q=7 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /p q=7"},
        {"GET /begin HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nbegin"},
        {"GET /file HTTP/1.1\r\nHost: x\r\n\r\n", "Content-Length: 7\r\n"},
        {"HEAD /p HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"},
        {"POST /h HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: head\r\nContent-Length: 0\r\n\r\n",
         "Content-Length: 0\r\n"},
        {"POST /p HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: patch\r\nContent-Length: "
         "3\r\n\r\nabc",
         "PATCH /p q=(none) bad=0 len=3 got=3"},
        {"POST /begin-go-on HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
         "POST /begin-go-on q=(none) bad=0 len=3 got=3"},
        {"GET /early HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nearly"},
        {"DELETE /p HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /p"},
        {"PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
         "chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
         "PUT /p q=(none) bad=0 len=-1 got=5"},
    };
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(fd, rows[i].request, rows[i].want);
    EVENTUALLY(done_ok == ARRAY_LEN(rows));
    assert_int_equal(done_closed, 0);
    assert_int_equal(http_server_busy(s), 0);
    http_server_stop(s);
}

/* Lines of chunks that end in a bare LF are taken: who reads strictly sees another end, and what hides there. */
static void no_request_follows_a_chunked_body(void **state)
{
    static const char *const ends[] = {"2\r\nab\r\n0\r\n\r\n", "2\nab\n0\n\n"};
    struct http_server *s = start(30, 10);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        AUTO(fd_close) int fd = dial(s);
        AUTO(mem_free) char *both = mem_printf("PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s"
                                               "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n", ends[i]);
        int before = done_ok;

        expect(fd, both, "PUT /p q=(none) bad=0 len=-1 got=2");
        assert_true(closes_within(fd, 1000));
        assert_int_equal(done_ok, before + 1);
    }
    http_server_stop(s);
}

static void keep_alive_is_not_slowed_by_delayed_acks(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    int64_t from_us = clock_mono_us();
    (void)state;

    for (int i = 0; i < 50; i++)
        expect(fd, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    assert_true(clock_mono_us() - from_us < 50 * 20000); /* an ACK is delayed by 40 ms */
    http_server_stop(s);
}

static void an_answer_comes_from_another_thread(void **state)
{
    struct http_server *s = start(30, 10);
    (void)state;

    AUTO(fd_close) int fd = dial(s);
    for (int i = 0; i < 3; i++) {
        AUTO(str_done) struct str got = {0};

        say(fd, "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab");
        EVENTUALLY(parked != NULL);
        struct http_request *req = parked;
        parked = NULL;
        usleep(20000);
        http_answer(req, text_response(201, "late"));
        assert_true(hear(&got, fd, "\r\n\r\nlate"));
        EVENTUALLY(done_ok == i + 1);
        http_answer(req, text_response(500, "nobody there")); /* freed */
        http_cut(req, text_response(500, "nobody there"));
        http_go_on(req);
        assert_null(http_header(req, "Host"));
        http_request_unref(req);
    }
    http_server_stop(s);
}

static void a_wait_in_begin_then_reads_the_body_or_refuses_it(void **state)
{
    struct http_server *s = start(30, 10);
    (void)state;

    for (int is_answered = 0; is_answered < 2; is_answered++) {
        AUTO(str_done) struct str got = {0};
        AUTO(fd_close) int fd = dial(s);

        parked = NULL;
        body_calls = 0;
        say(fd, "PATCH /begin-wait HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
        EVENTUALLY(parked != NULL);
        usleep(20000);
        assert_int_equal(body_calls, 0);
        if (is_answered)
            http_answer(parked, text_response(404, "no"));
        else
            http_go_on(parked);
        http_request_unref(parked);
        if (is_answered) {
            assert_true(hear(&got, fd, "\r\n\r\nno"));
            assert_true(closes_within(fd, 2500));
        } else {
            say(fd, "cde");
            assert_true(hear(&got, fd, "len=5 got=5"));
        }
    }
    EVENTUALLY(done_ok == 2);
    http_server_stop(s);
}

/* Of a body of this many bytes, of which as many as the kernel takes have come when the first is read: the largest
 * piece. */
static size_t largest_of_body(int fd, size_t length)
{
    AUTO(mem_free) char *body = mem_zalloc(length);
    AUTO(mem_free) char *head =
        mem_printf("PATCH /begin-wait HTTP/1.1\r\nHost: x\r\ncontent-length: %zu\r\n\r\n", length);
    AUTO(str_done) struct str got = {0};
    size_t sent = 0;
    ssize_t n;

    parked = NULL;
    largest_piece = 0;
    say(fd, head);
    EVENTUALLY(parked != NULL);
    for (int pauses = 0; sent < length && pauses < 20;) {
        if ((n = send(fd, body + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
            sent += (size_t)n;
        } else {
            usleep(1000);
            pauses++;
        }
    }
    http_go_on(parked);
    http_request_unref(parked);
    for (; sent < length; sent += (size_t)n)
        assert_true((n = send(fd, body + sent, length - sent, MSG_NOSIGNAL)) > 0);
    AUTO(mem_free) char *want = mem_printf("got=%zu", length);
    assert_true(hear(&got, fd, want));
    return largest_piece;
}

static void announced_bodies_come_in_larger_pieces(void **state)
{
    enum { PLAIN = 64 * 1024 };
    struct http_server *s = start(30, 10);
    (void)state;

    {
        AUTO(fd_close) int large = dial(s), next = dial(s);

        assert_in_range(largest_of_body(large, LARGE_BODY), PLAIN + 1, LARGE_BODY);
        /* as long as that one is there, there is no place for another */
        assert_in_range(largest_of_body(next, LARGE_BODY), 1, PLAIN);
    }
    usleep(50000);
    {
        AUTO(fd_close) int small = dial(s);

        assert_in_range(largest_of_body(small, LARGE_BODY - 1), 1, PLAIN);
        assert_in_range(largest_of_body(small, LARGE_BODY), 1, PLAIN); /* it stays what it was at first */
    }
    AUTO(fd_close) int tus = dial(s);
    expect(tus, "POST /p HTTP/1.1\r\nHost: x\r\nUpload-Length: 1048576\r\nContent-Length: 0\r\n\r\n", "got=0");
    assert_in_range(largest_of_body(tus, LARGE_BODY), PLAIN + 1, LARGE_BODY);
    http_server_stop(s);
}

static void a_refused_body_is_not_asked_for(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    (void)state;

    say(fd, "PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_true(hear(&got, fd, "too big"));
    assert_null(strstr(got.s, "100 Continue"));
    assert_true(closes_within(fd, 2500));
    EVENTUALLY(done_ok == 1);

    AUTO(fd_close) int wanted = dial(s);
    expect(wanted,
           "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
           "100 Continue");
    expect(wanted, "abcde", "got=5");
    http_server_stop(s);
}

/* A reset would make the kernel drop the answer before the client has read it. */
static void a_refusal_reaches_who_is_sending_already(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    char junk[8192] = {0};
    (void)state;

    say(fd, "PATCH /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    for (int i = 0; i < 100; i++) { /* more than any buffer between us */
        if (send(fd, junk, sizeof junk, MSG_NOSIGNAL) < 0)
            break;
        usleep(1000);
    }
    assert_true(hear(&got, fd, "too big"));
    assert_int_equal(body_calls, 0);
    EVENTUALLY(done_ok == 1);
    http_server_stop(s);
}

static void a_cut_answers_in_mid_body_and_closes(void **state)
{
    struct http_server *s = start(30, 10);
    (void)state;

    for (int is_stalled = 0; is_stalled < 2; is_stalled++) {
        AUTO(str_done) struct str got = {0};
        AUTO(fd_close) int fd = dial(s);
        int64_t from_us;

        parked = NULL;
        body_calls = 0;
        done_closed = 0;
        say(fd, "PATCH /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
        EVENTUALLY(body_calls == 1);
        from_us = clock_mono_us();
        http_cut(parked, text_response(409, "cancelled"));
        http_cut(parked, text_response(409, "twice"));
        assert_true(hear(&got, fd, "\r\n\r\ncancelled"));
        assert_true(clock_mono_us() - from_us < 1500000);
        assert_non_null(strstr(got.s, "HTTP/1.1 409 Conflict\r\n"));
        assert_non_null(strstr(got.s, "Connection: close\r\n"));
        assert_non_null(strstr(got.s, "Content-Length: 9\r\n"));
        for (int i = 0; !is_stalled && i < 5; i++) {
            usleep(20000);
            send(fd, "x", 1, MSG_NOSIGNAL);
        }
        EVENTUALLY(done_closed == 1);
        assert_true(clock_mono_us() - from_us < 2500000);
        assert_int_equal(body_calls, 1);
        assert_null(strstr(got.s, "twice"));
        http_request_unref(parked);
    }
    http_server_stop(s);
}

static void a_cut_while_waiting_is_answered_properly(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    (void)state;

    say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    EVENTUALLY(parked != NULL);
    http_cut(parked, text_response(409, "cancelled"));
    http_request_unref(parked);
    assert_true(hear(&got, fd, "\r\n\r\ncancelled"));
    assert_non_null(strstr(got.s, "Connection: close\r\n"));
    assert_true(closes_within(fd, 2500));
    EVENTUALLY(done_closed == 1);
    http_server_stop(s);
}

static void a_peer_that_leaves_in_mid_body_is_noticed(void **state)
{
    struct http_server *s = start(30, 10);
    int fd = dial(s);
    (void)state;

    say(fd, "PATCH /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    EVENTUALLY(body_calls == 1);
    close(fd);
    EVENTUALLY(done_closed == 1);
    http_cut(parked, text_response(409, "too late"));
    http_request_unref(parked);

    AUTO(fd_close) int dropped = dial(s);
    say(dropped, "PATCH /drop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    assert_true(closes_within(dropped, 1000));
    EVENTUALLY(done_closed == 2);
    http_server_stop(s);
}

static void slow_headers_are_closed_and_pauses_are_not(void **state)
{
    static const char drip[] =
        "GET /p HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct http_server *s = start(30, 1);
    AUTO(fd_close) int fresh = dial(s);
    AUTO(fd_close) int used = dial(s);
    AUTO(fd_close) int pausing = dial(s);
    AUTO(fd_close) int silent = dial(s);
    bool is_fresh_open = true, is_used_open = true;
    (void)state;

    expect(used, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    expect(pausing, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    usleep(1100000); /* a sweep sees the pause begin */
    for (size_t i = 0; i < sizeof drip - 1 && (is_fresh_open || is_used_open); i++) {
        is_fresh_open = is_fresh_open && send(fresh, drip + i, 1, MSG_NOSIGNAL) == 1 &&
                        !closes_within(fresh, 50);
        is_used_open =
            is_used_open && send(used, drip + i, 1, MSG_NOSIGNAL) == 1 && !closes_within(used, 50);
    }
    assert_false(is_fresh_open);
    assert_false(is_used_open);
    expect(pausing, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    expect(silent, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    http_server_stop(s);
}

static void idle_connections_are_closed(void **state)
{
    struct http_server *s = start(1, 10);
    AUTO(fd_close) int fd = dial(s);
    (void)state;

    expect(fd, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    assert_true(closes_within(fd, 4000));
    http_server_stop(s);
}

static void a_stream_delivers_at_once(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    (void)state;

    say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(&got, fd, "text/event-stream")); /* before the first event */
    assert_true(hear(&got, fd, "\r\n\r\n"));
    EVENTUALLY(stream != NULL);
    for (int i = 0; i < 20; i++) {
        AUTO(str_done) struct str event = {0};

        str_addf(&event, "data: %d.\n\n", i);
        assert_int_equal(http_stream_write(stream, event.s, event.len, 1000), 0);
        assert_true(hear(&got, fd, event.s));
        usleep(i % 4 * 1000);
    }
    assert_false(http_stream_gone(stream));
    http_stream_end(stream);
    assert_true(hear(&got, fd, "0\r\n\r\n"));
    EVENTUALLY(done_ok == 1);
    expect(fd, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0"); /* and the connection lives on */
    http_server_stop(s);
}

static void a_stream_to_a_slow_or_gone_reader_says_so(void **state)
{
    struct http_server *s = start(30, 10);
    int fd = dial(s), result = 0;
    char data[10000] = {0};
    (void)state;

    say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    EVENTUALLY(stream != NULL);
    assert_int_equal(http_stream_write(stream, data, sizeof data, sizeof data - 1), -1);
    for (int i = 0; result == 0 && i < 10000; i++) /* nobody reads: buffers fill, then the queue */
        result = http_stream_write(stream, data, sizeof data, 100000);
    assert_int_equal(result, -1);
    assert_false(http_stream_gone(stream));
    close(fd);
    EVENTUALLY(http_stream_gone(stream));
    assert_int_equal(http_stream_write(stream, "x", 1, 100000), -1);
    http_stream_end(stream);
    EVENTUALLY(done_closed == 1);
    http_server_stop(s);
}

static void a_stream_whose_reader_left_silently_ends(void **state)
{
    struct http_server *s = start(30, 10);
    int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    (void)state;

    say(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(&got, fd, "\r\n\r\n"));
    EVENTUALLY(stream != NULL);
    usleep(50000);
    close(fd);
    EVENTUALLY(http_stream_gone(stream)); /* without a write */
    EVENTUALLY(done_closed == 1);
    http_stream_end(stream);
    http_server_stop(s);
}

static void a_body_of_doubtful_length_is_refused(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    (void)state;

    expect(fd,
           "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "
           "chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 400");
    assert_true(closes_within(fd, 1000));
    assert_int_equal(done_ok + done_closed, 0);
    http_server_stop(s);
}

static void stopping_ends_what_waits(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int in_end = dial(s);
    AUTO(fd_close) int in_begin = dial(s);
    AUTO(fd_close) int in_body = dial(s);
    AUTO(fd_close) int in_stream = dial(s);
    struct http_request *refs[3];
    (void)state;

    say(in_end, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    EVENTUALLY(parked != NULL);
    refs[0] = parked;
    parked = NULL;
    say(in_begin, "PUT /begin-wait HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
    EVENTUALLY(parked != NULL);
    refs[1] = parked;
    parked = NULL;
    say(in_body, "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na");
    EVENTUALLY(parked != NULL);
    refs[2] = parked;
    say(in_stream, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    EVENTUALLY(stream != NULL);
    usleep(50000);
    assert_int_equal(http_server_busy(s), 4);
    http_server_stop(s);
    assert_int_equal(done_ok + done_closed, 4);
    assert_true(http_stream_gone(stream));
    http_stream_end(stream);
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        http_answer(refs[i], text_response(200, "too late"));
        http_request_unref(refs[i]);
    }
}

static void a_quiesced_server_finishes_what_it_has(void **state)
{
    struct http_server *s = start(30, 10);
    AUTO(fd_close) int fd = dial(s);
    AUTO(str_done) struct str got = {0};
    AUTO(fd_close) int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(s)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    (void)state;

    say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    EVENTUALLY(parked != NULL);
    http_server_quiesce(s);
    assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(http_server_busy(s), 1);
    http_answer(parked, text_response(200, "last one"));
    http_request_unref(parked);
    assert_true(hear(&got, fd, "last one"));
    EVENTUALLY(http_server_busy(s) == 0);
    http_server_stop(s);
}

static void two_hundred_idle_connections_do_not_hinder_a_stop(void **state)
{
    struct http_server *s = start(30, 10);
    int fds[200];
    int64_t from_us;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(s);
        if (i % 2)
            expect(fds[i], "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    }
    from_us = clock_mono_us();
    http_server_stop(s);
    assert_true(clock_mono_us() - from_us < 3 * SECOND_US);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}

static void a_full_server_takes_the_next_one_when_another_leaves(void **state)
{
    max_connections = 4;
    struct http_server *s = start(60, 60);
    int fds[4], next;
    AUTO(str_done) struct str got = {0};
    struct pollfd p;

    max_connections = 1000;
    for (int i = 0; i < 4; i++)
        expect(fds[i] = dial(s), i % 2 ? "GET /stream-not HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /p HTTP/1.1\r\nHost: x\r\n\r\n",
               "got=0");
    say(next = dial(s), "GET /p HTTP/1.1\r\nHost: x\r\n\r\n");
    p = (struct pollfd){next, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 300), 0); /* not refused: it waits */
    close(fds[2]);
    assert_true(hear(&got, next, "got=0"));
    close(next);
    close(fds[0]);
    close(fds[1]);
    close(fds[3]);
    http_server_stop(s);
}

/* On one processor much happens until another thread is on again. */
static cpu_set_t all_processors;
static void one_processor(void)
{
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof all_processors, &all_processors), 0);
    CPU_ZERO(&one);
    for (int i = 0; !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all_processors))
            CPU_SET(i, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

static void every_processor(void) { (void)sched_setaffinity(0, sizeof all_processors, &all_processors); }

/* They come faster than the threads that serve them can count them. */
static void a_crowd_at_once_gets_as_many_places_as_there_are(void **state)
{
    (void)state;
    one_processor();
    max_connections = 8;
    struct http_server *s = start(60, 60);
    struct pollfd crowd[200];
    int answered = 0, last;

    max_connections = 1000;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
            crowd[i] = (struct pollfd){dial(s), POLLIN, 0};
            say(crowd[i].fd, "GET /p HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for (int i = 0; i < 500 && answered < 8; i++) {
            usleep(20 * 1000);
            answered = poll(crowd, ARRAY_LEN(crowd), 0);
        }
        usleep(200 * 1000);
        answered = poll(crowd, ARRAY_LEN(crowd), 0);
        assert_int_equal(answered, 8);
        for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
            close(crowd[i].fd);
        answered = 0;
    }
    for (int i = 0; i < 8; i++) {
        expect(last = dial(s), "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
        close(last);
    }
    http_server_stop(s);
    every_processor();
}

/* The silent ones that make room for others may be just about to speak. */
static void who_makes_room_may_speak_at_that_very_moment(void **state)
{
    (void)state;
    one_processor();
    max_strangers = 100;
    struct http_server *s = start(60, 60);
    int old[90], fresh[90], last;

    max_strangers = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(old); i++)
            old[i] = dial(s);
        usleep(1100 * 1000);
        for (size_t i = 0; i < ARRAY_LEN(old); i++)
            fresh[i] = dial(s);
        for (size_t i = 0; i < ARRAY_LEN(old); i++)
            (void)!send(old[i], "GET /p", 6, MSG_NOSIGNAL);
        usleep(50 * 1000);
        for (size_t i = 0; i < ARRAY_LEN(old); i++) {
            close(old[i]);
            close(fresh[i]);
        }
    }
    expect(last = dial(s), "GET /p HTTP/1.1\r\nHost: x\r\n\r\n", "got=0");
    close(last);
    http_server_stop(s);
    every_processor();
}

static void an_address_in_use_is_an_error(void **state)
{
    struct http_server *s = start(30, 10), *second = NULL;
    struct http_config conf = {.host = "127.0.0.1", .port = http_server_port(s), .route = route};
    struct err err;
    (void)state;

    assert_int_equal(http_server_start(&second, &conf, &err), -1);
    assert_null(second);
    assert_non_null(strstr(err.msg, "in use"));
    http_server_stop(s);
}

/* Answers, cuts and departures at the same moment, from two sides. */
static void *racer(void *arg)
{
    unsigned seed = 7;

    while (!*(_Atomic(bool) *)arg) {
        struct http_request *req = atomic_exchange(&parked, NULL);

        if (!req)
            continue;
        if (rand_r(&seed) % 2)
            usleep((useconds_t)(rand_r(&seed) % 300));
        if (rand_r(&seed) % 2)
            http_cut(req, text_response(409, "cut"));
        else
            http_answer(req, text_response(200, "answer"));
        http_request_unref(req);
    }
    return NULL;
}

static void races_lose_nothing(void **state)
{
    static const char *const requests[] = {
        "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /begin-wait HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "PUT /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
    };
    struct http_server *s = start(30, 10);
    _Atomic(bool) is_over = false;
    unsigned seed = 5;
    pthread_t t;
    (void)state;

    assert_int_equal(pthread_create(&t, NULL, racer, &is_over), 0);
    for (int i = 0; i < 600; i++) {
        AUTO(fd_close) int fd = dial(s);
        AUTO(str_done) struct str got = {0};

        say(fd, requests[i % 3]);
        if (rand_r(&seed) % 3 == 0) {
            usleep((useconds_t)(rand_r(&seed) % 300)); /* and away */
        } else if (i % 3 == 2) {
            send(fd, "c", 1, MSG_NOSIGNAL);
            assert_true(hear(&got, fd, "HTTP/1.1"));
        } else {
            assert_true(hear(&got, fd, "HTTP/1.1"));
        }
        EVENTUALLY(parked == NULL);
    }
    EVENTUALLY(http_server_busy(s) == 0);
    is_over = true;
    pthread_join(t, NULL);
    http_server_stop(s);
    if (parked)
        http_request_unref(parked);
    assert_int_equal(done_ok + done_closed, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(no_request_follows_a_chunked_body),
        cmocka_unit_test(keep_alive_is_not_slowed_by_delayed_acks),
        cmocka_unit_test(an_answer_comes_from_another_thread),
        cmocka_unit_test(a_wait_in_begin_then_reads_the_body_or_refuses_it),
        cmocka_unit_test(announced_bodies_come_in_larger_pieces),
        cmocka_unit_test(a_refused_body_is_not_asked_for),
        cmocka_unit_test(a_refusal_reaches_who_is_sending_already),
        cmocka_unit_test(a_cut_answers_in_mid_body_and_closes),
        cmocka_unit_test(a_cut_while_waiting_is_answered_properly),
        cmocka_unit_test(a_peer_that_leaves_in_mid_body_is_noticed),
        cmocka_unit_test(slow_headers_are_closed_and_pauses_are_not),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(a_stream_delivers_at_once),
        cmocka_unit_test(a_stream_to_a_slow_or_gone_reader_says_so),
        cmocka_unit_test(a_stream_whose_reader_left_silently_ends),
        cmocka_unit_test(a_body_of_doubtful_length_is_refused),
        cmocka_unit_test(stopping_ends_what_waits),
        cmocka_unit_test(a_quiesced_server_finishes_what_it_has),
        cmocka_unit_test(two_hundred_idle_connections_do_not_hinder_a_stop),
        cmocka_unit_test(a_full_server_takes_the_next_one_when_another_leaves),
        cmocka_unit_test(who_makes_room_may_speak_at_that_very_moment),
        cmocka_unit_test(a_crowd_at_once_gets_as_many_places_as_there_are),
        cmocka_unit_test(an_address_in_use_is_an_error),
        cmocka_unit_test(races_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
