#include "worker/jail.h"
#include "worker/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's kernel headers. */
#define ACCESS_TRUNCATE (1ULL << 14)
#define ACCESS_NET_BIND (1ULL << 0)
#define ACCESS_NET_CONNECT (1ULL << 1)
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)
struct ruleset {
    uint64_t fs, net, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                                                   \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FS_ALL ((1ULL << 13) - 1) /* every access of ABI 1 */

int jail_landlock_abi(void)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : abi;
}

uid_t jail_user(const struct jail_limits *limits, int64_t worker)
{
    if (geteuid() != 0)
        return geteuid();
    return limits->user ? limits->user + (uid_t)(worker % limits->users) : JAIL_NOBODY;
}

static int64_t bytes_of(int64_t column, const struct jail_limits *limits)
{
    return column == ROLE_JOB_MEMORY ? limits->memory_bytes : column;
}

int64_t jail_memory(const struct role *role, const struct jail_limits *limits)
{
    int64_t address = bytes_of(role->address_bytes, limits), data = bytes_of(role->data_bytes, limits);

    return role->together_bytes ? role->together_bytes : address && (!data || address < data) ? address : data;
}

static int allow_path(int ruleset, const char *path, uint64_t access, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open '%s' for the jail", path);
    if (fstat(fd, &st) < 0)
        return err_errno(err, "stat '%s'", path);
    if (!S_ISDIR(st.st_mode))
        access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                  LANDLOCK_ACCESS_FS_EXECUTE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_errno(err, "allow '%s' in the jail", path);
    return 0;
}

static int confine_files(const struct role *role, struct err *err)
{
    int abi = jail_landlock_abi();
    struct ruleset attr = {.fs = FS_ALL};
    size_t size = sizeof attr.fs;

    if (abi >= 2)
        attr.fs |= LANDLOCK_ACCESS_FS_REFER; /* handled and never allowed: no link out of in/ */
    if (abi >= 3)
        attr.fs |= ACCESS_TRUNCATE;
    if (abi >= 4 && !role->network) {
        attr.net = ACCESS_NET_BIND | ACCESS_NET_CONNECT;
        size = offsetof(struct ruleset, scoped);
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
        size = sizeof attr;
    }
    AUTO(fd_close) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_errno(err, "make a Landlock ruleset");
    for (const char *const *p = role->readable; *p; p++)
        if (allow_path(ruleset, *p, FS_READ | LANDLOCK_ACCESS_FS_EXECUTE, err) < 0)
            return -1;
    if (allow_path(ruleset, "/dev/null", FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE, err) < 0 ||
        allow_path(ruleset, "in", FS_READ, err) < 0)
        return -1;
    if (role->writes &&
        allow_path(ruleset, "out", FS_READ | FS_WRITE | (abi >= 3 ? ACCESS_TRUNCATE : 0), err) < 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_errno(err, "enter the Landlock domain");
    return 0;
}

static void limit(int what, int64_t value)
{
    struct rlimit r = {(rlim_t)value, (rlim_t)value};

    if (value > 0)
        setrlimit(what, &r);
}

static int become(uid_t user, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};

    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0))
        return err_errno(err, "become user %d", (int)user);
    /* in a user namespace of its own it would have them all */
    if (syscall(SYS_capset, &head, none) < 0)
        return err_errno(err, "drop capabilities");
    return 0;
}

int jail_enter(const struct role *role, const struct jail_limits *limits, uid_t user, int *listener, struct err *err)
{
    struct rlimit none = {0, 0};

    if (setpgid(0, 0) < 0)
        return err_errno(err, "make a process group");
    limit(RLIMIT_AS, bytes_of(role->address_bytes, limits));
    limit(RLIMIT_DATA, bytes_of(role->data_bytes, limits));
    limit(RLIMIT_FSIZE, limits->file_bytes);
    limit(RLIMIT_NOFILE, role->files);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_MSGQUEUE, &none);
    setrlimit(RLIMIT_MEMLOCK, &none);
    if (role->nice && nice(role->nice) == -1)
        errno = 0;
    if (become(user, err) < 0)
        return -1;
    if (limits->walls & (WALL_USER | WALL_USERNS))
        limit(RLIMIT_NPROC, role->processes); /* counted for this worker alone */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user, which clears it */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "no_new_privs");
    if (limits->walls & WALL_LANDLOCK && confine_files(role, err) < 0)
        return -1;
    return calls_confine(role, limits->walls & WALL_BROKER ? listener : NULL,
                         limits->connect_socket != NULL, err);
}
