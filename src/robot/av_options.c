#include "robot/av_options.h"
#include "base/str.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#define STACK "^v?[5-8](\\.[0-9]+)?(\\.[0-9]+)?$"
const struct option av_options[] = {
    OPT_JSON(struct av_opts, ffmpeg, .example = "{\"vf\": \"hflip\"}",
             .help = "Options of ffmpeg by their names, without the dash. Those that could name files are refused."),
    OPT_STR(struct av_opts, ffmpeg_stack, .def_str = "v6.0.0", .pattern = STACK, .example = "\"v7\"",
            .idle = "there is one stack, that of this machine",
            .help = "Generation of ffmpeg, v5 to v8. This server has one, so it is otherwise ignored."),
    OPT_END,
};

#define MOST_OPTIONS 100
#define MOST_TEXT 4096 /* bytes of a value */

/* ---- filters ---- */

/* Those that read nothing but what flows through them. A filter of which some option names a file (or whose first options may
 * be given without their names, a file among them) is here with the options that are allowed; NULL: any. */
static const struct {
    const char *name, *options;
} filters[] = {
    /* pictures */
    {"avgblur", NULL}, {"bbox", NULL}, {"bilateral", NULL}, {"blend", NULL}, {"boxblur", NULL}, {"bwdif", NULL}, {"cas", NULL},
    {"chromahold", NULL}, {"chromakey", NULL}, {"chromashift", NULL}, {"colorbalance", NULL}, {"colorchannelmixer", NULL},
    {"colorcontrast", NULL}, {"colorcorrect", NULL}, {"colorhold", NULL}, {"colorize", NULL}, {"colorkey", NULL}, {"colorlevels", NULL},
    {"colormatrix", NULL}, {"colorspace", NULL}, {"colortemperature", NULL}, {"copy", NULL}, {"crop", NULL}, {"cropdetect", NULL},
    {"curves", "preset master m red r green g blue b all"}, {"dblur", NULL}, {"deband", NULL}, {"deblock", NULL}, {"deflate", NULL},
    {"deflicker", NULL}, {"dejudder", NULL}, {"delogo", NULL}, {"despill", NULL}, {"dilation", NULL}, {"drawbox", NULL}, {"drawgrid", NULL},
    {"drawtext", "text font fontcolor fontsize x y box boxcolor boxborderw borderw bordercolor shadowx shadowy shadowcolor alpha "
                 "line_spacing fix_bounds enable expansion timecode timecode_rate tabsize start_number text_shaping"},
    {"edgedetect", NULL}, {"eq", NULL}, {"erosion", NULL}, {"exposure", NULL}, {"fade", NULL}, {"field", NULL}, {"fieldorder", NULL},
    {"fillborders", NULL}, {"format", NULL}, {"fps", NULL}, {"framerate", NULL}, {"gblur", NULL}, {"gradfun", NULL}, {"grayworld", NULL},
    {"hflip", NULL}, {"histeq", NULL}, {"hqdn3d", NULL}, {"hsvhold", NULL}, {"hsvkey", NULL}, {"hue", NULL}, {"huesaturation", NULL},
    {"idet", NULL}, {"il", NULL}, {"inflate", NULL}, {"interlace", NULL}, {"lenscorrection", NULL}, {"limiter", NULL}, {"loop", NULL},
    {"lumakey", NULL}, {"lut", NULL}, {"lutrgb", NULL}, {"lutyuv", NULL}, {"median", NULL}, {"monochrome", NULL}, {"mpdecimate", NULL},
    {"negate", NULL}, {"noformat", NULL}, {"noise", NULL}, {"normalize", NULL}, {"null", NULL}, {"overlay", NULL}, {"pad", NULL},
    {"palettegen", NULL}, {"paletteuse", "dither bayer_scale diff_mode new alpha_threshold"}, {"perspective", NULL}, {"pixelize", NULL},
    {"prewitt", NULL}, {"pseudocolor", NULL}, {"reverse", NULL}, {"rgbashift", NULL}, {"roberts", NULL}, {"rotate", NULL}, {"sab", NULL},
    {"scale", NULL}, {"scharr", NULL}, {"scroll", NULL}, {"select", NULL}, {"selectivecolor", "correction_method reds yellows greens cyans "
     "blues magentas whites neutrals blacks"}, {"setdar", NULL}, {"setfield", NULL}, {"setparams", NULL}, {"setpts", NULL}, {"setrange", NULL},
    {"setsar", NULL}, {"shear", NULL}, {"showinfo", NULL}, {"smartblur", NULL}, {"sobel", NULL}, {"split", NULL}, {"swapuv", NULL},
    {"thumbnail", NULL}, {"tile", NULL}, {"tinterlace", NULL}, {"tmix", NULL}, {"tonemap", NULL}, {"tpad", NULL}, {"transpose", NULL},
    {"trim", NULL}, {"unsharp", NULL}, {"vflip", NULL}, {"vibrance", NULL}, {"vignette", NULL}, {"w3fdif", NULL}, {"xfade", NULL},
    {"yadif", NULL}, {"zoompan", NULL}, {"zscale", NULL},
    /* sounds */
    {"acompressor", NULL}, {"acrossfade", NULL}, {"adelay", NULL}, {"aecho", NULL}, {"aemphasis", NULL}, {"afade", NULL},
    {"afftdn", NULL}, {"aformat", NULL}, {"agate", NULL}, {"alimiter", NULL}, {"allpass", NULL}, {"aloop", NULL}, {"amerge", NULL},
    {"amix", NULL}, {"anull", NULL}, {"apad", NULL}, {"aphaser", NULL}, {"apulsator", NULL}, {"aresample", NULL}, {"areverse", NULL},
    {"aselect", NULL}, {"asetnsamples", NULL}, {"asetpts", NULL}, {"asetrate", NULL}, {"asplit", NULL}, {"atempo", NULL}, {"atrim", NULL},
    {"bandpass", NULL}, {"bandreject", NULL}, {"bass", NULL}, {"channelmap", NULL}, {"channelsplit", NULL}, {"chorus", NULL},
    {"compand", NULL}, {"concat", NULL}, {"crossfeed", NULL}, {"deesser", NULL}, {"dynaudnorm", NULL}, {"earwax", NULL},
    {"equalizer", NULL}, {"extrastereo", NULL}, {"flanger", NULL}, {"highpass", NULL}, {"highshelf", NULL}, {"loudnorm",
     "i I lra LRA tp TP measured_I measured_i measured_LRA measured_lra measured_TP measured_tp measured_thresh offset linear dual_mono "
     "print_format"}, {"lowpass", NULL}, {"lowshelf", NULL}, {"mcompand", NULL}, {"pan", NULL}, {"silenceremove", NULL},
    {"speechnorm", NULL}, {"stereotools", NULL}, {"stereowiden", NULL}, {"treble", NULL}, {"tremolo", NULL}, {"vibrato", NULL},
    {"volume", NULL},
};

