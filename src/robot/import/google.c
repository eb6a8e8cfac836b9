/* /google/import: fetch objects out of a bucket of Google Cloud Storage. */
#include "transfer/google.h"

#include <string.h>

struct google_import_opts {
    struct google_place place;
    struct import_paths paths;
    struct import_opts import;
    bool recursive;
    const char *next_page_token;
    int64_t files_per_page;
};
#define T struct google_import_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct google_place, google_place_options),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_BOOL(T, recursive, .help = "Take what lies in directories below as well, one page of it."),
    OPT_STR(T, next_page_token, .def_str = "",
            .help = "Page that a listing begins with: meta.next_page_token of a file of the page before."),
    OPT_INT(T, files_per_page, .min = 1, .max = REMOTE_IMPORT_MAX, .def = 1000,
            .help = "Files of one page. A recursive import takes one page, any other all of them."),
    OPT_END,
};

static int google_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return google_place_check(&o->place, partial, err) < 0 || import_paths_check(&o->paths, partial, err) < 0
               ? -1
               : import_opts_check(&o->import, err);
}

/* One leading slash is the root; that of a directory is the listing's to drop. */
static json_t *objects_of(const T *o)
{
    AUTO(json_unref) json_t *given = import_paths(&o->paths);
    json_t *all = json_array(), *item;
    size_t i;

    json_array_foreach (given, i, item) {
        const char *path = json_string_value(item);

        json_array_append_new(all, json_string(path + (*path == '/' && !str_ends(path, "/"))));
    }
    return all;
}

static int google_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(google_close) struct google g = {0};
    AUTO(json_unref) json_t *objects = objects_of(o), *known = json_object();
    struct google_listing listing = {
        .google = &g, .recursive = o->recursive, .per_page = o->files_per_page, .known = known};

    if (google_open(&g, job, &o->place, "devstorage.read_only", err) < 0)
        return -1;
    g.api.ctx = &g;
    int rc = remote_import(job,
                           &(struct import_plan){.source = &google_source,
                                                 .ctx = &listing,
                                                 .opts = &o->import,
                                                 .places = objects,
                                                 .one_page = o->recursive,
                                                 .after = o->next_page_token},
                           err);
    free(listing.next);
    return rc;
}

const struct robot robot_import_google = {
    .name = "/google/import",
    .summary = "Import files from Google Cloud Storage",
    .role = ROLE_TRANSFER,
    .no_input = true,
    .credentials = "google",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"credentials\": \"my_google\", \"path\": \"a/b.jpg\"}",
    .check = google_import_check,
    .run = IN_WORKER(google_import_run),
};
