#include "worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DAEMON "server"
#define CELL "cell-"

static int put(const char *dir, const char *file, const char *text)
{
    AUTO(mem_free) char *path = mem_printf("%s/%s", dir, file);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

/* The first line of FILE that begins with key; what follows it. NULL: none. The caller frees. */
static char *look_up(const char *file, const char *key)
{
    FILE *f = fopen(file, "re");
    char *line = NULL, *found = NULL;
    size_t size = 0;

    while (f && !found && getline(&line, &size, f) > 0)
        if (!strncmp(line, key, strlen(key)))
            found = mem_strdup(line + strlen(key));
    free(line);
    if (f)
        fclose(f);
    if (found)
        found[strcspn(found, "\n")] = 0;
    return found;
}

/* Where cgroup2 is mounted. */
static char *mount_point(void)
{
    FILE *f = fopen("/proc/self/mounts", "re");
    char device[256], where[1024], type[64], *found = NULL;

    while (f && !found && fscanf(f, "%255s %1023s %63s%*[^\n]", device, where, type) == 3)
        if (!strcmp(type, "cgroup2"))
            found = mem_strdup(where);
    if (f)
        fclose(f);
    return found;
}

static bool is_delegated(const char *dir)
{
    char value[2] = "";

    return (getxattr(dir, "user.delegate", value, 1) == 1 || getxattr(dir, "trusted.delegate", value, 1) == 1) &&
           *value == '1';
}

static char *own_group(void)
{
    AUTO(mem_free) char *mount = mount_point(), *path = look_up("/proc/self/cgroup", "0::");
    size_t n = path ? strlen(path) : 0;

    /* the server's own group from an earlier start */
    if (n > strlen("/" DAEMON) && !strcmp(path + n - strlen("/" DAEMON), "/" DAEMON))
        path[n - strlen("/" DAEMON)] = 0;
    return mount && path ? mem_printf("%s%s", mount, strcmp(path, "/") ? path : "") : NULL;
}

static void remove_left_behind(const char *base)
{
    DIR *d = opendir(base);

    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, CELL, strlen(CELL)))
            continue;
        AUTO(mem_free) char *dir = mem_printf("%s/%s", base, e->d_name);
        put(dir, "cgroup.kill", "1");
        for (int i = 0; i < 500 && rmdir(dir) < 0 && errno == EBUSY; i++)
            usleep(2000);
    }
    if (d)
        closedir(d);
}

int cgroup_open(char **out, char *note, size_t size, const char *wish, struct err *err)
{
    AUTO(mem_free) char *base = !*wish ? own_group() : mem_strdup(wish);
    bool named = *wish && strcmp(wish, "off");

    *out = NULL;
    if (!strcmp(wish, "off") || !base || (!named && !is_delegated(base))) {
        snprintf(note, size, "no cgroup is delegated");
        return 0;
    }
    AUTO(mem_free) char *own = mem_printf("%s/" DAEMON, base);
    remove_left_behind(base);
    if ((mkdir(own, 0755) < 0 && errno != EEXIST) || put(own, "cgroup.procs", "0") < 0) {
        if (named)
            return err_errno(err, "use the cgroup '%s'", base);
        snprintf(note, size, "the delegated cgroup can't be used: %s", strerror(errno));
        return 0;
    }
    /* refused where others live in the group itself, or the controllers are elsewhere: the rest is of use
     * all the same */
    bool memory = put(base, "cgroup.subtree_control", "+memory") == 0;
    bool pids = put(base, "cgroup.subtree_control", "+pids") == 0;
    snprintf(note, size, "cgroup%s%s", memory ? ", memory" : "", pids ? ", pids" : "");
    *out = take(base);
    return 0;
}

static char *dir_of(const char *base, int64_t worker) { return mem_printf("%s/" CELL "%" PRId64, base, worker); }

int cgroup_enter(const char *base, int64_t worker, int64_t memory_bytes, int processes, struct err *err)
{
    AUTO(mem_free) char *dir = dir_of(base, worker);
    char text[32];

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "make a cgroup");
    /* a file that is not there belongs to a controller that is not */
    snprintf(text, sizeof text, "%" PRId64, memory_bytes);
    (void)!put(dir, "memory.max", text);
    (void)!put(dir, "memory.swap.max", "0");
    (void)!put(dir, "memory.oom.group", "1");
    snprintf(text, sizeof text, "%d", processes + 1); /* and the init */
    (void)!put(dir, "pids.max", text);
    return put(dir, "cgroup.procs", "0") < 0 ? err_errno(err, "enter a cgroup") : 0;
}

void cgroup_kill(const char *base, int64_t worker)
{
    AUTO(mem_free) char *dir = dir_of(base, worker);

    (void)!put(dir, "cgroup.kill", "1");
}

bool cgroup_remove(const char *base, int64_t worker)
{
    AUTO(mem_free) char *dir = dir_of(base, worker);
    AUTO(mem_free) char *events = mem_printf("%s/memory.events", dir);
    AUTO(mem_free) char *killed = look_up(events, "oom_kill ");

    rmdir(dir);
    return killed && atoll(killed) > 0;
}
