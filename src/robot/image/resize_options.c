/* What /image/resize may be asked for, and what of that is refused at once. */
#include "base/str.h"
#include "robot/crop.h"
#include "robot/image/resize.h"
#include "robot/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLOR_NAMES                                                                                \
    "transparent|none|black|white|red|green|blue|yellow|cyan|magenta|gray|grey|opaque"
#define COLOR_HEX "#?[0-9a-fA-F]{3}([0-9a-fA-F]{3})?"
#define STACK "^v?[23](\\.[0-9]+)?(\\.[0-9]+)?$"

#define invalid(err, ...) err_set(err, ERR_ROBOT_VALIDATION, __VA_ARGS__)

static const struct opt_choice formats[] = {{"jpg", IMAGE_JPG},   {"jpeg", IMAGE_JPG},
                                            {"png", IMAGE_PNG},   {"webp", IMAGE_WEBP},
                                            {"gif", IMAGE_GIF},   {"tif", IMAGE_TIF},
                                            {"tiff", IMAGE_TIFF}, {"avif", IMAGE_AVIF},
                                            {"heic", IMAGE_HEIC}, {"heif", IMAGE_HEIC},
                                            {"jp2", IMAGE_JP2},   {"JPG", IMAGE_JPG},
                                            {"PNG", IMAGE_PNG},   {0}};

static const struct opt_choice resize_strategies[] = {{"fit", FIT_FIT},
                                                      {"min_fit", FIT_MIN_FIT},
                                                      {"fillcrop", FIT_FILLCROP},
                                                      {"pad", FIT_PAD},
                                                      {"stretch", FIT_STRETCH},
                                                      {"crop", FIT_CROP},
                                                      {0}};

static const struct opt_choice gravities[] = {{"top-left", GRAVITY_TOP_LEFT},
                                              {"top", GRAVITY_TOP},
                                              {"top-right", GRAVITY_TOP_RIGHT},
                                              {"left", GRAVITY_LEFT},
                                              {"center", GRAVITY_CENTER},
                                              {"right", GRAVITY_RIGHT},
                                              {"bottom-left", GRAVITY_BOTTOM_LEFT},
                                              {"bottom", GRAVITY_BOTTOM},
                                              {"bottom-right", GRAVITY_BOTTOM_RIGHT},
                                              {"attention", GRAVITY_ATTENTION},
                                              {"entropy", GRAVITY_ENTROPY},
                                              {0}};

static const struct opt_choice spaces[] = {{"sRGB", WANT_SRGB},
                                           {"RGB", WANT_SRGB},
                                           {"Gray", WANT_GRAY},
                                           {"CMYK", WANT_CMYK},
                                           {"Lab", WANT_LAB},
                                           {"Undefined", WANT_AS_IS},
                                           {"Transparent", WANT_SRGB},
#define CHANNELS(n, name)                                                                          \
    {                                                                                              \
        name, WANT_CHANNELS + (n)                                                                  \
    }
                                           CHANNELS(0, "CMY"),
                                           CHANNELS(1, "HCL"),
                                           CHANNELS(2, "HCLp"),
                                           CHANNELS(3, "HSB"),
                                           CHANNELS(4, "HSI"),
                                           CHANNELS(5, "HSL"),
                                           CHANNELS(6, "HSV"),
                                           CHANNELS(7, "HWB"),
                                           CHANNELS(8, "Jzazbz"),
                                           CHANNELS(9, "LCHab"),
                                           CHANNELS(10, "LCHuv"),
                                           CHANNELS(11, "LMS"),
                                           CHANNELS(12, "Log"),
                                           CHANNELS(13, "Luv"),
                                           CHANNELS(14, "OHTA"),
                                           CHANNELS(15, "OkLab"),
                                           CHANNELS(16, "OkLCH"),
                                           CHANNELS(17, "Rec601YCbCr"),
                                           CHANNELS(18, "Rec709YCbCr"),
                                           CHANNELS(19, "scRGB"),
                                           CHANNELS(20, "xyY"),
                                           CHANNELS(21, "XYZ"),
                                           CHANNELS(22, "YCbCr"),
                                           CHANNELS(23, "YCC"),
                                           CHANNELS(24, "YDbDr"),
                                           CHANNELS(25, "YIQ"),
                                           CHANNELS(26, "YPbPr"),
                                           CHANNELS(27, "YUV"),
#undef CHANNELS
                                           {0}};

const char *resize_channels(int colorspace)
{
    for (size_t i = 0; i + 1 < ARRAY_LEN(spaces); i++)
        if (colorspace >= WANT_CHANNELS && spaces[i].value == colorspace)
            return spaces[i].name;
    return NULL;
}

