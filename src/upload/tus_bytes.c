/* The bytes of an upload: taken, checked, and handed over when all are there. For POST and PATCH. */
#include "base/clock.h"
#include "upload/tus.h"
#include "upload/tus_text.h"

#include <string.h>

#define PARTS_MOST 10000 /* partial uploads of an Assembly at a time */
#define AT_ONCE_MOST (INT64_C(1) << 20) /* bytes; of more, what came survives a kill even before the request is over */

/* ---- finishing ---- */

static void handed_over(void *ctx, const struct err *err, struct published *doc)
{
    struct tus *t = ctx;
    struct upload *p = t->upload;

    (void)doc;
    pthread_mutex_lock(&p->lock);
    upload_handed_over(p, err);
    struct http_response *r = p->state == UPLOAD_FINISHED ? tus_progress_answer(t)
                              : p->state == UPLOAD_OPEN   ? tus_refusal_json(t->req, 503, err)
                              : err ? tus_refusal_json(t->req, err->code == ERR_MAX_SIZE ? 413 : 410, err)
                                    : tus_refusal(t->req, 410, "the upload is gone");
    pthread_mutex_unlock(&p->lock);
    http_answer(t->req, r);
    tus_awaited(t);
}

/* What came of it can't be kept, though the client had been told of it: another one begins anew. After a restart, too:
 * with no file it would be one of which no byte had come. Locked by the caller. */
static void lose(struct upload *p)
{
    upload_discard(p);
    if (p->concat != CONCAT_NONE)
        return; /* without its file it is gone in any case */
    AUTO(mem_free) char *row = upload_row(p);
    conductor_post_upload(p->all->conf.conductor, p->assembly_id, p->id, row, NULL, NULL);
}

/* All bytes are in: the file becomes a blob and goes to the conductor. Locked by the caller, who returns
 * what comes back. */
enum http_next tus_finish(struct tus *t)
{
    struct upload *p = t->upload;
    struct err err;

    if (p->concat == CONCAT_PARTIAL) {
        if (t->all->conf.sync && spool_flush(&p->spool, &err) < 0) {
            lose(p);
            http_answer(t->req, tus_refusal_json(t->req, err_http_status(&err), &err));
            return HTTP_ANSWERED;
        }
        p->state = UPLOAD_FINISHED;
        AUTO(mem_free) char *row = upload_row(p);
        conductor_post_upload(t->all->conf.conductor, p->assembly_id, p->id, row, NULL, NULL);
        http_answer(t->req, tus_progress_answer(t));
        return HTTP_ANSWERED;
    }
    tus_await(t);
    if (upload_hand_over(p, handed_over, t, &err) < 0) {
        if (p->spool.doubtful)
            lose(p);
        http_answer(t->req, tus_refusal_json(t->req, err_http_status(&err), &err));
        tus_awaited(t);
        return HTTP_ANSWERED;
    }
    return HTTP_WAIT;
}

/* ---- bytes ---- */

/* Upload-Checksum. -1: malformed. */
int tus_begin_checksum(struct tus *t, const char *header)
{
    const EVP_MD *md = tus_checksum_read(header, t->want);

    if (!md)
        return -1;
    t->want_len = EVP_MD_size(md);
    t->checksum = EVP_MD_CTX_new();
    EVP_DigestInit_ex(t->checksum, md, NULL);
    return 0;
}

/* A partial upload belongs to an Assembly: more bytes of it must fit into what that may have. One that names none takes
 * them from what all such have together. Locked by the caller, or not yet known to anybody. */
int tus_parts_check(struct upload *p, int64_t more, struct err *err)
{
    AUTO(published_unref) struct published *doc = NULL;
    int64_t limit = p->all->conf.max_size, max_size, bytes, all;
    int files, count;

    if (!*p->assembly_id)
        return share_take(&p->share, more, err);
    if (conductor_find(&doc, p->all->conf.conductor, p->assembly_id, err) < 0)
        return -1;
    if (!doc)
        return err_set(err, ERR_ASSEMBLY_NOT_FOUND, "There is no such Assembly, or it is over");
    if (published_is_over(doc))
        return err_set(err, ERR_SATURATED, "The Assembly is over");
    published_upload_limits(doc, &max_size, &files);
    if (max_size && (!limit || max_size < limit))
        limit = max_size;
    if (limit && more > limit - p->spool.size)
        return err_set(err, ERR_MAX_SIZE, "A part has more than %lld bytes, which a whole file may have",
                       (long long)limit);
    upload_parts(p->all, p->assembly_id, &count, &bytes);
    if (count >= PARTS_MOST)
        return err_set(err, ERR_SATURATED, "The Assembly has %d partial uploads", count);
    if (limit && (__builtin_mul_overflow(limit, files > 1 ? files : 1, &all) ? 0 : more > all - bytes))
        return err_set(err, ERR_MAX_SIZE, "The partial uploads of the Assembly have more than %lld bytes",
                       (long long)all);
    return 0;
}

/* All bytes of a small file come with this request, as far as it says: it is not worth a name before it is there. */
static bool comes_at_once(const struct tus *t)
{
    const struct upload *p = t->upload;

    return p->concat == CONCAT_NONE && t->start == 0 && p->length <= AT_ONCE_MOST &&
           http_content_length(t->req) == p->length;
}

static int take_bytes(struct tus *t, const char *data, size_t len, struct err *err)
{
    struct upload *p = t->upload;
    bool at_once = comes_at_once(t);

    if (at_once && !p->spool.path)
        p->told_us = clock_mono_us(); /* its end is soon enough */
    return upload_begin_bytes(p, at_once, err) < 0 ? -1 : spool_write(&p->spool, data, len, err);
}

