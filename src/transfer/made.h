/* made.h - files that came of an answer: written, held to what they should be by their first bytes,
 * handed over. What is in them is looked at by workers without a network. In workcell-transfer
 * only. */
#pragma once
#include "transfer/ai.h"

struct made {
    struct robot_job *job;
    const char *path;
    int fd;
};
MUST_CHECK int made_open(struct made *m, struct robot_job *job, struct err *err);
void made_done(struct made m);
DEFINE_AUTO(struct made, made_done)
/* Bytes that it may have at most: the server's max_file_size. */
int64_t made_most(const struct robot_job *job);

enum made_what { MADE_PICTURE, MADE_FILM };
struct made_emit {
    enum made_what what;
    const char
        *ext; /* of the format that it must have ("jpg", "webp"); NULL: any picture, any film */
    const char *name; /* without extension; NULL: that of the input */
    int input;        /* -1: it stems from none */
    json_t *meta;     /* stolen; may be NULL */
};
/* Errors: remote_fail(), it is something else. */
MUST_CHECK int made_emit(struct made *m, const struct ai *a, const struct made_emit *how,
                         struct err *err);
/* What begins so, as an extension; NULL: neither a picture nor a film. Pure. */
const char *made_kind(const void *head, size_t len, enum made_what what);

/* A text of ours as a result. mime: what it is. meta: stolen, may be NULL. */
MUST_CHECK int made_text(struct robot_job *job, const struct str *text, const char *ext,
                         const char *mime, struct err *err);
/* The input itself with meta[key]: value is stolen. Errors: ERR_INPUT, there is no room for so much in meta. */
MUST_CHECK int made_meta(struct robot_job *job, const char *key, json_t *value, struct err *err);
