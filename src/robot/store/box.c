/* /box/store: put files into Box. */
#include "transfer/box.h"
#include "transfer/trial.h"

struct box_opts {
    struct box_keys keys;
    struct store_opts store;
    bool create_sharing_link;
};
#define T struct box_opts
static const struct option options[] = {
    OPT_GROUP(T, keys, struct box_keys, box_keys_options),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_BOOL(T, create_sharing_link, .help = "Make a link that everybody may open, and report it as the file's url."),
    OPT_END,
};

static int box_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return store_opts_check(&o->store, /* tree= */ true, BOX_PATH_MAX, err) < 0
               ? -1
               : box_keys_check(&o->keys, partial, err);
}

struct storing {
    struct box b;
    const T *opts;
    char *id, *link; /* of the file that was stored last */
};

static int box_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;

    free(take(s->id));
    free(take(s->link));
    if (box_upload(&s->id, &s->b, f, err) < 0)
        return -1;
    return s->opts->create_sharing_link && !(s->link = box_link(&s->b, s->id, err)) ? -1 : 0;
}

/* Without a link there is no address for everybody: that page shows the file to who may see it. */
static void box_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;

    (void)f;
    if (s->link)
        str_puts(url, s->link);
    else
        str_addf(url, "https://app.box.com/file/%s", s->id);
    str_puts(ssl_url, url->s);
}

static const struct remote_protocol box_protocol = {.tree = true, .put = box_put, .address = box_address};

static int box_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct storing s = {.opts = opts};
    int rc = box_open(&s.b, job, &s.opts->keys, err);

    if (rc == 0)
        rc = remote_store(job, &box_protocol, &s, &s.opts->store, err);
    free(s.id);
    free(s.link);
    box_done(s.b);
    return rc;
}

static int box_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const T *o = opts;
    struct box b;
    int rc = box_open(&b, job, &o->keys, err);

    if (rc == 0)
        rc = box_upload_undo(&b, token, err);
    box_done(b);
    return rc;
}

/* ---- trial ---- */

static int box_write_probe(void *ctx, const char *name, struct err *err)
{
    const struct storing *s = ctx;

    return remote_put_probe(s->b.api.job, &box_protocol, ctx, name, err);
}

static int box_list_root(void *ctx, const char *name, struct err *err)
{
    struct storing *s = ctx;
    AUTO(json_unref) json_t *items = box_items(&s->b, BOX_ROOT, NULL, err);

    (void)name;
    return items ? 0 : -1;
}

static int box_remove_probe(void *ctx, const char *name, struct err *err)
{
    struct storing *s = ctx;

    (void)name;
    return box_delete(&s->b, s->id, err);
}

static int box_try(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_trial trial = {
        .write = box_write_probe, .list = box_list_root, .remove = box_remove_probe};
    struct storing s = {.opts = opts};
    int rc = box_open(&s.b, job, &s.opts->keys, err);

    if (rc == 0)
        rc = remote_try(job, &trial, &s, err);
    free(s.id);
    free(s.link);
    box_done(s.b);
    return rc;
}

const struct robot robot_store_box = {
    .name = "/box/store",
    .summary = "Store files in Box",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "box",
    .price_factor = 6.6666,
    .opts_size = sizeof(T),
    .slots = 10,
    .options = options,
    .example = "{\"access_token\": \"t\"}",
    .check = box_check,
    .run = IN_WORKER(box_run),
    .undo = IN_WORKER(box_undo),
    .trial = IN_WORKER(box_try),
    .renew = IN_WORKER(box_renew),
};
