/* The same picture in fewer bytes: which tools are tried on what, and whom is believed. */
#include "media/shrink.h"
#include "base/clock.h"
#include "base/str.h"
#include "media/mime.h"
#include "media/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define LOOSE_PIXELS 1000000   /* as large as drawings are compared */
#define LOOSE (16 * 257)       /* how much a drawing's pixel may change: coordinates are rounded */
#define DRAWING_MAX (64 << 20) /* bytes */
#define SHARE_OF_TIME 0.4      /* of the time for a job, that one tool may compute */
#define SHARE_OF_ALL 0.8       /* ... and that all together may take */

struct attempt {
    struct robot_job *job;
    const struct shrink *how;
    const char *path;   /* of the file */
    const char *format; /* as image_format() says it */
    int orientation;
    int64_t width, height;
    const char *best; /* the smallest yet; NULL: the file itself */
    int64_t size;
    int64_t until_us; /* when no tool is started any more */
};

static int64_t shrink_size(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? -1 : st.st_size;
}

static struct image_load loading(const struct attempt *a)
{
    struct image_load l = {.limits = a->how->limits, .all_frames = true, .strict = true};

    if (!strcmp(a->format, "svg"))
        l.density = 72 * fmin(1, sqrt((double)LOOSE_PIXELS / (double)(a->width * a->height)));
    return l;
}

/* Do both files show the same? */
static bool shows_the_same(const struct attempt *a, const char *path)
{
    AUTO(image_free) struct image *was = NULL, *is = NULL;
    const struct image_load l = loading(a);
    struct err none;
    int most;

    robot_progress(a->job, 0.8);
    if (image_open(&was, a->path, &l, &none) < 0 || image_open(&is, path, &l, &none) < 0)
        return false;
    most = image_difference(was, is, strcmp(a->format, "gif") != 0 && strcmp(a->format, "svg") != 0,
                            &none);
    return most >= 0 && most <= (strcmp(a->format, "svg") ? 0 : LOOSE);
}

/* path is the best from now on, or goes. lossy: it may look different. */
static void consider(struct attempt *a, const char *path, bool lossy)
{
    int64_t size = shrink_size(path);

    if (size > 0 && size < a->size && (lossy || shows_the_same(a, path))) {
        if (a->best)
            unlink(a->best);
        a->best = path;
        a->size = size;
    } else {
        unlink(path);
    }
}

/* What the next attempt begins with. */
static const char *so_far(const struct attempt *a) { return a->best ? a->best : a->path; }

static int cpu_share(const struct attempt *a)
{
    int s = (int)(a->how->limits.timeout_s * SHARE_OF_TIME);

    return s < 1 ? 1 : s;
}

/* 0: it has run. 1: it can't do this file, or not in the time that is left: what was found before
 * it counts. -1: it is not there. One that hangs is left behind, and the worker ends after the job
 * (tool.h). */
static int try_tool(const struct attempt *a, const char *const argv[], struct err *err)
{
    int left_ms = (int)((a->until_us - clock_mono_us()) / 1000);
    struct err why;

    if (left_ms < 1000 || tool_is_stuck())
        return 1;
    if (tool_run(a->job, &(struct tool){.argv = argv, .cpu_s = cpu_share(a), .timeout_ms = left_ms},
                 &why) == 0)
        return 0;
    if (why.code == ERR_TIMEOUT ||
        (why.exited && why.exited < 126)) /* or what it says of the file, or a signal */
        return 1;
    *err = why;
    return -1;
}

/* ---- one kind each: 0 also when nothing came of it ---- */

static int try_jpeg(struct attempt *a, struct err *err)
{
    const char *out = robot_out_path(a->job, "jpg");
    int rc = shrink_jpeg(a->path, out, a->how->progressive, a->how->keep_meta, a->orientation,
                         a->job, err);

    if (rc)
        unlink(out);
    else
        consider(a, out, false);
    return rc < 0 ? -1 : 0;
}

static const char *effort(const struct attempt *a) { return a->how->thorough ? "-o5" : "-o1"; }

/* lossy: from is a file that may look different. */
static int try_optipng(struct attempt *a, const char *from, const char *level, bool interlaced,
                       bool lossy, struct err *err)
{
    const char *out = robot_out_path(a->job, "png");
    const char *const argv[] = {
        "optipng", "-quiet", "-fix", level, "-out", out, from, interlaced ? "-i1" : NULL, NULL};
    int rc = try_tool(a, argv, err);

    if (rc)
        unlink(out);
    else
        consider(a, out, lossy);
    return rc < 0 ? -1 : 0;
}

