/* /image/resize: scale, crop, turn, recolour and convert one image. */
#include "base/filetype.h"
#include "base/str.h"
#include "media/image_emit.h"
#include "media/image_tone.h"
#include "robot/crop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COLOR_NAMES                                                                                \
    "transparent|none|black|white|red|green|blue|yellow|cyan|magenta|gray|grey|opaque"
#define COLOR_HEX "#?[0-9a-fA-F]{3}([0-9a-fA-F]{3})?"
#define STACK "^v?[23](\\.[0-9]+)?(\\.[0-9]+)?$"

#define invalid(err, ...) err_set(err, ERR_ROBOT_VALIDATION, __VA_ARGS__)

struct resize_opts {
    const char *imagemagick_stack, *stack; /* which generation of a tool that we do not use */
    int format;                            /* enum image_type */
    int64_t width, height;                 /* px, 0: not given */
    int resize_strategy;                   /* enum fit_strategy */
    bool zoom;
    json_t *crop;
    int gravity; /* enum gravity */
    bool strip, flatten, correct_gamma, adaptive_filtering, progressive, trim_whitespace;
    bool monochrome;
    int64_t quality;
    const char *background;
    int64_t frame;  /* 1-based, 0: all */
    int colorspace; /* enum wanted_space */
    int type;       /* enum wanted_type */
    struct image_tone tone;
    json_t *rotation;
    const char *compress;
    const char *blur; /* "RxS" */
    json_t *blur_regions;
    const char *transparent;
    const char *density; /* dpi */
    const char *shave;   /* "W" or "WxH" px */
    json_t *output_meta; /* shared by all Robots, but here we make the meta ourselves */
};

static const struct opt_choice formats[] = {
    {"jpg", IMAGE_JPG},   {"jpeg", IMAGE_JPG},  {"png", IMAGE_PNG},   {"webp", IMAGE_WEBP}, {"gif", IMAGE_GIF},
    {"tif", IMAGE_TIF},   {"tiff", IMAGE_TIFF}, {"avif", IMAGE_AVIF}, {"heic", IMAGE_HEIC}, {"heif", IMAGE_HEIC},
    {"jp2", IMAGE_JP2},   {"JPG", IMAGE_JPG},   {"PNG", IMAGE_PNG},   {0}};

static const struct opt_choice strategies[] = {{"fit", FIT_FIT},
                                               {"min_fit", FIT_MIN_FIT},
                                               {"fillcrop", FIT_FILLCROP},
                                               {"pad", FIT_PAD},
                                               {"stretch", FIT_STRETCH},
                                               {"crop", FIT_CROP},
                                               {0}};

enum { GRAVITY_UNBUILT = GRAVITY_BOTTOM_RIGHT + 1 };
static const struct opt_choice gravities[] = {{"top-left", GRAVITY_TOP_LEFT},
                                              {"top", GRAVITY_TOP},
                                              {"top-right", GRAVITY_TOP_RIGHT},
                                              {"left", GRAVITY_LEFT},
                                              {"center", GRAVITY_CENTER},
                                              {"right", GRAVITY_RIGHT},
                                              {"bottom-left", GRAVITY_BOTTOM_LEFT},
                                              {"bottom", GRAVITY_BOTTOM},
                                              {"bottom-right", GRAVITY_BOTTOM_RIGHT},
                                              {"attention", GRAVITY_UNBUILT},
                                              {"entropy", GRAVITY_UNBUILT},
                                              {0}};

enum wanted_space { WANT_AS_IS, WANT_SRGB, WANT_GRAY, WANT_CMYK, WANT_LAB, WANT_UNBUILT };
static const struct opt_choice spaces[] = {
    {"sRGB", WANT_SRGB},           {"RGB", WANT_SRGB},      {"Gray", WANT_GRAY},
    {"CMYK", WANT_CMYK},           {"Lab", WANT_LAB},       {"Undefined", WANT_AS_IS},
    {"CMY", WANT_UNBUILT},         {"HCL", WANT_UNBUILT},   {"HCLp", WANT_UNBUILT},
    {"HSB", WANT_UNBUILT},         {"HSI", WANT_UNBUILT},   {"HSL", WANT_UNBUILT},
    {"HSV", WANT_UNBUILT},         {"HWB", WANT_UNBUILT},   {"Jzazbz", WANT_UNBUILT},
    {"LCHab", WANT_UNBUILT},       {"LCHuv", WANT_UNBUILT}, {"LMS", WANT_UNBUILT},
    {"Log", WANT_UNBUILT},         {"Luv", WANT_UNBUILT},   {"OHTA", WANT_UNBUILT},
    {"OkLab", WANT_UNBUILT},       {"OkLCH", WANT_UNBUILT}, {"Rec601YCbCr", WANT_UNBUILT},
    {"Rec709YCbCr", WANT_UNBUILT}, {"scRGB", WANT_UNBUILT}, {"Transparent", WANT_UNBUILT},
    {"xyY", WANT_UNBUILT},         {"XYZ", WANT_UNBUILT},   {"YCbCr", WANT_UNBUILT},
    {"YCC", WANT_UNBUILT},         {"YDbDr", WANT_UNBUILT}, {"YIQ", WANT_UNBUILT},
    {"YPbPr", WANT_UNBUILT},       {"YUV", WANT_UNBUILT},   {0}};

