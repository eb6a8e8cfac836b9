/* merge.h - the parts of /video/merge: what comes in and what is to be made of it (merge.c), still
 * pictures (merge_stills.c). */
#pragma once
#include "robot/video/join.h"

struct merge_opts {
    int sort_by, resize_strategy, transition; /* enum order, fit_strategy, av_transition */
    const char *background, *framerate, *image_url;
    json_t *image_durations;
    double duration; /* s; 0: not given */
    double audio_delay, transition_duration;
    bool loop, replace_audio, vstack, turbo;
    struct join_opts join;
};

struct merge_item {
    int input;
    bool still;
    double shown;        /* s, of a still picture */
    int64_t w, h;        /* px, as it is shown */
    struct av_film film; /* of films and sounds */
};

struct merge {
    struct robot_job *job;
    const struct merge_opts *o;
    struct merge_item *pictures, *sounds; /* in their order */
    int picture_count, sound_count, still_count;
    struct av_profile profile;
    struct av_join join;
    struct av_run *run;
    const char *stills; /* the still pictures as ffmpeg reads them: "out/1.%05d.jpg" */
};

/* Open it far enough to know its size. */
MUST_CHECK int merge_still_look(struct merge *m, struct merge_item *item, struct err *err);
/* All of them become files of the size that the result's pictures have (w is given, h 0: as it
 * comes). */
MUST_CHECK int merge_stills_write(struct merge *m, int64_t w, int64_t h, struct err *err);
/* The file of the n-th, from 0. */
const char *merge_still_path(const struct merge *m, int n);
void merge_stills_remove(const struct merge *m);
/* When the N-th of them is shown, as an expression of ffmpeg; again and again, if they loop. */
const char *merge_still_times(const struct merge *m);
