/* Commands on a data directory: what they share. */
#include "admin.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/near.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

extern char **environ;

int admin_fail(const struct err *err)
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
        admin_fail(err);
        fprintf(stderr,
                "workcell: while it runs, use its API (/templates, /template_credentials, /auth_keys), or stop it "
                "for this command\n");
        return -1;
    }
    if (store_open(&a->store, db, err) < 0 || store_reader_open(&a->reader, db, err) < 0 ||
        sealed_open(&a->seal, a->store, a->key_file, err) < 0 || choose_workspace(a, creates, err) < 0)
        return admin_fail(err), -1;
    return 0;
}

int admin_run(const char *command, const struct verb *verbs, int argc, char **argv)
{
    AUTO(admin_done) struct admin a = {.lock_fd = -1, .arena = arena_new()};
    const struct verb *v = verbs;
    struct err err = {0};

    if (sort_words(&a, argc, argv, &err) < 0)
        return admin_fail(&err), EXIT_USAGE;
    while (v->name && (!a.count || strcmp(v->name, a.words[0])))
        v++;
    if (!v->name || a.count - 1 < v->least || a.count - 1 > v->most)
        return wrong_verb(command, verbs, &a);
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", a.config.data);
    if (!v->creates && look_for_data(&a, db, &err) < 0)
        return admin_fail(&err), EXIT_USAGE;
    if (open_data(&a, v->creates, &err) < 0)
        return EXIT_FAILED;
    int rc = v->run(&a, &err);
    return rc < 0 ? admin_fail(&err) : rc;
}

int admin_finish(struct admin *a, int rc, struct err *err)
{
    if (rc == 0)
        return store_commit(a->store, err);
    store_rollback(a->store);
    return -1;
}
