/* Commands that need no running server. */
#include "base/id.h"
#include "base/log.h"
#include "base/secret.h"
#include "commands.h"
#include "config.h"
#include "robot/robot.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

extern char **environ;

static int fail(const struct err *err)
{
    fprintf(stderr, "workcell: %s\n", err->msg);
    return 1;
}

static int print_credential(void *ctx, const char *name, const char *type)
{
    (void)ctx;
    printf("%s\t%s\n", name, type);
    return 0;
}

/* What each type must hold (api-resources.md); only types that a Robot here can use. */
static const struct {
    const char *type, *required;
} types[] = {{"s3", "bucket key secret"}};

static int check_type(const char *type, const json_t *content, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO(mem_free) char *names = mem_strdup(types[i].required);
        char *rest = names, *name;

        if (strcmp(type, types[i].type))
            continue;
        while ((name = strsep(&rest, " ")))
            if (!jstr(content, name) || !*jstr(content, name))
                return err_set(err, ERR_CONFIG, "credentials of type %s need %s=VALUE", type, name);
        return 0;
    }
    return err_set(err, ERR_CONFIG, "unknown type of credentials '%s' (there is: s3)", type);
}

static int add(struct store *store, const char *workspace, const struct seal_key *key, int argc, char **argv,
               struct err *err)
{
    AUTO(json_unref) json_t *content = json_object();
    const char *name = argv[0], *type = argc > 1 ? argv[1] : "";

    for (int i = 2; i < argc; i++) {
        char *eq = strchr(argv[i], '=');

        if (!eq || eq == argv[i])
            return err_set(err, ERR_CONFIG, "'%s' is not KEY=VALUE", argv[i]);
        *eq = 0;
        jset(content, argv[i], eq + 1);
    }
    if (check_type(type, content, err) < 0)
        return -1;
    AUTO(mem_free) char *plain = json_text(content);
    AUTO(mem_free) char *context = mem_printf("%s/%s", workspace, name);
    AUTO(mem_free) char *sealed = seal(key, context, plain);
    if (store_begin(store, err) < 0 || store_setting_put(store, "workspace", workspace, err) < 0 ||
        store_credential_put(store, workspace, name, type, sealed, err) < 0 || store_commit(store, err) < 0)
        return -1;
    printf("credentials '%s' are kept, encrypted\n", name);
    return 0;
}

int command_credential(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(store_close) struct store *store = NULL;
    struct config c;
    struct seal_key key;
    struct err err;
    char *flags[64] = {argv[0]}, *words[64];
    int nf = 1, nw = 0, rc = -1;

    /* settings (--data DIR) may stand anywhere */
    for (int i = 1; i < argc && i < 60; i++) {
        if (strncmp(argv[i], "--", 2)) {
            words[nw++] = argv[i];
        } else {
            flags[nf++] = argv[i];
            if (config_flag_takes_value(argv[i]) && i + 1 < argc)
                flags[nf++] = argv[++i];
        }
    }
    if (config_load(&c, a, nf, flags, environ, &err) < 0)
        return fail(&err);
    if (!nw) {
        fputs("usage: workcell credential add NAME TYPE KEY=VALUE... | list | remove NAME  [--data DIR]\n", stderr);
        return 2;
    }
    AUTO(mem_free) char *db = mem_printf("%s/workcell.db", c.data);
    AUTO(mem_free) char *key_file = mem_printf("%s/credentials.key", c.data);
    mkdir(c.data, 0711);
    if (store_open(&store, db, &err) < 0 || seal_key_load(&key, key_file, &err) < 0)
        return fail(&err);
    AUTO(mem_free) char *workspace = store_setting_get(store, "workspace");
    if (!workspace) { /* before the server's first start */
        workspace = mem_alloc(ID_LEN + 1);
        id_new(workspace);
    }
    if (!strcmp(words[0], "add") && nw >= 3)
        rc = add(store, workspace, &key, nw - 1, words + 1, &err);
    else if (!strcmp(words[0], "list"))
        rc = store_credentials(store, workspace, print_credential, NULL, &err);
    else if (!strcmp(words[0], "remove") && nw == 2)
        rc = store_begin(store, &err) < 0 || store_credential_del(store, workspace, words[1], &err) < 0 ||
                     store_commit(store, &err) < 0
                 ? -1
                 : 0;
    else
        err_set(&err, ERR_CONFIG, "credential: add NAME TYPE KEY=VALUE..., list, or remove NAME");
    return rc < 0 ? fail(&err) : 0;
}

int command_robots(void)
{
    for (const struct robot *const *r = robot_table; *r; r++) {
        printf("## %s\n\n%s.\n\n", (*r)->name, (*r)->summary);
        for (const struct option *o = (*r)->options; o->type != OPT_TYPE_END; o++) {
            if (o->unsupported)
                continue;
            printf("- `%s`%s%s%s", o->name, o->required ? " (required)" : "", o->unit ? " in " : "",
                   o->unit ? o->unit : "");
            if (o->min != 0 || o->max != 0)
                printf(", %.10g to %.10g", o->min, o->max);
            for (const struct opt_choice *ch = o->choices; ch && ch->name; ch++)
                printf("%s\"%s\"", ch == o->choices ? ", one of " : ", ", ch->name);
            printf("%s%s\n", o->help ? ": " : "", o->help ? o->help : "");
        }
        puts("");
    }
    return 0;
}
