#include "worker/broker.h"
#include "http/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define PENDING (BROKER_POLLS - 1)

/* A call of a blocking socket, which waits for the other side. */
struct waiting {
    int fd;
    uint64_t id;
};

struct broker {
    int socket, listener;
    const char *allow;
    struct broker_local local;
    struct places places;
    char servers[512]; /* "192.0.2.1:53,[2001:db8::1]:53" */
    struct waiting waiting[PENDING];
    int count;
};

/* ---- the listener's way here ---- */

int broker_hand_over(int socket, int listener, struct err *err)
{
    AUTO(fd_close) int to = socket, what = listener;
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)"l", 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof what);
    memcpy(CMSG_DATA(c), &what, sizeof what);
    return sendmsg(to, &msg, MSG_NOSIGNAL) < 0 ? err_errno(err, "hand the connections over") : 0;
}

static void take_listener(struct broker *b)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    ssize_t n = recvmsg(b->socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&b->listener, CMSG_DATA(c), sizeof(int));
    fd_close(b->socket);
    b->socket = -1;
}

/* ---- who may be reached ---- */

static void add_server(struct broker *b, const char *text)
{
    unsigned char raw[16];
    size_t used = strlen(b->servers);
    const char *form = inet_pton(AF_INET, text, raw) == 1 ? "%s%s:53" : "%s[%s]:53";

    snprintf(b->servers + used, sizeof b->servers - used, form, used ? "," : "", text);
    if (guard_check_list(b->servers) < 0) /* cut off, or nothing of the kind */
        b->servers[used] = 0;
}

static void read_servers(struct broker *b)
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char line[256], server[128];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " nameserver %127[0-9a-fA-F.:]", server) == 1)
            add_server(b, server);
    if (f)
        fclose(f);
    if (!*b->servers)
        add_server(b, "127.0.0.1"); /* what the resolver asks then */
}

struct broker_local broker_local(const char *path)
{
    AUTO(mem_free) char *dir = path ? mem_strdup(path) : NULL;
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (!slash)
        return (struct broker_local){NULL, -1};
    slash[slash == dir] = 0;
    return (struct broker_local){path, open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

static bool is_local(const struct broker *b, const struct sockaddr_storage *to, socklen_t len)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)to;
    size_t n = b->local.path ? strlen(b->local.path) : 0;

    return n && to->ss_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path) + n &&
           n < sizeof un->sun_path && !memcmp(un->sun_path, b->local.path, n + 1);
}

static bool may_reach(const struct broker *b, const struct sockaddr_storage *to)
{
    const struct sockaddr *addr = (const struct sockaddr *)to;

    if (to->ss_family == AF_UNSPEC) /* undoes a connection */
        return true;
    if (to->ss_family != AF_INET && to->ss_family != AF_INET6)
        return false;
    return guard_allows(addr, b->allow) || guard_allows(addr, b->servers);
}

/* ---- a call ---- */

struct broker *broker_new(int socket, const char *allow, struct broker_local local, struct places places)
{
    struct broker *b = mem_zalloc(sizeof *b);

    b->local = local;
    b->places = places;
    b->socket = socket;
    b->listener = -1;
    b->allow = allow ? allow : "";
    if (socket >= 0)
        read_servers(b);
    return b;
}

nfds_t broker_polls(const struct broker *b, struct pollfd *out)
{
    nfds_t n = 0;

    if (b->listener >= 0 || b->socket >= 0)
        out[n++] = (struct pollfd){b->listener >= 0 ? b->listener : b->socket, POLLIN, 0};
    for (int i = 0; i < b->count; i++)
        out[n++] = (struct pollfd){b->waiting[i].fd, POLLOUT, 0};
    return n;
}

static void answer(const struct broker *b, uint64_t id, int error)
{
    struct seccomp_notif_resp resp = {.id = id, .error = -error};

    (void)!seccomp_notify_respond(b->listener, &resp);
}

/* The process that thread belongs to. */
static pid_t process_of(pid_t thread)
{
    char path[64], line[128];
    int pid = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "Tgid: %d", &pid) != 1)
        ;
    if (f)
        fclose(f);
    return pid;
}

static int take_socket(const struct seccomp_notif *req)
{
    AUTO(fd_close) int process = (int)syscall(SYS_pidfd_open, process_of((pid_t)req->pid), 0);

    return process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, (int)req->data.args[0], 0);
}

