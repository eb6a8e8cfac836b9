/* /document/thumbs: pages of a document as pictures. */
#include "base/filetype.h"
#include "media/image_emit.h"
#include "media/image_over.h"
#include "media/pdf.h"
#include "media/pdf_page.h"
#include "robot/choices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFFICE                                                                                     \
    "application/msword|application/vnd.ms-|application/vnd.openxmlformats-|application/"          \
    "vnd.oasis.|application/rtf"
#define COLOR                                                                                      \
    "^(transparent|none|black|white|red|green|blue|yellow|cyan|magenta|gray|grey|opaque|#?[0-9a-"  \
    "fA-F]{3}([0-9a-fA-F]{3})?)$"
#define STACK "^v?[23](\\.[0-9]+)?(\\.[0-9]+)?$"

enum { QUALITY = 92, USUAL_DPI = 150, USUAL_DELAY = 100 };
static const struct color white = {255, 255, 255, 255};

static const struct opt_choice formats[] = {
    {"gif", IMAGE_GIF}, {"jpeg", IMAGE_JPG}, {"jpg", IMAGE_JPG}, {"png", IMAGE_PNG}, {0}};
static const struct opt_choice alphas[] = {{"Remove", ALPHA_REMOVE}, {"Set", ALPHA_ON}, {0}};
static const struct opt_choice stacks[] = {{"ghostscript", 1}, {"vips", 2}, {"pdfium", 3}, {0}};
enum { COLORS_RGB = 1, COLORS_GRAY, COLORS_CMYK };
#define AS_RGB(name)                                                                               \
    {                                                                                              \
        name, COLORS_RGB                                                                           \
    }
static const struct opt_choice spaces[] = {
    AS_RGB("CMY"),         {"CMYK", COLORS_CMYK}, {"Gray", COLORS_GRAY}, AS_RGB("HCL"),
    AS_RGB("HCLp"),        AS_RGB("HSB"),         AS_RGB("HSI"),         AS_RGB("HSL"),
    AS_RGB("HSV"),         AS_RGB("HWB"),         AS_RGB("Jzazbz"),      AS_RGB("Lab"),
    AS_RGB("LCHab"),       AS_RGB("LCHuv"),       AS_RGB("LMS"),         AS_RGB("Log"),
    AS_RGB("Luv"),         AS_RGB("OHTA"),        AS_RGB("OkLab"),       AS_RGB("OkLCH"),
    AS_RGB("RGB"),         AS_RGB("scRGB"),       AS_RGB("sRGB"),        AS_RGB("Rec601YCbCr"),
    AS_RGB("Rec709YCbCr"), AS_RGB("Undefined"),   AS_RGB("Transparent"), AS_RGB("xyY"),
    AS_RGB("XYZ"),         AS_RGB("YCbCr"),       AS_RGB("YCC"),         AS_RGB("YDbDr"),
    AS_RGB("YIQ"),         AS_RGB("YPbPr"),       AS_RGB("YUV"),         {0}};
#undef AS_RGB

