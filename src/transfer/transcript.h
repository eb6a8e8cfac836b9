/* transcript.h - what a service heard in a sound: its answer (verbose_json of OpenAI's interface,
 * also with the speakers of diarized_json or WhisperX) as words and segments with times, checked;
 * and these as JSON and subtitles. Pure. */
#pragma once
#include "base/err.h"
#include "base/json.h"

enum {
    TRANSCRIPT_BYTES_MAX = 64 << 20, /* of an answer */
    TRANSCRIPT_VALUES_MAX = 1000000,
    TRANSCRIPT_WORDS_MAX = 200000,
    TRANSCRIPT_SEGMENTS_MAX = 50000,
    TRANSCRIPT_SPEAKERS_MAX = 10,
    TRANSCRIPT_HOURS_MAX = 100
};

struct transcript {
    char *text;
    json_t *words, *segments; /* lists of {text, startTime, endTime, speaker?} in the order of time;
                                 may be empty */
    bool speakers;            /* somebody has been told from somebody */
};
/* max_speakers: so many have names, in the order in which they are heard: "speaker_1"... 0: nobody
 * is named. Errors: ERR_INPUT, the answer is not of that form. */
MUST_CHECK int transcript_read(struct transcript *out, const char *answer, size_t len,
                               int max_speakers, struct err *err);
void transcript_done(struct transcript t);
DEFINE_AUTO(struct transcript, transcript_done)

/* {text, words, and where speakers are named segments: what each says in one go}. list: what was
 * said, piece by piece, as texts. The caller unrefs. */
json_t *transcript_json(const struct transcript *t, bool list);
/* Lines: one, or one a piece. */
void transcript_text(struct str *out, const struct transcript *t, bool list);
/* False: the answer had no times. */
bool transcript_subtitles(struct str *out, const struct transcript *t, bool webvtt);
