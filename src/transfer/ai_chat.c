#include "transfer/ai_chat.h"
#include "transfer/ai_schema.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASKED_AGAIN 2
#define ANSWER_DEPTH 64
#define ANSWER_VALUES 100000

void ai_answer_done(struct ai_answer a)
{
    free(a.text);
    json_decref(a.value);
}

void ai_say(json_t *messages, const char *role, const char *text)
{
    json_array_append_new(messages, json_pack("{s:s,s:o}", "role", role, "content", jstring(text)));
}

/* ---- files in messages ---- */

/* All of a file, with a zero behind it. */
static int chat_read_file(struct str *out, const struct robot_input *in, size_t most,
                          struct err *err)
{
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    char buf[65536];
    ssize_t n;

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    while ((n = read(fd, buf, sizeof buf)) > 0 && out->len <= most)
        str_add(out, buf, (size_t)n);
    if (n < 0)
        return err_errno(err, "read '%s'", in->name);
    if (out->len > most)
        return err_set(err, ERR_INPUT,
                       "'%s' has more than %zu bytes, which is too much for a model", in->name,
                       most);
    return 0;
}

char *ai_text_of(const struct robot_input *in, size_t most, struct err *err)
{
    AUTO(str_done) struct str raw = {0};

    if (chat_read_file(&raw, in, most, err) < 0)
        return NULL;
    const char *s = raw.s ? raw.s : "";
    size_t len = raw.len;
    if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)) { /* a mark of byte order is no text */
        s += 3;
        len -= 3;
    }
    if (memchr(s, 0, len)) { /* UTF-16, or no text at all: half of it must not pass for the whole */
        err_set(err, ERR_INPUT, "'%s' is no text in UTF-8 or Windows-1252", in->name);
        return NULL;
    }
    return utf8_from_unknown(s, len);
}

static json_t *text_part(const struct robot_input *in, struct err *err)
{
    AUTO(mem_free) char *text = ai_text_of(in, AI_TEXT_MAX, err);

    if (!text)
        return NULL;
    AUTO(mem_free) char *told = mem_printf("File \"%s\":\n\n%s", in->name, text);
    return json_pack("{s:s,s:o}", "type", "text", "text", jstring(told));
}

static char *base64_of(const struct robot_input *in, const char *before, struct err *err)
{
    AUTO(str_done) struct str raw = {0};
    size_t at = strlen(before);

    if (chat_read_file(&raw, in, AI_PICTURE_MAX, err) < 0)
        return NULL;
    char *out = mem_alloc(at + raw.len / 3 * 4 + 5);
    memcpy(out, before, at + 1);
    EVP_EncodeBlock((unsigned char *)out + at, (const unsigned char *)(raw.s ? raw.s : ""),
                    (int)raw.len);
    return out;
}

/* What a message can hold beside texts. NULL: it is a text, or nothing for a model. */
static const char *sound_of(const char *mime)
{
    return !strcmp(mime, "audio/mpeg") ? "mp3"
           : !strcmp(mime, "audio/wav") || !strcmp(mime, "audio/x-wav") ||
                   !strcmp(mime, "audio/vnd.wave")
               ? "wav"
               : NULL;
}

json_t *ai_part_of(const struct robot_input *in, struct err *err)
{
    const char *mime = in->mime ? in->mime : "", *sound = sound_of(mime);
    bool picture = str_starts(mime, "image/") && strcmp(mime, "image/svg+xml") != 0;
    bool pdf = !strcmp(mime, "application/pdf");

    if (!sound && (str_starts(mime, "audio/") || str_starts(mime, "video/"))) {
        err_set(err, ERR_INPUT, "'%s' is %s, which can't be given to a model", in->name, mime);
        return NULL;
    }
    if (!picture && !pdf && !sound)
        return text_part(in, err);
    AUTO(mem_free) char *before = sound ? mem_strdup("") : mem_printf("data:%s;base64,", mime);
    AUTO(mem_free) char *data = base64_of(in, before, err);
    if (!data)
        return NULL;
    if (picture)
        return json_pack("{s:s,s:{s:s}}", "type", "image_url", "image_url", "url", data);
    if (sound)
        return json_pack("{s:s,s:{s:s,s:s}}", "type", "input_audio", "input_audio", "data", data,
                         "format", sound);
    return json_pack("{s:s,s:{s:o,s:s}}", "type", "file", "file", "filename", jstring(in->name),
                     "file_data", data);
}

/* ---- what is asked ---- */

static json_t *form_asked(const struct ai_question *q)
{
    if (q->schema)
        return json_pack("{s:s,s:{s:s,s:O}}", "type", "json_schema", "json_schema", "name",
                         "answer", "schema", q->schema);
    return q->json ? json_pack("{s:s}", "type", "json_object") : NULL;
}

static json_t *request_of(const struct ai_question *q, json_t *messages)
{
    json_t *r = json_pack("{s:s,s:O,s:b}", "model", q->model, "messages", messages, "stream", 0);
    json_t *form = form_asked(q);

    if (form)
        json_object_set_new(r, "response_format", form);
    jset(r, "reasoning_effort", q->effort);
    return r;
}

/* ---- what is answered ---- */