enum wanted_type {
    TYPE_AS_IS,
    TYPE_BILEVEL,
    TYPE_GRAY,
    TYPE_GRAY_ALPHA,
    TYPE_PALETTE,
    TYPE_PALETTE_ALPHA,
    TYPE_COLOR,
    TYPE_COLOR_ALPHA,
    TYPE_SEPARATION,
    TYPE_UNBUILT,
};
static const struct opt_choice types[] = {{"Bilevel", TYPE_BILEVEL},
                                          {"Grayscale", TYPE_GRAY},
                                          {"GrayscaleAlpha", TYPE_GRAY_ALPHA},
                                          {"Palette", TYPE_PALETTE},
                                          {"PaletteAlpha", TYPE_PALETTE_ALPHA},
                                          {"TrueColor", TYPE_COLOR},
                                          {"TrueColorAlpha", TYPE_COLOR_ALPHA},
                                          {"ColorSeparation", TYPE_SEPARATION},
                                          {"ColorSeparationAlpha", TYPE_UNBUILT},
                                          {0}};

#define T struct image_tone
static const struct option tone_options[] = {
    OPT_NUM(T, brightness, .min = 0, .max = 1000, .def_num = 1, .help = "Factor; 1: as it is."),
    OPT_NUM(T, saturation, .min = 0, .max = 1000, .def_num = 1, .help = "Factor; 1: as it is."),
    OPT_NUM(T, hue, .min = 0, .max = 1e6, .def_num = 100,
            .help = "Turn of the hue; 100: as it is, 0 and 200: the opposite."),
    OPT_NUM(T, contrast, .min = 0, .max = 2, .def_num = 1, .help = "0 to 2; 1: as it is."),
    OPT_INT(T, sepia, .min = 0, .max = 99, .nullable = true, .help = "Sepia tone, percent."),
    OPT_BOOL(T, negate, .help = "Invert all colours."),
    OPT_END,
};
#undef T
#define T struct resize_opts
static const struct option options[] = {
    OPT_STR(T, imagemagick_stack, .def_str = "v3", .pattern = STACK, .example = "\"v2.0.10\"",
            .help = "Accepted and ignored."),
    OPT_STR(T, stack, .pattern = STACK, .example = "\"v2\"", .help = "Old name of imagemagick_stack."),
    OPT_ENUM(T, format, formats, .nullable = true,
             .help = "Format of the result. Left out: as the input."),
    OPT_INT(T, width, .min = 1, .max = 25000, .unit = "px", .px_suffix = true,
            .help = "Width of the result. Left out: follows the height."),
    OPT_INT(T, height, .min = 1, .max = 25000, .unit = "px", .px_suffix = true,
            .help = "Height of the result. Left out: follows the width."),
    OPT_ENUM(T, resize_strategy, strategies, .def = FIT_FIT,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(T, zoom, .def = true, .help = "Whether small images are enlarged."),
    OPT_JSON(T, crop, .example = "{\"x1\": 5}",
             .help =
                 "Rectangle to cut out: x1, y1, x2, y2 in pixels or percent; or that as a text."),
    OPT_ENUM(T, gravity, gravities, .def = GRAVITY_CENTER, .example = "\"top\"", .help = "Which part fillcrop keeps."),
    OPT_BOOL(T, strip, .help = "Leave metadata and profiles out."),
    OPT_BOOL(T, flatten, .def = true, .help = "Merge onto the background (not for animations)."),
    OPT_BOOL(T, correct_gamma, .help = "Resize in linear light."),
    OPT_INT(T, quality, .min = 1, .max = 100, .def = 92, .help = "Encoder quality."),
    OPT_BOOL(T, adaptive_filtering, .help = "Smaller PNG files for more time."),
    OPT_STR(T, background, .def_str = "#FFFFFF", .pattern = "^(" COLOR_NAMES "|" COLOR_HEX ")$", .example = "\"red\"",
            .help = "Colour under transparency and in padding; none keeps transparency."),
    OPT_INT(T, frame, .min = 1, .max = 1000000, .nullable = true,
            .help = "Frame of an animation, from 1. Left out: all."),
    OPT_ENUM(T, colorspace, spaces, .help = "Colour space of the result: sRGB, Gray, CMYK or Lab."),
    OPT_ENUM(T, type, types, .help = "Colour type of the result."),
    OPT_JSON(T, rotation, .def_str = "true", .example = "90",
             .help = "true or auto: as EXIF says; false: not; a number: degrees clockwise."),
    OPT_STR(T, compress, .nullable = true,
            .pattern = "^(BZip|Fax|Group4|JPEG|JPEG2000|Lossless|LZW|None|RLE|Zip)$", .example = "\"LZW\"",
            .help = "Compression of a TIFF result."),
    OPT_STR(T, blur, .nullable = true, .pattern = "^[0-9]+(\\.[0-9]+)?x[0-9]+(\\.[0-9]+)?$",
            .example = "\"0x5\"",             .help = "Gaussian blur, radius x sigma. The sigma counts."),
    OPT_JSON(T, blur_regions, .nullable = true, .example = "[{\"x\": 1, \"y\": 1, \"width\": 5, \"height\": 5}]",
             .help = "List of {x, y, width, height}: blur only inside these ellipses."),
    OPT_GROUP(T, tone, struct image_tone, tone_options),
    OPT_BOOL(T, progressive, .help = "Interlaced JPEG, PNG or GIF."),
    OPT_STR(T, transparent, .pattern = "^(" COLOR_NAMES "|" COLOR_HEX "|[0-9]+,[0-9]+,[0-9]+)$",
            .example = "\"red\"",             .help = "Colour that becomes transparent."),
    OPT_BOOL(T, trim_whitespace, .help = "First cut edges of one colour off."),
    OPT_STR(T, density, .nullable = true, .pattern = "^[0-9]{1,4}(x[0-9]{1,4})?$", .unit = "dpi",
            .example = "\"300\"", .help = "Resolution for drawing vector images, also written to the file."),
    OPT_BOOL(T, monochrome, .help = "Black and white, nothing between."),
    OPT_STR(T, shave, .pattern = "^[0-9]{1,5}(x[0-9]{1,5})?$", .unit = "px",
            .example = "\"5\"", .help = "Pixels to cut off the edges: W left and right, H top and bottom."),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false", .help = "Further keys of meta, or false for none."),
    OPT_UNSUPPORTED("alpha"),
    OPT_UNSUPPORTED("preclip_alpha"),
    OPT_UNSUPPORTED("clip", .def_str = "false"),
    OPT_UNSUPPORTED("clut", .def_str = "false"),
    OPT_UNSUPPORTED("text", .def_str = "[]"),
    OPT_UNSUPPORTED("watermark_url"),
    OPT_UNSUPPORTED("watermark_position", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_x_offset", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_y_offset", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_position_x", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_position_y", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_size", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_resize_strategy", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_opacity", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_repeat_x", .part_of = "watermark_url"),
    OPT_UNSUPPORTED("watermark_repeat_y", .part_of = "watermark_url"),
    OPT_END,
};
#undef T

/* ---- values that are more than one row of the table ---- */

enum turn { TURN_EXIF, TURN_NONE, TURN_DEGREES };

static int read_rotation(enum turn *how, double *degrees, const json_t *v, struct err *err)
{
    const char *s = json_string_value(v);
    char *end;

    *degrees = 0;
    if (json_is_true(v) || (s && (!strcmp(s, "auto") || !strcmp(s, "true")))) {
        *how = TURN_EXIF;
        return 0;
    }
    if (json_is_false(v) || (s && !strcmp(s, "false"))) {
        *how = TURN_NONE;
        return 0;
    }
    *how = TURN_DEGREES;
    if (json_is_number(v)) {
        *degrees = json_number_value(v);
        return 0;
    }
    if (s && *s && strspn(s, "0123456789.-") == strlen(s)) {
        *degrees = strtod(s, &end);
        if (!*end)
            return 0;
    }
    return invalid(err, "'rotation' must be true, false, \"auto\" or a number of degrees");
}

#define MAX_REGIONS 1000

static int read_region(struct rect *out, const json_t *v)
{
    static const char *const keys[] = {"x", "y", "width", "height"};
    int64_t *const to[] = {&out->x, &out->y, &out->w, &out->h};

    if (!json_is_object(v) || json_object_size(v) != 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const json_t *n = json_object_get(v, keys[i]);
        const char *s = json_string_value(n);

        /* a number beyond every integer can't be made one */
        *to[i] = json_is_number(n)                           ? (int64_t)fmin(fmax(json_number_value(n), 0), 1e9)
                 : s && !strpbrk(s, "xX")                    ? atoll(s)
                 : s && str_ends(s, "px") && !strchr(s, 'X') ? atoll(s)
                                                             : 0;
        if (*to[i] < 1 || *to[i] > 25000)
            return -1;
    }
    return 0;
}

/* Returns how many, or -1. out may be NULL: only check. */
static int read_regions(struct rect *out, const json_t *list, struct err *err)
{
    struct rect one;
    json_t *v;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > MAX_REGIONS)
        return err_set_named(err, ERR_ROBOT_VALIDATION, "IMAGE_RESIZE_INVALID_BLUR_REGION",
                             "'blur_regions' must be a list of at most %d boxes", MAX_REGIONS);
    json_array_foreach (list, i, v) {
        if (read_region(&one, v) < 0)
            return err_set_named(err, ERR_ROBOT_VALIDATION, "IMAGE_RESIZE_INVALID_BLUR_REGION",
                                 "'blur_regions[%zu]' must have x, y, width and height, each from "
                                 "1 to 25000 px",
                                 i);
        if (out)
            out[i] = one;
    }
    return (int)json_array_size(list);
}

