/* /box/import: fetch files from Box. */
#include "transfer/box.h"

struct box_opts {
    struct box_keys keys;
    struct import_opts import;
    struct import_paths paths;
};
#define T struct box_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct box_keys, box_keys_options),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_END,
};

static int box_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return import_paths_check(&o->paths, partial, err) < 0 || import_opts_check(&o->import, err) < 0
               ? -1
               : box_keys_check(&o->keys, partial, err);
}

static int box_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(json_unref) json_t *places = import_paths(&o->paths);
    struct box b;
    struct box_import w = {.box = &b};
    int rc = box_open(&b, job, &o->keys, err);

    if (rc == 0)
        rc = remote_import(
            job, &(struct import_plan){.source = &box_source, .ctx = &w, .opts = &o->import, .places = places}, err);
    box_import_done(w);
    box_done(b);
    return rc;
}

const struct robot robot_import_box = {
    .name = "/box/import",
    .summary = "Import files from Box",
    .role = ROLE_TRANSFER,
    .credentials = "box",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"access_token\": \"t\", \"path\": \"a/b\"}",
    .check = box_check,
    .run = IN_WORKER(box_run),
};
