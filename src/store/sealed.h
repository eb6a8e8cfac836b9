/* sealed.h - which key file a database is sealed with, and changing it.
 *
 * Sealed with it (base/secret.h), with this context: an Auth Key's secret ("auth_key/ID"), a Template's content
 * ("template/ID"), credentials ("WORKSPACE/NAME"), what was renewed of them (in files: renewed.h, "renewed/ID"), and in
 * events of an Assembly the member `sealed` of their data ("assembly/ID"). The setting `seal_key` holds the name of the
 * key, so that another file is noticed at the start and not at the first use. */
#pragma once
#include "base/json.h"
#include "base/secret.h"
#include "store/store.h"

/* The key of this database: read, or made when the database is new. Ends a rotation that was cut short, and seals
 * what is from before schema 3. Errors: ERR_CONFIG (the file is missing, or is another database's). */
MUST_CHECK int sealed_open(struct seal_key *out, struct store *s, const char *path, struct err *err);
/* After sealed_open(): a new key, and everything sealed with it. A crash at any point leaves the old or the new
 * state for the next sealed_open(). Nobody else may have the database open. */
MUST_CHECK int sealed_rotate(struct seal_key *key, struct store *s, const char *path, struct err *err);

/* Steps, and what their expressions gave, may hold secrets, so whoever keeps or reads an event with such a member
 * (event_sealed() names it) goes through these: the text of its data, with `sealed` instead of the member at its
 * end, and the way back, in place. member NULL: none. Errors: ERR_CREDENTIALS. */
void sealed_data_text(struct str *b, const struct seal_key *key, const char *assembly_id, const char *member,
                      const json_t *data);
MUST_CHECK int sealed_data_open(const struct seal_key *key, const char *assembly_id, const char *member, json_t *data,
                                struct err *err);