static int resize_check(const void *opts, bool partial, struct err *err)
{
    const struct resize_opts *o = opts;
    double degrees;
    enum turn how;

    if (o->colorspace == WANT_UNBUILT)
        return invalid(
            err, "this value of 'colorspace' is not supported by this server: use sRGB, Gray, "
                 "CMYK or Lab");
    if (o->gravity == GRAVITY_UNBUILT)
        return invalid(err, "this value of 'gravity' is not supported by this server: name a side, a corner or center");
    if (o->type == TYPE_UNBUILT)
        return invalid(err, "type ColorSeparationAlpha is not supported by this server");
    if (o->compress && (!strcmp(o->compress, "BZip") || !strcmp(o->compress, "Fax") ||
                        !strcmp(o->compress, "Lossless")))
        return invalid(err, "compress %s is not supported by this server", o->compress);
    const char *format = image_type_name((enum image_type)o->format);
    if (format && o->colorspace == WANT_LAB && strcmp(format, "tif") != 0)
        return invalid(err, "only format \"tiff\" can hold colorspace Lab");
    if (format && (o->colorspace == WANT_CMYK || o->type == TYPE_SEPARATION) &&
        strcmp(format, "tif") != 0 && strcmp(format, "jpg") != 0)
        return invalid(err, "only formats \"jpg\" and \"tiff\" can hold colorspace CMYK");
    if (read_rotation(&how, &degrees, o->rotation, err) < 0 ||
        read_regions(NULL, o->blur_regions, err) < 0)
        return -1;
    return o->crop ? crop_check(o->crop, err) : 0;
}

