/* /video/adaptive: what players of each technique can read, and what is encoded for them. */
#include "robot/video/adaptive.h"

#include <string.h>

#define T struct adaptive_opts
const char *const adaptive_technique_names[] = {"dash", "hls", "cmaf"};

static bool is_one_of(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; n && (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

static const char *const pictures_of[] = {[TECHNIQUE_DASH] = "h264 hevc av1 vp9",
                                          [TECHNIQUE_HLS] = "h264",
                                          [TECHNIQUE_CMAF] = "h264 hevc av1"};
static const char *const sounds_of[] = {[TECHNIQUE_DASH] = "aac opus ac3 eac3",
                                        [TECHNIQUE_HLS] = "aac mp3 ac3",
                                        [TECHNIQUE_CMAF] = "aac ac3 eac3"};
static const char *const encoders_of[] = {
    [TECHNIQUE_DASH] = "libx264 libx265 libsvtav1 libaom-av1 libvpx-vp9 copy",
    [TECHNIQUE_HLS] = "libx264 copy",
    [TECHNIQUE_CMAF] = "libx264 libx265 libsvtav1 libaom-av1 copy"};
static const char *const sound_encoders_of[] = {[TECHNIQUE_DASH] = "aac libopus ac3 eac3 copy",
                                                [TECHNIQUE_HLS] = "aac libmp3lame ac3 copy",
                                                [TECHNIQUE_CMAF] = "aac ac3 eac3 copy"};

bool adaptive_plays(const T *o, bool is_video, const struct segment_track *t)
{
    return *t->name && is_one_of((is_video ? pictures_of : sounds_of)[o->technique], t->codec);
}

int adaptive_profile(struct av_profile *p, struct arena *a, const T *o, unsigned makes,
                     struct err *err)
{
    const char *v, *s;

    if (av_profile(p, a, av_preset(o->preset), NULL, &o->av, makes, err) < 0)
        return -1;
    v = av_profile_get(p, "c:v");
    s = av_profile_get(p, "c:a");
    if ((v && !is_one_of(encoders_of[o->technique], v)) ||
        (s && !is_one_of(sound_encoders_of[o->technique], s)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'%s' makes %s with '%.40s', which cannot be streamed as %s",
                       o->preset == AV_NO_PRESET ? "ffmpeg" : "preset",
                       v && !is_one_of(encoders_of[o->technique], v) ? "pictures" : "sound",
                       v && !is_one_of(encoders_of[o->technique], v) ? v : s,
                       adaptive_technique_names[o->technique]);
    return 0;
}
