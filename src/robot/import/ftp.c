/* /ftp/import: fetch files from a server by FTP. */
#include "transfer/ftp.h"

struct ftp_opts {
    struct ftp_place place;
    struct import_opts import;
};
#define T struct ftp_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct ftp_place, ftp_place_options),
    FTP_SECURE_OPTION(T, place, "what is stored encrypted can be imported so"),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, import_options),
    OPT_UNSUPPORTED("passive_mode", .def_str = "true"), /* no server connects to a worker */
    OPT_END,
};

static int ftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return ftp_place_check(&o->place, partial, err) < 0 ? -1 : import_check(&o->import, partial, err);
}

static int ftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &ftp_service, &(struct ftp_import){.place = &o->place}, &o->import, err);
}

const struct robot robot_import_ftp = {
    .name = "/ftp/import",
    .summary = "Import files from an FTP server",
    .role = ROLE_TRANSFER,
    .credentials = "ftp",
    .keys = FTP_KEYS,
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example =
        "{\"host\": \"h.example\", \"user\": \"u\", \"password\": \"p\", \"path\": \"a/b.txt\"}",
    .check = ftp_check,
    .run = IN_WORKER(ftp_run),
};
