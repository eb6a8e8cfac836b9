/* What is left over goes: expired results and statuses, contents that nothing refers to, directories of workers that
 * are no more. Everything here may be cut short anywhere and is done again the next time. */
#include "conductor/private.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>

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

/* ---- room on the disk ---- */

/* Bytes that are given back when everything is full, so that cancels and deletes can still be written down. */
#define BALLAST "ballast"
#define BALLAST_PART 40 /* of a small volume at most 2.5 %: without it, and nothing else gone, it is still too full */

static void ballast_path(char out[PATH_MAX], const struct conductor *c)
{
    snprintf(out, PATH_MAX, "%s/" BALLAST, c->conf.space.paths[0]);
}

void ballast_drop(struct conductor *c)
{
    char path[PATH_MAX];

    ballast_path(path, c);
    if (c->ballast && unlink(path) == 0)
        log_warn(&c->log, "the disk is full: gave back %s", path);
    c->ballast = false;
}

void ballast_check(struct conductor *c)
{
    if (c->ballast && space_is_used_up(c->conf.space.paths[0], c->conf.space.reserve))
        ballast_drop(c);
}

void ballast_make(struct conductor *c)
{
    const char *dir = c->conf.space.paths[0];
    struct statvfs v;
    char path[PATH_MAX];

    if (!c->conf.ballast_bytes || statvfs(dir, &v) < 0)
        return;
    int64_t part = (int64_t)v.f_blocks * (int64_t)v.f_frsize / BALLAST_PART;
    int64_t want = c->conf.ballast_bytes < part ? c->conf.ballast_bytes : part;
    ballast_path(path, c);
    if (access(path, F_OK) == 0) { /* an earlier process made it */
        c->ballast = true;
        return;
    }
    if (space_above(dir, c->conf.space.reserve) < want + want / 2)
        return;
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    /* not posix_fallocate(): where the file system can't, that writes, and we must not wait */
    if (fd >= 0 && fallocate(fd, 0, 0, want) == 0)
        c->ballast = true;
    else
        unlink(path);
}

void space_watch(struct conductor *c)
{
    const struct space *s = &c->conf.space;
    bool was = c->no_space;
    struct err err;

    c->no_space = space_check(s, 0, &err) < 0;
    if (c->no_space && !was)
        log_warn(&c->log, "no new work is taken, and no job begins: less than min_free_bytes is free");
    ballast_check(c);
    if (!c->no_space && was)
        log_info(&c->log, "there is room on the disk again");
    if (!c->no_space && !c->ballast && c->ticks % 10 == 0)
        ballast_make(c);
    if (!c->no_space && was)
        queues_pump(c);
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
        (void)!blob_delete(r->blobs, r->ids.v[i], &err); /* what stays has no row: the scrub takes it */
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
    struct removal *r = take(c->removal);

    if (r && ok)
        uv_queue_work(&c->loop, &r->req, remove_blobs, blobs_removed);
    else
        removal_free(r);
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
        bool kept = false;

        if (map_get(&c->live, ids.v[i])) /* leaves memory first */
            continue;
        if (!c->removal) {
            c->removal = mem_zalloc(sizeof *c->removal);
            c->removal->blobs = c->conf.blobs;
        }
        if (turn_begin(c, &err) < 0 || store_files(c->conf.store, ids.v[i], keep_id, &c->removal->ids, &err) < 0 ||
            store_assembly_keep_status(&kept, c->conf.store, ids.v[i], c->conf.status_expiry_us, &err) < 0 ||
            (!kept && store_assembly_purge(c->conf.store, ids.v[i], &err) < 0)) {
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

/* Whoever makes a blob holds it until its row is committed or refused. So: not held, and after that no row: then there
 * will never be one. */
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
        log_info(&c->log, "scrub: removed %d files that nothing referred to, %lld bytes", s->removed,
                 (long long)s->bytes);
    free(s->old.v);
    free(s);
    c->scrubbing = false;
}

static void scrub_begin(struct conductor *c)
{
    struct scrub *s = mem_zalloc(sizeof *s);

    c->scrubbing = true;
    s->c = c;
    s->before_us = clock_now_us() - c->conf.scrub_grace_us;
    uv_queue_work(&c->loop, &s->req, scrub_shelf, shelf_scrubbed);
    pool_scrub(c->pool);
}

/* Once a second. */
void housekeep(struct conductor *c)
{
    int64_t mono = clock_mono_us();

    if (c->draining)
        return;
    if (mono >= c->sweep_due_us) {
        bool more = purge_expired(c);

        sweep_uploads(c);
        c->sweep_due_us = mono + (more ? 0 : c->conf.sweep_interval_us);
    }
    if (mono >= c->scrub_due_us && !c->scrubbing) {
        scrub_begin(c);
        c->scrub_due_us = mono + c->conf.scrub_interval_us;
    }
}
