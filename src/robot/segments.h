/* segments.h - the pieces that /audio/split and /video/split cut: the parameter `segments`, a list
 * of {"from": ..., "to": ...}. A moment is a number of seconds, or a text: seconds, "MM:SS" or
 * "HH:MM:SS", with a fraction or not. In the daemon as well. robots.md /audio/split. */
#pragma once
#include "robot/option.h"

enum { SEGMENTS_MAX = 1000 }; /* of one job */

/* The row of a Robot's table; the field of T is `json_t *segments`. Its check is segments_check().
 */
#define SEGMENTS_OPTION(T)                                                                         \
    OPT_JSON(T, segments, .required = true, .example = "[{\"from\": 0, \"to\": \"00:00:01.5\"}]",  \
             .help = "Pieces, each with from and to: seconds, or HH:MM:SS.mmm.")

struct segment {
    double from, to; /* s; 0 <= from < to */
    int index;       /* its place in the list, from 0 */
};

/* NULL: not known yet, which is right. Errors: ERR_ROBOT_VALIDATION, saying which entry is wrong:
 * not a list of such objects, none or more than SEGMENTS_MAX, from not before to. */
MUST_CHECK int segments_check(const json_t *list, struct err *err);
/* Those that something of length seconds has, in the order of the list, which has been checked; one
 * that lasts longer ends with it. Returns how many; out has room for SEGMENTS_MAX. */
int segments_read(struct segment *out, const json_t *list, double length);
/* {segment_index, starts_at, ends_at} for the meta of a piece (file-meta.md). The caller's. */
json_t *segment_meta(const struct segment *s);
