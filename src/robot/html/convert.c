/* /html/convert: a picture or a PDF of a web page, or of an HTML file. */
#include "base/clock.h"
#include "browser/browser.h"
#include "http/address.h"
#include "http/naming.h"
#include "robot/robot.h"
#include "transfer/values.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WINDOW_HEIGHT 768
#define INPUT_MAX (INT64_C(32) << 20) /* bytes */
#define SPARE_US (2 * SECOND_US)      /* to end in good order, before the server does it */
#define LONGEST_S 60
#define DELAY_MAX 50000

enum { JPEG, JPG, PDF, PNG };
static const struct opt_choice formats[] = {{"jpeg", JPEG}, {"jpg", JPG}, {"pdf", PDF}, {"png", PNG}, {0}};
static const struct opt_choice moments[] = {{"domcontentloaded", PAGE_PARSED},
                                            {"load", PAGE_LOADED},
                                            {"networkidle", PAGE_IDLE},
                                            {"commit", PAGE_COMMIT},
                                            {0}};

struct convert_opts {
    const char *url;
    int format, wait_until;
    bool fullpage, omit_background;
    int64_t width, height, delay;
    json_t *headers;
    struct page_opts page;
};
#define T struct convert_opts
static const struct option options[] = {
    OPT_STR(T, url, .nullable = true, .example = "\"https://example.com/\"",
            .help = "Page that is drawn where no HTML file is given."),
    OPT_ENUM(T, format, formats, .def = PNG, .help = "Picture, or PDF."),
    OPT_BOOL(T, fullpage, .def = true, .help = "All of the page, from its top to its end. Of a picture."),
    OPT_BOOL(T, omit_background, .help = "Where the page has no background of its own a PNG is transparent."),
    OPT_INT(T, width, .min = 1, .max = PAGE_SIDE_MAX, .def = 1024, .unit = "px", .help = "Width of the window."),
    OPT_INT(T, height, .min = 1, .max = PAGE_SIDE_MAX, .unit = "px",
            .help = "Height of the window, with `fullpage` false. Left out: 768."),
    OPT_INT(T, delay, .min = 0, .max = DELAY_MAX, .unit = "ms", .help = "Waits so long before it draws."),
    OPT_JSON(T, headers, .example = "{\"Authorization\": \"Bearer x\"}",
             .help = "Headers of requests to where the page is. They are sent to no other origin."),
    OPT_ENUM(T, wait_until, moments, .def = PAGE_IDLE,
             .help = "What must have happened: the answer has begun to come (commit), the page is read, all that it "
                     "names has come (load), or half a second without a request after that."),
    OPT_GROUP(T, page, struct page_opts, page_options_beyond),
    OPT_END,
};

static const char *const reserved[] = {"connection", "content-length", "expect", "host", "transfer-encoding", NULL};

static int html_convert_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    if (str_given(o->url) && !value_is_web(o->url))
        return err_set(err, ERR_ROBOT_VALIDATION, "'url' is not an http or https address");
    if (!json_is_null(o->headers) && o->headers && value_header_map(o->headers, reserved, err) < 0)
        return -1;
    if (o->width * (o->height ? o->height : WINDOW_HEIGHT) > PAGE_PIXELS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'width' times 'height' is more than %lld pixels",
                       (long long)PAGE_PIXELS_MAX);
    return page_opts_check(&o->page, partial, err);
}

/* ---- what is drawn ---- */

struct html_convert {
    struct robot_job *job;
    const T *opts;
    struct page_wish wish;
    const char *dir, *headers[VALUE_HEADERS_MAX + 1];
    char *url, *html;
};

static void html_convert_done(struct html_convert c)
{
    free(c.url);
    free(c.html);
}
DEFINE_AUTO(struct html_convert, html_convert_done)

static int html_convert_read(struct html_convert *c, const struct robot_input *in, struct err *err)
{
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    size_t size = in->size > 0 ? (size_t)in->size : 0, got = 0;
    ssize_t n = 1;

    if (in->size > INPUT_MAX)
        return err_set(err, ERR_INPUT, "'%.100s' has %lld bytes; a page has at most %lld", in->name,
                       (long long)in->size, (long long)INPUT_MAX);
    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    c->html = mem_alloc(size + 1);
    while (got < size && (n = read(fd, c->html + got, size - got)) > 0)
        got += (size_t)n;
    if (n < 0)
        return err_errno(err, "read '%s'", in->name);
    c->wish.html = c->html;
    c->wish.html_len = got;
    return 0;
}