static bool is_word_of(const char *list, const char *word, size_t len)
{
    for (const char *p = list; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");

        if (n == len && !memcmp(p, word, n))
            return true;
        p += n;
    }
    return false;
}

/* One token as libavfilter reads it: up to one of `ends` that is neither quoted nor behind a backslash. */
static const char *token_end(const char *p, const char *ends)
{
    while (*p && !strchr(ends, *p)) {
        if (*p == '\\' && p[1]) {
            p += 2;
        } else if (*p == '\'') {
            p = strchr(p + 1, '\'');
            if (!p)
                return NULL;
            p++;
        } else {
            p++;
        }
    }
    return p;
}

/* The options of a filter that may not be given all: each with its name. */
static int check_arguments(const char *filter, const char *allowed, const char *p, const char *end, struct err *err)
{
    while (p < end) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        const char *next = token_end(p, ":");

        if (p + n >= end || p[n] != '=' || !is_word_of(allowed, p, n))
            return err_set(err, ERR_ROBOT_VALIDATION, "the filter %s can't be used with '%.*s': its options are given by name, one of: %s", filter,
                           (int)(end - p > 40 ? 40 : end - p), p, allowed);
        p = next && next < end ? next + 1 : end;
    }
    return 0;
}

static const char *spaces(const char *p) { return p + strspn(p, " \n\t\r"); }

