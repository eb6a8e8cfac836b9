#include "robot/sound_options.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T struct sound_opts
const struct option sound_options[] = {
    OPT_ENUM(T, preset, av_sound_presets, .dashes = true, .def = AV_NO_PRESET,
             .help =
                 "Encoder, container, bit rate and sample rate under one name. A _ counts as a -."),
    OPT_INT(T, bitrate, .min = 1, .max = 100000000, .unit = "bit/s",
            .help = "Bit rate, for encoders that lose something. Left out: the preset's."),
    OPT_INT(T, sample_rate, .min = 1, .max = 768000, .unit = "Hz", .example = "22050",
            .help = "Sample rate. Left out: the preset's, or the input's where it has none."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};

/* ---- encoders ---- */

/* containers: those that take it, the usual one first. rates: what it has; NULL: any. */
static const struct sound_encoder {
    const char *name, *codec, *containers, *rates;
    int channels; /* at most; 0: as many as there are */
} encoders[] = {
    {"libmp3lame", "mp3", "mp3 mp4 mov matroska avi flv mpegts mpeg asf wav 3gp",
     "8000 11025 12000 16000 22050 24000 32000 44100 48000", 2},
    {"aac", "aac", "ipod mp4 mov matroska adts mpegts flv 3gp avi",
     "7350 8000 11025 12000 16000 22050 24000 32000 44100 48000 64000 88200 96000", 8},
    {"libvorbis", "vorbis", "ogg oga matroska webm", NULL, 8},
    {"libopus", "opus", "opus ogg oga webm matroska mp4 mpegts", "8000 12000 16000 24000 48000", 8},
    {"flac", "flac", "flac matroska ogg oga mp4", NULL, 8},
    {"alac", "alac", "ipod mp4 mov matroska caf", NULL, 8},
    {"ac3", "ac3", "ac3 matroska mp4 mov mpegts mpeg avi", "32000 44100 48000", 6},
    {"eac3", "eac3", "matroska mp4 mov mpegts", "32000 44100 48000", 6},
    {"mp2", "mp2", "mpegts mpeg matroska avi", "16000 22050 24000 32000 44100 48000", 2},
    {"libspeex", "speex", "spx ogg oga flv", "8000 16000 32000", 2},
    {"wmav2", "wmav2", "asf matroska avi", "8000 11025 16000 22050 32000 44100 48000", 2},
    {"wmav1", "wmav1", "asf matroska avi", "8000 11025 16000 22050 32000 44100 48000", 2},
    {"pcm_s16le", "pcm_s16le", "wav w64 matroska mov avi s16le", NULL, 0},
    {"pcm_s24le", "pcm_s24le", "wav w64 matroska mov avi", NULL, 0},
    {"pcm_s32le", "pcm_s32le", "wav w64 matroska mov avi", NULL, 0},
    {"pcm_u8", "pcm_u8", "wav w64 matroska avi", NULL, 0},
    {"pcm_f32le", "pcm_f32le", "wav w64 matroska mov f32le", NULL, 0},
    {"pcm_f64le", "pcm_f64le", "wav w64 matroska", NULL, 0},
    {"pcm_alaw", "pcm_alaw", "wav w64 matroska mov au", NULL, 0},
    {"pcm_mulaw", "pcm_mulaw", "wav w64 matroska mov au", NULL, 0},
    {"pcm_s16be", "pcm_s16be", "aiff au caf mov matroska", NULL, 0},
    {"pcm_s24be", "pcm_s24be", "aiff au caf mov matroska", NULL, 0},
    {"pcm_s32be", "pcm_s32be", "aiff au caf mov", NULL, 0},
};

static const struct sound_encoder *sound_find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(encoders); i++)
        if (!strcmp(encoders[i].name, name))
            return &encoders[i];
    return NULL;
}

int sound_channels_max(const struct av_profile *p)
{
    const struct sound_encoder *e = sound_find(av_profile_get(p, "c:a"));
    bool lame = !e && !strcmp(p->muxer, "mp3"); /* its usual encoder */

    return lame ? 2 : e && e->channels ? e->channels : 64;
}

