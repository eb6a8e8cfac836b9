#include "worker/walls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID)

/* ---- the root ---- */

/* Make every directory above path (relative, below the current one). */
static int make_parents(char *path, struct err *err)
{
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int rc = mkdir(path, 0755);
        *slash = '/';
        if (rc < 0 && errno != EEXIST)
            return err_errno(err, "make the directories above '%s'", path);
    }
    return 0;
}

/* A copy of what lies at (at, from), mounted at to, below the current directory. */
static int bind_from(int at, const char *from, const char *to, uint64_t attrs, struct err *err)
{
    AUTO(fd_close) int tree = open_tree(at, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
                                                      (*from ? 0 : AT_EMPTY_PATH));
    struct mount_attr attr = {.attr_set = attrs};

    if (tree < 0)
        return err_errno(err, "take '%s' into the worker's root", to);
    if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ||
        move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(err, "mount '%s' in the worker's root", to);
    return 0;
}

static bool below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return !strncmp(path, dir, n) && (!path[n] || path[n] == '/');
}

/* One of the role's paths: a link that leads to a directory stays a link (/lib), a link to a file becomes the file
 * (/etc/resolv.conf). What is not there is left out. */
static int add_path(const char *path, struct err *err)
{
    AUTO(mem_free) char *to = mem_strdup(path + 1);
    char target[PATH_MAX];
    struct stat link, st;

    if (below(path, "/proc") || lstat(path, &link) < 0 || stat(path, &st) < 0)
        return 0;
    if (make_parents(to, err) < 0)
        return -1;
    if (S_ISLNK(link.st_mode) && S_ISDIR(st.st_mode)) {
        ssize_t n = readlink(path, target, sizeof target - 1);

        target[n < 0 ? 0 : n] = 0;
        return n < 0 || (symlink(target, to) < 0 && errno != EEXIST) ? err_errno(err, "link '%s'", path) : 0;
    }
    if (S_ISDIR(st.st_mode)) {
        if (mkdir(to, 0755) < 0 && errno != EEXIST)
            return err_errno(err, "make '%s' in the worker's root", path);
    } else {
        AUTO(fd_close) int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);

        if (fd < 0)
            return err_errno(err, "make '%s' in the worker's root", path);
    }
    return bind_from(AT_FDCWD, path, to, READ_ONLY | (S_ISCHR(st.st_mode) ? 0 : MOUNT_ATTR_NODEV), err);
}

static int add_dir(const char *dir, const char *name, int fd, uint64_t attrs, struct err *err)
{
    AUTO(mem_free) char *to = mem_printf("%s/%s", dir + 1, name);

    if (make_parents(to, err) < 0)
        return -1;
    if (mkdir(to, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "make '%s' in the worker's root", name);
    return bind_from(fd, "", to, attrs, err);
}

static int fill_root(const struct role *role, unsigned walls, const char *dir, int in, int out, struct err *err)
{
    const uint64_t data = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

    for (const char *const *p = role->readable; *p; p++)
        if (add_path(*p, err) < 0)
            return -1;
    if (add_path("/dev/null", err) < 0 || add_dir(dir, "in", in, data | MOUNT_ATTR_RDONLY, err) < 0 ||
        add_dir(dir, "out", out, data, err) < 0)
        return -1;
    if (mkdir("proc", 0555) < 0 && errno != EEXIST)
        return err_errno(err, "make /proc in the worker's root");
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, walls & WALL_LANDLOCK ? NULL : "subset=pid") <
        0)
        return err_errno(err, "mount /proc in the worker's root");
    return 0;
}