static const char *labels(const char *p)
{
    while (*(p = spaces(p)) == '[') {
        p = strchr(p, ']');
        if (!p)
            return NULL;
        p++;
    }
    return p;
}

/* *p is behind the filter that begins there. */
static int check_filter(const char **p, struct err *err)
{
    static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const char *at = *p, *end = at + strspn(at, name_letters);
    size_t len = (size_t)(end - at), i;

    for (i = 0; i < ARRAY_LEN(filters); i++)
        if (strlen(filters[i].name) == len && !memcmp(filters[i].name, at, len))
            break;
    if (i == ARRAY_LEN(filters) || !strchr("=,;[@ \n\t\r", *end))
        return err_set(err, ERR_ROBOT_VALIDATION, "the filter '%.*s' can't be used on this server", (int)(strcspn(at, "=,;[") > 40 ? 40 : strcspn(at, "=,;[")),
                       at);
    if (*end == '@')
        end += 1 + strspn(end + 1, name_letters);
    end = spaces(end);
    if (*end == '=') {
        const char *arguments = end + 1;

        if (!(end = token_end(arguments, "[],;")) || *end == ']')
            return err_set(err, ERR_ROBOT_VALIDATION, "the arguments of the filter %s do not end", filters[i].name);
        if (filters[i].options && check_arguments(filters[i].name, filters[i].options, arguments, end, err) < 0)
            return -1;
        for (const char *c = arguments; c < end; c++)
            if ((c == arguments || c[-1] == ':') && *c == '/') /* "/name=file" takes a value from a file */
                return err_set(err, ERR_ROBOT_VALIDATION, "the arguments of the filter %s can't come from a file", filters[i].name);
    }
    *p = end;
    return 0;
}

int av_filters_check(const char *text, struct err *err)
{
    const char *p = text;

    while ((p = labels(p))) {
        if (check_filter(&p, err) < 0)
            return -1;
        if (!(p = labels(p)))
            break;
        if (!*p)
            return 0;
        if (*p != ',' && *p != ';')
            break;
        p++;
    }
    return err_set(err, ERR_ROBOT_VALIDATION, "no chain of filters: '%.40s'", p ? p : text);
}

/* ---- options ---- */

enum form { FORM_FLAG, FORM_NUMBER, FORM_WORD, FORM_SIZE, FORM_TIME, FORM_SUM, FORM_MAP, FORM_FILTERS, FORM_GRAPH, FORM_PARAMS };
static const char *const patterns[] = {
    [FORM_FLAG] = "^(true|false|0|1)$",
    [FORM_NUMBER] = "^-?[0-9]{1,15}([.][0-9]{1,9}|[/:][0-9]{1,9})?([kKMG]i?B?)?$",
    [FORM_WORD] = "^[A-Za-z0-9_+.:-]{1,100}$",
    [FORM_SIZE] = "^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$",
    [FORM_TIME] = "^[0-9:.]{1,20}(ms|us|s)?$",
    [FORM_SUM] = "^[A-Za-z0-9_+.*^()/ -]{1,100}$",
    [FORM_MAP] = "^-?([0-9]{1,2}(:[vVasdt])?(:[0-9]{1,2})?[?]?|\\[[A-Za-z0-9_]{1,30}\\])$",
};

/* An encoder's own parameters: some of them name files. */
static const char file_parameters[] =
    "stats qpfile cqmfile dump-yuv opencl-clbin index input output log-file log-file-level tcfile-in tcfile-out input-depth csv "
    "csv-log-level recon recon-depth lambda-file scaling-list analysis-save analysis-load analysis-reuse-file analysis-save-reuse-level "
    "zonefile dhdr10-info dolby-vision-rpu refine-analysis-type rc-stats stat-file stats-file qp-file fgs-table film-grain-table "
    "config pass plugin video-filter vf demuxer muxer audiofile acodec frames-file";

enum {
    ANY = AV_STILL | AV_VIDEO | AV_AUDIO,
    FILM = AV_VIDEO | AV_AUDIO,
    HEARD = AV_AUDIO | AV_SAMPLES,
    TIMED = FILM | AV_SAMPLES
};

