#include "media/pdf_page.h"
#include "base/str.h"
#include "media/pdf_said.h"
#include "media/tool.h"

#include <stdio.h>
#include <unistd.h>

enum { SAID_MAX = 64 * 1024, USUAL_DPI = 150 };

/* The size of the sheet in points, which the child does not look at before it asks for memory. */
static int pdf_media_box(double *w, double *h, struct robot_job *job, const char *path,
                         int64_t page, struct err *err)
{
    const char *number = arena_printf(robot_arena(job), "%lld", (long long)page);
    const char *const argv[] = {"pdfinfo", "-box", "-f", number, "-l", number, path, NULL};
    AUTO(str_done) struct str said = {0};

    if (tool_run(job, &(struct tool){.argv = argv, .text = &said, .text_max = SAID_MAX}, err) < 0)
        return -1;
    return pdf_said_box(w, h, said.s) ? 0 : err_set(err, ERR_COMMAND, "page %lld has no size", (long long)page);
}

static int pdf_fits(struct robot_job *job, const char *path, const struct pdf_page *how, double dpi,
                    struct err *err)
{
    AUTO(image_free) struct image *look = NULL;
    double w = 0, h = 0;

    if (!how->media_box) /* its header is enough */
        return image_open(
            &look, path,
            &(struct image_load){.limits = *how->limits, .frame = how->page, .density = dpi}, err);
    if (pdf_media_box(&w, &h, job, path, how->page, err) < 0)
        return -1;
    w *= dpi / 72;
    h *= dpi / 72;
    if (w * h <= (double)how->limits->max_pixels)
        return 0;
    return err_set(
        err, ERR_COMMAND,
        "page %lld has %.0fx%.0f pixels at %g dpi, the limit is %lld in all (setting max_pixels)",
        (long long)how->page, w, h, dpi, (long long)how->limits->max_pixels);
}

static int pdf_draw_apart(struct image **out, struct robot_job *job, const char *path,
                          const struct pdf_page *how, struct err *err)
{
    struct arena *a = robot_arena(job);
    double dpi = how->dpi > 0 ? how->dpi : USUAL_DPI;
    const char *base = robot_out_path(job, "page"), *made = arena_printf(a, "%s.png", base);
    const char *number = arena_printf(a, "%lld", (long long)how->page), *argv[20];
    int n = 0;

    if (pdf_fits(job, path, how, dpi, err) < 0)
        return -1;
    const char *const begin[] = {"pdftocairo", "-png", "-singlefile",
                                 "-f",         number, "-l",
                                 number,       "-r",   arena_printf(a, "%g", dpi)};
    for (size_t i = 0; i < ARRAY_LEN(begin); i++)
        argv[n++] = begin[i];
    if (how->bare)
        argv[n++] = "-transp";
    if (!how->media_box)
        argv[n++] = "-cropbox";
    argv[n++] = "-antialias";
    argv[n++] = how->jagged ? "none" : "default";
    argv[n++] = path;
    argv[n++] = base;
    argv[n] = NULL;
    int rc = tool_run(job, &(struct tool){.argv = argv}, err);
    if (rc == 0)
        rc = image_open(out, made, &(struct image_load){.limits = *how->limits}, err);
    if (rc == 0)
        rc = image_render(*out, err); /* before its file goes */
    unlink(made);
    return rc;
}

int pdf_draw(struct image **out, struct robot_job *job, const char *path,
             const struct pdf_page *how, struct err *err)
{
    const struct image_load load = {
        .limits = *how->limits, .frame = how->page, .density = how->dpi, .bare = how->bare};

    if (how->jagged || how->media_box)
        return pdf_draw_apart(out, job, path, how, err);
    return image_open(out, path, &load, err);
}
