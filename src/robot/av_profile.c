#include "robot/av_profile.h"
#include "base/str.h"
#include "robot/values.h"

#include <stdio.h>
#include <string.h>

/* ---- presets ---- */

#define AV_PRESET(...) {__VA_ARGS__},
static const struct av_preset av_preset_rows[] = {
#include "media/av/presets.def"
};
#undef AV_PRESET

/* The number of a row is its place: enumerators are called after the line that it stands in. */
#define JOIN(a, b) a##b
#define CALLED(line) JOIN(PRESET_OF_LINE_, line)
#define AV_PRESET(...) CALLED(__LINE__),
enum {
#include "media/av/presets.def"
};
#undef AV_PRESET

#define AV_PRESET(called, ...) {called, CALLED(__LINE__)},
const struct opt_choice av_presets[] = {
#include "media/av/presets.def"
    {0}};
#define AV_SOUNDS_ONLY
const struct opt_choice av_sound_presets[] = {
#include "media/av/presets.def"
    {0}};
#undef AV_PRESET

const struct av_preset *av_preset(int value) { return value < 0 ? NULL : &av_preset_rows[value]; }

/* ---- containers ---- */

static const struct muxer {
    const char *name, *film, *sound; /* extension of its files; NULL: not for that */
    const char *also;                /* further extensions */
} muxers[] = {
    {"mp4", "mp4", "m4a", "m4v"},  {"mov", "mov", "mov", "qt"},
    {"ipod", "m4v", "m4a", ""},    {"matroska", "mkv", "mka", ""},
    {"webm", "webm", "webm", ""},  {"mpegts", "ts", "ts", "m2ts mts"},
    {"avi", "avi", "avi", ""},     {"flv", "flv", "flv", ""},
    {"asf", "wmv", "wma", "asf"},  {"ogg", "ogv", "ogg", "oga"},
    {"opus", NULL, "opus", ""},    {"mp3", NULL, "mp3", ""},
    {"flac", NULL, "flac", ""},    {"wav", NULL, "wav", ""},
    {"aiff", NULL, "aiff", "aif"}, {"adts", NULL, "aac", ""},
    {"ac3", NULL, "ac3", ""},      {"amr", NULL, "amr", ""},
    {"caf", NULL, "caf", ""},      {"f32le", NULL, "raw", ""},
    {"s16le", NULL, "raw", ""},    {"gif", "gif", NULL, ""},
    {"3gp", "3gp", "3gp", ""},     {"mpeg", "mpg", "mpg", "mpeg vob"},
    {"h264", "h264", NULL, ""},    {"hevc", "hevc", NULL, ""},
    {"oga", NULL, "oga", ""},      {"dv", "dv", NULL, ""},
    {"au", NULL, "au", "snd"},     {"spx", NULL, "spx", ""},
    {"mxf", "mxf", "mxf", ""},     {"w64", NULL, "w64", ""},
};

static const char *muxer_ext(const struct muxer *m, unsigned makes)
{
    return makes & AV_VIDEO ? m->film : m->sound;
}

const char *av_muxer_ext(const char *muxer, unsigned makes)
{
    for (size_t i = 0; i < ARRAY_LEN(muxers); i++)
        if (!strcmp(muxers[i].name, muxer))
            return muxer_ext(&muxers[i], makes);
    return NULL;
}

