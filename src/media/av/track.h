/* track.h - sounds that ffmpeg makes of sounds: what is in an input, the chain of filters that
 * brings it to the rate and channels of the result, and the run. For all Robots whose result is a
 * sound.
 *
 * How channels become others: a mono sound is heard from both sides as loud as it was; to mono, the
 * mean of all; of more than two to two, the middle and those behind 3 dB lower, without the bass
 * channel (as ITU-R BS.775 has it), and nothing is turned down to make room. */
#pragma once
#include "media/av/encode.h"
#include "robot/sound_options.h"

struct track {
    int input; /* its number in the job */
    const char *path;
    double seconds;     /* as its packets say it, all of which are read; 0: nobody knows */
    int rate, channels; /* Hz */
    const char *layout; /* of its channels, as filters call it: "stereo" */
    const char *codec;  /* libav's name of it */
    int64_t bit_rate;   /* bit/s */
    bool has_sound;     /* otherwise nothing else is known */
    bool has_film;      /* besides */
    bool has_cover;     /* a picture, JPEG or PNG, that a sound can carry */
    bool seeks;         /* ffmpeg finds any moment of it, to the sample */
    bool ends_early;    /* what the last packet holds beyond `seconds` is not to be heard: MP4 */
    bool tags_lie_with_sound; /* not with the file: Ogg */
};
/* Look at an input of the job, at its first sound. All that is lent is the job's. Errors: those of
 * av_open(). */
MUST_CHECK int track_look(struct track *out, struct robot_job *job, int input, struct err *err);

/* What sounds are brought to before they are joined or mixed. */
struct track_form {
    int rate, channels;
    const char *layout;
};
/* Of the result: its profile's, or the most that any of them has and the encoder takes. */
struct track_form track_form(const struct track *t, size_t n, const struct av_profile *p);
/* The chain for that, of floats, without labels. From the arena. */
const char *track_shape(struct arena *a, const struct track *t, const struct track_form *form);
/* The same for a sound that is alone, where only what must be changed is: NULL when nothing must.
 */
const char *track_shape_alone(struct arena *a, const struct track *t, const struct av_profile *p);
/* What comes last in every graph: the client's own filters, and what the encoder can't do without.
 * NULL: nothing. */
const char *track_last(struct arena *a, const struct av_profile *p);
/* Chains joined with a comma; either may be NULL or "". NULL: neither is anything. */
const char *track_chain(struct arena *a, const char *one, const char *other);

/* The sound, decoded, as floats in the form given, in a file of the job that the caller removes; at
 * most `seconds` of it, 0: all. *samples of each channel. The progress is told in from..to. For who
 * hears it more than once: ffmpeg repeats such a file without a gap, which it does not with others.
 */
MUST_CHECK int track_unroll(const char **path, int64_t *samples, struct robot_job *job,
                            const struct track *t, const struct track_form *form, double seconds,
                            double from, double to, struct err *err);

/* av_run(), with the titles of a track among the sources (its number there; -1: with none), and
 * with its cover if the container takes one and `cover` says so. A cover that can't be carried is
 * left out. */
MUST_CHECK int track_run(const struct av_run *r, const struct track *titles, int source, bool cover,
                         struct err *err);
/* Hand r's output over, as the result of that input. meta is stolen. */
MUST_CHECK int track_emit(const struct av_run *r, int input, json_t *meta, struct err *err);
