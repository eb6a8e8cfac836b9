/* Commands on a data directory: credentials, Templates, workspaces, Auth Keys. */
#include "assembly/credentials.h"
#include "base/clock.h"
#include "base/id.h"
#include "commands.h"
#include "server.h"
#include "store/sealed.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

struct admin {
    struct config config;
    struct arena *arena;
    char *words[64];
    int count;
    const char *workspace_name, *description; /* --workspace, --description; may be NULL */
    const char *signature;                    /* --require-signature-auth */
    int lock_fd;
    struct store *store;
    struct store_reader *reader;
    struct seal_key seal;
    char *key_file, *workspace;
};

static int fail(const struct err *err)
{
    fprintf(stderr, "workcell: %s\n", err->msg);
    return 1;
}

static void admin_done(struct admin a)
{
    store_reader_close(a.reader);
    store_close(a.store);
    fd_close(a.lock_fd);
    free(a.key_file);
    free(a.workspace);
    arena_free(a.arena);
}
DEFINE_AUTO(struct admin, admin_done)

/* Settings (--data DIR) and our own options may stand anywhere. */
static int sort_words(struct admin *a, int argc, char **argv, struct err *err)
{
    const struct {
        const char *flag, **value;
    } own[] = {{"--workspace", &a->workspace_name},
               {"--description", &a->description},
               {"--require-signature-auth", &a->signature}};
    char *flags[64] = {argv[0]};
    int count = 1;

    if (argc > 60)
        return err_set(err, ERR_CONFIG, "too many words");
    for (int i = 1; i < argc; i++) {
        size_t o = 0;

        while (o < ARRAY_LEN(own) && strcmp(own[o].flag, argv[i]))
            o++;
        if (o < ARRAY_LEN(own)) {
            if (i + 1 == argc)
                return err_set(err, ERR_CONFIG, "%s needs a value", argv[i]);
            *own[o].value = argv[++i];
        } else if (strncmp(argv[i], "--", 2)) {
            a->words[a->count++] = argv[i];
        } else {
            flags[count++] = argv[i];
            if (config_flag_takes_value(argv[i]) && i + 1 < argc)
                flags[count++] = argv[++i];
        }
    }
    return config_load(&a->config, a->arena, count, flags, environ, err);
}

struct find_workspace {
    const char *name;
    char *id;
};

static int match_workspace(void *ctx, const char *id, const char *name, int64_t created_us)
{
    struct find_workspace *f = ctx;

    (void)created_us;
    if (strcmp(name, f->name) && strcmp(id, f->name))
        return 0;
    f->id = mem_strdup(id);
    return -1;
}

/* The one named by --workspace, else the first; made when the directory is new. */
static int choose_workspace(struct admin *a, struct err *err)
{
    struct find_workspace f = {a->workspace_name, NULL};

    if (a->workspace_name) {
        if (store_workspaces(a->store, match_workspace, &f, err) < 0)
            return -1;
        a->workspace = f.id;
        return f.id ? 0 : err_set(err, ERR_CONFIG, "there is no workspace '%s'", a->workspace_name);
    }
    a->workspace = store_setting_get(a->store, "workspace");
    if (a->workspace)
        return 0;
    a->workspace = mem_alloc(ID_LEN + 1);
    id_new(a->workspace);
    return store_begin(a->store, err) < 0 ||
                   store_workspace_add(a->store, a->workspace, "default", clock_now_us(), err) < 0 ||
                   store_setting_put(a->store, "workspace", a->workspace, err) < 0 || store_commit(a->store, err) < 0
               ? -1
               : 0;
}

static const char credential_usage[] =
    "credential add NAME TYPE KEY=VALUE... | list | remove NAME | rotate  [--data DIR] "
    "[--workspace NAME]";
static const char template_usage[] =
    "template create NAME FILE | update NAME FILE | list | get NAME | delete NAME  [--data DIR] "
    "[--workspace NAME] [--require-signature-auth 0|1]";
static const char workspace_usage[] =
    "workspace add NAME | list  [--data DIR]";
static const char key_usage[] =
    "key add [SCOPE...] | list | delete ID  [--data DIR] [--workspace NAME] [--description TEXT] "
    "[--require-signature-auth 0|1]";

static int usage(FILE *f, const char *text)
{
    fprintf(f, "usage: workcell %s\n", text);
    return f == stdout ? 0 : 2;
}

/* Returns -1 when the command can't go on: exit with 1, err is printed; 1 when only its usage was asked for, which
 * needs no data directory. */
