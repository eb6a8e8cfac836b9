/* /ftp/import: fetch files from a server by FTP. */
#include "transfer/ftp.h"

struct ftp_opts {
    struct ftp_place place;
    struct import_paths paths;
    struct import_opts import;
};
#define T struct ftp_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct ftp_place, ftp_place_options),
    FTP_SECURE_OPTION(T, place, "what is stored encrypted can be imported so"),
    OPT_GROUP(T, paths, struct import_paths, import_path_options),
    OPT_GROUP(T, import, struct import_opts, import_options),
    OPT_UNSUPPORTED("passive_mode", .def_str = "true"), /* no server connects to a worker */
    OPT_END,
};

static int ftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return ftp_place_check(&o->place, partial, err) < 0 ||
                   import_paths_check(&o->paths, partial, err) < 0
               ? -1
               : import_opts_check(&o->import, err);
}

static int ftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(ftp_close) struct ftp *f = NULL;
    AUTO(json_unref) json_t *places = import_paths(&o->paths);

    if (ftp_open(&f, job, &o->place, NULL, err) < 0)
        return -1;
    return remote_import(job,
                         &(struct import_plan){
                             .source = &ftp_source, .ctx = f, .opts = &o->import, .places = places},
                         err);
}

const struct robot robot_import_ftp = {
    .name = "/ftp/import",
    .summary = "Import files from an FTP server",
    .role = ROLE_TRANSFER,
    .codes = "NOT_FOUND ACCESS_DENIED FAILURE",
    .credentials = "ftp",
    .keys = FTP_KEYS,
    .no_input = true,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 20,
    .options = options,
    .example =
        "{\"host\": \"h.example\", \"user\": \"u\", \"password\": \"p\", \"path\": \"a/b.txt\"}",
    .check = ftp_check,
    .run = IN_WORKER(ftp_run),
};
