/* upgrade.c - connections that leave HTTP. libmicrohttpd lends the socket and stops watching it; it goes on counting
 * the connection, and closes it when it is told to. */
#include "http/server_priv.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>

struct http_socket {
    struct MHD_UpgradeResponseHandle *mhd;
    int fd;
    size_t early;
    char data[];
};

static void upgraded(void *unused, struct MHD_Connection *mhd, void *request, const char *early,
                     size_t early_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_request *req = request;
    struct upgrade u = req->upgrade;
    struct http_socket *s = mem_zalloc(sizeof *s + early_len);
    int one = 1;

    req->upgrade.taken = NULL;
    s->mhd = handle;
    s->fd = fd;
    s->early = early_len;
    if (early_len)
        memcpy(s->data, early, early_len);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* libmicrohttpd has just cleared it */
    u.taken(u.arg, s);
}

struct MHD_Response *upgrade_response(void) { return MHD_create_response_for_upgrade(upgraded, NULL); }

void upgrade_fail(struct upgrade *u)
{
    void (*taken)(void *, struct http_socket *) = take(u->taken);

    if (taken)
        taken(u->arg, NULL);
}

int http_socket_fd(const struct http_socket *s) { return s->fd; }

size_t http_socket_early(const char **data, const struct http_socket *s)
{
    *data = s->data;
    return s->early;
}

void http_socket_close(struct http_socket *s)
{
    if (!s)
        return;
    MHD_upgrade_action(s->mhd, MHD_UPGRADE_ACTION_CLOSE);
    free(s);
}