static int admin_open(struct admin *a, int argc, char **argv, const char *text)
{
    struct err err;

    *a = (struct admin){.lock_fd = -1, .arena = arena_new()};
    if (sort_words(a, argc, argv, &err) < 0)
        return fail(&err), -1;
    if (a->config.help) {
        usage(stdout, text);
        return 1;
    }
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", a->config.data);
    a->key_file = mem_printf("%s/credentials.key", a->config.data);
    if (server_lock_dir(&a->lock_fd, a->config.data, &err) < 0) {
        fail(&err);
        fprintf(stderr, "workcell: while it runs, use its API (/templates, /template_credentials, /auth_keys), or stop it "
                        "for this command\n");
        return -1;
    }
    if (store_open(&a->store, db, &err) < 0 || store_reader_open(&a->reader, db, &err) < 0 ||
        sealed_open(&a->seal, a->store, a->key_file, &err) < 0 || choose_workspace(a, &err) < 0)
        return fail(&err), -1;
    return 0;
}

/* Commits what a put of this transaction gave, or takes it back. */
static int finish(struct admin *a, int rc, struct err *err)
{
    if (rc == 0)
        return store_commit(a->store, err);
    store_rollback(a->store);
    return -1;
}

static bool is(const struct admin *a, const char *verb, int min_words, int max_words)
{
    return a->count && !strcmp(a->words[0], verb) && a->count >= min_words && a->count <= max_words;
}


/* ---- credentials ---- */

static int print_credential(void *ctx, const struct store_credential *c)
{
    (void)ctx;
    printf("%s\t%s\t%s\n", c->name, c->type, c->id);
    return 0;
}

static int credential_add(struct admin *a, struct err *err)
{
    AUTO(json_unref) json_t *content = json_object();
    const char *name = a->words[1], *type = a->words[2];
    struct store_credential *old = NULL;
    char id[ID_LEN + 1];
    int64_t now = clock_now_us();

    for (int i = 3; i < a->count; i++) {
        char *eq = strchr(a->words[i], '=');

        if (!eq || eq == a->words[i])
            return err_set(err, ERR_CONFIG, "'%s' is not KEY=VALUE", a->words[i]);
        *eq = 0;
        jset(content, a->words[i], eq + 1);
    }
    if (credential_check(type, content, ERR_CONFIG, err) < 0)
        return -1;
    AUTO(mem_free) char *plain = json_text(content);
    AUTO(mem_free) char *context = mem_printf("%s/%s", a->workspace, name);
    AUTO(mem_free) char *sealed = seal(&a->seal, context, plain);
    int have = store_credential_get(&old, a->store, a->workspace, name, err);
    id_new(id);
    struct store_credential c = {have == 0 ? old->id : id, a->workspace, name, type, sealed, now, now};
    if (store_begin(a->store, err) < 0)
        return -1;
    int rc = finish(a, (have == 0 ? store_credential_put : store_credential_add)(a->store, &c, err), err);
    free(old);
    if (rc == 0)
        printf("credentials '%s' are kept, encrypted\n", name);
    return rc;
}

static int credential_remove(struct admin *a, struct err *err)
{
    struct store_credential *c = NULL;

    if (store_credential_get(&c, a->store, a->workspace, a->words[1], err) < 0 || store_begin(a->store, err) < 0)
        return -1;
    int rc = finish(a, store_credential_del(a->store, a->workspace, c->id, err), err);
    free(c);
    return rc;
}

int command_credential(int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1};
    struct err err;
    int rc;

    if ((rc = admin_open(&a, argc, argv, credential_usage)) != 0)
        return rc < 0;
    if (is(&a, "add", 3, 64)) {
        rc = credential_add(&a, &err);
    } else if (is(&a, "list", 1, 1)) {
        struct store_page all = {.workspace = a.workspace, .sort = "name", .max = -1};

        rc = store_credentials(a.reader, &all, print_credential, NULL, &err);
    } else if (is(&a, "remove", 2, 2)) {
        rc = credential_remove(&a, &err);
    } else if (is(&a, "rotate", 1, 1)) {
        rc = sealed_rotate(&a.seal, a.store, a.key_file, &err);
        if (rc == 0)
            printf("everything is sealed with a new key, in %s\n", a.key_file);
    } else {
        return usage(stderr, credential_usage);
    }
    return rc < 0 ? fail(&err) : 0;
}

/* ---- Templates ---- */

