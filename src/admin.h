/* admin.h - what the commands on a data directory share: words sorted, the directory opened, one verb run. */
#pragma once
#include "base/arena.h"
#include "commands.h"
#include "config.h"
#include "store/sealed.h"
#include "store/store.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

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

/* One thing that a command can do. */
struct verb {
    const char *name;
    int least, most; /* words after the verb */
    bool creates;    /* puts something in, into a new data directory if need be; all others want one that is there */
    int (*run)(struct admin *a, struct err *err); /* the exit code; -1: err, which is said, and 1 */
};

/* Returns the exit code. verbs: with an empty one at the end. */
int admin_run(const char *command, const struct verb *verbs, int argc, char **argv);
/* The content of the Template of that name or id. The caller unrefs; NULL: err. admin_templates.c */
json_t *admin_template(struct admin *a, const char *name, struct err *err) MUST_CHECK;
int admin_fail(const struct err *err); /* says so, and is 1 */
/* Commits what a put of this transaction gave, or takes it back. */
int admin_finish(struct admin *a, int rc, struct err *err);
