#include "base/fault.h"
#include "worker/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define INLINE_MAX (48 * 1024)
#define BODY_MAX (64 << 20) /* what the daemon itself sends: the inputs of a bundle with all their meta */

static const char *const names[] = {
#define X(name, text) [name] = text,
#include "worker/messages.def"
#undef X
};

static int spill(const struct str *text, struct err *err)
{
    int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return err_errno(err, "memfd_create");
    for (size_t at = 0; at < text->len;) {
        ssize_t n = write(fd, text->s + at, text->len - at);

        if (n < 0) {
            err_errno(err, "write a message of %zu bytes", text->len);
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        err_errno(err, "seal a message");
        close(fd);
        return -1;
    }
    return fd;
}

/* A packet: the message's name, a space, the body's JSON, or "@" when descriptor 0 holds the body. */
int wire_send(int sock, enum message type, json_t *body, int fd, struct err *err)
{
    AUTO(json_unref) json_t *owned = body;
    AUTO(str_done) struct str text = {0}, packet = {0};
    AUTO(fd_close) int memory = -1;
    int fds[2], count = 0;
    union {
        char buf[CMSG_SPACE(sizeof fds)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (FAULT(WIRE))
        return err_set(err, ERR_IO, "send a message: broken for a test");
    if (owned)
        str_add_json_value(&text, owned);
    else
        str_puts(&text, "{}");
    str_puts(&packet, names[type]);
    str_putc(&packet, ' ');
    if (text.len > INLINE_MAX) {
        if ((memory = spill(&text, err)) < 0)
            return -1;
        str_putc(&packet, '@');
        fds[count++] = memory;
    } else {
        str_add(&packet, text.s, text.len);
    }
    if (fd >= 0)
        fds[count++] = fd;
    iov = (struct iovec){packet.s, packet.len};
    if (count) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
    }
    for (;;) {
        if (sendmsg(sock, &msg, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EAGAIN)
            return err_set(err, ERR_BUSY, "the peer does not read its messages");
        if (errno != EINTR)
            return err_errno(err, "send '%s'", names[type]);
    }
}

/* A packet as it came. */
struct packet {
    char buf[INLINE_MAX + 256];
    size_t len;
    int fds[2], count;
};

static void packet_close(struct packet *p)
{
    for (int i = 0; i < p->count; i++)
        fd_close(p->fds[i]);
    p->count = 0;
}

static int take_packet(struct packet *p, int sock, struct err *err)
{
    union {
        char buf[CMSG_SPACE(sizeof p->fds)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {p->buf, sizeof p->buf};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof control.buf};
    ssize_t n;

    p->count = 0;
    if (FAULT(WIRE))
        return err_set(err, ERR_IO, "receive a message: broken for a test");
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN       ? err_set(err, ERR_BUSY, "nothing to read")
               : errno == ECONNRESET ? 0
                                     : err_errno(err, "receive a message");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < got; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (p->count < (int)ARRAY_LEN(p->fds))
                p->fds[p->count++] = fd;
            else
                close(fd);
        }
    }
    /* a packet of no bytes is no end: that has no descriptors, but may look the same otherwise */
    if (n == 0 && !p->count && !(msg.msg_flags & MSG_CTRUNC))
        return 0;
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        packet_close(p);
        return err_set(err, ERR_WORKER, "a message is cut off");
    }
    p->len = (size_t)n;
    return 1;
}

const char *wire_name(enum message type) { return type < MSG_COUNT ? names[type] : "?"; }

size_t wire_weigh(const char *text, size_t len)
{
    size_t n = 1;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == ',' || text[i] == '[' || text[i] == '{' || text[i] == ':') {
            n++;
        }
    }
    return n;
}

