/* The tus 1.0 protocol: creation, creation-with-upload, creation-defer-length, termination, concatenation,
 * checksum, expiration. Contract: api-tus.md. */
#include "base/clock.h"
#include "http/reply.h"
#include "upload/private.h"
#include "upload/tus_text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define PARTS_MOST 10000    /* partial uploads of an Assembly at a time */
#define JOIN_MOST 10000     /* parts of a final one */
#define STRANGER_COST 4096  /* bytes that a partial upload of nobody takes beside its own */
#define STRANGER_US (600 * SECOND_US)

/* One request. */
struct tus {
    int refs; /* the request, and each reply that is awaited: it may come after the connection went away */
    struct http_request *req;
    struct uploads *all;
    struct upload *upload; /* a reference */
    uint64_t generation;   /* ours, while we may write */
    bool creating;         /* a POST: answers 201 */
    bool asking;           /* a HEAD: answers 200 */
    bool has_body;
    int64_t start;         /* offset before this request */
    EVP_MD_CTX *checksum;  /* NULL: none asked for */
    unsigned char want[EVP_MAX_MD_SIZE];
    ptrdiff_t want_len;
    struct err err;        /* what went wrong while bytes came in */
    struct upload **parts; /* to join, claimed for `upload`: references; NULL at the end */
};

static void tus_headers(struct http_request *req, struct http_response *r)
{
    const char *origin = http_header(req, "Origin");

    http_response_header(r, "Tus-Resumable", "1.0.0");
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    http_response_header(r, "Access-Control-Allow-Origin", origin ? origin : "*");
    if (origin)
        http_response_header(r, "Vary", "Origin");
    http_response_header(r, "Access-Control-Expose-Headers",
                         "Upload-Offset, Location, Upload-Length, Tus-Version, Tus-Resumable, Tus-Max-Size, "
                         "Tus-Extension, Tus-Checksum-Algorithm, Upload-Metadata, Upload-Defer-Length, "
                         "Upload-Concat, Upload-Expires");
}

static struct http_response *answer_new(struct http_request *req, int status)
{
    struct http_response *r = http_response_new(status);

    tus_headers(req, r);
    return r;
}

static struct http_response *refusal(struct http_request *req, int status, const char *text)
{
    struct http_response *r = answer_new(req, status);
    char *body = mem_printf("ERR: %s\n", text);

    if (strcmp(http_method(req), "HEAD"))
        http_response_text(r, "text/plain; charset=utf-8", body, strlen(body));
    else
        free(body);
    if (status == 412)
        http_response_header(r, "Tus-Version", "1.0.0");
    return r;
}

static enum http_next refuse(struct http_request *req, int status, const char *text)
{
    http_answer(req, refusal(req, status, text));
    return HTTP_ANSWERED;
}

/* Refusals that the Assembly causes are JSON (api-tus.md 6). */
static struct http_response *json_refusal(struct http_request *req, int status, const struct err *err)
{
    struct http_response *r = answer_new(req, status);
    struct str b = {0};

    str_puts(&b, "{\"error\":");
    str_add_json(&b, err_name(err));
    str_addf(&b, ",\"http_code\":%d,\"message\":", status);
    str_add_json(&b, err->msg);
    str_putc(&b, '}');
    size_t len = b.len;
    http_response_code(r, err_name(err));
    http_response_text(r, "application/json; charset=utf-8", str_take(&b), len);
    return r;
}

static void add_expires(struct http_response *r, const struct upload *p)
{
    char date[30];

    date_format_http(date, p->expires_us);
    http_response_header(r, "Upload-Expires", date);
}

static void add_number(struct http_response *r, const char *name, int64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)n);
    http_response_header(r, name, text);
}

static bool version_ok(struct http_request *req)
{
    const char *v = http_header(req, "Tus-Resumable");

    return v && !strcmp(v, "1.0.0");
}

static struct tus *tus_new(struct http_request *req)
{
    struct tus *t = mem_zalloc(sizeof *t);

    t->refs = 1;
    t->req = req;
    t->all = http_data(req); /* from here on it is t */
    http_set_data(req, t);
    return t;
}

static void tus_unref(struct tus *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        return;
    upload_unref(t->upload);
    EVP_MD_CTX_free(t->checksum);
    for (struct upload **p = t->parts; p && *p; p++)
        upload_unref(*p);
    free(t->parts);
    free(t);
}

