/* Commands on a data directory: credentials, Templates, workspaces, Auth Keys. */
#include "api/keys.h"
#include "api/scopes.h"
#include "api/template_use.h"
#include "assembly/credentials.h"
#include "assembly/instructions.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/near.h"
#include "commands.h"
#include "config.h"
#include "server.h"
#include "store/sealed.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

extern char **environ;

struct admin {
    struct config config;
    struct arena *arena;
    char *words[64];
    int count;
    const char *workspace_name, *description; /* --workspace, --description; may be NULL */
    const char *signature;                    /* --require-signature-auth */
    bool replace;                             /* --replace */
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
        } else if (!strcmp(argv[i], "--replace")) {
            a->replace = true;
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

/* The one named by --workspace, else the first; made when the directory is new and something is to be put into it. */
static int choose_workspace(struct admin *a, bool creates, struct err *err)
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
    if (!creates)
        return err_set(err, ERR_CONFIG, "nothing was ever put into the data directory '%s'", a->config.data);
    a->workspace = mem_alloc(ID_LEN + 1);
    id_new(a->workspace);
    return store_begin(a->store, err) < 0 ||
                   store_workspace_add(a->store, a->workspace, "default", clock_now_us(), err) < 0 ||
                   store_setting_put(a->store, "workspace", a->workspace, err) < 0 || store_commit(a->store, err) < 0
               ? -1
               : 0;
}

/* One thing that a command can do. */
struct verb {
    const char *name;
    int least, most; /* words after the verb */
    bool creates;    /* puts something in, into a new data directory if need be; all others want one that is there */
    int (*run)(struct admin *a, struct err *err);
};

static int wrong_verb(const char *command, const struct verb *verbs, const struct admin *a)
{
    struct near near = near_to(a->count ? a->words[0] : "");
    const struct verb *v = verbs;

    for (; v->name; v++) {
        near_try(&near, v->name);
        if (a->count && !strcmp(v->name, a->words[0]))
            break;
    }
    if (v->name)
        fprintf(stderr, "workcell: too %s words for `%s %s`\n", a->count - 1 < v->least ? "few" : "many", command,
                v->name);
    else if (a->count && near.name)
        fprintf(stderr, "workcell: there is no `%s %s`; did you mean '%s'?\n", command, a->words[0], near.name);
    else if (a->count)
        fprintf(stderr, "workcell: there is no `%s %s`\n", command, a->words[0]);
    command_usage(command, stderr);
    return EXIT_USAGE;
}

/* A mistyped --data must not become a directory. */
static int look_for_data(const struct admin *a, const char *db, struct err *err)
{
    struct stat st;

    if (stat(a->config.data, &st) < 0)
        return errno == ENOENT
                   ? err_set(err, ERR_CONFIG,
                             "there is no data directory '%s' (--data DIR names it; `workcell serve` makes one)",
                             a->config.data)
                   : err_errno(err, "look at the data directory '%s'", a->config.data);
    if (stat(db, &st) < 0)
        return err_set(err, ERR_CONFIG, "'%s' is no data directory: there is no workcell.db in it", a->config.data);
    return 0;
}

static int open_data(struct admin *a, bool creates, struct err *err)
{
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", a->config.data);

    a->key_file = mem_printf("%s/credentials.key", a->config.data);
    if (server_lock_dir(&a->lock_fd, a->config.data, err) < 0) {
        fail(err);
        fprintf(stderr,
                "workcell: while it runs, use its API (/templates, /template_credentials, /auth_keys), or stop it "
                "for this command\n");
        return -1;
    }
    if (store_open(&a->store, db, err) < 0 || store_reader_open(&a->reader, db, err) < 0 ||
        sealed_open(&a->seal, a->store, a->key_file, err) < 0 || choose_workspace(a, creates, err) < 0)
        return fail(err), -1;
    return 0;
}

/* Returns the exit code. */
static int admin_run(const char *command, const struct verb *verbs, int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1, .arena = arena_new()};
    const struct verb *v = verbs;
    struct err err = {0};

    if (sort_words(&a, argc, argv, &err) < 0)
        return fail(&err), EXIT_USAGE;
    while (v->name && (!a.count || strcmp(v->name, a.words[0])))
        v++;
    if (!v->name || a.count - 1 < v->least || a.count - 1 > v->most)
        return wrong_verb(command, verbs, &a);
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", a.config.data);
    if (!v->creates && look_for_data(&a, db, &err) < 0)
        return fail(&err), EXIT_USAGE;
    if (open_data(&a, v->creates, &err) < 0)
        return EXIT_FAILED;
    return v->run(&a, &err) < 0 ? fail(&err) : 0;
}

