/* /file/decompress: each file in an archive becomes one. */
#include "base/map.h"
#include "base/str.h"
#include "media/unpack.h"
#include "robot/robot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct decompress_opts {
    const char *password;
    bool turbo;
};
#define T struct decompress_opts
static const struct option options[] = {
    OPT_STR(T, password, .secret = true, .help = "Password of the archive."),
    OPT_BOOL(T, turbo, .def = true,
             .help = "Hand files on as soon as they are there. Else none before all are: a broken archive gives "
                     "nothing then."),
    OPT_END,
};
#undef T

/* A file that was taken out and not handed on yet, or a hard link to one that is still to be found. */
struct waiting {
    const char *file; /* where it is; NULL: not known yet */
    const char *path; /* in the archive */
    const char *same_as;
    int next; /* index of another link with the same contents; -1: none */
};

struct unpacking {
    struct robot_job *job;
    const struct decompress_opts *opts;
    struct unpack *u;
    int input;
    struct waiting *waits;
    int count;
    bool again; /* the second time over: for hard links */
};

static void on_block(void *ctx, double fraction)
{
    struct unpacking *w = ctx;

    if (!w->again)
        robot_progress(w->job, ((double)w->input + fraction) / (double)robot_input_count(w->job));
}

static int hand_on(struct unpacking *w, const char *file, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *dir = mem_strndup(path, slash ? (size_t)(slash - path) : 0);

    return robot_emit(
        w->job,
        &(struct robot_output){.path = file,
                               .name = slash ? slash + 1 : path,
                               .meta = json_pack("{s:s,s:s}", "archive_directory", dir, "relative_path", path),
                               .input = w->input},
        err);
}

static void wait_with(struct unpacking *w, const char *file, const char *path, const char *same_as)
{
    struct arena *a = robot_arena(w->job);

    if ((w->count & (w->count - 1)) == 0)
        w->waits = mem_realloc(w->waits, (size_t)(w->count ? w->count * 2 : 1) * sizeof *w->waits);
    w->waits[w->count++] =
        (struct waiting){file, arena_strdup(a, path), same_as ? arena_strdup(a, same_as) : NULL, -1};
}

/* *out: the file with the contents of the present member. */
static int take_out(const char **out, struct unpacking *w, struct err *err)
{
    *out = robot_out_path(w->job, "bin");
    AUTO(fd_close) int fd = open(*out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, "create a file");
    return unpack_contents(w->u, fd, on_block, w, err);
}

static int on_member(struct unpacking *w, const struct unpack_member *m, struct err *err)
{
    AUTO(mem_free) char *path = mem_strdup(m->path);
    const char *file;

    if (m->same_as) {
        wait_with(w, NULL, path, m->same_as);
        return 0;
    }
    if (take_out(&file, w, err) < 0)
        return -1;
    if (w->opts->turbo)
        return hand_on(w, file, path, err);
    wait_with(w, file, path, NULL);
    return 0;
}

/* ---- hard links: the contents lie with another member, which is gone by then ---- */

