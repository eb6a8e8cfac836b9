#include "media/ocr.h"
#include "base/file.h"
#include "media/ocr_said.h"
#include "media/tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIXELS_MOST =
        16 * 1000 *
        1000, /* what is larger is made smaller before: its letters still have more than enough */
    SIDE_MOST = 30000,    /* px: the program's own limit is 32767 */
    PAGE_MS = 120 * 1000, /* for one picture */
    META_MOST = 512000,   /* bytes: it is in the status, and in all that quotes it */
};

void ocr_done(struct ocr o) { free(o.line); }

/* ---- the picture as it is shown to the program ---- */

/* *shrunk: px of it for one of img. */
static int ocr_prepare(const char **path, double *shrunk, struct robot_job *job, struct image *img,
                       struct err *err)
{
    AUTO(image_free) struct image *gray = NULL;
    const struct image_save how = {.format = "png", .strip = true, .deflate = 2};
    double w = (double)image_width(img), h = (double)image_height(img);

    *shrunk = fmin(1, fmin(sqrt(PIXELS_MOST / (w * h)), SIDE_MOST / fmax(w, h)));
    if (image_render(img, err) < 0 || image_copy(&gray, img, err) < 0 ||
        image_to_srgb8(gray, err) < 0 ||
        image_flatten(gray, (struct color){255, 255, 255, 255}, err) < 0 ||
        image_to_space(gray, SPACE_GRAY, err) < 0)
        return -1;
    if (*shrunk < 1 &&
        image_scale(gray, fit_round(w * *shrunk), fit_round(h * *shrunk), false, err) < 0)
        return -1;
    *path = robot_out_path(job, "png");
    return image_save(gray, *path, &how, err);
}

static const char *ocr_dpi(struct robot_job *job, int dpi, double shrunk)
{
    double seen = dpi * shrunk;

    return arena_printf(robot_arena(job), "%d",
                        seen < 70 ? 70 : (int)seen); /* less it would not believe */
}

/* ---- reading ---- */

int ocr_read(struct ocr *out, struct robot_job *job, struct image *img, int dpi, int page,
             double scale, struct err *err)
{
    AUTO(ocr_reader_done) struct ocr_reader r = {.out = out, .arena = robot_arena(job), .page = page};
    const char *path;
    double shrunk;

    if (ocr_prepare(&path, &shrunk, job, img, err) < 0)
        return -1;
    r.scale = scale / shrunk;
    const char *argv[] = {"tesseract", path, "stdout", "-l", "eng", "tsv", NULL, NULL, NULL};
    if (dpi) { /* options come before the name of what is wanted */
        argv[5] = "--dpi";
        argv[6] = ocr_dpi(job, dpi, shrunk);
        argv[7] = "tsv";
    }
    int rc = tool_run(
        job, &(struct tool){.argv = argv, .line = ocr_said_row, .line_ctx = &r, .timeout_ms = PAGE_MS},
        err);
    unlink(path);
    return rc < 0 ? -1 : ocr_said_end(&r, err);
}

/* ---- which way up ---- */

int ocr_turn(int *degrees, struct robot_job *job, struct image *img, int dpi, struct err *err)
{
    AUTO(str_done) struct str said = {0};
    struct err why = {0};
    const char *path;
    double shrunk;

    *degrees = 0;
    if (ocr_prepare(&path, &shrunk, job, img, err) < 0)
        return -1;
    const char *const argv[] = {"tesseract", path,    "stdout",
                                "--psm",     "0",     "-l",
                                "osd",       "--dpi", ocr_dpi(job, dpi ? dpi : OCR_DPI, shrunk),
                                NULL};
    int rc = tool_run(
        job,
        &(struct tool){.argv = argv, .text = &said, .text_max = 64 * 1024, .timeout_ms = PAGE_MS},
        &why);
    unlink(path);
    if (rc < 0 && why.exited == 1) /* too little is written on it */
        return 0;
    if (rc < 0) {
        *err = why;
        return -1;
    }
    *degrees = ocr_said_turn(said.s);
    return 0;
}

/* ---- results ---- */

static json_t *ocr_point(double x, double y)
{
    return json_pack("{s:I,s:I}", "x", (json_int_t)llround(x), "y", (json_int_t)llround(y));
}

static json_t *ocr_json(const struct ocr *o, bool full)
{
    json_t *all = json_array();

    for (size_t i = 0; i < o->n; i++) {
        const struct ocr_line *l = &o->line[i];

        if (!full) {
            json_array_append_new(all, jstring(l->text));
            continue;
        }
        json_t *one = json_pack("{s:o,s:[o,o,o,o]}", "text", jstring(l->text), "boundingPolygon",
                                ocr_point(l->x, l->y), ocr_point(l->x + l->w, l->y),
                                ocr_point(l->x + l->w, l->y + l->h), ocr_point(l->x, l->y + l->h));
        if (l->page)
            json_object_set_new(one, "page", json_integer(l->page));
        json_array_append_new(all, one);
    }
    return all;
}

void ocr_text(struct str *out, const struct ocr *o)
{
    for (size_t i = 0; i < o->n; i++) {
        if (i && o->line[i].begins)
            str_putc(out, '\n');
        str_puts(out, o->line[i].text);
        str_putc(out, '\n');
    }
}

int ocr_emit(struct robot_job *job, const struct ocr *o, const struct ocr_opts *how,
             struct err *err)
{
    AUTO(json_unref) json_t *all = ocr_json(o, how->granularity == OCR_FULL);
    AUTO(mem_free) char *dump = json_text(all);
    AUTO(str_done) struct str text = {0};
    bool plain = how->format == OCR_TEXT;

    if (how->format == OCR_META) {
        if (strlen(dump) > META_MOST)
            return err_set(err, ERR_INPUT,
                           "what was read has %zu bytes, in `meta` there is room for %d",
                           strlen(dump), META_MOST);
        return robot_emit_same(job, 0, json_pack("{s:O}", "recognized_text", all), err);
    }
    ocr_text(&text, o);
    const char *ext = plain ? "txt" : "json", *path = robot_out_path(job, ext),
               *what = plain ? text.s ? text.s : "" : dump;
    if (file_make(path, what, strlen(what), err) < 0)
        return -1;
    return robot_emit(job,
                      &(struct robot_output){.path = path,
                                             .ext = ext,
                                             .mime = plain ? "text/plain" : "application/json"},
                      err);
}