/* Commits what a put of this transaction gave, or takes it back. */
static int finish(struct admin *a, int rc, struct err *err)
{
    if (rc == 0)
        return store_commit(a->store, err);
    store_rollback(a->store);
    return -1;
}

/* ---- credentials ---- */

static int print_credential(void *ctx, const struct store_credential *c)
{
    (void)ctx;
    printf("%s\t%s\t%s\n", c->name, c->type, c->id);
    return 0;
}

#define SECRET_MAX ((size_t)64 * 1024)

/* All that comes, at most SECRET_MAX, without one line break at the end; the caller's to free. */
static char *read_value(int fd, const char *from, const char *key, struct err *err)
{
    AUTO(mem_free) char *buf = mem_zalloc(SECRET_MAX + 2);
    size_t len = 0;
    ssize_t n = 1;

    while (len <= SECRET_MAX && (n = read(fd, buf + len, SECRET_MAX + 1 - len)) > 0) {
        len += (size_t)n;
        if (isatty(fd) && buf[len - 1] == '\n')
            break;
    }
    if (n < 0)
        return err_errno(err, "read '%s' from %s", key, from), NULL;
    if (len > SECRET_MAX || strlen(buf) != len)
        return err_set(err, ERR_CONFIG, "'%s' from %s is no text of at most %zu KB", key, from, SECRET_MAX / 1024),
               NULL;
    if (len && buf[len - 1] == '\n')
        buf[--len] = 0;
    if (len && buf[len - 1] == '\r')
        buf[--len] = 0;
    if (!len)
        return err_set(err, ERR_CONFIG, "'%s' from %s is empty", key, from), NULL;
    return take(buf);
}

/* From standard input: piped as it is, typed without being shown. */
static char *ask_value(const char *key, struct err *err)
{
    struct termios old, quiet;
    bool typed = isatty(0) && tcgetattr(0, &old) == 0;

    if (typed) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* a Ctrl-C must not leave a terminal without echo behind */
        fprintf(stderr, "%s: ", key);
        tcsetattr(0, TCSAFLUSH, &quiet);
    }
    char *value = read_value(0, "standard input", key, err);
    if (typed) {
        tcsetattr(0, TCSAFLUSH, &old);
        fputc('\n', stderr);
        for (const char *p = value; p && *p; p++)
            if ((unsigned char)*p < 0x20) { /* that Ctrl-C, for one */
                free(value);
                return err_set(err, ERR_CONFIG, "given up"), NULL;
            }
    }
    return value;
}

/* "-": standard input, "@FILE": that file, "@@...": a text that begins with @. Command lines are seen by every user of
 * the machine and kept by shells: secrets have better ways. The caller's to free. */
