/* `workcell ssh-key`: the key that logs in at SFTP servers, and the servers that a workspace knows.
 */
#include "admin.h"
#include "base/clock.h"
#include "data_dir.h"
#include "ssh_key.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

#define FILE_MOST 65536

static void print_host(void *ctx, const char *host, int port, const char *key, int64_t seen_us)
{
    char when[25];

    (void)ctx;
    date_format_iso(when, seen_us);
    printf("%s\t%d\t%s\t%s\n", host, port, when, key);
}

static int ssh_hosts(struct admin *a, struct err *err)
{
    return store_hosts(a->store, a->workspace, print_host, NULL, err);
}

static int ssh_forget(struct admin *a, struct err *err)
{
    AUTO(mem_free) char *host = mem_strdup(a->words[1]);
    int port = a->count > 2 ? atoi(a->words[2]) : 22;

    for (char *p = host; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (store_begin(a->store, err) < 0)
        return -1;
    return admin_finish(a, store_host_del(a->store, a->workspace, host, port, err), err);
}

static const struct verb verbs[] = {
    {"hosts", 0, 0, false, ssh_hosts}, {"forget", 1, 2, false, ssh_forget}, {0}};

static char *given_key(const char *path, struct err *err)
{
    AUTO(mem_free) char *text = mem_zalloc(FILE_MOST + 1);
    FILE *f = fopen(path, "re");

    if (!f) {
        err_errno(err, "open '%s'", path);
        return NULL;
    }
    size_t n = fread(text, 1, FILE_MOST, f);
    fclose(f);
    text[n] = 0;
    return take(text);
}

static int print_public(const struct config *c, struct err *err)
{
    AUTO(mem_free) char *key = NULL, *line = NULL;

    if (*c->sftp_key && !(key = given_key(c->sftp_key, err)))
        return -1;
    if (!*c->sftp_key && (data_dir_open(c->data, err) < 0 || ssh_key_load(&key, c->data, err) < 0))
        return -1;
    int rc = ssh_key_public(&line, key, err);
    OPENSSL_cleanse(key, strlen(key));
    if (rc < 0 && *c->sftp_key)
        return err_set(err, ERR_CONFIG,
                       "sftp_key: '%s' is not in OpenSSH's form; `ssh-keygen -y -f FILE` prints "
                       "its public half",
                       c->sftp_key);
    if (rc == 0)
        printf("%s workcell\n", line);
    return rc;
}

int command_ssh_key(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct config c;
    struct err err;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            return admin_run("ssh-key", verbs, argc, argv);
        i += config_flag_takes_value(argv[i]) || !strcmp(argv[i], "--workspace");
    }
    if (config_load(&c, a, argc, argv, environ, &err) < 0)
        return admin_fail(&err), EXIT_USAGE;
    return print_public(&c, &err) < 0 ? admin_fail(&err) : 0;
}