/* For a reply or a thread that will use t and its request. */
static void tus_await(struct tus *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    http_request_ref(t->req);
}

static void tus_awaited(struct tus *t)
{
    http_request_unref(t->req);
    tus_unref(t);
}

/* ---- OPTIONS ---- */

static enum http_next options_end(struct http_request *req)
{
    struct http_response *r = answer_new(req, 200);
    struct uploads *u = http_data(req);

    http_response_header(r, "Tus-Version", "1.0.0");
    http_response_header(r, "Tus-Extension",
                         "creation,creation-with-upload,termination,concatenation,creation-defer-length,"
                         "checksum,expiration");
    http_response_header(r, "Tus-Checksum-Algorithm", "sha1,md5,sha256");
    if (u->conf.max_size)
        add_number(r, "Tus-Max-Size", u->conf.max_size);
    http_response_header(r, "Access-Control-Allow-Methods", "POST, HEAD, PATCH, OPTIONS, GET, DELETE");
    http_response_header(r, "Access-Control-Allow-Headers",
                         "Authorization, Origin, X-Requested-With, X-Request-ID, X-HTTP-Method-Override, "
                         "Content-Type, Upload-Length, Upload-Offset, Tus-Resumable, Upload-Metadata, "
                         "Upload-Defer-Length, Upload-Concat, Upload-Checksum, Upload-Incomplete, "
                         "Upload-Complete, Upload-Draft-Interop-Version, Transloadit-Client");
    http_response_header(r, "Access-Control-Max-Age", "86400");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler tus_options = {.end = options_end};

static enum http_next refuse_end(struct http_request *req)
{
    struct http_response *r = refusal(req, 405, "this method is not served here");

    http_response_header(r, "Allow", "POST, HEAD, PATCH, DELETE, OPTIONS");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler tus_refuse = {.end = refuse_end};

/* ---- metadata ---- */

/* Upload-Metadata. -1: malformed. */
static int read_metadata(struct upload *p, const char *text)
{
    struct tus_metadata m;
    int r = tus_metadata_read(&m, text);

    snprintf(p->assembly_id, sizeof p->assembly_id, "%s", m.assembly_id);
    p->fieldname = m.fieldname;
    p->filename = m.filename;
    p->user_meta = m.user_meta;
    return r;
}

/* ---- finishing ---- */

static struct http_response *head_answer(struct http_request *req, const struct upload *p)
{
    struct http_response *r = answer_new(req, 200);

    http_response_header(r, "Cache-Control", "no-store");
    add_number(r, "Upload-Offset", p->offset);
    if (p->length >= 0)
        add_number(r, "Upload-Length", p->length);
    else
        http_response_header(r, "Upload-Defer-Length", "1");
    if (p->metadata)
        http_response_header(r, "Upload-Metadata", p->metadata);
    if (p->concat_header)
        http_response_header(r, "Upload-Concat", p->concat_header);
    add_expires(r, p);
    return r;
}

static struct http_response *progress_answer(struct tus *t)
{
    struct upload *p = t->upload;

    if (t->asking)
        return head_answer(t->req, p);
    struct http_response *r = answer_new(t->req, t->creating ? 201 : 204);
    if (t->creating)
        http_response_header(r, "Location", p->url);
    if (!t->creating || t->has_body)
        add_number(r, "Upload-Offset", p->offset);
    add_expires(r, p);
    return r;
}

static void handed_over(void *ctx, const struct err *err, struct published *doc)
{
    struct tus *t = ctx;
    struct upload *p = t->upload;

    (void)doc;
    pthread_mutex_lock(&p->lock);
    upload_handed_over(p, err);
    struct http_response *r =
        p->state == UPLOAD_FINISHED ? progress_answer(t)
        : p->state == UPLOAD_OPEN   ? json_refusal(t->req, 503, err)
        : err                       ? json_refusal(t->req, err->code == ERR_MAX_SIZE ? 413 : 410, err)
                                    : refusal(t->req, 410, "the upload is gone");
    pthread_mutex_unlock(&p->lock);
    http_answer(t->req, r);
    tus_awaited(t);
}

/* All bytes are in: the file becomes a blob and goes to the conductor. Locked by the caller, who returns
 * what comes back. */
static enum http_next finish(struct tus *t)
{
    struct upload *p = t->upload;
    struct err err;

