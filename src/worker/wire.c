#include "base/fault.h"
#include "worker/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define INLINE_MAX (48 * 1024)
#define BODY_MAX (64 << 20)

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
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
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

static json_t *body_from(const char *text, size_t len, int memory, struct err *err)
{
    struct stat st;
    char *map;
    json_t *j;

    if (len != 1 || *text != '@')
        return json_parse(text, len, 200, err);
    if (memory < 0 || fstat(memory, &st) < 0 || st.st_size <= 0 || st.st_size > BODY_MAX ||
        !(fcntl(memory, F_GET_SEALS) & F_SEAL_SHRINK)) {
        err_set(err, ERR_IO, "a message's body is missing, too large or not sealed");
        return NULL;
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, memory, 0);
    if (map == MAP_FAILED) {
        err_errno(err, "map a message");
        return NULL;
    }
    j = json_parse(map, (size_t)st.st_size, 200, err);
    munmap(map, (size_t)st.st_size);
    return j;
}

int wire_recv(int sock, enum message *type, json_t **body, int *fd, struct err *err)
{
    char buf[INLINE_MAX + 256];
    int fds[2] = {-1, -1}, count = 0, used = 0;
    union {
        char buf[CMSG_SPACE(sizeof fds)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {buf, sizeof buf};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.buf,
                         .msg_controllen = sizeof control.buf};
    ssize_t n;

    if (FAULT(WIRE))
        return err_set(err, ERR_IO, "receive a message: broken for a test");
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN       ? err_set(err, ERR_BUSY, "nothing to read")
               : errno == ECONNRESET ? 0
                                     : err_errno(err, "receive a message");
    if (n == 0)
        return 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)count);
        }

    AUTO(fd_close) int first = fds[0];
    AUTO(fd_close) int second = fds[1];
    const char *space = memchr(buf, ' ', (size_t)n);
    if (!space || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return err_set(err, ERR_IO, "a message is malformed or cut off");
    for (*type = 0; *type < MSG_COUNT; ++*type)
        if (strlen(names[*type]) == (size_t)(space - buf) &&
            !memcmp(names[*type], buf, (size_t)(space - buf)))
            break;
    if (*type == MSG_COUNT)
        return err_set(err, ERR_IO, "unknown message '%.*s'", (int)(space - buf), buf);

    size_t len = (size_t)(n - (space + 1 - buf));
    bool spilled = len == 1 && space[1] == '@';
    *body = body_from(space + 1, len, spilled ? first : -1, err);
    used = spilled;
    if (!*body)
        return -1;
    if (!json_is_object(*body)) {
        json_decref(*body);
        return err_set(err, ERR_IO, "a message's body is not an object");
    }
    *fd = -1;
    if (count > used)
        *fd = used ? take_fd(second) : take_fd(first);
    return 1;
}
