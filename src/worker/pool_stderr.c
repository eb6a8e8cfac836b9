/* What workers write to stderr: a pipe of ours, never the server's own stderr, which may be an operator's terminal. */
#include "base/clock.h"
#include "worker/pool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LINES_A_SECOND 40
#define READS_A_TURN 16

static const struct log log_ctx = {"room", "worker", NULL};

static void tell(struct said *s)
{
    int64_t second = clock_mono_us() / SECOND_US;

    s->line[s->len] = 0;
    if (second != s->second) {
        if (s->left_out)
            log_info(&log_ctx, "%d more lines of %s workers were left out", s->left_out, role_name(s->role));
        s->second = second;
        s->lines = s->left_out = 0;
    }
    if (!s->len)
        return;
    if (++s->lines > LINES_A_SECOND)
        s->left_out++;
    else
        log_info(&log_ctx, "a %s worker wrote: '%s'%s", role_name(s->role), s->line, s->cut ? " ..." : "");
    s->len = 0;
}

static void add_bytes(struct said *s, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\n') {
            tell(s);
            s->len = 0;
            s->cut = false;
        } else if (s->len < sizeof s->line - 1) {
            /* it ends in a log, which has its own quotes, lines and colours */
            s->line[s->len++] = c < 0x20 || c >= 0x7F || c == '\'' ? '?' : (char)c;
        } else {
            s->cut = true;
        }
    }
}

static void on_said(uv_poll_t *poll, int status, int events)
{
    struct said *s = poll->data;
    char buf[4096];
    ssize_t n = -1;

    (void)events;
    for (int i = 0; status == 0 && i < READS_A_TURN && (n = read(s->fd, buf, sizeof buf)) > 0; i++)
        add_bytes(s, buf, (size_t)n);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        uv_poll_stop(poll);
}

int said_open(int *writer, struct said *s, uv_loop_t *loop, enum robot_role role, struct err *err)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    /* a full pipe must not hold up a worker that complains, nor may it wait for us */
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    *s = (struct said){.role = role, .fd = p[0], .poll = mem_zalloc(sizeof *s->poll)};
    s->poll->data = s;
    uv_poll_init(loop, s->poll, s->fd);
    uv_poll_start(s->poll, UV_READABLE, on_said);
    *writer = p[1];
    return 0;
}

void said_close(struct said *s)
{
    if (s->poll) {
        on_said(s->poll, 0, 0);
        tell(s);
    }
    pool_close_poll(&s->poll, &s->fd);
}
