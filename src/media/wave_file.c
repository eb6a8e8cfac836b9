#include "media/wave_file.h"
#include "media/av/sound.h"

#include <stdlib.h>

#define POINTS_A_COLUMN 16 /* while it is not known how long the sound is */
#define SHARE 0.9          /* of the progress */

struct hearing {
    struct robot_job *job;
    struct sound *sound;
    struct peaks peaks;
};

static int on_piece(void *ctx, const float *const *channels, int n, struct err *err)
{
    struct hearing *h = ctx;

    robot_progress(h->job, SHARE * sound_done(h->sound));
    return peaks_add(&h->peaks, channels, sound_info(h->sound)->channels, n, err);
}

int wave_of_file(struct image **out, struct robot_job *job, const char *path,
                 const struct wave *look, const struct media_limits *limits, struct err *err)
{
    AUTO(sound_close) struct sound *sound = NULL;
    struct wave v = *look;
    struct hearing h = {.job = job};
    int rc;

    if (sound_open(&sound, path, &(struct sound_open){.limits = *limits}, err) < 0)
        return -1;
    h.sound = sound;
    peaks_init(&h.peaks, 0, POINTS_A_COLUMN * v.w);
    if ((rc = sound_hear(sound, on_piece, &h, err)) == 0) {
        struct peak *columns = mem_alloc((size_t)v.w * sizeof *columns);

        peaks_spread(columns, v.w, &h.peaks);
        v.from_s = 0;
        v.upto_s = (double)h.peaks.samples / sound_info(sound)->rate;
        rc = wave_draw(out, &v, columns, v.w, err);
        free(columns);
    }
    peaks_done(&h.peaks);
    return rc;
}
