#include "transfer/place.h"
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WAIT_S 300
#define LOOK_MS 40       /* between two questions, at first, */
#define LOOK_MOST_MS 400 /* and in the end */
#define REST_MS 50       /* at rest with a connection: whether somebody waits for its place */

/* Of this process, which does one job at a time. */
static struct {
    bool in_job;
    char key[17]; /* of the place that is ours; "": none */
    atomic_bool used; /* in this job; several threads of it may ask */
    void (*drop)(void); /* of the connection that is kept; NULL: none is */
    int64_t drop_us;    /* when, if nobody asks for it */
    int64_t speed, wait_s;
    int64_t pace_us, passed; /* since when, and how much since then */
} own;

void place_begin(const json_t *settings)
{
    own.in_job = true;
    own.used = false;
    own.speed = jint(settings, "bytes_per_s", 0);
    own.wait_s = jint(settings, "place_wait_s", WAIT_S);
    own.pace_us = 0;
}

/* FNV-1a: two hosts that share a number would only share their places. */
static void key_of(char key[static 17], const char *host, int port)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    char tail[16];

    snprintf(tail, sizeof tail, ":%d", port);
    for (const char *p = host; *p; p++)
        h = (h ^ (unsigned char)tolower((unsigned char)*p)) * UINT64_C(0x100000001b3);
    for (const char *p = tail; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    snprintf(key, 17, "%016llx", (unsigned long long)h);
}

/* 0 or an errno. */
static int ask_init(const char *key)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int n = snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "%s%s", PLACE_NAME, key);
    /* any socket will do: where nobody listens to the question, the kernel refuses such an address for this one */
    AUTO(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    return connect(fd, (const struct sockaddr *)&to, len) < 0 ? errno : 0;
}

static void nap(int64_t ms)
{
    unsigned char dice = 128;

    RAND_bytes(&dice, 1);
    ms = ms / 2 + ms * dice / 255;
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void drop_kept(void)
{
    void (*drop)(void) = own.drop;

    own.drop = NULL; /* first: it may give its place back, and does not come here again */
    if (drop)
        drop();
}

int place_take(const char *host, int port, struct err *err)
{
    int64_t end_us = clock_mono_us() + own.wait_s * SECOND_US, look_ms = LOOK_MS;
    char key[17];

    key_of(key, host, port);
    own.used = true;
    if (!own.in_job || !strcmp(key, own.key))
        return 0;
    drop_kept();
    *own.key = 0; /* the init gives the old one back first */
    while (ask_init(key) == EAGAIN) {
        if (clock_mono_us() >= end_us)
            return err_set_named(err, ERR_BUSY, "WORKER_JOB_ERROR",
                           "as many connections to '%.150s' as this server may have (transfer_connections) are in use, "
                           "and none became free in %lld seconds",
                           host, (long long)own.wait_s);
        nap(look_ms);
        look_ms = look_ms * 2 < LOOK_MOST_MS ? look_ms * 2 : LOOK_MOST_MS;
    }
    snprintf(own.key, sizeof own.key, "%s", key);
    return 0;
}

bool place_more(void) { return !own.in_job || ask_init(PLACE_MORE) != EAGAIN; }

void place_fewer(void)
{
    if (own.in_job)
        (void)ask_init(PLACE_FEWER);
}

bool place_keep(const char *host, int port, void (*drop)(void))
{
    char key[17];

    key_of(key, host, port);
    if (!own.in_job || own.drop || strcmp(key, own.key) != 0)
        return false;
    own.drop = drop;
    return true;
}

void place_kept_taken(void) { own.drop = NULL; }

static void give_back(void)
{
    drop_kept();
    if (*own.key)
        (void)ask_init("");
    *own.key = 0;
}

void place_end(void)
{
    own.in_job = false;
    own.drop_us = clock_mono_us() + PLACE_KEEP_S * SECOND_US;
    if (!own.drop || !own.used)
        give_back();
    else
        (void)ask_init(PLACE_FEWER); /* only one is kept */
}

void place_rest(int fd)
{
    while (own.drop) {
        struct pollfd p = {fd, POLLIN, 0};

        if (poll(&p, 1, REST_MS) > 0)
            return;
        if (clock_mono_us() >= own.drop_us || ask_init(PLACE_WANTED) == EAGAIN)
            give_back();
    }
}

int64_t place_speed(void) { return own.in_job ? own.speed : 0; }

void place_pace(int64_t bytes)
{
    int64_t speed = place_speed(), now = clock_mono_us();

    if (!speed)
        return;
    /* who was slower than allowed for a while may not make up for it */
    if (!own.pace_us || now - own.pace_us > own.passed * SECOND_US / speed + SECOND_US) {
        own.pace_us = now;
        own.passed = 0;
    }
    own.passed += bytes;
    int64_t early_us = own.pace_us + own.passed * SECOND_US / speed - now;
    if (early_us > 0)
        nanosleep(&(struct timespec){early_us / SECOND_US, early_us % SECOND_US * 1000}, NULL);
}
