/* av.h - films and sounds, over libav in this process: what is in a file, and its pictures. Nothing
 * here names a libav type.
 *
 * A file is read through one descriptor that is opened here: whatever it names (playlists, data in
 * other files, addresses) is never opened. Only containers are read, no lists of files. All runs on
 * one thread and blocks; a call takes at most limits.timeout_s, after which it answers ERR_TIMEOUT.
 * Errors of all, unless said otherwise: ERR_COMMAND: cannot be read or decoded, or is over a limit,
 * with libav's words in err->detail. */
#pragma once
#include "base/err.h"
#include "media/vips.h"

/* libav's names of the containers that are read, with commas. */
extern const char av_containers[];
/* What each call of the ffmpeg program says before an input (it may say it for each): otherwise a
 * file could be a list, and name others. */
#define AV_GUARD "-protocol_whitelist", "file", "-format_whitelist", av_containers

struct av_info {
    const char *format;            /* libav's name of the container: "mov,mp4,m4a,3gp,3g2,mj2" */
    double duration_s;             /* 0: nobody knows */
    int videos, audios, subtitles; /* streams; a cover picture is none */
    bool has_video, has_audio, has_artwork;
    /* Of the first video stream, which may be longer or shorter than the file. */
    double video_s;                      /* 0: nobody knows */
    int64_t width, height;               /* px, as it is shown: turned, and with square pixels */
    int64_t stored_width, stored_height; /* px of the frames */
    double pixel_aspect;                 /* width of a pixel by its height */
    int orientation;                     /* as in EXIF, 1 to 8: how a frame is to be turned */
    double frame_rate;                   /* a second, the mean; 0: nobody knows */
    double base_rate; /* ... of the ticks that all times of frames seem to fall on; much more than
                         the mean: it varies */
    int depth;        /* bits of a sample */
    bool has_alpha, is_hdr;
    const char
        *matrix; /* of its colours, as ffmpeg's scale filter calls it: "bt709"; "": not said */
    const char *video_codec, *audio_codec; /* "" */
    int sample_rate, channels;             /* of the first audio stream */
};

struct av_open {
    struct media_limits limits; /* max_pixels: of one frame */
    const char *decoder;        /* of the video stream: libav's name of it; NULL: the usual one */
    bool unmeasured;            /* a length that the container does not tell is not looked for */
};

struct av;
/* Open the file at path and find out what is in it. Durations that the container does not tell are
 * found by reading all of it. Errors: ERR_INPUT: `decoder` is none that could be used; ERR_IO. */
MUST_CHECK int av_open(struct av **out, const char *path, const struct av_open *how,
                       struct err *err);
void av_close(struct av *av); /* NULL is fine */
DEFINE_AUTO(struct av *, av_close)
const struct av_info *av_info(const struct av *av);
/* Both at once, for who wants no pictures; what it lends lives as long as the program. */
MUST_CHECK int av_look(struct av_info *out, const char *path, const struct media_limits *limits,
                       struct err *err);

/* {format, streams} as the ffprobe program says it, of what media/probe.c asks for. The caller
 * unrefs; NULL: err. */
MUST_CHECK json_t *av_describe(const char *path, const struct media_limits *limits,
                               struct err *err);

/* Which picture: the one that is seen at `at`. A key frame in from <= t < to will do as well, and
 * is much cheaper. Seconds from the beginning of the film; from = to: exactly that one. */
struct av_moment {
    double at, from, to;
};
/* 1: *out is that picture, the caller's: upright, with square pixels, 8 bit sRGB, with alpha if the
 * film has it; *t is when it begins. 0: the film has no picture there, it ends before. Moments may
 * come in any order; ascending is the cheapest. */
MUST_CHECK int av_picture(struct image **out, double *t, struct av *av, const struct av_moment *m,
                          struct err *err);

/* 1: *out are the bytes of the nth cover picture, a file of its own (JPEG, PNG...) of which nothing is
 * known, not even whether it is a picture (media/cover.h); lent until av_close(). Those that are said
 * to be the front come first. 0: there are no more. */
MUST_CHECK int av_artwork(const uint8_t **out, size_t *len, struct av *av, int nth,
                          struct err *err);

/* Put a picture through a chain of libav's filters, as seen at second t. The chain must have been
 * checked (robot/av_options.h). *img is replaced. Errors: ERR_USER_COMMAND. */
MUST_CHECK int av_filter(struct image **img, const char *chain, double t,
                         const struct media_limits *limits, struct err *err);