static const struct opt_choice alphas[] = {{"Activate", ALPHA_ON},
                                           {"On", ALPHA_ON},
                                           {"Set", ALPHA_ON},
                                           {"Deactivate", ALPHA_OFF},
                                           {"Off", ALPHA_OFF},
                                           {"Opaque", ALPHA_OPAQUE},
                                           {"Transparent", ALPHA_TRANSPARENT},
                                           {"Extract", ALPHA_EXTRACT},
                                           {"Copy", ALPHA_COPY},
                                           {"Shape", ALPHA_SHAPE},
                                           {"Remove", ALPHA_REMOVE},
                                           {"Background", ALPHA_BACKGROUND},
                                           {0}};

static const struct opt_choice types[] = {{"Bilevel", TYPE_BILEVEL},
                                          {"Grayscale", TYPE_GRAY},
                                          {"GrayscaleAlpha", TYPE_GRAY_ALPHA},
                                          {"Palette", TYPE_PALETTE},
                                          {"PaletteAlpha", TYPE_PALETTE_ALPHA},
                                          {"TrueColor", TYPE_COLOR},
                                          {"TrueColorAlpha", TYPE_COLOR_ALPHA},
                                          {"ColorSeparation", TYPE_SEPARATION},
                                          {"ColorSeparationAlpha", TYPE_SEPARATION_ALPHA},
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
const struct option resize_options[] = {
    OPT_STR(T, imagemagick_stack, .def_str = "v3", .pattern = STACK, .example = "\"v2.0.10\"",
            .help = "Accepted and ignored."),
    OPT_STR(T, stack, .pattern = STACK, .example = "\"v2\"",
            .help = "Old name of imagemagick_stack."),
    OPT_ENUM(T, format, formats, .nullable = true,
             .help = "Format of the result. Left out: as the input."),
    OPT_INT(T, width, .min = 1, .max = 25000, .unit = "px", .px_suffix = true,
            .help = "Width of the result. Left out: follows the height."),
    OPT_INT(T, height, .min = 1, .max = 25000, .unit = "px", .px_suffix = true,
            .help = "Height of the result. Left out: follows the width."),
    OPT_ENUM(T, resize_strategy, resize_strategies, .def = FIT_FIT,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(T, zoom, .def = true, .help = "Whether small images are enlarged."),
    OPT_JSON(T, crop, .example = "{\"x1\": 5}",
             .help =
                 "Rectangle to cut out: x1, y1, x2, y2 in pixels or percent; or that as a text."),
    OPT_ENUM(T, gravity, gravities, .def = GRAVITY_CENTER, .example = "\"top\"",
             .help = "Which part fillcrop and crop keep; attention: what catches the eye; entropy: "
                     "the busiest."),
    OPT_BOOL(T, strip, .help = "Leave metadata and profiles out."),
    OPT_BOOL(T, flatten, .def = true, .help = "Merge onto the background (not for animations)."),
    OPT_BOOL(T, correct_gamma, .help = "Resize in linear light."),
    OPT_INT(T, quality, .min = 1, .max = 100, .def = 92, .help = "Encoder quality."),
    OPT_BOOL(T, adaptive_filtering, .help = "Smaller PNG files for more time."),
    OPT_STR(T, background, .def_str = "#FFFFFF", .pattern = "^(" COLOR_NAMES "|" COLOR_HEX ")$",
            .example = "\"red\"",
            .help = "Colour under transparency and in padding; none keeps transparency."),
    OPT_INT(T, frame, .min = 1, .max = 1000000, .nullable = true,
            .help = "Frame of an animation, from 1. Left out: all."),
    OPT_ENUM(T, colorspace, spaces,
             .help = "Colour space of the result. JPEG holds sRGB, Gray and CMYK, TIFF all; "
                     "elsewhere one that "
                     "a format has no room for is written as sRGB."),
    OPT_ENUM(T, type, types, .help = "Colour type of the result."),
    OPT_JSON(T, rotation, .def_str = "true", .example = "90",
             .help = "true or auto: as EXIF says; false: not; a number: degrees clockwise."),
    OPT_STR(T, compress, .nullable = true,
            .pattern = "^(BZip|Fax|Group4|JPEG|JPEG2000|Lossless|LZW|None|RLE|Zip)$",
            .example = "\"LZW\"", .help = "Compression of a TIFF result."),
    OPT_STR(T, blur, .nullable = true, .pattern = "^[0-9]+(\\.[0-9]+)?x[0-9]+(\\.[0-9]+)?$",
            .example = "\"0x5\"", .help = "Gaussian blur, radius x sigma. The sigma counts."),
    OPT_JSON(T, blur_regions, .nullable = true,
             .example = "[{\"x\": 1, \"y\": 1, \"width\": 5, \"height\": 5}]",
             .help = "List of {x, y, width, height}: blur only inside these ellipses."),
    OPT_GROUP(T, tone, struct image_tone, tone_options),
    OPT_BOOL(T, progressive, .help = "Interlaced JPEG, PNG or GIF."),
    OPT_STR(T, transparent, .pattern = "^(" COLOR_NAMES "|" COLOR_HEX "|[0-9]+,[0-9]+,[0-9]+)$",
            .example = "\"red\"", .help = "Colour that becomes transparent."),
    OPT_BOOL(T, trim_whitespace, .help = "First cut edges of one colour off."),
    OPT_STR(T, density, .nullable = true, .pattern = "^[0-9]{1,4}(x[0-9]{1,4})?$", .unit = "dpi",
            .example = "\"300\"",
            .help = "Resolution for drawing vector images, also written to the file."),
    OPT_BOOL(T, monochrome, .help = "Black and white, nothing between."),
    OPT_STR(T, shave, .pattern = "^[0-9]{1,5}(x[0-9]{1,5})?$", .unit = "px", .example = "\"5\"",
            .help = "Pixels to cut off the edges: W left and right, H top and bottom."),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_ENUM(T, alpha, alphas,
             .help = "What becomes of transparency: On, Off, Set and so on, by ImageMagick's "
                     "names. What a mode makes is not "
                     "flattened again."),
    OPT_ENUM(T, preclip_alpha, alphas, .help = "The same before the clipping path is used."),
    OPT_JSON(T, clip, .def_str = "false", .example = "true",
             .help = "true: what changes colours and transparency works inside the picture's first "
                     "clipping path only; a text: "
                     "inside the path of that name."),
    OPT_BOOL(T, clut,
             .help = "Recolour by a gradient, which comes as an input with `as: \"clut\"`."),
    OPT_JSON(
        T, text, .def_str = "[]", .example = "{\"text\": \"Hello\", \"size\": 20}",
        .help = "Texts to write over the picture: an object or a list of them, with text, font, "
                "size, rotate, color, "
                "background_color, stroke_width, stroke_color, align, valign, x_offset, y_offset."),
    OPT_GROUP(T, watermark, struct watermark_opts, watermark_options),
    OPT_END,
};
#undef T

/* ---- values that are more than one row of the table ---- */

int resize_turn(enum turn *how, double *degrees, const json_t *v, struct err *err)
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
        *to[i] = json_is_number(n)        ? (int64_t)fmin(fmax(json_number_value(n), 0), 1e9)
                 : s && !strpbrk(s, "xX") ? atoll(s)
                 : s && str_ends(s, "px") && !strchr(s, 'X') ? atoll(s)
                                                             : 0;
        if (*to[i] < 1 || *to[i] > 25000)
            return -1;
    }
    return 0;
}

