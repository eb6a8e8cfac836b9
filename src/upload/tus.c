/* The tus 1.0 protocol: creation, creation-with-upload, creation-defer-length, termination, concatenation,
 * checksum, expiration. Contract: api-tus.md. Here is all but POST (tus_create.c). */
#include "upload/tus.h"
#include "upload/tus_text.h"

#include <string.h>

/* ---- OPTIONS ---- */

static enum http_next options_end(struct http_request *req)
{
    struct http_response *r = tus_answer(req, 200);
    struct uploads *u = http_data(req);

    http_response_header(r, "Tus-Version", "1.0.0");
    http_response_header(r, "Tus-Extension",
                         "creation,creation-with-upload,termination,concatenation,creation-defer-length,"
                         "checksum,expiration");
    http_response_header(r, "Tus-Checksum-Algorithm", "sha1,md5,sha256");
    if (u->conf.max_size)
        tus_add_number(r, "Tus-Max-Size", u->conf.max_size);
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
    struct http_response *r = tus_refusal(req, 405, "this method is not served here");

    http_response_header(r, "Allow", "POST, HEAD, PATCH, DELETE, OPTIONS");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler tus_refuse = {.end = refuse_end};

/* ---- HEAD ---- */

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
        return tus_refuse_as(req, 404, "no such upload");
    pthread_mutex_lock(&p->lock);
    if (p->state == UPLOAD_GONE) {
        http_answer(req, tus_refusal(req, 410, "the upload is gone"));
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
            next = tus_finish(t);
        } else {
            http_answer(req, tus_head_answer(req, p));
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (is_ours)
        upload_unref(p);
    return next;
}

const struct http_handler tus_head = {.begin = head_begin, .end = head_end, .done = tus_on_done};

/* ---- PATCH ---- */

static void length_known(void *ctx, const struct err *err, struct published *doc)
{
    struct tus *t = ctx;
    struct http_request *req = t->req;

    (void)doc;
    if (err && err_http_status(err) >= 500 && err->code != ERR_ASSEMBLY_NOT_FOUND) {
        pthread_mutex_lock(&t->upload->lock);
        t->upload->length = -1; /* not durable: the client says it again */
        pthread_mutex_unlock(&t->upload->lock);
        http_answer(req, tus_refusal_json(req, 503, err));
    } else if (err) {
        http_answer(req, tus_refusal_json(req, err->code == ERR_MAX_SIZE ? 413 : 410, err));
    } else {
        http_go_on(req);
    }
    tus_awaited(t);
}

/* It does not hold its upload after all. */
static enum http_next refuse_holder(struct tus *t, int status, const char *text)
{
    tus_let_go(t);
    return tus_refuse_as(t->req, status, text);
}

static void expect_body(struct tus *t)
{
    t->start = t->upload->offset;
    t->has_body = http_content_length(t->req) != 0;
}

static bool body_is_too_large(const struct tus *t)
{
    const struct upload *p = t->upload;
    int64_t body = http_content_length(t->req);

    return body > 0 && p->length >= 0 && body > p->length - p->offset;
}

/* A deferred length, now that it is known. */
static enum http_next post_length(struct tus *t)
{
    struct upload *p = t->upload;
    AUTO(mem_free) char *row = upload_row(p);

    expect_body(t);
    tus_await(t);
    if (p->concat == CONCAT_PARTIAL)
        conductor_post_upload(t->all->conf.conductor, p->assembly_id, p->id, row, length_known, t);
    else
        conductor_post(t->all->conf.conductor,
                       &(struct conductor_news){
                           .assembly_id = p->assembly_id,
                           .type = EV_UPLOAD_LENGTH,
                           .data = json_pack("{s:s,s:I}", "id", p->id, "size", (json_int_t)p->length),
                           .upload_id = p->id,
                           .upload_meta = row,
                           .reply = length_known,
                           .ctx = t,
                       });
    return HTTP_WAIT;
}

/* length: Upload-Length, or NULL. */
static enum http_next patch_locked(struct tus *t, int64_t offset, const char *length)
{
    static const char too_large[] = "the body is larger than what is left of Upload-Length";
    struct http_request *req = t->req;
    struct upload *p = t->upload;

