/* /google/import: fetch objects out of a bucket of Google Cloud Storage. */
#include "transfer/google.h"

struct google_opts {
    struct google_place place;
    struct import_opts import;
};
#define T struct google_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct google_place, google_place_options),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    IMPORT_GROUP(T, import_page_options),
    IMPORT_GROUP(T, import_token_options),
    OPT_END,
};

static int google_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return google_place_check(&o->place, partial, err) < 0 ? -1 : import_check(&o->import, partial, err);
}

static int google_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &google_service, &(struct google_listing){.place = &o->place}, &o->import, err);
}

const struct robot robot_import_google = {
    .name = "/google/import",
    .summary = "Import files from Google Cloud Storage",
    .role = ROLE_TRANSFER,
    .credentials = "google",
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"credentials\": \"my_google\", \"path\": \"a/b.jpg\"}",
    .check = google_import_check,
    .run = IN_WORKER(google_import_run),
};