/* ---- geometry ---- */

/* A small file may ask for a huge result: the limit for what comes in holds for that as well. */
static int check_size(const struct fit *f, const struct image *img, const struct media_limits *lim,
                      struct err *err)
{
    int64_t w = f->scaled_w > f->out_w ? f->scaled_w : f->out_w;
    int64_t h = f->scaled_h > f->out_h ? f->scaled_h : f->out_h;

    if (w > lim->max_pixels / h / image_frames(img))
        return err_set(err, ERR_COMMAND,
                       "the result would have %" PRId64 "x%" PRId64
                       " pixels in %d frame(s), the limit is %" PRId64 " (setting max_pixels)",
                       w, h, image_frames(img), lim->max_pixels);
    return 0;
}

static int scale_to(struct image *img, const struct fit *f, const struct resize_opts *o,
                    struct color bg, struct err *err)
{
    if (image_scale(img, f->scaled_w, f->scaled_h, o->correct_gamma, err) < 0 ||
        image_crop(img, &f->cut, err) < 0)
        return -1;
    if (f->out_w == f->cut.w && f->out_h == f->cut.h)
        return 0;
    if (bg.a && image_flatten(img, bg, err) < 0) /* or the padding would differ from the rest */
        return -1;
    return image_pad(img, f->pad_x, f->pad_y, f->out_w, f->out_h, bg, err);
}