/* idle: where a Robot does not make that, the option is without effect; else it is refused there. */
static const struct av_row {
    const char *name;
    enum form form;
    unsigned makes;
    bool idle;
} rows[] = {
    /* pictures */
    {"vf", FORM_FILTERS, AV_STILL | AV_VIDEO, true}, {"filter:v", FORM_FILTERS, AV_STILL | AV_VIDEO, true},
    {"s", FORM_SIZE, AV_STILL | AV_VIDEO, true}, {"s:v", FORM_SIZE, AV_STILL | AV_VIDEO, true},
    {"pix_fmt", FORM_WORD, AV_STILL | AV_VIDEO, true}, {"sws_flags", FORM_WORD, AV_VIDEO, true},
    {"q:v", FORM_NUMBER, AV_STILL | AV_VIDEO, true}, {"qscale:v", FORM_NUMBER, AV_STILL | AV_VIDEO, true},
    {"threads", FORM_NUMBER, ANY, true}, {"aspect", FORM_NUMBER, AV_VIDEO, true},
    /* which part of which streams */
    {"ss", FORM_TIME, TIMED, false}, {"t", FORM_TIME, TIMED, false}, {"to", FORM_TIME, TIMED, false},
    {"r", FORM_NUMBER, AV_VIDEO, false},
    {"map", FORM_MAP, FILM, false}, {"filter_complex", FORM_GRAPH, FILM, false}, {"shortest", FORM_FLAG, FILM, true},
    {"vn", FORM_FLAG, FILM, false}, {"an", FORM_FLAG, FILM, true}, {"sn", FORM_FLAG, FILM, true},
    {"f", FORM_WORD, FILM, false}, {"c", FORM_WORD, FILM, false}, {"codec", FORM_WORD, FILM, false},
    {"c:v", FORM_WORD, AV_VIDEO, false}, {"codec:v", FORM_WORD, AV_VIDEO, false}, {"vcodec", FORM_WORD, AV_VIDEO, false},
    {"transloaditffpreset", FORM_WORD, FILM, true},
    /* sound */
    {"ac", FORM_NUMBER, HEARD, true}, {"ar", FORM_NUMBER, HEARD, true}, {"af", FORM_FILTERS, HEARD, true},
    {"filter:a", FORM_FILTERS, HEARD, true},
    {"async", FORM_NUMBER, AV_AUDIO, true}, {"ab", FORM_NUMBER, AV_AUDIO, true},
    {"b:a", FORM_NUMBER, AV_AUDIO, true}, {"c:a", FORM_WORD, AV_AUDIO, true}, {"codec:a", FORM_WORD, AV_AUDIO, true},
    {"acodec", FORM_WORD, AV_AUDIO, true}, {"q:a", FORM_NUMBER, AV_AUDIO, true}, {"qscale:a", FORM_NUMBER, AV_AUDIO, true},
    {"vbr", FORM_WORD, AV_AUDIO, true}, {"profile:a", FORM_WORD, AV_AUDIO, true}, {"application", FORM_WORD, AV_AUDIO, true},
    {"compression_level", FORM_NUMBER, AV_AUDIO, true}, {"cutoff", FORM_NUMBER, AV_AUDIO, true},
    /* encoders of films */
    {"b", FORM_NUMBER, FILM, true}, {"b:v", FORM_NUMBER, AV_VIDEO, true}, {"bt", FORM_NUMBER, AV_VIDEO, true},
    {"bf", FORM_NUMBER, AV_VIDEO, true}, {"bits_per_mb", FORM_NUMBER, AV_VIDEO, true}, {"bufsize", FORM_NUMBER, AV_VIDEO, true},
    {"coder", FORM_WORD, AV_VIDEO, true}, {"cpu-used", FORM_NUMBER, AV_VIDEO, true}, {"crf", FORM_NUMBER, AV_VIDEO, true},
    {"deadline", FORM_WORD, AV_VIDEO, true}, {"flags", FORM_WORD, AV_VIDEO, true}, {"g", FORM_NUMBER, AV_VIDEO, true},
    {"i_qfactor", FORM_NUMBER, AV_VIDEO, true}, {"keyint_min", FORM_NUMBER, AV_VIDEO, true}, {"level", FORM_NUMBER, AV_VIDEO, true},
    {"level:v", FORM_NUMBER, AV_VIDEO, true}, {"maxrate", FORM_NUMBER, AV_VIDEO, true}, {"me_method", FORM_WORD, AV_VIDEO, true},
    {"me_range", FORM_NUMBER, AV_VIDEO, true}, {"minrate", FORM_NUMBER, AV_VIDEO, true}, {"movflags", FORM_WORD, FILM, true},
    {"overshoot-pct", FORM_NUMBER, AV_VIDEO, true}, {"partitions", FORM_WORD, AV_VIDEO, true}, {"preset", FORM_WORD, AV_VIDEO, true},
    {"profile", FORM_WORD, FILM, true}, {"profile:v", FORM_WORD, AV_VIDEO, true}, {"qcomp", FORM_NUMBER, AV_VIDEO, true},
    {"qdiff", FORM_NUMBER, AV_VIDEO, true}, {"qmax", FORM_NUMBER, AV_VIDEO, true}, {"qmin", FORM_NUMBER, AV_VIDEO, true},
    {"rc_eq", FORM_SUM, AV_VIDEO, true}, {"refs", FORM_NUMBER, AV_VIDEO, true}, {"row-mt", FORM_NUMBER, AV_VIDEO, true},
    {"sc_threshold", FORM_NUMBER, AV_VIDEO, true}, {"subq", FORM_NUMBER, AV_VIDEO, true}, {"svtav1-params", FORM_PARAMS, AV_VIDEO, true},
    {"tag:v", FORM_WORD, AV_VIDEO, true}, {"tile-columns", FORM_NUMBER, AV_VIDEO, true}, {"trellis", FORM_NUMBER, AV_VIDEO, true},
    {"tune", FORM_WORD, AV_VIDEO, true}, {"undershoot-pct", FORM_NUMBER, AV_VIDEO, true}, {"vendor", FORM_WORD, AV_VIDEO, true},
    {"x264-params", FORM_PARAMS, AV_VIDEO, true}, {"x264opts", FORM_PARAMS, AV_VIDEO, true}, {"x265-params", FORM_PARAMS, AV_VIDEO, true},
    {"colorspace", FORM_WORD, AV_VIDEO, true}, {"color_primaries", FORM_WORD, AV_VIDEO, true}, {"color_trc", FORM_WORD, AV_VIDEO, true},
    {"color_range", FORM_WORD, AV_VIDEO, true}, {"strict", FORM_WORD, FILM, true},
};

