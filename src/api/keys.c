#include "api/keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

struct keys {
    pthread_rwlock_t lock;
    struct map by_key, by_id; /* one reference for both */
};

struct keys *keys_new(void)
{
    struct keys *t = mem_zalloc(sizeof *t);

    pthread_rwlock_init(&t->lock, NULL);
    return t;
}

static char *context_of(const char *id) { return mem_printf("auth_key/%s", id); }

int auth_key_open(struct auth_key **out, const struct store_key *row, const struct seal_key *seal, struct err *err)
{
    AUTO(mem_free) char *context = context_of(row->id);
    char *secret;

    if (unseal(&secret, seal, context, row->secret, err) < 0)
        return -1;
    struct auth_key *k = mem_zalloc(sizeof *k);
    *k = (struct auth_key){.refs = 1,
                           .id = mem_strdup(row->id),
                           .key = mem_strdup(row->key),
                           .secret = secret,
                           .workspace = mem_strdup(row->workspace),
                           .scopes = mem_strdup(row->scopes),
                           .description = mem_strdup(row->description ? row->description : ""),
                           .workspace_name = mem_strdup(row->workspace_name ? row->workspace_name : ""),
                           .require_signature = row->require_signature,
                           .created_us = row->created_us,
                           .modified_us = row->modified_us};
    *out = k;
    return 0;
}

char *auth_key_seal(const char *id, const char *secret, const struct seal_key *key)
{
    AUTO(mem_free) char *context = context_of(id);

    return seal(key, context, secret);
}

struct auth_key *auth_key_ref(struct auth_key *k)
{
    __atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
    return k;
}

void auth_key_unref(struct auth_key *k)
{
    if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
        return;
    explicit_bzero(k->secret, strlen(k->secret));
    free(k->id);
    free(k->key);
    free(k->secret);
    free(k->workspace);
    free(k->scopes);
    free(k->description);
    free(k->workspace_name);
    free(k);
}

static struct auth_key *find(struct keys *t, const struct map *m, const char *name)
{
    pthread_rwlock_rdlock(&t->lock);
    struct auth_key *k = map_get(m, name);
    if (k)
        auth_key_ref(k);
    pthread_rwlock_unlock(&t->lock);
    return k;
}

struct auth_key *keys_find(struct keys *t, const char *key) { return find(t, &t->by_key, key); }
struct auth_key *keys_find_id(struct keys *t, const char *id) { return find(t, &t->by_id, id); }

struct auth_key *keys_any(struct keys *t)
{
    struct map_iter i = {0};

    pthread_rwlock_rdlock(&t->lock);
    struct auth_key *k = map_next(&t->by_id, &i) ? auth_key_ref(i.value) : NULL;
    pthread_rwlock_unlock(&t->lock);
    return k;
}

/* How well a name fits a key's workspace: 0, not at all. */
static int fits(const struct auth_key *k, const char *name)
{
    return !strcmp(k->workspace, name) || !strcmp(k->workspace_name, name) ? 2 : !strcasecmp(k->workspace_name, name);
}

struct auth_key *keys_of_workspace(struct keys *t, const char *id_or_name, bool *signed_only)
{
    struct auth_key *best = NULL;
    bool several = false;

    pthread_rwlock_rdlock(&t->lock);
    for (struct map_iter i = {0}; map_next(&t->by_id, &i);) {
        struct auth_key *k = i.value;
        int now = fits(k, id_or_name), before = best ? fits(best, id_or_name) : 0;
        bool same = best && !strcmp(best->workspace, k->workspace);

        if (!now || now < before)
            continue;
        several = now == before && (several || !same);
        if (now > before || (same && k->created_us < best->created_us))
            best = k;
    }
    if (several)
        best = NULL;
    *signed_only = true;
    for (struct map_iter i = {0}; best && map_next(&t->by_id, &i);)
        *signed_only &= strcmp(((struct auth_key *)i.value)->workspace, best->workspace) != 0 ||
                        ((struct auth_key *)i.value)->require_signature;
    if (best)
        auth_key_ref(best);
    pthread_rwlock_unlock(&t->lock);
    return best;
}

int keys_count(struct keys *t)
{
    pthread_rwlock_rdlock(&t->lock);
    int n = (int)t->by_id.count;
    pthread_rwlock_unlock(&t->lock);
    return n;
}

void keys_put(struct keys *t, struct auth_key *k)
{
    log_mask(k->secret);
    pthread_rwlock_wrlock(&t->lock);
    struct auth_key *old = map_put(&t->by_id, k->id, k);
    if (old)
        map_del(&t->by_key, old->key);
    map_put(&t->by_key, k->key, k);
    pthread_rwlock_unlock(&t->lock);
    auth_key_unref(old);
}

void keys_remove(struct keys *t, const char *id)
{
    pthread_rwlock_wrlock(&t->lock);
    struct auth_key *old = map_del(&t->by_id, id);
    if (old)
        map_del(&t->by_key, old->key);
    pthread_rwlock_unlock(&t->lock);
    auth_key_unref(old);
}

void keys_each(struct keys *t, const char *workspace, void (*cb)(void *ctx, const struct auth_key *k), void *ctx)
{
    pthread_rwlock_rdlock(&t->lock);
    for (struct map_iter i = {0}; map_next(&t->by_id, &i);)
        if (!strcmp(((struct auth_key *)i.value)->workspace, workspace))
            cb(ctx, i.value);
    pthread_rwlock_unlock(&t->lock);
}

bool keys_may_mint(struct keys *t, struct auth_key *k, int64_t now_us, int per_minute)
{
    pthread_rwlock_wrlock(&t->lock);
    if (now_us - k->token_window_us >= 60 * SECOND_US) {
        k->token_window_us = now_us;
        k->tokens = 0;
    }
    bool may = k->tokens < per_minute;
    if (may)
        k->tokens++;
    pthread_rwlock_unlock(&t->lock);
    return may;
}
