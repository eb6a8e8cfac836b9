#include "transfer/clamd.h"
#include "base/clock.h"
#include "base/str.h"
#include "transfer/remote.h"
#include "transfer/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 150000, CHUNK = 64 * 1024, ANSWER_MAX = 2048 };
static const char hello[] = "zINSTREAM"; /* with its NUL: answers end in one as well */

struct scan {
    struct robot_job *job;
    const struct robot_input *in;
    int sock, fd;
    int64_t wait_ms;
    int64_t sent; /* bytes of the file */
    char out[4 + CHUNK];
    size_t out_len, out_at;
    bool ended; /* the empty chunk is in `out`, or sent */
    char answer[ANSWER_MAX + 1];
    size_t answer_len;
};

static int PRINTF_LIKE(2, 3) scan_failed(struct err *err, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set_named(err, ERR_COMMAND, "WORKER_JOB_ERROR", "the file was not scanned: %s",
                         text);
}

/* ---- connect ---- */

static int connect_once(int *out, const struct sockaddr_storage *to, socklen_t len, int64_t wait_ms,
                        struct err *err)
{
    AUTO(fd_close) int s = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd p = {s, POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;

    if (s < 0)
        return scan_failed(err, "no socket to clamd: %s", strerror(errno));
    if (connect(s, (const struct sockaddr *)to, len) < 0 && errno != EINPROGRESS)
        return scan_failed(err, "clamd can't be reached: %s", strerror(errno));
    if (poll(&p, 1, (int)wait_ms) != 1)
        return scan_failed(err, "clamd does not answer");
    if (getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
        return scan_failed(err, "clamd can't be reached: %s", strerror(error));
    *out = take_fd(s);
    return 0;
}

/* It may be about to start again. */
static int connect_to(struct scan *s, struct err *err)
{
    const char *address = jstr(robot_settings(s->job), CLAMD_KEYS);
    struct sockaddr_storage to;
    socklen_t len;

    if (!address)
        return err_set_named(
            err, ERR_CONFIG, "WORKER_JOB_ERROR",
            "the file was not scanned: this server knows no clamd (setting clamd)");
    if (value_socket(&to, &len, address, err) < 0)
        return -1;
    for (int attempt = 1; connect_once(&s->sock, &to, len, s->wait_ms, err) < 0; attempt++) {
        if (attempt == REMOTE_ATTEMPTS)
            return -1;
        remote_pause(s->job, attempt, 500);
    }
    return 0;
}

/* ---- send ---- */

/* The next piece with its length before it; of the last one that is 0. */
static int next_chunk(struct scan *s, struct err *err)
{
    int64_t left = s->in->size - s->sent;
    size_t want = (size_t)(left < CHUNK ? left : CHUNK), have = 0;
    uint32_t length;

    while (have < want) {
        ssize_t n = pread(s->fd, s->out + 4 + have, want - have, s->sent + (int64_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read '%s'", s->in->name);
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", s->in->name);
        have += (size_t)n;
    }
    length = htonl((uint32_t)want);
    memcpy(s->out, &length, 4);
    s->out_len = 4 + want;
    s->out_at = 0;
    s->sent += (int64_t)want;
    s->ended = want == 0;
    return 0;
}

static bool all_sent(const struct scan *s) { return s->ended && s->out_at == s->out_len; }

/* A peer that does not want more has said why, most likely: that is read before anything is made of
 * it. */
static int send_some(struct scan *s, bool *refused, struct err *err)
{
    if (s->out_at == s->out_len && next_chunk(s, err) < 0)
        return -1;
    ssize_t n = send(s->sock, s->out + s->out_at, s->out_len - s->out_at, MSG_NOSIGNAL);
    if (n > 0)
        s->out_at += (size_t)n;
    *refused = n < 0 && errno != EAGAIN && errno != EINTR;
    return 0;
}

/* ---- listen ---- */

/* 1: the answer is whole. */
static int hear_some(struct scan *s, struct err *err)
{
    ssize_t n = recv(s->sock, s->answer + s->answer_len, ANSWER_MAX - s->answer_len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return scan_failed(err, "clamd broke off");
    s->answer_len += (size_t)n;
    if (memchr(s->answer, 0, s->answer_len))
        return 1;
    return s->answer_len == ANSWER_MAX ? scan_failed(err, "clamd's answer has no end") : 0;
}

static int hear_all(struct scan *s, double from, double share, struct err *err)
{
    bool refused = false;

    for (;;) {
        bool sending = !all_sent(s) && !refused;
        struct pollfd p = {s->sock, (short)(POLLIN | (sending ? POLLOUT : 0)), 0};
        int n = poll(&p, 1, (int)s->wait_ms);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return scan_failed(err, "clamd said nothing for %d s", (int)(s->wait_ms / 1000));
        if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
            int rc = hear_some(s, err);

            if (rc)
                return rc;
        }
        if (sending && p.revents & POLLOUT && send_some(s, &refused, err) < 0)
            return -1;
        if (s->in->size)
            robot_progress(s->job, from + share * (double)s->sent / (double)s->in->size);
    }
}

/* "stream: OK" or "stream: NAME FOUND", and nothing behind it. */
static int judge(struct clamd_verdict *out, struct scan *s, struct err *err)
{
    static const char label[] = "stream: ", found[] = " FOUND";
    const char *said = s->answer;
    size_t len = strlen(said), name = sizeof label - 1;

    if (len + 1 == s->answer_len && str_starts(said, label) && str_ends(said, found) &&
        len > name + sizeof found - 1) {
        out->infected = true;
        snprintf(out->name, sizeof out->name, "%.*s", (int)(len - name - (sizeof found - 1)),
                 said + name);
        for (char *p = out->name; *p; p++)
            if (*p < 0x20 || *p > 0x7e)
                *p = '?';
        return 0;
    }
    if (len + 1 == s->answer_len && !strcmp(said, "stream: OK") && all_sent(s)) {
        *out = (struct clamd_verdict){0};
        return 0;
    }
    if (strstr(said, "size limit exceeded"))
        return scan_failed(err, "clamd takes no file of %lld bytes (its StreamMaxLength)",
                           (long long)s->in->size);
    AUTO(mem_free) char *text = utf8_from_unknown(said, len);
    return scan_failed(err, "clamd said '%.100s'", text);
}

int clamd_scan(struct clamd_verdict *out, struct robot_job *job, const struct robot_input *in,
               double from, double share, struct err *err)
{
    struct scan *s = arena_alloc(robot_arena(job), sizeof *s);
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    *s = (struct scan){.job = job,
                       .in = in,
                       .sock = -1,
                       .fd = fd,
                       .wait_ms = jint(robot_settings(job), "clamd_wait_ms", WAIT_MS)};
    memcpy(s->out, hello, sizeof hello);
    s->out_len = sizeof hello;
    if (connect_to(s, err) < 0)
        return -1;
    int rc = hear_all(s, from, share, err);
    close(s->sock);
    return rc < 0 ? -1 : judge(out, s, err);
}