int tus_on_body(struct http_request *req, const char *data, size_t len)
{
    struct tus *t = http_data(req);
    struct upload *p = t->upload;
    struct http_response *cut = NULL;

    if (!t->has_body || t->err.code)
        return 0; /* a body that nobody asked for, or the rest of one that failed */
    pthread_mutex_lock(&p->lock);
    if (p->generation != t->generation || p->state != UPLOAD_OPEN) {
        err_set(&t->err, ERR_BUSY, "taken over");
    } else if (p->length >= 0 && (int64_t)len > p->length - p->spool.size) {
        err_set(&t->err, ERR_MAX_SIZE, "more bytes than Upload-Length");
        cut = tus_refusal(req, 413, t->err.msg);
    } else if (t->all->conf.max_size && (int64_t)len > t->all->conf.max_size - p->spool.size) {
        err_set(&t->err, ERR_MAX_SIZE, "more bytes than Tus-Max-Size");
        cut = tus_refusal(req, 413, t->err.msg);
    } else if (p->concat == CONCAT_PARTIAL && p->length < 0 && tus_parts_check(p, (int64_t)len, &t->err) < 0) {
        cut = tus_refusal_json(req, t->err.code == ERR_MAX_SIZE ? 413 : err_http_status(&t->err), &t->err);
    } else if (space_check(&t->all->conf.space, (int64_t)len, &t->err) < 0 ||
               take_bytes(t, data, len, &t->err) < 0) {
        cut = tus_refusal_json(req, err_http_status(&t->err), &t->err);
    } else if (t->checksum) {
        EVP_DigestUpdate(t->checksum, data, len);
    } else {
        p->offset = p->spool.size;
        upload_tell_offset(p, false);
    }
    pthread_mutex_unlock(&p->lock);
    if (cut)
        http_cut(req, cut);
    return 0;
}

void tus_let_go(struct tus *t)
{
    struct upload *p = t->upload;

    if (p->generation == t->generation && p->holder) {
        http_request_unref(p->holder);
        p->holder = NULL;
    }
}

static bool checksum_ok(struct tus *t, struct err *err)
{
    unsigned char have[EVP_MAX_MD_SIZE];
    struct upload *p = t->upload;

    if (!t->checksum)
        return true;
    EVP_DigestFinal_ex(t->checksum, have, NULL);
    EVP_MD_CTX_free(t->checksum);
    t->checksum = NULL;
    if (memcmp(have, t->want, (size_t)t->want_len)) {
        if (spool_truncate(&p->spool, t->start, err) < 0)
            lose(p);
        return false;
    }
    p->offset = p->spool.size;
    return true;
}

enum http_next tus_on_end(struct http_request *req)
{
    struct tus *t = http_data(req);
    struct upload *p = t->upload;
    enum http_next next = HTTP_ANSWERED;
    struct err err;

    pthread_mutex_lock(&p->lock);
    if (p->state == UPLOAD_GONE)
        http_answer(req, tus_refusal(req, 410, "the upload is gone"));
    else if (t->err.code || p->generation != t->generation)
        http_answer(req, tus_refusal(req, 423, "another request has taken this upload over"));
    else if (!checksum_ok(t, &err))
        http_answer(req, tus_refusal(req, 460, "the checksum does not match"));
    else if (p->state == UPLOAD_OPEN && p->length >= 0 && p->offset == p->length)
        next = tus_finish(t);
    else {
        upload_keep_bytes(p);
        upload_tell_offset(p, true);
        http_answer(req, tus_progress_answer(t));
    }
    tus_let_go(t);
    pthread_mutex_unlock(&p->lock);
    return next;
}

/* ---- the end ---- */

/* The final upload is over and done with: its parts are used up, or free again. */
void tus_settle_parts(struct tus *t, enum upload_state state)
{
    if (state == UPLOAD_FINISHING)
        return; /* the Assembly will have it: they go with that at the latest */
    for (struct upload **part = t->parts; part && *part; part++) {
        pthread_mutex_lock(&(*part)->lock);
        if (state == UPLOAD_FINISHED)
            upload_discard(*part);
        else if (!strcmp((*part)->used_by, t->upload->id)) /* else they were freed before, and another has them */
            (*part)->used_by[0] = 0;
        pthread_mutex_unlock(&(*part)->lock);
        if (state == UPLOAD_FINISHED)
            conductor_post_upload(t->all->conf.conductor, (*part)->assembly_id, (*part)->id, NULL, NULL, NULL);
    }
}

void tus_on_done(struct http_request *req, enum http_outcome outcome)
{
    struct tus *t = http_data(req);
    struct upload *p = t ? t->upload : NULL;

    if (p) {
        pthread_mutex_lock(&p->lock);
        if (t->creating)
            p->attended = false;
        if (p->generation == t->generation && p->state == UPLOAD_OPEN && t->has_body) {
            if (t->checksum && p->spool.path) { /* bytes that were never checked do not count */
                struct err err;

                if (spool_truncate(&p->spool, t->start, &err) < 0)
                    lose(p);
            }
            if (p->state == UPLOAD_OPEN)
                upload_keep_bytes(p);
            if (outcome == HTTP_DONE_CLOSED)
                upload_tell_offset(p, true);
        }
        tus_let_go(t);
        enum upload_state state = p->state;
        pthread_mutex_unlock(&p->lock);
        if (t->parts)
            tus_settle_parts(t, state);
    }
    tus_unref(t);
}
