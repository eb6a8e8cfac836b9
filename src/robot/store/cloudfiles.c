/* /cloudfiles/store: put files into a container of Rackspace Cloud Files, or of another Swift. */
#include "transfer/swift.h"

struct cloudfiles_store_opts {
    struct swift_place place;
    struct store_opts store;
};
#define T struct cloudfiles_store_opts
static const struct option options[] = {
    OPT_GROUP(T, place, struct swift_place, swift_place_options),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_END,
};

static int cloudfiles_store_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return store_opts_check(&o->store, /* tree= */ true, SWIFT_NAME_MAX, err) < 0
               ? -1
               : swift_place_check(&o->place, partial, err);
}

static const struct remote_protocol protocol = {.put = swift_put, .address = swift_address};

static int cloudfiles_store_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct swift w;
    int rc = swift_open(&w, job, &o->place, err);

    if (rc == 0)
        rc = remote_store(job, &protocol, &w, &o->store, err);
    api_done(w.api);
    return rc;
}

static int cloudfiles_store_undo(struct robot_job *job, const void *opts, const json_t *token,
                                 struct err *err)
{
    const T *o = opts;
    struct swift w;
    int rc = swift_open(&w, job, &o->place, err);

    if (rc == 0)
        rc = swift_undo(&w, token, err);
    api_done(w.api);
    return rc;
}

static char *cloudfiles_probe_url(const void *ctx, const char *name)
{
    const struct swift *w = ctx;

    return swift_url(w, w->place->container, name);
}

static char *cloudfiles_probe_list(const void *ctx, const char *name)
{
    const struct swift *w = ctx;
    AUTO(mem_free) char *url = swift_url(w, w->place->container, NULL);

    return mem_printf("%s?format=json&limit=1&prefix=%s", url, name);
}

static int cloudfiles_try(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct swift w;
    int rc = swift_open(&w, job, &o->place, err);

    if (rc == 0)
        rc = api_try(&(struct api_trial){.api = &w.api,
                                         .store = &protocol,
                                         .ctx = &w,
                                         .url = cloudfiles_probe_url,
                                         .list = cloudfiles_probe_list},
                     err);
    api_done(w.api);
    return rc;
}

const struct robot robot_store_cloudfiles = {
    .name = "/cloudfiles/store",
    .summary = "Store files in Rackspace Cloud Files or another Swift",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "rackspace",
    .codes = "ACCESS_DENIED ERROR",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"user\": \"u\", \"key\": \"k\", \"container\": \"c\"}",
    .check = cloudfiles_store_check,
    .run = IN_WORKER(cloudfiles_store_run),
    .undo = IN_WORKER(cloudfiles_store_undo),
    .trial = IN_WORKER(cloudfiles_try),
};
