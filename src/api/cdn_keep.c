#include "api/cdn_keep.h"
#include "base/clock.h"
#include "base/log.h"
#include "blob/blob.h"
#include "conductor/conductor.h"
#include "store/store.h"

#include <string.h>

#define GONE_AT_ONCE 256 /* a turn must stay short */

static const struct log keep_log = {"room", "cdn", NULL};

struct keeping {
    struct cdn_cache *cache;
    struct app *app;
    struct {
        struct cdn_entry *entry;
        char blob_id[ID_LEN + 1];
        char *record;
    } kept[CDN_KEEP_MOST];
    int count;
    char gone[GONE_AT_ONCE][ID_LEN + 1];
    int gone_count;
};

static int load_one(void *ctx, const struct store_served *v)
{
    struct cdn_cache *cache = ctx;
    struct cdn_entry *e = cdn_entry_read(v->key, v->blob_id, v->size, v->record, v->until_us);

    if (e)
        cdn_cache_put(cache, e);
    else
        cdn_cache_disown(cache, v->blob_id);
    cdn_entry_unref(e);
    return 0;
}

int cdn_keep_load(struct cdn_cache *cache, struct app *app, struct err *err)
{
    if (store_served(app->reader, load_one, cache, err) < 0)
        return -1;
    cdn_cache_expire(cache, clock_now_us());
    return 0;
}

/* In the turn's transaction. */
static int keep_write(void *ctx, struct store *store, struct err *err)
{
    struct keeping *k = ctx;

    for (int i = 0; i < k->gone_count; i++)
        if (store_served_del(store, k->gone[i], err) < 0)
            return -1;
    for (int i = 0; i < k->count; i++) {
        const struct cdn_entry *e = k->kept[i].entry;
        struct store_served v = {e->key, k->kept[i].blob_id, e->size, k->kept[i].record, e->until_us};

        if (store_served_put(store, &v, err) < 0)
            return -1;
    }
    return 0;
}

/* On the conductor's thread, after the commit or when it has failed. Rows go first, then contents. */
static void keep_written(void *ctx, const struct err *err, struct published *none)
{
    struct keeping *k = ctx;

    (void)none;
    for (int i = 0; i < k->gone_count; i++)
        if (err)
            cdn_cache_disown(k->cache, k->gone[i]);
        else
            conductor_discard(k->app->conductor, k->gone[i]);
    for (int i = 0; i < k->count; i++) {
        struct cdn_entry *e = k->kept[i].entry;

        if (err) {
            cdn_cache_drop(k->cache, e); /* its Assembly's contents go soon */
            conductor_discard(k->app->conductor, k->kept[i].blob_id);
        } else {
            blob_release(k->app->blobs, k->kept[i].blob_id);
            if (!cdn_cache_settle(k->cache, e, k->kept[i].blob_id))
                cdn_cache_disown(k->cache, k->kept[i].blob_id);
        }
        cdn_entry_unref(e);
        free(k->kept[i].record);
    }
    if (err)
        log_warn(&keep_log, "%d answers are not kept: %s", k->count, err->msg);
    free(k);
}

static void keep_one(struct keeping *k, struct cdn_entry *e)
{
    struct err err;
    int at = k->count;

    id_new(k->kept[at].blob_id);
    if (blob_clone(k->app->blobs, e->blob_id, k->kept[at].blob_id, &err) < 0) {
        log_warn(&keep_log, "an answer is not kept: %s", err.msg);
        cdn_cache_drop(k->cache, e);
        return;
    }
    k->kept[at].entry = cdn_entry_ref(e);
    k->kept[at].record = cdn_entry_record(e);
    k->count++;
}

void cdn_keep(struct cdn_cache *cache, struct app *app, struct cdn_entry *const *entries, int count)
{
    struct keeping *k = mem_zalloc(sizeof *k);

    k->cache = cache;
    k->app = app;
    for (int i = 0; i < count && i < CDN_KEEP_MOST; i++)
        keep_one(k, entries[i]);
    k->gone_count = cdn_cache_gone(cache, k->gone, GONE_AT_ONCE);
    if (k->count || k->gone_count)
        conductor_post_write(app->conductor, keep_write, keep_written, k);
    else
        free(k);
}
