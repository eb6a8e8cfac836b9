#include "transfer/transcript.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#define DEPTH 12
#define LABEL 100    /* bytes of a speaker's name */
#define CUE_WORDS 12 /* of words without segments */
#define CUE_SECONDS 6

void transcript_done(struct transcript t)
{
    free(t.text);
    json_decref(t.words);
    json_decref(t.segments);
}

/* ---- reading ---- */

struct listener {
    char known[TRANSCRIPT_SPEAKERS_MAX][LABEL];
    int count, most;
};

/* "speaker_1" of whoever was heard first. NULL: nobody says who it was, or there are more than are
 * wanted. */
static const char *speaker_name(struct listener *l, const json_t *who)
{
    static const char *const names[TRANSCRIPT_SPEAKERS_MAX] = {
        "speaker_1", "speaker_2", "speaker_3", "speaker_4", "speaker_5",
        "speaker_6", "speaker_7", "speaker_8", "speaker_9", "speaker_10"};
    char label[LABEL] = "";

    if (json_is_integer(who))
        snprintf(label, sizeof label, "%lld", (long long)json_integer_value(who));
    else if (json_is_string(who))
        snprintf(label, sizeof label, "%s", json_string_value(who));
    if (!*label)
        return NULL;
    for (int i = 0; i < l->count; i++)
        if (!strcmp(l->known[i], label))
            return names[i];
    if (l->count >= l->most)
        return NULL;
    snprintf(l->known[l->count], LABEL, "%s", label);
    return names[l->count++];
}

/* In one line, without what is no character of a text, and without blanks around it. The caller
 * frees. */
static char *transcript_clean(const char *text)
{
    AUTO(str_done) struct str out = {0};

    for (; *text; text++) {
        bool blank = (unsigned char)*text <= ' ' || *text == 0x7f;

        if (!blank)
            str_putc(&out, *text);
        else if (out.len && out.s[out.len - 1] != ' ')
            str_putc(&out, ' ');
    }
    while (out.len && out.s[out.len - 1] == ' ')
        out.s[--out.len] = 0;
    return out.s ? str_take(&out) : mem_strdup("");
}

static int transcript_odd(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "the transcription %s", what);
}

/* 1: it has times and a text, and is in list. 0: not; it may be left out. -1: it has what can't be.
 */
static int add_piece(json_t *list, const json_t *piece, const char *text, struct listener *l,
                     const json_t *who, size_t most, struct err *err)
{
    const json_t *from = json_object_get(piece, "start"), *to = json_object_get(piece, "end");
    double start = json_number_value(from), end = json_number_value(to);

    if (!json_is_number(from) || !json_is_number(to) || !text)
        return 0;
    if (!(start >= 0) || !(end >= start) || !(end <= TRANSCRIPT_HOURS_MAX * 3600.0))
        return transcript_odd(err, "has times that can't be");
    if (json_array_size(list) >= most)
        return transcript_odd(err, "has too many words or segments");
    AUTO(mem_free) char *line = transcript_clean(text);
    if (!*line)
        return 0;
    json_t *out = json_object();
    json_object_set_new(out, "text", jstring(line));
    json_object_set_new(out, "startTime", json_real(round(start * 1000) / 1000));
    json_object_set_new(out, "endTime", json_real(round(end * 1000) / 1000));
    jset(out, "speaker", speaker_name(l, who));
    json_array_append_new(list, out);
    return 1;
}

static int read_words(struct transcript *t, const json_t *words, const json_t *of,
                      struct listener *l, struct err *err)
{
    const json_t *w;
    size_t i;

    json_array_foreach (words, i, w) {
        const json_t *own = json_object_get(w, "speaker");
        const char *text = jstr(w, "word") ? jstr(w, "word") : jstr(w, "text");

        if (add_piece(t->words, w, text, l, own ? own : json_object_get(of, "speaker"),
                      TRANSCRIPT_WORDS_MAX, err) < 0)
            return -1;
    }
    return 0;
}

/* Words stand in a list of their own, or in their segments. */
static int read_segments(struct transcript *t, const json_t *answer, struct listener *l,
                         struct err *err)
{
    const json_t *segments = json_object_get(answer, "segments"),
                 *words = json_object_get(answer, "words"), *s;
    bool inside = !json_array_size(words);
    size_t i;

    json_array_foreach (segments, i, s) {
        if (add_piece(t->segments, s, jstr(s, "text"), l, json_object_get(s, "speaker"),
                      TRANSCRIPT_SEGMENTS_MAX, err) < 0 ||
            (inside && read_words(t, json_object_get(s, "words"), s, l, err) < 0))
            return -1;
    }
    return read_words(t, words, NULL, l, err);
}

static double when(const json_t *piece, const char *key) { return jnum(piece, key, 0); }

/* A word that does not say whose it is belongs to the segment in which its middle lies. Both are in
 * the order of time, or what is not is not named. */
static void name_words(const struct transcript *t)
{
    json_t *w;
    size_t i, at = 0;

    json_array_foreach (t->words, i, w) {
        double middle = (when(w, "startTime") + when(w, "endTime")) / 2;

        while (at < json_array_size(t->segments) &&
               when(json_array_get(t->segments, at), "endTime") < middle)
            at++;
        const json_t *s = json_array_get(t->segments, at);
        if (!jstr(w, "speaker") && s && when(s, "startTime") <= middle)
            jset(w, "speaker", jstr(s, "speaker"));
    }
}

