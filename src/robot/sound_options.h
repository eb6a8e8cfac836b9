/* sound_options.h - what all Robots that make sounds of sounds have: preset, bitrate, sample_rate,
 * ffmpeg; and the profile that comes of them. In the daemon as well. robots.md /audio/encode. */
#pragma once
#include "robot/av_profile.h"

struct sound_opts {
    int preset;                   /* av_preset() */
    int64_t bitrate, sample_rate; /* bit/s, Hz; 0: not given */
    struct av_opts av;
};
extern const struct option sound_options[];

/* What a client may do with options of ffmpeg: choose streams and lay out a graph of filters, which
 * only a Robot that makes one sound of one can let him; have packets copied, which no graph can
 * touch. */
enum sound_may { SOUND_GRAPH = 1, SOUND_COPY = 2 };
/* For a Robot's check, standard as below. Errors: ERR_ROBOT_VALIDATION: those of
 * av_profile_check(), what the client may not, a sample rate that the encoder does not have. */
MUST_CHECK int sound_check(const struct sound_opts *o, const char *standard, unsigned may,
                           bool partial, struct err *err);

/* A preset, over it bitrate and sample_rate, over these the client's options of ffmpeg. Neither
 * preset nor options: standard ("mp3"; NULL: whatever the input is). Where nobody names a container
 * it is the input's, whose extension is ext, unless the encoder asked for does not go into that. */
MUST_CHECK int sound_profile(struct av_profile *out, struct arena *a, const struct sound_opts *o,
                             const char *standard, const char *ext, struct err *err);
/* Where neither preset nor options are given: the codec that the input has, at its bit rate, and
 * its container; MP3 for a codec that nobody here encodes. Else the same as above. */
MUST_CHECK int sound_profile_kept(struct av_profile *out, struct arena *a,
                                  const struct sound_opts *o, const char *codec, int64_t bit_rate,
                                  int channels, const char *ext, struct err *err);
/* The most channels that its encoder takes. */
int sound_channels_max(const struct av_profile *p);
