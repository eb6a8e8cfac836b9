/* /cloudfiles/import: fetch files out of a container of Rackspace Cloud Files, or of another Swift.
 */
#include "transfer/swift.h"

struct cloudfiles_opts {
    struct swift_place place;
    struct import_opts import;
};
#define T struct cloudfiles_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct swift_place, swift_place_options),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    IMPORT_GROUP(T, import_page_options),
    IMPORT_GROUP(T, import_number_options),
    OPT_END,
};

static int cloudfiles_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return swift_place_check(&o->place, partial, err) < 0 ? -1 : import_check(&o->import, partial, err);
}

static int cloudfiles_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &swift_service, &(struct swift){.place = &o->place}, &o->import, err);
}

const struct robot robot_import_cloudfiles = {
    .name = "/cloudfiles/import",
    .summary = "Import files from Rackspace Cloud Files or another Swift",
    .role = ROLE_TRANSFER,
    .credentials = "rackspace",
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"user\": \"u\", \"key\": \"k\", \"container\": \"c\", \"path\": \"a/b\"}",
    .check = cloudfiles_import_check,
    .run = IN_WORKER(cloudfiles_import_run),
};
