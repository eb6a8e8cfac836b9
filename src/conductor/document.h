/* document.h - the final document of an Assembly that has left memory: what is stored, or, of one that few events tell
 * whole, made of them again. From any thread. */
#pragma once
#include "base/json.h"
#include "base/secret.h"
#include "store/store.h"

struct assembly;

#define DOCUMENT_EVENTS_MOST 50          /* of which a document is made: what a GET may take */
#define DOCUMENT_BYTES_MOST (64 << 10)

/* What the events do not say: store_end.made. The caller frees. */
char *document_about(const char *instance, const char *region, const char *build_id);
/* Errors: ERR_NOT_FOUND; ERR_CREDENTIALS and ERR_INTERNAL: its events can't be read. */
MUST_CHECK int document_get(struct str *out, struct store_reader *r, const struct seal_key *seal, const char *id,
                            struct err *err);
/* On the conductor's thread. */
MUST_CHECK int document_read(struct str *out, struct store *s, const struct seal_key *seal, const char *id,
                             struct err *err);
/* Its entry in the list, when that is made of its events too; the caller's. Errors: as above; ERR_NOT_FOUND: it is
 * stored, or gone. */
MUST_CHECK int document_item(json_t **out, struct store_reader *r, const struct seal_key *seal, const char *id,
                             struct err *err);
/* Both of them (NULL: not wanted), of what store_status_read() gave. */
MUST_CHECK int document_make(struct str *text, json_t **item, const struct store_made *m, const struct seal_key *seal,
                             const char *id, struct err *err);
