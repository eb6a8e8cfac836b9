#include "origin.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

struct origin {
    pthread_t thread;
    int listener, wake[2];
    char host[32];
    atomic_int requests;
    void (*answer)(void *ctx, const struct origin_request *q, struct str *out);
    void *ctx;
};

char *origin_header(const struct origin_request *q, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = q->headers; *p; p = strstr(p, "\r\n") + 2)
        if (!strncasecmp(p, name, n) && p[n] == ':') {
            p += n + 1 + strspn(p + n + 1, " ");
            return mem_strndup(p, strcspn(p, "\r"));
        }
    return mem_strdup("");
}

void origin_say(struct str *out, int status, const char *headers, const char *body)
{
    str_addf(out, "HTTP/1.1 %d So\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
             headers, strlen(body), body);
}

static void send_all(int fd, const char *data, size_t len)
{
    for (ssize_t n; len && (n = send(fd, data, len, MSG_NOSIGNAL)) > 0; len -= (size_t)n)
        data += n;
}

static void serve(struct origin *o, int fd)
{
    AUTO(str_done) struct str in = {0}, out = {0};
    char buf[65536], method[16] = "", target[4096] = "";
    char *end = NULL;
    ssize_t n;

    while (!end && (n = recv(fd, buf, sizeof buf, 0)) > 0) {
        str_add(&in, buf, (size_t)n);
        end = strstr(in.s, "\r\n\r\n");
    }
    if (!end || sscanf(in.s, "%15s %4095s", method, target) != 2)
        return;
    AUTO(mem_free)
    char *headers =
        mem_strndup(strstr(in.s, "\r\n") + 2, (size_t)(end + 2 - strstr(in.s, "\r\n") - 2));
    struct origin_request q = {.method = method,
                               .target = target,
                               .headers = headers,
                               .number = atomic_fetch_add(&o->requests, 1)};
    AUTO(mem_free) char *length = origin_header(&q, "content-length");
    AUTO(mem_free) char *expect = origin_header(&q, "expect");
    size_t want = (size_t)strtoull(length, NULL, 10), have = in.len - (size_t)(end + 4 - in.s);

    str_add(&q.body, end + 4, have);
    if (*expect)
        send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    while (q.body.len < want && (n = recv(fd, buf, sizeof buf, 0)) > 0)
        str_add(&q.body, buf, (size_t)n);
    o->answer(o->ctx, &q, &out);
    send_all(fd, out.s ? out.s : "", out.len);
    str_done(q.body);
}

static void *run(void *arg)
{
    struct origin *o = arg;

    for (;;) {
        struct pollfd p[] = {{o->listener, POLLIN, 0}, {o->wake[0], POLLIN, 0}};

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        AUTO(fd_close) int fd = accept(o->listener, NULL, NULL);
        if (fd >= 0)
            serve(o, fd);
    }
}

struct origin *
origin_start(void (*answer)(void *ctx, const struct origin_request *q, struct str *out), void *ctx)
{
    struct origin *o = mem_zalloc(sizeof *o);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    o->answer = answer;
    o->ctx = ctx;
    o->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (o->listener < 0 || bind(o->listener, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(o->listener, 16) < 0 || getsockname(o->listener, (struct sockaddr *)&a, &len) < 0 ||
        pipe(o->wake) < 0)
        abort();
    snprintf(o->host, sizeof o->host, "127.0.0.1:%d", ntohs(a.sin_port));
    if (pthread_create(&o->thread, NULL, run, o))
        abort();
    return o;
}

void origin_end(struct origin *o)
{
    if (!o)
        return;
    if (write(o->wake[1], "x", 1) != 1)
        abort();
    pthread_join(o->thread, NULL);
    close(o->listener);
    close(o->wake[0]);
    close(o->wake[1]);
    free(o);
}

const char *origin_host(const struct origin *o) { return o->host; }
int origin_requests(const struct origin *o) { return o->requests; }