static bool sound_says(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; n && (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

/* ---- the profile ---- */

static bool sound_given(const struct sound_opts *o, const char *const *names)
{
    AUTO(arena_free) struct arena *a = arena_new();

    for (; *names; names++)
        if (av_opt(&o->av, a, *names))
            return true;
    return false;
}

/* Those of the Step, where `ffmpeg` says nothing about it. */
static void sound_lay_over(struct av_profile *p, struct arena *a, const struct sound_opts *o)
{
    static const char *const of_bits[] = {"b:a", "ab", "q:a", "qscale:a", NULL};
    static const char *const of_rate[] = {"ar", NULL};

    if (o->bitrate && !sound_given(o, of_bits)) {
        av_profile_set(p, "q:a", NULL);
        av_profile_set(p, "vbr", NULL);
        av_profile_set(p, "b:a", arena_printf(a, "%lld", (long long)o->bitrate));
        p->own = true;
    }
    if (o->sample_rate && !sound_given(o, of_rate))
        av_profile_set(p, "ar", arena_printf(a, "%lld", (long long)o->sample_rate));
}

static void sound_container(struct av_profile *p, const char *ext)
{
    const struct sound_encoder *e = sound_find(av_profile_get(p, "c:a"));
    const char *muxer = ext && *ext ? av_muxer_of(ext) : NULL;
    const char *called = muxer ? av_muxer_ext(muxer, AV_AUDIO) : NULL;

    if (*p->muxer)
        return;
    if (!called || (e && !sound_says(e->containers, muxer))) {
        static const char *const usual[] = {"mp3",      "ipod",   "ogg", "opus", "flac", "ac3",
                                            "matroska", "mpegts", "spx", "asf",  "wav",  "aiff"};

        muxer = "mp3";
        for (size_t i = 0; e && i < ARRAY_LEN(usual); i++)
            if (!strncmp(e->containers, usual[i], strcspn(e->containers, " ")))
                muxer = usual[i];
        called = av_muxer_ext(muxer, AV_AUDIO);
    }
    p->muxer = muxer;
    p->ext = called;
}

int sound_profile(struct av_profile *out, struct arena *a, const struct sound_opts *o,
                  const char *standard, const char *ext, struct err *err)
{
    if (av_profile(out, a, av_preset(o->preset), standard, &o->av, AV_AUDIO, err) < 0)
        return -1;
    sound_lay_over(out, a, o);
    sound_container(out, ext);
    return 0;
}

/* What the input had, within what its encoder can be asked for. NULL: it loses nothing. */
static const char *sound_bits(struct arena *a, const struct sound_encoder *e, int64_t rate,
                              int channels)
{
    bool vorbis = !strcmp(e->codec, "vorbis"), opus = !strcmp(e->codec, "opus");
    int64_t least = vorbis ? 48000 * channels : 8000,
            most = vorbis ? 200000 * channels : 256000 * channels;

    if (rate <= 0 || !(e->rates || vorbis))
        return NULL;
    if (vorbis || opus)
        rate = rate < least ? least : rate > most ? most : rate;
    return arena_printf(a, "%lld", (long long)rate);
}

int sound_profile_kept(struct av_profile *out, struct arena *a, const struct sound_opts *o,
                       const char *codec, int64_t bit_rate, int channels, const char *ext,
                       struct err *err)
{
    const struct sound_encoder *e = NULL;

    for (size_t i = 0; !e && i < ARRAY_LEN(encoders); i++)
        if (!strcmp(encoders[i].codec, codec))
            e = &encoders[i];
    if (o->preset != AV_NO_PRESET || json_object_size(o->av.ffmpeg))
        return sound_profile(out, a, o, NULL, ext, err);
    if (!e)
        return sound_profile(out, a, o, "mp3", ext, err);
    if (av_profile(out, a, NULL, NULL, &o->av, AV_AUDIO, err) < 0)
        return -1;
    av_profile_set(out, "c:a", e->name);
    const char *bits = sound_bits(a, e, bit_rate, channels);
    if (bits)
        av_profile_set(out, "b:a", bits);
    sound_lay_over(out, a, o);
    sound_container(out, ext);
    return 0;
}

/* ---- check ---- */

static int sound_check_rate(const struct av_profile *p, int64_t rate, struct err *err)
{
    const struct sound_encoder *e = sound_find(av_profile_get(p, "c:a"));
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)rate);
    if (e && e->rates && !sound_says(e->rates, text))
        return err_set(err, ERR_ROBOT_VALIDATION, "'sample_rate': %s has %s Hz, not %s", e->codec,
                       e->rates, text);
    if (rate < 1000)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'sample_rate': %s Hz is less than any sound needs", text);
    return 0;
}

static int sound_check_may(const struct sound_opts *o, const struct av_profile *p, unsigned may,
                           struct err *err)
{
    static const char *const own_graph[] = {"filter_complex", "map", NULL};
    const char *encoder = av_profile_get(p, "c:a");

    if (!(may & SOUND_GRAPH) && sound_given(o, own_graph))
        return err_set(
            err, ERR_ROBOT_VALIDATION,
            "ffmpeg options 'filter_complex' and 'map' can't be used: this Robot lays out "
            "the sounds itself");
    if (!(may & SOUND_COPY) && encoder && !strcmp(encoder, "copy"))
        return err_set(
            err, ERR_ROBOT_VALIDATION,
            "ffmpeg option 'c:a': this Robot makes another sound, nothing can be copied");
    return 0;
}

int sound_check(const struct sound_opts *o, const char *standard, unsigned may, bool partial,
                struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);

    if (av_opts_check(&o->av, AV_AUDIO, err) < 0 ||
        sound_profile(p, a, o, standard, NULL, err) < 0 || sound_check_may(o, p, may, err) < 0)
        return -1;
    return !partial && o->sample_rate && av_profile_get(p, "ar") &&
                   strtoll(av_profile_get(p, "ar"), NULL, 10) == o->sample_rate
               ? sound_check_rate(p, o->sample_rate, err)
               : 0;
}
