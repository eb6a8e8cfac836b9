/* subtitles_private.h - what the reader of subtitles and its writers share. */
#pragma once
#include "media/subtitles.h"

/* Signs within a cue's text, which holds no other control characters but '\n'. MARK_COLOR is
 * followed by six hex digits. */
enum mark {
    MARK_ITALIC = 1,
    MARK_ITALIC_END,
    MARK_BOLD,
    MARK_BOLD_END,
    MARK_UNDERLINE,
    MARK_UNDERLINE_END,
    MARK_STRIKE,
    MARK_STRIKE_END,
    MARK_COLOR = 14,
    MARK_COLOR_END,
};

/* Behind each backslash, brace and < of a text, and within -->: so nobody takes them for the begin
 * of a command, or for times. */
#define WORD_JOINER "\xE2\x81\xA0"

struct cue {
    int64_t from_ms, to_ms;
    int column, row; /* as in subtitle_look; -1: the cue does not say */
    char *text;      /* with marks; every one that is open is closed again */
    int order;       /* in the file */
};

struct subtitles {
    struct cue *cues;
    int count;
};

/* The text of a cue, len bytes of valid UTF-8 with lines parted by '\n': its tags become marks, or
 * go; sets column and row where a tag says so. vtt: entities and all tags are WebVTT's. The caller
 * frees it. */
char *subtitles_text(struct cue *c, const char *raw, size_t len, bool vtt);
