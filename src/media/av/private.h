/* private.h - what the files over libav share. */
#pragma once
#include "media/av/av.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

struct av {
    struct av_open how;
    struct av_info info;
    int fd;
    AVIOContext *io;
    AVFormatContext *file;
    AVStream *video;         /* NULL: none */
    AVCodecContext *decoder; /* opened with the first picture */
    AVPacket *packet;
    int64_t deadline_us;

    /* Where the decoder stands: the last frame up to the moment asked for, and the first one behind
     * it. */
    AVFrame *held, *next;
    int64_t held_at, next_at; /* in the stream's time; NONE: there is no such frame */
    bool drained;             /* the file's end was met */
    bool indexed;             /* the container's index is known, if it has one */
};
#define NONE AV_NOPTS_VALUE

/* A file whose streams are known, and nothing else of it yet. limits.max_pixels 0: any. */
int av_open_streams(struct av **out, const char *path, const struct av_open *how, struct err *err);
void av_begin(struct av *av); /* a call begins: its time is measured from now */
/* -1: what libav said; ERR_TIMEOUT when that was why. rc: its AVERROR, 0: none. */
int av_fail(struct av *av, int rc, struct err *err, const char *what);
bool av_is_late(const struct av *av);

/* The frame as a picture: upright, square pixels, sRGB. */
int av_to_image(struct image **out, struct av *av, AVFrame *frame, struct err *err);

int av_orientation(const AVStream *s); /* as in struct av_info */
/* RFC 6381's name of what the stream holds; "": it has none. */
void av_codec_name(char out[static 64], const AVCodecParameters *p);
/* The first of its kind that is no cover picture; NULL: there is none. */
AVStream *segment_stream(struct av *av, enum AVMediaType kind);