struct document_thumbs_opts {
    const char *imagemagick_stack, *page_range, *density, *background;
    int64_t page, delay, width, height;
    int format, stack, resize_strategy, alpha, colorspace;
    bool antialiasing, trim_whitespace, pdf_use_cropbox, turbo;
    json_t *output_meta;
};
#define T struct document_thumbs_opts
static const struct option options[] = {
    OPT_INT(
        T, page, .min = 1, .max = 1e9, .nullable = true,
        .help =
            "The only page to draw, from 1. Left out: all. One that is not there gives no file."),
    OPT_STR(T, page_range, .nullable = true, .pattern = "^[0-9]{1,9}-[0-9]{1,9}$",
            .example = "\"2-4\"",
            .help = "First and last page, \"2-4\"; it ends with the last one that there is. Not "
                    "with page or gif."),
    OPT_ENUM(T, format, formats, .def = IMAGE_PNG,
             .help = "Format of the pictures; gif makes one animation of all pages."),
    OPT_INT(T, delay, .max = 65535, .def = USUAL_DELAY, .unit = "hundredths of a second",
            .help = "How long a GIF shows each page."),
    OPT_INT(T, width, .min = 1, .max = 5000, .unit = "px",
            .help = "Width. Left out: follows the height, or the page."),
    OPT_INT(T, height, .min = 1, .max = 5000, .unit = "px",
            .help = "Height. Left out: follows the width, or the page."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_STR(
        T, background, .def_str = "#FFFFFF", .pattern = COLOR, .example = "\"red\"",
        .help =
            "Colour of what pad adds and behind what is transparent; none keeps it transparent."),
    OPT_ENUM(T, alpha, alphas,
             .help =
                 "Set: paper that nothing is printed on is transparent (png, gif). Remove: never."),
    OPT_STR(T, density, .pattern = "^[0-9]{1,4}(x[0-9]{1,4})?$", .unit = "dpi",
            .example = "\"300\"",
            .help = "Resolution in which a page is drawn before it is trimmed and fitted, for both "
                    "sides or WxH. Left out: "
                    "150, or what the size asked for needs."),
    OPT_BOOL(T, antialiasing, .def = true,
             .other_default =
                 "text with jagged edges is hard to read, and smooth edges cost nothing",
             .help = "Smooth the edges of text and lines."),
    OPT_ENUM(T, colorspace, spaces,
             .help = "Colour space of the result: Gray, or CMYK in a JPEG. Others, which these "
                     "formats have no room for, are "
                     "written as sRGB."),
    OPT_BOOL(T, trim_whitespace, .def = true, .help = "First cut edges of one colour off."),
    OPT_BOOL(T, pdf_use_cropbox, .def = true,
             .help = "Show what the page's crop box leaves. false: all of the sheet."),
    OPT_ENUM(T, stack, stacks, .idle = "all give the same picture",
             .help = "Accepted and ignored: pages are drawn by one library."),
    OPT_STR(T, imagemagick_stack, .def_str = "v3", .pattern = STACK, .example = "\"v2.0.10\"",
            .idle = "pages are drawn by one library", .help = "Accepted and ignored."),
    OPT_BOOL(T, turbo, .def = true,
             .idle = "each page is handed over as soon as it is drawn in any case",
             .help = "Accepted and ignored: each page is handed over as soon as it is drawn."),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

static int document_thumbs_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    long first, last;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (o->page_range) {
        first = strtol(o->page_range, NULL, 10);
        last = strtol(strchr(o->page_range, '-') + 1, NULL, 10);
        if (first < 1 || last < first)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'page_range' must go from a page, counted from 1, to a later one");
        if (o->page || o->format == IMAGE_GIF)
            return err_set(err, ERR_ROBOT_VALIDATION, "'page_range' can't be used with '%s'",
                           o->page ? "page" : "format\": \"gif");
    }
    if (o->density && (atoi(o->density) < 1 ||
                       (strchr(o->density, 'x') && atoi(strchr(o->density, 'x') + 1) < 1)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'density' must be 1 dpi or more");
    return 0;
}

struct work {
    struct robot_job *job;
    const T *o;
    const struct robot_input *in;
    struct media_limits limits;
    struct color bg;
    bool pdf, clear; /* clear: what is transparent stays so */
    int64_t first, last;
    struct image *film; /* of a GIF: what there is of it; NULL: nothing yet */
};

static void document_work_done(struct work w) { image_free(w.film); }
DEFINE_AUTO(struct work, document_work_done)

/* ---- one page ---- */

static int document_open(struct image **out, const struct work *w, int64_t page, double dpi,
                         struct err *err)
{
    const struct pdf_page how = {.limits = &w->limits,
                                 .page = page,
                                 .dpi = dpi,
                                 .bare = true,
                                 .jagged = !w->o->antialiasing,
                                 .media_box = !w->o->pdf_use_cropbox};

    if (w->pdf)
        return pdf_draw(out, w->job, w->in->path, &how, err);
    return image_open(out, w->in->path,
                      &(struct image_load){.limits = w->limits, .frame = page, .density = dpi},
                      err);
}

static struct fit document_fit(const struct work *w, int64_t width, int64_t height)
{
    return fit_plan((enum fit_strategy)w->o->resize_strategy, width, height, w->o->width,
                    w->o->height, true, GRAVITY_CENTER);
}

/* How much larger than usual a page of w x h px must be drawn so that nothing has to be enlarged;
 * what is trimmed is, so that it is never drawn smaller. */
static double document_enlargement(const struct work *w, double width, double height)
{
    const T *o = w->o;
    bool by_both = o->width && o->height,
         by_one = o->resize_strategy == FIT_FIT || o->resize_strategy == FIT_MIN_FIT;

    if (o->resize_strategy == FIT_CROP || (!o->width && !o->height) || !(by_both || by_one))
        return 1;
    struct fit f = document_fit(w, (int64_t)width, (int64_t)height);
    double k = fmax((double)f.scaled_w / width, (double)f.scaled_h / height);
    double most = sqrt((double)w->limits.max_pixels / (width * height));
    return fmin(o->trim_whitespace ? fmax(k, 1) : k, fmax(most * 0.99, 1));
}

/* Drawn as density says; without one, as large as it will be shown. */
static int document_draw(struct image **out, const struct work *w, int64_t page, struct err *err)
{
    const char *d = w->o->density, *second = d ? strchr(d, 'x') : NULL;
    double x = d ? atof(d) : USUAL_DPI, y = second ? atof(second + 1) : x, dpi = fmax(x, y), k;
    AUTO(image_free) struct image *img = NULL;

    if (document_open(&img, w, page, w->pdf || d ? dpi : 0, err) < 0)
        return -1;
    if (w->pdf && !d &&
        (k = document_enlargement(w, (double)image_width(img), (double)image_height(img))) != 1) {
        image_free(take(img));
        if (document_open(&img, w, page, dpi * k, err) < 0)
            return -1;
    }
    if (image_autorotate(img, err) < 0 || image_to_srgb(img, err) < 0)
        return -1;
    if (x != y && w->pdf &&
        image_scale(img, fit_round((double)image_width(img) * x / dpi),
                    fit_round((double)image_height(img) * y / dpi), false, err) < 0)
        return -1;
    *out = take(img);
    return 0;
}

static int document_check_size(const struct work *w, const struct fit *f, struct err *err)
{
    int64_t width = f->scaled_w > f->out_w ? f->scaled_w : f->out_w;
    int64_t height = f->scaled_h > f->out_h ? f->scaled_h : f->out_h;

    if (width <= w->limits.max_pixels / height)
        return 0;
    return err_set(
        err, ERR_COMMAND,
        "the picture would have %lldx%lld pixels, the limit is %lld in all (setting max_pixels)",
        (long long)width, (long long)height, (long long)w->limits.max_pixels);
}

static int document_shape(struct image *img, const struct work *w, struct err *err)
{
    struct color bg = w->bg;
    struct rect r;

    if ((w->clear ? image_add_alpha(img, err) : image_flatten(img, bg, err)) < 0)
        return -1;
    if (w->o->trim_whitespace &&
        (image_find_trim(&r, img, err) < 0 || image_crop(img, &r, err) < 0))
        return -1;
    struct fit f = document_fit(w, image_width(img), image_height(img));
    return document_check_size(w, &f, err) < 0 ||
                   image_scale(img, f.scaled_w, f.scaled_h, false, err) < 0 ||
                   image_crop(img, &f.cut, err) < 0 ||
                   image_pad(img, f.pad_x, f.pad_y, f.out_w, f.out_h, bg, err) < 0
               ? -1
               : 0;
}

static int document_recolor(struct image *img, const T *o, struct err *err)
{
    if (o->colorspace == COLORS_GRAY)
        return image_to_space(img, SPACE_LUMA, err);
    return o->colorspace == COLORS_CMYK && o->format == IMAGE_JPG
               ? image_to_space(img, SPACE_CMYK, err)
               : 0;
}

static int document_emit(struct work *w, struct image *img, int64_t index, double told, double upto,
                         struct err *err)
{
    struct image_emit how = {
        .asked = (enum image_type)w->o->format,
        .save = {.format = image_type_name((enum image_type)w->o->format), .quality = QUALITY},
        .output_meta = w->o->output_meta,
        .told = told,
        .upto = upto};

    if (document_recolor(img, w->o, err) < 0)
        return -1;
    how.meta = json_pack("{s:I}", "thumb_index", (json_int_t)index);
    return image_emit(w->job, img, &how, err);
}

/* ---- all of them ---- */

/* Pages of an animation have one size: that of the first, onto which the others are fitted. */
static int document_append(struct work *w, struct image **img, int64_t count, struct err *err)
{
    if (!w->film) {
        int64_t width = image_width(*img), height = image_height(*img);

        if ((double)width * (double)height * (double)count > (double)w->limits.max_pixels)
            return err_set(err, ERR_COMMAND,
                           "the animation would have %lldx%lld pixels in each of %lld frames, the "
                           "limit is %lld in all "
                           "(setting max_pixels)",
                           (long long)width, (long long)height, (long long)count,
                           (long long)w->limits.max_pixels);
        w->film = take(*img);
        return image_render(w->film, err);
    }
    struct fit f = fit_plan(FIT_PAD, image_width(*img), image_height(*img), image_width(w->film),
                            image_height(w->film), true, GRAVITY_CENTER);
    return image_scale(*img, f.scaled_w, f.scaled_h, false, err) < 0 ||
                   image_pad(*img, f.pad_x, f.pad_y, f.out_w, f.out_h, w->bg, err) < 0
               ? -1
               : image_append(w->film, *img, err);
}

static int document_each(struct work *w, struct err *err)
{
    int64_t count = w->last - w->first + 1;
    bool film = w->o->format == IMAGE_GIF;

    for (int64_t i = 0; i < count; i++) {
        AUTO(image_free) struct image *img = NULL;
        double from = (double)i / (double)count, upto = (double)(i + 1) / (double)count;

        if (document_draw(&img, w, w->first + i, err) < 0 || document_shape(img, w, err) < 0)
            return -1;
        if ((film ? document_append(w, &img, count, err)
                  : document_emit(w, img, i, from, upto, err)) < 0)
            return -1;
        robot_progress(w->job, film ? upto * 0.7 : upto);
    }
    if (!w->film)
        return 0;
    return image_set_delay(w->film, w->o->delay * 10, err) < 0
               ? -1
               : document_emit(w, w->film, 0, 0.7, 1, err);
}

/* Which of how many pages. None is no mistake. */
static void document_choose(struct work *w, int64_t pages)
{
    const T *o = w->o;

    w->first = o->page ? o->page : o->page_range ? atoll(o->page_range) : 1;
    w->last = o->page ? o->page : o->page_range ? atoll(strchr(o->page_range, '-') + 1) : pages;
    w->last = w->last < pages ? w->last : pages;
}

static int document_all(struct work *w, struct err *err)
{
    AUTO(image_free) struct image *look = NULL;

    if (image_open(&look, w->in->path, &(struct image_load){.limits = w->limits}, err) < 0)
        return -1;
    document_choose(w, image_frames_in_file(look));
    image_free(take(look));
    if (w->last - w->first + 1 > w->limits.max_frames)
        return err_set(err, ERR_COMMAND,
                       "%lld pages were asked for, the limit is %lld (setting max_frames)",
                       (long long)(w->last - w->first + 1), (long long)w->limits.max_frames);
    return document_each(w, err);
}

static bool document_is_office(const char *mime)
{
    for (const char *p = OFFICE; *p; p += strcspn(p, "|"), p += *p == '|')
        if (!strncmp(mime, p, strcspn(p, "|")))
            return true;
    return false;
}

/* What can't be made out is the fault of the file. */
static int document_bad_input(const struct work *w, struct err *err)
{
    struct err why = *err;

    if (why.code != ERR_COMMAND && why.code != ERR_INPUT)
        return -1;
    robot_fail(w->job, err, ERR_INPUT, "INVALID_INPUT", "'%.100s': %s", w->in->name, why.msg);
    memcpy(err->detail, why.detail, sizeof err->detail);
    return -1;
}

static int document_thumbs_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(document_work_done)
    struct work w = {
        .job = job, .o = o, .in = robot_input(job, 0), .limits = media_limits(robot_settings(job))};

    if (document_is_office(w.in->mime))
        return robot_fail(job, err, ERR_INPUT, "INVALID_INPUT",
                          "'%.100s' is an office document (%.80s): this server has nothing that "
                          "opens those, only PDF and "
                          "pictures",
                          w.in->name, w.in->mime);
    if (!color_parse(&w.bg, o->background))
        return err_set(err, ERR_ROBOT_VALIDATION, "'background' is not a colour");
    w.pdf = !strcmp(w.in->mime, PDF_MIME);
    w.clear =
        o->format != IMAGE_JPG && o->alpha != ALPHA_REMOVE && (o->alpha == ALPHA_ON || !w.bg.a);
    if (!w.clear && !w.bg.a)
        w.bg = white;
    return document_all(&w, err) < 0 ? document_bad_input(&w, err) : 0;
}

const struct robot robot_document_thumbs = {
    .name = "/document/thumbs",
    .summary = "Draw pages of a document",
    .accepts = PDF_MIME "|image/|" OFFICE,
    .nothing = "the document has none of the pages asked for",
    .codes = "INVALID_INPUT",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 524288,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = document_thumbs_check,
    .run = IN_WORKER(document_thumbs_run),
};
