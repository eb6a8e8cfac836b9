/* /sftp/import: fetch files from a server by SFTP. */
#include "transfer/sftp.h"

struct sftp_opts {
    struct sftp_place place;
    struct import_paths paths;
    struct import_opts import;
    bool recursive;
};
#define T struct sftp_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct sftp_place, sftp_place_options),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_BOOL(T, recursive, .help = "Of a directory also what lies in those below it."),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_END,
};

static int sftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return sftp_place_check(&o->place, partial, err) < 0 ||
                   import_paths_check(&o->paths, partial, err) < 0
               ? -1
               : import_opts_check(&o->import, err);
}

static int sftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(sftp_close) struct sftp *s = NULL;
    AUTO(json_unref) json_t *places = import_paths(&o->paths);

    if (sftp_open(&s, job, &o->place, &(struct sftp_how){.recursive = o->recursive}, err) < 0)
        return -1;
    return remote_import(
        job,
        &(struct import_plan){
            .source = &sftp_source, .ctx = s, .opts = &o->import, .places = places},
        err);
}

const struct robot robot_import_sftp = {
    .name = "/sftp/import",
    .summary = "Import files from an SFTP server",
    .role = ROLE_TRANSFER,
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .credentials = "sftp",
    .keys = SFTP_KEYS,
    .no_input = true,
    .flags = ROBOT_KNOWS_HOSTS,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example = "{\"host\": \"h.example\", \"user\": \"u\", \"path\": \"a/b.txt\"}",
    .check = sftp_check,
    .run = IN_WORKER(sftp_run),
};
