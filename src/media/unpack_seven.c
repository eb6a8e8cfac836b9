#include "media/unpack_seven.h"
#include "base/str.h"
#include "media/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define COPY_CHUNK (256 * 1024)
#define SEVEN "7zz"

static const unsigned char seven_mark[] = {'7', 'z', 0xbc, 0xaf, 0x27, 0x1c};

struct seven {
    struct seven_list list;
    char *path, *scratch;
    int64_t next;
    int fd; /* the contents; -1: not yet */
};

static int seven_refuse(struct seven *s, enum unpack_fault fault)
{
    s->list.fault = fault;
    return -1;
}

/* ---- what 7zz says ---- */

static int seven_failed(struct seven *s, struct err *err)
{
    static const char *const broken[] = {"not archive",   "as [7z] archive", "data error",  "headers error",
                                         "unexpected end", "unsupported",     "crc failed"};

    if (s->list.fault != UNPACK_FINE) /* we said it ourselves */
        return -1;
    if (err->code != ERR_COMMAND)
        return seven_refuse(s, UNPACK_FAILED);
    if (strcasestr(err->detail, "wrong password")) {
        err_set(err, ERR_INPUT, "the password is not that of the archive '%.200s'", s->list.name);
        return seven_refuse(s, UNPACK_WRONG_PASSWORD);
    }
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        if (strcasestr(err->detail, broken[i])) {
            err_set(err, ERR_INPUT, "the archive '%.200s' is broken or of an unknown kind", s->list.name);
            return seven_refuse(s, UNPACK_BROKEN);
        }
    return seven_refuse(s, UNPACK_FAILED);
}

static int seven_ask_list(struct seven *s, const char *password, struct err *err)
{
    const char *const argv[] = {SEVEN, "l", "-slt", "-ba", "-t7z", "-sccUTF-8", "-mmt1", "--", s->path, NULL};
    const struct tool t = {.argv = argv, .secret = password, .line = seven_list_line, .line_ctx = &s->list,
                           .timeout_ms = s->list.limits->timeout_ms};

    return tool_run(NULL, &t, err) < 0 ? seven_failed(s, err) : 0;
}

static int seven_ratio(struct seven *s, struct err *err)
{
    struct stat st;

    if (stat(s->path, &st) < 0 || s->list.total < UNPACK_RATIO_FROM ||
        s->list.total / s->list.limits->ratio <= st.st_size)
        return 0;
    err_set(err, ERR_INPUT,
            "the archive '%.200s' unpacks to more than %" PRId64 " times its size (setting max_archive_ratio)",
            s->list.name, s->list.limits->ratio);
    return seven_refuse(s, UNPACK_LIMIT);
}

static int seven_decrypt(struct seven *s, const char *password, struct err *err)
{
    const char *const argv[] = {SEVEN, "x", "-so", "-bd", "-t7z", "-mmt1", "--", s->path, NULL};
    const struct tool t = {.argv = argv, .secret = password, .output = s->scratch,
                           .timeout_ms = s->list.limits->timeout_ms};
    struct stat st;
    int rc = tool_run(NULL, &t, err);

    s->fd = open(s->scratch, O_RDONLY | O_CLOEXEC);
    unlink(s->scratch);
    if (rc < 0)
        return seven_failed(s, err);
    if (s->fd < 0 || fstat(s->fd, &st) < 0) {
        err_errno(err, "open what was in an archive");
        return seven_refuse(s, UNPACK_FAILED);
    }
    if (st.st_size == s->list.total)
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' is broken: its members have other sizes than it says", s->list.name);
    return seven_refuse(s, UNPACK_BROKEN);
}

static bool seven_begins(const char *path)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char head[sizeof seven_mark];

    return fd >= 0 && pread(fd, head, sizeof head, 0) == sizeof head && !memcmp(head, seven_mark, sizeof head);
}

static bool seven_is_there(void) { return access("/usr/bin/" SEVEN, X_OK) == 0; }

int seven_open(struct seven **out, enum unpack_fault *fault, const char *path, const char *name, const char *password,
               const struct unpack_limits *limits, struct err *err)
{
    AUTO(seven_free) struct seven *s = NULL;

    if (!limits->scratch || strlen(password) > TOOL_SECRET_MAX || !seven_begins(path) || !seven_is_there())
        return 1;
    s = mem_zalloc(sizeof *s);
    *s = (struct seven){.list = {.name = name, .limits = limits},
                        .path = mem_strdup(path),
                        .scratch = mem_strdup(limits->scratch),
                        .fd = -1};
    if (seven_ask_list(s, password, err) < 0 || seven_ratio(s, err) < 0 ||
        (s->list.is_encrypted && seven_decrypt(s, password, err) < 0)) {
        *fault = s->list.fault;
        return -1;
    }
    if (!s->list.is_encrypted)
        return 1;
    *out = take(s);
    return 0;
}

/* ---- members ---- */

const struct seven_member *seven_next(struct seven *s)
{
    return s->next < s->list.count ? &s->list.members[s->next++] : NULL;
}

void seven_again(struct seven *s) { s->next = 0; }

int seven_contents(struct seven *s, enum unpack_fault *fault, const struct seven_member *m, int fd, struct err *err)
{
    AUTO(mem_free) char *chunk = mem_alloc(COPY_CHUNK);
    unsigned long crc = crc32(0, NULL, 0);

    for (int64_t done = 0; done < m->size;) {
        size_t want = m->size - done < COPY_CHUNK ? (size_t)(m->size - done) : COPY_CHUNK;
        ssize_t n = pread(s->fd, chunk, want, m->at + done);

        if (n <= 0 || pwrite(fd, chunk, (size_t)n, done) != n) {
            err_errno(err, "write a member of an archive");
            *fault = UNPACK_FAILED;
            return -1;
        }
        crc = crc32(crc, (const unsigned char *)chunk, (unsigned)n);
        done += n;
    }
    if (!m->has_crc || crc == m->crc)
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' is broken: the sum of a member is wrong", s->list.name);
    *fault = UNPACK_BROKEN;
    return -1;
}

void seven_free(struct seven *s)
{
    if (!s)
        return;
    seven_list_done(s->list);
    fd_close(s->fd);
    free(s->path);
    free(s->scratch);
    free(s);
}
