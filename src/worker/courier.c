/* The courier: posts notifications from inside the transfer jail. One thread for each that is under way, so that
 * a receiver that takes its time delays nobody; the pool bounds how many there are. */
#include "base/clock.h"
#include "http/client.h"
#include "worker/role.h"
#include "worker/wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define DATA_MAX 1024 /* bytes of the receiver's answer that are kept (api-status.md) */

struct errand {
    int sock;
    json_t *what;
};

/* Cut without leaving half a character behind. */
static void shorten(struct str *s)
{
    if (s->len <= DATA_MAX)
        return;
    s->len = DATA_MAX;
    while (s->len && ((unsigned char)s->s[s->len] & 0xC0) == 0x80)
        s->len--;
    s->s[s->len] = 0;
}

static void *courier_run(void *arg)
{
    struct errand *e = arg;
    AUTO(http_client_free) struct http_client *client = http_client_new();
    AUTO(http_client_response_done) struct http_client_response answer = {0};
    AUTO(mem_free) char *delivery = mem_printf("Workcell-Delivery: %s", jstr_or(e->what, "delivery", ""));
    const char *headers[] = {"Content-Type: application/x-www-form-urlencoded", "Expect:",
                             "User-Agent: Transloadit-compatible Workcell", delivery, NULL};
    int limit = (int)jint(e->what, "timeout_s", 30);
    struct http_client_request req = {.method = "POST",
                                      .url = jstr_or(e->what, "url", ""),
                                      .headers = headers,
                                      .body = jstr_or(e->what, "body", ""),
                                      .body_length = -1,
                                      .connect_timeout_s = limit < 10 ? limit : 10,
                                      .idle_timeout_s = limit,
                                      .total_timeout_s = limit,
                                      .guard = jstr(e->what, "guard")};
    struct err err = {0}, lost;
    int64_t start = clock_mono_us();
    int rc = http_client_run(&answer, client, &req, &err);

    shorten(&answer.body);
    if (wire_send(e->sock, MSG_POSTED,
                  json_pack("{s:s,s:i,s:o,s:o?,s:I}", "id", jstr_or(e->what, "id", ""), "status",
                            rc < 0 ? 0 : answer.status, "data", jstring(answer.body.s ? answer.body.s : ""), "error",
                            rc < 0 ? jstring(err.msg) : NULL, "duration_us", (json_int_t)(clock_mono_us() - start)),
                  -1, &lost) < 0)
        _exit(1);
    json_decref(e->what);
    free(e);
    return NULL;
}

_Noreturn void courier_serve(int sock)
{
    pthread_attr_t attr;
    struct err err;

    /* the address space is limited; curl and the resolver need little stack */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (wire_send(sock, MSG_UP, NULL, -1, &err) < 0)
        _exit(1);
    for (;;) {
        struct errand *e = mem_zalloc(sizeof *e);
        enum message type;
        pthread_t thread;
        int fd = -1;

        e->sock = sock;
        if (wire_recv(sock, &type, &e->what, &fd, &err) <= 0)
            _exit(0);
        fd_close(fd);
        if (type == MSG_POST && pthread_create(&thread, &attr, courier_run, e) == 0)
            continue;
        /* no thread: it counts as an attempt without an answer */
        if (type == MSG_POST &&
            wire_send(sock, MSG_POSTED,
                      json_pack("{s:s,s:i,s:s,s:s,s:i}", "id", jstr_or(e->what, "id", ""), "status", 0, "data", "",
                                "error", "no thread to send it", "duration_us", 0),
                      -1, &err) < 0)
            _exit(1);
        json_decref(e->what);
        free(e);
    }
}
