/* /auth_keys. Contract: api-resources.md 5. A key gives and shows nothing beyond its own scopes. */
#include "api/call.h"
#include "api/cdn.h"
#include "api/keys.h"
#include "api/routes.h"
#include "api/scopes.h"
#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <string.h>

#define MAX_DESCRIPTION 1000

/* ---- what a key may see of another ---- */

static json_t *scope_list(const char *scopes)
{
    json_t *list = json_array();

    for (const char *const *s = auth_scopes; *s; s++)
        if (scopes_have(scopes, *s))
            json_array_append_new(list, json_string(*s));
    return list;
}

static json_t *auth_key_describe(const struct auth_key *k)
{
    json_t *o = json_pack("{s:s,s:o,s:o,s:o,s:i}", "id", k->id, "key", jstring(k->key), "description",
                          jstring(k->description), "scopes", scope_list(k->scopes), "require_signature_auth",
                          (int)k->require_signature);

    call_set_date(o, "created", k->created_us);
    call_set_date(o, "modified", k->modified_us);
    return o;
}

int auth_key_scopes(struct call *c, struct err *err)
{
    (void)err;
    json_object_set_new(c->body, "scopes", scope_list("*"));
    call_say(c, "The scopes were found.");
    return 0;
}

struct key_list {
    struct auth_key **v;
    size_t count;
};

static void keep(void *ctx, const struct auth_key *k)
{
    struct key_list *l = ctx;

    l->v = mem_realloc(l->v, (l->count + 1) * sizeof *l->v);
    l->v[l->count++] = auth_key_ref((struct auth_key *)k);
}

static int by_age(const void *a, const void *b)
{
    const struct auth_key *x = *(struct auth_key *const *)a, *y = *(struct auth_key *const *)b;

    return x->created_us != y->created_us ? (x->created_us < y->created_us ? -1 : 1) : strcmp(x->id, y->id);
}

int auth_keys_list(struct call *c, struct err *err)
{
    struct key_list l = {0};
    json_t *list = json_array();

    (void)err;
    keys_each(c->app->keys, c->auth.key->workspace, keep, &l);
    if (l.count)
        qsort(l.v, l.count, sizeof *l.v, by_age);
    for (size_t i = 0; i < l.count; i++) {
        json_array_append_new(list, auth_key_describe(l.v[i]));
        auth_key_unref(l.v[i]);
    }
    free(l.v);
    json_object_set_new(c->body, "auth_keys", list);
    call_say(c, "The Auth Keys were found.");
    return 0;
}

/* Whose secret is told, who is changed or deleted must not be able to do more than who asks. */
static int check_stronger(struct call *c, const char *scopes, struct err *err)
{
    for (const char *const *s = auth_scopes; *s; s++)
        if (scopes_have(scopes, *s) && !auth_allows(&c->auth, *s))
            return err_set(err, ERR_SCOPE, "That Auth Key has the scope %s, which yours lacks", *s);
    return 0;
}

int auth_key_secret(struct call *c, struct err *err)
{
    AUTO(auth_key_unref) struct auth_key *k = keys_find_id(c->app->keys, http_path_arg(c->req, 0));

    if (!k || strcmp(k->workspace, c->auth.key->workspace))
        return err_set(err, ERR_SECRET_NOT_RETRIEVED, "There is no such Auth Key");
    if (check_stronger(c, k->scopes, err) < 0)
        return -1;
    json_object_set_new(c->body, "auth_secret", jstring(k->secret));
    call_say(c, "The Auth Secret was retrieved.");
    return 0;
}

/* ---- changes ---- */

/* The scopes asked for, space-joined, in work.scopes. Left out: as many as the caller has. */
static int check_scopes(struct call *c, const json_t *given, enum err_code code, struct err *err)
{
    AUTO(str_done) struct str b = {0};
    bool all = !given || json_is_null(given);
    json_t *v;
    size_t i;

    if (all && !c->auth.scopes && !strcmp(c->auth.key->scopes, "*")) {
        jset(c->work, "scopes", "*");
        return 0;
    }
    if (!all && !json_is_array(given))
        return err_set(err, code, "scopes must be a list of scope names");
    json_array_foreach (given, i, v) {
        const char *scope = json_string_value(v);

        if (!scope || !scope_exists(scope))
            return err_set(err, code, "There is no scope '%.60s'", scope ? scope : "(not a text)");
        if (!auth_allows(&c->auth, scope))
            return err_set(err, ERR_SCOPE, "An Auth Key can't grant the scope %s, which it lacks", scope);
    }
    for (const char *const *s = auth_scopes; *s; s++) {
        bool asked = all && auth_allows(&c->auth, *s);

        json_array_foreach (given, i, v)
            asked |= !strcmp(json_string_value(v), *s);
        if (asked)
            str_addf(&b, "%s%s", b.len ? " " : "", *s);
    }
    jset(c->work, "scopes", b.s ? b.s : "");
    return 0;
}

int auth_key_check(struct call *c, struct err *err)
{
    bool create = !strcmp(http_method(c->req), "POST");
    enum err_code code = create ? ERR_KEY_NOT_CREATED : ERR_KEY_NOT_UPDATED;
    const json_t *description = json_object_get(c->params, "description");
    const json_t *scopes = json_object_get(c->params, "scopes");

    c->work = json_object();
    if (description && !json_is_null(description)) {
        if (!json_is_string(description) || json_string_length(description) > MAX_DESCRIPTION)
            return err_set(err, code, "description must be a text of at most %d bytes", MAX_DESCRIPTION);
        jset(c->work, "description", json_string_value(description));
    }
    return create || (scopes && !json_is_null(scopes)) ? check_scopes(c, scopes, code, err) : 0;
}