/* A palette of what the picture needs, when that still looks the same to people. */
static int try_palette(struct attempt *a, struct err *err)
{
    const char *out = robot_out_path(a->job, "png");
    const char *const argv[] = {"pngquant",
                                "--quality",
                                "70-95",
                                "--speed",
                                a->how->thorough ? "1" : "3",
                                "--skip-if-larger",
                                "--output",
                                out,
                                "--",
                                so_far(a),
                                NULL};
    int rc = try_tool(a, argv, err);

    if (rc) {
        unlink(out);
        return rc < 0 ? -1 : 0;
    }
    if (try_optipng(a, out, effort(a), a->how->progressive, true, err) < 0)
        return -1;
    consider(a, out, true);
    return 0;
}

static void consider_stripped(struct attempt *a, const char *path, int failed)
{
    if (failed)
        unlink(path);
    else
        consider(a, path, false);
}

static int try_png(struct attempt *a, struct err *err)
{
    const char *bare = robot_out_path(a->job, "png");
    struct err none;

    if (!a->how->keep_meta)
        consider_stripped(a, bare, shrink_strip_png(a->path, bare, &none));
    if (shrink_is_apng(a->path)) /* whose frames no tool here understands */
        return 0;
    const char *before = a->best;
    if (a->how->progressive && try_optipng(a, so_far(a), effort(a), true, false, err) < 0)
        return -1;
    robot_progress(a->job, 0.3);
    bool interlaced = a->best != before;
    if (!interlaced && try_optipng(a, so_far(a), "-o1", false, false, err) < 0)
        return -1;
    robot_progress(a->job, 0.5);
    if (!interlaced && a->how->thorough && try_optipng(a, so_far(a), "-o5", false, false, err) < 0)
        return -1;
    return a->how->lossy ? try_palette(a, err) : 0;
}

static int try_gif(struct attempt *a, struct err *err)
{
    const char *out = robot_out_path(a->job, "gif"), *argv[12];
    int n = 0, rc;

    argv[n++] = "gifsicle";
    argv[n++] = a->how->thorough ? "-O3" : "-O2";
    argv[n++] = "--no-warnings";
    if (a->how->progressive)
        argv[n++] = "--interlace";
    if (!a->how->keep_meta) {
        argv[n++] = "--no-comments";
        argv[n++] = "--no-names";
        argv[n++] = "--no-extensions";
    }
    argv[n++] = "-o";
    argv[n++] = out;
    argv[n++] = a->path;
    argv[n] = NULL;
    if ((rc = try_tool(a, argv, err)) != 0)
        unlink(out);
    else
        consider(a, out, false);
    return rc < 0 ? -1 : 0;
}

static int try_webp(struct attempt *a, struct err *err)
{
    const char *bare = robot_out_path(a->job, "webp");
    struct err none;

    if (!a->how->keep_meta)
        consider_stripped(a, bare, shrink_strip_webp(a->path, bare, &none));
    if (!shrink_is_lossless_webp(a->path))
        return 0;
    const char *out = robot_out_path(a->job, "webp");
    const char *const argv[] = {"cwebp",     "-quiet", "-exact", "-z", a->how->thorough ? "9" : "6",
                                "-metadata", "all",    "-o",     out,  "--",
                                so_far(a),   NULL};
    int rc = try_tool(a, argv, err);

    if (rc)
        unlink(out);
    else
        consider(a, out, false);
    return rc < 0 ? -1 : 0;
}

/* ---- drawings ---- */

static int write_whole(const char *path, const void *data, size_t len, struct err *err)
{
    AUTO(shrink_close) FILE *f = fopen(path, "wbxe");

    return !f || fwrite(data, 1, len, f) != len || fflush(f) ? err_errno(err, "'%s'", path) : 0;
}

static int pack(const char *to, const struct str *text, struct err *err)
{
    gzFile z = gzopen(to, "wbx9");
    bool fine = z && gzwrite(z, text->s, (unsigned)text->len) == (int)text->len;

    return (z && gzclose(z) != Z_OK) || !fine ? err_set(err, ERR_IO, "can't write '%s'", to) : 0;
}

