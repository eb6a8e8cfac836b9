/* What a page looks like, as a file. */
#include "browser/private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>

#define JPEG_QUALITY 90
#define STREAM_PIECE 1048576

static int capture_write(int fd, const char *coded, int64_t *total, int64_t most, struct err *err)
{
    size_t n = strlen(coded);
    AUTO(mem_free) char *raw = mem_alloc(n / 4 * 3 + 3);
    ptrdiff_t got = base64_decode((unsigned char *)raw, coded, n);

    if (got < 0)
        return err_set(err, ERR_COMMAND, "the browser sends a file that can't be read");
    if (most > 0 && (*total += got) > most)
        return err_set(err, ERR_INPUT, "the result is larger than %lld bytes", (long long)most);
    for (const char *p = raw; got > 0;) {
        ssize_t wrote = write(fd, p, (size_t)got);

        if (wrote < 0 && errno != EINTR)
            return err_errno(err, "write the result");
        p += wrote > 0 ? wrote : 0;
        got -= wrote > 0 ? wrote : 0;
    }
    return 0;
}

/* ---- pictures ---- */

static int capture_size(int *width, int *height, struct drawing *d, struct err *err)
{
    json_t *metrics = NULL;

    *width = d->wish->width;
    *height = d->wish->height;
    if (!d->wish->whole)
        return 0;
    if (drawing_call(&metrics, d, d->session, "Page.getLayoutMetrics", NULL, err) < 0)
        return -1;
    const json_t *content = json_object_get(metrics, "cssContentSize");
    double w = ceil(jnum(content, "width", 0)), h = ceil(jnum(content, "height", 0));
    json_decref(metrics);
    if (!(w >= 1 && h >= 1))
        return err_set(err, ERR_COMMAND, "the browser does not know how large the page is");
    if (w > PAGE_SIDE_MAX || h > PAGE_SIDE_MAX || w * h > (double)PAGE_PIXELS_MAX)
        return err_set(err, ERR_INPUT,
                       "the page is %.0f by %.0f pixels; a picture has at most %d on a side and %lld in all: ask for a "
                       "PDF, or for its top by 'fullpage' false",
                       w, h, PAGE_SIDE_MAX, (long long)PAGE_PIXELS_MAX);
    *width = (int)w;
    *height = (int)h;
    return 0;
}

static int capture_picture(struct drawing *d, int fd, struct err *err)
{
    bool jpeg = d->wish->form == PAGE_JPEG;
    json_t *picture = NULL, *params;
    int width, height;
    int64_t total = 0;

    if (capture_size(&width, &height, d, err) < 0)
        return -1;
    params = json_pack("{s:s,s:b,s:b,s:{s:i,s:i,s:i,s:i,s:i}}", "format", jpeg ? "jpeg" : "png",
                       "captureBeyondViewport", 1, "optimizeForSpeed", 0, "clip", "x", 0, "y", 0, "width", width,
                       "height", height, "scale", 1);
    if (jpeg)
        json_object_set_new(params, "quality", json_integer(JPEG_QUALITY));
    if (drawing_call(&picture, d, d->session, "Page.captureScreenshot", params, err) < 0)
        return -1;
    int rc = capture_write(fd, jstr_or(picture, "data", ""), &total, d->wish->most_bytes, err);
    json_decref(picture);
    return rc;
}

/* ---- PDF ---- */

static json_t *paper_params(const struct page_opts *o)
{
    struct page_paper p = page_paper(o);
    json_t *params = json_pack("{s:b,s:b,s:f,s:f,s:f,s:f,s:f,s:f,s:s}", "printBackground", p.background,
                               "displayHeaderFooter", p.has_header_footer, "paperWidth", p.width, "paperHeight",
                               p.height, "marginTop", p.margin[0], "marginRight", p.margin[1], "marginBottom",
                               p.margin[2], "marginLeft", p.margin[3], "transferMode", "ReturnAsStream");

    if (p.has_header_footer) { /* what is not given is nothing, and not Chromium's own date and address */
        json_object_set_new(params, "headerTemplate", jstring(str_given(p.header) ? p.header : "<span></span>"));
        json_object_set_new(params, "footerTemplate", jstring(str_given(p.footer) ? p.footer : "<span></span>"));
    }
    return params;
}

static int capture_stream(struct drawing *d, const char *handle, int fd, struct err *err)
{
    bool eof = false;
    int64_t total = 0;
    int rc = 0;

    while (rc == 0 && !eof) {
        json_t *piece = NULL;

        if (drawing_call(&piece, d, d->session, "IO.read",
                         json_pack("{s:s,s:i}", "handle", handle, "size", STREAM_PIECE), err) < 0)
            return -1;
        if (!jbool(piece, "base64Encoded", false) && *jstr_or(piece, "data", ""))
            rc = err_set(err, ERR_COMMAND, "the browser sends a PDF as text");
        else
            rc = capture_write(fd, jstr_or(piece, "data", ""), &total, d->wish->most_bytes, err);
        eof = jbool(piece, "eof", true);
        json_decref(piece);
    }
    return rc;
}

static int capture_pdf(struct drawing *d, int fd, struct err *err)
{
    AUTO(json_unref) json_t *result = NULL;

    if (drawing_call(&result, d, d->session, "Page.printToPDF", paper_params(d->wish->paper), err) < 0)
        return -1;
    return capture_stream(d, jstr_or(result, "stream", ""), fd, err);
}

int capture_page(struct drawing *d, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, "make the result");
    return d->wish->form == PAGE_PDF ? capture_pdf(d, fd, err) : capture_picture(d, fd, err);
}
