/* /audio/waveform: what a sound looks like: its peaks over time as a picture or as numbers, or its
 * frequencies. */
#include "base/str.h"
#include "media/av/encode.h"
#include "media/av/sound.h"
#include "media/image_emit.h"
#include "media/peaks.h"
#include "media/spectrum.h"
#include "media/wave.h"
#include "robot/av_options.h"
#include "robot/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE_MAX = 25000,      /* px */
    POINTS_MAX = 16 << 20, /* of JSON, all channels together */
    POINTS_A_COLUMN = 16,  /* while it is not known how long the sound is */
    SPECTRUM_PIXELS = 25 << 20,
    SAMPLES_OF_POINT = 256, /* of JSON, where nothing else is asked */
    BAR_WIDTH = 8,
    BAR_GAP = 4, /* px */
    MIXED_AT_ONCE = 4096,
    QUALITY = 92,
};
#define SHARE_OF_HEARING 0.9 /* of the progress */

struct waveform_opts {
    int format, style, bits, colors, waveform_style, bar_style, color_map, frequency_scale,
        orientation;
    int64_t width, height, zoom, bar_width, bar_gap, compression;
    double pixels_per_second, start, end, amplitude_scale, frequency_min, frequency_max, gain;
    bool split_channels, no_axis_labels, legend;
    json_t *antialiasing, *with_axis_labels, *output_meta;
    const char *background_color, *center_color, *outer_color, *border_color, *axis_label_color;
    struct av_opts av;
};
#define T struct waveform_opts

/* ---- parameters ---- */

#define CLEAR "#00000000"
#define BLACK "000000ff"

enum { FORMAT_IMAGE, FORMAT_JSON };
static const struct opt_choice formats[] = {{"image", FORMAT_IMAGE}, {"json", FORMAT_JSON}, {0}};
enum { STYLE_V0, STYLE_V1, STYLE_SPECTROGRAM };
static const struct opt_choice styles[] = {
    {"v0", STYLE_V0}, {"v1", STYLE_V1}, {"spectrogram", STYLE_SPECTROGRAM},
    {"0", STYLE_V0},  {"1", STYLE_V1},  {0}};
static const struct opt_choice depths[] = {{"8", 8}, {"16", 16}, {0}};
enum { SCHEME_OWN, SCHEME_AUDITION, SCHEME_AUDACITY };
static const struct opt_choice schemes[] = {
    {"audition", SCHEME_AUDITION}, {"audacity", SCHEME_AUDACITY}, {0}};
enum { WAVE_NORMAL, WAVE_BARS };
static const struct opt_choice waves[] = {{"normal", WAVE_NORMAL}, {"bars", WAVE_BARS}, {0}};
enum { BAR_SQUARE, BAR_ROUNDED };
static const struct opt_choice ends[] = {{"square", BAR_SQUARE}, {"rounded", BAR_ROUNDED}, {0}};
static const struct opt_choice color_maps[] = {
    {"viridis", MAP_VIRIDIS},   {"plasma", MAP_PLASMA},   {"magma", MAP_MAGMA},
    {"cividis", MAP_CIVIDIS},   {"cool", MAP_COOL},       {"rainbow", MAP_RAINBOW},
    {"moreland", MAP_MORELAND}, {"nebulae", MAP_NEBULAE}, {"fire", MAP_FIRE},
    {"fiery", MAP_FIERY},       {"fruit", MAP_FRUIT},     {"green", MAP_GREEN},
    {"terrain", MAP_TERRAIN},   {"gray", MAP_GRAY},       {0}};
enum { SCALE_LOGARITHMIC, SCALE_LINEAR };
static const struct opt_choice scales[] = {
    {"linear", SCALE_LINEAR}, {"logarithmic", SCALE_LOGARITHMIC}, {0}};
enum { TIME_HORIZONTAL, TIME_VERTICAL };
static const struct opt_choice orientations[] = {
    {"vertical", TIME_VERTICAL}, {"horizontal", TIME_HORIZONTAL}, {0}};

