/* ai_chat.h - questions to a chat model (POST /chat/completions), with texts and pictures, and
 * answers that are held to what was asked for. For Robots in workcell-transfer only. */
#pragma once
#include "transfer/ai.h"

struct ai_question {
    const char *model;      /* of ai_model() */
    const json_t *messages; /* [{role, content}], lent */
    const json_t *schema;   /* of ai_schema_read(): what the answer must fit; NULL: nothing */
    bool json;              /* without a schema: some JSON */
    const char *effort;     /* reasoning_effort; NULL: not said */
};
struct ai_answer {
    char *text;
    json_t *value; /* what the text is as JSON, where that was asked for; else NULL */
};
void ai_answer_done(struct ai_answer a);
DEFINE_AUTO(struct ai_answer, ai_answer_done)

#define AI_ANSWER_MAX (4 << 20) /* bytes of a text */
/* An answer that is no JSON, or does not fit the schema, is asked for again twice, with what is
 * wrong with it. out is always initialised. Errors: remote_fail(). */
MUST_CHECK int ai_ask(struct ai_answer *out, struct ai *a, const struct ai_question *q,
                      struct err *err);

/* Adds {role, content} with a text. */
void ai_say(json_t *messages, const char *role, const char *text);

#define AI_PICTURE_MAX (20 << 20) /* bytes of a picture, sound or document that a message holds */
#define AI_TEXT_MAX (1 << 20)     /* of a text */
/* The input as a part of a message's content: a picture, a sound (WAV, MP3), a PDF, or else a text.
 * NULL with err: too large, or another sound or film. The caller unrefs. */
json_t *ai_part_of(const struct robot_input *in, struct err *err);
/* A file as UTF-8 text, the caller's to free. NULL with err: more than most bytes (ERR_INPUT), or
 * it can't be read. */
char *ai_text_of(const struct robot_input *in, size_t most, struct err *err);

/* A file with this text; how has the rest. */
MUST_CHECK int ai_emit_file(struct robot_job *job, const char *text, const struct robot_output *how,
                            struct err *err);
#define AI_META_MAX 512000 /* bytes of an answer in a status */
/* Every input again, with value (stolen) under this key of its meta. */
MUST_CHECK int ai_emit_meta(struct robot_job *job, const char *key, json_t *value, struct err *err);
