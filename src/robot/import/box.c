/* /box/import: fetch files from Box. */
#include "transfer/box.h"

struct box_opts {
    struct box_keys keys;
    struct import_opts import;
};
#define T struct box_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct box_keys, box_keys_options),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    OPT_END,
};

static int box_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return import_check(&o->import, partial, err) < 0 ? -1 : box_keys_check(&o->keys, partial, err);
}

static int box_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &box_service, &(struct box_import){.keys = &o->keys}, &o->import, err);
}

const struct robot robot_import_box = {
    .name = "/box/import",
    .summary = "Import files from Box",
    .role = ROLE_TRANSFER,
    .credentials = "box",
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"access_token\": \"t\", \"path\": \"a/b\"}",
    .check = box_check,
    .run = IN_WORKER(box_run),
};
