/* /document/autorotate: pages, or a picture, turned so that what is written on them stands upright.
 */
#include "base/filetype.h"
#include "base/str.h"
#include "media/image_emit.h"
#include "media/ocr.h"
#include "media/pdf.h"
#include "media/pdf_page.h"
#include "media/tool.h"

#include <string.h>

enum { QUALITY = 92, QUARTERS = 4 };

struct autorotate_opts {
    json_t *output_meta;
};
#define T struct autorotate_opts
static const struct option options[] = {
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

/* ---- PDF ---- */

/* The pages that want a quarter turn, two or three, as qpdf takes them. */
struct turns {
    struct str pages[QUARTERS];
};

static void turns_done(struct turns t)
{
    for (int i = 0; i < QUARTERS; i++)
        str_done(t.pages[i]);
}
DEFINE_AUTO(struct turns, turns_done)

static int autorotate_find(struct turns *t, struct robot_job *job, const char *path, int64_t pages,
                           const struct media_limits *limits, struct err *err)
{
    for (int64_t page = 1; page <= pages; page++) {
        AUTO(image_free) struct image *img = NULL;
        const struct pdf_page how = {.limits = limits, .page = page, .dpi = OCR_DPI};
        int degrees;

        if (pdf_draw(&img, job, path, &how, err) < 0 ||
            ocr_turn(&degrees, job, img, OCR_DPI, err) < 0)
            return -1;
        struct str *list = &t->pages[degrees / 90];
        if (degrees)
            str_addf(list, "%s%lld", list->len ? "," : "", (long long)page);
        robot_progress(job, 0.9 * (double)page / (double)pages);
    }
    return 0;
}

static int autorotate_write(const char *out, struct robot_job *job, const char *path,
                            const struct turns *t, bool encrypted, struct err *err)
{
    const char *argv[QUARTERS + 8] = {"qpdf", "--warning-exit-0", "--no-warn"};
    int n = 3;

    if (!encrypted)
        argv[n++] = "--deterministic-id";
    for (int i = 1; i < QUARTERS; i++)
        if (t->pages[i].len)
            argv[n++] = arena_printf(robot_arena(job), "--rotate=+%d:%s", i * 90, t->pages[i].s);
    argv[n++] = path;
    argv[n++] = out;
    return tool_run(job, &(struct tool){.argv = argv}, err);
}

static int autorotate_pdf(struct robot_job *job, const struct robot_input *in, struct err *err)
{
    const struct media_limits limits = media_limits(robot_settings(job));
    AUTO(turns_done) struct turns t = {0};
    struct pdf_facts facts;

    if (pdf_look_open(&facts, job, in, limits.max_frames, err) < 0 ||
        autorotate_find(&t, job, in->path, facts.pages, &limits, err) < 0)
        return -1;
    if (!t.pages[1].len && !t.pages[2].len && !t.pages[3].len)
        return robot_emit_same(job, 0, NULL, err);
    const char *out = robot_out_path(job, "pdf");
    if (autorotate_write(out, job, in->path, &t, facts.encrypted, err) < 0)
        return -1;
    return robot_emit(job, &(struct robot_output){.path = out, .ext = in->ext, .mime = PDF_MIME},
                      err);
}

/* ---- pictures ---- */

static int autorotate_image(struct robot_job *job, const T *o, const struct robot_input *in,
                            struct err *err)
{
    const struct image_load how = {
        .limits = media_limits(robot_settings(job)), .all_frames = true, .deep = true};
    static const struct color none = {0, 0, 0, 0};
    AUTO(image_free) struct image *img = NULL, *look = NULL;
    int degrees;

    if (image_open(&img, in->path, &how, err) < 0)
        return -1;
    bool turned = image_orientation(img) > 1;
    if (image_autorotate(img, err) < 0 || image_render(img, err) < 0 ||
        image_copy(&look, img, err) < 0 || ocr_turn(&degrees, job, look, 0, err) < 0)
        return -1;
    robot_progress(job, 0.6);
    if (!degrees && !turned)
        return robot_emit_same(job, 0, NULL, err);
    if (image_rotate(img, degrees, none, err) < 0)
        return -1;
    const char *format =
        image_emit_format(img, IMAGE_AS_INPUT, image_has_alpha(img) ? "png" : "jpg");
    return image_emit(job, img,
                      &(struct image_emit){.output_meta = o->output_meta,
                                           .told = 0.6,
                                           .save = {.format = format, .quality = QUALITY}},
                      err);
}

static int autorotate_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct robot_input *in = robot_input(job, 0);

    return !strcmp(in->mime, PDF_MIME) ? autorotate_pdf(job, in, err)
                                       : autorotate_image(job, opts, in, err);
}

const struct robot robot_document_autorotate = {
    .name = "/document/autorotate",
    .summary = "Turn pages so that their text stands upright",
    .accepts = filetype_pictures_and_pdf,
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 2097152,
    .timeout_s = 7200,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(autorotate_run),
};
