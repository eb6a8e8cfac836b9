/* `workcell credential`: credentials of other services. */
#include "admin.h"
#include "api/credential_trial.h"
#include "assembly/credentials.h"
#include "base/clock.h"
#include "base/id.h"
#include "job_settings.h"
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

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
                 : admin_finish(a, (have == 0 ? store_credential_put : store_credential_add)(a->store, &c, err), err);
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
    int rc = admin_finish(a, store_credential_del(a->store, a->workspace, c->id, err), err);
    free(c);
    return rc;
}

static int stored_content(json_t **out, struct admin *a, const struct store_credential *c, struct err *err)
{
    AUTO(mem_free) char *context = mem_printf("%s/%s", a->workspace, c->name);
    AUTO(mem_free) char *plain = NULL;

    if (unseal(&plain, &a->seal, context, c->sealed, err) < 0)
        return -1;
    *out = json_reads(plain);
    explicit_bzero(plain, strlen(plain));
    return 0;
}

static int try_stored(struct admin *a, const struct store_credential *c, struct err *err)
{
    AUTO(json_unref) json_t *content = NULL, *found = NULL;
    AUTO(job_settings_done) struct job_settings told = {0};
    char programs[PATH_MAX];

    if (stored_content(&content, a, c, err) < 0 || job_settings_read(&told, &a->config, err) < 0 ||
        server_program_dir(programs, sizeof programs, err) < 0)
        return -1;
    AUTO(mem_free) char *renewed = mem_printf("%s/renewed", a->config.data);
    const struct credential_bench bench = {programs, a->config.jail_without, told.settings, told.keys, renewed,
                                           &a->seal};
    if (credential_try(&found, &bench, a->workspace, c->name, c->type, content, err) < 0)
        return -1;
    if (!jbool(found, "works", false)) {
        fprintf(stderr, "workcell: credentials '%s' do not work: %s: %s\n", c->name, jstr_or(found, "code", ""),
                jstr_or(found, "message", ""));
        return EXIT_FAILED;
    }
    printf("credentials '%s' work: %s (%lld ms)\n", c->name, jstr_or(found, "message", ""),
           (long long)jint(found, "duration_ms", 0));
    return 0;
}

static int credential_try_one(struct admin *a, struct err *err)
{
    struct store_credential *c = NULL;

    if (store_credential_get(&c, a->store, a->workspace, a->words[1], err) < 0)
        return err->code == ERR_NOT_FOUND ? err_set(err, ERR_CONFIG, "there are no credentials '%.100s'", a->words[1])
                                          : -1;
    int rc = try_stored(a, c, err);
    free(c);
    return rc;
}

int command_credential(int argc, char **argv)
{
    static const struct verb verbs[] = {{"add", 2, 60, true, credential_add},
                                        {"list", 0, 0, false, credential_list},
                                        {"remove", 1, 1, false, credential_remove},
                                        {"rotate", 0, 0, false, credential_rotate},
                                        {"test", 1, 1, false, credential_try_one},
                                        {0}};

    return admin_run("credential", verbs, argc, argv);
}