static int copy_file(const char **out, struct unpacking *w, const char *from, struct err *err)
{
    *out = robot_out_path(w->job, "bin");
    AUTO(fd_close)
    int in = open(from, O_RDONLY | O_CLOEXEC),
        fd = open(*out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    if (in < 0 || fd < 0)
        return err_errno(err, "copy a file");
    while ((n = copy_file_range(in, NULL, fd, NULL, 1 << 20, 0)) > 0)
        if (unpack_spend(w->u, n, err) < 0)
            return -1;
    return n < 0 ? err_errno(err, "copy a file") : 0;
}

/* Links that lead to links end at a member with contents. NULL: they lead nowhere, or in a circle. */
static const char *link_end(const struct map *links, const char *path)
{
    for (int hops = 0; hops < 40; hops++) {
        const struct waiting *next = map_get(links, path);

        if (!next)
            return path;
        path = next->same_as;
    }
    return NULL;
}

/* The present member is what the link first, and those behind it, are: the last of them gets the file itself, the
 * others copies. */
static int fill_links(struct unpacking *w, int first, struct err *err)
{
    const char *file;

    if (take_out(&file, w, err) < 0)
        return -1;
    for (int i = first; i >= 0; i = w->waits[i].next) {
        w->waits[i].file = file;
        if (w->waits[i].next >= 0 && copy_file(&w->waits[i].file, w, file, err) < 0)
            return -1;
    }
    return 0;
}

/* wanted: by path of a member, the number of the first link to it, from one. */
static int find_links(struct unpacking *w, struct map *wanted, struct err *err)
{
    struct unpack_member m;
    int rc;

    w->again = true;
    if (unpack_again(w->u, err) < 0)
        return -1;
    while (wanted->count && (rc = unpack_next(&m, w->u, err)) != 0) {
        if (rc < 0)
            return -1;
        size_t first = m.same_as ? 0 : (size_t)map_del(wanted, m.path);
        if (first && fill_links(w, (int)first - 1, err) < 0)
            return -1;
    }
    return 0;
}

/* One more time over the archive, however many there are. */
static int resolve_links(struct unpacking *w, struct err *err)
{
    struct map links = {0}, wanted = {0};
    int rc = 0;

    for (int i = 0; i < w->count; i++)
        if (w->waits[i].same_as)
            map_put(&links, w->waits[i].path, &w->waits[i]);
    for (int i = 0; i < w->count; i++) {
        const char *end = w->waits[i].same_as ? link_end(&links, w->waits[i].same_as) : NULL;

        if (end)
            w->waits[i].next = (int)(size_t)map_put(&wanted, end, (void *)(size_t)(i + 1)) - 1;
    }
    if (links.count)
        rc = find_links(w, &wanted, err);
    for (int i = 0; rc == 0 && i < w->count; i++)
        if (!w->waits[i].file)
            rc = robot_fail(w->job, err, ERR_INPUT, "INVALID_INPUT",
                            "the archive has a hard link to '%.200s', which is not in it", w->waits[i].same_as);
    map_done(&links);
    map_done(&wanted);
    return rc;
}

/* ---- an archive ---- */

static int walk(struct unpacking *w, struct err *err)
{
    struct unpack_member m;
    int rc;

    while ((rc = unpack_next(&m, w->u, err)) > 0)
        if (on_member(w, &m, err) < 0)
            return -1;
    if (rc < 0 || resolve_links(w, err) < 0)
        return -1;
    for (int i = 0; i < w->count; i++)
        if (hand_on(w, w->waits[i].file, w->waits[i].path, err) < 0)
            return -1;
    return 0;
}

/* The code that the contract has for it. What else fails has its own already. */
static int decompress_failed(const struct unpacking *w, struct err *err)
{
    switch (unpack_fault(w->u)) {
    case UNPACK_NO_ARCHIVE:
    case UNPACK_BROKEN:
    case UNPACK_LIMIT:
        return robot_fail(w->job, err, ERR_INPUT, "INVALID_INPUT", "%s", err->msg);
    case UNPACK_NEEDS_PASSWORD:
        return robot_fail(w->job, err, ERR_INPUT, "PASSWORD_REQUIRED", "%s", err->msg);
    case UNPACK_WRONG_PASSWORD:
        return robot_fail(w->job, err, ERR_INPUT, "PASSWORD_INCORRECT", "%s", err->msg);
    case UNPACK_MALICIOUS:
        snprintf(err->name, sizeof err->name, "POSSIBLY_MALICIOUS_FILE_FOUND");
        return -1;
    default:
        return -1;
    }
}

static int decompress_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct unpack_limits limits = unpack_limits(robot_settings(job));
    int rc = 0;

    for (int i = 0; rc == 0 && i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);
        struct unpacking w = {.job = job, .opts = opts, .input = i};

        limits.scratch = str_given(w.opts->password) ? robot_out_path(job, "tmp") : NULL;
        rc = unpack_open(&w.u, in->path, in->name, w.opts->password, &limits, err);
        if (rc == 0)
            rc = walk(&w, err);
        if (rc < 0)
            decompress_failed(&w, err);
        unpack_free(w.u);
        free(w.waits);
    }
    return rc;
}

const struct robot robot_file_decompress = {
    .name = "/file/decompress",
    .summary = "Unpack an archive",
    .role = ROLE_MEDIA,
    .flags = ROBOT_IGNORES_META,
    .nothing = "there is no file",
    .price_factor = 1.25,
    .slots = 10,
    .opts_size = sizeof(struct decompress_opts),
    .options = options,
    .run = IN_WORKER(decompress_run),
};