/* A text, or a list of parts with texts. */
static int content_text(struct str *out, const json_t *content)
{
    const json_t *part;
    size_t i;

    if (json_is_string(content)) {
        str_puts(out, json_string_value(content));
        return 0;
    }
    json_array_foreach (content, i, part)
        if (!strcmp(jstr_or(part, "type", ""), "text") && jstr(part, "text"))
            str_puts(out, jstr(part, "text"));
    return json_is_array(content) ? 0 : -1;
}

static int answer_text(struct str *out, struct ai *a, const json_t *reply, struct err *err)
{
    const json_t *choice = json_array_get(json_object_get(reply, "choices"), 0);
    const json_t *message = json_object_get(choice, "message");
    const char *end = jstr_or(choice, "finish_reason", "");

    if (str_given(jstr(message, "refusal")))
        return remote_fail(a->api.job, REMOTE_FAILED, err, "the model refuses: %.200s",
                           jstr(message, "refusal"));
    if (!strcmp(end, "content_filter"))
        return remote_fail(a->api.job, REMOTE_FAILED, err,
                           "%s holds its answer back: content filter", a->api.service);
    if (content_text(out, json_object_get(message, "content")) < 0)
        return api_odd(&a->api, err, "there is no text in it");
    if (!strcmp(end, "length"))
        return remote_fail(a->api.job, REMOTE_FAILED, err,
                           "the model's answer is cut off: it reached its longest");
    if (!out->len)
        return api_odd(&a->api, err, "its text is empty");
    if (out->len > AI_ANSWER_MAX)
        return api_odd(&a->api, err, "its text is too long");
    return 0;
}

/* Models like to put a fence around code ("```json"), whatever they are told. */
static void without_fence(const char **s, size_t *len)
{
    static const char space[] = " \t\r\n";

    while (*len && strchr(space, (*s)[*len - 1]))
        --*len;
    while (*len && strchr(space, **s))
        ++*s, --*len;
    if (*len < 6 || strncmp(*s, "```", 3) != 0 || strncmp(*s + *len - 3, "```", 3) != 0)
        return;
    const char *line = memchr(*s, '\n', *len);
    if (!line)
        return;
    *len -= (size_t)(line - *s) + 4;
    *s = line + 1;
}

/* 0: it is what was asked for. -1: why says what is wrong with it. */
static int chat_read(json_t **value, const struct ai_question *q, const char *text, char *why,
                     size_t n)
{
    const char *s = text;
    size_t len = strlen(text);
    struct err err;

    without_fence(&s, &len);
    json_t *v = json_parse_within(
        s, len, &(struct json_bounds){.depth = ANSWER_DEPTH, .values = ANSWER_VALUES}, &err);
    if (!v) {
        snprintf(why, n, "it is no JSON: %.150s", err.msg);
        return -1;
    }
    if (q->schema && !ai_schema_fits(q->schema, v, why, n)) {
        json_decref(v);
        return -1;
    }
    *value = v;
    return 0;
}

int ai_ask(struct ai_answer *out, struct ai *a, const struct ai_question *q, struct err *err)
{
    AUTO(json_unref) json_t *messages = json_copy((json_t *)q->messages);
    char why[300] = "";

    *out = (struct ai_answer){0};
    for (int again = 0; again <= ASKED_AGAIN; again++) {
        AUTO(json_unref)
        json_t *reply = ai_json(a, "/chat/completions", request_of(q, messages), err);
        AUTO(str_done) struct str text = {0};

        if (!reply || answer_text(&text, a, reply, err) < 0)
            return -1;
        if ((!q->schema && !q->json) || chat_read(&out->value, q, text.s, why, sizeof why) == 0) {
            out->text = str_take(&text);
            return 0;
        }
        AUTO(mem_free)
        char *wrong =
            mem_printf("That answer is not what was asked for: %s. Answer again, with nothing "
                       "but the right JSON.",
                       why);
        ai_say(messages, "assistant", text.s);
        ai_say(messages, "user", wrong);
    }
    return remote_fail(a->api.job, REMOTE_FAILED, err,
                       "the model was asked %d times, and its last answer was wrong: %s",
                       ASKED_AGAIN + 1, why);
}

/* ---- what becomes of it ---- */

static int write_text(const char *path, const char *text, struct err *err)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return err_errno(err, "create '%s'", path);
    fputs(text, f);
    return fclose(f) != 0 ? err_errno(err, "write '%s'", path) : 0;
}

int ai_emit_file(struct robot_job *job, const char *text, const struct robot_output *how,
                 struct err *err)
{
    struct robot_output out = *how;

    out.path = robot_out_path(job, "txt");
    return write_text(out.path, text, err) < 0 ? -1 : robot_emit(job, &out, err);
}

int ai_emit_meta(struct robot_job *job, const char *key, json_t *value, struct err *err)
{
    AUTO(json_unref) json_t *own = value;
    AUTO(mem_free) char *text = json_text(own);

    if (strlen(text) > AI_META_MAX)
        return err_set(err, ERR_INPUT, "the answer has %zu bytes, in `meta` there is room for %d",
                       strlen(text), AI_META_MAX);
    for (int i = 0; i < robot_input_count(job); i++)
        if (robot_emit_same(job, i, json_pack("{s:O}", key, own), err) < 0)
            return -1;
    return 0;
}
