/* /file/preview: one picture that stands for a file, whatever it is. For each kind of file there is
 * a list of ways to make one; the first that works counts. A way is a row in strategies[] and a
 * function: more of them come with the Robots that they need. */
#include "base/filetype.h"
#include "media/av/av.h"
#include "media/clip.h"
#include "media/cover.h"
#include "media/gradient.h"
#include "media/icon.h"
#include "media/image_emit.h"
#include "media/shrink.h"
#include "media/tool.h"
#include "media/wave_file.h"
#include "robot/choices.h"
#include "robot/values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUALITY = 85, MOST_WAYS = 10 };
#define PAGE_DPI 150.0 /* of a document, before it is fitted */

struct preview_opts {
    int64_t width, height, clip_framerate, waveform_width, waveform_height;
    int format, resize_strategy, icon_style, icon_text_content, optimize_priority, clip_format;
    bool zoom, optimize, optimize_progressive, clip_loop;
    double clip_offset, clip_duration;
    const char *background, *artwork_outer_color, *artwork_center_color, *waveform_outer_color,
        *waveform_center_color, *icon_text_color, *icon_text_font;
    json_t *strategy, *output_meta;
};
#define T struct preview_opts

/* ---- parameters ---- */

static const struct opt_choice formats[] = {{"png", IMAGE_PNG},
                                            {"jpg", IMAGE_JPG},
                                            {"jpeg", IMAGE_JPG},
                                            {"gif", IMAGE_GIF},
                                            {"webp", IMAGE_WEBP},
                                            {"avif", IMAGE_AVIF},
                                            {0}};
enum { ICON_WITH_TEXT, ICON_SQUARE };
static const struct opt_choice icon_styles[] = {
    {"with-text", ICON_WITH_TEXT}, {"square", ICON_SQUARE}, {0}};
enum { TEXT_EXTENSION, TEXT_NONE };
static const struct opt_choice icon_texts[] = {
    {"extension", TEXT_EXTENSION}, {"none", TEXT_NONE}, {0}};
enum { FAST, SMALL };
static const struct opt_choice priorities[] = {
    {"conversion-speed", FAST}, {"compression-ratio", SMALL}, {0}};
static const struct opt_choice clip_formats[] = {
    {"webp", CLIP_WEBP}, {"gif", CLIP_GIF}, {"apng", CLIP_APNG}, {"avif", CLIP_AVIF}, {0}};

