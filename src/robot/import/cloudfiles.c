/* /cloudfiles/import: fetch files out of a container of Rackspace Cloud Files, or of another Swift.
 */
#include "transfer/swift.h"

struct cloudfiles_import_opts {
    struct swift_place place;
    struct import_opts import;
    struct import_paths paths;
    bool recursive;
    int64_t page_number, files_per_page;
};
#define T struct cloudfiles_import_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct swift_place, swift_place_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_BOOL(T, recursive,
             .help = "Of a directory, what lies in its subdirectories as well; a page of it."),
    OPT_INT(T, page_number, .min = 1, .max = 10000, .def = 1,
            .help = "With recursive: which page, from 1."),
    OPT_INT(T, files_per_page, .min = 1, .max = REMOTE_IMPORT_MAX, .def = 1000,
            .help = "Files of a page, with recursive."),
    OPT_END,
};

static int cloudfiles_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return swift_place_check(&o->place, partial, err) < 0 ||
                   import_paths_check(&o->paths, partial, err) < 0
               ? -1
               : import_opts_check(&o->import, err);
}

static int cloudfiles_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *places = import_paths(&o->paths);
    struct swift w;
    int rc = swift_open(&w, job, &o->place, err);

    w.recursive = o->recursive;
    w.per_page = o->files_per_page;
    if (rc == 0)
        rc = remote_import(job,
                           &(struct import_plan){.source = &swift_source,
                                                 .ctx = &w,
                                                 .opts = &o->import,
                                                 .places = places,
                                                 .one_page = o->recursive,
                                                 .page = o->recursive ? o->page_number : 1},
                           err);
    api_done(w.api);
    return rc;
}

const struct robot robot_import_cloudfiles = {
    .name = "/cloudfiles/import",
    .summary = "Import files from Rackspace Cloud Files or another Swift",
    .role = ROLE_TRANSFER,
    .credentials = "rackspace",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"user\": \"u\", \"key\": \"k\", \"container\": \"c\", \"path\": \"a/b\"}",
    .check = cloudfiles_import_check,
    .run = IN_WORKER(cloudfiles_import_run),
};