    if (p->concat == CONCAT_PARTIAL) {
        if (t->all->conf.sync && spool_flush(&p->spool, &err) < 0) {
            upload_discard(p); /* the client begins anew */
            http_answer(t->req, json_refusal(t->req, err_http_status(&err), &err));
            return HTTP_ANSWERED;
        }
        p->state = UPLOAD_FINISHED;
        AUTO(mem_free) char *row = upload_row(p);
        conductor_post_upload(t->all->conf.conductor, p->assembly_id, p->id, row, NULL, NULL);
        http_answer(t->req, progress_answer(t));
        return HTTP_ANSWERED;
    }
    tus_await(t);
    if (upload_hand_over(p, handed_over, t, &err) < 0) {
        if (p->spool.doubtful)
            upload_discard(p); /* the client begins anew */
        http_answer(t->req, json_refusal(t->req, err_http_status(&err), &err));
        tus_awaited(t);
        return HTTP_ANSWERED;
    }
    return HTTP_WAIT;
}

/* ---- bytes ---- */

/* Upload-Checksum. -1: malformed. */
static int parse_checksum(struct tus *t, const char *header)
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
static int parts_check(struct upload *p, int64_t more, struct err *err)
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
        return err_set(err, ERR_MAX_SIZE, "A part has more than %lld bytes, which a whole file may have", (long long)limit);
    upload_parts(p->all, p->assembly_id, &count, &bytes);
    if (count >= PARTS_MOST)
        return err_set(err, ERR_SATURATED, "The Assembly has %d partial uploads", count);
    if (limit && (__builtin_mul_overflow(limit, files > 1 ? files : 1, &all) ? 0 : more > all - bytes))
        return err_set(err, ERR_MAX_SIZE, "The partial uploads of the Assembly have more than %lld bytes", (long long)all);
    return 0;
}

static int on_body(struct http_request *req, const char *data, size_t len)
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
        cut = refusal(req, 413, t->err.msg);
    } else if (t->all->conf.max_size && (int64_t)len > t->all->conf.max_size - p->spool.size) {
        err_set(&t->err, ERR_MAX_SIZE, "more bytes than Tus-Max-Size");
        cut = refusal(req, 413, t->err.msg);
    } else if (p->concat == CONCAT_PARTIAL && p->length < 0 && parts_check(p, (int64_t)len, &t->err) < 0) {
        cut = json_refusal(req, t->err.code == ERR_MAX_SIZE ? 413 : err_http_status(&t->err), &t->err);
    } else if (space_check(&t->all->conf.space, (int64_t)len, &t->err) < 0 ||
               spool_write(&p->spool, data, len, &t->err) < 0) {
        cut = json_refusal(req, err_http_status(&t->err), &t->err);
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

static void let_go(struct tus *t)
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
            upload_discard(p);
        return false;
    }
    p->offset = p->spool.size;
    return true;
}

static enum http_next on_end(struct http_request *req)
{
    struct tus *t = http_data(req);
    struct upload *p = t->upload;
    enum http_next next = HTTP_ANSWERED;
    struct err err;

    pthread_mutex_lock(&p->lock);
    if (p->state == UPLOAD_GONE)
        http_answer(req, refusal(req, 410, "the upload is gone"));
    else if (t->err.code || p->generation != t->generation)
        http_answer(req, refusal(req, 423, "another request has taken this upload over"));
    else if (!checksum_ok(t, &err))
        http_answer(req, refusal(req, 460, "the checksum does not match"));
    else if (p->state == UPLOAD_OPEN && p->length >= 0 && p->offset == p->length)
        next = finish(t);
    else {
        upload_tell_offset(p, true);
        http_answer(req, progress_answer(t));
    }
    let_go(t);
    pthread_mutex_unlock(&p->lock);
    return next;
}

/* The final upload is over and done with: its parts are used up, or free again. */
static void settle_parts(struct tus *t, enum upload_state state)
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

static void on_done(struct http_request *req, enum http_outcome outcome)
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
                    upload_discard(p);
            }
            if (outcome == HTTP_DONE_CLOSED)
                upload_tell_offset(p, true);
        }
        let_go(t);
        enum upload_state state = p->state;
        pthread_mutex_unlock(&p->lock);
        if (t->parts)
            settle_parts(t, state);
    }
    tus_unref(t);
}

/* ---- joining ---- */

