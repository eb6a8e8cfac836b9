/* encode.h - a film or a sound that ffmpeg makes, as a child of this worker: the one place where
 * its command line is put together.
 *
 * Whatever an input says, ffmpeg opens nothing but the files that are named here: the containers
 * that av.h reads (none of which names others), the protocol file and no other. It runs with its
 * share of the machine's cores, tells its progress, and ends with the worker's process group. An
 * input should have been looked at by av_open() before, which refuses what is over a limit.
 *
 * Frames come to a graph upright (ffmpeg turns them as the file says, and the result says nothing
 * of it any more), with pixels as they are stored: av_box() makes them square. "0:V:0" is the first
 * film of an input; "0:v:0" may be a cover picture. What can be read of a damaged file is encoded;
 * nothing at all is a failure. Robots that come here say ROBOT_ENCODES. */
#pragma once
#include "media/av/av.h"
#include "robot/av_profile.h"
#include "robot/robot.h"

enum { AV_INPUTS_MAX = 200 };

enum av_kind {
    AV_KIND_MEDIA,   /* films and sounds */
    AV_KIND_PICTURE, /* JPEG or PNG that this worker has written */
    AV_KIND_TEXT,    /* subtitles that this worker has written: SRT, WebVTT, ASS */
    AV_KIND_CHAPTERS, /* ffmpeg's own list of chapters, which this worker has written */
};

struct av_source {
    const char *path;
    enum av_kind kind;
    const char *const
        *options; /* of ffmpeg for this input, before its -i: {"-ss", "3", NULL}; NULL: none */
};

struct av_run {
    struct robot_job *job;
    const struct av_profile
        *profile; /* what the result is encoded with; its width, height, vf, af, graph and maps are
                     not looked at here: they are for whoever makes the graph */
    struct av_source sources[AV_INPUTS_MAX];
    int source_count;
    const char *graph;    /* for -filter_complex; NULL: none */
    const char *maps[16]; /* for -map, in this order: "[v]", "0:a:0?"; none: ffmpeg's own choice */
    const char *const *more; /* further options of the result, before its name; NULL: none */
    double seconds;          /* that the result will last, for the progress; 0: nobody knows */
    double from, to;         /* which part of the job's progress this run is; both 0: all of it */
    const char
        *output; /* path from robot_out_path() (or in that directory); must not be there yet */
};

/* Blocks until the file is there. Errors: ERR_COMMAND, ERR_USER_COMMAND where options are the
 * client's own, ERR_TIMEOUT, as media/tool.h. What has been written by then is removed. */
MUST_CHECK int av_run(const struct av_run *r, struct err *err);
/* Several results of one film, which is read and decoded once: runs[0] has the sources and the
 * share of the progress, the longest of them all says how long it takes, each job is told; none has
 * a graph. n at most ROBOT_TOGETHER_MAX. All are there, or none. */
MUST_CHECK int av_run_together(const struct av_run *const runs[], int n, struct err *err);

/* How many threads a run may use: setting "threads" of robot_settings(), 1 when there is none. */
int av_threads(const struct robot_job *job);

/* A number as ffmpeg's options and filters take it, from the arena: "12.345678". */
const char *av_number(struct arena *a, double value);
/* text as the value of an option of a filter within a graph, escaped. From the arena. */
const char *av_quoted(struct arena *a, const char *text);

/* Where the source asks for it, settings that nobody has given: a film whose rate varies gets a
 * steady one for containers that have no times of frames. */
void av_suit(struct av_profile *p, struct arena *a, const struct av_info *source);
/* Has the source a high dynamic range that the result can't hold? */
bool av_tones(const struct av_profile *p, const struct av_info *source);
/* The last filters of each sound, with commas, from the arena: the client's, and what the encoder
 * can't do without (layouts of channels that it knows). "" when there are none. For -af, or at the
 * end of a graph's chain. */
const char *av_sound(struct arena *a, const struct av_profile *p);

/* A picture that is laid over the film: the file has the size that it will be seen in. */
struct av_mark {
    const char *path; /* that this worker has written */
    int64_t x, y;     /* px of its top left corner */
    double opacity;
    double from, to;    /* s in which it is seen; to < from: to the end */
    const char *matrix; /* of the film's colours (struct av_info), as it is by then */
    bool deep;          /* av_profile_is_deep() */
};
/* As a chain of filters with one film in and one out, from the arena. One in a graph. */
const char *av_mark(struct arena *a, const struct av_mark *mark);

/* A box that pictures are put into, as a chain of filters ("scale=...,pad=..."), from the arena; ""
 * when there is nothing to do. Sizes become even, as films in 4:2:0 need (robots.md 3.5); square
 * pixels. w, h of the source as shown (struct av_info); the box's width and height 0: the source's.
 */
struct av_box {
    int64_t width, height;
    enum fit_strategy strategy;
    bool zoom;
    const char *background; /* rrggbb or rrggbbaa; NULL: black */
    bool alpha;             /* the result keeps what is transparent */
    bool tone;              /* high dynamic range becomes what every screen shows: av_tones() */
};
const char *av_box(struct arena *a, const struct av_box *box, int64_t w, int64_t h);
/* Is what av_box() makes of it, on the way as well, within the limits? Errors: ERR_COMMAND. */
MUST_CHECK int av_box_check(const struct robot_job *job, const struct av_box *box, int64_t w,
                            int64_t h, struct err *err);
/* The size that av_box() makes of it. */
void av_box_size(int64_t *out_w, int64_t *out_h, const struct av_box *box, int64_t w, int64_t h);
