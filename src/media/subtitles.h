/* subtitles.h - subtitles as SRT and WebVTT files have them: when, where and what, and nothing
 * else.
 *
 * What a file says beyond that never gets through: drawings, fonts, effects, styles and regions of
 * its own. So what is written again by the functions below may be given to programs that would obey
 * such things. Texts keep italic, bold, underlined, struck out, colours, line ends and the place on
 * the picture. Pure; no file is opened. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    SUBTITLES_BYTES_MAX = 4 << 20,
    SUBTITLES_MAX = 20000,     /* cues */
    SUBTITLES_LINE_MAX = 2000, /* bytes of a line, in UTF-8 */
    SUBTITLES_TEXT_MAX = 4000, /* bytes of a cue with its tags */
    SUBTITLES_AT_ONCE_MAX =
        32, /* cues at any moment: each costs the renderer time in each picture */
    SUBTITLES_HOURS_MAX = 100,
};

struct subtitles;
/* Cues in the order of time. UTF-8 (with or without its mark), UTF-16 with its mark or recognised
 * by its zeroes; what is neither is taken as Windows-1252, of which Latin-1 is a part. Errors:
 * ERR_INPUT, naming the line: neither of the two formats, over a limit, no cue at all. */
MUST_CHECK int subtitles_read(struct subtitles **out, const char *data, size_t len,
                              struct err *err);
void subtitles_free(struct subtitles *s); /* NULL is fine */
DEFINE_AUTO(struct subtitles *, subtitles_free)
int subtitles_count(const struct subtitles *s);

/* Appended to *out, as UTF-8. */
void subtitles_srt(struct str *out, const struct subtitles *s);
void subtitles_vtt(struct str *out, const struct subtitles *s);

enum subtitle_border { SUBTITLE_OUTLINE, SUBTITLE_BOX, SUBTITLE_SHADOW };
/* Sizes are in units of which a picture has SUBTITLE_LINES from top to bottom. */
enum { SUBTITLE_LINES = 288 };
struct subtitle_look {
    const char *font; /* family */
    double size;
    uint32_t color, border_color; /* aarrggbb; aa: 0 is opaque */
    enum subtitle_border border;
    double border_width;
    bool bold, italic;
    int column, row; /* 0 left or top, 1 middle, 2 right or bottom; cues may say otherwise */
    double aspect;   /* width of the picture by its height */
};
/* As a script for libass. */
void subtitles_ass(struct str *out, const struct subtitles *s, const struct subtitle_look *look);
