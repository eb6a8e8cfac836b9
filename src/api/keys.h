/* keys.h - the Auth Keys in memory: looked up by every request, changed while requests use them. Thread-safe. */
#pragma once
#include "base/secret.h"
#include "store/store.h"

struct auth_key {
    int refs;
    /* never changed: a change is a new auth_key */
    char *id, *key, *secret, *workspace, *scopes, *description, *workspace_name;
    bool require_signature;
    int64_t created_us, modified_us;
    int64_t token_window_us; /* guarded by the table's lock: keys_may_mint() */
    int tokens;
};

struct keys;
struct keys *keys_new(void);

/* Of what store_keys() lends. Errors: ERR_CREDENTIALS (sealed with another key). */
MUST_CHECK int auth_key_open(struct auth_key **out, const struct store_key *row, const struct seal_key *seal,
                             struct err *err);
/* The row's secret, sealed: the caller frees. */
char *auth_key_seal(const char *id, const char *secret, const struct seal_key *seal);
struct auth_key *auth_key_ref(struct auth_key *k);
void auth_key_unref(struct auth_key *k);
DEFINE_AUTO(struct auth_key *, auth_key_unref)

/* The caller unrefs. NULL: there is none. */
struct auth_key *keys_find(struct keys *t, const char *key);
struct auth_key *keys_find_id(struct keys *t, const char *id);
struct auth_key *keys_any(struct keys *t);
int keys_count(struct keys *t);
/* The oldest one of the workspace with this id or name; names that differ in capitals count when there is only one
 * such. *signed_only: all of its keys demand a signature. NULL: there is no such workspace, or it has no keys. */
struct auth_key *keys_of_workspace(struct keys *t, const char *id_or_name, bool *signed_only);
/* Takes k over, in the place of the one with its id. */
void keys_put(struct keys *t, struct auth_key *k);
/* From now on nobody finds it; who has it keeps it. */
void keys_remove(struct keys *t, const char *id);
/* Those of a workspace, in no order. */
void keys_each(struct keys *t, const char *workspace, void (*cb)(void *ctx, const struct auth_key *k), void *ctx);
/* Counts one token; false when the key has had its share of this minute. */
bool keys_may_mint(struct keys *t, struct auth_key *k, int64_t now_us, int per_minute);
