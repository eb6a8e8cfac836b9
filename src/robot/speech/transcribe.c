/* /speech/transcribe: what is said in a sound or film, by a service that speaks OpenAI's interface.
 */
#include "transfer/made.h"
#include "transfer/transcript.h"

#include <ctype.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum transcript_format { AS_JSON, AS_META, AS_SRT, AS_TEXT, AS_WEBVTT };

struct transcribe_opts {
    const char *provider, *source_language, *target_language, *model;
    int granularity, format; /* 1: a list; enum transcript_format */
    bool speaker_labels;
    int64_t max_speakers;
};
#define T struct transcribe_opts
static const struct opt_choice granularities[] = {{"full", 0}, {"list", 1}, {0}};
static const struct opt_choice transcript_formats[] = {{"json", AS_JSON},     {"meta", AS_META},
                                                       {"srt", AS_SRT},       {"text", AS_TEXT},
                                                       {"webvtt", AS_WEBVTT}, {0}};
#define LANGUAGE "^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$"

static const struct option options[] = {
    OPT_STR(T, provider, .pattern = "^(auto|aws|gcp|replicate|transloadit)$", .example = "\"aws\"",
            .idle = "the operator's service does the work",
            .help = "Accepted and ignored: the operator's service does the work."),
    OPT_ENUM(T, granularity, granularities,
             .help = "All of it, or a list of what was said, piece by piece (JSON, meta, and text "
                     "as lines)."),
    OPT_ENUM(T, format, transcript_formats, .def = AS_JSON,
             .help = "A file of this format, or meta.transcription of the input."),
    OPT_BOOL(T, speaker_labels,
             .help = "Tell speakers apart. The service's model must be able to: the step fails "
                     "where it is not."),
    OPT_INT(T, max_speakers, .min = 1, .max = 10, .def = 10,
            .help = "So many get names, in the order in which they are heard."),
    OPT_STR(T, source_language, .def_str = "en-US", .pattern = LANGUAGE, .example = "\"de-DE\"",
            .help = "Language that is spoken, as BCP 47 has it."),
    OPT_STR(T, target_language, .pattern = LANGUAGE, .example = "\"en-GB\"",
            .other_default = "as in newer schemas: what is said is not translated",
            .help = "Language of the text, as BCP 47 has it: that which is spoken, or English. "
                    "Left out: that which is "
                    "spoken."),
    OPT_STR(T, model, .def_str = "auto", .example = "\"whisper-large-v3\"",
            .help = "Name that the service knows it by. auto: the operator's, or the first that "
                    "the service lists."),
    OPT_END,
};

/* "pt" of "pt-BR". */
static int language_length(const char *tag) { return (int)strcspn(tag, "-_"); }

static bool same_language(const char *a, const char *b)
{
    int n = language_length(a);

    return n == language_length(b) && !strncasecmp(a, b, (size_t)n);
}

static bool translates(const T *o)
{
    return o->target_language && !same_language(o->source_language, o->target_language);
}

extern const struct robot robot_speech_transcribe;

static int transcribe_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    if (partial || !translates(o))
        return 0;
    if (!same_language(o->target_language, "en"))
        err_set(err, ERR_ROBOT_VALIDATION,
                "'target_language': services write what is said in its own language or in English; "
                "a later Step with "
                "/text/translate makes '%.20s' of it",
                o->target_language);
    else if (o->speaker_labels)
        err_set(err, ERR_ROBOT_VALIDATION, "'speaker_labels': what is translated has no speakers");
    else
        return 0;
    return robot_refusal(err, &robot_speech_transcribe);
}

/* ---- the question ---- */

#define PART(n, v)                                                                                 \
    parts[count++] = (struct ai_part) { .name = (n), .text = (v) }

/* Its answer is in m. */
static int transcribe_ask(struct made *m, struct ai *a, const T *o, const struct robot_input *in,
                          struct err *err)
{
    const char *model = ai_model(a, o->model, err);
    struct ai_part parts[AI_PARTS_MAX];
    char mime[AI_MIME_MAX];
    int count = 0;

    if (!model)
        return -1;
    char *language = arena_printf(robot_arena(m->job), "%.*s", language_length(o->source_language),
                                  o->source_language);
    for (char *p = language; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    PART("model", model);
    if (o->speaker_labels) {
        PART("response_format", "diarized_json");
        PART("chunking_strategy", "auto");
    } else {
        PART("response_format", "verbose_json");
    }
    if (!translates(o)) {
        PART("language", language);
        if (!o->speaker_labels) {
            PART("timestamp_granularities[]", "word");
            PART("timestamp_granularities[]", "segment");
        }
    }
    parts[count++] = (struct ai_part){.name = "file", .file = in};
    return ai_call_to_fd(
        a,
        &(struct ai_call){.path = translates(o) ? "/audio/translations" : "/audio/transcriptions",
                          .parts = parts,
                          .part_count = count},
        m->fd, TRANSCRIPT_BYTES_MAX, mime, err);
}

static int transcribe_read(struct transcript *t, const struct made *m, const struct ai *a,
                           const T *o, struct err *err)
{
    struct stat st;
    struct err why = {0};

    if (fstat(m->fd, &st) < 0)
        return err_errno(err, "look at '%s'", m->path);
    void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
    if (text == MAP_FAILED)
        return err_errno(err, "read '%s'", m->path);
    int rc = transcript_read(t, text, (size_t)st.st_size,
                             o->speaker_labels ? (int)o->max_speakers : 0, &why);
    munmap(text, (size_t)st.st_size);
    if (rc < 0)
        return api_odd(&a->api, err, why.msg);
    if (o->speaker_labels && !t->speakers && *t->text)
        return api_odd(&a->api, err,
                       "it does not tell speakers apart, which 'speaker_labels' asks for");
    return 0;
}

/* ---- the results ---- */

static int transcribe_emit(struct robot_job *job, const struct ai *a, const struct transcript *t,
                           const T *o, struct err *err)
{
    bool list = o->granularity != 0;
    AUTO(str_done) struct str out = {0};
    AUTO(json_unref) json_t *all = transcript_json(t, list);

    switch ((enum transcript_format)o->format) {
    case AS_META: return made_meta(job, "transcription", json_incref(all), err);
    case AS_TEXT:
        transcript_text(&out, t, list);
        return made_text(job, &out, "txt", "text/plain", err);
    case AS_SRT:
    case AS_WEBVTT:
        if (!transcript_subtitles(&out, t, o->format == AS_WEBVTT))
            return api_odd(&a->api, err, "it says no times, of which subtitles are made");
        return o->format == AS_SRT ? made_text(job, &out, "srt", "application/x-subrip", err)
                                   : made_text(job, &out, "vtt", "text/vtt", err);
    default:
        str_add_json_value(&out, all);
        return made_text(job, &out, "json", "application/json", err);
    }
}

static int transcribe_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(ai_done) struct ai a = {0};
    AUTO(made_done) struct made m = {0};
    AUTO(transcript_done) struct transcript t = {0};

    if (ai_open(&a, job, "speech", NULL, err) < 0)
        return -1;
    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (made_open(&m, job, err) < 0 || transcribe_ask(&m, &a, o, in, err) < 0 ||
        transcribe_read(&t, &m, &a, o, err) < 0)
        return -1;
    return transcribe_emit(job, &a, &t, o, err);
}

const struct robot robot_speech_transcribe = {
    .name = "/speech/transcribe",
    .summary = "Write down what is said in a sound or a film",
    .accepts = "audio/|video/",
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .check = transcribe_check,
    .example = "{\"provider\": \"aws\"}",
    .run = IN_WORKER(transcribe_run),
};
