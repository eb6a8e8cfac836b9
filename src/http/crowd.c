/* crowd.c - who may have a connection when there are many. Clients that are not known (http_known()) share what is
 * left: a bound for each address, a bound for all of them, and a least rate at which something must move. */
#include "base/clock.h"
#include "http/server_priv.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define WINDOW_US (30 * SECOND_US)

/* ---- how many of an address ---- */

void crowd_open(struct http_server *s)
{
    if (getrandom(&s->address_seed, sizeof s->address_seed, 0) < 0)
        s->address_seed = (uint64_t)clock_mono_us();
    if (s->conf.address_connections)
        s->by_address = mem_zalloc(ADDRESS_SLOTS * sizeof *s->by_address);
}

void crowd_close(struct http_server *s) { free(s->by_address); }

/* Where it is counted. Nobody can choose addresses that fall together without the seed. */
static int slot_of_bytes(const struct http_server *s, const void *data, size_t len)
{
    uint64_t h = s->address_seed;

    for (size_t i = 0; i < len; i++) {
        h ^= ((const unsigned char *)data)[i];
        h *= 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return (int)(h % ADDRESS_SLOTS);
}

/* An IPv4 address, or the /64 that a household or a machine has. -1: of this machine, and that is exempt. */
static int slot_of(const struct http_server *s, const struct in6_addr *a)
{
    static const unsigned char v4[12] = {[10] = 0xFF, [11] = 0xFF};
    bool is_v4 = !memcmp(a, v4, sizeof v4);
    bool is_local = is_v4 ? a->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(a);

    if (is_local && s->conf.local_is_exempt)
        return -1;
    return slot_of_bytes(s, a, is_v4 ? sizeof *a : 8);
}

int crowd_slot(const struct http_server *s, const struct sockaddr *addr)
{
    struct in6_addr a = {.s6_addr = {[10] = 0xFF, [11] = 0xFF}};

    if (!s->by_address || s->conf.trust_forwarded)
        return -1;
    if (addr->sa_family == AF_INET)
        memcpy(a.s6_addr + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
    else if (addr->sa_family == AF_INET6)
        a = ((const struct sockaddr_in6 *)addr)->sin6_addr;
    else
        return -1;
    return slot_of(s, &a);
}

/* The last one is what the proxy before us has seen. */
int crowd_forwarded_slot(const struct http_server *s, const char *forwarded_for)
{
    const char *last = forwarded_for ? strrchr(forwarded_for, ',') : NULL;
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a = {.s6_addr = {[10] = 0xFF, [11] = 0xFF}};
    size_t len;

    if (!s->by_address || !s->conf.trust_forwarded || !forwarded_for)
        return -1;
    last = last ? last + 1 : forwarded_for;
    last += strspn(last, " \t");
    len = strcspn(last, " \t");
    if (len >= sizeof text)
        return -1;
    memcpy(text, last, len);
    text[len] = 0;
    if (inet_pton(AF_INET, text, a.s6_addr + 12) != 1 && inet_pton(AF_INET6, text, &a) != 1)
        return -1;
    return slot_of(s, &a);
}

bool crowd_take(struct http_server *s, int slot)
{
    if (slot < 0)
        return true;
    if (atomic_fetch_add(&s->by_address[slot], 1) < s->conf.address_connections)
        return true;
    atomic_fetch_sub(&s->by_address[slot], 1);
    return false;
}

void crowd_give(struct http_server *s, int slot)
{
    if (slot >= 0)
        atomic_fetch_sub(&s->by_address[slot], 1);
}

/* ---- known and unknown ---- */

void crowd_conn_known(struct conn *c)
{
    if (atomic_exchange(&c->is_known, true))
        return;
    atomic_fetch_sub(&c->server->strangers, 1);
    if (c->entrance->kind != ENTRANCE_SMALL)
        atomic_fetch_sub(&c->server->big_strangers, 1);
}

/* ---- who is in the way ---- */

static bool moved(uint64_t *bytes, const struct conn *c)
{
    struct tcp_info info;
    socklen_t size = sizeof info;

    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return false;
    *bytes = info.tcpi_bytes_received + info.tcpi_bytes_acked;
    return true;
}

/* Does it wait for us, not we for it? */
static bool waits_for_us(struct conn *c)
{
    bool waits;

    if (c->is_streaming || c->is_upgraded || c->cut_at_us)
        return true;
    if (!c->req)
        return false;
    if (pthread_mutex_trylock(&c->req->lock) != 0)
        return true;
    waits = c->req->is_suspended;
    pthread_mutex_unlock(&c->req->lock);
    return waits;
}

bool crowd_is_tight(const struct http_server *s)
{
    return s->conf.max_strangers && s->connections > s->conf.max_connections - s->conf.max_connections / 8;
}

bool crowd_too_slow(struct conn *c, int64_t now_us)
{
    int64_t least = c->server->conf.min_body_rate;
    uint64_t bytes;

    if (c->is_known) /* nobody is cut for a bad line, unless others need the place */
        least = crowd_is_tight(c->server) ? least / 4 : 0;
    if (!least || !c->is_serving || waits_for_us(c) || !moved(&bytes, c)) {
        c->window_us = 0;
        return false;
    }
    if (!c->window_us || now_us - c->window_us >= WINDOW_US) {
        bool slow = c->window_us && bytes - c->window_bytes < (uint64_t)(least * (now_us - c->window_us) / SECOND_US);

        c->window_us = now_us;
        c->window_bytes = bytes;
        return slow;
    }
    return false;
}

struct worst {
    int64_t *scores;
    int count, room;
};

static void score(struct worst *w, struct conn *c, int64_t now_us, int64_t min_age_us, bool serving)
{
    int64_t age_us = now_us - c->since_us;
    uint64_t bytes;

    c->score = -1;
    if (c->is_known || (serving && !c->is_serving) || age_us < min_age_us || waits_for_us(c) || !moved(&bytes, c))
        return;
    c->score = (int64_t)(bytes < 1u << 30 ? bytes : 1u << 30) * SECOND_US / (age_us + 1);
    if (w->count == w->room)
        w->scores = mem_realloc(w->scores, (size_t)(w->room = w->room ? 2 * w->room : 256) * sizeof *w->scores);
    w->scores[w->count++] = c->score;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* part: of how many of them one is closed; 0: count of them. */
static int evict(struct http_server *s, int count, int part, int64_t min_age_us)
{
    struct worst w = {0};
    int64_t now_us = clock_mono_us(), limit;
    int closed = 0;

    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&s->shards[i].lock);
        for (struct conn *c = s->shards[i].head; c; c = c->next)
            score(&w, c, now_us, min_age_us, part > 0);
        pthread_mutex_unlock(&s->shards[i].lock);
    }
    if (!w.count)
        return 0;
    if (part)
        count = (w.count + part - 1) / part;
    qsort(w.scores, (size_t)w.count, sizeof *w.scores, by_number);
    limit = w.scores[(count < w.count ? count : w.count) - 1];
    free(w.scores);
    for (int i = 0; i < SHARDS && closed < count; i++) {
        pthread_mutex_lock(&s->shards[i].lock);
        for (struct conn *c = s->shards[i].head; c && closed < count; c = c->next)
            if (c->score >= 0 && c->score <= limit && !c->is_known) {
                c->score = -1;
                shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees it and closes */
                closed++;
            }
        pthread_mutex_unlock(&s->shards[i].lock);
    }
    return closed;
}

int crowd_evict(struct http_server *s, int count, int64_t min_age_us)
{
    return evict(s, count, /* part */ 0, min_age_us);
}

void crowd_relieve(struct http_server *s)
{
    if (s->conf.strangers && atomic_exchange(&s->conf.strangers->is_short, false))
        (void)evict(s, /* count */ 0, /* part */ 4, 2 * SECOND_US);
}
