/* load.c - sends tus uploads or GETs over keep-alive connections, one thread each, and prints seconds, requests/s and the slowest.
 *
 *   load tus PORT PATH CONNECTIONS FILES BYTES METADATA   POST + PATCH per file
 *   load get PORT PATH CONNECTIONS REQUESTS
 *   load post PORT PATH CONNECTIONS REQUESTS FORM         one POST with an urlencoded body each
 *   load put PORT PATH CONNECTIONS FILES BYTES            one PATCH per file to PATH (the bare loop) */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port, connections, total;
static long long bytes;
static const char *mode, *path, *metadata, *form;
static char *payload;
static int next_job;
static long long slowest_us; /* of all requests, or of both of an upload */

static long long now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void die(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

        if (w <= 0)
            die("send");
        p += w;
        n -= (size_t)w;
    }
}

/* One answer; returns its status, location filled when there is one. */
static int answer(int fd, char *location)
{
    char buf[65536], *end, *h;
    size_t have = 0, body;

    for (;;) {
        ssize_t n = recv(fd, buf + have, sizeof buf - 1 - have, 0);

        if (n <= 0)
            die("the server closed the connection");
        have += (size_t)n;
        buf[have] = 0;
        if ((end = strstr(buf, "\r\n\r\n")))
            break;
    }
    int status = atoi(buf + 9);
    h = strcasestr(buf, "\r\nlocation: ");
    if (h && h < end && location)
        sscanf(h + 12, "%400[^\r]", location);
    h = strcasestr(buf, "\r\ncontent-length: ");
    body = h && h < end ? (size_t)atoll(h + 18) : 0;
    size_t got = have - (size_t)(end + 4 - buf);
    while (got < body) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);

        if (n <= 0)
            die("the server closed the connection in a body");
        got += (size_t)n;
    }
    return status;
}

static void patch(int fd, const char *to)
{
    char head[1024];
    int n = snprintf(head, sizeof head,
                     "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
                     "Content-Type: application/offset+octet-stream\r\nContent-Length: %lld\r\n\r\n",
                     to, port, bytes);

    send_all(fd, head, (size_t)n);
    send_all(fd, payload, (size_t)bytes);
    if (answer(fd, NULL) != 204)
        die("PATCH was refused");
}

static void *work(void *arg)
{
    int fd = dial();
    char head[4096], location[512];

    (void)arg;
    while (__atomic_fetch_add(&next_job, 1, __ATOMIC_RELAXED) < total) {
        long long begun = now_us(), took, most;

        if (!strcmp(mode, "get")) {
            int n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port);

            send_all(fd, head, (size_t)n);
            if (answer(fd, NULL) != 200)
                die("GET was refused");
        } else if (!strcmp(mode, "post")) {
            int n = snprintf(head, sizeof head,
                             "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                             "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
                             path, port, strlen(form), form);

            send_all(fd, head, (size_t)n);
            if (answer(fd, NULL) != 200)
                die("POST was refused");
        } else if (!strcmp(mode, "put")) {
            patch(fd, path);
        } else {
            int n = snprintf(head, sizeof head,
                             "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTus-Resumable: 1.0.0\r\nUpload-Length: %lld\r\n"
                             "Upload-Metadata: %s\r\nContent-Length: 0\r\n\r\n",
                             path, port, bytes, metadata);

            send_all(fd, head, (size_t)n);
            *location = 0;
            if (answer(fd, location) != 201 || !*location)
                die("POST was refused");
            char *slash = strstr(location, "://");
            patch(fd, slash ? strchr(slash + 3, '/') : location);
        }
        took = now_us() - begun;
        most = __atomic_load_n(&slowest_us, __ATOMIC_RELAXED);
        while (took > most &&
               !__atomic_compare_exchange_n(&slowest_us, &most, took, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
    }
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[256];
    long long begun;

    if (argc < 6)
        die("see the head of load.c");
    mode = argv[1];
    port = atoi(argv[2]);
    path = argv[3];
    connections = atoi(argv[4]);
    total = atoi(argv[5]);
    form = argc > 6 ? argv[6] : "";
    bytes = argc > 6 ? atoll(argv[6]) : 0;
    metadata = argc > 7 ? argv[7] : "";
    payload = malloc((size_t)bytes + 1);
    for (long long i = 0; i < bytes; i++)
        payload[i] = (char)(i * 2654435761u >> 13);
    begun = now_us();
    for (int i = 0; i < connections && i < 256; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < connections && i < 256; i++)
        pthread_join(threads[i], NULL);
    double s = (double)(now_us() - begun) / 1e6;
    printf("{\"seconds\":%.4f,\"per_second\":%.1f,\"mb_per_second\":%.1f,\"slowest_ms\":%.2f}\n", s, total / s,
           (double)total * (double)bytes / 1e6 / s, (double)slowest_us / 1000);
    return 0;
}
