/* segment.h - a film in pieces, as players fetch them: MPEG-TS, or fragmented MP4 with its head in
 * a file of its own. Nothing is encoded here; pictures and sounds are packed anew, in this process,
 * by their own timestamps. What must be encoded first is media/av/encode.h's.
 *
 * All times are seconds of the film: a packet's own time less `zero`, which the look says. Inputs
 * are read as av.h says, and its errors are those of all. */
#pragma once
#include "base/arena.h"
#include "media/av/av.h"

#define SEGMENT_EPS                                                                                \
    0.002 /* s: times of one picture in two files differ by less, whatever their clocks */

struct segment_track {
    bool is_there;
    const char *codec; /* libav's name: "h264" */
    char name[64];     /* as playlists say it (RFC 6381): "avc1.64001f"; "": no player knows it */
    double from, to;   /* s: of its first packet, behind its last */
    int64_t bytes;
};

/* What has to be known before a film can be cut. */
struct segment_look {
    struct av_info info; /* as the head says it */
    struct segment_track video, audio;
    double zero;                       /* s, of the file's own clock */
    int64_t width, height;             /* px, as stored */
    int64_t shown_width, shown_height; /* turned, with square pixels */
    int orientation;                   /* 1: upright */
    double frame_rate;                 /* 0: nobody knows */
    int sample_rate, channels;
    char language[4]; /* of the sound: "eng"; "": nobody says */
    bool captions;    /* CEA-608/708 in the pictures */
    bool has_times;   /* every packet has its time, and each stream's go forward */
    bool has_hidden;  /* pictures that an edit list leaves out, which others lean on: packed, they
                         would be seen. No other member knows of them */
    double *keys;     /* s: where key frames are seen; ascending */
    int key_count;
};
/* Reads all of the file once. keys live in a. */
MUST_CHECK int segment_look(struct segment_look *out, struct arena *a, const char *path,
                            const struct media_limits *limits, struct err *err);

/* Its zero alone, from the first packets. */
MUST_CHECK int segment_zero(double *out, const char *path, const struct media_limits *limits,
                            struct err *err);

enum segment_form { SEGMENT_TS, SEGMENT_MP4 };

/* One that is there: an open file is closed already. number -1: the head of fragmented MP4. */
struct segment {
    int number;
    const char *path;
    int64_t size;        /* bytes */
    double from, length; /* s */
    int64_t at,
        lasts; /* the same in units of `scale` to a second: the track's clock, for a manifest */
    int scale;
};

struct segment_cut {
    const char *path;
    struct media_limits limits;
    bool video, audio; /* which streams go in; without one that the film has not, it fails */
    enum segment_form form;
    double zero; /* of the look; where the film was encoded since, of the look at what it was made
                    from */
    /* Where the second and all further segments begin, ascending: with a key frame, where there are
     * pictures. */
    const double *cuts;
    int cut_count;
    /* The number of the one segment that is wanted; -1: all. */
    int only;
    /* `path` was made for that one segment: all its pictures are of it, and the counters of MPEG-TS
     * begin anew, and say so. */
    bool is_alone;
    const char *(*open)(void *ctx, int number); /* a path that is not there yet, lent */
    int (*made)(void *ctx, const struct segment *s, struct err *err);
    void *ctx;
};
/* made() is called in the order of numbers; the head comes before the first. Errors: ERR_COMMAND:
 * no key frame where a cut is to be, packets that the form can't hold; what made() says. */
MUST_CHECK int segment_cut(const struct segment_cut *c, struct err *err);
