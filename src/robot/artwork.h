/* artwork.h - the parameters that /audio/artwork and /video/artwork share. In the daemon as well;
 * the work is done by media/cover.h. */
#pragma once
#include "robot/av_profile.h"

enum { ARTWORK_EXTRACT, ARTWORK_INSERT };

struct artwork_opts {
    int method, preset;
    struct av_opts av;
};
extern const struct option artwork_options[];

/* What the client's options may be about. */
static inline unsigned artwork_makes(bool sound) { return sound ? AV_AUDIO : AV_VIDEO | AV_AUDIO; }

/* sound: the preset decides which container the result has. Errors: ERR_ROBOT_VALIDATION. */
MUST_CHECK int artwork_check(const struct artwork_opts *o, bool sound, struct err *err);
/* Can a file of this container (ffmpeg's name of its muxer) carry a cover? */
bool artwork_fits(const char *muxer);
