/* join.h - films, stretches of films and still pictures, laid one behind the other: what Robots
 * give to ffmpeg (encode.h) as one graph of filters.
 *
 * All that is joined lies on one grid of frames, whose rate is the result's. A part is a whole
 * number of frames long, and its sound is exactly as long as they are, so nothing drifts however
 * many parts there are. Lengths are measured before, as what a container says of itself is often a
 * guess. */
#pragma once
#include "media/av/encode.h"

/* A film, measured: every packet is read, nothing is decoded. Times are as ffmpeg's filters see
 * them, seconds since the file's begin. */
struct av_film {
    struct av_info info;
    int64_t rate_num, rate_den; /* frames a second; of a film whose frames come as they like, one
                                   that has room for each */
    double begin,
        end; /* of its pictures, and of sound that begins much before or ends much after them */
    char layout[64]; /* of the channels, by libav's name: "stereo"; "": no sound */
    bool seeks;      /* its container tells reliably where each frame lies */
    double start;    /* the file's begin in the time that the container counts */
};
enum { AV_LONGEST_DAYS = 7 };
/* Errors: as av_open(); ERR_INPUT: there are no pictures in it, none that lasts, or it says that it
 * lasts for more than AV_LONGEST_DAYS. */
MUST_CHECK int av_film_look(struct av_film *out, const char *path,
                            const struct media_limits *limits, struct err *err);
/* The same of a sound: begin and end are its own, and nothing is known of pictures. */
MUST_CHECK int av_sound_look(struct av_film *out, const char *path,
                             const struct media_limits *limits, struct err *err);

enum av_transition { AV_CUT, AV_CROSSFADE, AV_FADE_TO_BLACK };

struct av_part {
    int source;                 /* of av_run.sources */
    const struct av_film *film; /* NULL: a still picture */
    int64_t from, frames;       /* on the grid, counted from the film's begin */
    const char *times; /* of a row of still pictures: when the N-th is shown, in seconds, as an
                          expression of ffmpeg; NULL: there is one */
};

struct av_join {
    struct arena *a;
    const struct av_part *parts;
    int count;
    int64_t rate_num, rate_den; /* of the grid: frames a second */
    bool pictures;              /* the result has them */
    int sample_rate;            /* of the result's sound; 0: it has none */
    const char *layout;
    struct av_box box;  /* what pictures are put into: its size is given */
    const char *format; /* pixels of the result; NULL: as the source has them */
    bool deep; /* the result can hold a high dynamic range: elsewhere it becomes an ordinary one */
    const char *out; /* behind the names of the graph's outputs: "_"; NULL: nothing */
    bool stack; /* one above the other, all at once: as wide as the box, each as high as it is then,
                   and as long as the first part */
    enum av_transition transition;
    double transition_s; /* at most half of the shorter part of a pair is used */
    double video_fade_s,
        audio_fade_s; /* with AV_CUT: out and in again at each joint, at most half of a part */
};

/* The graph up to its outputs [joined] and [heard] (those that the result has, with `out` behind
 * their names), ending in ";". *frames: how long all is. begins: at which frame each part begins,
 * or NULL. From the arena. */
const char *av_join_graph(const struct av_join *j, int64_t *frames, int64_t *begins);

/* Moments on the grid, to the next frame; and how many frames a film has on it, at least one. */
int64_t av_join_frames(const struct av_join *j, double seconds);
int64_t av_join_length(const struct av_join *j, const struct av_film *film);
double av_join_seconds(const struct av_join *j, int64_t frames);
/* The source of a stretch of a film that begins at a frame of the grid: where a seek is right, it
 * begins a little before. */
struct av_source av_join_source(const struct av_join *j, const char *path,
                                const struct av_film *film, int64_t from);
/* One more sound from a source, as the result's is, from its begin on: a chain that ends in exactly
 * so many frames' length. delay: silence before it. */
const char *av_join_sound(const struct av_join *j, int source, const struct av_film *sound,
                          double delay, int64_t frames);
/* To exactly so many frames: what is longer is cut, of what is shorter the last picture is held;
 * sound becomes silent. */
const char *av_join_fit(const struct av_join *j, bool pictures, int64_t frames);
