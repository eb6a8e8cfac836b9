/* /image/resize: scale, crop, turn, recolour and convert images. */
#include "media/fit.h"
#include "media/mime.h"
#include "media/vips.h"
#include "robot/robot.h"

#include <math.h>
#include <string.h>

enum space { SPACE_KEEP = -1 };
enum type { TYPE_KEEP, TYPE_BILEVEL, TYPE_GRAY, TYPE_GRAY_ALPHA, TYPE_PALETTE, TYPE_TRUE, TYPE_TRUE_ALPHA };

struct resize_opts {
    int64_t width, height; /* px, 0: not given */
    int resize_strategy;   /* enum fit_strategy */
    int gravity, colorspace, type;
    bool zoom, strip, flatten, progressive, adaptive_filtering, correct_gamma, negate, monochrome,
        trim_whitespace;
    const char *format, *background, *blur, *transparent, *density, *shave, *compress, *imagemagick_stack, *stack;
    int64_t quality, frame, sepia;
    double brightness, saturation, hue, contrast;
    json_t *crop, *rotation, *blur_regions;
};

static const struct opt_choice strategies[] = {
    {"fit", FIT_FIT},         {"min_fit", FIT_MIN_FIT}, {"fillcrop", FIT_FILLCROP}, {"pad", FIT_PAD},
    {"stretch", FIT_STRETCH}, {"crop", FIT_CROP},       {0}};
static const struct opt_choice gravities[] = {{"center", GRAVITY_CENTER},
                                              {"top", GRAVITY_TOP},
                                              {"bottom", GRAVITY_BOTTOM},
                                              {"left", GRAVITY_LEFT},
                                              {"right", GRAVITY_RIGHT},
                                              {"top-left", GRAVITY_TOP_LEFT},
                                              {"top-right", GRAVITY_TOP_RIGHT},
                                              {"bottom-left", GRAVITY_BOTTOM_LEFT},
                                              {"bottom-right", GRAVITY_BOTTOM_RIGHT},
                                              {0}};
/* The colour spaces that we can write into a file; the rest of the contract's list is refused by name. */
static const struct opt_choice spaces[] = {
    {"sRGB", SPACE_SRGB}, {"RGB", SPACE_SRGB}, {"Gray", SPACE_GRAY}, {"CMYK", SPACE_CMYK}, {"Lab", SPACE_LAB}, {0}};
static const struct opt_choice types[] = {{"Bilevel", TYPE_BILEVEL},
                                          {"Grayscale", TYPE_GRAY},
                                          {"GrayscaleAlpha", TYPE_GRAY_ALPHA},
                                          {"Palette", TYPE_PALETTE},
                                          {"PaletteAlpha", TYPE_PALETTE},
                                          {"TrueColor", TYPE_TRUE},
                                          {"TrueColorAlpha", TYPE_TRUE_ALPHA},
                                          {0}};

