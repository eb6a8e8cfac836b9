/* av_options.h - the parameters ffmpeg and ffmpeg_stack, which all Robots over films and sounds have, and the one place where it
 * is decided which of ffmpeg's options a client may use. An option that is not in the list is refused by its name; none of those
 * that are can name a file, an address or a device: values have a form each, and filters are a list of their own. In the daemon as
 * well, which knows no libav. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "robot/option.h"

struct av_opts {
    json_t *ffmpeg; /* object: names without dash; NULL: none */
    const char *ffmpeg_stack;
};
extern const struct option av_options[];

/* What a Robot makes. Options of what it does not make are without effect, as they are to ffmpeg; what would choose other
 * streams or moments than the Robot does is refused by it. */
enum av_makes { AV_STILL = 1, AV_VIDEO = 2, AV_AUDIO = 4, AV_SAMPLES = 8 /* a sound that is looked at, not written */ };

/* May they be given to a Robot that makes `makes`? Errors: ERR_ROBOT_VALIDATION, naming option and value. */
MUST_CHECK int av_opts_check(const struct av_opts *o, unsigned makes, struct err *err);
/* The value as text, of the option or of one of its other names; NULL: not given. Lent, or from a. Nested objects count as well:
 * {"codec": {"v": "x"}} is "codec:v". */
const char *av_opt(const struct av_opts *o, struct arena *a, const char *name);
/* Is an object of this option joined to one text ("x265-params"), rather than a setting for each kind of stream? */
bool av_opt_is_joined(const char *name);
/* Is text a chain of filters of which none can name a file? Errors: ERR_ROBOT_VALIDATION, naming the filter. */
MUST_CHECK int av_filters_check(const char *text, struct err *err);
