#include "worker/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NOBODY 65534

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

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

json_t *jail_probe(bool *complete)
{
    int abi = landlock_abi();
    json_t *notes = json_array();
    char text[100];

    *complete = abi >= 1;
    snprintf(text, sizeof text, abi >= 1 ? "Landlock ABI %d" : "no Landlock in this kernel", abi);
    json_array_append_new(notes, json_string(text));
    json_array_append_new(notes, json_string("seccomp"));
    if (geteuid() == 0)
        json_array_append_new(notes, json_string("workers run as nobody"));
    else
        json_array_append_new(notes, json_string("workers run as the server's user"));
    return notes;
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

static int confine_files(const struct role *role, bool require, struct err *err)
{
    int abi = landlock_abi();
    struct ruleset attr = {.fs = FS_ALL};
    size_t size = sizeof attr.fs;

    if (abi < 1)
        return require ? err_set(err, ERR_CONFIG, "this kernel has no Landlock (--require-jail)") : 0;
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
        allow_path(ruleset, "in", FS_READ, err) < 0 ||
        allow_path(ruleset, "out",
                   FS_READ | FS_WRITE | (abi >= 3 ? ACCESS_TRUNCATE : 0), err) < 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_errno(err, "enter the Landlock domain");
    return 0;
}

/* Calls that nothing in a worker needs and that an intruder would want. EPERM rather than a kill: tools
 * probe for features. Signals are for the pool alone, and a process that left its group would outlive
 * the kill of the group. */
static const int denied[] = {
    SCMP_SYS(ptrace),       SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(kill),         SCMP_SYS(tkill),            SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(pidfd_getfd),  SCMP_SYS(rt_sigqueueinfo),  SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(setpgid),      SCMP_SYS(setsid),           SCMP_SYS(mount),
    SCMP_SYS(umount2),      SCMP_SYS(pivot_root),       SCMP_SYS(chroot),
    SCMP_SYS(unshare),      SCMP_SYS(setns),            SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open), SCMP_SYS(keyctl),        SCMP_SYS(add_key),
    SCMP_SYS(request_key),  SCMP_SYS(init_module),      SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(kexec_load),      SCMP_SYS(reboot),
    SCMP_SYS(swapon),       SCMP_SYS(swapoff),          SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
    SCMP_SYS(chmod),        SCMP_SYS(fchmodat),         SCMP_SYS(chown),
    SCMP_SYS(lchown),       SCMP_SYS(fchownat),         SCMP_SYS(truncate),
    SCMP_SYS(setxattr),     SCMP_SYS(lsetxattr),        SCMP_SYS(mknod),
    SCMP_SYS(mknodat),      SCMP_SYS(symlink),          SCMP_SYS(symlinkat),
    SCMP_SYS(link),         SCMP_SYS(linkat),           SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at), SCMP_SYS(quotactl),    SCMP_SYS(acct),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),    SCMP_SYS(sethostname),
    SCMP_SYS(iopl),         SCMP_SYS(ioperm),           SCMP_SYS(syslog),
    SCMP_SYS(fanotify_init), SCMP_SYS(move_mount),      SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),       SCMP_SYS(fsmount),
};

static int confine_calls(const struct role *role, struct err *err)
{
    static const int no_network[] = {SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
                                     SCMP_SYS(listen), SCMP_SYS(accept),  SCMP_SYS(accept4)};
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int rc = f ? 0 : -1;

    for (size_t i = 0; !rc && i < ARRAY_LEN(denied); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
    for (size_t i = 0; !rc && !role->network && i < ARRAY_LEN(no_network); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), no_network[i], 0);
    if (!rc && role->network) {
        /* internet sockets, and the ones the resolver needs; nothing else */
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bind), 0);
        if (!rc)
            rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(listen), 0);
        if (!rc)
            rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_GT, 16 /* AF_NETLINK */));
    }
    /* no new user or other namespaces by clone() either; clone3 hides its flags, and glibc falls back */
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, 0x10000000, 0x10000000));
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (!rc)
        rc = seccomp_load(f);
    if (f)
        seccomp_release(f);
    return rc ? err_set(err, ERR_CONFIG, "seccomp: %s", strerror(-rc)) : 0;
}

static void limit(int what, int64_t value)
{
    struct rlimit r = {(rlim_t)value, (rlim_t)value};

    if (value > 0)
        setrlimit(what, &r);
}

int jail_enter(const struct role *role, const char *dir, const struct jail_limits *limits,
               struct err *err)
{
    if (setpgid(0, 0) < 0)
        return err_errno(err, "make a process group");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_AS, role->memory_bytes ? role->memory_bytes : limits->memory_bytes);
    limit(RLIMIT_FSIZE, limits->file_bytes);
    limit(RLIMIT_NOFILE, role->files);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (role->nice && nice(role->nice) == -1)
        errno = 0;
    if (chdir(dir) < 0)
        return err_errno(err, "enter '%s'", dir);
    if (geteuid() == 0) {
        /* the directory stays reachable as the current one, whatever lies above it */
        if (chown("out", NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
            return err_errno(err, "become nobody");
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* cleared by the change of user */
        limit(RLIMIT_NPROC, 4096); /* counts all of nobody's processes, other workers' too */
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "no_new_privs");
    if (confine_files(role, limits->require, err) < 0)
        return -1;
    return confine_calls(role, err);
}
