/* /sftp/import: fetch files from a server by SFTP. */
#include "transfer/sftp.h"

static const struct option sftp_deep[] = {
    OPT_BOOL(struct import_opts, recursive, .help = "Of a directory also what lies in those below it."),
    OPT_END,
};

struct sftp_opts {
    struct sftp_place place;
    struct import_opts import;
};
#define T struct sftp_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct sftp_place, sftp_place_options),
    IMPORT_GROUP(T, import_path_options),
    IMPORT_GROUP(T, sftp_deep),
    IMPORT_GROUP(T, import_options),
    OPT_END,
};

static int sftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return sftp_place_check(&o->place, partial, err) < 0 ? -1 : import_check(&o->import, partial, err);
}

static int sftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return remote_import(job, &sftp_service, &(struct sftp_import){.place = &o->place}, &o->import, err);
}

const struct robot robot_import_sftp = {
    .name = "/sftp/import",
    .summary = "Import files from an SFTP server",
    .role = ROLE_TRANSFER,
    .credentials = "sftp",
    .keys = SFTP_KEYS,
    .flags = ROBOT_KNOWS_HOSTS,
    IMPORT_RECORD(T),
    IMPORT_PRICE,
    .example = "{\"host\": \"h.example\", \"user\": \"u\", \"path\": \"a/b.txt\"}",
    .check = sftp_check,
    .run = IN_WORKER(sftp_run),
};