static const struct option options[] = {
    OPT_INT(struct resize_opts, width, .min = 1, .max = 25000, .unit = "px", .px_suffix = true, .nullable = true,
            .help = "Width of the result. Left out: follows the height."),
    OPT_INT(struct resize_opts, height, .min = 1, .max = 25000, .unit = "px", .px_suffix = true, .nullable = true,
            .help = "Height of the result. Left out: follows the width."),
    OPT_ENUM(struct resize_opts, resize_strategy, strategies, .def = FIT_FIT,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(struct resize_opts, zoom, .def = true, .help = "Enlarge smaller sources."),
    OPT_JSON(struct resize_opts, crop, .nullable = true,
             .help = "Rectangle {x1, y1, x2, y2} in pixels or percent; width, height and strategy do not count then."),
    OPT_ENUM(struct resize_opts, gravity, gravities, .def = GRAVITY_CENTER, .help = "The part that is kept."),
    OPT_STR(struct resize_opts, format, .nullable = true,
            .help = "jpg, png, webp, gif, tiff, avif, heic or jp2. Left out: that of the input."),
    OPT_INT(struct resize_opts, quality, .min = 1, .max = 100, .def = 92, .help = "Of lossy formats."),
    OPT_BOOL(struct resize_opts, strip, .help = "Leave metadata and profiles out."),
    OPT_BOOL(struct resize_opts, flatten, .def = true, .help = "Put transparent parts onto the background."),
    OPT_STR(struct resize_opts, background, .def_str = "#FFFFFF",
            .help = "Colour under transparency and in padding; none keeps transparency."),
    OPT_JSON(struct resize_opts, rotation, .def_str = "true",
             .help = "true: as EXIF says; false: not; a number: degrees clockwise."),
    OPT_INT(struct resize_opts, frame, .min = 1, .max = 1e6, .nullable = true,
            .help = "Frame of an animation, from 1. Left out: all of them."),
    OPT_ENUM(struct resize_opts, colorspace, spaces, .def = SPACE_KEEP, .help = "Colour space of the result."),
    OPT_ENUM(struct resize_opts, type, types, .def = TYPE_KEEP, .help = "Colour type of the result."),
    OPT_BOOL(struct resize_opts, progressive, .help = "Interlace."),
    OPT_BOOL(struct resize_opts, adaptive_filtering, .help = "Try all PNG row filters."),
    OPT_BOOL(struct resize_opts, correct_gamma, .help = "Scale in linear light."),
    OPT_STR(struct resize_opts, blur, .nullable = true, .pattern = "^[0-9]+(\\.[0-9]+)?x[0-9]+(\\.[0-9]+)?$",
            .help = "Gaussian blur, radius x sigma."),
    OPT_JSON(struct resize_opts, blur_regions, .nullable = true,
             .help = "List of {x, y, width, height}: blur these ellipses only."),
    OPT_NUM(struct resize_opts, brightness, .def_num = 1, .max = 1000, .help = "1: unchanged."),
    OPT_NUM(struct resize_opts, saturation, .def_num = 1, .max = 1000, .help = "1: unchanged."),
    OPT_NUM(struct resize_opts, hue, .def_num = 100, .max = 1e6, .help = "100: unchanged; 0 and 200: opposite."),
    OPT_NUM(struct resize_opts, contrast, .def_num = 1, .max = 2, .help = "0 to 2, 1: unchanged."),
    OPT_INT(struct resize_opts, sepia, .max = 99, .nullable = true, .unit = "percent", .help = "Sepia tone."),
    OPT_BOOL(struct resize_opts, negate, .help = "Invert the colours."),
    OPT_BOOL(struct resize_opts, monochrome, .help = "Black and white only."),
    OPT_STR(struct resize_opts, shave, .pattern = "^[0-9]{1,6}(x[0-9]{1,6})?$", .unit = "px",
            .help = "Pixels to take off the edges, W or WxH."),
    OPT_BOOL(struct resize_opts, trim_whitespace, .help = "Take off uniform edges."),
    OPT_STR(struct resize_opts, transparent, .help = "This colour becomes transparent."),
    OPT_STR(struct resize_opts, density, .nullable = true, .pattern = "^[0-9]{1,5}(x[0-9]{1,5})?$",
            .help = "dpi for vector images, and written to the file."),
    OPT_STR(struct resize_opts, compress, .nullable = true, .help = "Compression of TIFF."),
    OPT_STR(struct resize_opts, imagemagick_stack, .pattern = "^v?[23](\\.[0-9]+)?(\\.[0-9]+)?$",
            .help = "Accepted and ignored."),
    OPT_STR(struct resize_opts, stack, .help = "Accepted and ignored."),
    OPT_UNSUPPORTED("alpha"),
    OPT_UNSUPPORTED("preclip_alpha"),
    OPT_UNSUPPORTED("clip"),
    OPT_UNSUPPORTED("clut"),
    OPT_UNSUPPORTED("text"),
    OPT_UNSUPPORTED("watermark_url"),
    OPT_UNSUPPORTED("watermark_position"),
    OPT_UNSUPPORTED("watermark_x_offset"),
    OPT_UNSUPPORTED("watermark_y_offset"),
    OPT_UNSUPPORTED("watermark_size"),
    OPT_UNSUPPORTED("watermark_resize_strategy"),
    OPT_UNSUPPORTED("watermark_opacity"),
    OPT_UNSUPPORTED("watermark_repeat_x"),
    OPT_UNSUPPORTED("watermark_repeat_y"),
    OPT_UNSUPPORTED("watermark_position_x"),
    OPT_UNSUPPORTED("watermark_position_y"),
    OPT_END,
};

/* ---- what involves more than one field, or a union ---- */

enum turn { TURN_EXIF, TURN_NONE, TURN_DEGREES };

static int parse_rotation(enum turn *turn, double *degrees, const json_t *v, struct err *err)
{
    const char *s = json_string_value(v);
    char *end;

    *degrees = 0;
    *turn = TURN_DEGREES;
    if (json_is_true(v) || (s && (!strcmp(s, "true") || !strcmp(s, "auto"))))
        *turn = TURN_EXIF;
    else if (json_is_false(v) || (s && !strcmp(s, "false")))
        *turn = TURN_NONE;
    else if (json_is_number(v))
        *degrees = json_number_value(v);
    else if (s && *s && (*degrees = strtod(s, &end), !*end) && isfinite(*degrees))
        ;
    else
        return err_set(err, ERR_ROBOT_VALIDATION, "'rotation' must be true, false, \"auto\" or degrees");
    return 0;
}

/* "60%", "80", 80: pixels of a side of this length. NULL or null: def. */
static int parse_coord(int64_t *out, const json_t *v, const char *name, int64_t side, int64_t def,
                       struct err *err)
{
    const char *s = json_string_value(v);
    char *end = (char *)"";
    double n;

    *out = def;
    if (!v || json_is_null(v))
        return 0;
    n = json_is_number(v) ? json_number_value(v) : s && *s ? strtod(s, &end) : NAN;
    if (isfinite(n) && *end == '%' && !end[1])
        n = floor(n * (double)side / 100 + 0.5);
    else if (!isfinite(n) || (*end && strcmp(end, "px")))
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop.%s' must be pixels or percent", name);
    *out = n < 0 ? 0 : n > (double)side ? side : (int64_t)floor(n + 0.5);
    return 0;
}

static int parse_crop(struct rect *r, const json_t *crop, int64_t w, int64_t h, struct err *err)
{
    AUTO(json_unref) json_t *parsed = NULL;
    int64_t x1, y1, x2, y2;

    if (json_is_string(crop))
        crop = parsed = json_loads(json_string_value(crop), 0, NULL);
    if (!json_is_object(crop))
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop' must be an object with x1, y1, x2 and y2");
    if (parse_coord(&x1, json_object_get(crop, "x1"), "x1", w, 0, err) < 0 ||
        parse_coord(&y1, json_object_get(crop, "y1"), "y1", h, 0, err) < 0 ||
        parse_coord(&x2, json_object_get(crop, "x2"), "x2", w, w, err) < 0 ||
        parse_coord(&y2, json_object_get(crop, "y2"), "y2", h, h, err) < 0)
        return -1;
    if (x2 <= x1 || y2 <= y1)
        return err_set(err, ERR_ROBOT_VALIDATION, "'crop' is an empty rectangle");
    *r = (struct rect){x1, y1, x2 - x1, y2 - y1};
    return 0;
}

static int parse_regions(struct rect **out, size_t *count, const json_t *list, struct err *err)
{
    static const char *const names[] = {"x", "y", "width", "height"};
    json_t *item;
    size_t i;

    *out = NULL;
    *count = 0;
    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > 1000)
        return err_set(err, ERR_ROBOT_VALIDATION, "'blur_regions' must be a list of objects");
    *out = mem_zalloc((json_array_size(list) + 1) * sizeof **out);
    json_array_foreach (list, i, item) {
        int64_t v[4];

        for (int k = 0; k < 4; k++) {
            const json_t *n = json_object_get(item, names[k]);

            v[k] = json_is_string(n) ? atoll(json_string_value(n)) : jint(item, names[k], 0);
            if (v[k] < 1 || v[k] > 25000) {
                free(take(*out));
                return err_set_named(err, ERR_ROBOT_VALIDATION, "IMAGE_RESIZE_INVALID_BLUR_REGION",
                                     "'blur_regions[%zu].%s' must be from 1 to 25000", i, names[k]);
            }
        }
        (*out)[(*count)++] = (struct rect){v[0], v[1], v[2], v[3]};
    }
    return 0;
}

