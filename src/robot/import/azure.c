/* /azure/import: fetch files out of a container of Azure Blob Storage. */
#include "transfer/azure.h"

struct azure_opts {
    struct azure_place place;
    struct import_opts import;
};
#define T struct azure_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct azure_place, azure_place_options),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    IMPORT_GROUP(T, import_page_options),
    IMPORT_GROUP(T, import_token_options),
    OPT_END,
};

static int azure_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return azure_place_check(&o->place, partial, err) < 0 ? -1 : import_check(&o->import, partial, err);
}

static int azure_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &azure_service, &(struct azure){.place = &o->place}, &o->import, err);
}

const struct robot robot_import_azure = {
    .name = "/azure/import",
    .summary = "Import files from Azure Blob Storage",
    .role = ROLE_TRANSFER,
    .credentials = "azure",
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"account\": \"account\", \"container\": \"container\", \"key\": \"a2V5\", "
               "\"path\": \"a/b\"}",
    .check = azure_import_check,
    .run = IN_WORKER(azure_import_run),
};