static bool says(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; n && (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

const char *av_muxer_of(const char *ext)
{
    for (size_t i = 0; i < ARRAY_LEN(muxers); i++) {
        const struct muxer *m = &muxers[i];

        if ((m->film && !strcmp(m->film, ext)) ||
            (m->sound && !strcmp(m->sound, ext) && strcmp(ext, "raw")) || says(m->also, ext))
            return m->name;
    }
    return NULL;
}

/* ---- settings ---- */

/* What ffmpeg calls by several names. */
static const char *const called_also[][2] = {
    {"vcodec", "c:v"},   {"codec:v", "c:v"},   {"acodec", "c:a"},         {"codec:a", "c:a"},
    {"b", "b:v"},        {"ab", "b:a"},        {"qscale:v", "q:v"},       {"qscale", "q:v"},
    {"qscale:a", "q:a"}, {"level:v", "level"}, {"profile", "profile:v"},  {"filter:v", "vf"},
    {"filter:a", "af"},  {"s:v", "s"},         {"vprofile", "profile:v"},
};

static const char *canonical(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(called_also); i++)
        if (!strcmp(called_also[i][0], name))
            return called_also[i][1];
    return name;
}

static struct av_setting *find(const struct av_profile *p, const char *name)
{
    for (int i = 0; i < p->setting_count; i++)
        if (!strcmp(p->settings[i].name, name))
            return (struct av_setting *)&p->settings[i];
    return NULL;
}

const char *av_profile_get(const struct av_profile *p, const char *name)
{
    const struct av_setting *s = find(p, name);

    return s ? s->value : NULL;
}

static void put(struct av_profile *p, const char *name, const char *value)
{
    struct av_setting *s = find(p, name);

    if (!s && p->setting_count == AV_SETTINGS_MAX)
        abort(); /* a preset's and the client's are fewer (av_opts_check) */
    if (!s)
        s = &p->settings[p->setting_count++];
    *s = (struct av_setting){name, value};
}

void av_profile_set(struct av_profile *p, const char *name, const char *value)
{
    struct av_setting *s = find(p, name);

    if (value) {
        put(p, name, value);
    } else if (s) {
        size_t after = (size_t)(&p->settings[p->setting_count] - (s + 1));

        memmove(s, s + 1, after * sizeof *s);
        p->setting_count--;
    }
}

void av_profile_default(struct av_profile *p, const char *name, const char *value)
{
    if (!find(p, name))
        put(p, name, value);
}

static void add_words(struct av_profile *p, struct arena *a, const char *words)
{
    char *rest = arena_strdup(a, words), *name, *value;

    while ((name = strtok_r(rest, " ", &rest)) && (value = strtok_r(rest, " ", &rest)))
        put(p, name, value);
}

static void take_preset(struct av_profile *p, struct arena *a, const struct av_preset *preset)
{
    p->muxer = preset->muxer;
    p->ext = preset->ext;
    p->width = preset->width;
    p->height = preset->height;
    p->makes &= (unsigned)((preset->video ? AV_VIDEO : 0) | (preset->audio ? AV_AUDIO : 0));
    if (preset->video && p->makes & AV_VIDEO)
        add_words(p, a, preset->video);
    if (preset->audio)
        add_words(p, a, preset->audio);
}

/* ---- the client's ---- */

static int take_muxer(struct av_profile *p, const char *name, struct err *err)
{
    const char *ext = av_muxer_ext(name, p->makes);

    if (!ext)
        return err_set(
            err, ERR_ROBOT_VALIDATION,
            "ffmpeg option 'f': files of the format '%.40s' are not made by this Robot here", name);
    p->muxer = name;
    p->ext = ext;
    return 0;
}

static int take_size(struct av_profile *p, const char *text)
{
    p->width = strtol(text, NULL, 10);
    p->height = strtol(strchr(text, 'x') + 1, NULL, 10); /* its form was checked */
    return 0;
}

/* A list is only given to -map. */
static int take_maps(struct av_profile *p, struct arena *a, const json_t *v, const char *text,
                     struct err *err)
{
    json_t *item;
    size_t i;

    if (!json_is_array(v)) {
        p->maps[p->map_count++] = text;
        return 0;
    }
    json_array_foreach (v, i, item) {
        if (p->map_count == ARRAY_LEN(p->maps))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "ffmpeg option 'map' chooses more than %zu streams", ARRAY_LEN(p->maps));
        p->maps[p->map_count++] = arena_strdup(a, json_string_value(item));
    }
    return 0;
}

static bool is_flag(const char *name) { return says("shortest sn", name); }

/* One option by its one name; text is its value, v what the client wrote. */
static int take_option(struct av_profile *p, struct arena *a, const char *name, const json_t *v,
                       const char *text, struct err *err)
{
    bool yes = strcmp(text, "false") && strcmp(text, "0");

    if (!strcmp(name, "f"))
        return take_muxer(p, text, err);
    if (!strcmp(name, "s"))
        return take_size(p, text);
    if (!strcmp(name, "map"))
        return take_maps(p, a, v, text, err);
    if (!strcmp(name, "vf"))
        p->vf = text;
    else if (!strcmp(name, "af"))
        p->af = text;
    else if (!strcmp(name, "filter_complex"))
        p->graph = text;
    else if (!strcmp(name, "vn"))
        p->makes &= ~(yes ? (unsigned)AV_VIDEO : 0);
    else if (!strcmp(name, "an"))
        p->makes &= ~(yes ? (unsigned)AV_AUDIO : 0);
    else if (!strcmp(name, "transloaditffpreset") || !strcmp(name, "threads"))
        return 0;
    else if (is_flag(name))
        yes ? put(p, name, NULL) : av_profile_set(p, name, NULL);
    else if (!strcmp(name, "c") || !strcmp(name, "codec")) {
        put(p, "c:v", text);
        put(p, "c:a", text);
    } else
        put(p, name, text);
    return 0;
}