static const struct option options[] = {
    OPT_ENUM(T, format, formats, .def = IMAGE_PNG, .help = "Format of a still picture."),
    OPT_INT(T, width, .min = 1, .max = 25000, .def = 300, .px_suffix = true, .unit = "px",
            .help = "Width of the preview."),
    OPT_INT(T, height, .min = 1, .max = 25000, .def = 200, .px_suffix = true, .unit = "px",
            .help = "Height of the preview."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_STR(T, background, .def_str = "#ffffffff", .pattern = VALUE_RGBA,
            .example = "\"#ff000080\"",
            .help = "Colour of what pad adds, and behind what is transparent; rrggbbaa."),
    OPT_BOOL(T, zoom, .def = true,
             .help = "Enlarge what is smaller than the preview; clips are in any case."),
    OPT_JSON(T, strategy, .example = "{\"video\": [\"clip\", \"icon\"]}",
             .help = "Ways to make a preview by kind of file (audio, video, image, document, "
                     "archive, webpage, unknown): the first "
                     "that works counts. A kind that is left out has its usual list."),
    OPT_STR(T, artwork_outer_color, .pattern = VALUE_RGBA, .example = "\"#203040\"",
            .help = "Behind a cover: the colour at the edge of a gradient. Left out: that of the "
                    "centre, or the background."),
    OPT_STR(T, artwork_center_color, .pattern = VALUE_RGBA, .example = "\"#8090a0\"",
            .help = "The colour in the centre of that gradient. Left out: that of the edge."),
    OPT_STR(T, waveform_center_color, .def_str = "#000000ff", .pattern = VALUE_RGBA,
            .example = "\"#2060c0\"", .help = "Colour of a waveform at silence, rrggbbaa."),
    OPT_STR(T, waveform_outer_color, .def_str = "#000000ff", .pattern = VALUE_RGBA,
            .example = "\"#90b0ff\"", .help = "Its colour at full scale."),
    OPT_INT(T, waveform_height, .min = 1, .max = 5000, .def = 100, .unit = "px",
            .help = "Height that a waveform is drawn in, before it is fitted into the preview."),
    OPT_INT(T, waveform_width, .min = 1, .max = 5000, .def = 300, .unit = "px",
            .help = "The same for its width."),
    OPT_ENUM(T, icon_style, icon_styles, .def = ICON_WITH_TEXT,
             .help = "A sheet with its text in a box below, or a square tile."),
    OPT_STR(T, icon_text_color, .def_str = "#a2a2a2", .pattern = VALUE_RGBA,
            .example = "\"#102030\"", .help = "Colour of an icon's text, rrggbbaa."),
    OPT_STR(T, icon_text_font, .def_str = "Roboto", .pattern = ICON_FONT_FORM,
            .example = "\"DejaVu Sans\"",
            .help = "Family of its font. One that is not there is replaced by a sans-serif."),
    OPT_ENUM(T, icon_text_content, icon_texts, .def = TEXT_EXTENSION,
             .help = "The file's extension, or no text: the box of a sheet is empty then."),
    OPT_BOOL(T, optimize, .def = true,
             .help = "Write a still picture in fewer bytes, without EXIF and comments."),
    OPT_ENUM(T, optimize_priority, priorities, .def = FAST,
             .help = "With optimize: whether the last percent is worth many times the work."),
    OPT_BOOL(T, optimize_progressive,
             .help =
                 "With optimize: a picture that shows at once, coarse at first (PNG, JPEG, GIF)."),
    OPT_ENUM(T, clip_format, clip_formats, .def = CLIP_WEBP, .help = "Format of a clip."),
    OPT_NUM(T, clip_offset, .max = 1e6, .def_num = 1, .unit = "s",
            .help = "Where in the film the clip begins; in one that is shorter, at a tenth of it."),
    OPT_NUM(T, clip_duration, .max = 3600, .def_num = 5, .unit = "s",
            .help = "How long the clip is."),
    OPT_INT(T, clip_framerate, .min = 1, .max = 60, .def = 5,
            .help = "Pictures of the clip in a second."),
    OPT_BOOL(T, clip_loop, .def = true, .help = "Play the clip again and again, or once."),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

/* ---- kinds and ways ---- */

struct work {
    struct robot_job *job;
    const T *o;
    const struct robot_input *in;
    const struct kind *kind;
    struct media_limits limits;
};

static int by_artwork(struct work *w, struct err *err);
static int by_frame(struct work *w, struct err *err);
static int by_clip(struct work *w, struct err *err);
static int by_page(struct work *w, struct err *err);
static int by_image(struct work *w, struct err *err);
static int by_icon(struct work *w, struct err *err);
static int by_waveform(struct work *w, struct err *err);

/* run makes the preview and hands it over. One that is not built is passed by in the usual lists.
 */
static const struct strategy {
    const char *name;
    bool built;
    int (*run)(struct work *w, struct err *err);
} strategies[] = {
    {"artwork", true, IN_WORKER(by_artwork)},   {"frame", true, IN_WORKER(by_frame)},
    {"clip", true, IN_WORKER(by_clip)},         {"page", true, IN_WORKER(by_page)},
    {"image", true, IN_WORKER(by_image)},       {"icon", true, IN_WORKER(by_icon)},
    {"waveform", true, IN_WORKER(by_waveform)}, {"render", false, NULL},
};

/* mimes: beginnings of types, separated by spaces. */
static const struct kind {
    const char *name, *mimes, *usual[4];
} kinds[] = {
    {"audio", "audio/", {"artwork", "waveform", "icon"}},
    {"video", "video/", {"artwork", "frame", "icon"}},
    {"image", "image/", {"image", "icon"}},
    {"document",
     "application/pdf application/msword application/vnd.ms- application/vnd.openxmlformats- "
     "application/vnd.oasis. application/rtf "
     "application/epub application/postscript",
     {"page", "icon"}},
    {"archive",
     "application/zip application/x-tar application/gzip application/x-bzip2 application/x-xz "
     "application/x-7z application/x-rar "
     "application/zstd application/java-archive",
     {"icon"}},
    {"webpage", "text/html application/xhtml", {"render", "icon"}},
    {"unknown", "", {"icon"}},
};

static const struct kind *kind_of(const char *mime)
{
    for (const struct kind *k = kinds;; k++) {
        if (!*k->mimes)
            return k;
        for (const char *p = k->mimes; *p; p += strspn(p, " ")) {
            size_t n = strcspn(p, " ");

            if (!strncmp(mime, p, n))
                return k;
            p += n;
        }
    }
}

static const struct strategy *strategy_of(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(strategies); i++)
        if (!strcmp(strategies[i].name, name))
            return &strategies[i];
    return NULL;
}

static bool is_usual(const struct kind *k, const json_t *list)
{
    size_t n = 0;

    while (n < ARRAY_LEN(k->usual) && k->usual[n]) {
        const char *way = json_string_value(json_array_get(list, n));

        if (!way || strcmp(way, k->usual[n++]) != 0)
            return false;
    }
    return n == json_array_size(list);
}

/* A client may write out what is usual, whether all of it is built or not. */
static int check_ways(const struct kind *k, const json_t *list, struct err *err)
{
    json_t *v;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > MOST_WAYS)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'strategy': '%s' must be a list of at most %d ways", k->name, MOST_WAYS);
    json_array_foreach (list, i, v) {
        const struct strategy *s = strategy_of(json_string_value(v));
        AUTO(mem_free) char *text = json_text(v);

        if (!s)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'strategy': %.60s, which '%s' holds, is no way to make a preview", text,
                           k->name);
        if (!s->built && !is_usual(k, list))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'strategy': %.60s, which '%s' holds, is not supported by this server",
                           text, k->name);
    }
    return 0;
}

