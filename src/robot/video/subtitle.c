/* /video/subtitle: subtitles as a stream of a film, or drawn into its pictures. */
#include "base/file.h"
#include "base/filetype.h"
#include "media/av/encode.h"
#include "media/image_text.h"
#include "media/subtitles.h"
#include "robot/values.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXTERNAL, BURNED };
enum { FONT_SIZE_MAX = 1000 };

static const struct opt_choice types[] = {
    {"burned", BURNED}, {"external", EXTERNAL}, {"burn", BURNED}, {0}};
static const struct opt_choice borders[] = {
    {"box", SUBTITLE_BOX}, {"outline", SUBTITLE_OUTLINE}, {"shadow", SUBTITLE_SHADOW}, {0}};
/* row * 3 + column, of struct subtitle_look */
static const struct opt_choice positions[] = {
    {"bottom", 7}, {"bottom-left", 6}, {"bottom-right", 8}, {"center", 4},    {"left", 3},
    {"right", 5},  {"top", 1},         {"top-left", 0},     {"top-right", 2}, {0}};

struct subtitle_opts {
    int subtitles_type, border_style, position, preset;
    int64_t width, height, font_size;
    int64_t outline_width; /* px; NOT_GIVEN */
    bool bold, italic, keep_subtitles;
    const char *font, *font_color, *border_color, *language, *name;
    struct av_opts av;
};
#define T struct subtitle_opts
#define NOT_GIVEN (-1)
#define COLOR "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$"
static const struct option options[] = {
    OPT_ENUM(T, subtitles_type, types, .def = EXTERNAL,
             .help = "A stream of its own that players can turn off, or drawn into the pictures."),
    OPT_ENUM(T, border_style, borders, .def = SUBTITLE_OUTLINE,
             .help = "What sets the letters off: a line around them, a shadow, or a box behind."),
    OPT_STR(T, border_color, .def_str = "40000000",
            .pattern = "^#?[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$", .example = "\"80FF0000\"",
            .help = "Its colour, aarrggbb: the first pair is how transparent, 00 not at all."),
    OPT_STR(T, font, .def_str = "Arial", .pattern = "^[^[:cntrl:]]{1,100}$",
            .example = "\"DejaVu Serif Bold\"",
            .help = "Family of the letters, with weight and style in the name. One that is not on "
                    "this machine, nor another with the same measures, is a sans."),
    OPT_STR(T, font_color, .def_str = "FFFFFF", .pattern = COLOR, .example = "\"FFFF00\"",
            .help = "Colour of the letters: rgb, rrggbb or aarrggbb, where aa is how transparent."),
    OPT_INT(T, font_size, .min = 1, .max = FONT_SIZE_MAX, .def = 16,
            .help = "Size, of which 288 are the height of the picture, whatever its pixels."),
    OPT_BOOL(T, bold, .help = "Bold letters."),
    OPT_BOOL(T, italic, .help = "Italic letters."),
    OPT_INT(T, outline_width, .min = 0, .max = 10, .def = NOT_GIVEN, .unit = "px", .nullable = true,
            .help = "Width of the line, of the box's margin or of the shadow, in pixels of the "
                    "result. Left out: 1 of 288 parts of the height."),
    OPT_ENUM(T, position, positions, .def = 7,
             .help = "Where the text stands, unless a subtitle says that of itself."),
    OPT_STR(T, language, .pattern = "^[a-zA-Z]{3}$", .nullable = true, .example = "\"deu\"",
            .help = "Language of the stream, three letters."),
    OPT_STR(T, name, .pattern = "^[^[:cntrl:]]{1,200}$", .nullable = true, .example = "\"English\"",
            .help = "Name of the stream, as players show it."),
    OPT_BOOL(T, keep_subtitles, .help = "Keep the streams of subtitles that the film has already."),
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "How the film is encoded. Left out: not at all where that can be, else as "
                     "H.264 (WebM: VP9) in its own container and size."),
    OPT_INT(T, width, .min = 1, .max = 7680, .unit = "px", .nullable = true,
            .help = "Width of the result. Left out: that of the preset, or of the film."),
    OPT_INT(T, height, .min = 1, .max = 4320, .unit = "px", .nullable = true,
            .help = "Height of the result."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};

