/* /file/read: the text in a file, into its meta. */
#include "base/str.h"
#include "robot/robot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define TOO_LARGE 512000 /* bytes: a text is in the status, and in all that quotes it */

struct read_opts {
    char none;
};
static const struct option options[] = {OPT_END};

/* A file that grew meanwhile is as long as it was said to be. NULL: err. */
static char *read_all(size_t *len, const struct robot_input *in, struct err *err)
{
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    AUTO(mem_free) char *bytes = mem_alloc((size_t)in->size + 1);
    size_t done = 0;

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name), NULL;
    while (done < (size_t)in->size) {
        ssize_t n = read(fd, bytes + done, (size_t)in->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read '%s'", in->name), NULL;
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", in->name),
                   NULL;
        done += (size_t)n;
    }
    *len = done;
    return take(bytes);
}

/* The mark at the beginning is about the file, and no part of its text. What is no character, and
 * the NUL that would end the text in many a program that gets to see it, becomes U+FFFD. */
static json_t *text_of(const char *bytes, size_t len)
{
    size_t mark = len >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
    AUTO(str_done) struct str text = {0};

    for (size_t i = mark, n; i < len; i += n ? n : 1) {
        n = bytes[i] ? utf8_length(bytes + i, len - i) : 0;
        str_add(&text, n ? bytes + i : "\xEF\xBF\xBD", n ? n : 3);
    }
    return json_stringn(text.s ? text.s : "", text.len);
}

static int read_one(struct robot_job *job, int i, struct err *err)
{
    const struct robot_input *in = robot_input(job, i);
    size_t len;

    if (in->size >= TOO_LARGE)
        return robot_fail(job, err, ERR_INPUT, "VALIDATION_ERROR",
                          "'%.200s' has %" PRId64
                          " bytes; only files of less than %d can be read into the meta",
                          in->name, in->size, TOO_LARGE);
    AUTO(mem_free) char *bytes = read_all(&len, in, err);
    if (!bytes)
        return -1;
    return robot_emit_same(job, i, json_pack("{s:o}", "content", text_of(bytes, len)), err);
}

static int read_run(struct robot_job *job, const void *opts, struct err *err)
{
    (void)opts;
    for (int i = 0; i < robot_input_count(job); i++)
        if (read_one(job, i, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_file_read = {
    .name = "/file/read",
    .summary = "Read the text in a file into its meta",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .invalid = "VALIDATION_ERROR",
    .price_factor = 5,
    .min_charge = 512000,
    .slots = 5,
    .opts_size = sizeof(struct read_opts),
    .options = options,
    .run = IN_WORKER(read_run),
};
