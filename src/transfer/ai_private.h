/* ai_private.h - of ai.h alone: a form that is sent piece by piece. */
#pragma once
#include "transfer/ai.h"

/* multipart/form-data (RFC 7578): heads in memory, files as they lie. */
struct ai_form {
    struct http_client_piece pieces[2 * AI_PARTS_MAX + 1];
    char *texts[2 * AI_PARTS_MAX + 1]; /* of pieces; NULL: lent, or a file */
    int count;
    char *type; /* Content-Type */
};
MUST_CHECK int ai_form_make(struct ai_form *f, const struct ai_part *parts, int n, struct err *err);
void ai_form_done(struct ai_form f);
DEFINE_AUTO(struct ai_form, ai_form_done)