static bool is_color(const char *s)
{
    static const char *const names[] = {"transparent", "none", "black",   "white", "red",  "green",
                                        "blue",        "yellow", "cyan",  "magenta", "gray", "grey",
                                        "opaque"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(s, names[i]))
            return true;
    s += *s == '#';
    size_t n = strlen(s);
    return (n == 3 || n == 6) && strspn(s, "0123456789abcdefABCDEF") == n;
}

static bool is_triple(const char *s)
{
    int r, g, b, end = -1;

    return sscanf(s, "%3d,%3d,%3d%n", &r, &g, &b, &end) == 3 && end == (int)strlen(s) && r >= 0 && r < 256 &&
           g >= 0 && g < 256 && b >= 0 && b < 256;
}

static int resize_check(const void *opts, bool partial, struct err *err)
{
    static const char *const formats[] = {"jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "avif", "heic", "jp2"};
    const struct resize_opts *o = opts;
    struct rect r, *regions;
    enum turn turn;
    double degrees;
    size_t n;

    (void)partial;
    if (parse_rotation(&turn, &degrees, o->rotation, err) < 0 ||
        (o->crop && !strstr(json_string_value(o->crop) ? json_string_value(o->crop) : "", "${") &&
         parse_crop(&r, o->crop, 100000, 100000, err) < 0) ||
        parse_regions(&regions, &n, o->blur_regions, err) < 0)
        return -1;
    free(regions);
    if (!is_color(o->background))
        return err_set(err, ERR_ROBOT_VALIDATION, "'background' is '%.40s', which is no colour", o->background);
    if (o->transparent && !is_color(o->transparent) && !is_triple(o->transparent))
        return err_set(err, ERR_ROBOT_VALIDATION, "'transparent' is '%.40s', which is no colour", o->transparent);
    for (size_t i = 0; o->format && i <= ARRAY_LEN(formats); i++) {
        if (i == ARRAY_LEN(formats))
            return err_set(err, ERR_ROBOT_VALIDATION, "'format' is '%.40s', which this server can't write", o->format);
        if (!strcmp(o->format, formats[i]))
            break;
    }
    return 0;
}

/* ---- colour work, one pixel at a time ---- */

struct tone {
    double brightness, saturation, hue, contrast, sepia;
    bool modulate, negate;
};

static uint8_t to_byte(double v) { return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)(v + 0.5); }

