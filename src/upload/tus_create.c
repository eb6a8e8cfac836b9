/* POST: an upload begins (creation, creation-with-upload, creation-defer-length, concatenation). Contract: api-tus.md.
 */
#include "base/clock.h"
#include "upload/tus.h"
#include "upload/tus_text.h"

#include <string.h>

#define STRANGER_COST 4096 /* bytes that a partial upload of nobody takes beside its own */
#define STRANGER_US (600 * SECOND_US)

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
        tus_settle_parts(t, UPLOAD_GONE);
        http_answer(req, tus_refusal_json(req, status == 413 ? 413 : status, err));
    } else {
        if (*p->assembly_id)
            http_known(req);
        if (p->concat == CONCAT_FINAL) {
            tus_join_later(t);
            return;
        }
        if (t->has_body)
            http_go_on(req);
        else if (p->length == 0)
            http_go_on(req); /* complete as it is: tus_on_end hands it over */
        else
            http_answer(req, tus_progress_answer(t));
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
                       .data = json_pack("{s:s,s:o,s:o,s:I,s:o,s:O?}", "id", p->id, "filename", jstring(p->filename),
                                         "fieldname", jstring(p->fieldname), "size", (json_int_t)p->length, "url",
                                         jstring(p->url), "user_meta", p->user_meta),
                       .upload_id = p->id,
                       .upload_meta = row,
                       .reply = created,
                       .ctx = t,
                   });
    return HTTP_WAIT;
}

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
    if (t->has_body && checksum && tus_begin_checksum(t, checksum) < 0)
        return "invalid Upload-Checksum";
    *status = 413;
    if (max_size && p->length > max_size)
        return "Upload-Length is more than Tus-Max-Size";
    return t->has_body && p->length >= 0 && http_content_length(req) > p->length
               ? "the body is larger than Upload-Length"
               : NULL;
}

/* A partial upload is asked for before a file is made of it. */
static int admit_part(struct tus *t, struct err *err)
{
    struct upload *p = t->upload;

    if (!id_valid(p->assembly_id)) {
        p->assembly_id[0] = 0;
        if (!t->all->strangers.limit || p->length < 0)
            return err_set(err, ERR_FORM,
                           "A partial upload needs the assembly_url in its metadata, too "
                           "(tus-js-client: metadataForPartialUploads)");
        p->share.budget = &t->all->strangers;
        p->expires_us = clock_now_us() + (STRANGER_US < t->all->conf.expiry_us ? STRANGER_US : t->all->conf.expiry_us);
        return tus_parts_check(p, p->length + STRANGER_COST, err);
    }
    if (tus_parts_check(p, p->length > 0 ? p->length : 0, err) < 0)
        return -1;
    http_known(t->req);
    return 0;
}

static enum http_next create_begin(struct http_request *req)
{
    struct tus *t;
    struct upload *p;
    const char *wrong;
    int status;
    struct err err;

    t = tus_new(req);
    if (!tus_version_ok(req))
        return tus_refuse_as(req, 412, "Tus-Resumable must be 1.0.0");
    t->creating = true;
    p = t->upload = upload_new(t->all);
    id_new_ordered(p->id);
    id_new(p->file_id);
    p->expires_us = clock_now_us() + t->all->conf.expiry_us;
    if ((wrong = read_creation(t, &status)))
        return tus_refuse_as(req, status, wrong);
    if (!p->fieldname)
        p->fieldname = mem_strdup("file");
    if (!p->filename)
        p->filename = mem_strdup("unnamed");
    if (p->concat != CONCAT_PARTIAL && !id_valid(p->assembly_id)) {
        err_set(&err, ERR_FORM, "The metadata has no valid assembly_url");
        return tus_refuse_json(req, &err);
    }
    if (p->concat == CONCAT_PARTIAL && admit_part(t, &err) < 0)
        return tus_refuse_json(req, &err);
    if (p->concat == CONCAT_FINAL && tus_claim_parts(t, p->concat_header + strlen("final;")) < 0)
        return HTTP_ANSWERED;
    if (space_check(&t->all->conf.space, p->length > 0 ? p->length : 0, &err) < 0)
        return tus_refuse_json(req, &err);
    AUTO(mem_free) char *base = t->all->conf.base_url(req);
    p->url = mem_printf("%s/resumable/files/%s", base, p->id);
    /* a plain one of known length has a file when it has a byte */
    if ((p->concat != CONCAT_NONE || p->length < 0) && upload_begin_bytes(p, false, &err) < 0)
        return tus_refuse_json(req, &err);
    t->generation = upload_take(p, t->has_body ? req : NULL);
    p->attended = true;
    return post_creation(t);
}

const struct http_handler tus_create = {create_begin, tus_on_body, tus_on_end, tus_on_done};