int resize_regions(struct rect *out, const json_t *list, struct err *err)
{
    struct rect one;
    json_t *v;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > REGIONS_MAX)
        return value_refuse(err, "INVALID_BLUR_REGION",
                            "'blur_regions' must be a list of at most %d boxes", REGIONS_MAX);
    json_array_foreach (list, i, v) {
        if (read_region(&one, v) < 0)
            return value_refuse(err, "INVALID_BLUR_REGION",
                                "'blur_regions[%zu]' must have x, y, width and height, each from "
                                "1 to 25000 px",
                                i);
        if (out)
            out[i] = one;
    }
    return (int)json_array_size(list);
}

bool resize_clips(const char **name, const json_t *clip)
{
    const char *s = json_string_value(clip);

    *name = s && strcmp(s, "true") != 0 && strcmp(s, "false") != 0 ? s : NULL;
    return json_is_true(clip) || (s && strcmp(s, "false") != 0);
}

int resize_check(const void *opts, bool partial, struct err *err)
{
    const struct resize_opts *o = opts;
    double degrees;
    enum turn how;

    const char *format = image_type_name((enum image_type)o->format);
    const char *name;

    if (format && o->colorspace == WANT_LAB && strcmp(format, "tif") != 0)
        return invalid(err, "only format \"tiff\" can hold colorspace Lab");
    if (format && o->type == TYPE_SEPARATION_ALPHA && strcmp(format, "tif") != 0)
        return invalid(err, "only format \"tiff\" can hold type ColorSeparationAlpha");
    if (format && (o->colorspace == WANT_CMYK || o->type == TYPE_SEPARATION) &&
        strcmp(format, "tif") != 0 && strcmp(format, "jpg") != 0)
        return invalid(err, "only formats \"jpg\" and \"tiff\" can hold colorspace CMYK");
    if (resize_clips(&name, o->clip) && name && (!*name || strlen(name) > 255))
        return invalid(err, "'clip' must be true, false or the name of a path, of 1 to 255 bytes");
    if (!json_is_boolean(o->clip) && !json_is_string(o->clip) && o->clip)
        return invalid(err, "'clip' must be true, false or the name of a path");
    if (text_overlays(NULL, o->text, err) < 0 || watermark_check(&o->watermark, err) < 0)
        return -1;
    if (resize_turn(&how, &degrees, o->rotation, err) < 0 ||
        resize_regions(NULL, o->blur_regions, err) < 0)
        return -1;
    return o->crop ? crop_check(o->crop, err) : 0;
}