static int read_address(struct sockaddr_storage *to, socklen_t *len, const struct seccomp_notif *req)
{
    *len = (socklen_t)req->data.args[2];
    memset(to, 0, sizeof *to);
    if (*len < sizeof(sa_family_t) || *len > sizeof *to)
        return EINVAL;
    struct iovec ours = {to, *len}, theirs = {(void *)(uintptr_t)req->data.args[1], *len};
    return process_vm_readv((pid_t)req->pid, &ours, 1, &theirs, 1, 0) == (ssize_t)*len ? 0 : EFAULT;
}

static int connect_for(struct broker *b, int fd, const struct sockaddr_storage *to, socklen_t len, uint64_t id)
{
    int type = 0, flags = fcntl(fd, F_GETFL);
    socklen_t size = sizeof type;

    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return EBADF;
    if (flags & O_NONBLOCK || type != SOCK_STREAM)
        return connect(fd, (const struct sockaddr *)to, len) < 0 ? errno : 0;
    if (b->count == PENDING)
        return EAGAIN;
    /* it would wait, and we do not: who asked hears of it when the other side has answered */
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (connect(fd, (const struct sockaddr *)to, len) < 0 && errno == EINPROGRESS) {
        int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (kept >= 0) {
            b->waiting[b->count++] = (struct waiting){kept, id};
            return EINPROGRESS;
        }
    }
    int failed = errno, error = 0;
    size = sizeof error;
    fcntl(fd, F_SETFL, flags);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error ? error
           : failed == EINPROGRESS                                           ? EMFILE
                                                                             : 0;
}

/* By its name in its directory: this process has left the root in which the whole path leads there.
 * It never waits; a server that takes nobody is as good as none. */
static int connect_local(const struct broker *b, int fd)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int domain = 0, flags = fcntl(fd, F_GETFL), failed = 0;
    socklen_t size = sizeof domain;

    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX)
        return EBADF;
    if (b->local.dir < 0 || fchdir(b->local.dir) < 0)
        return ENOENT;
    snprintf(un.sun_path, sizeof un.sun_path, "%s", strrchr(b->local.path, '/') + 1);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (connect(fd, (const struct sockaddr *)&un, sizeof un) < 0)
        failed = errno;
    fcntl(fd, F_SETFL, flags);
    return chdir("/") < 0 ? errno : failed;
}

static void take_call(struct broker *b)
{
    struct seccomp_notif *req;
    struct seccomp_notif_resp *resp;
    struct sockaddr_storage to;
    socklen_t len;

    if (seccomp_notify_alloc(&req, &resp) < 0)
        return;
    if (seccomp_notify_receive(b->listener, req) == 0) {
        int error = read_address(&to, &len, req);
        AUTO(fd_close) int fd = error ? -1 : take_socket(req);

        if (!error && fd < 0)
            error = EBADF;
        /* whatever was read is of the process that waits, if that one waits still */
        if (!error && seccomp_notify_id_valid(b->listener, req->id) < 0)
            error = ESRCH;
        bool place = !error && places_asked(&to, len), local = !error && !place && is_local(b, &to, len);
        if (!error && !local && !place && !may_reach(b, &to))
            error = EACCES;
        if (place)
            error = places_answer(&b->places, &to, len);
        else if (local)
            error = connect_local(b, fd);
        else if (!error)
            error = connect_for(b, fd, &to, len, req->id);
        if (error != EINPROGRESS || !b->count || b->waiting[b->count - 1].id != req->id)
            answer(b, req->id, error);
    }
    seccomp_notify_free(req, resp);
}

static void finish(struct broker *b, int i)
{
    struct waiting *w = &b->waiting[i];
    int error = 0, flags = fcntl(w->fd, F_GETFL);
    socklen_t size = sizeof error;

    (void)!getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    fcntl(w->fd, F_SETFL, flags & ~O_NONBLOCK);
    close(w->fd);
    answer(b, w->id, error);
    *w = b->waiting[--b->count];
}

void broker_serve(struct broker *b, const struct pollfd *polled, nfds_t n)
{
    for (nfds_t k = n; k-- > 0;) {
        if (!polled[k].revents)
            continue;
        for (int i = 0; i < b->count; i++)
            if (b->waiting[i].fd == polled[k].fd) {
                finish(b, i);
                break;
            }
        if (polled[k].fd == b->socket) {
            take_listener(b);
        } else if (polled[k].fd == b->listener) {
            if (polled[k].revents & POLLIN) {
                take_call(b);
            } else { /* nobody is left behind it */
                close(b->listener);
                b->listener = -1;
            }
        }
    }
}
