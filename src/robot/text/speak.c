/* /text/speak: a text becomes speech. */
#include "base/file.h"
#include "media/av/encode.h"
#include "media/speech_text.h"
#include "media/tool.h"
#include "robot/speech_voice.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARE_OF_SPEECH 0.5 /* of the progress */

struct text_speak_opts {
    const char *prompt, *provider, *target_language;
    int voice; /* enum speech_person */
    bool ssml;
};
#define T struct text_speak_opts
static const struct option options[] = {
    OPT_STR(T, prompt, .nullable = true, .example = "\"Hello!\"",
            .help = "What is to be spoken. Left out or null: the text of the input."),
    OPT_STR(T, provider, .def_str = "auto", .pattern = "^(auto|aws|gcp|replicate|fal|transloadit)$",
            .example = "\"aws\"", .idle = "texts are spoken on this server",
            .help = "Accepted and ignored: texts are spoken on this server."),
    OPT_STR(T, target_language, .def_str = "en-US", .example = "\"de-DE\"",
            .help = "Language of the text, as BCP 47 has it. A region without a voice of its own "
                    "gets that of the "
                    "language."),
    OPT_ENUM(T, voice, speech_persons, .def = FEMALE_1, .help = "Who speaks."),
    OPT_BOOL(T, ssml, .help = "The text is SSML. Sounds that it names are not played."),
    OPT_END,
};

const struct robot robot_text_speak;

static int text_speak_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (!speech_voice(o->target_language))
        err_set(err, ERR_ROBOT_VALIDATION, "'target_language': nobody here speaks '%.40s'",
                o->target_language);
    else if (o->prompt && strlen(o->prompt) > SPEECH_TEXT_MAX)
        err_set(err, ERR_ROBOT_VALIDATION, "'prompt' has %zu bytes, the most is %d",
                strlen(o->prompt), SPEECH_TEXT_MAX);
    else
        return 0;
    return robot_refusal(err, &robot_text_speak);
}

/* ---- the text ---- */

static int text_speak_read(struct str *out, const struct robot_input *in, struct err *err)
{
    if (in->size > SPEECH_TEXT_MAX)
        return err_set(err, ERR_INPUT, "'%s' has more than %d bytes", in->name, SPEECH_TEXT_MAX);
    AUTO(mem_free) char *text = file_read(in->path, in->name, (size_t)in->size, err);
    if (!text)
        return -1;
    str_add(out, text, (size_t)in->size);
    return 0;
}

static int text_speak_text(struct str *out, struct robot_job *job, const T *o, struct err *err)
{
    AUTO(str_done) struct str raw = {0};
    struct err why;
    bool given = str_given(o->prompt);

    if (!given && !robot_input_count(job))
        return err_set(err, ERR_ROBOT_VALIDATION, "there is neither a 'prompt' nor an input");
    if (given)
        str_puts(&raw, o->prompt);
    else if (text_speak_read(&raw, robot_input(job, 0), err) < 0)
        return -1;
    const char *text = raw.s ? raw.s : "";
    if ((o->ssml ? speech_ssml(out, text, raw.len, &why)
                 : speech_plain(out, text, raw.len, &why)) == 0)
        return 0;
    return given ? err_set(err, ERR_ROBOT_VALIDATION, "'prompt': %s", why.msg)
                 : err_set(err, why.code, "'%s': %s", robot_input(job, 0)->name, why.msg);
}

/* ---- speech ---- */

static int text_speak_wave(const char *path, struct robot_job *job, const T *o, const char *text,
                           struct err *err)
{
    const struct speech_person_row *who = speech_person(o->voice);
    const char *voice =
        arena_printf(robot_arena(job), "%s+%s", speech_voice(o->target_language), who->variant);
    const char *argv[] = {
        "espeak-ng",           "-b", "1", "-v", voice, "-p", who->pitch, "--stdin", "-w", path,
        o->ssml ? "-m" : NULL, NULL};
    struct stat st;

    if (tool_run(job, &(struct tool){.argv = argv, .input = text}, err) < 0)
        return -1;
    robot_progress(job, SHARE_OF_SPEECH);
    return stat(path, &st) < 0 ? err_set(err, ERR_COMMAND, "espeak-ng has nothing to say") : 0;
}

static int text_speak_encode(struct robot_job *job, const char *wave, struct err *err)
{
    struct av_profile p = {.makes = AV_AUDIO, .muxer = "mp3", .ext = "mp3"};
    struct av_run *r = arena_alloc(robot_arena(job), sizeof *r);

    av_profile_set(&p, "c:a", "libmp3lame");
    av_profile_set(&p, "b:a", "64k"); /* one voice at 22 kHz */
    *r = (struct av_run){.job = job,
                         .profile = &p,
                         .sources = {{.path = wave}},
                         .source_count = 1,
                         .maps = {"0:a:0"},
                         .from = SHARE_OF_SPEECH,
                         .to = 1,
                         .output = robot_out_path(job, "mp3")};
    if (av_run(r, err) < 0)
        return -1;
    bool alone = !robot_input_count(job);
    const struct robot_output out = {.path = r->output,
                                     .ext = "mp3",
                                     .name = alone ? "speech.mp3" : NULL,
                                     .input = alone ? -1 : 0};
    return robot_emit(job, &out, err);
}

static int text_speak_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const char *text = robot_out_path(job, "txt"), *wave = robot_out_path(job, "wav");
    AUTO(str_done) struct str words = {0};
    int rc;

    if (text_speak_text(&words, job, o, err) < 0)
        return -1;
    rc = file_make(text, words.s, words.len, err) < 0 || text_speak_wave(wave, job, o, text, err) < 0 ||
                 text_speak_encode(job, wave, err) < 0
             ? -1
             : 0;
    (void)unlink(text);
    (void)unlink(wave);
    return rc;
}

const struct robot robot_text_speak = {
    .name = "/text/speak",
    .summary = "Speak a text",
    .accepts = "text/|application/xml|application/ssml+xml",
    .role = ROLE_MEDIA,
    .no_input = true,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"prompt\": \"Hello!\", \"provider\": \"aws\"}",
    .check = text_speak_check,
    .run = IN_WORKER(text_speak_run),
};