static int take_client(struct av_profile *p, struct arena *a, const struct av_opts *client,
                       struct err *err)
{
    const char *key, *stream;
    json_t *v, *part;

    json_object_foreach (client->ffmpeg, key, v) {
        bool nested = json_is_object(v) && !av_opt_is_joined(key);

        if (!nested) {
            const char *text = av_opt(client, a, key);

            if (text && take_option(p, a, canonical(arena_strdup(a, key)), v, text, err) < 0)
                return -1;
            continue;
        }
        json_object_foreach (v, stream, part) {
            const char *name = arena_printf(a, "%s:%s", key, stream),
                       *text = av_opt(client, a, name);

            if (text && take_option(p, a, canonical(name), part, text, err) < 0)
                return -1;
        }
    }
    p->own = json_object_size(client->ffmpeg) > 0;
    return 0;
}

/* ---- encoders ---- */

static const char video_encoders[] = "copy libx264 libx265 libvpx libvpx-vp9 vp8 vp9 libsvtav1 "
                                     "libaom-av1 libtheora theora h264 hevc av1 mpeg4 "
                                     "mpeg2video mpeg1video flv flv1 wmv1 wmv2 gif mjpeg prores "
                                     "prores_ks prores_aw dnxhd ffv1 huffyuv ffvhuff rawvideo "
                                     "msmpeg4 msmpeg4v2 libxvid h263 h263p png qtrle cinepak "
                                     "dvvideo libwebp libwebp_anim utvideo libx264rgb";
static const char audio_encoders[] = "copy aac libfdk_aac libmp3lame mp3 libvorbis vorbis libopus "
                                     "opus flac alac ac3 eac3 wmav1 wmav2 pcm_s16le pcm_s16be "
                                     "pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_u8 pcm_f32le "
                                     "pcm_f64le pcm_alaw pcm_mulaw mp2 libtwolame "
                                     "libspeex speex adpcm_ms adpcm_ima_wav wavpack tta";

/* The encoders of this server for names of what is encoded, or of encoders that are not free. */
static const char *const encoder_for[][2] = {
    {"h264", "libx264"},   {"hevc", "libx265"},     {"vp8", "libvpx"},   {"vp9", "libvpx-vp9"},
    {"av1", "libsvtav1"},  {"theora", "libtheora"}, {"flv1", "flv"},     {"libfdk_aac", "aac"},
    {"mp3", "libmp3lame"}, {"vorbis", "libvorbis"}, {"opus", "libopus"}, {"speex", "libspeex"},
};

static int check_encoder(struct av_profile *p, const char *name, const char *known,
                         const char *suffix, struct err *err)
{
    const char *value = av_profile_get(p, name);

    if (!value)
        return 0;
    if (!says(known, value))
        return value_refuse(err, suffix,
                            "ffmpeg option '%s': there is no encoder '%.60s' on this server", name,
                            value);
    for (size_t i = 0; i < ARRAY_LEN(encoder_for); i++)
        if (!strcmp(encoder_for[i][0], value))
            put(p, name, encoder_for[i][1]);
    return 0;
}

static bool is_of_video(const char *name)
{
    static const char of_both[] = "b:a c:a q:a ar ac async vbr profile:a application "
                                  "compression_level cutoff ss t to shortest movflags strict sn";

    return !says(of_both, name);
}

/* Settings of a stream that is not made would be answered with a warning, or taken for another's.
 */
static void drop_unused(struct av_profile *p)
{
    static const char of_audio[] =
        "b:a c:a q:a ar ac async vbr profile:a application compression_level cutoff";

    for (int i = p->setting_count - 1; i >= 0; i--) {
        const char *name = p->settings[i].name;

        if ((!(p->makes & AV_VIDEO) && is_of_video(name)) ||
            (!(p->makes & AV_AUDIO) && says(of_audio, name)))
            av_profile_set(p, name, NULL);
    }
}

/* ---- all of it ---- */

/* Profiles of encoders that are asked for by name, where that says another form of the frames than
 * what every player knows. */
