#include "browser/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's kernel headers. */
#define TRUNCATE (1ULL << 14)
#define NET_ALL 3ULL    /* bind, connect: TCP */
#define SCOPE_ALL 3ULL  /* abstract sockets, signals */
struct browser_ruleset {
    uint64_t fs, net, scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE                                                                                                          \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |                      \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                    \
     LANDLOCK_ACCESS_FS_MAKE_REG)
#define FS_ALL ((1ULL << 13) - 1)

/* Neither the job's input nor its results, no certificates, no names of other machines. */
static const char *const readable[] = {"/usr",       "/lib",        "/lib64",    "/bin",
                                       "/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives",
                                       "/proc",      "/dev/urandom", "/var/cache/fontconfig",
                                       "/sys/devices/system/cpu", NULL};

/* A pair is made by socketpair(), which the worker's list has for local ones only. */
static const int refused[] = {SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),   SCMP_SYS(listen),
                              SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
                              SCMP_SYS(process_vm_writev), SCMP_SYS(io_uring_setup)};

static int fence_allow(int ruleset, const char *path, uint64_t access, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0) /* not there, or the worker may not look at it either */
        return 0;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "stat '%s'", path);
    if (!S_ISDIR(st.st_mode))
        access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_errno(err, "allow '%s' to the browser", path);
    return 0;
}

static int fence_files(int *out, const char *dir, struct err *err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct browser_ruleset attr = {.fs = FS_ALL};
    size_t size = sizeof attr.fs;
    uint64_t more = abi >= 3 ? TRUNCATE : 0;

    *out = -1;
    if (abi < 1)
        return 0;
    attr.fs |= more | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0);
    if (abi >= 4) {
        attr.net = NET_ALL;
        size = offsetof(struct browser_ruleset, scoped);
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ALL;
        size = sizeof attr;
    }
    AUTO(fd_close) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_errno(err, "make a Landlock ruleset for the browser");
    for (const char *const *p = readable; *p; p++)
        if (fence_allow(ruleset, *p, READ, err) < 0)
            return -1;
    if (fence_allow(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE, err) < 0 ||
        fence_allow(ruleset, dir, WRITE | more, err) < 0)
        return -1;
    *out = take_fd(ruleset);
    return 0;
}

static int fence_calls(struct sock_fprog *out, struct err *err)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW); /* the worker's own list stays in force below it */
    AUTO(fd_close) int file = memfd_create("filter", MFD_CLOEXEC);
    int rc = f && file >= 0 ? 0 : -ENOMEM;
    off_t size = 0;

    for (size_t i = 0; !rc && i < ARRAY_LEN(refused); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    if (!rc)
        rc = seccomp_export_bpf(f, file);
    if (f)
        seccomp_release(f);
    if (rc || (size = lseek(file, 0, SEEK_END)) <= 0)
        return err_set(err, ERR_CONFIG, "seccomp for the browser: %s", strerror(-rc));
    out->len = (unsigned short)((size_t)size / sizeof *out->filter);
    out->filter = mem_alloc((size_t)size);
    if (pread(file, out->filter, (size_t)size, 0) != size)
        return err_errno(err, "read the filter for the browser");
    return 0;
}

int fence_prepare(struct fence *c, const char *dir, struct err *err)
{
    *c = (struct fence){.ruleset = -1};
    return fence_calls(&c->filter, err) < 0 || fence_files(&c->ruleset, dir, err) < 0 ? -1 : 0;
}

bool fence_enter(const struct fence *c)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return false;
    if (c->ruleset >= 0 && syscall(SYS_landlock_restrict_self, c->ruleset, 0) < 0)
        return false;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &c->filter) == 0;
}

void fence_done(struct fence c)
{
    free(c.filter.filter);
    fd_close(c.ruleset);
}