static void modulate(double c[3], const struct tone *t)
{
    double max = fmax(c[0], fmax(c[1], c[2])), min = fmin(c[0], fmin(c[1], c[2]));
    double l = (max + min) / 2, d = max - min, h = 0, s = 0;

    if (d > 0) {
        s = l > 0.5 ? d / (2 - max - min) : d / (max + min);
        h = max == c[0]   ? (c[1] - c[2]) / d + (c[1] < c[2] ? 6 : 0)
            : max == c[1] ? (c[2] - c[0]) / d + 2
                          : (c[0] - c[1]) / d + 4;
    }
    h = fmod(h / 6 + (t->hue - 100) / 200 + 1000000, 1);
    s = fmin(1, s * t->saturation);
    l = fmin(1, l * t->brightness);
    double chroma = (1 - fabs(2 * l - 1)) * s, x = chroma * (1 - fabs(fmod(h * 6, 2) - 1)), m = l - chroma / 2;
    int sector = (int)(h * 6) % 6;
    const double rgb[6][3] = {{chroma, x, 0}, {x, chroma, 0}, {0, chroma, x},
                              {0, x, chroma}, {x, 0, chroma}, {chroma, 0, x}};
    for (int i = 0; i < 3; i++)
        c[i] = rgb[sector][i] + m;
}

static void tone_pixel(uint8_t rgb[3], const void *arg)
{
    const struct tone *t = arg;
    double c[3] = {rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0};

    if (t->modulate)
        modulate(c, t);
    for (int i = 0; i < 3; i++)
        c[i] = (c[i] - 0.5) * t->contrast + 0.5;
    if (t->sepia > 0) {
        double r = c[0], g = c[1], b = c[2], k = t->sepia / 100;

        c[0] += k * (0.393 * r + 0.769 * g + 0.189 * b - r);
        c[1] += k * (0.349 * r + 0.686 * g + 0.168 * b - g);
        c[2] += k * (0.272 * r + 0.534 * g + 0.131 * b - b);
    }
    for (int i = 0; i < 3; i++)
        rgb[i] = to_byte(255 * (t->negate ? 1 - c[i] : c[i]));
}

