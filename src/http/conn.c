/* The list of connections, each from accept to just before its descriptor is closed. */
#include "base/clock.h"
#include "http/conn.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED of netinet/tcp.h, whose struct tcp_info is too old */

static struct shard *shard_of(const struct conn *c)
{
    return &c->server->shards[(unsigned)c->fd % SHARDS];
}

static void peer_name(char out[static INET6_ADDRSTRLEN], const struct sockaddr *addr)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    out[0] = 0;
    if (addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (addr->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)addr)->sin6_addr;

        if (!memcmp(a, mapped, sizeof mapped))
            inet_ntop(AF_INET, (const char *)a + sizeof mapped, out, INET6_ADDRSTRLEN);
        else
            inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
    }
}

static void conn_opened(struct entrance *e, struct MHD_Connection *mhd, void **slot)
{
    struct http_server *s = e->server;
    struct conn *c = mem_zalloc(sizeof *c);
    struct shard *shard;

    c->server = s;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *addr = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    peer_name(c->peer, addr);
    c->slot = crowd_slot(s, addr);
    c->entrance = e;
    c->since_us = clock_mono_us();
    shard = shard_of(c);
    pthread_mutex_lock(&shard->lock);
    c->next = shard->head;
    if (c->next)
        c->next->prev = c;
    shard->head = c;
    pthread_mutex_unlock(&shard->lock);
    *slot = c;
}

static void conn_closed(struct http_server *s, void **slot)
{
    struct conn *c = take(*slot);
    struct shard *shard;

    if (!c)
        return;
    shard = shard_of(c);
    pthread_mutex_lock(&shard->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        shard->head = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&shard->lock);
    if (c->cut_at_us)
        atomic_fetch_sub(&s->cuts, 1);
    crowd_conn_known(c);
    crowd_give(s, c->slot);
    mem_freed(c->entrance->memory);
    atomic_fetch_sub(&c->entrance->count, 1);
    atomic_fetch_sub(&s->connections, 1);
    free(c->query);
    free(c);
}

void conn_notify(void *entrance, struct MHD_Connection *mhd, void **slot,
                        enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        conn_opened(entrance, mhd, slot);
    else
        conn_closed(((struct entrance *)entrance)->server, slot);
}

static void set_request(struct conn *c, struct http_request *req)
{
    struct shard *shard = shard_of(c);

    pthread_mutex_lock(&shard->lock);
    c->req = req;
    pthread_mutex_unlock(&shard->lock);
}

void conn_begin(struct conn *c, struct http_request *req)
{
    set_request(c, req);
    c->requests++;
    c->is_serving = true;
}

void conn_end(struct conn *c)
{
    c->is_serving = false;
    c->is_streaming = false;
    set_request(c, NULL);
}

void conn_cut(struct conn *c)
{
    struct http_server *s = c->server;

    c->cut_at_us = clock_mono_us();
    if (atomic_fetch_add(&s->cuts, 1) == 0) {
        pthread_mutex_lock(&s->sweep_lock);
        pthread_cond_signal(&s->sweep_cond);
        pthread_mutex_unlock(&s->sweep_lock);
    }
}

bool conn_kernel_view(struct tcp_info *info, const struct conn *c)
{
    socklen_t size = sizeof *info;

    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 &&
           size >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info->tcpi_bytes_received;
}

bool conn_deserted(const struct conn *c)
{
    struct tcp_info info;

    return conn_kernel_view(&info, c) && info.tcpi_state != STATE_ESTABLISHED;
}