static int preview_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    const char *name;
    json_t *list;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (o->strategy && !json_is_object(o->strategy))
        return err_set(err, ERR_ROBOT_VALIDATION, "'strategy' must be an object of lists");
    json_object_foreach (o->strategy, name, list) {
        size_t i = 0;

        while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].name, name) != 0)
            i++;
        if (i == ARRAY_LEN(kinds))
            return err_set(err, ERR_ROBOT_VALIDATION, "'strategy': '%.60s' is no kind of file",
                           name);
        if (check_ways(&kinds[i], list, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- still pictures: their shape and colours ---- */

static int preview_fits(const struct work *w, const struct fit *f, int64_t frames, struct err *err)
{
    double most = (double)w->limits.max_pixels / (double)frames;

    if ((double)f->scaled_w * (double)f->scaled_h <= most &&
        (double)f->out_w * (double)f->out_h <= most)
        return 0;
    return err_set(err, ERR_COMMAND,
                   "the preview would have %lldx%lld pixels in each of %lld frames, the limit is "
                   "%lld in all (setting max_pixels)",
                   (long long)f->scaled_w, (long long)f->scaled_h, (long long)frames,
                   (long long)w->limits.max_pixels);
}

static struct fit fit_of(const struct work *w, int64_t width, int64_t height)
{
    return fit_plan((enum fit_strategy)w->o->resize_strategy, width, height, w->o->width,
                    w->o->height, w->o->zoom, GRAVITY_CENTER);
}

/* What is transparent shows the colour as well: else there would be two kinds of background. */
static int fill_up(struct image *img, const struct fit *f, struct color bg, struct err *err)
{
    bool pads = f->out_w > f->cut.w || f->out_h > f->cut.h;

    if (bg.a == 255 && image_has_alpha(img) && image_flatten(img, bg, err) < 0)
        return -1;
    if (bg.a < 255 && pads && image_add_alpha(img, err) < 0)
        return -1;
    return image_pad(img, f->pad_x, f->pad_y, f->out_w, f->out_h, bg, err);
}

static int scale(struct image *img, const struct fit *f, struct err *err)
{
    return image_scale(img, f->scaled_w, f->scaled_h, false, err) < 0 ||
                   image_crop(img, &f->cut, err) < 0
               ? -1
               : 0;
}

static int emit_still(struct work *w, struct image *img, struct err *err)
{
    const T *o = w->o;
    const char *format = image_type_name((enum image_type)o->format), *smaller = NULL;
    const char *path = robot_out_path(w->job, format);
    struct color bg = value_rgba(o->background);
    AUTO(json_unref) json_t *meta = json_object();
    struct image_save save = {.format = format,
                              .quality = QUALITY,
                              .strip = o->optimize,
                              .progressive = o->optimize && o->optimize_progressive};
    struct shrink how = {.limits = w->limits,
                         .progressive = o->optimize_progressive,
                         .thorough = o->optimize_priority == SMALL,
                         .mend = true};

    bg.a = 255;
    if (image_to_srgb(img, err) < 0 ||
        (!image_keeps_alpha(format) && image_flatten(img, bg, err) < 0) ||
        image_render(img, err) < 0)
        return -1;
    image_watch(img, image_tell_job, w->job, 0.5, 0.9);
    if (image_save(img, path, &save, err) < 0 ||
        (o->optimize && shrink_file(&smaller, w->job, path, &how, err) < 0))
        return -1;
    if (smaller) {
        unlink(path);
        path = smaller;
    }
    if (image_meta(meta, img, o->output_meta, err) < 0 || meta_add_dates(meta, path, true, err) < 0)
        return -1;
    return robot_emit(w->job,
                      &(struct robot_output){.path = path,
                                             .ext = format,
                                             .mime = filetype_by_ext(format),
                                             .meta = take(meta),
                                             .meta_complete = true},
                      err);
}

static int finish(struct work *w, struct image *img, struct err *err)
{
    struct fit f = fit_of(w, image_width(img), image_height(img));

    return preview_fits(w, &f, 1, err) < 0 || scale(img, &f, err) < 0 ||
                   fill_up(img, &f, value_rgba(w->o->background), err) < 0
               ? -1
               : emit_still(w, img, err);
}

/* ---- image, page ---- */

static int from_file(struct image **out, struct work *w, const char *path, struct err *err)
{
    const struct image_load how = {.limits = w->limits};
    AUTO(image_free) struct image *img = NULL;

    if (image_open(&img, path, &how, err) < 0)
        return -1;
    bool turned = image_orientation(img) >= 5;
    struct fit f = fit_of(w, turned ? image_height(img) : image_width(img),
                          turned ? image_width(img) : image_height(img));
    if (image_shrink_on_load(img, turned ? f.scaled_h : f.scaled_w,
                             turned ? f.scaled_w : f.scaled_h, err) < 0 ||
        image_autorotate(img, err) < 0 || image_to_srgb(img, err) < 0)
        return -1;
    image_watch(img, image_tell_job, w->job, 0, 0.5);
    *out = take(img);
    return 0;
}

static int by_image(struct work *w, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;

    return from_file(&img, w, w->in->path, err) < 0 ? -1 : finish(w, img, err);
}

/* The first page, drawn as large as it will be shown. */
static int by_page(struct work *w, struct err *err)
{
    struct image_load how = {.limits = w->limits, .density = PAGE_DPI};
    AUTO(image_free) struct image *img = NULL;

    if (strcmp(w->in->mime, "application/pdf") != 0)
        return err_set(err, ERR_COMMAND, "pages of files of type %.60s can't be shown",
                       w->in->mime);
    if (image_open(&img, w->in->path, &how, err) < 0)
        return -1;
    struct fit f = fit_of(w, image_width(img), image_height(img));
    if (preview_fits(w, &f, 1, err) < 0)
        return -1;
    how.density *= fmax((double)f.scaled_w / (double)image_width(img),
                        (double)f.scaled_h / (double)image_height(img));
    image_free(take(img));
    if (image_open(&img, w->in->path, &how, err) < 0 || image_to_srgb(img, err) < 0)
        return -1;
    image_watch(img, image_tell_job, w->job, 0, 0.5);
    return image_render(img, err) < 0 ? -1 : finish(w, img, err);
}

/* ---- films and sounds ---- */

static int open_film(struct av **out, struct work *w, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;

    if (av_open(&av, w->in->path, &(struct av_open){.limits = w->limits}, err) < 0)
        return -1;
    *out = take(av);
    return 0;
}

static double length_of(const struct av_info *info)
{
    double length = info->duration_s;

    if (info->video_s > 0 && info->video_s < length)
        length = info->video_s;
    return fmax(length, 0.001);
}

static int by_frame(struct work *w, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;
    AUTO(image_free) struct image *img = NULL;
    double t;

    if (open_film(&av, w, err) < 0)
        return -1;
    if (!av_info(av)->has_video)
        return err_set(err, ERR_INPUT, "the file has no pictures");
    double at = fmin(1, length_of(av_info(av)) / 10);
    int rc = av_picture(&img, &t, av, &(struct av_moment){at, at, at}, err);
    if (rc == 0)
        return err_set(err, ERR_INPUT, "the film has no picture at its begin");
    return rc < 0 ? -1 : finish(w, img, err);
}

static int open_cover(struct image **out, struct work *w, struct av *av, struct err *err)
{
    const char *path;
    char ext[COVER_EXT];
    int rc = cover_extract(&path, ext, w->job, av, &w->limits, err);

    if (rc == 0)
        return err_set(err, ERR_INPUT, "the file has no cover");
    if (rc < 0)
        return -1;
    rc = from_file(out, w, path, err);
    if (rc == 0)
        rc = image_render(*out, err);
    unlink(path);
    return rc;
}

static int by_artwork(struct work *w, struct err *err)
{
    const char *centre = w->o->artwork_center_color, *edge = w->o->artwork_outer_color;
    AUTO(av_close) struct av *av = NULL;
    AUTO(image_free) struct image *img = NULL;

    if (open_film(&av, w, err) < 0 || open_cover(&img, w, av, err) < 0)
        return -1;
    if (!centre && !edge)
        return finish(w, img, err);
    struct fit f = fit_of(w, image_width(img), image_height(img));
    if (preview_fits(w, &f, 1, err) < 0 || scale(img, &f, err) < 0 ||
        image_on_gradient(&img, &f, value_rgba(centre ? centre : edge),
                          value_rgba(edge ? edge : centre), err) < 0)
        return -1;
    return emit_still(w, img, err);
}

/* ---- clip ---- */

static int by_clip(struct work *w, struct err *err)
{
    const T *o = w->o;
    AUTO(av_close) struct av *av = NULL;

    if (open_film(&av, w, err) < 0)
        return -1;
    const struct av_info *info = av_info(av);
    if (!info->has_video)
        return err_set(err, ERR_INPUT, "the file has no pictures");
    double length = length_of(info), at = o->clip_offset < length ? o->clip_offset : length / 10;
    double frames = ceil(fmin(o->clip_duration, length - at) * (double)o->clip_framerate) + 1;
    if (frames > (double)w->limits.max_frames)
        return err_set(err, ERR_COMMAND,
                       "the clip would have %.0f frames, the limit is %lld (setting max_frames)",
                       frames, (long long)w->limits.max_frames);
    struct fit f = fit_plan((enum fit_strategy)o->resize_strategy, info->width, info->height,
                            o->width, o->height, true, GRAVITY_CENTER);
    if (preview_fits(w, &f, (int64_t)frames, err) < 0)
        return -1;
    const char *ext = clip_ext((enum clip_format)o->clip_format),
               *path = robot_out_path(w->job, ext);
    const struct clip clip = {.format = (enum clip_format)o->clip_format,
                              .at = at,
                              .duration = o->clip_duration,
                              .framerate = o->clip_framerate,
                              .loop = o->clip_loop,
                              .fit = f,
                              .background = value_rgba(o->background)};
    if (clip_make(w->job, w->in->path, path, &clip, err) < 0) {
        unlink(path);
        return -1;
    }
    return robot_emit(w->job, &(struct robot_output){.path = path, .ext = ext}, err);
}

/* ---- waveform ---- */

static int by_waveform(struct work *w, struct err *err)
{
    const T *o = w->o;
    AUTO(image_free) struct image *img = NULL;
    const struct wave look = {.w = o->waveform_width,
                              .h = o->waveform_height,
                              .outer = value_rgba(o->waveform_outer_color),
                              .center = value_rgba(o->waveform_center_color),
                              .mirrored = true,
                              .scale = 1};

    return wave_of_file(&img, w->job, w->in->path, &look, &w->limits, err) < 0
               ? -1
               : finish(w, img, err);
}

/* ---- icon ---- */

/* Drawn in the size that it will have, so that nothing is blurred. */
static int by_icon(struct work *w, struct err *err)
{
    const T *o = w->o;
    AUTO(image_free) struct image *img = NULL;
    struct icon icon = {.kind = w->kind->name,
                        .text = o->icon_text_content == TEXT_EXTENSION ? w->in->ext : NULL,
                        .square = o->icon_style == ICON_SQUARE,
                        .color = value_rgba(o->icon_text_color),
                        .font = o->icon_text_font};

    icon_natural_size(&icon.w, &icon.h, icon.square);
    struct fit f = fit_of(w, icon.w, icon.h);
    if (preview_fits(w, &f, 1, err) < 0)
        return -1;
    icon.w = f.scaled_w;
    icon.h = f.scaled_h;
    if (icon_draw(&img, &icon, robot_out_path(w->job, "svg"), err) < 0)
        return -1;
    if (image_crop(img, &f.cut, err) < 0 || fill_up(img, &f, value_rgba(o->background), err) < 0)
        return -1;
    return emit_still(w, img, err);
}

/* ---- the job ---- */

/* May the next way be tried? Not when it is nobody's fault of the file, or a program hangs, after
 * which this worker must end. */
static bool preview_goes_on(const struct err *err)
{
    return (err->code == ERR_COMMAND || err->code == ERR_INPUT || err->code == ERR_META ||
            err->code == ERR_TIMEOUT) &&
           !tool_is_stuck();
}

static int preview_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct work w = {
        .job = job, .o = o, .in = robot_input(job, 0), .limits = media_limits(robot_settings(job))};

    w.kind = kind_of(w.in->mime);
    const json_t *list = json_object_get(o->strategy, w.kind->name);
    size_t count = list ? json_array_size(list) : ARRAY_LEN(w.kind->usual);
    for (size_t i = 0; i < count; i++) {
        const struct strategy *s =
            strategy_of(list ? json_string_value(json_array_get(list, i)) : w.kind->usual[i]);

        if (!s || !s->run)
            continue;
        if (s->run(&w, err) == 0)
            return 0;
        if (!preview_goes_on(err))
            return -1;
    }
    return 0; /* no way is left: there is no preview */
}

const struct robot robot_file_preview = {
    .name = "/file/preview",
    .summary = "Make a preview picture of any file",
    .nothing = "none of the ways to make a preview has worked",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 15,
    .opts_size = sizeof(T),
    .options = options,
    .check = preview_check,
    .run = IN_WORKER(preview_run),
};