/* Whoever hears of it may try again with the same parts. No part is locked. */
static int join_failed(struct tus *t, int status, const char *text)
{
    settle_parts(t, UPLOAD_OPEN);
    http_answer(t->req, refusal(t->req, status, text));
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
        struct http_response *r = answer_new(t->req, 201);

        http_response_header(r, "Location", before->url);
        add_expires(r, before);
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

/* Upload-Concat: final;url url - claims all of them, before a byte is copied. -1: answered, and none is kept (on_done). */
static int claim_parts(struct tus *t, const char *list)
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
    rc = p->state != UPLOAD_OPEN ? err_set(err, ERR_SATURATED, "The Assembly is over") : spool_write(&p->spool, buf, n, err);
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
    settle_parts(t, UPLOAD_GONE);
    http_answer(t->req, json_refusal(t->req, err->code == ERR_SATURATED ? 410 : err_http_status(err), err));
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
        http_go_on(t->req); /* complete: on_end hands it over */
    }
    tus_awaited(t);
}

/* The Assembly wants it. t is awaited. */
static void join_later(struct tus *t)
{
    struct err err;

    if (joiner_add(t->all->joiner, join_parts, t))
        return;
    err_set(&err, ERR_BUSY, "Too many uploads are being joined; try again");
    drop_final(t, &err);
    tus_awaited(t);
}

/* ---- POST ---- */

static void created(void *ctx, const struct err *err, struct published *doc)
{
    struct tus *t = ctx;
    struct upload *p = t->upload;
    struct http_request *req = t->req;

    (void)doc;
    if (err) {
        int status = err->code == ERR_ASSEMBLY_NOT_FOUND ? 404 : err_http_status(err);

        upload_forget(p);
        pthread_mutex_lock(&p->lock);
        upload_discard(p);
        pthread_mutex_unlock(&p->lock);
        settle_parts(t, UPLOAD_GONE);
        http_answer(req, json_refusal(req, status == 413 ? 413 : status, err));
    } else {
        if (*p->assembly_id)
            http_known(req);
        if (p->concat == CONCAT_FINAL) {
            join_later(t);
            return;
        }
        if (t->has_body)
            http_go_on(req);
        else if (p->length == 0)
            http_go_on(req); /* complete as it is: on_end hands it over */
        else
            http_answer(req, progress_answer(t));
    }
    tus_awaited(t);
}

static enum http_next post_creation(struct tus *t)
{
    struct upload *p = t->upload;
    AUTO(mem_free) char *row = upload_row(p);

    /* before it is told: a cancel in the same turn must find it */
    upload_register(t->all, p);
    tus_await(t);
    if (p->concat == CONCAT_PARTIAL) {
        conductor_post_upload(t->all->conf.conductor, p->assembly_id, p->id, row, created, t);
        return HTTP_WAIT;
    }
    conductor_post(t->all->conf.conductor,
                   &(struct conductor_news){
                       .assembly_id = p->assembly_id,
                       .type = EV_UPLOAD_CREATED,
                       .data = json_pack("{s:s,s:o,s:o,s:I,s:o,s:O?}", "id", p->id, "filename",
                                         jstring(p->filename), "fieldname", jstring(p->fieldname), "size",
                                         (json_int_t)p->length, "url", jstring(p->url), "user_meta",
                                         p->user_meta),
                       .upload_id = p->id,
                       .upload_meta = row,
                       .reply = created,
                       .ctx = t,
                   });
    return HTTP_WAIT;
}

/* What the headers say of the upload to be made. NULL: it is right, else what is wrong, with *status. */
static const char *read_creation(struct tus *t, int *status)
{
    struct http_request *req = t->req;
    const char *length = http_header(req, "Upload-Length"), *defer = http_header(req, "Upload-Defer-Length");
    const char *concat = http_header(req, "Upload-Concat"), *metadata = http_header(req, "Upload-Metadata");
    const char *type = http_header(req, "Content-Type"), *checksum = http_header(req, "Upload-Checksum");
    int64_t max_size = t->all->conf.max_size;
    struct upload *p = t->upload;

    *status = 400;
    if (concat) {
        p->concat_header = mem_strdup(concat);
        p->concat = !strcmp(concat, "partial") ? CONCAT_PARTIAL : CONCAT_FINAL;
        if (p->concat == CONCAT_FINAL && !str_starts(concat, "final;"))
            return "invalid Upload-Concat";
    }
    if (p->concat == CONCAT_FINAL) {
        if (length || defer)
            return "a final upload has no Upload-Length";
        *status = 403;
        if (http_content_length(req) != 0)
            return "a final upload takes no body";
        *status = 400;
    } else if (!length == !defer) {
        return "exactly one of Upload-Length and Upload-Defer-Length is needed";
    }
    if (defer && strcmp(defer, "1"))
        return "Upload-Defer-Length can only be 1";
    if (length && (p->length = tus_size(length)) < 0)
        return "invalid Upload-Length";
    if (metadata) {
        p->metadata = mem_strdup(metadata);
        if (read_metadata(p, metadata) < 0)
            return "invalid Upload-Metadata";
    }
    t->has_body = type && !strcmp(type, "application/offset+octet-stream") && http_content_length(req) != 0;
    if (t->has_body && checksum && parse_checksum(t, checksum) < 0)
        return "invalid Upload-Checksum";
    *status = 413;
    if (max_size && p->length > max_size)
        return "Upload-Length is more than Tus-Max-Size";
    return t->has_body && p->length >= 0 && http_content_length(req) > p->length ? "the body is larger than Upload-Length" : NULL;
}

