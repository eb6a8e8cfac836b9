/* Requests on a connection of a real server, and a strict reader of the same bytes beside it (RFC
 * 9112): whatever the server takes for a request has to be one for the strict reader too, in the
 * same place, with the same target, headers and length. Else somebody before us sees other requests
 * than we do. What the server refuses is its own affair. */
#include "fuzz.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 64

/* A request as somebody reads it: its line and its headers, one a line. */
struct reading {
    struct str text[REQUESTS_MAX];
    int count;
};

static struct http_server *server;
static struct reading seen;
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(int) open_requests;

static void forget(struct reading *r)
{
    for (int i = 0; i < r->count; i++)
        str_done(r->text[i]);
    *r = (struct reading){0};
}

/* ---- how the server reads them ---- */

static void hear(void *arg, const char *name, const char *value)
{
    size_t n = strlen(value);

    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    str_addf(arg, "%s: ", name);
    str_add(arg, value, n);
    str_putc(arg, '\n');
}

static enum http_next on_begin(struct http_request *req)
{
    struct str s = {0};

    open_requests++;
    str_puts(&s, http_path_raw(req));
    if (http_query_raw(req))
        str_addf(&s, "?%s", http_query_raw(req));
    str_addf(&s, " %lld\n", (long long)http_content_length(req));
    http_headers(req, hear, &s);
    pthread_mutex_lock(&seen_lock);
    if (seen.count < REQUESTS_MAX)
        seen.text[seen.count++] = s;
    else
        str_done(s);
    pthread_mutex_unlock(&seen_lock);
    return HTTP_GO;
}

static enum http_next on_end(struct http_request *req)
{
    struct http_response *r = http_response_new(200);

    http_response_text(r, "text/plain", mem_strdup("x"), 1);
    http_answer(req, r);
    return HTTP_ANSWERED;
}

static void on_done(struct http_request *req, enum http_outcome outcome)
{
    (void)req;
    (void)outcome;
    open_requests--;
}

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {on_begin, NULL, on_end, on_done};

    (void)req;
    (void)ctx;
    return &handler;
}