int walls_build_root(const struct role *role, unsigned walls, const char *dir, struct err *err)
{
    AUTO(mem_free) char *in_path = mem_printf("%s/in", dir), *out_path = mem_printf("%s/out", dir);
    AUTO(fd_close) int in = open(in_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO(fd_close) int out = open(out_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct mount_attr read_only = {.attr_set = READ_ONLY | MOUNT_ATTR_NODEV};

    if (in < 0 || out < 0)
        return err_errno(err, "open the worker's directory");
    /* nothing that happens here is seen outside */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("workcell", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=2k") < 0 || chdir(dir) < 0)
        return err_errno(err, "make a root for the worker");
    if (fill_root(role, walls, dir, in, out, err) < 0)
        return -1;
    if (mount_setattr(AT_FDCWD, ".", 0, &read_only, sizeof read_only) < 0 ||
        syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir(dir) < 0)
        return err_errno(err, "enter the worker's root");
    return 0;
}

/* ---- namespaces ---- */

int walls_clone_flags(const struct role *role, unsigned walls)
{
    return (walls & WALL_USERNS ? CLONE_NEWUSER : 0) | (walls & WALL_PID ? CLONE_NEWPID : 0) |
           (walls & WALL_IPC ? CLONE_NEWIPC : 0) | (walls & WALL_MOUNT ? CLONE_NEWNS : 0) |
           (walls & WALL_NET && !role->network ? CLONE_NEWNET : 0);
}

pid_t walls_clone(int flags)
{
    return (pid_t)syscall(SYS_clone, (unsigned long)(flags | SIGCHLD), NULL, NULL, NULL, 0);
}

static int write_file(const char *path, const char *text, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return err_errno(err, "write %s", path);
    return 0;
}

int walls_map_user(uid_t user, gid_t group, struct err *err)
{
    char users[64], groups[64];

    snprintf(users, sizeof users, "%u %u 1", user, user);
    snprintf(groups, sizeof groups, "%u %u 1", group, group);
    if (write_file("/proc/self/setgroups", "deny", err) < 0 || write_file("/proc/self/uid_map", users, err) < 0)
        return -1;
    return write_file("/proc/self/gid_map", groups, err);
}

/* ---- what there is ---- */

/* In a child with these walls: does everything that a cell does with them work? */
static int try_child(const struct role *role, const char *dir, unsigned walls, struct err *err)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    int status, p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    pid_t pid = walls_clone(walls_clone_flags(role, walls));
    if (pid == 0) {
        struct err why = {0};

        if ((walls & WALL_USERNS && walls_map_user(user, group, &why) < 0) ||
            (walls & WALL_MOUNT && walls_build_root(role, walls, dir, &why) < 0)) {
            (void)!write(p[1], why.msg, strlen(why.msg));
            _exit(1);
        }
        _exit(0);
    }
    int failed = errno;
    close(p[1]);
    char text[sizeof err->msg] = "";
    if (pid < 0)
        snprintf(text, sizeof text, "%s", strerror(failed));
    else
        (void)!read(p[0], text, sizeof text - 1);
    close(p[0]);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "%s", *text ? text : "it died");
}

static const struct {
    unsigned wall;
    const char *name, *text;
} names[] = {
    {WALL_USER, "user", "a user of its own for each worker"},
    {WALL_USERNS, "userns", "user namespaces"},
    {WALL_PID, "pid", "PID namespaces"},
    {WALL_IPC, "ipc", "IPC namespaces"},
    {WALL_NET, "net", "network namespaces"},
    {WALL_MOUNT, "mount", "a root of its own"},
    {WALL_LANDLOCK, "landlock", "Landlock"},
    {WALL_BROKER, "broker", "connections decided outside the worker"},
};

static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *s = list; s && *s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (!strncmp(s, name, n) && (s[n] == ',' || !s[n]))
            return true;
    return false;
}

/* The walls that this role needs on this machine, whether the kernel has them or not. */
static unsigned wanted(const struct role *role)
{
    return WALL_PID | WALL_IPC | WALL_MOUNT | WALL_LANDLOCK | (geteuid() == 0 ? WALL_USER : WALL_USERNS) |
           (role->network ? WALL_BROKER : WALL_NET);
}

static unsigned try_namespaces(const struct role *role, const char *dir, unsigned want, json_t *notes)
{
    static const unsigned kinds[] = {WALL_USERNS, WALL_PID, WALL_IPC, WALL_NET, WALL_MOUNT};
    unsigned have = 0;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!(want & kinds[i]))
            continue;
        if (try_child(role, dir, have | kinds[i], &err) == 0)
            have |= kinds[i];
        else if (notes)
            json_array_append_new(notes, jstring(err.msg));
    }
    return have;
}

static bool has_broker(void)
{
    uint32_t action = 0x7fc00000U; /* SECCOMP_RET_USER_NOTIF */

    return syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &action) == 0 &&
           (syscall(SYS_pidfd_getfd, -1, -1, 0) >= 0 || errno != ENOSYS);
}

unsigned walls_probe(bool *complete, const struct role *role, const struct walls_wish *wish, json_t *notes)
{
    AUTO(json_unref) json_t *why = json_array();
    unsigned want = wanted(role), try = want, have;
    int abi = jail_landlock_abi();
    json_t *reason;
    size_t i;

    for (i = 0; i < ARRAY_LEN(names); i++)
        if (listed(wish->without, names[i].name))
            try &= ~names[i].wall;
    have = try_namespaces(role, wish->dir, try, why) | (wish->own_users ? try & WALL_USER : 0);
    if (try & WALL_LANDLOCK && abi > 0)
        have |= WALL_LANDLOCK;
    if (try & WALL_BROKER && has_broker())
        have |= WALL_BROKER;
    for (i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free) char *text =
            names[i].wall == WALL_LANDLOCK && have & WALL_LANDLOCK
                ? mem_printf("Landlock ABI %d", abi)
                : mem_printf("%s%s", have & names[i].wall ? "" : "not here: ", names[i].text);
        if (want & names[i].wall)
            json_array_append_new(notes, json_string(text));
    }
    json_array_foreach (why, i, reason)
        json_array_append(notes, reason);
    *complete = have == want;
    return have;
}