static char *value_of(const char *key, const char *text, bool *asked, struct err *err)
{
    if (!strcmp(text, "-")) {
        if (*asked)
            return err_set(err, ERR_CONFIG, "only one value can come from standard input"), NULL;
        *asked = true;
        return ask_value(key, err);
    }
    if (*text != '@')
        return mem_strdup(text);
    if (text[1] == '@')
        return mem_strdup(text + 1);
    AUTO(fd_close) int fd = open(text + 1, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open '%s'", text + 1), NULL;
    AUTO(mem_free) char *from = mem_printf("'%s'", text + 1);
    return read_value(fd, from, key, err);
}

/* KEY=VALUE... Values are never repeated in a message: a word without = may be a secret as well. */
static int read_content(json_t *content, struct admin *a, struct err *err)
{
    bool asked = false;

    for (int i = 3; i < a->count; i++) {
        char *eq = strchr(a->words[i], '=');

        if (!eq || eq == a->words[i])
            return err_set(err, ERR_CONFIG, "the %s word after the type is not KEY=VALUE",
                           i == 3              ? "first"
                           : i == 4            ? "second"
                           : i == 5            ? "third"
                           : i == a->count - 1 ? "last"
                                               : "next");
        AUTO(mem_free) char *key = mem_strndup(a->words[i], (size_t)(eq - a->words[i]));
        if (json_object_get(content, key))
            return err_set(err, ERR_CONFIG, "'%.60s' is given twice", key);
        AUTO(mem_free) char *value = value_of(key, eq + 1, &asked, err);
        if (!value)
            return -1;
        jset(content, key, value);
        explicit_bzero(value, strlen(value));
    }
    return 0;
}

/* What is wrong with them, with what there is. */
static int check_content(const char *type, const json_t *content, struct err *err)
{
    struct err unknown = {0};
    bool odd = credential_check_keys(type, content, ERR_CONFIG, &unknown) < 0;

    if (credential_check(type, content, ERR_CONFIG, err) < 0) {
        AUTO(str_done) struct str text = {0};

        str_addf(&text, "%s%s%s", err->msg, odd ? ", and " : "", odd ? unknown.msg : "");
        if (!credential_type_exists(type))
            for (const struct credential_type *t = credential_types; t->name; t++)
                str_addf(&text, "%s%s", t == credential_types ? "; there are: " : ", ", t->name);
        return err_set(err, ERR_CONFIG, "%s. `workcell credential --help` lists their fields", text.s);
    }
    if (odd)
        fprintf(stderr, "workcell: %s; it is kept, but nothing here reads it\n", unknown.msg);
    return 0;
}

static int credential_add(struct admin *a, struct err *err)
{
    AUTO(json_unref) json_t *content = json_object();
    const char *name = a->words[1], *type = a->words[2];
    struct store_credential *old = NULL;
    char id[ID_LEN + 1];
    int64_t now = clock_now_us();
    int have = store_credential_get(&old, a->store, a->workspace, name, err);

    if (have == 0 && !a->replace) {
        free(old);
        return err_set(err, ERR_CONFIG, "there are credentials '%.100s' already; --replace puts these in their place",
                       name);
    }
    if (read_content(content, a, err) < 0 || check_content(type, content, err) < 0) {
        free(old);
        return -1;
    }
    AUTO(mem_free) char *plain = json_text(content);
    AUTO(mem_free) char *context = mem_printf("%s/%s", a->workspace, name);
    AUTO(mem_free) char *sealed = seal(&a->seal, context, plain);
    explicit_bzero(plain, strlen(plain));
    id_new(id);
    struct store_credential c = {have == 0 ? old->id : id, a->workspace, name, type, sealed, now, now};
    int rc = store_begin(a->store, err) < 0
                 ? -1
                 : finish(a, (have == 0 ? store_credential_put : store_credential_add)(a->store, &c, err), err);
    free(old);
    if (rc == 0)
        printf("credentials '%s' are %s, encrypted\n", name, have == 0 ? "replaced" : "kept");
    return rc;
}

static int credential_list(struct admin *a, struct err *err)
{
    struct store_page all = {.workspace = a->workspace, .sort = "name", .max = -1};

    return store_credentials(a->reader, &all, print_credential, NULL, err);
}

static int credential_rotate(struct admin *a, struct err *err)
{
    if (sealed_rotate(&a->seal, a->store, a->key_file, err) < 0)
        return -1;
    printf("everything is sealed with a new key, in %s\n", a->key_file);
    return 0;
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
    static const struct verb verbs[] = {{"add", 2, 60, true, credential_add},
                                        {"list", 0, 0, false, credential_list},
                                        {"remove", 1, 1, false, credential_remove},
                                        {"rotate", 0, 0, false, credential_rotate},
                                        {0}};

    return admin_run("credential", verbs, argc, argv);
}

/* ---- Templates ---- */

/* It is kept as it is: Assemblies may add to it, and the next version may know more. */
static void try_template(const json_t *content)
{
    AUTO(instructions_free) struct instructions *in = NULL;
    json_t *steps = json_object_get(content, "steps");
    const char *bad_step;
    struct err err;

    if (json_object_size(steps) && instructions_parse(&in, steps, &bad_step, &err) < 0)
        fprintf(stderr, "workcell: by itself it would not run: %s%s%s\n", err.msg, bad_step ? " - step " : "",
                bad_step ? bad_step : "");
}

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
    if (rc == 0) {
        printf("%s\t%s\n", t.id, t.name);
        try_template(content);
    }
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

static int template_create_one(struct admin *a, struct err *err) { return template_put(a, true, err); }
static int template_update_one(struct admin *a, struct err *err) { return template_put(a, false, err); }

static int template_list(struct admin *a, struct err *err)
{
    struct store_page all = {
        .workspace = a->workspace, .sort = "name", .from_us = INT64_MIN, .to_us = INT64_MAX, .max = -1};

    return store_templates(a->reader, &all, print_template, NULL, err);
}

int command_template(int argc, char **argv)
{
    static const struct verb verbs[] = {{"create", 2, 2, true, template_create_one},
                                        {"update", 2, 2, false, template_update_one},
                                        {"list", 0, 0, false, template_list},
                                        {"get", 1, 1, false, template_print},
                                        {"delete", 1, 1, false, template_remove},
                                        {0}};

    return admin_run("template", verbs, argc, argv);
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
    int rc = finish(
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

static int key_list(struct admin *a, struct err *err) { return store_keys(a->store, print_key, a, err); }

int command_key(int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"add", 0, 60, true, key_add}, {"list", 0, 0, false, key_list}, {"delete", 1, 1, false, key_delete}, {0}};

    return admin_run("key", verbs, argc, argv);
}
