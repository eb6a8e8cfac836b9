/* walls.h - the kernel's own walls around one worker: namespaces and a root of its own. They are built by the init of
 * its cell (init.h), before the worker exists, so nothing of the worker's can be in the way. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "worker/jail.h"

struct walls_wish {
    const char *dir;     /* has in/ and out/: the root is tried on it */
    const char *without; /* names of walls, comma-separated, that are done without (for tests) */
    bool own_users;      /* there is a range of users for the workers */
};

/* Which enum wall does this machine have, for this process and role? Each is tried, in a child. *complete: none that
 * this role wants is missing. notes: an array; a text for people about each is added. */
unsigned walls_probe(bool *complete, const struct role *role, const struct walls_wish *wish, json_t *notes);

/* Flags for clone() */
int walls_clone_flags(const struct role *role, unsigned walls);
/* fork() with these flags. The child's C library does not know its own thread number: fork again before
 * relying on it. */
pid_t walls_clone(int flags);

/* In the child, for WALL_USERNS: its user and group inside are the caller's outside. */
MUST_CHECK int walls_map_user(uid_t user, gid_t group, struct err *err);
/* In the child, for WALL_MOUNT: the new root has the role's paths (read-only), in/ (read-only) and out/ of dir at the
 * same path as outside, /proc of this PID namespace (without Landlock its processes only), and nothing else. dir is
 * absolute, without links. Afterwards the current directory is dir. */
MUST_CHECK int walls_build_root(const struct role *role, unsigned walls, const char *dir, struct err *err);
