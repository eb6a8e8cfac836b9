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
    const char *name; /* of the archive; lent */
    char *path, *scratch;
    const struct unpack_limits *limits;
    struct seven_member *members;
    int64_t count, next;
    int64_t total; /* bytes of all contents */
    bool is_encrypted;
    enum unpack_fault fault;
    int fd; /* the contents; -1: not yet */
};

static int seven_refuse(struct seven *s, enum unpack_fault fault)
{
    s->fault = fault;
    return -1;
}

/* ---- the list ---- */

static int seven_begin_member(struct seven *s, const char *path, struct err *err)
{
    if (s->count >= s->limits->files) {
        err_set(err, ERR_INPUT, "the archive '%.200s' has more than %" PRId64 " members (setting max_archive_files)",
                s->name, s->limits->files);
        return seven_refuse(s, UNPACK_LIMIT);
    }
    if ((s->count & (s->count - 1)) == 0)
        s->members = mem_realloc(s->members, (size_t)(s->count ? s->count * 2 : 1) * sizeof *s->members);
    s->members[s->count++] = (struct seven_member){.path = mem_strdup(path), .is_file = true, .at = s->total};
    return 0;
}

static int seven_size(struct seven *s, struct seven_member *m, const char *value, struct err *err)
{
    char *end;

    errno = 0;
    int64_t size = *value ? strtoll(value, &end, 10) : 0;
    if ((*value && *end) || errno || size < 0 || m->size) {
        err_set(err, ERR_INPUT, "the archive '%.200s' is broken: a member has no size", s->name);
        return seven_refuse(s, UNPACK_BROKEN);
    }
    if (size > s->limits->bytes - s->total) {
        err_set(err, ERR_INPUT,
                "the contents of the archive '%.200s' have more than %" PRId64 " bytes (setting max_archive_bytes)",
                s->name, s->limits->bytes);
        return seven_refuse(s, UNPACK_LIMIT);
    }
    m->size = size;
    s->total += size;
    return 0;
}

/* "Name = value". A member's name may hold anything, a line's end that 7zz has made something else: what it can make us
 * believe are sizes, whose sum is compared with what there is, and names, which are looked at like any. */
static int on_line(void *ctx, char *line, struct err *err)
{
    struct seven *s = ctx;
    char *value = strstr(line, " = ");

    if (!value)
        return 0;
    *value = 0;
    value += 3;
    if (!strcmp(line, "Path"))
        return seven_begin_member(s, value, err);
    if (!s->count)
        return 0;
    struct seven_member *m = &s->members[s->count - 1];
    if (!strcmp(line, "Size"))
        return seven_size(s, m, value, err);
    if (!strcmp(line, "CRC") && *value) {
        m->crc = strtoul(value, NULL, 16);
        m->has_crc = true;
    }
    if (!strcmp(line, "Attributes")) /* "D drwxr-xr-x", "A lrwxrwxrwx" */
        m->is_file = *value != 'D' && !strstr(value, " d") && !strstr(value, " l");
    s->is_encrypted |= !strcmp(line, "Encrypted") && *value == '+';
    return 0;
}

/* ---- what 7zz says ---- */

static int seven_failed(struct seven *s, struct err *err)
{
    static const char *const broken[] = {"not archive",   "as [7z] archive", "data error",  "headers error",
                                         "unexpected end", "unsupported",     "crc failed"};

    if (s->fault != UNPACK_FINE) /* we said it ourselves */
        return -1;
    if (err->code != ERR_COMMAND)
        return seven_refuse(s, UNPACK_FAILED);
    if (strcasestr(err->detail, "wrong password")) {
        err_set(err, ERR_INPUT, "the password is not that of the archive '%.200s'", s->name);
        return seven_refuse(s, UNPACK_WRONG_PASSWORD);
    }
    for (size_t i = 0; i < ARRAY_LEN(broken); i++)
        if (strcasestr(err->detail, broken[i])) {
            err_set(err, ERR_INPUT, "the archive '%.200s' is broken or of an unknown kind", s->name);
            return seven_refuse(s, UNPACK_BROKEN);
        }
    return seven_refuse(s, UNPACK_FAILED);
}

static int seven_list(struct seven *s, const char *password, struct err *err)
{
    const char *const argv[] = {SEVEN, "l", "-slt", "-ba", "-t7z", "-sccUTF-8", "-mmt1", "--", s->path, NULL};
    const struct tool t = {.argv = argv, .secret = password, .line = on_line, .line_ctx = s,
                           .timeout_ms = s->limits->timeout_ms};

    return tool_run(NULL, &t, err) < 0 ? seven_failed(s, err) : 0;
}

static int seven_ratio(struct seven *s, struct err *err)
{
    struct stat st;

    if (stat(s->path, &st) < 0 || s->total < UNPACK_RATIO_FROM || s->total / s->limits->ratio <= st.st_size)
        return 0;
    err_set(err, ERR_INPUT,
            "the archive '%.200s' unpacks to more than %" PRId64 " times its size (setting max_archive_ratio)",
            s->name, s->limits->ratio);
    return seven_refuse(s, UNPACK_LIMIT);
}

static int seven_decrypt(struct seven *s, const char *password, struct err *err)
{
    const char *const argv[] = {SEVEN, "x", "-so", "-bd", "-t7z", "-mmt1", "--", s->path, NULL};
    const struct tool t = {.argv = argv, .secret = password, .output = s->scratch, .timeout_ms = s->limits->timeout_ms};
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
    if (st.st_size == s->total)
        return 0;
    err_set(err, ERR_INPUT, "the archive '%.200s' is broken: its members have other sizes than it says", s->name);
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
    *s = (struct seven){.name = name, .path = mem_strdup(path), .scratch = mem_strdup(limits->scratch),
                        .limits = limits, .fd = -1};
    if (seven_list(s, password, err) < 0 || seven_ratio(s, err) < 0 ||
        (s->is_encrypted && seven_decrypt(s, password, err) < 0)) {
        *fault = s->fault;
        return -1;
    }
    if (!s->is_encrypted)
        return 1;
    *out = take(s);
    return 0;
}

/* ---- members ---- */

const struct seven_member *seven_next(struct seven *s) { return s->next < s->count ? &s->members[s->next++] : NULL; }

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
    err_set(err, ERR_INPUT, "the archive '%.200s' is broken: the sum of a member is wrong", s->name);
    *fault = UNPACK_BROKEN;
    return -1;
}

void seven_free(struct seven *s)
{
    if (!s)
        return;
    for (int64_t i = 0; i < s->count; i++)
        free((char *)s->members[i].path);
    fd_close(s->fd);
    free(s->members);
    free(s->path);
    free(s->scratch);
    free(s);
}