static int recolor(struct image *img, const struct resize_opts *o, struct err *err)
{
    struct tone t = {o->brightness, o->saturation, o->hue, o->contrast, (double)o->sepia, false, o->negate};

    t.modulate = o->brightness != 1 || o->saturation != 1 || o->hue != 100;
    if (t.modulate || o->contrast != 1 || o->sepia > 0 || o->negate)
        if (image_each_pixel(img, tone_pixel, &t, err) < 0)
            return -1;
    if (o->monochrome || o->type == TYPE_BILEVEL || o->type == TYPE_GRAY || o->type == TYPE_GRAY_ALPHA)
        return image_to_space(img, SPACE_GRAY, err);
    return o->colorspace == SPACE_KEEP ? 0 : image_to_space(img, (enum image_space)o->colorspace, err);
}

/* ---- geometry ---- */

static int trim_and_shave(struct image *img, const struct resize_opts *o, struct err *err)
{
    struct rect r;
    long w = 0, h = 0;

    if (o->trim_whitespace && (image_find_trim(&r, img, err) < 0 || image_crop(img, &r, err) < 0))
        return -1;
    if (!o->shave)
        return 0;
    if (sscanf(o->shave, "%ldx%ld", &w, &h) == 1)
        h = w;
    r = (struct rect){w, h, image_width(img) - 2 * w, image_height(img) - 2 * h};
    if (r.w < 1 || r.h < 1)
        return err_set_named(err, ERR_COMMAND, "IMAGE_RESIZE_ERROR", "'shave' %s leaves nothing of %lldx%lld px",
                             o->shave, (long long)image_width(img), (long long)image_height(img));
    return image_crop(img, &r, err);
}

static struct fit plan(const struct resize_opts *o, int64_t w, int64_t h)
{
    return fit_plan((enum fit_strategy)o->resize_strategy, w, h, o->width, o->height, o->zoom,
                    (enum gravity)o->gravity);
}

static int scale(struct image *img, const struct fit *planned, const struct resize_opts *o,
                 struct color background, struct err *err)
{
    struct fit f = planned ? *planned : plan(o, image_width(img), image_height(img));

    if ((f.scaled_w != image_width(img) || f.scaled_h != image_height(img)) &&
        image_scale(img, f.scaled_w, f.scaled_h, o->correct_gamma, err) < 0)
        return -1;
    if ((f.cut.w != f.scaled_w || f.cut.h != f.scaled_h) && image_crop(img, &f.cut, err) < 0)
        return -1;
    if (f.out_w != f.cut.w || f.out_h != f.cut.h)
        return image_pad(img, f.pad_x, f.pad_y, f.out_w, f.out_h, background, err);
    return 0;
}

/* A decode at a fraction of the size, when nothing before the scaling looks at single pixels. *f: the plan for
 * the full size, as a fraction of it is rounded and would shift the result by a pixel. Returns 1 when *f is to
 * be used, 0 when not, -1 on failure. */
static int shrink_early(struct fit *f, struct image *img, const struct resize_opts *o, enum turn turn,
                        struct err *err)
{
    bool swapped = turn == TURN_EXIF && image_orientation(img) >= 5;
    int64_t w = image_width(img), h = image_height(img);

    if (o->trim_whitespace || o->shave || o->crop || (!o->width && !o->height) || o->resize_strategy == FIT_CROP)
        return 0;
    *f = plan(o, swapped ? h : w, swapped ? w : h);
    if (image_shrink_on_load(img, swapped ? f->scaled_h : f->scaled_w, swapped ? f->scaled_w : f->scaled_h,
                             err) < 0)
        return -1;
    return 1;
}

