/* /dropbox/import: fetch files from a Dropbox. */
#include "transfer/dropbox.h"

struct dropbox_opts {
    struct dropbox_keys keys;
    struct import_opts import;
};
#define T struct dropbox_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct dropbox_keys, dropbox_keys_options),
    DROPBOX_REFRESH_OPTION(T, keys),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    OPT_END,
};

static int dropbox_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return import_check(&o->import, partial, err) < 0 ? -1 : dropbox_keys_check(&o->keys, partial, err);
}

static int dropbox_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &dropbox_service, &(struct dropbox){.keys = &o->keys}, &o->import, err);
}

const struct robot robot_import_dropbox = {
    .name = "/dropbox/import",
    .summary = "Import files from a Dropbox",
    .role = ROLE_TRANSFER,
    .credentials = "dropbox",
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"access_token\": \"t\", \"app_key\": \"k\", \"path\": \"a/b\"}",
    .check = dropbox_check,
    .run = IN_WORKER(dropbox_run),
};
