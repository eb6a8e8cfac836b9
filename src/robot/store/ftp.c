/* /ftp/store: put files on a server by FTP. */
#include "transfer/ftp.h"

struct ftp_opts {
    struct ftp_place place;
    struct store_opts store;
    struct store_urls urls;
};
#define T struct ftp_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct ftp_place, ftp_place_options),
    FTP_SECURE_OPTION(T, place, NULL),
    OPT_GROUP(T, store, struct store_opts, store_options),
    STORE_URL_OPTIONS(T, urls, "https://{HOST}/{PATH}", "https://{HOST}/{PATH}"),
    OPT_END,
};

static int ftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return store_opts_check(&o->store, /* tree= */ true, FTP_PATH_MAX, err) < 0
               ? -1
               : ftp_place_check(&o->place, partial, err);
}

static int ftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(ftp_close) struct ftp *f = NULL;

    return ftp_open(&f, job, &o->place, &o->urls, err) < 0
               ? -1
               : remote_store(job, &ftp_protocol, f, &o->store, err);
}

static int ftp_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    AUTO(ftp_close) struct ftp *f = NULL;

    return ftp_open(&f, job, &o->place, &o->urls, err) < 0
               ? -1
               : remote_undo(job, &ftp_protocol, f, token, err);
}

static int ftp_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(ftp_close) struct ftp *f = NULL;

    return ftp_open(&f, job, &o->place, &o->urls, err) < 0 ? -1 : ftp_trial(f, err);
}

const struct robot robot_store_ftp = {
    .name = "/ftp/store",
    .summary = "Store files on an FTP server",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "ftp",
    .keys = FTP_KEYS,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"host\": \"h.example\", \"user\": \"u\", \"password\": \"p\"}",
    .check = ftp_check,
    .run = IN_WORKER(ftp_run),
    .undo = IN_WORKER(ftp_undo),
    .trial = IN_WORKER(ftp_try),
};
