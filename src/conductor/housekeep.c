/* What is left over goes: expired results and statuses, contents that nothing refers to,
 * directories of workers that are no more. Everything here may be cut short anywhere and is done
 * again the next time. */
#include "conductor/document.h"
#include "conductor/private.h"
#include "store/renewed.h"

#include <stdio.h>

#define PURGE_AT_ONCE 100 /* a turn must stay short */

struct id_list {
    char (*v)[ID_LEN + 1];
    size_t count;
};

static int keep_id(void *ctx, const char *id)
{
    struct id_list *list = ctx;

    if ((list->count & (list->count - 1)) == 0)
        list->v = mem_realloc(list->v, (list->count ? list->count * 2 : 1) * sizeof *list->v);
    snprintf(list->v[list->count++], ID_LEN + 1, "%s", id);
    return 0;
}

/* ---- expiry ---- */

struct removal {
    uv_work_t req;
    struct blob_store *blobs;
    struct id_list ids;
};

static void remove_blobs(uv_work_t *req)
{
    struct removal *r = (struct removal *)req;
    struct err err;

    for (size_t i = 0; i < r->ids.count; i++)
        (void)!blob_delete(r->blobs, r->ids.v[i],
                           &err); /* what stays has no row: the scrub takes it */
}

static void removal_free(struct removal *r)
{
    if (r)
        free(r->ids.v);
    free(r);
}

static void blobs_removed(uv_work_t *req, int status)
{
    (void)status;
    removal_free((struct removal *)req);
}

/* Rows go first, contents when that is committed: what a row names is always there. */
void housekeep_committed(struct conductor *c, bool ok)
{
    struct removal *r = take(c->turn.removal);

    if (r && ok)
        uv_queue_work(&c->loop, &r->req, remove_blobs, blobs_removed);
    else
        removal_free(r);
}

static struct removal *removal_new(struct conductor *c)
{
    struct removal *r = mem_zalloc(sizeof *r);

    r->blobs = c->conf.blobs;
    return r;
}

void conductor_discard(struct conductor *c, const char *blob_id)
{
    struct removal *r = removal_new(c);

    keep_id(&r->ids, blob_id);
    uv_queue_work(&c->loop, &r->req, remove_blobs, blobs_removed);
}

/* Its events go, and with them what its document was made of. */
static int keep_document(struct conductor *c, const char *id, const struct store_made *made, struct err *err)
{
    AUTO(str_done) struct str text = {0};
    AUTO(json_unref) json_t *item = NULL;

    if (document_make(&text, &item, made, c->conf.seal, id, err) < 0 ||
        store_status_put(c->conf.store, id, text.s, err) < 0)
        return -1;
    AUTO(mem_free) char *item_text = json_text(item);
    return store_listed_item(c->conf.store, id, item_text, err);
}

static bool is_unreadable(const struct err *err) { return err->code == ERR_CREDENTIALS || err->code == ERR_INTERNAL; }

/* Its files go; its document too, when the time of that is over, or when it was not stored and its events are
 * damaged. */
static int expire(struct conductor *c, const char *id, struct err *err)
{
    AUTO(store_made_done) struct store_made made = {0};
    bool kept = false;

    if (store_files(c->conf.store, id, keep_id, &c->turn.removal->ids, err) < 0 ||
        store_status_read(NULL, &made, c->conf.store, id, err) < 0 ||
        store_assembly_keep_status(&kept, c->conf.store, id, c->conf.status_expiry_us, err) < 0)
        return -1;
    if (kept && made.about && keep_document(c, id, &made, err) < 0) {
        if (!is_unreadable(err))
            return -1;
        log_error(&c->log, "Assembly %s is forgotten: %s", id, err->msg);
        kept = false;
    }
    return kept ? 0 : store_assembly_purge(c->conf.store, id, err);
}

/* true: there may be more. */
static bool purge_expired(struct conductor *c)
{
    struct id_list ids = {0};
    struct err err;

    if (store_expired(c->conf.store, clock_now_us(), PURGE_AT_ONCE, keep_id, &ids, &err) < 0) {
        log_error(&c->log, "expired Assemblies: %s", err.msg);
        free(ids.v);
        return false;
    }
    bool more = ids.count == PURGE_AT_ONCE;
    for (size_t i = 0; i < ids.count; i++) {
        if (map_get(&c->entries.by_id, ids.v[i])) /* leaves memory first */
            continue;
        if (!c->turn.removal)
            c->turn.removal = removal_new(c);
        if (turn_begin(c, &err) < 0 || expire(c, ids.v[i], &err) < 0) {
            turn_lost(c, &err); /* so nothing is removed either */
            more = false;
            break;
        }
    }
    free(ids.v);
    return more;
}

