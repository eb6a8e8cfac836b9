#include "fuzz.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void fuzz_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

unsigned take_byte(struct bytes *b)
{
    if (!b->left)
        return 0;
    b->left--;
    return *b->p++;
}

unsigned take_below(struct bytes *b, unsigned n) { return take_byte(b) % n; }

char *take_text(struct bytes *b, size_t len)
{
    char *s;

    if (len > b->left)
        len = b->left;
    s = mem_alloc(len + 1); /* of its own and no longer than needed: a byte too far is seen */
    if (len)
        memcpy(s, b->p, len);
    s[len] = 0;
    b->p += len;
    b->left -= len;
    return s;
}

char *take_line(struct bytes *b)
{
    const uint8_t *end = b->left ? memchr(b->p, '\n', b->left) : NULL;
    char *s = take_text(b, end ? (size_t)(end - b->p) : b->left);

    (void)take_byte(b);
    return s;
}

char *take_rest(struct bytes *b) { return take_text(b, b->left); }

json_t *take_json_line(struct bytes *b)
{
    AUTO(mem_free) char *line = take_line(b);

    return json_loads(line, JSON_DECODE_ANY, NULL);
}

const char *fuzz_file(const void *data, size_t len)
{
    static char path[32];
    static int fd = -1;

    if (fd < 0) {
        CHECK((fd = memfd_create("input", MFD_CLOEXEC)) >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(pwrite(fd, data, len, 0) == (ssize_t)len);
    return path;
}

int fuzz_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    CHECK(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}
