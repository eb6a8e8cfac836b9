/* /document/optimize: the same PDF in fewer bytes. */
#include "base/file.h"
#include "base/str.h"
#include "media/pdf.h"
#include "media/tool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct document_optimize_opts {
    int preset, compatibility;
    int64_t image_dpi; /* 0: the preset's */
    bool compress_fonts, subset_fonts, remove_metadata, linearize;
};
#define T struct document_optimize_opts

enum { SCREEN, EBOOK, PRINTER, PREPRESS };
static const struct opt_choice presets[] = {
    {"screen", SCREEN}, {"ebook", EBOOK}, {"printer", PRINTER}, {"prepress", PREPRESS}, {0}};
static const char *const settings[] = {"-dPDFSETTINGS=/screen", "-dPDFSETTINGS=/ebook",
                                       "-dPDFSETTINGS=/printer", "-dPDFSETTINGS=/prepress"};
static const struct opt_choice versions[] = {{"1.4", 14}, {"1.5", 15}, {"1.6", 16},
                                             {"1.7", 17}, {"2.0", 20}, {0}};

static const struct option options[] = {
    OPT_ENUM(T, preset, presets, .def = EBOOK,
             .help =
                 "What it is for: pictures of 72, 150 or 300 dpi, or what a printing house wants."),
    OPT_INT(T, image_dpi, .min = 36, .max = 600, .unit = "dpi",
            .help = "Resolution to which pictures inside are reduced, instead of the preset's."),
    OPT_BOOL(T, compress_fonts, .def = true, .help = "Compress embedded fonts."),
    OPT_BOOL(T, subset_fonts, .def = true,
             .help = "Keep only those letters of embedded fonts that are used."),
    OPT_BOOL(T, remove_metadata, .help = "Leave title, author, dates and XMP out."),
    OPT_BOOL(T, linearize, .def = true,
             .help = "Write it so that its first page shows before all of it has come."),
    OPT_ENUM(T, compatibility, versions, .def = 17, .help = "PDF version to write."),
    OPT_END,
};

/* ---- Ghostscript ---- */

struct progress {
    struct robot_job *job;
    double pages, done;
};

static int optimize_hear(void *ctx, char *line, struct err *err)
{
    struct progress *p = ctx;

    (void)err;
    if (!str_starts(line, "Page "))
        return 0;
    p->done += 1;
    robot_progress(p->job, 0.2 + 0.6 * (p->done < p->pages ? p->done / p->pages : 1));
    return 0;
}

static const char *const *optimize_argv(struct robot_job *job, const T *o, const char *from,
                                        const char *to)
{
    static const char *const kinds[] = {"Color", "Gray", "Mono"};
    struct arena *a = robot_arena(job);
    const char **argv = arena_alloc(a, 32 * sizeof *argv);
    int n = 0;
    const char *const begin[] = {"gs",
                                 "-dSAFER",
                                 "-dBATCH",
                                 "-dNOPAUSE",
                                 "-dNOPROMPT",
                                 "-sDEVICE=pdfwrite",
                                 "-dAutoRotatePages=/None",
                                 settings[o->preset]};

    for (size_t i = 0; i < ARRAY_LEN(begin); i++)
        argv[n++] = begin[i];
    for (size_t i = 0; o->image_dpi && i < ARRAY_LEN(kinds); i++) {
        argv[n++] = arena_printf(a, "-dDownsample%sImages=true", kinds[i]);
        argv[n++] = arena_printf(a, "-d%sImageDownsampleThreshold=1.0", kinds[i]);
        argv[n++] = arena_printf(a, "-d%sImageResolution=%lld", kinds[i], (long long)o->image_dpi);
    }
    argv[n++] = arena_printf(a, "-dCompatibilityLevel=1.%d",
                             o->compatibility < 20 ? o->compatibility % 10 : 7);
    argv[n++] = o->compress_fonts ? "-dCompressFonts=true" : "-dCompressFonts=false";
    argv[n++] = o->subset_fonts ? "-dSubsetFonts=true" : "-dSubsetFonts=false";
    argv[n++] = arena_printf(a, "-sOutputFile=%s", to);
    argv[n++] = from;
    argv[n] = NULL;
    return argv;
}

/* ---- metadata ---- */

/* An object as qpdf's JSON has it; the caller unrefs. */
static json_t *optimize_object(struct robot_job *job, const char *path, const char *which,
                               const char *key, struct err *err)
{
    const char *const argv[] = {"qpdf",
                                "--warning-exit-0",
                                "--no-warn",
                                "--json=2",
                                "--json-key=qpdf",
                                arena_printf(robot_arena(job), "--json-object=%s", which),
                                path,
                                NULL};
    AUTO(str_done) struct str said = {0};
    AUTO(json_unref) json_t *all = NULL;

    if (tool_run(job, &(struct tool){.argv = argv, .text = &said, .text_max = 4 << 20}, err) < 0)
        return NULL;
    if (said.s)
        all = json_parse(said.s, said.len, 100, err);
    json_t *object = json_object_get(json_array_get(json_object_get(all, "qpdf"), 1), key);
    if (!object)
        err_set(err, ERR_COMMAND, "the PDF has no '%s'", which);
    return json_incref(object);
}

