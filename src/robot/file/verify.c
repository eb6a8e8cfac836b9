/* /file/verify: files that are, by their bytes, what they should be go on; the others stop here. */
#include "base/filetype.h"
#include "base/str.h"
#include "media/mime.h"
#include "robot/robot.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct verify_opts {
    const char *verify_to_be;
    bool error_on_decline;
    const char *error_msg;
};
#define T struct verify_opts
static const struct option options[] = {
    OPT_STR(T, verify_to_be, .def_str = "pdf", .pattern = "^[^ ]{1,127}$",
            .help = "A general type (`image`, `document`), an extension (`jpg`) or a media type (`image/jpeg`).",
            .example = "\"png\""),
    OPT_BOOL(T, error_on_decline, .help = "A file that is something else fails the Assembly."),
    OPT_STR(T, error_msg, .def_str = "One of your files was declined", .help = "What the status says then."),
    OPT_UNSUPPORTED("repair_pdf", .def_str = "false", .help = "Mend a broken PDF."),
    OPT_END,
};
#undef T

static const char *usual_name(const char *mime) { return filetype_name(mime) ? filetype_name(mime) : mime; }

static bool is_document(const char *kind)
{
    static const char *const kinds[] = {"document", "pdf", "office", "xls"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

/* "image" of "image/png"; what the status says under `type`; documents, whatever wrote them. */
static bool is_general_type(const char *wanted, const char *mime)
{
    size_t n = strcspn(mime, "/");
    const char *kind = filetype_kind(mime) ? filetype_kind(mime) : "";

    return (strlen(wanted) == n && !strncasecmp(wanted, mime, n)) || !strcasecmp(wanted, kind) ||
           (!strcasecmp(wanted, "document") && is_document(kind));
}

/* mime: what the bytes are. */
static bool is_what_is_wanted(const char *wanted, const char *mime)
{
    if (strchr(wanted, '/'))
        return !strcasecmp(usual_name(wanted), usual_name(mime));
    const char *ext = wanted + (*wanted == '.'), *usual = filetype_ext(mime), *means = filetype_by_ext(ext);
    return is_general_type(wanted, mime) || (usual && !strcasecmp(ext, usual)) ||
           (means && !strcasecmp(usual_name(means), usual_name(mime)));
}

static int verify_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct verify_opts *o = opts;

    for (int i = 0; i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);
        char mime[MIME_LEN];

        snprintf(mime, sizeof mime, "%s", in->mime);
        if (!*mime && mime_detect(mime, in->path, in->name, err) < 0) /* nobody could tell before */
            return -1;
        bool yes = is_what_is_wanted(o->verify_to_be, mime);
        if (!yes && o->error_on_decline)
            return robot_fail(job, err, ERR_INPUT, "INVALID_FILE", "%s", o->error_msg);
        if (yes && robot_emit_same(job, i, NULL, err) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_file_verify = {
    .name = "/file/verify",
    .summary = "Let files pass that are what they should be",
    .role = ROLE_MEDIA,
    .nothing = "what should be was not found",
    .passes_input = true,
    .price_factor = 4,
    .slots = 10,
    .opts_size = sizeof(struct verify_opts),
    .options = options,
    .run = IN_WORKER(verify_run),
};
