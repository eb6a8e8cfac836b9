/* /file/compress: one archive of all inputs of the job. */
#include "base/str.h"
#include "media/archive_name.h"
#include "media/pack.h"
#include "robot/robot.h"

#include <string.h>

/* Of every member: the same files make the same bytes. Not 1970, which some readers take for no time at all. */
#define MEMBER_TIME_S 946684800 /* 2000-01-01T00:00:00Z */

enum { FORMAT_TAR, FORMAT_ZIP };
static const struct opt_choice formats[] = {{"tar", FORMAT_TAR}, {"zip", FORMAT_ZIP}, {0}};
enum { LAYOUT_ADVANCED, LAYOUT_SIMPLE, LAYOUT_RELATIVE };
static const struct opt_choice layouts[] = {
    {"advanced", LAYOUT_ADVANCED}, {"simple", LAYOUT_SIMPLE}, {"relative-path", LAYOUT_RELATIVE}, {0}};

struct compress_opts {
    int format; /* FORMAT_TAR, FORMAT_ZIP */
    bool gzip;
    const char *password;
    int64_t compression_level; /* -9 to 0 */
    int file_layout;           /* LAYOUT_... */
    const char *archive_name, *path;
};
#define T struct compress_opts
static const struct option options[] = {
    OPT_ENUM(T, format, formats, .def = FORMAT_TAR, .help = "Format of the archive."),
    OPT_BOOL(T, gzip, .help = "Gzip the tar. With `zip` it changes nothing."),
    OPT_STR(T, password, .nullable = true, .secret = true,
            .help = "Encrypts the contents (AES-256), not the names. Only with `zip`."),
    OPT_INT(T, compression_level, .min = -9, .max = 0, .def = -6,
            .help = "0 stores, -1 is the fastest, -9 the smallest."),
    OPT_ENUM(T, file_layout, layouts, .def = LAYOUT_ADVANCED, .help = "Where files lie in the archive."),
    OPT_STR(
        T, archive_name,
        .help =
            "Name of the archive, without its extension. Left out: that of the only file, else the Assembly's id."),
    OPT_STR(T, path, .each = true,
            .help = "Path in the archive, for each file; `file_layout` counts for nothing then. One that ends in `/` "
                    "is a directory."),
    OPT_END,
};
#undef T

static bool has_password(const struct compress_opts *o) { return str_given(o->password); }

static int compress_check(const void *opts, bool partial, struct err *err)
{
    const struct compress_opts *o = opts;

    if (!partial && has_password(o) && o->format != FORMAT_ZIP)
        return err_set(err, ERR_ROBOT_VALIDATION, "'password' needs the format \"zip\": a tar can't be encrypted");
    return 0;
}

/* ---- where files lie ---- */

/* What is no path that leads down is made one, as nobody asked for it: a file may have come with any name. */
static char *compress_tame(const char *path)
{
    AUTO(str_done) struct str down = {0};
    char *clean;
    int depth;

    for (const char *s = path + strspn(path, "/\\"); *s; s += strspn(s, "/\\")) {
        size_t n = strcspn(s, "/\\");

        if (n > 2 || strncmp(s, "..", n) != 0)
            str_addf(&down, "%s%.*s", down.len ? "/" : "", (int)n, s);
        s += n;
    }
    /* a drive's letter ("C:") or too long a path: its name is left */
    if (archive_path_clean(&clean, &depth, down.len ? down.s : "") != ARCHIVE_PATH_GOOD) {
        const char *last = strrchr(down.s, '/');

        if (archive_path_clean(&clean, &depth, last ? last + 1 : "") != ARCHIVE_PATH_GOOD)
            return mem_strdup("unnamed");
    }
    return clean;
}

/* As a client says it; one that leads elsewhere is refused. A slash at its begin is what is left of
 * "${file.meta.archive_directory}/${file.name}" for a file that lay at the top. */
static int asked_path(char **out, const struct robot_input *in, const char *path, struct err *err)
{
    AUTO(mem_free) char *full = mem_printf("%s%s", path + strspn(path, "/"), str_ends(path, "/") ? in->name : "");
    int depth;

    switch (archive_path_clean(out, &depth, full)) {
    case ARCHIVE_PATH_GOOD:
        return 0;
    case ARCHIVE_PATH_LONG:
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' of '%.100s' has more than %d bytes", in->name,
                       ARCHIVE_PATH_MAX);
    case ARCHIVE_PATH_ABSOLUTE:
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' of '%.100s' is absolute: '%.200s'", in->name, full);
    default:
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' of '%.100s' has a \"..\": '%.200s'", in->name, full);
    }
}

