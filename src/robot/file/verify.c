/* /file/verify: files that are, by their bytes, what they should be go on; the others stop here. */
#include "base/filetype.h"
#include "base/str.h"
#include "media/mime.h"
#include "media/tool.h"
#include "robot/robot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct verify_opts {
    const char *verify_to_be;
    bool error_on_decline;
    const char *error_msg;
    bool repair_pdf;
};
#define T struct verify_opts
static const struct option options[] = {
    OPT_STR(T, verify_to_be, .def_str = "pdf", .pattern = "^[^ ]{1,127}$",
            .help = "A general type (`image`, `document`), an extension (`jpg`) or a media type (`image/jpeg`).",
            .example = "\"png\""),
    OPT_BOOL(T, error_on_decline, .help = "A file that is something else fails the Assembly."),
    OPT_STR(T, error_msg, .def_str = "One of your files was declined", .help = "What the status says then."),
    OPT_BOOL(T, repair_pdf,
             .help = "Mend a PDF that is broken; one that can't be mended is declined. Only where PDF is wanted."),
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

/* ---- repair ---- */

enum state { WHOLE, MENDED, LOST };

/* Whether the file at path can be opened and has pages. */
static bool has_pages(struct robot_job *job, const char *path)
{
    const char *const argv[] = {"pdfinfo", path, NULL};
    AUTO(str_done) struct str said = {0};
    struct err none;
    const struct tool t = {.argv = argv, .text = &said, .text_max = 64 * 1024};
    const char *pages;

    return tool_run(job, &t, &none) == 0 && said.s && (pages = strstr(said.s, "\nPages:")) && atoi(pages + 7) > 0;
}

/* What went wrong with the program, and not with the file. */
static bool is_ours(const struct err *why)
{
    return why->code == ERR_TIMEOUT || why->exited == 126 || why->exited == 127 || tool_is_stuck();
}

/* MuPDF writes the document anew, from what it finds of it; where it has to look for something that should be there, it
 * says so. Only then its copy counts: what is whole keeps its bytes, and with them its signatures. One that only a
 * password opens can't be looked at, and is as it is. Returns enum state or -1. */
static int repair(const char **mended, struct robot_job *job, const char *path, struct err *err)
{
    const char *out = robot_out_path(job, "pdf"), *const argv[] = {"mutool", "clean", path, out, NULL};
    bool complained = false;
    struct err why = {0};
    const struct tool t = {.argv = argv, .complained = &complained};

    if (tool_run(job, &t, &why) < 0) {
        if (is_ours(&why)) {
            *err = why;
            return -1;
        }
        return strstr(why.detail, "password") ? WHOLE : LOST;
    }
    *mended = out;
    return !complained && has_pages(job, path) ? WHOLE : has_pages(job, out) ? MENDED : LOST;
}

/* A PDF by its bytes, or by its name: what stands before its begin may hide what it is. */
static bool may_mend(const struct verify_opts *o, const struct robot_input *in, const char *mime)
{
    static const char pdf[] = "application/pdf";

    return o->repair_pdf && is_what_is_wanted(o->verify_to_be, pdf) && strcasecmp(o->verify_to_be, "document") != 0 &&
           (!strcmp(mime, pdf) || !strcasecmp(in->ext, "pdf"));
}

/* The bytes of the input, or better ones. */
static int verify_emit(struct robot_job *job, int i, enum state state, const char *mended, struct err *err)
{
    const struct robot_output out = {
        .path = mended, .mime = "application/pdf", .ext = robot_input(job, i)->ext, .input = i};

    return state == MENDED ? robot_emit(job, &out, err) : robot_emit_same(job, i, NULL, err);
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
        const char *mended = NULL;
        int state = may_mend(o, in, mime) ? repair(&mended, job, in->path, err) : WHOLE;
        if (state < 0)
            return -1;
        yes = state == WHOLE ? yes : state == MENDED;
        if (!yes && o->error_on_decline)
            return robot_fail(job, err, ERR_INPUT, "INVALID_FILE", "%s", o->error_msg);
        if (yes && verify_emit(job, i, (enum state)state, mended, err) < 0)
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