/* A change, for qpdf, that takes the document's information and its XMP out. */
static int optimize_forget(const char **update, struct robot_job *job, const char *path,
                           struct err *err)
{
    AUTO(json_unref)
    json_t *trailer = optimize_object(job, path, "trailer", "trailer", err),
           *root = NULL;
    json_t *value = json_object_get(trailer, "value");
    const char *ref = jstr(value, "/Root");

    if (!trailer)
        return -1;
    if (!ref)
        return err_set(err, ERR_COMMAND, "the PDF has no root");
    const char *number = arena_printf(robot_arena(job), "%ld,%ld", strtol(ref, NULL, 10),
                                      strchr(ref, ' ') ? strtol(strchr(ref, ' '), NULL, 10) : 0);
    const char *key = arena_printf(robot_arena(job), "obj:%s", ref);
    if (!(root = optimize_object(job, path, number, key, err)))
        return -1;
    json_object_del(value, "/Info");
    json_object_del(json_object_get(root, "value"), "/Metadata");
    AUTO(json_unref)
    json_t *change = json_pack("{s:[{s:i,s:s,s:b,s:i},{s:O,s:O}]}", "qpdf", "jsonversion", 2,
                               "pdfversion", "1.7", "pushedinheritedpageresources", 0,
                               "maxobjectid", 1, "trailer", trailer, key, root);
    AUTO(mem_free) char *text = json_text(change);
    *update = robot_out_path(job, "json");
    return file_make(*update, text, strlen(text), err);
}

/* ---- candidates ---- */

/* What the last hand lays on: order, version, what is to be forgotten. */
static int optimize_finish(const char **out, struct robot_job *job, const T *o, const char *from,
                           bool pack, struct err *err)
{
    const char *path = robot_out_path(job, "pdf"), *update = NULL;
    json_t *what = json_pack("{s:s,s:s,s:s}", "inputFile", from, "outputFile", path, "decrypt", "");
    char version[24];

    if (o->remove_metadata && optimize_forget(&update, job, from, err) < 0) {
        json_decref(what);
        return -1;
    }
    if (update)
        jset(what, "updateFromJson", update);
    if (o->linearize)
        jset(what, "linearize", "");
    if (!o->compress_fonts)
        jset(what, "compressStreams", "n"); /* or qpdf would make up for it */
    if (pack) {
        jset(what, "recompressFlate", "");
        jset(what, "objectStreams", o->compatibility > 14 ? "generate" : "preserve");
    }
    snprintf(version, sizeof version, "%d.%d", o->compatibility / 10, o->compatibility % 10);
    jset(what, o->compatibility == 20 ? "forceVersion" : "minVersion",
         o->compatibility == 20 ? version : "1.3");
    int rc = pdf_write(job, what, err);
    if (update)
        unlink(update);
    *out = path;
    return rc;
}

static int64_t optimize_size(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 ? (int64_t)st.st_size : INT64_MAX;
}

/* Drawn anew by Ghostscript. It never gets the client's file, which may be a program as well, but
 * what qpdf has written of it. */
static int optimize_redraw(const char **out, struct robot_job *job, const T *o, const char *path,
                           int64_t pages, struct err *err)
{
    const char *clean = robot_out_path(job, "pdf"), *drawn = robot_out_path(job, "pdf");
    struct progress p = {.job = job, .pages = (double)pages};
    json_t *what =
        json_pack("{s:s,s:s,s:s}", "inputFile", path, "outputFile", clean, "decrypt", "");

    if (pdf_write(job, what, err) < 0)
        return -1;
    robot_progress(job, 0.2);
    int rc = tool_run(job,
                      &(struct tool){.argv = optimize_argv(job, o, clean, drawn),
                                     .line = optimize_hear,
                                     .line_ctx = &p},
                      err);
    unlink(clean);
    if (rc == 0)
        rc = optimize_finish(out, job, o, drawn, false, err);
    unlink(drawn);
    return rc;
}

static int document_optimize_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const char *drawn = NULL, *packed = NULL, *best;
    struct pdf_facts facts;
    struct err why = {0};

    if (strcmp(in->mime, PDF_MIME) != 0)
        return robot_fail(job, err, ERR_INPUT, "UNSUPPORTED_INPUT",
                          "'%.100s' is no PDF: its type is %.60s", in->name,
                          *in->mime ? in->mime : "unknown");
    if (pdf_look(&facts, job, in->path, NULL, in->name, err) < 0)
        return -1;
    if (facts.locked)
        return robot_fail(job, err, ERR_INPUT, "UNSUPPORTED_INPUT",
                          "'%.100s' is locked by a password", in->name);
    if (optimize_redraw(&drawn, job, o, in->path, facts.pages, err) < 0)
        return -1;
    if (optimize_size(drawn) >= in->size &&
        optimize_finish(&packed, job, o, in->path, true, &why) < 0) {
        if (tool_is_stuck() || o->remove_metadata) {
            *err = why;
            return -1;
        }
        packed = NULL;
    }
    best = optimize_size(packed) < optimize_size(drawn) ? packed : drawn;
    if (optimize_size(best) >= in->size && !o->remove_metadata) /* which must not come back */
        return robot_emit_same(job, 0, NULL, err);
    return robot_emit(job, &(struct robot_output){.path = best, .ext = in->ext, .mime = PDF_MIME},
                      err);
}

const struct robot robot_document_optimize = {
    .name = "/document/optimize",
    .summary = "Make PDFs smaller",
    .codes = "UNSUPPORTED_INPUT",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 2097152,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(document_optimize_run),
};