/* ---- the scrub ---- */

struct scrub {
    uv_work_t req;
    struct conductor *c;
    int shelf;
    int64_t before_us;
    struct id_list old; /* of the shelf under way */
    int removed;
    int64_t bytes;
    struct err err;
};

static int is_old(void *ctx, const char *id, int64_t size, int64_t changed_us)
{
    struct scrub *s = ctx;

    (void)size;
    return id_valid(id) && changed_us < s->before_us ? keep_id(&s->old, id) : 0;
}

/* Whoever makes a blob holds it until its row is committed or refused. So: not held, and after that
 * no row: then there will never be one. */
static void scrub_shelf(uv_work_t *req)
{
    struct scrub *s = (struct scrub *)req;
    const struct conductor_conf *conf = &s->c->conf;

    s->old.count = 0;
    if (blob_each(conf->blobs, s->shelf, is_old, s, &s->err) < 0)
        return;
    for (size_t i = 0; i < s->old.count; i++) {
        bool named;
        int64_t freed;

        if (blob_is_held(conf->blobs, s->old.v[i]))
            continue;
        if (store_blob_is_named(&named, conf->reader, s->old.v[i], &s->err) < 0)
            return;
        if (named || (freed = blob_delete(conf->blobs, s->old.v[i], &s->err)) < 0)
            continue;
        s->removed++;
        s->bytes += freed;
    }
}

static void shelf_scrubbed(uv_work_t *req, int status)
{
    struct scrub *s = (struct scrub *)req;
    struct conductor *c = s->c;

    (void)status;
    if (!s->err.code && ++s->shelf < BLOB_SHELVES && !c->draining) {
        uv_queue_work(&c->loop, &s->req, scrub_shelf, shelf_scrubbed);
        return;
    }
    if (s->err.code)
        log_warn(&c->log, "scrub: %s", s->err.msg);
    if (s->removed)
        log_info(&c->log, "scrub: removed %d files that nothing referred to, %lld bytes",
                 s->removed, (long long)s->bytes);
    free(s->old.v);
    free(s);
    c->housekeeping.scrubbing = false;
}

static void scrub_begin(struct conductor *c)
{
    struct scrub *s = mem_zalloc(sizeof *s);
    struct err err;

    if (c->conf.renewed && renewed_sweep(c->conf.renewed, c->conf.store, c->conf.seal, &err) < 0)
        log_warn(&c->log, "tokens of stored credentials: %s", err.msg);
    c->housekeeping.scrubbing = true;
    s->c = c;
    s->before_us = clock_now_us() - c->conf.scrub_grace_us;
    uv_queue_work(&c->loop, &s->req, scrub_shelf, shelf_scrubbed);
    pool_scrub(c->pool);
}

/* ---- uploads that expired ---- */

struct sweep {
    uv_work_t req;
    struct upload_stopper uploads;
};

static void sweep_work(uv_work_t *req)
{
    struct sweep *w = (struct sweep *)req;

    w->uploads.sweep(w->uploads.ctx);
}

static void swept(uv_work_t *req, int status)
{
    (void)status;
    free(req);
}

void sweep_uploads(struct conductor *c)
{
    struct sweep *w = mem_zalloc(sizeof *w);

    w->uploads = c->uploads;
    uv_queue_work(&c->loop, &w->req, sweep_work, swept);
}

void housekeep(struct conductor *c)
{
    int64_t mono = clock_mono_us();

    if (c->draining)
        return;
    if (mono >= c->housekeeping.sweep_due_us) {
        bool more = purge_expired(c);

        sweep_uploads(c);
        c->housekeeping.sweep_due_us = mono + (more ? 0 : c->conf.sweep_interval_us);
    }
    if (mono >= c->housekeeping.scrub_due_us && !c->housekeeping.scrubbing) {
        scrub_begin(c);
        c->housekeeping.scrub_due_us = mono + c->conf.scrub_interval_us;
    }
}
