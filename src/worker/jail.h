/* jail.h - what a worker process may still do, applied by the worker itself before its first job; nothing of it can be
 * undone. The walls that its init builds around it first (namespaces, a small root) are in walls.h; who may be promised
 * what is in docs/security.md. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "robot/robot.h"

#include <sys/types.h>

/* One row of robot/roles.def, where the columns are explained. */
struct role {
    const char *name; /* "media" */
    bool network, writes;
    int64_t address_bytes, data_bytes, together_bytes;
    int files, processes, nice;
    const char *const *readable; /* system files and directories, NULL-terminated */
};
extern const struct role roles[ROLE_COUNT];

/* The mechanisms; a kernel, a container or an operator may lack some. */
enum wall {
    WALL_USER = 1 << 0,     /* a user of its own, which no other process of the machine has (root) */
    WALL_USERNS = 1 << 1,   /* not root: a user namespace */
    WALL_PID = 1 << 2,      /* sees, and outlives, nobody */
    WALL_IPC = 1 << 3,
    WALL_NET = 1 << 4,      /* roles without network: not even a loopback */
    WALL_MOUNT = 1 << 5,    /* a root with nothing but what the role reads, in/ and out/ */
    WALL_LANDLOCK = 1 << 6,
    WALL_BROKER = 1 << 7,   /* roles with network: connect() is decided outside (broker.h) */
};

struct jail_limits {
    int64_t memory_bytes;  /* of a job, where its role does not say otherwise */
    int64_t file_bytes;    /* largest file */
    int64_t scratch_bytes; /* all files together */
    uid_t user;            /* root: first of a range that no account has; 0: there is none */
    int users;             /* how many */
    const char *connect_allow; /* private networks that roles with network may reach: http/guard.h */
    const char
        *connect_socket;   /* the only local socket that they may reach: its path; NULL: none */
    const char *cgroup;    /* see cgroup.h; NULL: none */
    int places, places_most; /* the zygote's places_file() for all its cells, and how many at a host; -1: none */
    unsigned walls;        /* those that this machine has: walls_probe() */
};
#define JAIL_NOBODY 65534

/* What all processes of a worker of this role may hold together, in bytes; 0: any. */
int64_t jail_memory(const struct role *role, const struct jail_limits *limits);

/* The worker's user: its own where there is a range, else nobody; the caller's own when that is not root. */
uid_t jail_user(const struct jail_limits *limits, int64_t worker);

/* 0 when this kernel has no Landlock. */
int jail_landlock_abi(void);

/* The current directory is the worker's: in/ (readable) and out/ (writable), which belongs to user already.
 * Order: group, death signal, limits, user, capabilities, no_new_privs, Landlock, system calls. listener: see calls.h.
 * Errors: ERR_CONFIG, ERR_IO. */
MUST_CHECK int jail_enter(const struct role *role, const struct jail_limits *limits, uid_t user, int *listener,
                          struct err *err);