static const struct av_row *row_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static int wrong(struct err *err, const char *name, const char *value)
{
    return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%s' can't have the value '%.60s'", name, value);
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;

    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
        abort(); /* our own */
    bool yes = !regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    return yes;
}

/* "a=1:b=2" */
static int check_parameters(const char *name, const char *text, struct err *err)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ":"), key = strcspn(p, "=:");
        char plain[64];

        if (key >= sizeof plain)
            return wrong(err, name, p);
        for (size_t i = 0; i < key; i++)
            plain[i] = p[i] == '_' ? '-' : p[i];
        if (!key || strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") < key || is_word_of(file_parameters, plain, key) ||
            memchr(p, '/', n) || memchr(p, '\\', n))
            return wrong(err, name, p);
        p += n + (p[n] == ':');
    }
    return 0;
}

static int check_value(const struct av_row *r, const char *text, struct err *err)
{
    if (strlen(text) > MOST_TEXT)
        return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%s' has %zu bytes, the most is %d", r->name, strlen(text), MOST_TEXT);
    if (r->form == FORM_FILTERS || r->form == FORM_GRAPH) {
        struct err why;

        if (av_filters_check(text, &why) < 0)
            return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%s': %s", r->name, why.msg);
        if (r->form == FORM_FILTERS && strpbrk(text, ";["))
            return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%s' is one chain of filters, without labels", r->name);
        return 0;
    }
    if (r->form == FORM_PARAMS)
        return check_parameters(r->name, text, err);
    return matches(patterns[r->form], text) ? 0 : wrong(err, r->name, text);
}