static int template_put(struct admin *a, bool create, struct err *err)
{
    const char *name = a->words[1];
    struct store_template *old = NULL;
    char id[ID_LEN + 1];
    int64_t now = clock_now_us();

    if (create && (template_check_name(name, err) < 0))
        return -1;
    if (!create && store_template_get(&old, a->store, a->workspace, name, err) < 0)
        return -1;
    AUTO(json_unref) json_t *content = json_read_object(a->words[2], err);
    if (!content || store_begin(a->store, err) < 0) {
        free(old);
        return -1;
    }
    id_new(id);
    AUTO(mem_free) char *sealed = template_seal(&a->seal, old ? old->id : id, content);
    struct store_template t = {.id = id, .workspace = a->workspace, .name = name, .content = sealed, .created_us = now};
    if (old)
        t = *old;
    t.content = sealed;
    t.modified_us = now;
    if (a->signature)
        t.require_signature = !strcmp(a->signature, "1");
    int rc = finish(a, (create ? store_template_add : store_template_put)(a->store, &t, err), err);
    if (rc == 0)
        printf("%s\t%s\n", t.id, t.name);
    free(old);
    return rc;
}

static int template_print(struct admin *a, struct err *err)
{
    struct store_template *t = NULL;

    if (store_template_get(&t, a->store, a->workspace, a->words[1], err) < 0)
        return -1;
    AUTO(json_unref) json_t *content = template_open(&a->seal, t, err);
    free(t);
    if (!content)
        return -1;
    json_dumpf(content, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}

static int template_remove(struct admin *a, struct err *err)
{
    struct store_template *t = NULL;

    if (store_template_get(&t, a->store, a->workspace, a->words[1], err) < 0 || store_begin(a->store, err) < 0)
        return -1;
    int rc = finish(a, store_template_del(a->store, a->workspace, t->id, err), err);
    free(t);
    return rc;
}

static int print_template(void *ctx, const struct store_template *t)
{
    char when[25];

    (void)ctx;
    date_format_iso(when, t->modified_us);
    printf("%s\t%s\t%s%s\n", t->id, t->name, when, t->require_signature ? "\tsigned requests only" : "");
    return 0;
}

int command_template(int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1};
    struct err err;
    int rc;

    if ((rc = admin_open(&a, argc, argv, template_usage)) != 0)
        return rc < 0;
    if (is(&a, "create", 3, 3) || is(&a, "update", 3, 3)) {
        rc = template_put(&a, *a.words[0] == 'c', &err);
    } else if (is(&a, "list", 1, 1)) {
        struct store_page all = {.workspace = a.workspace, .sort = "name", .from_us = INT64_MIN, .to_us = INT64_MAX, .max = -1};

        rc = store_templates(a.reader, &all, print_template, NULL, &err);
    } else if (is(&a, "get", 2, 2)) {
        rc = template_print(&a, &err);
    } else if (is(&a, "delete", 2, 2)) {
        rc = template_remove(&a, &err);
    } else {
        return usage(stderr, template_usage);
    }
    return rc < 0 ? fail(&err) : 0;
}

/* ---- workspaces and Auth Keys ---- */

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
    int rc = finish(a, store_workspace_add(a->store, id, name, clock_now_us(), err) < 0 || make_key(a, id, "*", err) < 0 ? -1 : 0, err);
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

int command_workspace(int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1};
    struct err err;
    int rc;

    if ((rc = admin_open(&a, argc, argv, workspace_usage)) != 0)
        return rc < 0;
    if (is(&a, "add", 2, 2))
        rc = workspace_add(&a, &err);
    else if (is(&a, "list", 1, 1))
        rc = store_workspaces(a.store, print_workspace, NULL, &err);
    else
        return usage(stderr, workspace_usage);
    return rc < 0 ? fail(&err) : 0;
}

static int key_add(struct admin *a, struct err *err)
{
    AUTO(str_done) struct str scopes = {0};

    for (int i = 1; i < a->count; i++) {
        if (!scope_exists(a->words[i]))
            return err_set(err, ERR_CONFIG, "there is no scope '%s'", a->words[i]);
        str_addf(&scopes, "%s%s", i > 1 ? " " : "", a->words[i]);
    }
    if (store_begin(a->store, err) < 0)
        return -1;
    return finish(a, make_key(a, a->workspace, scopes.len ? scopes.s : "*", err), err);
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
    return finish(a, store_key_del(a->store, a->workspace, id, err), err);
}

int command_key(int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1};
    struct err err;
    int rc;

    if ((rc = admin_open(&a, argc, argv, key_usage)) != 0)
        return rc < 0;
    if (is(&a, "add", 1, 64))
        rc = key_add(&a, &err);
    else if (is(&a, "list", 1, 1))
        rc = store_keys(a.store, print_key, &a, &err);
    else if (is(&a, "delete", 2, 2))
        rc = key_delete(&a, &err);
    else
        return usage(stderr, key_usage);
    return rc < 0 ? fail(&err) : 0;
}