static int shave(struct image *img, const char *text, struct err *err)
{
    int64_t w = atoll(text), h = strchr(text, 'x') ? atoll(strchr(text, 'x') + 1) : w;
    const struct rect r = {w, h, image_width(img) - 2 * w, image_height(img) - 2 * h};

    if (r.w < 1 || r.h < 1)
        return invalid(err,
                       "'shave' %s leaves nothing of an image of %" PRId64 "x%" PRId64 " pixels",
                       text, image_width(img), image_height(img));
    return image_crop(img, &r, err);
}

static int reshape(struct image *img, const struct resize_opts *o, struct color bg,
                   const struct media_limits *lim, struct err *err)
{
    bool sized = o->width || o->height;
    double degrees;
    enum turn how;
    struct rect r;

    if (read_rotation(&how, &degrees, o->rotation, err) < 0)
        return -1;
    bool exif = how == TURN_EXIF && image_orientation(img) > 1;
    bool swap = exif && image_orientation(img) >= 5;
    int64_t w = swap ? image_height(img) : image_width(img);
    int64_t h = swap ? image_width(img) : image_height(img);

    if (!o->crop && sized && !o->trim_whitespace && !o->shave) {
        const struct fit f =
            fit_plan(o->resize_strategy, w, h, o->width, o->height, o->zoom, o->gravity);

        if (check_size(&f, img, lim, err) < 0 ||
            image_shrink_on_load(img, swap ? f.scaled_h : f.scaled_w,
                                 swap ? f.scaled_w : f.scaled_h, err) < 0)
            return -1;
        /* Turning needs the whole image in memory: make it small first. */
        if (exif && image_scale(img, swap ? f.scaled_h : f.scaled_w, swap ? f.scaled_w : f.scaled_h,
                                o->correct_gamma, err) < 0)
            return -1;
        if ((exif && image_autorotate(img, err) < 0) || scale_to(img, &f, o, bg, err) < 0)
            return -1;
    } else {
        if (exif && image_autorotate(img, err) < 0)
            return -1;
        if (o->trim_whitespace &&
            (image_find_trim(&r, img, err) < 0 || image_crop(img, &r, err) < 0))
            return -1;
        if (o->shave && shave(img, o->shave, err) < 0)
            return -1;
        if (o->crop) {
            if (crop_read(&r, o->crop, image_width(img), image_height(img), err) < 0 ||
                image_crop(img, &r, err) < 0)
                return -1;
        } else if (sized) {
            const struct fit f = fit_plan(o->resize_strategy, image_width(img), image_height(img),
                                          o->width, o->height, o->zoom, o->gravity);

            if (check_size(&f, img, lim, err) < 0 || scale_to(img, &f, o, bg, err) < 0)
                return -1;
        }
    }
    if (how == TURN_DEGREES) {
        image_forget_orientation(img);
        /* Quarter turns have no corners to fill, so they leave transparency to what comes later. */
        if (image_to_srgb(img, err) < 0 ||
            (bg.a && fmod(degrees, 90) != 0 && image_flatten(img, bg, err) < 0))
            return -1;
        return image_rotate(img, degrees, bg, err);
    }
    return 0;
}

/* ---- run ---- */

static int blur(struct image *img, const struct resize_opts *o, struct err *err)
{
    double sigma = o->blur ? strtod(strchr(o->blur, 'x') + 1, NULL) : 8;
    struct rect boxes[MAX_REGIONS];
    int n = read_regions(boxes, o->blur_regions, err);

    if (n < 0)
        return -1;
    if (sigma > 1000)
        return invalid(err, "'blur' has a sigma of %g, the limit is 1000", sigma);
    if (o->blur_regions)
        return n ? image_blur_ellipses(img, boxes, (size_t)n, sigma, err) : 0;
    return o->blur ? image_blur(img, sigma, err) : 0;
}

/* Alpha, colour type and colour space as the result is to have them. */
static int finish_colors(struct image *img, const struct resize_opts *o, const char *format,
                         struct color bg, bool was_gray, struct err *err)
{
    static const struct color white = {255, 255, 255, 255};
    bool animated = image_frames(img) > 1, flat = bg.a && !animated;