/* A partial upload is asked for before a file is made of it. */
static int admit_part(struct tus *t, struct err *err)
{
    struct upload *p = t->upload;

    if (!id_valid(p->assembly_id)) {
        p->assembly_id[0] = 0;
        if (!t->all->strangers.limit || p->length < 0)
            return err_set(err, ERR_FORM, "A partial upload needs the assembly_url in its metadata, too "
                                          "(tus-js-client: metadataForPartialUploads)");
        p->share.budget = &t->all->strangers;
        p->expires_us = clock_now_us() + (STRANGER_US < t->all->conf.expiry_us ? STRANGER_US : t->all->conf.expiry_us);
        return parts_check(p, p->length + STRANGER_COST, err);
    }
    if (parts_check(p, p->length > 0 ? p->length : 0, err) < 0)
        return -1;
    http_known(t->req);
    return 0;
}

static enum http_next refuse_json(struct http_request *req, const struct err *err)
{
    int status = err_http_status(err);

    http_answer(req, json_refusal(req, status, err));
    return HTTP_ANSWERED;
}

static enum http_next create_begin(struct http_request *req)
{
    struct tus *t;
    struct upload *p;
    const char *wrong;
    int status;
    struct err err;

    t = tus_new(req);
    if (!version_ok(req))
        return refuse(req, 412, "Tus-Resumable must be 1.0.0");
    t->creating = true;
    p = t->upload = upload_new(t->all);
    id_new_ordered(p->id);
    id_new(p->file_id);
    p->expires_us = clock_now_us() + t->all->conf.expiry_us;
    if ((wrong = read_creation(t, &status)))
        return refuse(req, status, wrong);
    if (!p->fieldname)
        p->fieldname = mem_strdup("file");
    if (!p->filename)
        p->filename = mem_strdup("unnamed");
    if (p->concat != CONCAT_PARTIAL && !id_valid(p->assembly_id)) {
        err_set(&err, ERR_FORM, "The metadata has no valid assembly_url");
        return refuse_json(req, &err);
    }
    if (p->concat == CONCAT_PARTIAL && admit_part(t, &err) < 0)
        return refuse_json(req, &err);
    if (p->concat == CONCAT_FINAL && claim_parts(t, p->concat_header + strlen("final;")) < 0)
        return HTTP_ANSWERED;
    if (space_check(&t->all->conf.space, p->length > 0 ? p->length : 0, &err) < 0)
        return refuse_json(req, &err);
    AUTO(mem_free) char *base = t->all->conf.base_url(req);
    AUTO(mem_free) char *path = uploads_path(t->all, p->id);
    p->url = mem_printf("%s/resumable/files/%s", base, p->id);
    if (spool_create(&p->spool, path, &err) < 0)
        return refuse_json(req, &err);
    t->generation = upload_take(p, t->has_body ? req : NULL);
    p->attended = true;
    return post_creation(t);
}

static enum http_next create_end(struct http_request *req)
{
    return on_end(req);
}

const struct http_handler tus_create = {create_begin, on_body, create_end, on_done};

/* ---- one upload ---- */

static enum http_next head_begin(struct http_request *req)
{
    tus_new(req);
    return HTTP_GO;
}

static enum http_next head_end(struct http_request *req)
{
    struct tus *t = http_data(req);
    struct upload *p = upload_find(t->all, http_path_arg(req, 0));
    enum http_next next = HTTP_ANSWERED;
    bool is_ours = true;