static const struct {
    const char *encoder, *profile, *form;
} profile_forms[] = {
    {"libx264", "high10", "yuv420p10le"}, {"libx264", "high422", "yuv422p10le"},
    {"libx264", "high444", "yuv444p"},    {"libx265", "main10", "yuv420p10le"},
    {"libx265", "main12", "yuv420p12le"}, {"libx265", "main422-10", "yuv422p10le"},
    {"libx265", "main444-8", "yuv444p"},  {"libx265", "main444-10", "yuv444p10le"},
    {"libvpx-vp9", "1", "yuv444p"},       {"libvpx-vp9", "2", "yuv420p10le"},
    {"libvpx-vp9", "3", "yuv444p10le"},
};

static const char *usual_form(const char *encoder, const char *profile)
{
    for (size_t i = 0; profile && i < ARRAY_LEN(profile_forms); i++)
        if (!strcmp(profile_forms[i].encoder, encoder) &&
            !strcmp(profile_forms[i].profile, profile))
            return profile_forms[i].form;
    return says("libx264 libx265 libvpx libvpx-vp9 libsvtav1 libaom-av1 libtheora mpeg4 flv wmv2",
                encoder)
               ? "yuv420p"
               : NULL;
}

bool av_profile_is_deep(const struct av_profile *p)
{
    const char *form = av_profile_get(p, "pix_fmt"), *v = av_profile_get(p, "c:v");

    if (form) /* yuv420p10le, p010le, gbrpf32le: all but 8 bit say how many */
        return strstr(form, "10") || strstr(form, "12") || strstr(form, "14") ||
               strstr(form, "16") || strstr(form, "f32");
    return !v || says("copy prores prores_ks prores_aw ffv1 rawvideo", v);
}

/* Pictures keep their times where the container can tell them: none is left out, none doubled. */
static bool tells_times(const char *muxer)
{
    return says("mp4 mov ipod matroska webm mpegts flv 3gp", muxer);
}

static void suit_muxer(struct av_profile *p)
{
    const char *v = av_profile_get(p, "c:v");

    if (p->makes & AV_VIDEO && tells_times(p->muxer) && !av_profile_get(p, "r") &&
        (!v || strcmp(v, "copy")))
        av_profile_default(p, "fps_mode", "vfr");
    if (says("mp4 mov ipod", p->muxer))
        av_profile_default(p, "movflags", "+faststart");
}

void av_profile_into(struct av_profile *p, const char *muxer)
{
    p->muxer = muxer;
    p->ext = av_muxer_ext(muxer, p->makes);
    suit_muxer(p);
}

static void finish(struct av_profile *p)
{
    const char *v = av_profile_get(p, "c:v"),
               *form = v ? usual_form(v, av_profile_get(p, "profile:v")) : NULL;

    if (p->makes & AV_VIDEO && form)
        av_profile_default(p, "pix_fmt", form);
    suit_muxer(p);
    drop_unused(p);
}

static const struct av_preset *named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(av_preset_rows); i++)
        if (!strcmp(av_preset_rows[i].name, name))
            return &av_preset_rows[i];
    abort(); /* our own mistake */
}

int av_profile(struct av_profile *out, struct arena *a, const struct av_preset *preset,
               const char *standard, const struct av_opts *client, unsigned makes, struct err *err)
{
    int rc = 0;

    *out = (struct av_profile){.makes = makes, .muxer = "", .ext = ""};
    if (!preset && standard && !json_object_size(client->ffmpeg))
        preset = named(standard);
    if (preset)
        take_preset(out, a, preset);
    if (take_client(out, a, client, err) < 0 ||
        check_encoder(out, "c:v", video_encoders, "INVALID_VIDEO_CODEC", err) < 0 ||
        check_encoder(out, "c:a", audio_encoders, "INVALID_AUDIO_CODEC", err) < 0)
        return -1;
    if (!out->makes)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "ffmpeg options and preset leave neither pictures nor sound");
    if (preset && preset->video && *out->muxer &&
        !(out->makes & AV_VIDEO)) /* what is left of a film is a sound */
        rc = take_muxer(out, out->muxer, err);
    finish(out);
    return rc;
}

int av_profile_check(int preset, const struct av_opts *client, unsigned makes, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);

    return av_opts_check(client, makes, err) < 0
               ? -1
               : av_profile(p, a, av_preset(preset), NULL, client, makes, err);
}
