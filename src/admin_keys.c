/* `workcell workspace` and `workcell key`: workspaces and their Auth Keys. */
#include "admin.h"
#include "api/keys.h"
#include "api/scopes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/near.h"

#include <stdio.h>
#include <string.h>

static int make_key(struct admin *a, const char *workspace, const char *scopes, struct err *err)
{
    char id[ID_LEN + 1], key[ID_LEN + 1], secret[ID_LEN + 1];
    int64_t now = clock_now_us();

    id_new(id);
    id_new(key);
    id_new(secret);
    AUTO(mem_free) char *sealed = auth_key_seal(id, secret, &a->seal);
    struct store_key k = {.id = id,
                          .key = key,
                          .secret = sealed,
                          .workspace = workspace,
                          .scopes = scopes,
                          .description = a->description,
                          .require_signature = a->signature && !strcmp(a->signature, "1"),
                          .created_us = now,
                          .modified_us = now};
    if (store_key_put(a->store, &k, err) < 0)
        return -1;
    printf("id %s\nTRANSLOADIT_KEY=%s\nTRANSLOADIT_SECRET=%s\n", id, key, secret);
    return 0;
}

static int workspace_add(struct admin *a, struct err *err)
{
    const char *name = a->words[1];
    char id[ID_LEN + 1];

    if (strlen(name) > 60 || !utf8_valid(name, strlen(name)))
        return err_set(err, ERR_CONFIG, "a workspace's name has at most 60 bytes");
    id_new(id);
    if (store_begin(a->store, err) < 0)
        return -1;
    int rc = admin_finish(
        a, store_workspace_add(a->store, id, name, clock_now_us(), err) < 0 || make_key(a, id, "*", err) < 0 ? -1 : 0,
        err);
    if (rc == 0)
        printf("workspace %s\n", id);
    return rc;
}

static int print_workspace(void *ctx, const char *id, const char *name, int64_t created_us)
{
    char when[25];

    (void)ctx;
    date_format_iso(when, created_us);
    printf("%s\t%s\t%s\n", id, name, when);
    return 0;
}

static int workspace_list(struct admin *a, struct err *err)
{
    return store_workspaces(a->store, print_workspace, NULL, err);
}

int command_workspace(int argc, char **argv)
{
    static const struct verb verbs[] = {{"add", 1, 1, true, workspace_add}, {"list", 0, 0, false, workspace_list}, {0}};

    return admin_run("workspace", verbs, argc, argv);
}

static int no_scope(const char *name, struct err *err)
{
    AUTO(str_done) struct str all = {0};
    struct near near = near_to(name);

    for (const char *const *s = auth_scopes; *s; s++) {
        str_addf(&all, "%s%s", all.len ? ", " : "", *s);
        near_try(&near, *s);
    }
    return err_set(err, ERR_CONFIG, "there is no scope '%.60s'%s%s%s; there are: %s", name,
                   near.name ? "; did you mean '" : "", near.name ? near.name : "", near.name ? "'?" : "", all.s);
}

static int key_add(struct admin *a, struct err *err)
{
    AUTO(str_done) struct str scopes = {0};

    for (int i = 1; i < a->count; i++) {
        if (!scope_exists(a->words[i]))
            return no_scope(a->words[i], err);
        str_addf(&scopes, "%s%s", i > 1 ? " " : "", a->words[i]);
    }
    if (store_begin(a->store, err) < 0)
        return -1;
    return admin_finish(a, make_key(a, a->workspace, scopes.len ? scopes.s : "*", err), err);
}

static int print_key(void *ctx, const struct store_key *k)
{
    if (!strcmp(k->workspace, ((struct admin *)ctx)->workspace))
        printf("%s\t%s\t%s\t%s\n", k->id, k->key, k->scopes, k->description);
    return 0;
}

struct find_key {
    const struct admin *a;
    char *id;
};

static int match_key(void *ctx, const struct store_key *k)
{
    struct find_key *f = ctx;

    if (!strcmp(k->workspace, f->a->workspace) && (!strcmp(k->id, f->a->words[1]) || !strcmp(k->key, f->a->words[1])))
        f->id = mem_strdup(k->id);
    return f->id ? -1 : 0;
}

static int key_delete(struct admin *a, struct err *err)
{
    struct find_key f = {a, NULL};
    int64_t count;

    if (store_keys(a->store, match_key, &f, err) < 0 || store_key_count(&count, a->store, a->workspace, err) < 0)
        return -1;
    AUTO(mem_free) char *id = f.id;
    if (!id)
        return err_set(err, ERR_CONFIG, "there is no Auth Key '%s' in this workspace", a->words[1]);
    if (count < 2)
        return err_set(err, ERR_CONFIG, "the last Auth Key of a workspace can't be deleted");
    if (store_begin(a->store, err) < 0)
        return -1;
    return admin_finish(a, store_key_del(a->store, a->workspace, id, err), err);
}

static int key_list(struct admin *a, struct err *err) { return store_keys(a->store, print_key, a, err); }

int command_key(int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"add", 0, 60, true, key_add}, {"list", 0, 0, false, key_list}, {"delete", 1, 1, false, key_delete}, {0}};

    return admin_run("key", verbs, argc, argv);
}
