/* The table of uploads: found by id, ended by Assembly, read again after a restart. */
#include "base/clock.h"
#include "upload/private.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TELL_EVERY_US (SECOND_US / 4)

static const struct log log_ctx = {"room", "upload", NULL};

char *uploads_path(struct uploads *u, const char *id) { return mem_printf("%s/%s", u->conf.dir, id); }

struct upload *upload_new(struct uploads *u)
{
    struct upload *p = mem_zalloc(sizeof *p);

    p->refs = 1;
    p->all = u;
    p->length = -1;
    p->spool.fd = -1;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void upload_free(struct upload *p)
{
    if (p->holder)
        http_request_unref(p->holder);
    share_end(&p->share);
    spool_close(&p->spool, false);
    free(p->concat_header);
    free(p->metadata);
    free(p->url);
    free(p->filename);
    free(p->fieldname);
    json_decref(p->user_meta);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void upload_unref(struct upload *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->all->lock);
    bool last = --p->refs == 0;
    pthread_mutex_unlock(&p->all->lock);
    if (last)
        upload_free(p);
}

struct upload *upload_find(struct uploads *u, const char *id)
{
    pthread_mutex_lock(&u->lock);
    struct upload *p = map_get(&u->by_id, id);
    if (p)
        p->refs++;
    pthread_mutex_unlock(&u->lock);
    return p;
}

void upload_register(struct uploads *u, struct upload *p)
{
    pthread_mutex_lock(&u->lock);
    p->refs++;
    map_put(&u->by_id, p->id, p);
    if (*p->assembly_id && (p->next_of_assembly = map_put(&u->by_assembly, p->assembly_id, p)))
        p->next_of_assembly->prev_of_assembly = p;
    pthread_mutex_unlock(&u->lock);
}

void upload_parts(struct uploads *u, const char *assembly_id, int *count, int64_t *bytes)
{
    *count = 0;
    *bytes = 0;
    pthread_mutex_lock(&u->lock);
    for (struct upload *p = map_get(&u->by_assembly, assembly_id); p; p = p->next_of_assembly) {
        /* figures that another request changes just now are old or new ones: good enough for a bound */
        int64_t length = __atomic_load_n(&p->length, __ATOMIC_RELAXED),
                offset = __atomic_load_n(&p->offset, __ATOMIC_RELAXED);

        if (p->concat != CONCAT_PARTIAL || __atomic_load_n(&p->state, __ATOMIC_RELAXED) == UPLOAD_GONE)
            continue;
        ++*count;
        if (__builtin_add_overflow(*bytes, length > offset ? length : offset, bytes))
            *bytes = INT64_MAX;
    }
    pthread_mutex_unlock(&u->lock);
}

int upload_begin_bytes(struct upload *p, bool at_once, struct err *err)
{
    if (p->spool.path)
        return 0;
    AUTO(mem_free) char *path = uploads_path(p->all, p->id);
    return at_once ? spool_begin(&p->spool, path, p->all->conf.blobs, p->file_id, err)
                   : spool_create(&p->spool, path, err);
}

void upload_keep_bytes(struct upload *p)
{
    struct err err;

    if (spool_name(&p->spool, &err) == 0)
        return;
    log_warn(&log_ctx, "upload %s begins anew: %s", p->id, err.msg);
    spool_close(&p->spool, true);
    p->offset = 0;
}

uint64_t upload_take(struct upload *p, struct http_request *holder)
{
    struct err err;

    if (p->holder) {
        err_set(&err, ERR_BUSY, "Another request has taken this upload over.");
        struct http_response *r = http_response_new(423);
        http_response_header(r, "Tus-Resumable", "1.0.0");
        http_cut(p->holder, r);
        http_request_unref(p->holder);
    }
    upload_keep_bytes(p);
    p->holder = holder ? http_request_ref(holder) : NULL;
    return ++p->generation;
}

int64_t upload_discard(struct upload *p)
{
    int64_t freed;

    freed = spool_close(&p->spool, true);
    upload_take(p, NULL);
    share_end(&p->share);
    p->state = UPLOAD_GONE;
    return freed;
}

char *upload_row(const struct upload *p)
{
    static const char *const concat[] = {"none", "partial", "final"};
    AUTO(json_unref) json_t *j = json_pack(
        "{s:I,s:b,s:s,s:s,s:I,s:O?}", "length", (json_int_t)p->length, "finished",
        p->state == UPLOAD_FINISHED, "file_id", p->file_id, "concat", concat[p->concat], "expires_us",
        (json_int_t)p->expires_us, "user_meta", p->user_meta);

    if (p->state == UPLOAD_GONE)
        json_object_set_new(j, "lost", json_true());
    jset(j, "concat_header", p->concat_header);
    jset(j, "metadata", p->metadata);
    jset(j, "url", p->url);
    jset(j, "filename", p->filename);
    jset(j, "fieldname", p->fieldname);
    return json_text(j);
}

static char *dup_or_null(const char *s) { return s ? mem_strdup(s) : NULL; }

static int read_row(void *ctx, const char *id, const char *assembly_id, const char *meta)
{
    struct uploads *u = ctx;
    AUTO(json_unref) json_t *j = json_reads(meta);
    AUTO(mem_free) char *path = uploads_path(u, id);
    struct upload *p = upload_new(u);
    const char *concat = jstr_or(j, "concat", "none");
    struct err err;

    snprintf(p->id, sizeof p->id, "%s", id);
    snprintf(p->assembly_id, sizeof p->assembly_id, "%s", assembly_id);
    snprintf(p->file_id, sizeof p->file_id, "%s", jstr_or(j, "file_id", ""));
    p->length = jint(j, "length", -1);
    p->expires_us = jint(j, "expires_us", 0);
    p->concat = !strcmp(concat, "partial") ? CONCAT_PARTIAL
                : !strcmp(concat, "final") ? CONCAT_FINAL
                                           : CONCAT_NONE;
    p->concat_header = dup_or_null(jstr(j, "concat_header"));
    p->metadata = dup_or_null(jstr(j, "metadata"));
    p->url = dup_or_null(jstr(j, "url"));
    p->filename = dup_or_null(jstr(j, "filename"));
    p->fieldname = dup_or_null(jstr(j, "fieldname"));
    p->user_meta = json_incref(json_object_get(j, "user_meta"));
    p->state = jbool(j, "finished", false) ? UPLOAD_FINISHED : UPLOAD_OPEN;
    if (p->state == UPLOAD_FINISHED && p->concat != CONCAT_PARTIAL) {
        p->offset = p->length;
    } else if (jbool(j, "lost", false)) {
        p->state = UPLOAD_GONE;
    } else if (spool_open(&p->spool, path, &err) == 0) {
        p->offset = p->spool.size;
        if (p->concat == CONCAT_PARTIAL) /* the bytes count, not the row: they are flushed apart from each other */
            p->state = p->offset == p->length ? UPLOAD_FINISHED : UPLOAD_OPEN;
    } else if (p->length >= 0 && blob_was_left(u->conf.blobs, p->file_id)) {
        /* it became a blob, and the process ended before that was committed: the next request that asks
         * finds all bytes there and hands it over again */
        p->offset = p->length;
        p->is_blob = true;
    } else if (p->concat != CONCAT_NONE || p->length < 0) {
        p->state = UPLOAD_GONE; /* its bytes are lost: never say that they are there */
        p->removal_due = true;
    } /* else no byte has come, or none is left: it goes on from the first */
    upload_register(u, p);
    upload_unref(p);
    return 0;
}

/* Rows whose bytes are gone: removed with their Assembly, and the store could not write it down. */
static void forget_lost(struct uploads *u)
{
    for (struct map_iter i = {0}; map_next(&u->by_id, &i);) {
        struct upload *p = i.value;

        if (p->removal_due)
            conductor_post_upload(u->conf.conductor, p->assembly_id, p->id, NULL, NULL, NULL);
        p->removal_due = false;
    }
}

/* Files that no row names: left by requests that were never acknowledged. */
static void remove_strays(struct uploads *u)
{
    DIR *d = opendir(u->conf.dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && !map_get(&u->by_id, e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

int uploads_open(struct uploads **out, const struct uploads_conf *conf, struct store *store,
                 struct err *err)
{
    struct uploads *u = mem_zalloc(sizeof *u);

    u->conf = *conf;
    pthread_mutex_init(&u->lock, NULL);
    u->strangers.limit = conf->stranger_bytes;
    u->joiner = joiner_new();
    if (mkdir(conf->dir, 0700) < 0 && errno != EEXIST) {
        err_errno(err, "make '%s'", conf->dir);
        free(u);
        return -1;
    }
    if (name_flush(conf->dir, err) < 0) {
        free(u);
        return -1;
    }
    if (store_uploads(store, read_row, u, err) < 0)
        return -1;
    forget_lost(u);
    remove_strays(u);
    if (u->by_id.count)
        log_info(&log_ctx, "%zu uploads can be resumed", u->by_id.count);
    *out = u;
    return 0;
}

void uploads_stop(struct uploads *u)
{
    if (u)
        joiner_stop(u->joiner);
}

void uploads_close(struct uploads *u)
{
    if (u)
        joiner_free(u->joiner);
    for (struct map_iter i = {0}; u && map_next(&u->by_id, &i);)
        upload_unref(i.value);
    if (u) {
        map_done(&u->by_id);
        map_done(&u->by_assembly);
    }
    free(u);
}

static void mark_untold(struct upload *p)
{
    struct uploads *u = p->all;

    pthread_mutex_lock(&u->lock);
    if (!p->untold) {
        p->untold = true;
        p->refs++;
        p->next_untold = u->untold;
        u->untold = p;
    }
    pthread_mutex_unlock(&u->lock);
}

void upload_tell_offset(struct upload *p, bool now)
{
    int64_t mono = clock_mono_us();

    if (!*p->assembly_id)
        return;
    if (!now && mono - p->told_us < TELL_EVERY_US) {
        mark_untold(p);
        return;
    }
    p->told_us = mono;
    upload_keep_bytes(p); /* nothing is told of that a kill would take back */
    conductor_post(p->all->conf.conductor,
                   &(struct conductor_news){.assembly_id = p->assembly_id,
                                            .type = EV_UPLOAD_OFFSET,
                                            .data = json_pack("{s:s,s:I}", "id", p->id, "offset",
                                                              (json_int_t)p->offset)});
}

void uploads_tell(void *uploads)
{
    struct uploads *u = uploads;
    struct upload *p;

    body_watch_tell(u);
    pthread_mutex_lock(&u->lock);
    p = u->untold;
    u->untold = NULL;
    pthread_mutex_unlock(&u->lock);
    for (struct upload *next; p; p = next) {
        next = p->next_untold;
        pthread_mutex_lock(&u->lock);
        p->untold = false; /* from here on it may be in the new list */
        pthread_mutex_unlock(&u->lock);
        if (pthread_mutex_trylock(&p->lock) == 0) {
            if (p->state == UPLOAD_OPEN)
                upload_tell_offset(p, false);
            pthread_mutex_unlock(&p->lock);
        } else { /* bytes are being written: the next time */
            mark_untold(p);
        }
        upload_unref(p);
    }
}

/* A running PATCH is told that its Assembly is over. */
static void cut_over(struct upload *p, const char *code)
{
    struct http_response *r;
    char *text;

    if (!p->holder)
        return;
    r = http_response_new(410);
    text = mem_printf("{\"error\":\"%s\",\"http_code\":410,\"message\":\"The Assembly is over.\"}", code);
    http_response_header(r, "Tus-Resumable", "1.0.0");
    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_text(r, "application/json; charset=utf-8", text, strlen(text));
    http_cut(p->holder, r);
    http_request_unref(p->holder);
    p->holder = NULL;
}

/* A list of its own, each with a reference: the chain belongs to the table's lock, and its members may leave the table
 * meanwhile. The caller frees it. */
static struct upload **take_of_assembly(size_t *count, struct uploads *u, const char *assembly_id)
{
    struct upload **list = NULL;
    size_t n = 0;

    pthread_mutex_lock(&u->lock);
    for (struct upload *p = map_del(&u->by_assembly, assembly_id), *next; p; p = next) {
        if ((n & (n - 1)) == 0)
            list = mem_realloc(list, (n ? n * 2 : 1) * sizeof *list);
        list[n++] = p;
        p->refs++;
        next = p->next_of_assembly;
        p->next_of_assembly = p->prev_of_assembly = NULL;
    }
    pthread_mutex_unlock(&u->lock);
    *count = n;
    return list;
}

void uploads_stop_assembly(void *uploads, const char *assembly_id, const char *code, int *stopped,
                           int64_t *bytes_freed)
{
    struct uploads *u = uploads;
    size_t count;

    bool completed = !strcmp(code, "ASSEMBLY_COMPLETED"); /* what belongs to it stays, for clients that ask again */
    struct upload **list = take_of_assembly(&count, u, assembly_id);
    for (size_t i = 0; i < count; i++) {
        struct upload *p = list[i];

        pthread_mutex_lock(&p->lock);
        if (p->state == UPLOAD_OPEN || p->state == UPLOAD_FINISHING) {
            cut_over(p, code);
            *bytes_freed += upload_discard(p);
            ++*stopped;
        } else if (completed && p->concat != CONCAT_PARTIAL) {
            pthread_mutex_unlock(&p->lock);
            upload_unref(p);
            continue;
        } else {
            *bytes_freed += upload_discard(p); /* of a partial upload that was not used there are bytes */
        }
        pthread_mutex_unlock(&p->lock);
        /* the entry stays for a while, so that late requests get 410 and not 404; its row goes now */
        conductor_post_upload(u->conf.conductor, assembly_id, p->id, NULL, NULL, NULL);
        upload_unref(p);
    }
    free(list);
    body_watch_stop(u, assembly_id, stopped, bytes_freed);
}

/* Take it out of the tables. u->lock is held; the table's reference is the caller's now. */
static void forget(struct uploads *u, struct upload *p)
{
    struct upload *next = p->next_of_assembly, *prev = p->prev_of_assembly;

    map_del(&u->by_id, p->id);
    if (next)
        next->prev_of_assembly = prev;
    if (prev)
        prev->next_of_assembly = next;
    else if (next)
        map_put(&u->by_assembly, p->assembly_id, next);
    else if (*p->assembly_id && map_get(&u->by_assembly, p->assembly_id) == p)
        map_del(&u->by_assembly, p->assembly_id);
    p->next_of_assembly = p->prev_of_assembly = NULL;
}

void upload_forget(struct upload *p)
{
    pthread_mutex_lock(&p->all->lock);
    bool there = map_get(&p->all->by_id, p->id) == p;
    if (there)
        forget(p->all, p);
    pthread_mutex_unlock(&p->all->lock);
    if (there)
        upload_unref(p);
}

static void tidied(void *ctx, const struct err *err, struct published *doc)
{
    struct upload *p = ctx;

    (void)doc;
    pthread_mutex_lock(&p->lock);
    upload_handed_over(p, err);
    pthread_mutex_unlock(&p->lock);
    upload_unref(p);
}

/* What a process left that ended at the wrong moment: an upload that is complete and that the Assembly was not told of,
 * and one whose Assembly is over. */
static void tidy(struct upload *p)
{
    struct uploads *u = p->all;
    AUTO(published_unref) struct published *doc = NULL;
    struct err err;

    if (conductor_find(&doc, u->conf.conductor, p->assembly_id, &err) < 0) {
        log_warn(&log_ctx, "upload %s is left as it is: %s", p->id, err.msg);
        return;
    }
    bool over = !doc || published_is_over(doc), removed = false;
    pthread_mutex_lock(&p->lock);
    if (over && (p->state == UPLOAD_OPEN || (p->state == UPLOAD_FINISHED && p->concat == CONCAT_PARTIAL))) {
        upload_discard(p);
        removed = true;
    } else if (p->state == UPLOAD_OPEN && p->concat != CONCAT_PARTIAL && !p->holder && !p->attended &&
               p->offset == p->length) {
        pthread_mutex_lock(&u->lock);
        p->refs++;
        pthread_mutex_unlock(&u->lock);
        if (upload_hand_over(p, tidied, p, &err) < 0) {
            log_warn(&log_ctx, "upload %s is complete and can't be handed over: %s", p->id, err.msg);
            pthread_mutex_unlock(&p->lock);
            upload_unref(p);
            return;
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (removed)
        conductor_post_upload(u->conf.conductor, p->assembly_id, p->id, NULL, NULL, NULL);
}

static void tidy_all(struct uploads *u)
{
    struct upload **list;
    size_t n = 0;

    pthread_mutex_lock(&u->lock);
    list = mem_alloc((u->by_id.count + 1) * sizeof *list);
    for (struct map_iter i = {0}; map_next(&u->by_id, &i);) {
        struct upload *p = i.value;

        if (!*p->assembly_id)
            continue;
        p->refs++;
        list[n++] = p;
    }
    pthread_mutex_unlock(&u->lock);
    for (size_t i = 0; i < n; i++) {
        tidy(list[i]);
        upload_unref(list[i]);
    }
    free(list);
}

void uploads_sweep(void *uploads)
{
    struct uploads *u = uploads;
    struct upload *expired = NULL; /* chained by next_of_assembly once they are out of the tables */
    int64_t now = clock_now_us();

    tidy_all(u);

    pthread_mutex_lock(&u->lock);
    for (struct map_iter i = {0}; map_next(&u->by_id, &i);) {
        struct upload *p = i.value;

        if (p->expires_us > now)
            continue;
        forget(u, p);
        p->next_of_assembly = expired;
        expired = p;
    }
    pthread_mutex_unlock(&u->lock);
    for (struct upload *next; expired; expired = next) {
        next = expired->next_of_assembly;
        pthread_mutex_lock(&expired->lock);
        upload_discard(expired);
        pthread_mutex_unlock(&expired->lock);
        conductor_post_upload(u->conf.conductor, expired->assembly_id, expired->id, NULL, NULL, NULL);
        upload_unref(expired);
    }
}

static int commit(char md5[33], struct upload *p, struct err *err)
{
    if (!p->is_blob) { /* of no bytes there is no file so far */
        if (upload_begin_bytes(p, true, err) < 0 ||
            spool_commit(&p->spool, md5, p->all->conf.blobs, p->file_id, p->all->conf.sync, err) < 0)
            return -1;
        p->is_blob = true;
        return 0;
    }

    /* only the hash is missing */
    struct spool s = {.fd = -1};
    int64_t size;
    int fd;
    unsigned char buf[4096];
    ssize_t n;
    AUTO(mem_free) char *scratch = mem_printf("%s/%s.again", p->all->conf.dir, p->id);

    if (blob_open(&fd, &size, p->all->conf.blobs, p->file_id, err) < 0)
        return -1;
    AUTO(fd_close) int in = fd;
    if (spool_create(&s, scratch, err) < 0)
        return -1;
    while ((n = read(in, buf, sizeof buf)) > 0)
        if (spool_write(&s, buf, (size_t)n, err) < 0)
            break;
    int rc = n == 0 ? spool_commit(&s, md5, p->all->conf.blobs, p->file_id, true, err) : -1;
    spool_close(&s, true);
    return rc;
}

int upload_hand_over(struct upload *p, conductor_reply reply, void *ctx, struct err *err)
{
    char md5[33];

    if (commit(md5, p, err) < 0)
        return -1;
    /* of a row that says all else already, the store knows from the file that it is finished */
    bool row_is_due = p->concat != CONCAT_NONE;
    p->state = UPLOAD_FINISHED; /* so the row says it; other requests wait for the lock */
    AUTO(mem_free) char *row = row_is_due ? upload_row(p) : NULL;
    p->state = UPLOAD_FINISHING;
    conductor_post(p->all->conf.conductor,
                   &(struct conductor_news){
                       .assembly_id = p->assembly_id,
                       .type = EV_FILE_UPLOADED,
                       .data = json_pack("{s:s,s:{s:s,s:o,s:I,s:s,s:o,s:O?}}", "upload", p->id, "file", "id",
                                         p->file_id, "name", jstring(p->filename), "size",
                                         (json_int_t)p->length, "md5", md5, "field", jstring(p->fieldname),
                                         "user_meta", p->user_meta),
                       .upload_id = row ? p->id : NULL,
                       .upload_meta = row,
                       .reply = reply,
                       .ctx = ctx,
                   });
    return 0;
}

void upload_handed_over(struct upload *p, const struct err *err)
{
    if (p->state != UPLOAD_FINISHING)
        return; /* its Assembly ended meanwhile */
    if (err && err_http_status(err) >= 500 && err->code != ERR_ASSEMBLY_NOT_FOUND)
        p->state = UPLOAD_OPEN;
    else
        p->state = err ? UPLOAD_GONE : UPLOAD_FINISHED;
}