    if (!p)
        return refuse(req, 404, "no such upload");
    pthread_mutex_lock(&p->lock);
    if (p->state == UPLOAD_GONE) {
        http_answer(req, refusal(req, 410, "the upload is gone"));
    } else {
        /* who asks where to go on is about to: a stalled predecessor must not add bytes behind its back */
        bool joining = p->concat == CONCAT_FINAL && p->attended; /* nobody else brings its bytes */
        http_known(req);
        if (p->state == UPLOAD_OPEN && !joining)
            upload_take(p, NULL);
        if (p->state == UPLOAD_OPEN && !joining && p->offset == p->length) {
            /* the last byte came, and the request that brought it ended before its end: whoever hears that all is
             * there will not come again */
            t->asking = true;
            t->upload = p;
            is_ours = false;
            next = finish(t);
        } else {
            http_answer(req, head_answer(req, p));
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (is_ours)
        upload_unref(p);
    return next;
}

const struct http_handler tus_head = {.begin = head_begin, .end = head_end, .done = on_done};

static void length_known(void *ctx, const struct err *err, struct published *doc)
{
    struct tus *t = ctx;
    struct http_request *req = t->req;

    (void)doc;
    if (err && err_http_status(err) >= 500 && err->code != ERR_ASSEMBLY_NOT_FOUND) {
        pthread_mutex_lock(&t->upload->lock);
        t->upload->length = -1; /* not durable: the client says it again */
        pthread_mutex_unlock(&t->upload->lock);
        http_answer(req, json_refusal(req, 503, err));
    } else if (err) {
        http_answer(req, json_refusal(req, err->code == ERR_MAX_SIZE ? 413 : 410, err));
    } else {
        http_go_on(req);
    }
    tus_awaited(t);
}

static enum http_next patch_locked(struct tus *t, int64_t offset, const char *length)
{
    struct http_request *req = t->req;
    struct upload *p = t->upload;
    int64_t body = http_content_length(req), declared;

    if (p->state == UPLOAD_GONE)
        return refuse(req, 410, "the upload is gone");
    if (p->concat == CONCAT_FINAL)
        return refuse(req, 403, "a final upload can't be changed");
    if (p->state == UPLOAD_FINISHING || (p->state == UPLOAD_FINISHED && offset != p->offset))
        return refuse(req, p->state == UPLOAD_FINISHED ? 409 : 423, "the upload is complete");
    t->generation = upload_take(p, req);
    if (offset != p->offset) {
        let_go(t);
        return refuse(req, 409, "Upload-Offset is not the current offset");
    }
    if (p->state == UPLOAD_FINISHED) {
        t->has_body = false;
        return HTTP_GO;
    }
    if (length) {
        declared = tus_size(length);
        if (declared < p->offset || (p->length >= 0 && declared != p->length)) {
            let_go(t);
            return refuse(req, 400, "Upload-Length can't be changed");
        }
        if (t->all->conf.max_size && declared > t->all->conf.max_size) {
            let_go(t);
            return refuse(req, 413, "Upload-Length is more than Tus-Max-Size");
        }
        if (p->length < 0) {
            p->length = declared;
            AUTO(mem_free) char *row = upload_row(p);
            if (body > 0 && body > p->length - p->offset) {
                let_go(t);
                return refuse(req, 413, "the body is larger than what is left of Upload-Length");
            }
            t->start = p->offset;
            t->has_body = body != 0;
            tus_await(t);
            if (p->concat == CONCAT_PARTIAL)
                conductor_post_upload(t->all->conf.conductor, p->assembly_id, p->id, row, length_known, t);
            else
                conductor_post(t->all->conf.conductor,
                               &(struct conductor_news){.assembly_id = p->assembly_id,
                                                        .type = EV_UPLOAD_LENGTH,
                                                        .data = json_pack("{s:s,s:I}", "id", p->id, "size",
                                                                          (json_int_t)p->length),
                                                        .upload_id = p->id,
                                                        .upload_meta = row,
                                                        .reply = length_known,
                                                        .ctx = t});
            return HTTP_WAIT;
        }
    }
    if (body > 0 && p->length >= 0 && body > p->length - p->offset) {
        let_go(t);
        return refuse(req, 413, "the body is larger than what is left of Upload-Length");
    }
    t->start = p->offset;
    t->has_body = body != 0;
    return HTTP_GO;
}

static enum http_next patch_begin(struct http_request *req)
{
    const char *type = http_header(req, "Content-Type"), *checksum = http_header(req, "Upload-Checksum");
    int64_t offset = tus_size(http_header(req, "Upload-Offset"));
    struct upload *p;
    struct tus *t = tus_new(req);
    enum http_next next;
    struct err err;

    if (!version_ok(req))
        return refuse(req, 412, "Tus-Resumable must be 1.0.0");
    if (!type || strcmp(type, "application/offset+octet-stream"))
        return refuse(req, 400, "Content-Type must be application/offset+octet-stream");
    if (offset < 0)
        return refuse(req, 400, "invalid Upload-Offset");
    if (!(p = upload_find(t->all, http_path_arg(req, 0))))
        return refuse(req, 404, "no such upload");
    t->upload = p;
    if (*p->assembly_id)
        http_known(req);
    /* as many bytes as are announced, or none: half of them would only make it fuller */
    if (http_content_length(req) > 0 && space_check(&t->all->conf.space, http_content_length(req), &err) < 0) {
        http_answer(req, json_refusal(req, err_http_status(&err), &err));
        return HTTP_ANSWERED;
    }
    if (checksum && parse_checksum(t, checksum) < 0)
        return refuse(req, 400, "invalid Upload-Checksum");
    pthread_mutex_lock(&p->lock);
    next = patch_locked(t, offset, http_header(req, "Upload-Length"));
    pthread_mutex_unlock(&p->lock);
    return next;
}

const struct http_handler tus_patch = {patch_begin, on_body, on_end, on_done};

struct removal {
    struct http_request *req;
    struct upload *upload; /* a reference */
};

static void removed(void *ctx, const struct err *err, struct published *doc)
{
    struct removal *rm = ctx;
    bool lost = err && err_http_status(err) >= 500 && err->code != ERR_ASSEMBLY_NOT_FOUND;

    (void)doc;
    pthread_mutex_lock(&rm->upload->lock);
    rm->upload->removal_due = lost; /* its bytes are gone, but the Assembly still waits for it: say it again */
    pthread_mutex_unlock(&rm->upload->lock);
    /* refused because it is not open any more: the client wanted it gone, and it is */
    http_answer(rm->req, lost ? json_refusal(rm->req, 503, err) : answer_new(rm->req, 204));
    upload_unref(rm->upload);
    http_request_unref(rm->req);
    free(rm);
}

static enum http_next delete_end(struct http_request *req)
{
    struct uploads *u = http_data(req);
    struct upload *p;
    bool was_open;

    if (!version_ok(req))
        return refuse(req, 412, "Tus-Resumable must be 1.0.0");
    if (!(p = upload_find(u, http_path_arg(req, 0))))
        return refuse(req, 404, "no such upload");
    pthread_mutex_lock(&p->lock);
    was_open = p->state == UPLOAD_OPEN || p->removal_due;
    enum upload_state state = p->state;
    if (state == UPLOAD_FINISHING || (state == UPLOAD_FINISHED && *p->used_by)) { /* its bytes are on their way into the Assembly */
        pthread_mutex_unlock(&p->lock);
        upload_unref(p);
        return refuse(req, 423, "the upload is being taken over");
    }
    /* Of a finished one the Assembly has the file, and keeps it: only the address is over. */
    if (state == UPLOAD_OPEN || state == UPLOAD_FINISHED)
        upload_discard(p);
    pthread_mutex_unlock(&p->lock);
    if (state == UPLOAD_GONE && !was_open) {
        upload_unref(p);
        return refuse(req, 410, "the upload is gone");
    }
    struct removal *rm = mem_zalloc(sizeof *rm);
    *rm = (struct removal){http_request_ref(req), p};
    if (was_open && p->concat != CONCAT_PARTIAL)
        conductor_post(u->conf.conductor, &(struct conductor_news){
                                              .assembly_id = p->assembly_id,
                                              .type = EV_UPLOAD_REMOVED,
                                              .data = json_pack("{s:s}", "id", p->id),
                                              .upload_id = p->id,
                                              .reply = removed,
                                              .ctx = rm,
                                          });
    else
        conductor_post_upload(u->conf.conductor, p->assembly_id, p->id, NULL, removed, rm);
    return HTTP_WAIT;
}

const struct http_handler tus_delete = {.end = delete_end};
