/* /google/store: put files into a bucket of Google Cloud Storage. */
#include "transfer/google.h"
#include "transfer/values.h"

#include <string.h>

enum acl { ACL_NONE, ACL_AUTHENTICATED, ACL_OWNER, ACL_PRIVATE, ACL_PROJECT, ACL_PUBLIC };
static const char *const acl_names[] = {NULL,      "authenticatedRead", "bucketOwnerFullControl",
                                        "private", "projectPrivate",    "publicRead"};

struct google_opts {
    struct google_place place;
    struct store_opts store;
    struct store_urls urls;
    int acl;
    const char *cache_control;
};
#define T struct google_opts
static const struct opt_choice acls[] = {{"authenticated-read", ACL_AUTHENTICATED},
                                         {"bucket-owner-full-control", ACL_OWNER},
                                         {"private", ACL_PRIVATE},
                                         {"project-private", ACL_PROJECT},
                                         {"public-read", ACL_PUBLIC},
                                         {"bucket-default", ACL_NONE},
                                         {0}};

static const struct option options[] = {
    OPT_GROUP(T, place, struct google_place, google_place_options),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_ENUM(T, acl, acls, .def = ACL_PUBLIC, .nullable = true, .null_is = "bucket-default",
             .help = "Who may read the object. null (or \"bucket-default\"): as the bucket has it, which is needed "
                     "where uniform bucket-level access is on."),
    OPT_STR(T, cache_control, .help = "Cache-Control that is stored with the object."),
    STORE_URL_OPTIONS(T, urls, "https://{HOST}/{PATH}", "https://{HOST}/{PATH}"),
    OPT_END,
};

static int google_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    const char *path = o->store.path + (*o->store.path == '/');

    if (google_place_check(&o->place, partial, err) < 0 ||
        store_opts_check(&o->store, /* tree= */ false, GOOGLE_NAME_MAX, err) < 0)
        return -1;
    if (!strcmp(path, ".") || !strcmp(path, "..") || str_starts(path, ".well-known/acme-challenge/"))
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' is '%.100s', which Google allows no object to be called",
                       path);
    if (o->cache_control && value_has_control(o->cache_control))
        return err_set(err, ERR_ROBOT_VALIDATION, "'cache_control' holds a control character");
    return 0;
}

struct storing {
    struct google google;
    const T *opts;
    struct google_object object;
};

static int google_store_open(struct storing *s, struct robot_job *job, const T *o, struct err *err)
{
    *s = (struct storing){.opts = o, .object = {acl_names[o->acl], o->cache_control}};
    /* to say who may read an object is more than to write it */
    return google_open(&s->google, job, &o->place, s->object.acl ? "devstorage.full_control" : "devstorage.read_write",
                       err);
}

static int put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;

    return google_put(&s->google, f, &s->object, err);
}

static void address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;
    AUTO(mem_free) char *host = google_host(&s->google);

    remote_urls(url, ssl_url, &s->opts->urls, host, f->path);
}

static int google_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_protocol protocol = {.put = put, .address = address};
    struct storing s;
    int rc = google_store_open(&s, job, opts, err);

    if (rc == 0)
        rc = remote_store(job, &protocol, &s, &s.opts->store, err);
    google_close(s.google);
    return rc;
}

static int google_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    AUTO(google_close) struct google g = {0};

    return google_open(&g, job, &o->place, "devstorage.read_write", err) < 0 ? -1 : google_undo_put(&g, token, err);
}

static int google_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    AUTO(google_close) struct google g = {0};

    return google_open(&g, job, &o->place, "devstorage.read_write", err) < 0 ? -1 : google_trial(&g, err);
}

const struct robot robot_store_google = {
    .name = "/google/store",
    .summary = "Store files in Google Cloud Storage",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "google",
    .codes = "INVALID_INPUT",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"credentials\": \"my_google\"}",
    .check = google_check,
    .run = IN_WORKER(google_run),
    .undo = IN_WORKER(google_undo),
    .trial = IN_WORKER(google_try),
};
