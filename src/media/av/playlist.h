/* playlist.h - what tells players where the pieces of a film lie: HLS (RFC 8216) and DASH (ISO
 * 23009-1). Pure. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

#include <stdint.h>

struct playlist_piece {
    double from, length; /* s */
    int64_t at, lasts;   /* of the track's clock */
    int64_t size;        /* bytes */
};

/* One form of the film, or of its sound. */
struct rendition {
    const char *folder, *name; /* where its files lie, without slash; what people see */
    bool has_video, has_audio;
    const char *video_codec, *audio_codec; /* RFC 6381 */
    int64_t width, height;                 /* px */
    double frame_rate;                     /* 0: nobody knows */
    int sample_rate, channels;
    const char *language; /* "" */
    bool captions; /* in the pictures, CEA-608; in which language nobody knows */
    bool is_mp4; /* its pieces need a head, init.mp4 */
    int scale;   /* of the track's clock, to a second */
    struct playlist_piece *pieces;
    int count;
};

/* bit/s: of the most expensive piece, those at the end that are short left out where there are
 * others; and of all. */
int64_t rendition_peak(const struct rendition *r);
int64_t rendition_mean(const struct rendition *r);
double rendition_length(const struct rendition *r); /* s */
/* "avc1.64001f,mp4a.40.2". From a. */
const char *rendition_codecs(struct arena *a, const struct rendition *r);

/* "seg_0012.m4s" */
#define PLAYLIST_PIECE_NAME "seg_%04d.%s"
#define PLAYLIST_HEAD "init.mp4"
const char *playlist_piece_ext(const struct rendition *r);

/* The pieces of one, as they lie beside it. */
void playlist_hls_pieces(struct str *out, const struct rendition *r);
struct playlist_hls {
    const struct rendition *const *variants,
        *const *sounds; /* sounds: what all variants are heard with */
    int variant_count, sound_count;
    bool no_captions;      /* say that there are none */
    const char *list_name; /* of the list in each folder */
};
void playlist_hls_top(struct str *out, const struct playlist_hls *p);
/* Each rendition has one stream. */
void playlist_dash(struct str *out, const struct rendition *const *r, int count);
