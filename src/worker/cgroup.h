/* cgroup.h - a control group for each cell, where one is delegated to the server (systemd: Delegate=memory pids; or the
 * setting cgroup). It makes the limits for all processes of a job together the kernel's own, to the byte, and gives a
 * second way to end them all. Never required: init.h watches the same sums. Version 2 only. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the daemon, once, before the zygotes: the directory below which cells get theirs. wish: "": the server's own
 * group, if it is marked as delegated; "off"; or a directory. The daemon itself moves to a group beside them; what an
 * earlier daemon left there is killed. *out is the caller's, NULL: there is none, and note (a buffer) says why. Errors:
 * ERR_CONFIG: a directory was named and can't be used. */
MUST_CHECK int cgroup_open(char **out, char *note, size_t size, const char *wish, struct err *err);

/* In a cell's init: into a new group of this number, with these limits where the controllers are there. */
MUST_CHECK int cgroup_enter(const char *base, int64_t worker, int64_t memory_bytes, int processes, struct err *err);
/* In the zygote: end everything in it. */
void cgroup_kill(const char *base, int64_t worker);
/* In the zygote, when all its processes are reaped. Did the kernel end one because of memory? */
bool cgroup_remove(const char *base, int64_t worker);
