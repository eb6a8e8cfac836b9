/* adaptive.h - what the files of /video/adaptive share: adaptive.c reads the inputs and decides,
 * adaptive_forms.c knows what players can read,
 * adaptive_encode.c encodes what players could not read, adaptive_write.c packs segments,
 * adaptive_lists.c says where they lie. */
#pragma once
#include "media/av/encode.h"
#include "media/av/playlist.h"
#include "media/av/segment.h"
#include "robot/av_options.h"
#include "robot/av_profile.h"
#include "robot/robot.h"

enum technique { TECHNIQUE_DASH, TECHNIQUE_HLS, TECHNIQUE_CMAF };
enum { ADAPTIVE_MOST_FILES = 9000 }; /* a job may give 10000 */
#define ADAPTIVE_LIST                                                                              \
    "playlist.m3u8"          /* of a variant, and of all where nobody says another name            \
                              */
#define ADAPTIVE_LOOKED 0.05 /* of the progress */
#define ADAPTIVE_ENCODED 0.8 /* where something is encoded */

struct adaptive_opts {
    int technique, preset;
    const char *playlist_name, *hls_playlist_name;
    int64_t segment_duration, width, height;
    bool closed_captions, audio_group;
    struct av_opts av;
};

struct variant {
    const struct robot_input *in;
    int input;
    const char *path, *folder;
    struct segment_look look;
    double zero;
    bool video_fits, audio_fits;
};

struct adapting {
    struct robot_job *job;
    const struct adaptive_opts *o;
    struct media_limits limits;
    struct variant *variants;
    int count;
    double length; /* s */
    double *cuts;
    int cut_count;
    double told; /* of the progress */
    struct rendition **out, **sounds;
    int out_count, sound_count, files;
    struct rendition *writing;
    const struct variant *writing_of;
};

extern const char *const adaptive_technique_names[];
/* Can players of the technique read it? name: libav's, of what is in a file. */
bool adaptive_plays(const struct adaptive_opts *o, bool is_video, const struct segment_track *t);
/* As av_profile(). Errors: ERR_ROBOT_VALIDATION also where an encoder makes what cannot be streamed
 * so. */
MUST_CHECK int adaptive_profile(struct av_profile *p, struct arena *a,
                                const struct adaptive_opts *o, unsigned makes, struct err *err);
/* In the order of the work. */
MUST_CHECK int adaptive_encode_all(struct adapting *w, struct err *err);
MUST_CHECK int adaptive_write_all(struct adapting *w, struct err *err);
MUST_CHECK int adaptive_list_all(struct adapting *w, struct err *err);
