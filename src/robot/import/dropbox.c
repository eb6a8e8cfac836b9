/* /dropbox/import: fetch files from a Dropbox. */
#include "transfer/dropbox.h"

struct dropbox_opts {
    struct dropbox_keys keys;
    struct import_opts import;
    struct import_paths paths;
};
#define T struct dropbox_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct dropbox_keys, dropbox_keys_options),
    DROPBOX_REFRESH_OPTION(T, keys),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_END,
};

static int dropbox_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return import_paths_check(&o->paths, partial, err) < 0 || import_opts_check(&o->import, err) < 0
               ? -1
               : dropbox_keys_check(&o->keys, partial, err);
}

static int dropbox_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *places = import_paths(&o->paths);
    struct dropbox d;
    int rc = dropbox_open(&d, job, &o->keys, err);

    if (rc == 0)
        rc = remote_import(
            job, &(struct import_plan){.source = &dropbox_source, .ctx = &d, .opts = &o->import, .places = places},
            err);
    dropbox_done(d);
    return rc;
}

const struct robot robot_import_dropbox = {
    .name = "/dropbox/import",
    .summary = "Import files from a Dropbox",
    .role = ROLE_TRANSFER,
    .credentials = "dropbox",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"access_token\": \"t\", \"app_key\": \"k\", \"path\": \"a/b\"}",
    .check = dropbox_check,
    .run = IN_WORKER(dropbox_run),
};
