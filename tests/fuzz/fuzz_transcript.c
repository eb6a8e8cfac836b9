/* What a service says that it heard, and what is made of it. */
#include "fuzz.h"
#include "transfer/transcript.h"

#include <string.h>

static void check_pieces(const json_t *pieces, size_t most)
{
    const json_t *p;
    size_t i;

    CHECK(json_array_size(pieces) <= most);
    json_array_foreach (pieces, i, p) {
        double from = jnum(p, "startTime", -1), to = jnum(p, "endTime", -1);

        CHECK(str_given(jstr(p, "text")) && !strpbrk(jstr(p, "text"), "\n\r\t"));
        CHECK(from >= 0 && to >= from && to <= TRANSCRIPT_HOURS_MAX * 3600.0);
        CHECK(!jstr(p, "speaker") || str_starts(jstr(p, "speaker"), "speaker_"));
    }
}

/* A cue is a number, times, one line, and an empty one. */
static void check_subtitles(const struct transcript *t, bool webvtt)
{
    AUTO(str_done) struct str out = {0};
    int times = 0, ends = 0;

    if (!transcript_subtitles(&out, t, webvtt) || !out.s)
        return;
    for (const char *p = out.s; (p = strstr(p, " --> ")); p++)
        times++;
    for (const char *p = out.s; (p = strstr(p, "\n\n")); p++)
        ends++;
    CHECK(times == ends - webvtt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int speakers = size ? data[0] % 12 : 0;
    AUTO(transcript_done) struct transcript t = {0};
    struct err err;

    if (!size || transcript_read(&t, (const char *)data + 1, size - 1, speakers, &err) < 0)
        return 0;
    CHECK(t.text && (speakers > 0 || !t.speakers));
    check_pieces(t.words, TRANSCRIPT_WORDS_MAX);
    check_pieces(t.segments, TRANSCRIPT_SEGMENTS_MAX);
    for (int list = 0; list < 2; list++) {
        AUTO(json_unref) json_t *all = transcript_json(&t, list);
        AUTO(str_done) struct str text = {0};

        CHECK(list ? json_is_array(all) : json_is_object(all));
        transcript_text(&text, &t, list);
        check_subtitles(&t, list);
    }
    return 0;
}
