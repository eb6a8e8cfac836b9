/* /dropbox/store: put files into a Dropbox. */
#include "transfer/dropbox.h"
#include "transfer/trial.h"

struct dropbox_opts {
    struct dropbox_keys keys;
    struct store_opts store;
    bool create_sharing_link;
};
#define T struct dropbox_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct dropbox_keys, dropbox_keys_options),
    DROPBOX_REFRESH_OPTION(T, keys, .beyond = "an access token alone is good for four hours"),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_BOOL(T, create_sharing_link, .help = "Make a link that everybody may open, and report it as the file's url."),
    OPT_END,
};

static int dropbox_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return store_opts_check(&o->store, /* tree= */ true, DROPBOX_PATH_MAX, err) < 0
               ? -1
               : dropbox_keys_check(&o->keys, partial, err);
}

struct storing {
    struct dropbox d;
    const T *opts;
    char *link; /* of the file that was stored last; NULL: it has none */
};

static int dropbox_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;

    free(take(s->link));
    return dropbox_upload(&s->link, &s->d, f, s->opts->create_sharing_link, err);
}

/* Without a link there is no address for everybody: that page shows the file to whom it belongs. */
static void dropbox_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;
    AUTO(mem_free) char *path = dropbox_path(f->path);

    if (s->link) {
        str_puts(url, s->link);
    } else {
        str_puts(url, "https://www.dropbox.com/home");
        str_add_urlencoded(url, path, "/");
    }
    str_puts(ssl_url, url->s);
}

static const struct remote_protocol dropbox_protocol = {.tree = true, .put = dropbox_put, .address = dropbox_address};

static int dropbox_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct storing s = {.opts = opts};
    int rc = dropbox_open(&s.d, job, &s.opts->keys, err);

    if (rc == 0)
        rc = remote_store(job, &dropbox_protocol, &s, &s.opts->store, err);
    free(s.link);
    dropbox_done(s.d);
    return rc;
}

/* ---- trial ---- */

static int dropbox_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct storing *s = ctx;

    return remote_put_probe(s->d.api.job, &dropbox_protocol, ctx, name, err);
}

static int dropbox_list_root(void *ctx, const char *name, struct err *err)
{
    struct storing *s = ctx;
    AUTO(json_unref)
    json_t *page = dropbox_call(&s->d, "files/list_folder", json_pack("{s:s,s:i}", "path", "", "limit", 1), err);

    (void)name;
    return page ? 0 : -1;
}

static int dropbox_remove_probe(void *ctx, const char *name, struct err *err)
{
    struct storing *s = ctx;
    AUTO(mem_free) char *path = dropbox_path(name);
    AUTO(json_unref) json_t *gone = dropbox_call(&s->d, "files/delete_v2", json_pack("{s:s}", "path", path), err);

    return gone ? 0 : -1;
}

static int dropbox_try(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_trial trial = {
        .write = dropbox_write_probe, .list = dropbox_list_root, .remove = dropbox_remove_probe};
    struct storing s = {.opts = opts};
    int rc = dropbox_open(&s.d, job, &s.opts->keys, err);

    if (rc == 0)
        rc = remote_try(job, &trial, &s, err);
    free(s.link);
    dropbox_done(s.d);
    return rc;
}

const struct robot robot_store_dropbox = {
    .name = "/dropbox/store",
    .summary = "Store files in a Dropbox",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "dropbox",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"access_token\": \"t\", \"app_key\": \"k\"}",
    .check = dropbox_check,
    .run = IN_WORKER(dropbox_run),
    .trial = IN_WORKER(dropbox_try),
};
