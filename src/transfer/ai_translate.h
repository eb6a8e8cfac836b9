/* ai_translate.h - long texts in another language, piece by piece, in their order: by the service
 * "translate" (LibreTranslate's interface), or else by a chat model. For Robots in
 * workcell-transfer only. */
#pragma once
#include "transfer/ai_chat.h"

#define AI_TRANSLATE_MAX (1 << 20) /* bytes of a text */
/* Adds text in the language to. Errors: the Robot's VALIDATION code (no service, a language that it
 * does not know), remote_fail(). */
MUST_CHECK int ai_translate(struct str *out, struct robot_job *job, const char *text,
                            const char *from, const char *to, struct err *err);

/* How many bytes of text go together: at most `most`, up to the end of a paragraph, else of a line,
 * a sentence, a word, never in the middle of a character. */
size_t ai_piece(const char *text, size_t most);
