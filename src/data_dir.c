#include "data_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(uid_t user) { return user == geteuid() || user == 0; }

/* Each directory above path, and path itself: a link is followed only if it is ours or root's. */
static int check_links(const char *path, struct err *err)
{
    AUTO(mem_free) char *part = mem_strdup(path);
    struct stat st;

    for (char *end = part + (*part == '/'); end; end = *end ? end : NULL) {
        end += strcspn(end, "/");
        char was = *end;
        *end = 0;
        if (*part && lstat(part, &st) == 0 && S_ISLNK(st.st_mode) && !is_ours(st.st_uid))
            return err_set(err, ERR_CONFIG, "'%s' is a link of another user (%u); it leads to the data directory", part,
                           (unsigned)st.st_uid);
        *end = was;
        end += strspn(end, "/");
    }
    return 0;
}

static int check_directory(const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_errno(err, "look at '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_CONFIG, "'%s' is no directory", path);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_CONFIG, "'%s' belongs to user %u, not to the server's user %u", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & S_IWOTH)
        return err_set(err, ERR_CONFIG, "'%s' is writable by everybody (chmod o-w)", path);
    return 0;
}

int data_dir_open(const char *dir, struct err *err)
{
    static const char *const below[] = {"blobs", "uploads", "scratch", "renewed"};

    if (check_links(dir, err) < 0)
        return -1;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_errno(err, "make the data directory '%s'", dir);
    if (check_directory(dir, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", dir, below[i]);
        struct stat st;

        if (lstat(path, &st) == 0 && !is_ours(st.st_uid))
            return err_set(err, ERR_CONFIG, "'%s' belongs to user %u", path, (unsigned)st.st_uid);
        if (check_directory(path, err) < 0)
            return -1;
    }
    return 0;
}