/* The drawing's text. *packed: the file is gzipped. NULL: it is none that could be made smaller:
 * too large, or with a program, which may use what looks as if nobody did. */
static char *drawing(size_t *len, bool *packed, const char *path)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *text = NULL;
    uint8_t head[4];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > DRAWING_MAX ||
        pread(fd, head, sizeof head, 0) != sizeof head)
        return NULL;
    if ((*packed = gzip_begins(head, sizeof head))) {
        text = (char *)gzip_inflate(len, fd, DRAWING_MAX, true);
    } else {
        *len = (size_t)st.st_size;
        text = mem_alloc(*len + 1);
        if (pread(fd, text, *len, 0) != st.st_size)
            return NULL;
    }
    return text && !memmem(text, *len, "<script", 7) && !memmem(text, *len, ":script", 7)
               ? take(text)
               : NULL;
}

static int run_scour(struct attempt *a, const char *from, const char *to, struct err *err)
{
    const char *const keep[] = {
        "scour", "-q", "-i", from, "-o", to, "--indent=none", "--keep-editor-data", NULL};
    const char *const drop[] = {"scour",
                                "-q",
                                "-i",
                                from,
                                "-o",
                                to,
                                "--indent=none",
                                "--no-line-breaks",
                                "--enable-comment-stripping",
                                "--remove-metadata",
                                NULL};

    return try_tool(a, a->how->keep_meta ? keep : drop, err);
}

static int try_svg(struct attempt *a, struct err *err)
{
    const char *plain = robot_out_path(a->job, "svg"), *out = robot_out_path(a->job, "svg"),
               *shown = out;
    bool packed = false;
    size_t len = 0;
    AUTO(mem_free) char *text = drawing(&len, &packed, a->path);
    int rc;

    if (!text)
        return 0;
    if (write_whole(plain, text, len, err) < 0)
        return -1;
    rc = run_scour(a, plain, out, err);
    unlink(plain);
    if (rc == 0 && packed) {
        AUTO(fd_close) int fd = open(out, O_RDONLY | O_CLOEXEC);
        AUTO(str_done) struct str made = {0};
        char buf[16 * 1024];
        ssize_t n;

        while (fd >= 0 && made.len < DRAWING_MAX && (n = read(fd, buf, sizeof buf)) > 0)
            str_add(&made, buf, (size_t)n);
        shown = robot_out_path(a->job, "svgz");
        unlink(out);
        if (pack(shown, &made, err) < 0)
            return -1;
    }
    if (rc == 0)
        consider(a, shown, false);
    else
        unlink(out);
    return rc < 0 ? -1 : 0;
}

/* ---- all ---- */

static const struct {
    const char *mime;
    int (*try)(struct attempt *a, struct err *err);
} shrink_rows[] = {
    {"image/jpeg", try_jpeg}, {"image/png", try_png},     {"image/gif", try_gif},
    {"image/webp", try_webp}, {"image/svg+xml", try_svg},
};

static int shrink_with(struct attempt *a, int (*try)(struct attempt *, struct err *),
                       struct err *err)
{
    const struct image_load l = {.limits = a->how->limits, .all_frames = true, .strict = true};
    AUTO(image_free) struct image *img = NULL;

    if (image_open(&img, a->path, &l, err) < 0)
        return -1;
    if (!a->how->mend && image_render(img, err) < 0) /* or some tool would make something up */
        return -1;
    a->format = image_canonical(image_format(img));
    a->orientation = image_orientation(img);
    a->width = image_width(img);
    a->height = image_height(img);
    a->size = shrink_size(a->path);
    return try(a, err);
}

int shrink_file(const char **out, struct robot_job *job, const char *path, const struct shrink *how,
                struct err *err)
{
    const int64_t all_us = (int64_t)(how->limits.timeout_s * SHARE_OF_ALL * 1e6);
    struct attempt a = {.job = job, .how = how, .path = path, .until_us = clock_mono_us() + all_us};
    char mime[MIME_LEN];
    struct err why;

    *out = NULL;
    if (mime_detect(mime, path, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(shrink_rows); i++) {
        if (strcmp(shrink_rows[i].mime, mime) != 0)
            continue;
        if (shrink_with(&a, shrink_rows[i].try, &why) < 0 &&
            (!how->mend || why.code == ERR_TIMEOUT || why.code == ERR_IO)) {
            *err = why;
            return -1;
        }
        *out = a.best;
    }
    return 0;
}