static char *text_of_segments(const json_t *segments)
{
    AUTO(str_done) struct str out = {0};
    const json_t *s;
    size_t i;

    json_array_foreach (segments, i, s)
        str_addf(&out, "%s%s", out.len ? " " : "", jstr_or(s, "text", ""));
    return out.s ? str_take(&out) : mem_strdup("");
}

int transcript_read(struct transcript *out, const char *answer, size_t len, int max_speakers,
                    struct err *err)
{
    struct listener l = {.most = max_speakers < TRANSCRIPT_SPEAKERS_MAX ? max_speakers
                                                                        : TRANSCRIPT_SPEAKERS_MAX};
    AUTO(transcript_done) struct transcript t = {.words = json_array(), .segments = json_array()};
    const struct json_bounds most = {.depth = DEPTH, .values = TRANSCRIPT_VALUES_MAX};
    struct err why = {0};
    AUTO(json_unref) json_t *all = json_parse_within(answer, len, &most, &why);

    if (!all)
        return err_set(err, ERR_INPUT, "the transcription is no JSON: %.150s", why.msg);
    const char *text = jstr(all, "text");
    if (!text && !json_is_array(json_object_get(all, "segments")))
        return transcript_odd(err, "has no text");
    if (read_segments(&t, all, &l, err) < 0)
        return -1;
    name_words(&t);
    t.text = text ? transcript_clean(text) : text_of_segments(t.segments);
    t.speakers = l.count > 0;
    *out = t;
    t = (struct transcript){0};
    return 0;
}

/* ---- writing ---- */

/* What somebody says in one go. The caller unrefs. */
static json_t *turns(const json_t *pieces)
{
    json_t *out = json_array(), *last = NULL, *p;
    size_t i;

    json_array_foreach (pieces, i, p) {
        const char *before = jstr_or(last, "speaker", ""), *now = jstr_or(p, "speaker", "");

        if (last && !strcmp(before, now)) {
            AUTO(mem_free)
            char *text = mem_printf("%s %s", jstr_or(last, "text", ""), jstr_or(p, "text", ""));

            jset(last, "text", text);
            json_object_set(last, "endTime", json_object_get(p, "endTime"));
            continue;
        }
        last = json_copy(p);
        json_array_append_new(out, last);
    }
    return out;
}

static json_t *texts(const struct transcript *t)
{
    json_t *out = json_array(), *s;
    size_t i;

    json_array_foreach (t->segments, i, s)
        json_array_append(out, json_object_get(s, "text"));
    if (!json_array_size(out) && *t->text)
        json_array_append_new(out, jstring(t->text));
    return out;
}

json_t *transcript_json(const struct transcript *t, bool list)
{
    if (list)
        return texts(t);
    json_t *out = json_object();
    json_object_set_new(out, "text", jstring(t->text));
    json_object_set(out, "words", t->words);
    if (t->speakers)
        json_object_set_new(out, "segments",
                            turns(json_array_size(t->words) ? t->words : t->segments));
    return out;
}

void transcript_text(struct str *out, const struct transcript *t, bool list)
{
    AUTO(json_unref) json_t *lines = list ? texts(t) : NULL;
    const json_t *line;
    size_t i;

    if (!list)
        str_addf(out, "%s\n", t->text);
    json_array_foreach (lines, i, line)
        str_addf(out, "%s\n", json_string_value(line));
}

static void add_cue_time(struct str *out, double s, bool webvtt)
{
    int64_t ms = llround(s * 1000);

    str_addf(out, "%02d:%02d:%02d%c%03d", (int)(ms / 3600000), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), webvtt ? '.' : ',', (int)(ms % 1000));
}

/* Nothing in it ends the cue or begins a tag. */
static void add_cue_text(struct str *out, const char *text, bool webvtt)
{
    for (; *text; text++) {
        if (webvtt && (*text == '<' || *text == '>' || *text == '&')) {
            str_puts(out, *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : "&amp;");
        } else if (str_starts(text, "-->")) {
            str_puts(out, "\xe2\x86\x92"); /* an arrow */
            text += 2;
        } else {
            str_putc(out, *text);
        }
    }
}

/* Some words each, where there are no segments. The caller unrefs. */
static json_t *cues_of_words(const json_t *words)
{
    json_t *out = json_array(), *last = NULL, *w;
    size_t i;
    int count = 0;

    json_array_foreach (words, i, w) {
        if (last && count < CUE_WORDS &&
            when(w, "endTime") - when(last, "startTime") <= CUE_SECONDS) {
            AUTO(mem_free)
            char *text = mem_printf("%s %s", jstr_or(last, "text", ""), jstr_or(w, "text", ""));

            jset(last, "text", text);
            json_object_set(last, "endTime", json_object_get(w, "endTime"));
            count++;
            continue;
        }
        last = json_copy(w);
        count = 1;
        json_array_append_new(out, last);
    }
    return out;
}

bool transcript_subtitles(struct str *out, const struct transcript *t, bool webvtt)
{
    AUTO(json_unref)
    json_t *cues =
        json_array_size(t->segments) ? json_incref(t->segments) : cues_of_words(t->words);
    const json_t *c;
    size_t i;

    if (webvtt)
        str_puts(out, "WEBVTT\n\n");
    json_array_foreach (cues, i, c) {
        if (!webvtt)
            str_addf(out, "%zu\n", i + 1);
        add_cue_time(out, when(c, "startTime"), webvtt);
        str_puts(out, " --> ");
        add_cue_time(out, when(c, "endTime"), webvtt);
        str_putc(out, '\n');
        add_cue_text(out, jstr_or(c, "text", ""), webvtt);
        str_puts(out, "\n\n");
    }
    return json_array_size(cues) || !*t->text;
}
