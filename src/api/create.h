/* create.h - a request that makes an Assembly: what create.c, which decides and answers, shares with create_files.c. */
#pragma once
#include "api/wishes.h"
#include "base/id.h"
#include "http/form.h"
#include "upload/spool.h"
#include "upload/upload.h"

struct create {
    int refs;
    struct app *app;
    struct http_request *req;
    char id[ID_LEN + 1], nonce[ID_LEN + 1];
    struct form *form;          /* NULL: no body to read */
    char *params, *signature, *expected, *tus_expected;
    size_t params_len;
    json_t *fields;
    struct body_watch *watch;
    struct spool spool;         /* of the file part that arrives now; guarded by watch */
    char *file_field, *file_name;
    char file_id[ID_LEN + 1];
    struct wishes wishes;
    struct held_file *held, *held_last; /* those that came before it was known who sends them, in their order */
    int file_count;                     /* those that the Assembly was told of */
    int64_t received, max_size;
    bool created; /* posted to the conductor */
    bool lacks_signature;
    bool complete; /* body_done is posted: nothing to abort any more */
    struct err err;
};

/* ---- create_files.c ---- */
void create_unref(struct create *c);
/* A file part, once the Assembly is made: begin, its bytes, end; it is told of at its end. Errors: ERR_PREMATURE when
 * the Assembly is over meanwhile, ERR_MAX_SIZE, and what the disk says. */
MUST_CHECK int create_file_begin(struct create *c, const char *name, const char *filename, struct err *err);
MUST_CHECK int create_file_data(struct create *c, const char *data, size_t len, struct err *err);
MUST_CHECK int create_file_end(struct create *c, struct err *err);
/* Files before params, or before a signature that must be there: they wait. Errors: those of form_hold(). */
MUST_CHECK int create_hold_file(struct create *c, const char *name, const char *filename, struct err *err);
MUST_CHECK int create_hold(struct create *c, const char *data, size_t len, struct err *err);
/* All of them as if they came now. */
MUST_CHECK int create_take_held(struct create *c, struct err *err);