/* The whole of it, read once: nothing that its owner does afterwards changes what was checked. */
static char *read_spilled(int memory, size_t *len, size_t most, struct err *err)
{
    const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(memory, F_GET_SEALS); /* -1, which has every bit: no memory file */
    struct stat st;

    if (seals < 0 || (seals & sealed) != sealed || fstat(memory, &st) < 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_WORKER, "a message's body is no sealed memory file");
        return NULL;
    }
    if (st.st_size <= 0 || (size_t)st.st_size > most) {
        err_set(err, ERR_WORKER, "a message's body has %lld bytes, more than %zu or none", (long long)st.st_size, most);
        return NULL;
    }
    AUTO(mem_free) char *text = mem_alloc((size_t)st.st_size);
    for (size_t at = 0; at < (size_t)st.st_size;) {
        ssize_t n = pread(memory, text + at, (size_t)st.st_size - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_set(err, ERR_WORKER, "a message's body can't be read");
            return NULL;
        }
        at += (size_t)n;
    }
    *len = (size_t)st.st_size;
    return take(text);
}

static json_t *parse(const char *text, size_t len, const struct wire_bounds *b, struct err *err)
{
    struct err why;
    json_t *j = NULL;

    if (len > b->bytes)
        err_set(err, ERR_WORKER, "a message's body has %zu bytes, more than %zu", len, b->bytes);
    else if (wire_weigh(text, len) > b->values)
        err_set(err, ERR_WORKER, "a message's body has more than %zu values", b->values);
    else if (!(j = json_parse(text, len, b->depth, &why)))
        err_set(err, ERR_WORKER, "a message's body can't be parsed"); /* the parser's words quote the text */
    if (j && !json_is_object(j)) {
        json_decref(j);
        err_set(err, ERR_WORKER, "a message's body is not an object");
        return NULL;
    }
    return j;
}

static const struct wire_bounds trusted = {BODY_MAX, SIZE_MAX, 200};
static const struct wire_bounds *all_trusted(void *ctx, enum message type) { return &trusted; }

/* *fd: NULL: none may come. */
static int receive(int sock, const struct wire_bounds *(*bounds)(void *, enum message), void *ctx, enum message *type,
                   json_t **body, size_t *bytes, int *fd, struct err *err)
{
    AUTO(mem_free) char *spilled = NULL;
    struct packet p;
    int rc = take_packet(&p, sock, err);

    if (rc <= 0)
        return rc;
    AUTO(fd_close) int first = p.count > 0 ? p.fds[0] : -1;
    AUTO(fd_close) int second = p.count > 1 ? p.fds[1] : -1;
    const char *space = memchr(p.buf, ' ', p.len);
    size_t name = space ? (size_t)(space - p.buf) : 0;

    for (*type = 0; *type < MSG_COUNT; ++*type)
        if (space && strlen(names[*type]) == name && !memcmp(names[*type], p.buf, name))
            break;
    if (*type == MSG_COUNT)
        return err_set(err, ERR_WORKER, "a message has no known name");
    const struct wire_bounds *b = bounds(ctx, *type);
    if (!b)
        return err_set(err, ERR_WORKER, "%s is not for it to say", names[*type]);

    const char *text = space + 1;
    size_t len = p.len - name - 1;
    bool is_spilled = len == 1 && *text == '@';
    if (p.count > is_spilled + (fd != NULL) || (is_spilled && first < 0))
        return err_set(err, ERR_WORKER, "%s comes with %d descriptors", names[*type], p.count);
    if (is_spilled) {
        if (!(spilled = read_spilled(first, &len, b->bytes, err)))
            return -1;
        text = spilled;
    }
    if (!(*body = parse(text, len, b, err)))
        return -1;
    *bytes = len;
    if (fd)
        *fd = p.count > is_spilled ? is_spilled ? take_fd(second) : take_fd(first) : -1;
    return 1;
}

int wire_recv(int sock, enum message *type, json_t **body, int *fd, struct err *err)
{
    size_t bytes;

    *fd = -1;
    return receive(sock, all_trusted, NULL, type, body, &bytes, fd, err);
}

int wire_recv_bounded(int sock, const struct wire_bounds *(*bounds)(void *ctx, enum message type), void *ctx,
                      enum message *type, json_t **body, size_t *bytes, struct err *err)
{
    return receive(sock, bounds, ctx, type, body, bytes, NULL, err);
}
