/* Final uploads: parts claimed before a byte is copied, and joined on a thread of their own (join.c). */
#include "upload/tus.h"
#include "upload/tus_text.h"

#include <string.h>
#include <unistd.h>

#define JOIN_MOST 10000 /* parts of a final upload */

/* Whoever hears of it may try again with the same parts. No part is locked. */
static int join_failed(struct tus *t, int status, const char *text)
{
    tus_settle_parts(t, UPLOAD_OPEN);
    http_answer(t->req, tus_refusal(t->req, status, text));
    return -1;
}

/* The same final upload once more: its answer was lost. It has the one of then. */
static bool is_again(struct tus *t, struct upload *part)
{
    struct upload *before = *part->used_by ? upload_find(t->all, part->used_by) : NULL;

    if (!before)
        return false;
    bool same = before->state == UPLOAD_FINISHED && !strcmp(before->assembly_id, t->upload->assembly_id) &&
                !strcmp(before->concat_header, t->upload->concat_header);
    if (same) {
        struct http_response *r = tus_answer(t->req, 201);

        http_response_header(r, "Location", before->url);
        tus_add_expires(r, before);
        http_answer(t->req, r);
    }
    upload_unref(before);
    return same;
}

/* One part for the final upload of t, and its bytes added to the length of that. -1: answered. */
static int claim(struct tus *t, struct upload *part)
{
    struct upload *p = t->upload;
    const char *wrong = NULL;
    int status = 400;
    bool again = false;

    pthread_mutex_lock(&part->lock);
    if (*part->assembly_id && strcmp(part->assembly_id, p->assembly_id))
        wrong = "a part belongs to another Assembly";
    else if (*part->used_by && !(again = is_again(t, part)))
        wrong = "a part is used twice";
    else if (again)
        ;
    else if (part->concat != CONCAT_PARTIAL || part->state != UPLOAD_FINISHED)
        wrong = "a part is not a finished partial upload";
    else if (__builtin_add_overflow(p->length, part->length, &p->length) ||
             (t->all->conf.max_size && p->length > t->all->conf.max_size))
        status = 413, wrong = "the parts have more bytes than Tus-Max-Size";
    else
        memcpy(part->used_by, p->id, sizeof part->used_by);
    pthread_mutex_unlock(&part->lock);
    return wrong ? join_failed(t, status, wrong) : again ? -1 : 0;
}

int tus_claim_parts(struct tus *t, const char *list)
{
    AUTO(tus_parts_free) char **ids = tus_parts_read(list);
    size_t n = 0;

    t->upload->length = 0;
    for (char **id = ids; id && *id; id++) {
        struct upload *part;

        if (n == JOIN_MOST)
            return join_failed(t, 400, "invalid Upload-Concat");
        if (!(part = upload_find(t->all, *id)))
            return join_failed(t, 404, "a part does not exist");
        if (claim(t, part) < 0) {
            upload_unref(part);
            return -1;
        }
        t->parts = mem_realloc(t->parts, (n + 2) * sizeof *t->parts);
        t->parts[n++] = part;
        t->parts[n] = NULL;
    }
    return n ? 0 : join_failed(t, 400, "invalid Upload-Concat");
}

/* The next bytes of a part. 0: it has ended; -1: err. */
static ssize_t read_part(char *buf, size_t size, struct upload *part, int64_t at, struct err *err)
{
    ssize_t n = 0;

    pthread_mutex_lock(&part->lock);
    if (part->state != UPLOAD_FINISHED)
        n = err_set(err, ERR_SATURATED, "A part was removed");
    else if (at < part->length && (n = pread(part->spool.fd, buf, size, at)) < 0)
        err_errno(err, "read a part");
    else if (at < part->length && n == 0)
        n = err_set(err, ERR_IO, "a part is shorter than it was");
    pthread_mutex_unlock(&part->lock);
    return n;
}

static int write_joined(struct tus *t, const char *buf, size_t n, struct err *err)
{
    struct upload *p = t->upload;
    int rc;

    pthread_mutex_lock(&p->lock);
    rc = p->state != UPLOAD_OPEN ? err_set(err, ERR_SATURATED, "The Assembly is over")
                                 : spool_write(&p->spool, buf, n, err);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int join(struct tus *t, struct err *err)
{
    enum { PIECE = 256 * 1024 };
    AUTO(mem_free) char *buf = mem_alloc(PIECE);

    for (struct upload **part = t->parts; *part; part++) {
        int64_t at = 0;
        ssize_t n;

        while ((n = read_part(buf, PIECE, *part, at, err)) > 0) {
            if (joiner_stopping(t->all->joiner))
                return err_set(err, ERR_BUSY, "The server is shutting down");
            if (write_joined(t, buf, (size_t)n, err) < 0)
                return -1;
            at += n;
        }
        if (n < 0)
            return -1;
    }
    return 0;
}

/* The final upload will not be: its Assembly does not wait for it. */
static void drop_final(struct tus *t, const struct err *err)
{
    struct upload *p = t->upload;
    bool open;

    pthread_mutex_lock(&p->lock);
    if ((open = p->state == UPLOAD_OPEN))
        upload_discard(p);
    pthread_mutex_unlock(&p->lock);
    if (open)
        conductor_post(t->all->conf.conductor, &(struct conductor_news){
                                                   .assembly_id = p->assembly_id,
                                                   .type = EV_UPLOAD_REMOVED,
                                                   .data = json_pack("{s:s}", "id", p->id),
                                                   .upload_id = p->id,
                                               });
    tus_settle_parts(t, UPLOAD_GONE);
    http_answer(t->req, tus_refusal_json(t->req, err->code == ERR_SATURATED ? 410 : err_http_status(err), err));
}

static void join_parts(void *arg)
{
    struct tus *t = arg;
    struct upload *p = t->upload;
    struct err err;

    if (join(t, &err) < 0) {
        drop_final(t, &err);
    } else {
        pthread_mutex_lock(&p->lock);
        p->offset = p->spool.size;
        pthread_mutex_unlock(&p->lock);
        http_go_on(t->req); /* complete: tus_on_end hands it over */
    }
    tus_awaited(t);
}

/* The Assembly wants it. t is awaited. */
void tus_join_later(struct tus *t)
{
    struct err err;

    if (joiner_add(t->all->joiner, join_parts, t))
        return;
    err_set(&err, ERR_BUSY, "Too many uploads are being joined; try again");
    drop_final(t, &err);
    tus_awaited(t);
}
