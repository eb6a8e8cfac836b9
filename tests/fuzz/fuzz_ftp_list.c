/* What FTP servers say of a directory, line by line, and paths made of names from there. */
#include "fuzz.h"
#include "transfer/ftp_list.h"

#include <string.h>

static void look(int (*read_line)(struct ftp_entry *, const char *, size_t), const char *line,
                 size_t len)
{
    struct ftp_entry e = {0};
    int rc = read_line(&e, line, len);

    CHECK(rc >= -1 && rc <= 1);
    if (rc != 1)
        return;
    CHECK(e.len > 0 && e.name > line && e.name + e.len <= line + len);
    CHECK(e.kind == WALK_FILE || e.kind == WALK_DIRECTORY || e.kind == WALK_OTHER);
}

/* A place is one path, and back. */
static void round_trip(const char *path, size_t len)
{
    AUTO(mem_free) char *place = walk_place(path, len);
    AUTO(mem_free) char *back = walk_path(place);

    CHECK(utf8_valid(place, strlen(place)));
    CHECK(strlen(back) == len && !memcmp(back, path, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data;

    for (size_t at = 0; at < size;) {
        const char *end = memchr(s + at, '\n', size - at);
        size_t len = end ? (size_t)(end - s) - at : size - at;
        AUTO(mem_free) char *line = mem_strndup(s + at, len);

        look(ftp_list_mlsd, line, len);
        look(ftp_list_line, line, len);
        round_trip(line, strlen(line));
        at += len + 1;
    }
    return 0;
}