static char *layout_path(const struct robot_input *in, int layout, bool several_originals)
{
    const char *relative = jstr_or(in->meta, "relative_path", ""), *step = in->step;
    bool is_upload = !strcmp(in->id, in->original_id);

    if (layout == LAYOUT_RELATIVE && *relative)
        return compress_tame(relative);
    AUTO(mem_free)
    char *path = layout == LAYOUT_RELATIVE              ? mem_printf("%s/%s", in->original_path, in->name)
                 : layout == LAYOUT_SIMPLE || is_upload ? mem_strdup(in->name)
                 : several_originals ? mem_printf("%s/%s/%s", in->original_basename, step, in->name)
                                     : mem_printf("%s/%s", step, in->name);
    return compress_tame(path);
}

static bool has_several_originals(const struct robot_job *job)
{
    for (int i = 1; i < robot_input_count(job); i++)
        if (strcmp(robot_input(job, i)->original_id, robot_input(job, 0)->original_id) != 0)
            return true;
    return false;
}

/* What `path` is for this file; NULL: it is not given. */
static const char *path_of(const struct compress_opts *o, const struct robot_input *in)
{
    const char *path = o->path ? jstr(in->params, "path") : NULL;

    return str_given(path) ? path : NULL;
}

/* paths: one for each input, of the job's arena. */
static int find_paths(const char **paths, struct robot_job *job, const struct compress_opts *o, struct err *err)
{
    AUTO(archive_names_free) struct archive_names *names = archive_names_new();
    bool several = has_several_originals(job);

    for (int i = 0; i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);
        AUTO(mem_free) char *path = NULL;

        if (!path_of(o, in))
            path = layout_path(in, o->file_layout, several);
        else if (asked_path(&path, in, path_of(o, in), err) < 0)
            return -1;
        paths[i] = arena_strdup(robot_arena(job), path);
        archive_names_expect(names, path);
    }
    for (int i = 0; i < robot_input_count(job); i++) {
        AUTO(mem_free) char *unique = archive_names_pick(names, paths[i]);

        paths[i] = arena_strdup(robot_arena(job), unique);
    }
    return 0;
}

/* ---- the archive ---- */

struct packing {
    struct robot_job *job;
    int64_t total, read;
};

static void on_read(void *ctx, int64_t bytes)
{
    struct packing *p = ctx;

    p->read += bytes;
    robot_progress(p->job, (double)p->read / (double)(p->total ? p->total : 1));
}

static int put_all(struct pack *pack, struct robot_job *job, const char *const *paths, struct err *err)
{
    struct packing p = {.job = job};

    for (int i = 0; i < robot_input_count(job); i++)
        p.total += robot_input(job, i)->size;
    for (int i = 0; i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);

        if (pack_add(pack, paths[i], in->path, in->size, MEMBER_TIME_S, on_read, &p, err) < 0)
            return -1;
    }
    return pack_finish(pack, err);
}

static const char *ext_of(const struct compress_opts *o)
{
    return o->format == FORMAT_ZIP ? "zip" : o->gzip ? "tar.gz" : "tar";
}

static char *compress_name(const struct robot_job *job, const struct compress_opts *o)
{
    const char *name = str_given(o->archive_name)    ? o->archive_name
                       : robot_input_count(job) == 1 ? robot_input(job, 0)->basename
                                                     : robot_assembly_id(job);
    size_t len = strlen(name), ext = strlen(ext_of(o));
    bool has_it = len > ext + 1 && name[len - ext - 1] == '.' && !strcasecmp(name + len - ext, ext_of(o));

    return mem_printf("%s%s%s", name, has_it ? "" : ".", has_it ? "" : ext_of(o));
}

static int compress_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct compress_opts *o = opts;
    const struct pack_how how = {.zip = o->format == FORMAT_ZIP,
                                 .gzip = o->gzip && o->format == FORMAT_TAR,
                                 .level = (int)-o->compression_level,
                                 .password = has_password(o) ? o->password : NULL};
    const char **paths = arena_alloc(robot_arena(job), (size_t)robot_input_count(job) * sizeof *paths);
    AUTO(pack_free) struct pack *pack = NULL;
    AUTO(mem_free) char *name = compress_name(job, o);
    const char *out = robot_out_path(job, how.zip ? "zip" : how.gzip ? "gz" : "tar");

    if (find_paths(paths, job, o, err) < 0 || pack_open(&pack, out, &how, err) < 0)
        return -1;
    if (put_all(pack, job, paths, err) < 0)
        return err->code == ERR_INPUT ? robot_fail(job, err, ERR_INPUT, "INVALID_INPUT", "%s", err->msg) : -1;
    return robot_emit(job,
                      &(struct robot_output){.path = out,
                                             .name = name,
                                             .mime = how.zip    ? "application/zip"
                                                     : how.gzip ? "application/gzip"
                                                                : "application/x-tar",
                                             .meta = json_object(),
                                             .meta_complete = true},
                      err);
}

const struct robot robot_file_compress = {
    .name = "/file/compress",
    .summary = "Pack files into an archive",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .slots = 15,
    .opts_size = sizeof(struct compress_opts),
    .options = options,
    .example = "{\"format\": \"zip\"}",
    .check = compress_check,
    .run = IN_WORKER(compress_run),
};