static const struct option options[] = {
    OPT_ENUM(T, format, formats, .def = FORMAT_IMAGE, .help = "A PNG picture, or numbers."),
    OPT_INT(T, width, .min = 1, .max = SIDE_MAX, .def = 256, .unit = "px",
            .help = "Width of the picture; how many numbers v0 gives."),
    OPT_INT(T, height, .min = 1, .max = SIDE_MAX, .def = 64, .unit = "px",
            .help = "Height of the picture."),
    OPT_JSON(T, antialiasing, .def_str = "0", .example = "true",
             .help = "Smooth edges, where a peak ends between two pixels: true or 1."),
    OPT_STR(T, background_color, .def_str = CLEAR, .pattern = VALUE_RGBA,
            .example = "\"#ffffffff\"", .help = "Behind the wave, rrggbbaa."),
    OPT_STR(
        T, center_color, .def_str = BLACK, .pattern = VALUE_RGBA, .example = "\"#2060c0ff\"",
        .help =
            "Colour of the wave at silence, rrggbbaa; a gradient leads from it to outer_color."),
    OPT_STR(T, outer_color, .def_str = BLACK, .pattern = VALUE_RGBA, .example = "\"#c0d0ffff\"",
            .help = "Colour of the wave at full scale."),
    OPT_ENUM(T, style, styles, .def = STYLE_V0,
             .help = "v0: peaks, mirrored; v1: lowest and highest samples, with all that follows; "
                     "spectrogram: frequencies. 0 and 1 are v0 and v1."),
    OPT_BOOL(T, split_channels, .help = "v1: one result a channel, instead of their mean."),
    OPT_INT(T, zoom, .min = 1, .max = INT32_MAX, .unit = "samples",
            .help =
                "v1: samples of one pixel, or of one point of JSON. Left out: pictures show all "
                "of the sound, JSON has 256."),
    OPT_NUM(T, pixels_per_second, .min = 1e-6, .max = 1e6,
            .help = "v1: the same in another way; not with zoom."),
    OPT_ENUM(T, bits, depths, .example = "8",
             .help =
                 "v1: how fine values are: -128 to 127, or (16) -32768 to 32767. Left out: 16."),
    OPT_NUM(T, start, .max = 1e9, .unit = "s", .help = "v1: where in the sound it begins."),
    OPT_NUM(T, end, .max = 1e9, .unit = "s",
            .help = "v1: where in the sound it ends; 0: at the end of the file."),
    OPT_ENUM(T, colors, schemes, .help = "v1: colours in the place of those that are not given."),
    OPT_STR(T, border_color, .pattern = VALUE_RGBA, .example = "\"#808080ff\"",
            .help =
                "v1: colour of a frame. Left out: one in the labels' colour, if there are any."),
    OPT_ENUM(T, waveform_style, waves, .def = WAVE_NORMAL, .help = "v1: a wave, or bars."),
    OPT_INT(T, bar_width, .min = 1, .max = SIDE_MAX, .def = BAR_WIDTH, .unit = "px",
            .help = "v1: width of a bar."),
    OPT_INT(T, bar_gap, .min = 0, .max = SIDE_MAX, .def = BAR_GAP, .unit = "px",
            .help = "v1: what is between two bars."),
    OPT_ENUM(T, bar_style, ends, .def = BAR_SQUARE, .help = "v1: how bars end."),
    OPT_STR(T, axis_label_color, .pattern = VALUE_RGBA, .example = "\"#404040ff\"",
            .help = "v1: colour of marks of time and their numbers; of the spectrogram's legend. "
                    "Left out: black."),
    OPT_BOOL(T, no_axis_labels, .help = "v1: no marks of time, and no frame."),
    OPT_JSON(T, with_axis_labels, .example = "false",
             .help = "v1: marks of time. Left out: true, unless no_axis_labels says otherwise."),
    OPT_NUM(T, amplitude_scale, .min = 1e-6, .max = 1e6, .def_num = 1,
            .help = "v1: by how much the drawn wave is higher. JSON tells the values as they are."),
    OPT_INT(T, compression, .min = -1, .max = 9, .def = -1,
            .help = "v1: how hard PNG tries, 0 (not at all) to 9; -1: as is usual."),
    OPT_ENUM(T, color_map, color_maps, .def = MAP_VIRIDIS, .help = "Spectrogram: its colours."),
    OPT_ENUM(T, frequency_scale, scales, .def = SCALE_LOGARITHMIC,
             .help = "Spectrogram: an octave, or a number of Hz, has the same height everywhere."),
    OPT_NUM(T, frequency_min, .max = 1e6, .unit = "Hz",
            .help = "Spectrogram: the lowest frequency. 0 is 20 on a logarithmic axis."),
    OPT_NUM(T, frequency_max, .min = 1, .max = 1e6, .unit = "Hz",
            .help = "Spectrogram: the highest one. Left out: half of the sound's sample rate."),
    OPT_BOOL(T, legend, .help = "Spectrogram: axes with numbers, within the picture."),
    OPT_NUM(T, gain, .max = 128, .def_num = 1,
            .help = "Spectrogram: by how much it is louder; the colours span 120 dB."),
    OPT_ENUM(T, orientation, orientations, .def = TIME_HORIZONTAL,
             .help = "Spectrogram: the axis of time, to the right or downwards."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

/* -1: neither yes nor no. */
static int truth_of(const json_t *v, int absent)
{
    AUTO(mem_free) char *text = v && !json_is_string(v) ? json_text(v) : NULL;
    const char *s = text ? text : json_string_value(v);

    if (!v)
        return absent;
    return !strcmp(s, "true") || !strcmp(s, "1")    ? 1
           : !strcmp(s, "false") || !strcmp(s, "0") ? 0
                                                    : -1;
}

static bool labels_wanted(const T *o)
{
    return !o->no_axis_labels && truth_of(o->with_axis_labels, 1);
}

static int check_two(const T *o, struct err *err)
{
    if (o->zoom && o->pixels_per_second > 0)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'zoom' and 'pixels_per_second' say the same: one of them is enough");
    if (o->end > 0 && o->start >= o->end)
        return err_set(err, ERR_ROBOT_VALIDATION, "'start' (%g) must be before 'end' (%g)",
                       o->start, o->end);
    if (o->no_axis_labels && truth_of(o->with_axis_labels, 0) > 0)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'no_axis_labels' and 'with_axis_labels' contradict each other");
    if (o->frequency_max > 0 && o->frequency_min >= o->frequency_max)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'frequency_min' (%g) must be below 'frequency_max' (%g)", o->frequency_min,
                       o->frequency_max);
    if (o->style == STYLE_SPECTROGRAM && o->format == FORMAT_JSON)
        return err_set(err, ERR_ROBOT_VALIDATION, "'format': a spectrogram is a picture, not json");
    if (o->style == STYLE_SPECTROGRAM && o->legend &&
        (o->width < SPECTRUM_LEGEND_W || o->height < SPECTRUM_LEGEND_H))
        return err_set(err, ERR_ROBOT_VALIDATION, "'legend' needs %dx%d pixels at least",
                       SPECTRUM_LEGEND_W, SPECTRUM_LEGEND_H);
    return 0;
}

static int waveform_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();

    (void)partial; /* what is not known yet holds its default, which is right */
    if (truth_of(o->antialiasing, 0) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'antialiasing' must be true or false");
    if (truth_of(o->with_axis_labels, 0) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'with_axis_labels' must be true or false");
    if (check_two(o, err) < 0 || av_opts_check(&o->av, AV_SAMPLES, err) < 0)
        return -1;
    const char *n = av_opt(&o->av, a, "ac");
    if (n && (strlen(n) != 1 || *n < '1' || *n > '8'))
        return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option 'ac' must be 1 to 8 channels");
    return 0;
}

/* ---- hearing ---- */

struct work {
    struct robot_job *job;
    const T *o;
    struct media_limits limits;
    struct sound *sound;
    struct sound_info info;

    struct peaks *lanes; /* one, or one a channel */
    int lane_count;
    int64_t most; /* samples that are enough; 0: all */
    float *mixed;
    struct spectrum *spectrum;
};

/* What the client's options of ffmpeg make of the sound before it is looked at. NULL: nothing. */
static const char *client_filters(const struct work *w)
{
    static const char *const layouts[] = {"mono", "stereo", "2.1", "4.0",
                                          "5.0",  "5.1",    "6.1", "7.1"};
    static const char *const parts[][2] = {{"ss", "start"}, {"to", "end"}, {"t", "duration"}};
    struct arena *a = robot_arena(w->job);
    const struct av_opts *c = &w->o->av;
    const char *chain = "", *trim = "", *v;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if ((v = av_opt(c, a, parts[i][0])))
            trim =
                arena_printf(a, "%s%s%s=%s", trim, *trim ? ":" : "", parts[i][1], av_quoted(a, v));
    if (*trim)
        chain = arena_printf(a, ",atrim=%s,asetpts=PTS-STARTPTS", trim);
    if ((v = av_opt(c, a, "af")) || (v = av_opt(c, a, "filter:a")))
        chain = arena_printf(a, "%s,%s", chain, v);
    if ((v = av_opt(c, a, "ac")))
        chain = arena_printf(a, "%s,aformat=channel_layouts=%s", chain, layouts[*v - '1']);
    if ((v = av_opt(c, a, "ar")))
        chain = arena_printf(a, "%s,aresample=%s", chain, v);
    return *chain ? chain + 1 : NULL;
}

/* The mean of all channels, a piece at a time. */
static int hear_mixed(struct work *w, const float *const *channels, int n, struct err *err)
{
    float share = 1 / (float)w->info.channels;

    for (int at = 0; at < n; at += MIXED_AT_ONCE) {
        int step = n - at < MIXED_AT_ONCE ? n - at : MIXED_AT_ONCE;
        const float *mixed = w->mixed;

        for (int i = 0; i < step; i++)
            w->mixed[i] = channels[0][at + i] * share;
        for (int c = 1; c < w->info.channels; c++)
            for (int i = 0; i < step; i++)
                w->mixed[i] += channels[c][at + i] * share;
        if (peaks_add(w->lanes, &mixed, 1, step, err) < 0)
            return -1;
    }
    return 0;
}

static int hear(void *ctx, const float *const *channels, int n, struct err *err)
{
    struct work *w = ctx;
    int rc = 0;

    robot_progress(w->job, SHARE_OF_HEARING * sound_done(w->sound));
    if (w->spectrum) {
        spectrum_add(w->spectrum, channels, n);
        return 0;
    }
    if (w->most && n > w->most - w->lanes->samples)
        n = (int)(w->most - w->lanes->samples);
    if (w->o->style == STYLE_V0)
        rc = peaks_add(w->lanes, channels, w->info.channels, n, err);
    else if (w->lane_count == 1 && w->info.channels > 1)
        rc = hear_mixed(w, channels, n, err);
    else
        for (int c = 0; c < w->lane_count && rc == 0; c++)
            rc = peaks_add(&w->lanes[c], channels + c, 1, n, err);
    return rc < 0 ? -1 : w->most && w->lanes->samples >= w->most;
}

/* ---- values ---- */

/* As 8 or 16 bits hold it. */
static int64_t value_of(const T *o, float v)
{
    double s = v != v ? 0 : v * 32768.0;
    int64_t n = s <= -32768 ? -32768 : s >= 32767 ? 32767 : (int64_t)lrint(s);

    return o->bits == 8 ? n / 256 : n;
}

static int write_v0(FILE *f, const struct work *w)
{
    int64_t n = w->o->width;
    AUTO(mem_free) char *room = mem_alloc((size_t)n * sizeof(struct peak));
    struct peak *p = (struct peak *)(void *)room;

    peaks_spread(p, n, w->lanes);
    for (int64_t i = 0; i < n; i++)
        fprintf(f, "%s%.6g", i ? "," : "[", fmin(fmax(fabs(p[i].low), fabs(p[i].high)), 1));
    return fputs("]\n", f);
}

static int write_v1(FILE *f, const struct work *w, const struct peaks *p)
{
    fprintf(f,
            "{\"version\":2,\"channels\":1,\"sample_rate\":%d,\"samples_per_pixel\":%" PRId64
            ",\"bits\":%d,\"length\":%" PRId64 ",\"data\":[",
            w->info.rate, p->per, w->o->bits == 8 ? 8 : 16, p->count);
    for (int64_t i = 0; i < p->count; i++) {
        struct peak k = peaks_at(p, i);

        fprintf(f, "%s%" PRId64 ",%" PRId64, i ? "," : "", value_of(w->o, k.low),
                value_of(w->o, k.high));
    }
    return fputs("]}\n", f);
}

static int emit_json(struct work *w, const struct peaks *p, struct err *err)
{
    const char *path = robot_out_path(w->job, "json");
    FILE *f = fopen(path, "we");

    if (!f)
        return err_errno(err, "create '%s'", path);
    (void)(w->o->style == STYLE_V0 ? write_v0(f, w) : write_v1(f, w, p));
    if (ferror(f) | fclose(f))
        return err_errno(err, "write '%s'", path);
    return robot_emit(
        w->job, &(struct robot_output){.path = path, .ext = "json", .mime = "application/json"},
        err);
}

/* ---- pictures ---- */

static struct color chosen(const char *given, const char *standard, struct color scheme,
                           bool has_scheme)
{
    return has_scheme && (!given || (standard && !strcmp(given, standard))) ? scheme
           : given                                                          ? value_rgba(given)
                   : (struct color){0, 0, 0, 255};
}

static void choose_colors(struct wave *v, const T *o)
{
    static const struct {
        struct color background, wave, border, label;
    } known[] = {
        [SCHEME_AUDITION] = {{0, 63, 34, 255},
                             {134, 252, 199, 255},
                             {157, 157, 157, 255},
                             {190, 190, 190, 255}},
        [SCHEME_AUDACITY] = {{214, 214, 214, 255},
                             {63, 77, 155, 255},
                             {0, 0, 0, 255},
                             {0, 0, 0, 255}},
    };
    int k = o->style == STYLE_V1 ? o->colors : SCHEME_OWN;

    v->background = chosen(o->background_color, CLEAR, known[k].background, k);
    v->center = chosen(o->center_color, BLACK, known[k].wave, k);
    v->outer = chosen(o->outer_color, BLACK, known[k].wave, k);
    v->label = chosen(o->axis_label_color, NULL, known[k].label, k);
    v->border = o->border_color ? value_rgba(o->border_color) : k ? known[k].border : v->label;
}

static int emit_image(struct work *w, struct image *img, int done, int of, struct err *err)
{
    const T *o = w->o;
    double told = SHARE_OF_HEARING + (1 - SHARE_OF_HEARING) * done / of;
    int level = o->style == STYLE_V1 ? (int)o->compression : -1;

    return image_emit(
        w->job, img,
        &(struct image_emit){
            .asked = IMAGE_PNG,
            .save = {.format = "png", .quality = QUALITY, .deflate = level >= 0 ? 1 + level : 0},
            .output_meta = o->output_meta,
            .told = told,
            .upto = told + (1 - SHARE_OF_HEARING) / of},
        err);
}

/* Values are as coarse as asked for in the picture as well. */
static void columns_of(struct peak *out, int64_t n, const struct work *w, const struct peaks *p)
{
    if (p->fits)
        peaks_spread(out, n, p);
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = peaks_at(p, i);
    if (w->o->style == STYLE_V1 && w->o->bits == 8)
        for (int64_t i = 0; i < n; i++)
            out[i] = (struct peak){(float)value_of(w->o, out[i].low) / 128,
                                   (float)value_of(w->o, out[i].high) / 128};
}

static int draw_lane(struct work *w, int lane, struct err *err)
{
    const T *o = w->o;
    const struct peaks *p = &w->lanes[lane];
    bool v1 = o->style == STYLE_V1, bars = v1 && o->waveform_style == WAVE_BARS;
    int64_t n = p->fits ? o->width : p->count < o->width ? p->count : o->width;
    double shown = p->fits ? (double)p->samples : (double)(o->width * p->per);
    AUTO(image_free) struct image *img = NULL;
    AUTO(mem_free) char *room = mem_alloc((size_t)(n + 1) * sizeof(struct peak));
    struct peak *columns = (struct peak *)(void *)room;
    struct wave v = {.w = o->width,
                     .h = o->height,
                     .smooth = truth_of(o->antialiasing, 0),
                     .mirrored = !v1,
                     .scale = v1 ? o->amplitude_scale : 1,
                     .bar = bars ? o->bar_width : 0,
                     .gap = o->bar_gap,
                     .rounded = o->bar_style == BAR_ROUNDED,
                     .labelled = v1 && labels_wanted(o),
                     .from_s = o->start,
                     .upto_s = o->start + shown / w->info.rate};

    v.framed = v1 && (v.labelled || o->border_color) && !o->no_axis_labels;
    choose_colors(&v, o);
    columns_of(columns, n, w, p);
    return wave_draw(&img, &v, columns, n, err) < 0 ? -1
                                                    : emit_image(w, img, lane, w->lane_count, err);
}

/* ---- the styles ---- */

static int64_t samples_of_point(const struct work *w)
{
    const T *o = w->o;

    if (o->style != STYLE_V1)
        return 0;
    if (o->pixels_per_second > 0)
        return (int64_t)fmax(1, fmin(round(w->info.rate / o->pixels_per_second), INT32_MAX));
    return o->zoom ? o->zoom : o->format == FORMAT_JSON ? SAMPLES_OF_POINT : 0;
}

static int by_peaks(struct work *w, struct err *err)
{
    const T *o = w->o;
    int64_t per = samples_of_point(w), most = POINTS_MAX;
    int rc = 0;

    w->lane_count = o->style == STYLE_V1 && o->split_channels ? w->info.channels : 1;
    w->lanes = arena_alloc(robot_arena(w->job), (size_t)w->lane_count * sizeof *w->lanes);
    w->mixed = arena_alloc(robot_arena(w->job), MIXED_AT_ONCE * sizeof *w->mixed);
    if (per && o->format == FORMAT_IMAGE)
        w->most = per * o->width;
    if (!per)
        most = o->width * POINTS_A_COLUMN / w->lane_count < 4096
                   ? 4096
                   : o->width * POINTS_A_COLUMN / w->lane_count & ~INT64_C(1);
    else
        most = w->most ? o->width : POINTS_MAX / w->lane_count;
    for (int i = 0; i < w->lane_count; i++)
        peaks_init(&w->lanes[i], per, most);
    rc = sound_hear(w->sound, hear, w, err);
    for (int i = 0; i < w->lane_count && rc == 0; i++)
        rc = o->format == FORMAT_JSON ? emit_json(w, &w->lanes[i], err) : draw_lane(w, i, err);
    for (int i = 0; i < w->lane_count; i++)
        peaks_done(&w->lanes[i]);
    return rc;
}

static int by_spectrum(struct work *w, struct err *err)
{
    const T *o = w->o;
    AUTO(spectrum_free) struct spectrum *s = NULL;
    AUTO(image_free) struct image *img = NULL;
    const struct spectrum_look look = {.w = o->width,
                                       .h = o->height,
                                       .min_hz = o->frequency_min,
                                       .max_hz = o->frequency_max,
                                       .logarithmic = o->frequency_scale == SCALE_LOGARITHMIC,
                                       .downwards = o->orientation == TIME_VERTICAL,
                                       .gain = o->gain,
                                       .map = (enum spectrum_map)o->color_map,
                                       .legend = o->legend,
                                       .ink = o->axis_label_color ? value_rgba(o->axis_label_color)
                                                                  : (struct color){0, 0, 0, 255},
                                       .paper = value_rgba(o->background_color),
                                       .seconds = w->info.length_s};

    if (spectrum_new(&s, &look, w->info.rate, w->info.channels, err) < 0)
        return -1;
    w->spectrum = s;
    if (sound_hear(w->sound, hear, w, err) < 0 || spectrum_draw(&img, s, err) < 0)
        return -1;
    return emit_image(w, img, 0, 1, err);
}

static int waveform_fits(const struct work *w, struct err *err)
{
    int64_t most = w->limits.max_pixels;

    if (w->o->style == STYLE_SPECTROGRAM && most > SPECTRUM_PIXELS)
        most = SPECTRUM_PIXELS;
    if (w->o->format == FORMAT_JSON || w->o->width * w->o->height <= most)
        return 0;
    return err_set(err, ERR_COMMAND,
                   "the picture would have %" PRId64 "x%" PRId64 " pixels, the limit is %" PRId64
                   " in all (setting max_pixels)",
                   w->o->width, w->o->height, most);
}

static int waveform_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct work w = {.job = job, .o = o, .limits = media_limits(robot_settings(job))};
    AUTO(sound_close) struct sound *sound = NULL;
    struct sound_open how = {.limits = w.limits, .filters = client_filters(&w)};

    if (o->style == STYLE_V1) {
        how.start = o->start;
        how.end = o->end;
    }
    if (waveform_fits(&w, err) < 0 || sound_open(&sound, robot_input(job, 0)->path, &how, err) < 0)
        return -1;
    w.sound = sound;
    w.info = *sound_info(sound);
    return o->style == STYLE_SPECTROGRAM ? by_spectrum(&w, err) : by_peaks(&w, err);
}

const struct robot robot_audio_waveform = {
    .name = "/audio/waveform",
    .summary = "Draw what a sound looks like, or tell it in numbers",
    .accepts = "audio/|video/",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = waveform_check,
    .run = IN_WORKER(waveform_run),
};
