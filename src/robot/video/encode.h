/* encode.h - the parts of /video/encode: its parameters (encode_options.c), the filters that its
 * pictures go through (encode_picture.c), the pieces that the result is cut into
 * (encode_segments.c), and the run that has them in their order (encode.c). */
#pragma once
#include "media/av/encode.h"
#include "robot/watermark.h"

/* rotate: degrees clockwise, after the turn that the file asks for; or */
enum { ENCODE_TURN_UNSET = -1, ENCODE_TURN_NEVER = -2 };

struct encode_opts {
    int preset;            /* av_preset() */
    int64_t width, height; /* px; 0: not given */
    int resize_strategy;   /* enum fit_strategy */
    bool zoom, hint, turbo, segment;
    json_t *crop;
    const char *background;
    int rotate;
    int64_t chunk_duration, segment_duration; /* s */
    const char *segment_prefix, *segment_name;
    double segment_time_delta, font_size;
    const char *font_color, *text_background_color;
    double watermark_start_time, watermark_duration; /* s; duration -1: to the end */
    struct watermark_opts watermark;
    struct av_opts av;
};
extern const struct option encode_options[];
/* Codes of its own are without the Robot's name. */
int encode_check(const void *opts, bool partial, struct err *err);
/* See struct robot. What needs more than one run of ffmpeg, reads the film in a way of its own, or ends before the film
 * does, is encoded alone. */
bool encode_joins(const void *opts);
/* How the film is to be encoded, as it would be without looking at it. */
MUST_CHECK int encode_profile(struct av_profile *out, struct arena *a, const struct encode_opts *o,
                              struct err *err);
/* The name of piece n, within the arena. id: 32 hexadecimal digits. */
const char *encode_segment_name(struct arena *a, const struct encode_opts *o, const char *basename,
                                int n, const char *id);

/* One input on its way. */
struct film {
    struct robot_job *job;
    const struct encode_opts *o;
    const struct robot_input *in;
    int input;       /* its number */
    double from, to; /* its share of the job's progress */
    struct media_limits limits;
    struct av_info info;
    struct av_profile *p;
    double seconds;      /* that the result will last */
    const char *chain;   /* filters of its pictures; NULL: none */
    const char *palette; /* file with the colours of a GIF; NULL: none yet */
    const char *mark;    /* file with the watermark, of the size that it is seen in; NULL: none */
    int64_t mark_x, mark_y;
    const char *list, *dir; /* of pieces: which there are, and where they lie */
};

/* A share of the film's as one of the job's. */
static inline double encode_told(const struct film *f, double share)
{
    return f->from + (f->to - f->from) * share;
}

bool encode_makes_gif(const struct av_profile *p);
/* chain, mark and where it lies. */
MUST_CHECK int encode_picture(struct film *f, struct err *err);
/* What is at path, once more in pieces. from: so much of the film's progress is told by then. */
MUST_CHECK int encode_cut(struct film *f, const char *path, double from, struct err *err);
/* They are handed over, and a playlist of them. */
MUST_CHECK int encode_emit_pieces(struct film *f, struct err *err);
