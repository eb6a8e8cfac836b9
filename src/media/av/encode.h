/* encode.h - a film or a sound that ffmpeg makes, as a child of this worker: the one place where
 * its command line is put together.
 *
 * Whatever an input says, ffmpeg opens nothing but the files that are named here: the containers
 * that av.h reads (none of which names others), the protocol file and no other. It runs with its
 * share of the machine's cores, tells its progress, and ends with the worker's process group. An
 * input should have been looked at by av_open() before, which refuses what is over a limit. */
#pragma once
#include "media/av/av.h"
#include "robot/av_profile.h"
#include "robot/robot.h"

enum { AV_INPUTS_MAX = 200 };

enum av_kind {
    AV_KIND_MEDIA,   /* films and sounds */
    AV_KIND_PICTURE, /* JPEG or PNG that this worker has written */
    AV_KIND_TEXT,    /* subtitles that this worker has written: SRT, WebVTT, ASS */
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

/* How many threads a run may use: setting "threads" of robot_settings(), 1 when there is none. */
int av_threads(const struct robot_job *job);

/* A number as ffmpeg's options and filters take it, from the arena: "12.345678". */
const char *av_number(struct arena *a, double value);
/* text as the value of an option of a filter within a graph, escaped. From the arena. */
const char *av_quoted(struct arena *a, const char *text);

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
};
const char *av_box(struct arena *a, const struct av_box *box, int64_t w, int64_t h);
/* The size that av_box() makes of it. */
void av_box_size(int64_t *out_w, int64_t *out_h, const struct av_box *box, int64_t w, int64_t h);
