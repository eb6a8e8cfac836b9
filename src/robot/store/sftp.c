/* /sftp/store: put files on a server by SFTP. */
#include "transfer/sftp.h"

#include <string.h>

struct sftp_opts {
    struct sftp_place place;
    struct store_opts store;
    struct store_urls urls;
    const char *file_chmod;
};
#define T struct sftp_opts
#define URL_TEMPLATE "http://{HOST}/{PATH}"
static const struct option options[] = {
    OPT_GROUP(T, place, struct sftp_place, sftp_place_options),
    OPT_GROUP(T, store, struct store_opts, store_options),
    /* what the contract writes is meant as a template, and a client may send it back */
    STORE_URL_OPTIONS(T, urls, "http://host/path", "https://{HOST}/{PATH}"),
    OPT_STR(T, file_chmod, .def_str = "auto", .pattern = "^(auto|[0-7]{3,4})$",
            .example = "\"640\"",
            .help = "Mode of the file in octal digits; \"auto\": as the server makes files."),
    OPT_END,
};

static int sftp_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return store_opts_check(&o->store, /* tree= */ true, SFTP_PATH_MAX, err) < 0
               ? -1
               : sftp_place_check(&o->place, partial, err);
}

static int open_at(struct sftp **out, struct robot_job *job, const T *o, struct err *err)
{
    struct store_urls *urls = arena_alloc(robot_arena(job), sizeof *urls);

    *urls = o->urls;
    if (!strcmp(urls->url_template, "http://host/path"))
        urls->url_template = URL_TEMPLATE;
    struct sftp_how how = {.mode = strcmp(o->file_chmod, "auto") ? o->file_chmod : NULL,
                           .urls = urls};
    return sftp_open(out, job, &o->place, &how, err);
}

static int sftp_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(sftp_close) struct sftp *s = NULL;

    return open_at(&s, job, o, err) < 0 ? -1 : remote_store(job, &sftp_protocol, s, &o->store, err);
}

static int sftp_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    AUTO(sftp_close) struct sftp *s = NULL;

    return open_at(&s, job, opts, err) < 0 ? -1 : remote_undo(job, &sftp_protocol, s, token, err);
}

static int sftp_try(struct robot_job *job, const void *opts, struct err *err)
{
    AUTO(sftp_close) struct sftp *s = NULL;

    return open_at(&s, job, opts, err) < 0 ? -1 : sftp_trial(s, err);
}

const struct robot robot_store_sftp = {
    .name = "/sftp/store",
    .summary = "Store files on an SFTP server",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "sftp",
    .keys = SFTP_KEYS,
    .flags = ROBOT_KNOWS_HOSTS,
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"host\": \"h.example\", \"user\": \"u\"}",
    .check = sftp_check,
    .run = IN_WORKER(sftp_run),
    .undo = IN_WORKER(sftp_undo),
    .trial = IN_WORKER(sftp_try),
};
