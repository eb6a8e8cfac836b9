#include "worker/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NONE 0u
#define ALL ((1u << ROLE_COUNT) - 1)
#define SCRIPTS (1u << ROLE_SCRIPT)
#define FILES (ALL & ~SCRIPTS)
#define EXEC (1u << ROLE_MEDIA | 1u << ROLE_TRANSFER | 1u << ROLE_BROWSER)
#define BROWSERS (1u << ROLE_BROWSER)
#define NETWORK (1u << ROLE_TRANSFER | 1u << ROLE_BROWSER)

#define SOCKET_TYPE 0xf        /* of what socket() is asked for; above it are flags */
#define PR_SET_VMA_ 0x53564d41 /* newer than Debian 12's headers */

static const struct call {
    int nr;
    unsigned roles;
} calls[] = {
#define X(name, who) {SCMP_SYS(name), who},
#include "worker/calls.def"
#undef X
};

/* Allowed when one argument says so. A row matches if (argument & mask) == value. */
static const struct conditional {
    int nr;
    unsigned roles, arg;
    uint64_t mask, value;
} conditionals[] = {
    /* a thread or a plain child, never a namespace (0x7e020080: all of them) */
    {SCMP_SYS(clone), ALL, 0,
     CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
         0x80 /* CLONE_NEWTIME */,
     0},
    /* its own limits, which it can only lower; not another process's */
    {SCMP_SYS(prlimit64), ALL, 0, UINT32_MAX, 0},
    /* no leases, no signals for somebody else */
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_DUPFD},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_DUPFD_CLOEXEC},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_GETFD},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_SETFD},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_GETFL},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_SETFL},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_GETLK},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_SETLK},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_SETLKW},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_ADD_SEALS},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_GET_SEALS},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_SETPIPE_SZ},
    {SCMP_SYS(fcntl), ALL, 1, UINT32_MAX, F_GETPIPE_SZ},
    /* no terminals, no files of other kinds than plain ones */
    {SCMP_SYS(ioctl), ALL, 1, UINT32_MAX, FIONBIO},
    {SCMP_SYS(ioctl), ALL, 1, UINT32_MAX, FIONREAD},
    {SCMP_SYS(ioctl), ALL, 1, UINT32_MAX, FIOCLEX},
    {SCMP_SYS(ioctl), ALL, 1, UINT32_MAX, FIONCLEX},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_SET_NAME},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_GET_NAME},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_GET_DUMPABLE},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_GET_SECCOMP},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_SET_VMA_},
    {SCMP_SYS(prctl), ALL, 0, UINT32_MAX, PR_CAPBSET_READ},
    /* the child that evaluates lays a list of its own over this one, which can only take away */
    {SCMP_SYS(prctl), SCRIPTS, 0, UINT32_MAX, PR_SET_SECCOMP},
    /* so does the browser, and a Landlock domain (calls.def) */
    {SCMP_SYS(prctl), BROWSERS, 0, UINT32_MAX, PR_SET_SECCOMP},
    /* internet sockets and what the resolver asks about addresses; no local sockets */
    {SCMP_SYS(socket), NETWORK, 0, UINT32_MAX, AF_INET},
    {SCMP_SYS(socket), NETWORK, 0, UINT32_MAX, AF_INET6},
    {SCMP_SYS(socket), NETWORK, 0, UINT32_MAX, AF_NETLINK},
    /* libcurl wakes its resolver through a pair */
    {SCMP_SYS(socketpair), NETWORK, 0, UINT32_MAX, AF_UNIX},
    /* to where the socket is connected, nowhere else */
    {SCMP_SYS(sendto), ALL, 4, UINT64_MAX, 0},
};

/* Refused as if the kernel did not have them: libc then takes an older way. clone3 hides its flags in memory. */
static const int unknown[] = {SCMP_SYS(clone3)};

static bool has(const struct role *role, unsigned who)
{
    return who & 1u << (unsigned)(role - roles);
}

bool calls_listed(const struct role *role, int call)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i].nr == call)
            return has(role, calls[i].roles);
    for (size_t i = 0; i < ARRAY_LEN(conditionals); i++)
        if (conditionals[i].nr == call && has(role, conditionals[i].roles))
            return true;
    return (call == SCMP_SYS(connect) && role->network) || (call == SCMP_SYS(setpriority) && has(role, EXEC));
}

/* Of local sockets only those that say nothing to anybody before they are connected, which is
 * decided outside. */
static int allow_local_streams(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                            SCMP_CMP(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX),
                            SCMP_CMP(1, SCMP_CMP_MASKED_EQ, SOCKET_TYPE, SOCK_STREAM));
}

/* A program's own priority, which it can only worsen, and nobody else's. */
static int allow_own_priority(scmp_filter_ctx f)
{
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 2,
                            SCMP_CMP(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, PRIO_PROCESS),
                            SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, 0));
}

static int add_rules(scmp_filter_ctx f, const struct role *role, int connects)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < ARRAY_LEN(calls); i++)
        if (has(role, calls[i].roles))
            rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i].nr, 0);
    for (size_t i = 0; !rc && i < ARRAY_LEN(conditionals); i++) {
        const struct conditional *c = &conditionals[i];

        if (has(role, c->roles))
            rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, c->nr, 1,
                                  SCMP_CMP(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value));
    }
    for (size_t i = 0; !rc && i < ARRAY_LEN(unknown); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), unknown[i], 0);
    if (!rc && has(role, EXEC))
        rc = allow_own_priority(f);
    if (!rc && connects)
        rc = seccomp_rule_add(f, (uint32_t)connects, SCMP_SYS(connect), 0);
    return rc;
}

int calls_confine(const struct role *role, int *listener, bool local, struct err *err)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    uint32_t connects = !role->network ? 0 : listener ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW;
    int rc = f ? add_rules(f, role, (int)connects) : -ENOMEM;

    if (!rc && local && listener && role->network)
        rc = allow_local_streams(f);
    if (listener)
        *listener = -1;
    if (!rc)
        rc = seccomp_load(f);
    if (!rc && listener && role->network) {
        *listener = seccomp_notify_fd(f);
        if (*listener < 0)
            rc = *listener;
    }
    if (f)
        seccomp_release(f);
    return rc ? err_set(err, ERR_CONFIG, "seccomp: %s", strerror(-rc)) : 0;
}
