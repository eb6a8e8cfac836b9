/* Packets of a process that is not to be trusted, with descriptors of every sort beside them. None may stay open. */
#include "fuzz.h"
#include "worker/wire.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int socks[2] = {-1, -1};

enum { FD_NONE, FD_SEALED, FD_OPEN, FD_SHRINKABLE, FD_EMPTY, FD_NULL, FD_SOCKET, FD_DIRECTORY, FD_SELF, FD_KINDS };

/* memfds hold what is left of the input */
static int make_fd(unsigned kind, const struct bytes *b)
{
    int fd = -1;

    switch (kind) {
    case FD_SEALED:
    case FD_OPEN:
    case FD_SHRINKABLE:
    case FD_EMPTY:
        CHECK((fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING)) >= 0);
        if (kind != FD_EMPTY && b->left)
            CHECK(write(fd, b->p, b->left) == (ssize_t)b->left);
        if (kind == FD_SEALED)
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
        if (kind == FD_SHRINKABLE)
            fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE);
        return fd;
    case FD_NULL: return open("/dev/null", O_RDWR | O_CLOEXEC);
    case FD_SOCKET: return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case FD_DIRECTORY: return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    case FD_SELF: return dup(socks[0]);
    default: return -1;
    }
}

static void send_packet(const char *text, size_t len, const int *fds, size_t count)
{
    union {
        char buf[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(char *)text, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    }
    CHECK(sendmsg(socks[0], &msg, MSG_NOSIGNAL) == (ssize_t)len);
}

static void receive(void)
{
    enum message type;
    json_t *body = NULL;
    int fd = -1;
    struct err err;

    if (wire_recv(socks[1], &type, &body, &fd, &err) != 1)
        return;
    CHECK(type < MSG_COUNT && json_is_object(body));
    CHECK(fd == -1 || fcntl(fd, F_GETFD) >= 0);
    fd_close(fd);
    json_decref(body);
}

/* A packet: number of descriptors, their kinds, then its text on a line (the descriptors hold what follows it). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    int before;

    if (socks[0] < 0)
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, socks) == 0);
    before = fuzz_descriptors();
    for (int packets = 0; b.left && packets < 8; packets++) {
        unsigned count = take_byte(&b) - '0', kinds[4];
        int fds[4];

        count = count <= 4 ? count : count % 5;
        for (unsigned i = 0; i < count; i++)
            kinds[i] = take_byte(&b) % FD_KINDS;
        AUTO(mem_free) char *text = take_line(&b);
        unsigned n = 0;
        for (unsigned i = 0; i < count; i++)
            if ((fds[n] = make_fd(kinds[i], &b)) >= 0)
                n++;
        /* an empty packet looks like the end */
        send_packet(*text ? text : " ", *text ? strlen(text) : 1, fds, n);
        for (unsigned i = 0; i < n; i++)
            close(fds[i]);
        receive();
    }
    CHECK(fuzz_descriptors() == before);
    return 0;
}
