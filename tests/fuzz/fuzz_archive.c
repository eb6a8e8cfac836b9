/* Archives of anybody's: however they lie, what comes out is within the bounds, under names that lead down, and
 * nothing stays open. The first bytes say with which bounds and password. */
#include "fuzz.h"
#include "media/archive_name.h"
#include "media/unpack.h"
#include "robot/robot.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* 7zz is started for no job. */
const json_t *robot_settings(const struct robot_job *job) { return NULL; }
void robot_progress(struct robot_job *job, double fraction) { }

static void check_member(const struct unpack_member *m, const struct unpack_limits *limits)
{
    AUTO(mem_free) char *again = NULL;
    int depth;

    CHECK(utf8_valid(m->path, strlen(m->path)));
    CHECK(archive_path_clean(&again, &depth, m->path) == ARCHIVE_PATH_GOOD); /* clean is clean */
    CHECK(!strcmp(again, m->path) && depth == m->depth + !m->depth && m->depth <= limits->depth);
    CHECK(*m->name && !strchr(m->name, '/') && strcmp(m->name, "..") != 0 && strlen(m->name) < 256);
    free(take(again));
    if (m->same_as)
        CHECK(archive_path_clean(&again, &depth, m->same_as) == ARCHIVE_PATH_GOOD && !strcmp(again, m->same_as));
}

/* Returns how many bytes came. */
static int64_t walk(struct unpack *u, const struct unpack_limits *limits)
{
    struct unpack_member m;
    struct err err = {0};
    int64_t bytes = 0;
    int count = 0, rc;

    while ((rc = unpack_next(&m, u, &err)) > 0) {
        struct stat st;
        int fd = memfd_create("member", MFD_CLOEXEC);

        CHECK(fd >= 0 && ++count <= limits->files);
        check_member(&m, limits);
        rc = m.same_as ? 0 : unpack_contents(u, fd, NULL, NULL, &err);
        CHECK(fstat(fd, &st) == 0);
        bytes += st.st_size;
        close(fd);
        CHECK(bytes <= limits->bytes);
        if (rc < 0)
            break;
    }
    CHECK((rc < 0) == (unpack_fault(u) != UNPACK_FINE));
    CHECK(rc == 0 || (err.code && err.msg[0] && utf8_valid(err.msg, strlen(err.msg))));
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned how = take_byte(&b);
    const struct unpack_limits limits = {
        .files = how & 1 ? 3 : 40, .bytes = how & 2 ? 1000 : 1 << 20, .ratio = 200, .depth = how & 4 ? 2 : 20};
    struct unpack *u = NULL;
    struct err err = {0};
    int before = fuzz_descriptors();
    const char *path = fuzz_file(b.p, b.left);
    int opened = fuzz_descriptors(); /* the first call opens that file */

    CHECK(opened >= before);
    if (unpack_open(&u, path, how & 8 ? "a.tar.gz" : "a", how & 16 ? "password" : NULL, &limits, &err) == 0) {
        int64_t bytes = walk(u, &limits);

        if (unpack_fault(u) == UNPACK_FINE && bytes * 2 <= limits.bytes &&
            unpack_again(u, &err) == 0) { /* the same a second time */
            CHECK(walk(u, &limits) == bytes);
            CHECK(unpack_fault(u) == UNPACK_FINE);
        }
    }
    unpack_free(u);
    CHECK(fuzz_descriptors() == opened);

    AUTO(mem_free) char *text = archive_name_text((const char *)b.p, b.left < 200 ? b.left : 200);
    CHECK(utf8_valid(text, strlen(text)));
    AUTO(mem_free) char *clean = NULL;
    int depth;
    if (archive_path_clean(&clean, &depth, text) != ARCHIVE_PATH_GOOD)
        return 0;
    AUTO(mem_free) char *again = NULL;
    CHECK(archive_path_clean(&again, &depth, clean) == ARCHIVE_PATH_GOOD && !strcmp(again, clean));
    CHECK(*clean != '/' && utf8_valid(clean, strlen(clean)));
    return 0;
}