    if (flat && o->flatten && image_flatten(img, bg, err) < 0)
        return -1;
    if (o->transparent) {
        struct color c;

        if (!color_parse(&c, o->transparent))
            return invalid(err, "'transparent' is not a colour");
        if (image_make_transparent(img, c, err) < 0)
            return -1;
    }
    bool alpha = image_keeps_alpha(format) && o->type != TYPE_COLOR && o->type != TYPE_GRAY &&
                 o->type != TYPE_BILEVEL && o->colorspace != WANT_CMYK &&
                 o->colorspace != WANT_LAB && o->type != TYPE_SEPARATION && !o->monochrome;
    if (!alpha && image_flatten(img, bg.a ? bg : white, err) < 0)
        return -1;
    if ((o->type == TYPE_COLOR_ALPHA || o->type == TYPE_GRAY_ALPHA) && alpha &&
        image_add_alpha(img, err) < 0)
        return -1;

    /* A grey picture stays one (a third of the size), unless something coloured came in. */
    bool still_gray = was_gray && !(o->tone.sepia > 0) && o->type != TYPE_COLOR &&
                      o->type != TYPE_COLOR_ALPHA && o->colorspace == WANT_AS_IS && bg.r == bg.g &&
                      bg.g == bg.b;
    bool gray = still_gray || o->colorspace == WANT_GRAY || o->type == TYPE_GRAY ||
                o->type == TYPE_GRAY_ALPHA || o->type == TYPE_BILEVEL || o->monochrome;
    if (gray)
        return image_to_space(img, SPACE_GRAY, err);
    if (o->colorspace == WANT_LAB) {
        if (strcmp(format, "tif") != 0)
            return invalid(err, "only format \"tiff\" can hold colorspace Lab");
        return image_to_space(img, SPACE_LAB, err);
    }
    if (o->colorspace == WANT_CMYK || o->type == TYPE_SEPARATION) {
        if (strcmp(format, "tif") != 0 && strcmp(format, "jpg") != 0)
            return invalid(err, "only formats \"jpg\" and \"tiff\" can hold colorspace CMYK");
        return image_to_space(img, SPACE_CMYK, err);
    }
    return 0;
}

#define SHARE_OF_PIXELS 0.6 /* the rest of the progress is for writing the file */

static int resize_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct resize_opts *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(image_free) struct image *img = NULL;
    struct image_load how = {
        .limits = media_limits(robot_settings(job)),
        .frame = o->frame,
        .strict = true,
        .density = o->density ? atof(o->density) : 0,
    };
    struct color bg;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (!color_parse(&bg, o->background))
        return invalid(err, "'background' is not a colour");
    how.all_frames = !o->format || image_can_animate(image_type_name((enum image_type)o->format));
    if (image_open(&img, in->path, &how, err) < 0)
        return -1;

    image_watch(img, image_tell_job, job, 0, SHARE_OF_PIXELS);
    const char *format = image_emit_format(img, (enum image_type)o->format, image_has_alpha(img) ? "png" : "jpg");
    bool was_gray = image_is_gray(img);
    if (reshape(img, o, bg, &how.limits, err) < 0)
        return -1;
    if (image_to_srgb(img, err) < 0)
        return -1;
    struct image_tone tone = o->tone;
    tone.bilevel = o->monochrome || o->type == TYPE_BILEVEL;
    if (image_tone(img, &tone, err) < 0 || blur(img, o, err) < 0 ||
        finish_colors(img, o, format, bg, was_gray, err) < 0)
        return -1;
    return image_emit(job, img,
                      &(struct image_emit){.asked = (enum image_type)o->format,
                                           .output_meta = o->output_meta,
                                           .told = SHARE_OF_PIXELS,
                                           .save = {.format = format,
                                                    .quality = (int)o->quality,
                                                    .strip = o->strip,
                                                    .progressive = o->progressive,
                                                    .all_filters = o->adaptive_filtering,
                                                    .palette = o->type == TYPE_PALETTE || o->type == TYPE_PALETTE_ALPHA,
                                                    .bilevel = tone.bilevel,
                                                    .compress = o->compress,
                                                    .density = how.density}},
                      err);
}

const struct robot robot_image_resize = {
    .name = "/image/resize",
    .summary = "Resize, convert and recolour images",
    .accepts = filetype_pictures,
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .opts_size = sizeof(struct resize_opts),
    .slots = 5,
    .options = options,
    .check = resize_check,
    .run = IN_WORKER(resize_run),
};