static int subtitle_check(const void *opts, bool partial, struct err *err)
{
    static const char *const chosen_here[] = {"map", "filter_complex"};
    const T *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);

    (void)partial; /* what is not known yet holds its default, which is right */
    if (av_opts_check(&o->av, AV_VIDEO | AV_AUDIO, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(chosen_here); i++)
        if (av_opt(&o->av, a, chosen_here[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "ffmpeg option '%s' can't be used by this Robot, which chooses the "
                           "streams itself; filters may be given as vf and af",
                           chosen_here[i]);
    if (av_profile(p, a, av_preset(o->preset), NULL, &o->av, AV_VIDEO | AV_AUDIO, err) < 0)
        return -1;
    return p->makes & AV_VIDEO ? 0
                               : err_set(err, ERR_ROBOT_VALIDATION,
                                         "preset and ffmpeg options leave no pictures, which "
                                         "subtitles need");
}

struct work {
    struct robot_job *job;
    const T *o;
    int film; /* input */
    struct av_info info;
    struct subtitles *subtitles;
    struct av_profile *p;
    bool copies;      /* the film's streams, as they are */
    const char *was;  /* container of the film; NULL: none that is written */
    const char *path; /* of the subtitles, written anew */
};

/* ---- the inputs ---- */

static bool subtitle_is_film(const struct robot_input *in)
{
    return !strcmp(in->as, "video") || (!*in->as && !strncmp(in->mime, "video/", 6));
}

/* One film and one file with subtitles, by their labels, or else by what they are. */
static int find_inputs(struct work *w, int *text, struct err *err)
{
    int n[2] = {0};

    for (int i = 0; i < robot_input_count(w->job); i++) {
        bool film = subtitle_is_film(robot_input(w->job, i));

        *(film ? &w->film : text) = i;
        n[film]++;
    }
    if (n[1] == 1 && n[0] == 1)
        return 0;
    return robot_fail(w->job, err, ERR_INPUT, "VALIDATION",
                      "a film and one file with subtitles (SRT or WebVTT) are needed, there are %d "
                      "and %d: say `as: \"video\"` and `as: \"subtitles\"` in `use`",
                      n[1], n[0]);
}

static int read_subtitles(struct work *w, const struct robot_input *in, struct err *err)
{
    if (in->size > SUBTITLES_BYTES_MAX)
        return err_set(err, ERR_INPUT, "'%s': a file of subtitles may have %d MB", in->name,
                       SUBTITLES_BYTES_MAX >> 20);
    AUTO(mem_free) char *data = file_read(in->path, in->name, (size_t)in->size, err);
    return data ? subtitles_read(&w->subtitles, data, (size_t)in->size, err) : -1;
}

static int look_at_film(struct work *w, struct err *err)
{
    const struct robot_input *in = robot_input(w->job, w->film);
    const struct media_limits limits = media_limits(robot_settings(w->job));
    const char *ext = filetype_ext(in->mime);

    if (av_look(&w->info, in->path, &limits, err) < 0)
        return -1;
    if (!w->info.has_video)
        return err_set(err, ERR_INPUT, "'%s' has no pictures", in->name);
    w->was = ext ? av_muxer_of(ext) : NULL;
    if (!w->was)
        w->was = av_muxer_of(in->ext);
    return 0;
}

/* ---- how the film is made ---- */

static bool is_any(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

static const char *const mp4_family[] = {"mp4", "mov", "ipod", "3gp", NULL};

/* How subtitles are written in such a container; NULL: they can't be. */
static const char *codec_in(const char *muxer)
{
    return is_any(muxer, mp4_family)    ? "mov_text"
           : !strcmp(muxer, "matroska") ? "srt"
           : !strcmp(muxer, "webm")     ? "webvtt"
                                        : NULL;
}

/* May the sound stay as it is? One codec is known, that of the first. */
static bool sound_fits(const struct work *w)
{
    static const char *const of_mp4[] = {"aac", "mp3", "ac3", "eac3", "alac", NULL},
                             *const of_webm[] = {"opus", "vorbis", NULL};

    if (w->info.audios > 1)
        return false;
    return !strcmp(w->p->muxer, "matroska") ||
           is_any(w->info.audio_codec, strcmp(w->p->muxer, "webm") ? of_mp4 : of_webm);
}

static void set_container(struct work *w, const char *muxer)
{
    if (!is_any(muxer, mp4_family))
        av_profile_set(w->p, "movflags", NULL);
    av_profile_into(w->p, muxer);
}

/* Nobody says how: as it is, or as well as H.264 or VP9 do it. */
static int choose_profile(struct work *w, struct err *err)
{
    struct arena *a = robot_arena(w->job);
    const char *was = w->was && codec_in(w->was) ? w->was : "mp4";
    const char *standard = strcmp(was, "webm") ? "web/mp4/1080p" : "web/webm/1080p";

    if (av_profile(w->p, a, NULL, w->copies ? NULL : standard, &w->o->av, AV_VIDEO | AV_AUDIO,
                   err) < 0)
        return -1;
    w->p->width = w->p->height = 0;
    if (w->copies) {
        av_profile_default(w->p, "c:v", "copy");
        av_profile_default(w->p, "c:a", "copy");
        if (w->was)
            set_container(w, w->was);
        return 0;
    }
    set_container(w, was);
    if (sound_fits(w))
        av_profile_set(w->p, "c:a", "copy"), av_profile_set(w->p, "b:a", NULL),
            av_profile_set(w->p, "ar", NULL);
    return 0;
}

static bool asks_for_frames(const struct av_profile *p)
{
    const char *v = av_profile_get(p, "c:v");

    return p->vf || p->width || p->height || (v && strcmp(v, "copy") != 0);
}

/* A preset, or options of the client's: what they do not say is ffmpeg's own default, or stays. */
static int take_profile(struct work *w, struct err *err)
{
    const T *o = w->o;

    if (av_profile(w->p, robot_arena(w->job), av_preset(o->preset), NULL, &o->av,
                   AV_VIDEO | AV_AUDIO, err) < 0)
        return -1;
    w->copies = o->subtitles_type == EXTERNAL && !o->width && !o->height && !asks_for_frames(w->p);
    if (w->copies)
        av_profile_default(w->p, "c:v", "copy");
    if (w->copies && !w->p->af)
        av_profile_default(w->p, "c:a", "copy");
    if (!*w->p->muxer)
        set_container(w, w->was ? w->was : "mp4");
    return 0;
}

static int plan_film(struct work *w, struct err *err)
{
    const T *o = w->o;
    const char *v;

    w->p = arena_alloc(robot_arena(w->job), sizeof *w->p);
    w->copies = o->subtitles_type == EXTERNAL && !o->width && !o->height;
    if ((o->preset == AV_NO_PRESET && !json_object_size(o->av.ffmpeg) ? choose_profile(w, err)
                                                                      : take_profile(w, err)) < 0)
        return -1;
    if ((v = av_profile_get(w->p, "c:v")) && !strcmp(v, "copy") && !w->copies)
        return robot_fail(w->job, err, ERR_INPUT, "VALIDATION",
                          "pictures that are copied can't be changed: leave 'c:v' out");
    if ((o->subtitles_type == EXTERNAL || o->keep_subtitles) &&
        !(*w->p->muxer && codec_in(w->p->muxer)))
        return robot_fail(w->job, err, ERR_INPUT, "VALIDATION",
                          "a file of the format '%s' has no streams of subtitles: take a `preset` "
                          "that makes MP4, MOV, MKV or WebM, or let them be burned",
                          *w->p->muxer ? w->p->muxer : w->info.format);
    if (o->width)
        w->p->width = o->width;
    if (o->height)
        w->p->height = o->height;
    if (!w->copies)
        av_suit(w->p, robot_arena(w->job), &w->info);
    return 0;
}

/* ---- what is drawn ---- */

/* rgb, rrggbb or aarrggbb, whose form was checked. */
static uint32_t color_of(const char *text)
{
    uint32_t v = (uint32_t)strtoul(text += *text == '#', NULL, 16);

    if (strlen(text) == 3)
        v = (v >> 8 & 15) * 0x110000 | (v >> 4 & 15) * 0x1100 | (v & 15) * 0x11;
    return v;
}

static int subtitle_write(struct work *w, const char *ext, const struct str *text, struct err *err)
{
    w->path = robot_out_path(w->job, ext);
    return file_make(w->path, text->s, text->len, err);
}

/* For libass, in the size that the film gets. */
static int write_script(struct work *w, int64_t width, int64_t height, struct err *err)
{
    const T *o = w->o;
    AUTO(str_done) struct str text = {0};
    struct text_font font;

    image_text_font(&font, o->font);
    const struct subtitle_look look = {
        .font = font.family,
        .size = (double)o->font_size,
        .color = color_of(o->font_color),
        .border_color = color_of(o->border_color),
        .border = (enum subtitle_border)o->border_style,
        .border_width = o->outline_width == NOT_GIVEN
                            ? fmax(1, (double)SUBTITLE_LINES / (double)height)
                            : (double)(o->outline_width * SUBTITLE_LINES) / (double)height,
        .bold = o->bold || font.bold,
        .italic = o->italic || font.italic,
        .column = o->position % 3,
        .row = o->position / 3,
        .aspect = (double)width / (double)height};
    subtitles_ass(&text, w->subtitles, &look);
    return subtitle_write(w, "ass", &text, err);
}

static int write_stream(struct work *w, struct err *err)
{
    AUTO(str_done) struct str text = {0};
    bool vtt = !strcmp(codec_in(w->p->muxer), "webvtt");

    vtt ? subtitles_vtt(&text, w->subtitles) : subtitles_srt(&text, w->subtitles);
    return subtitle_write(w, vtt ? "vtt" : "srt", &text, err);
}

static int write_subtitles(struct work *w, int64_t width, int64_t height, struct err *err)
{
    return w->o->subtitles_type == BURNED ? write_script(w, width, height, err)
                                          : write_stream(w, err);
}

/* ---- the command ---- */

struct line {
    const char *words[24];
    int count;
};

static void line_add(struct line *l, const char *name, const char *value)
{
    l->words[l->count++] = name;
    l->words[l->count++] = value;
}

/* QuickTime numbers the languages that it knows, and ffmpeg finds the number by one code alone. */
static const char *language_of(struct work *w)
{
    static const char of_mov[][2][4] = {{"deu", "ger"}, {"nld", "dut"}, {"swe", "sve"},
                                        {"ell", "gre"}, {"isl", "ice"}, {"zho", "chi"},
                                        {"sqi", "alb"}, {"rum", "ron"}, {"cze", "ces"},
                                        {"slo", "slk"}, {"mkd", "mac"}};
    char *code = arena_strdup(robot_arena(w->job), w->o->language);

    for (char *c = code; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; !strcmp(w->p->muxer, "mov") && i < ARRAY_LEN(of_mov); i++)
        if (!strcmp(of_mov[i][0], code))
            return of_mov[i][1];
    return code;
}

static void describe_stream(struct line *l, struct work *w)
{
    struct arena *a = robot_arena(w->job);

    if (w->o->language)
        line_add(l, "-metadata:s:s:0", arena_printf(a, "language=%s", language_of(w)));
    if (w->o->name) {
        line_add(l, "-metadata:s:s:0", arena_printf(a, "title=%s", w->o->name));
        line_add(l, "-metadata:s:s:0", arena_printf(a, "handler_name=%s", w->o->name));
    }
}

/* The new stream is the first: players take that. */
static void put_streams(struct av_run *r, struct line *l, struct work *w)
{
    const char *codec = codec_in(w->p->muxer), *sound = av_profile_get(w->p, "c:a");
    bool external = w->o->subtitles_type == EXTERNAL, same = w->was && !strcmp(w->was, w->p->muxer);
    int n = 0;

    /* V: without a cover picture, which only MP4 holds as such a stream */
    r->maps[n++] = !w->copies ? "[v]" : codec && !strcmp(codec, "mov_text") ? "0:v" : "0:V";
    if (w->p->makes & AV_AUDIO)
        r->maps[n++] = "0:a?";
    if (external)
        r->maps[n++] = "1:s:0";
    if (w->o->keep_subtitles) {
        r->maps[n++] = "0:s?";
        line_add(l, "-c:s", same ? "copy" : codec);
    }
    if (external) { /* what we wrote is what MKV and WebM hold */
        line_add(l, "-c:s:0", !strcmp(codec, "mov_text") ? codec : "copy");
        describe_stream(l, w);
    }
    if (w->info.has_audio && w->p->makes & AV_AUDIO && (!sound || strcmp(sound, "copy"))) {
        const char *filters = av_sound(robot_arena(w->job), w->p);

        if (*filters)
            line_add(l, "-af", filters);
    }
}

static const char *graph_of(struct work *w, const char *box)
{
    struct arena *a = robot_arena(w->job);
    const char *drawn = w->o->subtitles_type == BURNED
                            ? arena_printf(a, ",ass=filename=%s", av_quoted(a, w->path))
                            : "";

    return arena_printf(a, "[0:V:0]%s%s%s%s[v]", *box ? box : "null", w->p->vf ? "," : "",
                        w->p->vf ? w->p->vf : "", drawn);
}

static int make(struct work *w, struct err *err)
{
    const struct robot_input *in = robot_input(w->job, w->film);
    const struct av_box box = {.width = w->p->width,
                               .height = w->p->height,
                               .strategy = FIT_PAD,
                               .zoom = true,
                               .tone = !w->copies && av_tones(w->p, &w->info)};
    struct line more = {0};
    struct av_run r = {.job = w->job,
                       .profile = w->p,
                       .sources = {{.path = in->path}},
                       .source_count = 1,
                       .seconds = w->info.duration_s};
    int64_t width, height;

    av_box_size(&width, &height, &box, w->info.width, w->info.height);
    if ((!w->copies && av_box_check(w->job, &box, w->info.width, w->info.height, err) < 0) ||
        write_subtitles(w, width, height, err) < 0)
        return -1;
    if (w->o->subtitles_type == EXTERNAL)
        r.sources[r.source_count++] = (struct av_source){.path = w->path, .kind = AV_KIND_TEXT};
    put_streams(&r, &more, w);
    r.more = more.words;
    if (!w->copies)
        r.graph = graph_of(w, av_box(robot_arena(w->job), &box, w->info.width, w->info.height));
    const char *ext = in->ext && av_muxer_of(in->ext) && !strcmp(av_muxer_of(in->ext), w->p->muxer)
                          ? in->ext
                          : w->p->ext;
    r.output = robot_out_path(w->job, ext);
    int rc = av_run(&r, err);
    (void)unlink(w->path);
    return rc < 0
               ? -1
               : robot_emit(w->job,
                            &(struct robot_output){.path = r.output, .ext = ext, .input = w->film},
                            err);
}

static int subtitle_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct work w = {.job = job, .o = opts};
    int text = 0, rc;

    rc = find_inputs(&w, &text, err) < 0 || read_subtitles(&w, robot_input(job, text), err) < 0 ||
                 look_at_film(&w, err) < 0 || plan_film(&w, err) < 0 || make(&w, err) < 0
             ? -1
             : 0;
    subtitles_free(w.subtitles);
    return rc;
}

const struct robot robot_video_subtitle = {
    .name = "/video/subtitle",
    .summary = "Add subtitles to a film, or draw them into it",
    .accepts = "video/|application/x-subrip|text/vtt|text/plain",
    .takes = {"video", "subtitles"},
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(T),
    .options = options,
    .check = subtitle_check,
    .run = IN_WORKER(subtitle_run),
};