/* null and false leave an option out. */
static bool is_off(const json_t *v) { return json_is_null(v) || json_is_false(v); }

static char *text_of(const json_t *v)
{
    return json_is_string(v) ? mem_strdup(json_string_value(v)) : json_is_true(v) ? mem_strdup("true") : json_text(v);
}

/* {"k": v} of an encoder's parameters or a graph's parts becomes one text. */
static char *joined(const json_t *v, enum form form)
{
    struct str s = {0};
    const char *key;
    json_t *part;

    json_object_foreach ((json_t *)v, key, part) {
        AUTO(mem_free) char *text = text_of(part);

        if (is_off(part))
            continue;
        if (s.len)
            str_putc(&s, form == FORM_GRAPH ? ';' : ':');
        if (form == FORM_PARAMS)
            str_addf(&s, "%s=", key);
        str_puts(&s, text);
    }
    return str_take(&s);
}

static int check_one(const char *name, const json_t *v, unsigned makes, struct err *err)
{
    const struct av_row *r = row_of(name);
    json_t *item;
    size_t i;

    if (!r)
        return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%.60s' can't be used on this server", name);
    if (is_off(v))
        return 0;
    if (!(r->makes & makes) && !r->idle)
        return err_set(err, ERR_ROBOT_VALIDATION, "ffmpeg option '%s' has no meaning for what this Robot makes", name);
    if (json_is_array(v) && r->form == FORM_MAP) {
        json_array_foreach (v, i, item)
            if (!json_is_string(item) || check_value(r, json_string_value(item), err) < 0)
                return wrong(err, name, json_is_string(item) ? json_string_value(item) : "");
        return 0;
    }
    bool joins = json_is_object(v) && (r->form == FORM_PARAMS || r->form == FORM_GRAPH);
    AUTO(mem_free) char *text = joins ? joined(v, r->form) : text_of(v);
    if ((json_is_object(v) && !joins) || json_is_array(v))
        return wrong(err, name, text);
    return check_value(r, text, err);
}

int av_opts_check(const struct av_opts *o, unsigned makes, struct err *err)
{
    const char *key, *stream;
    json_t *v, *part;

    if (o->ffmpeg && !json_is_object(o->ffmpeg))
        return err_set(err, ERR_ROBOT_VALIDATION, "'ffmpeg' must be an object of options");
    if (json_object_size(o->ffmpeg) > MOST_OPTIONS)
        return err_set(err, ERR_ROBOT_VALIDATION, "'ffmpeg' has %zu options, the most is %d", json_object_size(o->ffmpeg), MOST_OPTIONS);
    json_object_foreach (o->ffmpeg, key, v) {
        if (!json_is_object(v) || av_opt_is_joined(key)) {
            if (check_one(key, v, makes, err) < 0)
                return -1;
            continue;
        }
        json_object_foreach (v, stream, part) {
            char name[80];

            snprintf(name, sizeof name, "%.40s:%.30s", key, stream);
            if (check_one(name, part, makes, err) < 0)
                return -1;
        }
    }
    return 0;
}

bool av_opt_is_joined(const char *name)
{
    const struct av_row *r = row_of(name);

    return r && (r->form == FORM_PARAMS || r->form == FORM_GRAPH);
}

const char *av_opt(const struct av_opts *o, struct arena *a, const char *name)
{
    const json_t *v = json_object_get(o->ffmpeg, name);
    const char *colon = strchr(name, ':');

    if (!v && colon) {
        AUTO(mem_free) char *outer = mem_printf("%.*s", (int)(colon - name), name);

        v = json_object_get(json_object_get(o->ffmpeg, outer), colon + 1);
    }
    if (!v || is_off(v))
        return NULL;
    const struct av_row *r = row_of(name);
    AUTO(mem_free) char *text = json_is_object(v) && av_opt_is_joined(name) ? joined(v, r->form) : text_of(v);
    return arena_strdup(a, text);
}