static int html_convert_source(struct html_convert *c, struct err *err)
{
    if (robot_input_count(c->job))
        return html_convert_read(c, robot_input(c->job, 0), err);
    if (!str_given(c->opts->url))
        return err_set(err, ERR_ROBOT_VALIDATION, "there is neither 'url' nor an HTML file");
    c->url = naming_clean_url(c->opts->url);
    c->wish.url = c->url;
    return c->url ? 0 : err_set(err, ERR_ROBOT_VALIDATION, "'url' is not an http or https address");
}

static void html_convert_headers(struct html_convert *c)
{
    const char *name;
    json_t *v;
    int n = 0;

    json_object_foreach (c->opts->headers, name, v) {
        AUTO(mem_free) char *text = value_text(v);

        if (n < VALUE_HEADERS_MAX)
            c->headers[n++] = arena_printf(robot_arena(c->job), "%s: %s", name, text);
    }
    c->wish.headers = c->headers;
}

static void html_convert_wish(struct html_convert *c)
{
    const T *o = c->opts;
    const json_t *settings = robot_settings(c->job);
    int64_t limit_s = jint(settings, "timeout_s", LONGEST_S);

    c->wish.form = o->format == PDF ? PAGE_PDF : o->format == PNG ? PAGE_PNG : PAGE_JPEG;
    c->wish.width = (int)o->width;
    c->wish.height = o->fullpage || !o->height ? WINDOW_HEIGHT : (int)o->height;
    c->wish.whole = o->fullpage;
    c->wish.see_through = o->omit_background;
    c->wish.until = (enum page_moment)o->wait_until;
    c->wish.delay_ms = o->delay;
    c->wish.paper = &o->page;
    c->wish.guard = jstr_or(settings, "import_allow", "");
    c->wish.most_bytes = jint(settings, "max_file_size", 0);
    c->wish.deadline_us = clock_mono_us() + (limit_s < LONGEST_S ? limit_s : LONGEST_S) * SECOND_US;
    if (limit_s <= LONGEST_S && limit_s > 4)
        c->wish.deadline_us -= SPARE_US;
    html_convert_headers(c);
}

/* ---- the work ---- */

static int html_convert_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    (void)remove(path);
    return 0;
}

/* A place of the browser's own, whose path is absolute. */
static int html_convert_dir(struct html_convert *c, struct err *err)
{
    const char *path = robot_out_path(c->job, "");
    AUTO(mem_free) char *whole = NULL;

    if (mkdir(path, 0700) < 0 || !(whole = realpath(path, NULL)))
        return err_errno(err, "make a directory for the browser");
    c->dir = arena_strdup(robot_arena(c->job), whole);
    return 0;
}

static int html_convert_draw(struct html_convert *c, const char *path, struct err *err)
{
    struct browser *b = NULL;
    int rc;

    if (html_convert_dir(c, err) < 0)
        return -1;
    rc = browser_start(&b, c->dir, c->wish.deadline_us, err);
    if (rc == 0)
        rc = browser_draw(b, &c->wish, path, err);
    browser_end(b);
    (void)nftw(c->dir, html_convert_remove, 16, FTW_DEPTH | FTW_PHYS);
    return rc;
}

static int html_convert_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const char *ext = formats[o->format].name, *path = robot_out_path(job, ext);
    AUTO(html_convert_done) struct html_convert c = {.job = job, .opts = o};
    AUTO(mem_free) char *host = NULL, *name = NULL;

    if (html_convert_source(&c, err) < 0)
        return -1;
    html_convert_wish(&c);
    if (html_convert_draw(&c, path, err) < 0)
        return -1;
    if (c.url) {
        host = address_host(c.url);
        host[strcspn(host, ":")] = 0;
        name = mem_printf("%s.%s", *host ? host : "page", ext);
    }
    return robot_emit(job,
                      &(struct robot_output){.path = path, .ext = ext, .name = name, .input = c.url ? -1 : 0},
                      err);
}

const struct robot robot_html_convert = {
    .name = "/html/convert",
    .summary = "Draw a web page as a picture or PDF",
    .accepts = "text/html|application/xhtml+xml",
    .role = ROLE_BROWSER,
    .no_input = true,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"url\": \"https://example.com/\"}",
    .check = html_convert_check,
    .run = IN_WORKER(html_convert_run),
};