/* Put the row, and make what the table gets once the row is durable. */
static int put(struct call *c, struct store *store, const struct store_key *row, struct err *err)
{
    if (auth_key_open(&c->made, row, c->app->seal, err) < 0 || store_key_put(store, row, err) < 0)
        return -1;
    json_object_set_new(c->body, "auth_key", auth_key_describe(c->made));
    return 0;
}

void auth_key_changed(struct call *c)
{
    keys_put(c->app->keys, take(c->made));
    cdn_forget(c->app->cdn);
}

int auth_key_create(struct call *c, struct store *store, struct err *err)
{
    char id[ID_LEN + 1], key[ID_LEN + 1], secret[ID_LEN + 1];
    int64_t now = clock_now_us();

    id_new(id);
    id_new(key);
    id_new(secret);
    AUTO(mem_free) char *sealed = auth_key_seal(id, secret, c->app->seal);
    struct store_key row = {.id = id,
                            .key = key,
                            .secret = sealed,
                            .workspace = c->auth.key->workspace,
                            .scopes = jstr(c->work, "scopes"),
                            .description = jstr_or(c->work, "description", ""),
                            .workspace_name = c->auth.key->workspace_name,
                            .require_signature = call_flag(c, "require_signature_auth", false),
                            .created_us = now,
                            .modified_us = now};
    if (put(c, store, &row, err) < 0)
        return -1;
    jset(json_object_get(c->body, "auth_key"), "secret", secret); /* this once */
    call_say(c, "The Auth Key was created.");
    return 0;
}

/* Of the store's rows, not the table's: another change may be in this very turn. */
struct look {
    struct call *c;
    struct store *store;
    struct err *err;
    bool found;
    char *scopes;   /* of the key that the address names */
    int full_others; /* keys of the workspace, apart from that one, that may do everything */
    int rc;
};

static bool is_full(const char *scopes)
{
    for (const char *const *s = auth_scopes; *s; s++)
        if (!scopes_have(scopes, *s))
            return false;
    return true;
}

static int see(void *ctx, const struct store_key *k)
{
    struct look *l = ctx;

    if (strcmp(k->workspace, l->c->auth.key->workspace))
        return 0;
    if (strcmp(k->id, http_path_arg(l->c->req, 0))) {
        l->full_others += is_full(k->scopes);
        return 0;
    }
    l->found = true;
    l->scopes = mem_strdup(k->scopes);
    return 0;
}

/* May the key of the address become one with these scopes (NULL: be deleted)? code: what a refusal is, apart from
 * ERR_SCOPE. */
static int check_change(struct look *l, const char *scopes, enum err_code code)
{
    AUTO(mem_free) char *had = NULL;

    if (store_keys(l->store, see, l, l->err) < 0)
        return -1;
    had = take(l->scopes);
    if (!l->found)
        return err_set(l->err, code, "There is no such Auth Key");
    if (check_stronger(l->c, had, l->err) < 0)
        return -1;
    if (is_full(had) && !l->full_others && !(scopes && is_full(scopes)))
        return err_set(l->err, code, "The last Auth Key of a workspace that may do everything must go on being that");
    return 0;
}

static int change(void *ctx, const struct store_key *k)
{
    struct look *l = ctx;
    struct call *c = l->c;

    if (strcmp(k->id, http_path_arg(c->req, 0)) || strcmp(k->workspace, c->auth.key->workspace))
        return 0;
    struct store_key row = *k;
    row.description = jstr_or(c->work, "description", k->description);
    row.scopes = jstr_or(c->work, "scopes", k->scopes);
    row.require_signature = call_flag(c, "require_signature_auth", k->require_signature);
    row.modified_us = clock_now_us();
    l->rc = put(c, l->store, &row, l->err);
    return -1;
}

int auth_key_update(struct call *c, struct store *store, struct err *err)
{
    struct look l = {.c = c, .store = store, .err = err};
    const char *scopes = jstr(c->work, "scopes");

    /* without scopes: as many as it has */
    if (check_change(&l, scopes ? scopes : "*", ERR_KEY_NOT_UPDATED) < 0 || store_keys(store, change, &l, err) < 0)
        return -1;
    call_say(c, "The Auth Key was updated.");
    return l.rc;
}

int auth_key_delete(struct call *c, struct store *store, struct err *err)
{
    const char *workspace = c->auth.key->workspace;
    struct look l = {.c = c, .store = store, .err = err};
    int64_t count;

    if (check_change(&l, NULL, ERR_KEY_NOT_DELETED) < 0 || store_key_count(&count, store, workspace, err) < 0)
        return -1;
    if (count < 2)
        return err_set(err, ERR_KEY_NOT_DELETED, "The last Auth Key of a workspace can't be deleted");
    call_say(c, "The Auth Key was deleted.");
    return store_key_del(store, workspace, http_path_arg(c->req, 0), err);
}

void auth_key_deleted(struct call *c)
{
    keys_remove(c->app->keys, http_path_arg(c->req, 0));
    cdn_forget(c->app->cdn);
}
