/* join.h - what /video/concat, /video/merge and /video/split share: how the result is encoded, in
 * which order the inputs come, and the run of what media/av/join.h has laid together. */
#pragma once
#include "media/av/join.h"

struct join_opts {
    int64_t width, height; /* px; 0: not given */
    int preset;
    struct av_opts av;
};
extern const struct option join_options[];
extern const struct opt_choice join_transitions[]; /* enum av_transition */
/* For a check: preset and ffmpeg can be used, and leave the choice of streams to the Robot. */
MUST_CHECK int join_check(const struct join_opts *o, struct err *err);

/* Measure an input. Errors are told with its name: of the Robot's own code `suffix`, or, when that
 * is NULL, ERR_COMMAND. */
MUST_CHECK int join_look(struct av_film *out, struct robot_job *job, int input, const char *suffix,
                         struct err *err);
/* How the result is encoded. H.264 and AAC in MP4 where nothing is said of it. */
MUST_CHECK int join_profile(struct av_profile *out, struct robot_job *job,
                            const struct join_opts *o, bool sound, struct err *err);
/* The grid of the result: that of the client's option r, or of film. */
void join_grid(struct av_join *j, const struct av_profile *p, const struct av_film *film);
/* The size of the result, of a first picture of w x h; all the others are put into that. */
void join_size(struct av_join *j, const struct join_opts *o, const struct av_profile *p,
               enum fit_strategy strategy, const char *background, int64_t w, int64_t h);
/* What the sound of the result is like: as the first of them that has any. None has: it has none
 * either. */
void join_sound(struct av_join *j, struct av_profile *p, const struct av_film *const *films,
                int count);

/* Are that many films more than the job's memory holds at once? Each waits with its first frames
 * decoded until it is its turn. Errors: as join_look(). */
MUST_CHECK int join_fits(struct robot_job *job, const struct av_film *const *films, int count,
                         const char *suffix, struct err *err);
/* r has its sources; the graph gives [joined] and [heard], as the profile makes them. Runs and
 * hands over, named like input. meta is stolen. */
MUST_CHECK int join_run(struct av_run *r, const char *graph, double seconds, int input,
                        json_t *meta, struct err *err);
