/* A sound of strangers is heard from somewhere to somewhere: what comes is in the form that was told, no more than was
 * asked for, or there is a failure with a name. */
#include "fuzz.h"
#include "media/av/sound.h"

#include <math.h>

struct ear {
    const struct sound *sound;
    int64_t samples;
    float sum; /* each is read, for sanitizers */
};

static int hear(void *ctx, const float *const *channels, int n, struct err *err)
{
    struct ear *e = ctx;
    double done = sound_done(e->sound);

    (void)err;
    CHECK(n > 0 && done >= 0 && done <= 1);
    for (int c = 0; c < sound_info(e->sound)->channels; c++)
        for (int i = 0; i < n; i++)
            e->sum += channels[c][i];
    e->samples += n;
    return e->samples > 1000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const filters[] = {NULL, "volume=0.5", "atempo=2,aresample=8000", "pan=mono|c0=c0"};
    struct bytes b = {data, len};
    struct sound_open how = {.limits = {.max_pixels = 1 << 20, .max_frames = 100, .timeout_s = 5}};
    AUTO(sound_close) struct sound *s = NULL;
    struct err err = {0};

    how.start = take_byte(&b) / 32.0;
    how.end = take_byte(&b) / 16.0;
    if (how.end <= how.start)
        how.end = 0;
    how.filters = filters[take_below(&b, ARRAY_LEN(filters))];
    const char *path = fuzz_file(b.p, b.left);
    int open = fuzz_descriptors();
    if (sound_open(&s, path, &how, &err) < 0) {
        CHECK(!s && err.code && *err.msg);
        CHECK(fuzz_descriptors() == open);
        return 0;
    }
    const struct sound_info *i = sound_info(s);
    struct ear e = {.sound = s};
    CHECK(i->rate > 0 && i->channels > 0 && i->channels <= SOUND_CHANNELS_MAX && i->length_s >= 0);
    if (sound_hear(s, hear, &e, &err) < 0)
        CHECK(err.code && *err.msg);
    else if (how.end > 0)
        CHECK((double)e.samples <= (how.end - how.start) * i->rate + 1);
    return 0;
}
