#include "sshd.h"
#include "../unit/unit.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- files ---- */

char *sshd_at(const char *dir, const char *name) { return mem_printf("%s/%s", dir, name); }

char *sshd_read(const char *path)
{
    FILE *f = fopen(path, "re");
    AUTO(str_done) struct str b = {0};
    char buf[65536];
    size_t n;

    while (f && (n = fread(buf, 1, sizeof buf, f)) > 0)
        str_add(&b, buf, n);
    if (f)
        fclose(f);
    return f ? str_take(&b) : NULL;
}

void sshd_write(const char *path, const char *data, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

char *sshd_key(const char *dir, const char *name, char **public_half)
{
    AUTO(mem_free) char *path = sshd_at(dir, name);
    AUTO(mem_free) char *command = mem_printf("ssh-keygen -q -t ed25519 -N '' -C test -f %s", path);
    AUTO(mem_free) char *public_path = mem_printf("%s.pub", path);

    assert_int_equal(system(command), 0);
    *public_half = sshd_read(public_path);
    (*public_half)[strcspn(*public_half, "\n")] = 0;
    return sshd_read(path);
}

/* Below the ports that the kernel gives to whoever connects: where it is closed again for a program that shall listen
 * there, it could be somebody's by then. */
int sshd_listen(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint32_t n;

    assert_true(fd >= 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(getrandom(&n, sizeof n, 0), sizeof n);
        *port = 10000 + (int)(n % 22000);
        a.sin_port = htons((uint16_t)*port);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0)
            return fd;
    }
    fail_msg("no free port");
    return -1;
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

struct sshd sshd_start(const char *dir, const char *name, const char *subsystem)
{
    struct sshd s;
    AUTO(mem_free) char *config = sshd_at(dir, name);
    AUTO(mem_free) char *log = mem_printf("%s.log", config);

    fd_close(sshd_listen(&s.port));
    AUTO(mem_free)
    char *text = mem_printf(
        "ListenAddress 127.0.0.1\nPort %d\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication yes\nPidFile none\nLogLevel ERROR\n"
        "Subsystem sftp %s\n",
        s.port, dir, dir, subsystem);
    sshd_write(config, text, strlen(text));
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashed leaves none */
        execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", config, "-E", log, NULL);
        _exit(127);
    }
    for (int i = 0; i < 100; i++) {
        int fd = connect_to(s.port);

        fd_close(fd);
        if (fd >= 0)
            return s;
        assert_int_equal(waitpid(s.pid, NULL, WNOHANG), 0);
        usleep(50000);
    }
    fail_msg("sshd does not listen");
    return s;
}

void sshd_stop(const struct sshd *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

/* ---- a line to it that breaks ---- */

static void relay(struct sshd_line *l, int client, bool cut)
{
    int server = connect_to(l->server_port), at_once = 1;
    int64_t passed = 0;
    char buf[65536];

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    for (;;) {
        struct pollfd p[] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {l->wake[0], POLLIN, 0}};

        if (poll(p, 3, -1) < 0 || p[2].revents)
            break;
        int from = p[0].revents ? client : server, to = from == client ? server : client;
        ssize_t n = read(from, buf, sizeof buf);
        if (n <= 0)
            break;
        for (ssize_t done = 0, w; done < n; done += w)
            if ((w = write(to, buf + done, (size_t)(n - done))) <= 0)
                goto over;
        if (from == (l->back ? server : client) && (passed += n) > l->after && cut)
            break;
    }
over:
    close(client);
    close(server);
}

static void *serve_line(void *arg)
{
    struct sshd_line *l = arg;

    for (;;) {
        struct pollfd p[] = {{l->listener, POLLIN, 0}, {l->wake[0], POLLIN, 0}};

        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        int client = accept(l->listener, NULL, NULL);
        relay(l, client, l->connections++ < l->cuts);
    }
}

void sshd_line_start(struct sshd_line *l, int server_port, int cuts, int64_t after)
{
    *l = (struct sshd_line){.server_port = server_port, .cuts = cuts, .after = after};
    l->listener = sshd_listen(&l->port);
    assert_int_equal(pipe(l->wake), 0);
    assert_int_equal(pthread_create(&l->thread, NULL, serve_line, l), 0);
}

void sshd_line_end(struct sshd_line *l)
{
    assert_int_equal(write(l->wake[1], "x", 1), 1);
    pthread_join(l->thread, NULL);
    close(l->listener);
    close(l->wake[0]);
    close(l->wake[1]);
}
