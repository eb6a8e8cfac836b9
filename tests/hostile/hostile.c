/* The media worker's host, and beside it one that a file has taken over: an input whose name begins with "hostile-" says
 * what it does. It lives in the real jail, under the real daemon; no program that is installed has any of it. */
#define worker_serve honest_worker_serve
#include "../../src/worker/host.c"
#undef worker_serve

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void say(int sock, const char *text) { (void)!send(sock, text, strlen(text), MSG_NOSIGNAL); }

static void say_fd(int sock, const char *text, int fd)
{
    union {
        char buf[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    (void)!sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int written(const char *path, const char *text)
{
    int fd = open(path, O_RDWR | O_CREAT, 0666);

    (void)!write(fd, text, strlen(text));
    return fd;
}

static void hang(int sock)
{
    for (;;)
        sleep(1);
}

/* A body in a file that is no memory file, and gets shorter. */
static void shrink(int sock)
{
    static char blanks[1 << 20];
    int fd = open("out/big", O_RDWR | O_CREAT, 0600);

    memset(blanks, ' ', sizeof blanks);
    blanks[0] = '{';
    (void)!write(fd, blanks, sizeof blanks);
    say_fd(sock, "progress @", fd);
    (void)!ftruncate(fd, 0);
    hang(sock);
}

static void many_values(int sock)
{
    int fd = memfd_create("m", MFD_ALLOW_SEALING);

    static const char head[] = "{\"index\":0,\"clone\":{\"input\":0,\"meta\":{\"a\":[0";

    (void)!write(fd, head, sizeof head - 1);
    for (int i = 0; i < 300000; i++)
        (void)!write(fd, ",[]", 3);
    (void)!write(fd, "]}}}", 4);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    say_fd(sock, "output @", fd);
    hang(sock);
}

#define FILE_SAID(name) "output {\"index\":0,\"file\":{\"path\":\"out/o\",\"name\":\"" name "\",\"mime\":\"text/plain\",\"meta\":{},\"input\":0}}"

static void change(int sock)
{
    int fd = written("out/o", "GOOD");

    say(sock, FILE_SAID("r.txt"));
    say(sock, "done {\"exec_us\":1}");
    for (int i = 0; i < 20; i++) {
        usleep(50000);
        (void)!pwrite(fd, "EVIL-CHANGED", 12, 0);
        (void)!fchmod(fd, 0666);
    }
    hang(sock);
}

static void deaf(int sock)
{
    close(written("out/o", "GOOD"));
    say(sock, FILE_SAID("r.txt"));
    say(sock, "done {\"exec_us\":1}");
    hang(sock);
}

static const struct {
    const char *name;
    void (*act)(int sock);
    const char *text;
} acts[] = {
    {"shrink", shrink, NULL},
    {"values", many_values, NULL},
    {"change", change, NULL},
    {"deaf", deaf, NULL},
    {"hang", hang, NULL},
    {"undo", NULL, "undo {\"token\":{\"a\":1}}"}, /* twice */
    {"same", NULL, "output {\"index\":0,\"same\":{\"input\":5,\"meta\":{}}}"},
    {"noid", NULL, "output {\"index\":0,\"clone\":true}"},
    {"script", NULL, "output {\"index\":0,\"stored\":{\"input\":0,\"url\":\"javascript:alert(1)\",\"ssl_url\":\"javascript:alert(1)\"}}"},
    {"flood", NULL, "progress {\"fraction\":0.5}"},
    {"lie", NULL, "done {\"exec_us\":99999999999}"},
    {"log", NULL, "failed {\"code\":3,\"msg\":\"x\\n2031-01-01T00:00:00.000Z error forged\"}"},
};

static bool is_hostile(int sock, const json_t *body)
{
    const char *name = jstr_or(json_array_get(json_object_get(body, "inputs"), 0), "name", "");

    if (str_starts(name, "slow-") && strcmp(jstr_or(body, "robot", ""), "/upload/handle"))
        usleep(1500000);
    if (!str_starts(name, "hostile-") || !strcmp(jstr_or(body, "robot", ""), "/upload/handle"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        if (!str_starts(name + 8, acts[i].name))
            continue;
        if (acts[i].act)
            acts[i].act(sock);
        for (int n = 0; n < 100000; n++)
            say(sock, acts[i].text);
        hang(sock);
    }
    return false;
}

_Noreturn void worker_serve(int sock)
{
    struct err err;

    role_program.warm();
    if (wire_send(sock, MSG_UP, NULL, -1, &err) < 0)
        _exit(1);
    for (;;) {
        enum message type;
        AUTO(json_unref) json_t *body = NULL;
        int fd = -1;

        if (wire_recv(sock, &type, &body, &fd, &err) <= 0)
            _exit(0);
        fd_close(fd);
        if (wire_send(sock, MSG_TAKEN, NULL, -1, &err) < 0)
            _exit(1);
        if (!is_hostile(sock, body))
            serve_job(sock, body);
    }
}
