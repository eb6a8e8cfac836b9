/* pieces.h - the status document of one Assembly, in pieces, and what joins them. No lock: publish.c has it.
 *
 * Pieces can be lent: what is lent stays as it was at that moment while others are put in their place, so that a large
 * document can be joined without holding anything up. Contract: api-status.md. */
#pragma once
#include "assembly/listing.h"
#include "conductor/shared_text.h"

struct texts {
    char **v;
    int count, cap;
};

struct pieces {
    char *fixed, *head;
    struct texts uploads, tus, started, ignored, *results; /* results: [steps] */
    char **step_names;                                     /* as JSON; NULL: nothing of it yet */
    int steps;
    struct listing_figures figures;
    bool over;
    int64_t bytes;         /* of all pieces but the first two */
    int lent;              /* so many readers join what they were lent */
    struct texts replaced; /* meanwhile, and freed after that */
};

void pieces_init(struct pieces *p);
void pieces_done(struct pieces *p);
void pieces_set_fixed(struct pieces *p, char *fixed); /* takes it, as the other two */
void pieces_set_head(struct pieces *p, char *head);
void pieces_put(struct pieces *p, const struct effect *e, const struct assembly *a, char *text);
int64_t pieces_size(const struct pieces *p); /* about the length of the document */

/* The caller gives it back. */
struct pieces *pieces_lend(struct pieces *p);
void pieces_return(struct pieces *p, struct pieces *lent);

/* The document; now_us: for the durations that grow. *code_at: where its http_code stands. The caller unrefs. */
struct shared_text *pieces_join(size_t *code_at, const struct pieces *p, int http_code, int64_t now_us);
/* The same document with another code. */
struct shared_text *pieces_recode(const struct shared_text *t, size_t code_at, int http_code);
