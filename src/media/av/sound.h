/* sound.h - what a file sounds like, sample by sample, over libav in this process. A film of ten
 * hours needs no more memory than a second of it: a piece is decoded, handed over and forgotten.
 *
 * The file is opened as any other (media/av/av.h), and its first sound is heard. What comes out has
 * one rate and one number of channels from beginning to end, whatever the file changes on its way.
 * Damaged packets are passed over. Errors: those of av.h; ERR_USER_COMMAND: the filters fail. */
#pragma once
#include "media/av/av.h"

#define SOUND_CHANNELS_MAX 64

struct sound_open {
    struct media_limits limits; /* timeout_s: of opening, and of all of the hearing */
    double start, end;   /* s from the beginning of the sound, what is heard; end 0: to its end */
    const char *filters; /* a chain of libav's for sounds, which must have been checked
                            (robot/av_options.h); NULL: none. start and end are of what it gives */
};

struct sound_info {
    int rate, channels; /* Hz; 1 to SOUND_CHANNELS_MAX. Of what comes out */
    double length_s; /* of all of the sound, by the file's own word, which may be wrong; 0: nobody
                        knows */
};

struct sound;
MUST_CHECK int sound_open(struct sound **out, const char *path, const struct sound_open *how,
                          struct err *err);
void sound_close(struct sound *s); /* NULL is fine */
DEFINE_AUTO(struct sound *, sound_close)
const struct sound_info *sound_info(const struct sound *s);

/* Who hears. n > 0 samples of each channel, one array a channel, lent for the call; full scale is
 * -1 to 1, but louder ones, and in files of floats what is no number, do come. 0: go on; 1: enough
 * was heard; -1: err. */
typedef int sound_fn(void *ctx, const float *const *channels, int n, struct err *err);
/* Decode from start to end. Once only. A file whose sound can't be decoded at all is ERR_COMMAND;
 * one that is heard out before `start` is not. */
MUST_CHECK int sound_hear(struct sound *s, sound_fn *fn, void *ctx, struct err *err);
/* How much of what is heard is done, by the file's own word: 0 to 1. For who hears. */
double sound_done(const struct sound *s);
