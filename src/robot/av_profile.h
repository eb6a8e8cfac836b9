/* av_profile.h - how a film or a sound is to be encoded: a preset (media/av/presets.def), and the
 * client's options of ffmpeg (robot/av_options.h) laid over it. Pure; in the daemon as well, for
 * the check when an Assembly is created. Who runs ffmpeg with it is media/av/encode.h. robots.md
 * /video/encode, /audio/encode. */
#pragma once
#include "robot/av_options.h"

struct av_preset {
    const char *name;          /* with dashes */
    const char *muxer, *ext;   /* "": said by nobody */
    int64_t width, height;     /* px of the box; 0: the source's */
    const char *video, *audio; /* "name value name value"; NULL: the result has none */
};
/* Choices of a row: OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET). Both hold
 * the sounds; the names with _ count as those with -. */
extern const struct opt_choice av_presets[], av_sound_presets[];
enum { AV_NO_PRESET = -1 };
/* Of a row's value; NULL: AV_NO_PRESET. */
const struct av_preset *av_preset(int value);

enum { AV_SETTINGS_MAX = 200 };
/* All strings are lent, or from the arena. */
struct av_profile {
    unsigned makes;          /* AV_VIDEO | AV_AUDIO: what the result has, if the source does */
    const char *muxer, *ext; /* "": the source's */
    int64_t width, height;   /* px of the box; 0: the source's */
    /* The client's filters, to come behind the Robot's own; NULL: none. graph names its inputs and
     * outputs itself. */
    const char *vf, *af, *graph;
    const char *maps[16]; /* the client's -map */
    int map_count;
    bool own; /* options of the client's are among the settings: a failure is the client's */
    struct av_setting {
        const char *name, *value; /* "c:v", "libx264"; value NULL: a flag */
    } settings[AV_SETTINGS_MAX];
    int setting_count;
};

/* preset NULL: none; with `ffmpeg` given as well then only that counts, else `standard` ("mp3";
 * NULL: nothing) is taken. makes: what the Robot can make at all. Errors: ERR_ROBOT_VALIDATION: a
 * container that this server does not write, both streams turned off; with INVALID_VIDEO_CODEC or
 * INVALID_AUDIO_CODEC behind the Robot's name: an encoder that is not here. */
MUST_CHECK int av_profile(struct av_profile *out, struct arena *a, const struct av_preset *preset,
                          const char *standard, const struct av_opts *client, unsigned makes,
                          struct err *err);
/* The same, for a Robot's check(): only whether it can be. Options are looked at as well
 * (av_opts_check). */
MUST_CHECK int av_profile_check(int preset, const struct av_opts *client, unsigned makes,
                                struct err *err);

/* Settings have one name each ("c:v", whether vcodec, codec:v or c:v was written; "b:v", "b:a",
 * "q:v", "q:a"). NULL: not set, or a flag. */
const char *av_profile_get(const struct av_profile *p, const char *name);
/* In the place of what was there. value NULL: leave it out. */
void av_profile_set(struct av_profile *p, const char *name, const char *value);
/* Only where nobody has said anything else. */
void av_profile_default(struct av_profile *p, const char *name, const char *value);

/* The container, where muxer is "": with the settings that go with it. */
void av_profile_into(struct av_profile *p, const char *muxer);

/* More than 8 bit a sample may be left of what has more: the client or its encoder's profile says
 * so, or the encoder takes what there is. */
bool av_profile_is_deep(const struct av_profile *p);

/* A container that is written: its extension as it is used for films or sounds; NULL: not on this
 * server. */
const char *av_muxer_ext(const char *muxer, unsigned makes);
/* Which container files of this extension have: "mp4" for m4v; NULL: none that is written. */
const char *av_muxer_of(const char *ext);