    if (p->state == UPLOAD_GONE)
        return tus_refuse_as(req, 410, "the upload is gone");
    if (p->concat == CONCAT_FINAL)
        return tus_refuse_as(req, 403, "a final upload can't be changed");
    if (p->state == UPLOAD_FINISHING || (p->state == UPLOAD_FINISHED && offset != p->offset))
        return tus_refuse_as(req, p->state == UPLOAD_FINISHED ? 409 : 423, "the upload is complete");
    t->generation = upload_take(p, req);
    if (offset != p->offset)
        return refuse_holder(t, 409, "Upload-Offset is not the current offset");
    if (p->state == UPLOAD_FINISHED) {
        t->has_body = false;
        return HTTP_GO;
    }
    if (length) {
        int64_t declared = tus_size(length);

        if (declared < p->offset || (p->length >= 0 && declared != p->length))
            return refuse_holder(t, 400, "Upload-Length can't be changed");
        if (t->all->conf.max_size && declared > t->all->conf.max_size)
            return refuse_holder(t, 413, "Upload-Length is more than Tus-Max-Size");
        if (p->length < 0) {
            p->length = declared;
            return body_is_too_large(t) ? refuse_holder(t, 413, too_large) : post_length(t);
        }
    }
    if (body_is_too_large(t))
        return refuse_holder(t, 413, too_large);
    expect_body(t);
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

    if (!tus_version_ok(req))
        return tus_refuse_as(req, 412, "Tus-Resumable must be 1.0.0");
    if (!type || strcmp(type, "application/offset+octet-stream"))
        return tus_refuse_as(req, 400, "Content-Type must be application/offset+octet-stream");
    if (offset < 0)
        return tus_refuse_as(req, 400, "invalid Upload-Offset");
    if (!(p = upload_find(t->all, http_path_arg(req, 0))))
        return tus_refuse_as(req, 404, "no such upload");
    t->upload = p;
    if (*p->assembly_id)
        http_known(req);
    /* as many bytes as are announced, or none: half of them would only make it fuller */
    if (http_content_length(req) > 0 && space_check(&t->all->conf.space, http_content_length(req), &err) < 0) {
        http_answer(req, tus_refusal_json(req, err_http_status(&err), &err));
        return HTTP_ANSWERED;
    }
    if (checksum && tus_begin_checksum(t, checksum) < 0)
        return tus_refuse_as(req, 400, "invalid Upload-Checksum");
    pthread_mutex_lock(&p->lock);
    next = patch_locked(t, offset, http_header(req, "Upload-Length"));
    pthread_mutex_unlock(&p->lock);
    return next;
}

const struct http_handler tus_patch = {patch_begin, tus_on_body, tus_on_end, tus_on_done};

/* ---- DELETE ---- */

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
    http_answer(rm->req, lost ? tus_refusal_json(rm->req, 503, err) : tus_answer(rm->req, 204));
    upload_unref(rm->upload);
    http_request_unref(rm->req);
    free(rm);
}

static enum http_next delete_end(struct http_request *req)
{
    struct uploads *u = http_data(req);
    struct upload *p;
    bool was_open;

    if (!tus_version_ok(req))
        return tus_refuse_as(req, 412, "Tus-Resumable must be 1.0.0");
    if (!(p = upload_find(u, http_path_arg(req, 0))))
        return tus_refuse_as(req, 404, "no such upload");
    pthread_mutex_lock(&p->lock);
    was_open = p->state == UPLOAD_OPEN || p->removal_due;
    enum upload_state state = p->state;
    if (state == UPLOAD_FINISHING ||
        (state == UPLOAD_FINISHED && *p->used_by)) { /* its bytes are on their way into the Assembly */
        pthread_mutex_unlock(&p->lock);
        upload_unref(p);
        return tus_refuse_as(req, 423, "the upload is being taken over");
    }
    /* Of a finished one the Assembly has the file, and keeps it: only the address is over. */
    if (state == UPLOAD_OPEN || state == UPLOAD_FINISHED)
        upload_discard(p);
    pthread_mutex_unlock(&p->lock);
    if (state == UPLOAD_GONE && !was_open) {
        upload_unref(p);
        return tus_refuse_as(req, 410, "the upload is gone");
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
