/* jail.h - what a worker process may still do (design.md section 7). Applied once, by the worker itself,
 * before its first job; nothing of it can be undone. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "robot/robot.h"

/* One row of roles.c. */
struct role {
    const char *name;      /* "media" */
    bool network;          /* may make sockets */
    int64_t memory_bytes;  /* address space; 0: the configured value */
    int files;             /* open descriptors */
    int processes;         /* of the user; only below root */
    int nice;              /* the daemon answers first */
    const char *const *readable; /* system directories, NULL-terminated */
};
extern const struct role roles[]; /* by enum robot_role */

struct jail_limits {
    int64_t memory_bytes, file_bytes;
    int cpu_s; /* 0: none */
    bool require; /* fail rather than go on without a mechanism */
};

/* What this kernel has, as notes for people ("Landlock ABI 7"), and whether anything is missing. */
json_t *jail_probe(bool *complete);

/* dir: the worker's directory with in/ (readable) and out/ (writable); becomes the current directory.
 * Order: group, death signal, limits, directory, user (below root), no_new_privs, Landlock, seccomp. */
MUST_CHECK int jail_enter(const struct role *role, const char *dir, const struct jail_limits *limits,
                          struct err *err);
