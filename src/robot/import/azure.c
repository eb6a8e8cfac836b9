/* /azure/import: fetch files out of a container of Azure Blob Storage. */
#include "transfer/azure.h"

struct azure_import_opts {
    struct azure_place place;
    struct import_opts import;
    struct import_paths paths;
    bool recursive;
    const char *next_page_token;
    int64_t files_per_page;
};
#define T struct azure_import_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct azure_place, azure_place_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_BOOL(T, recursive,
             .help = "Of a directory, what lies in its subdirectories as well; a page of it."),
    OPT_STR(T, next_page_token, .def_str = "",
            .help = "Begin where an earlier page ended, as the meta of its files says."),
    OPT_INT(
        T, files_per_page, .min = 1, .max = REMOTE_IMPORT_MAX, .def = 1000,
        .help =
            "Files of a page, with recursive or next_page_token. The service gives at most 5000."),
    OPT_END,
};

static int azure_import_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return azure_place_check(&o->place, partial, err) < 0 ||
                   import_paths_check(&o->paths, partial, err) < 0
               ? -1
               : import_opts_check(&o->import, err);
}

static int azure_import_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(azure_done) struct azure z = {.place = NULL};
    AUTO(json_unref) json_t *places = import_paths(&o->paths);

    if (azure_open(&z, job, &o->place, err) < 0)
        return -1;
    z.recursive = o->recursive;
    z.per_page = o->files_per_page;
    return remote_import(
        job,
        &(struct import_plan){.source = &azure_source,
                              .ctx = &z,
                              .opts = &o->import,
                              .places = places,
                              .one_page = o->recursive || str_given(o->next_page_token),
                              .after = o->next_page_token},
        err);
}

const struct robot robot_import_azure = {
    .name = "/azure/import",
    .summary = "Import files from Azure Blob Storage",
    .role = ROLE_TRANSFER,
    .credentials = "azure",
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"account\": \"account\", \"container\": \"container\", \"key\": \"a2V5\", "
               "\"path\": \"a/b\"}",
    .check = azure_import_check,
    .run = IN_WORKER(azure_import_run),
};
