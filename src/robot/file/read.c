/* /file/read: the text in a file, into its meta. */
#include "base/file.h"
#include "base/str.h"
#include "robot/robot.h"

#include <inttypes.h>
#include <string.h>

#define TOO_LARGE 512000 /* bytes: a text is in the status, and in all that quotes it */

struct read_opts {
    char none;
};
static const struct option options[] = {OPT_END};

/* The mark at the beginning is about the file, and no part of its text. */
static json_t *text_of(const char *bytes, size_t len)
{
    size_t mark = len >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
    AUTO(str_done) struct str text = {0};

    str_add_utf8(&text, bytes + mark, len - mark);
    return json_stringn(text.s ? text.s : "", text.len);
}

static int read_one(struct robot_job *job, int i, struct err *err)
{
    const struct robot_input *in = robot_input(job, i);

    if (in->size >= TOO_LARGE)
        return robot_fail(job, err, ERR_INPUT, "VALIDATION_ERROR",
                          "'%.200s' has %" PRId64
                          " bytes; only files of less than %d can be read into the meta",
                          in->name, in->size, TOO_LARGE);
    AUTO(mem_free) char *bytes = file_read(in->path, in->name, (size_t)in->size, err);
    if (!bytes)
        return -1;
    json_t *text = text_of(bytes, (size_t)in->size);
    return robot_emit_same(job, i, json_pack("{s:o}", "content", text), err);
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