static void start(void)
{
    static const struct http_config conf = {.host = "127.0.0.1",
                                            .threads = 1,
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

/* ---- how a strict reader does ---- */

struct text {
    const char *p, *end;
};

/* Up to the next CR LF, which is taken as well. No other CR, no LF, no NUL, no control but the tab.
 */
static bool take_strict_line(struct text *t, struct text *line)
{
    const char *crlf = memmem(t->p, (size_t)(t->end - t->p), "\r\n", 2);

    if (!crlf)
        return false;
    *line = (struct text){t->p, crlf};
    t->p = crlf + 2;
    for (const char *p = line->p; p < crlf; p++)
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7F)
            return false;
    return true;
}

static bool take_token(struct text *t, struct text *token)
{
    token->p = t->p;
    while (t->p < t->end && *t->p &&
           ((*t->p >= 'a' && *t->p <= 'z') || (*t->p >= 'A' && *t->p <= 'Z') ||
            (*t->p >= '0' && *t->p <= '9') || strchr("!#$%&'*+-.^_`|~", *t->p)))
        t->p++;
    token->end = t->p;
    return token->p < token->end;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static void trim(struct text *t)
{
    while (t->p < t->end && is_blank(*t->p))
        t->p++;
    while (t->p < t->end && is_blank(t->end[-1]))
        t->end--;
}

static bool is_word(const struct text *t, const char *word)
{
    return (size_t)(t->end - t->p) == strlen(word) && !strncasecmp(t->p, word, strlen(word));
}

/* Empty lines before it are ignored. libmicrohttpd takes for one what ends in a bare LF or begins with
 * a NUL, too, and does not tell: no proxy sends a request on that begins so, and none ends there. */
static void skip_nothings(struct text *t)
{
    for (const char *lf; t->p < t->end; t->p = lf + 1) {
        bool is_crlf = t->end - t->p >= 2 && !memcmp(t->p, "\r\n", 2);

        lf = memchr(t->p, '\n', (size_t)(t->end - t->p));
        if (!lf || (!is_crlf && *t->p != '\n' && *t->p))
            return;
    }
}

static bool take_request_line(struct text *t, struct text *target, bool *is_11)
{
    struct text line, method;
    const char *blank;

    skip_nothings(t);
    if (!take_strict_line(t, &line) || !take_token(&line, &method) || line.p == line.end ||
        *line.p++ != ' ' || !(blank = memchr(line.p, ' ', (size_t)(line.end - line.p))) ||
        blank == line.p)
        return false;
    *target = (struct text){line.p, blank};
    line.p = blank + 1;
    *is_11 = is_word(&line, "HTTP/1.1");
    return !memchr(target->p, '\t', (size_t)(blank - target->p)) && line.end - line.p == 8 &&
           !memcmp(line.p, "HTTP/1.", 7) && (*is_11 || line.p[7] == '0');
}

struct framing {
    long long length; /* -1: none */
    bool chunked;
};

/* libmicrohttpd ends the headers also at a line of one NUL and a bare LF, which it overwrites as it
 * does CR LF: nothing is left to tell by. No proxy sends such a head on. */
static bool end_by_nul(const struct text *t) { return t->end - t->p >= 2 && !memcmp(t->p, "\0\n", 2); }

static bool take_headers(struct text *t, struct str *out, struct framing *f)
{
    struct text line, name;
    int encodings = 0;

    f->length = -1;
    while (!end_by_nul(t) && take_strict_line(t, &line)) {
        if (line.p == line.end)
            return encodings <= 1;
        if (!take_token(&line, &name) || line.p == line.end || *line.p++ != ':')
            return false;
        trim(&line);
        str_add(out, name.p, (size_t)(name.end - name.p));
        str_puts(out, ": ");
        str_add(out, line.p, (size_t)(line.end - line.p));
        str_putc(out, '\n');
        if (is_word(&name, "Content-Length")) {
            AUTO(mem_free) char *digits = mem_strndup(line.p, (size_t)(line.end - line.p));

            if (!*digits || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 18 ||
                (f->length >= 0 && f->length != atoll(digits)))
                return false;
            f->length = atoll(digits);
        } else if (is_word(&name, "Transfer-Encoding")) {
            if (!is_word(&line, "chunked"))
                return false;
            f->chunked = true;
            encodings++;
        }
    }
    if (!end_by_nul(t))
        return false;
    t->p += 2;
    return encodings <= 1;
}

/* False: here the bytes end, or nobody knows how to go on. */
static bool skip_chunks(struct text *t)
{
    struct text line;
    struct str trailers = {0};
    struct framing f;
    char *end;

    for (;;) {
        if (!take_strict_line(t, &line))
            return false;
        AUTO(mem_free) char *digits = mem_strndup(line.p, (size_t)(line.end - line.p));
        size_t hex = strspn(digits, "0123456789abcdefABCDEF");
        if (!hex || hex > 15 || (digits[hex] && digits[hex] != ';'))
            return false;
        unsigned long long n = strtoull(digits, &end, 16);
        if (!n)
            break;
        if (n > (size_t)(t->end - t->p) || t->end - t->p - (ptrdiff_t)n < 2 ||
            memcmp(t->p + n, "\r\n", 2) != 0)
            return false;
        t->p += n + 2;
    }
    bool ok = take_headers(t, &trailers, &f);
    str_done(trailers);
    return ok;
}

static void read_strictly(struct reading *r, const char *bytes, size_t len)
{
    struct text t = {bytes, bytes + len}, target;

    while (r->count < REQUESTS_MAX) {
        AUTO(str_done) struct str headers = {0};
        struct framing f = {0};
        bool is_11;

        str_puts(&headers, "");
        if (!take_request_line(&t, &target, &is_11) || !take_headers(&t, &headers, &f) ||
            (f.chunked && (f.length >= 0 || !is_11)))
            return;
        struct str *s = &r->text[r->count++];
        str_add(s, target.p, (size_t)(target.end - target.p));
        str_addf(s, " %lld\n%s", f.chunked ? -1 : f.length < 0 ? 0 : f.length, headers.s);
        if (f.chunked && !skip_chunks(&t))
            return;
        if (f.length > t.end - t.p)
            return;
        t.p += f.length > 0 ? f.length : 0;
    }
}

/* ---- one beside the other ---- */

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct linger reset = {
        1, 0}; /* no port is left waiting: there are thousands of connections */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

static void send_all(int fd, struct bytes b, unsigned seed)
{
    while (b.left) {
        size_t n = seed < 8 ? b.left : 1 + (seed = seed * 1103515245 + 12345) / 65536 % 100;

        n = n < b.left ? n : b.left;
        if (send(fd, b.p, n, MSG_NOSIGNAL) != (ssize_t)n)
            return; /* it has closed already */
        b.p += n;
        b.left -= n;
    }
}

/* Until it closes: the client's side is shut, so it does once it has read all. */
static void drain(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char buf[4096];

    while (poll(&p, 1, 1000) > 0 && recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
}

/* "http://host/path" is told by its path; the rest has to be there all the same. */
static bool is_same(const char *server_has, const char *strict_has)
{
    const char *path = *strict_has == '/' ? strict_has : strstr(strict_has, "://");

    if (!strcmp(server_has, strict_has))
        return true;
    return path && path != strict_has && (path = strchr(path + 3, '/')) &&
           !strcmp(server_has, path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char last[] = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct bytes b = {data, len};
    unsigned seed = take_byte(&b);
    struct reading strict = {0};
    AUTO(str_done) struct str all = {0};
    int fd;

    if (!server)
        start();
    str_add(&all, b.p, b.left);
    str_puts(&all, last); /* after it the server closes at once; else it takes a second to see that
                             nobody is there */
    b = (struct bytes){(const uint8_t *)all.s, all.len};
    read_strictly(&strict, all.s, all.len);
    fd = connect_to(http_server_port(server));
    send_all(fd, b, seed);
    shutdown(fd, SHUT_WR);
    drain(fd);
    close(fd);
    for (int i = 0; open_requests && i < 50000; i++)
        usleep(100);
    CHECK(!open_requests);
    pthread_mutex_lock(&seen_lock);
    for (int i = 0; i < seen.count; i++)
        if (i >= strict.count || !is_same(seen.text[i].s, strict.text[i].s)) {
            fprintf(stderr, "request %d: the server has\n%s\na strict reader\n%s\n", i,
                    seen.text[i].s, i < strict.count ? strict.text[i].s : "none");
            CHECK(!"both read the same requests");
        }
    forget(&seen);
    pthread_mutex_unlock(&seen_lock);
    forget(&strict);
    return 0;
}