static int transform(struct image *img, const struct resize_opts *o, const char *format, struct err *err)
{
    struct color background = {255, 255, 255, 255}, gone;
    struct rect r, *regions;
    size_t region_count;
    enum turn turn;
    double degrees, sigma = 8;
    struct fit f;
    int rc = 0, planned;

    (void)color_parse(&background, o->background);
    if (parse_rotation(&turn, &degrees, o->rotation, err) < 0 ||
        (planned = shrink_early(&f, img, o, turn, err)) < 0)
        return -1;
    if ((turn == TURN_EXIF && image_autorotate(img, err) < 0) || image_to_srgb(img, err) < 0 ||
        trim_and_shave(img, o, err) < 0)
        return -1;
    if (o->crop) {
        if (parse_crop(&r, o->crop, image_width(img), image_height(img), err) < 0 || image_crop(img, &r, err) < 0)
            return -1;
    } else if (scale(img, planned ? &f : NULL, o, background, err) < 0) {
        return -1;
    }
    if (turn == TURN_DEGREES && degrees != 0 && image_rotate(img, degrees, background, err) < 0)
        return -1;
    if (turn == TURN_DEGREES)
        image_forget_orientation(img);
    if (image_render(img, err) < 0)
        return -1;

    if (o->blur)
        sigma = atof(strchr(o->blur, 'x') + 1);
    if (parse_regions(&regions, &region_count, o->blur_regions, err) < 0)
        return -1;
    if (recolor(img, o, err) < 0)
        rc = -1;
    else if (region_count)
        rc = image_blur_ellipses(img, regions, region_count, sigma, err);
    else if (o->blur && sigma > 0)
        rc = image_blur(img, sigma, err);
    free(regions);
    if (rc < 0)
        return -1;

    bool animated = image_frames(img) > 1, keep = background.a == 0 && image_keeps_alpha(format);
    if (image_has_alpha(img) && !keep && ((o->flatten && !animated) || !image_keeps_alpha(format))) {
        struct color on = background.a ? background : (struct color){255, 255, 255, 255};

        if (image_flatten(img, on, err) < 0)
            return -1;
    }
    if (o->transparent && image_keeps_alpha(format) && color_parse(&gone, o->transparent) &&
        image_make_transparent(img, gone, err) < 0)
        return -1;
    if (o->type == TYPE_TRUE_ALPHA || o->type == TYPE_GRAY_ALPHA)
        return image_keeps_alpha(format) && !image_has_alpha(img) ? image_add_alpha(img, err) : 0;
    return o->type == TYPE_TRUE && image_has_alpha(img) ? image_drop_alpha(img, err) : 0;
}

static int resize_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct resize_opts *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(image_free) struct image *img = NULL;
    AUTO(json_unref) json_t *meta = json_object();
    struct image_load how = {.limits = media_limits(robot_settings(job)), .frame = o->frame,
                             .density = o->density ? atof(o->density) : 0};
    const char *format = o->format, *ext;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file is empty");
    how.all_frames = !o->frame && (format ? image_can_animate(format)
                                          : !strcmp(in->mime, "image/gif") || !strcmp(in->mime, "image/webp"));
    if (image_open(&img, in->path, &how, err) < 0)
        return -1;
    if (!format)
        format = image_can_write(image_format(img)) ? image_format(img) : image_has_alpha(img) ? "png" : "jpg";
    ext = o->format || !image_can_write(in->ext) || strcmp(image_canonical(in->ext), image_canonical(format))
              ? (strcmp(format, "tiff") ? image_canonical(format) : "tiff")
              : in->ext; /* photo.jpeg stays photo.jpeg */
    if (transform(img, o, format, err) < 0)
        return -1;
    robot_progress(job, 0.5);

    struct image_save save = {.format = format,
                              .quality = (int)o->quality,
                              .strip = o->strip,
                              .progressive = o->progressive,
                              .all_filters = o->adaptive_filtering,
                              .palette = o->type == TYPE_PALETTE,
                              .bilevel = o->monochrome || o->type == TYPE_BILEVEL,
                              .compress = o->compress,
                              .density = how.density};
    const char *path = robot_out_path(job, ext);
    const json_t *output_meta = NULL;
    if (image_render(img, err) < 0 || image_save(img, path, &save, err) < 0 ||
        image_meta(meta, img, output_meta, err) < 0 || meta_add_dates(meta, path, true, err) < 0)
        return -1;
    struct robot_output out = {.path = path,
                               .ext = ext,
                               .mime = mime_by_ext(ext),
                               .meta = json_incref(meta),
                               .meta_complete = true,
                               .input = 0};
    return robot_emit(job, &out, err);
}

const struct robot robot_image_resize = {
    .name = "/image/resize",
    .summary = "Resize, crop, turn, recolour and convert images",
    .validation_code = "IMAGE_RESIZE_VALIDATION",
    .accepts = "image/",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .opts_size = sizeof(struct resize_opts),
    .options = options,
    .check = resize_check,
    .run = IN_WORKER(resize_run),
};
