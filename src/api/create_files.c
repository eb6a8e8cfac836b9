/* The files of a create request: on the disk once it is known who sends them, until then in memory. */
#include "api/create.h"
#include "api/app.h"
#include "blob/blob.h"
#include "config.h"

#include <stdio.h>
#include <string.h>

/* A file of a client that is not known yet: it waits in memory, counted by the form's share, and nothing of it is on
 * the disk. */
struct held_file {
    struct held_file *next;
    char *field, *name;
    struct str data;
};

static void held_free(struct held_file *h)
{
    if (!h)
        return;
    free(h->field);
    free(h->name);
    str_done(h->data);
    free(h);
}

static struct held_file *held_first(struct create *c)
{
    struct held_file *h = c->held;

    if (h)
        c->held = h->next;
    return h;
}

void create_unref(struct create *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
        return;
    while (c->held)
        held_free(held_first(c));
    form_free(c->form);
    body_watch_free(c->watch); /* first: until then a cancel may close the spool */
    spool_close(&c->spool, true);
    wishes_done(&c->wishes);
    mem_freed(c->params_len); /* it was parsed */
    free(c->params);
    free(c->signature);
    free(c->expected);
    free(c->tus_expected);
    free(c->file_field);
    free(c->file_name);
    json_decref(c->fields);
    http_request_unref(c->req);
    free(c);
}

/* ---- a file that the Assembly is told of ---- */

struct handed_over {
    struct create *create;
    char id[ID_LEN + 1];
};

/* A file that nobody took (the id was in use, the Assembly is over...) is nobody's. After a failed commit it may be
 * somebody's all the same. */
static void handed_over(void *ctx, const struct err *err, struct published *p)
{
    struct handed_over *h = ctx;
    struct create *c = h->create;

    (void)p;
    if (err && err->code != ERR_IO && err->code != ERR_NOSPACE)
        conductor_discard(c->app->conductor, h->id);
    if (err && err_http_status(err) >= 500) /* the Assembly will not have it: no need to read the rest of the body */
        http_cut(c->req, wishes_refusal(&c->wishes, c->id, err));
    create_unref(c);
    free(h);
}

/* Takes file. */
static void post_file(struct create *c, json_t *file)
{
    struct handed_over *h = mem_zalloc(sizeof *h);

    h->create = c;
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    snprintf(h->id, sizeof h->id, "%s", c->file_id);
    conductor_post(c->app->conductor,
                   &(struct conductor_news){.assembly_id = c->id,
                                            .type = EV_FILE_UPLOADED,
                                            .data = json_pack("{s:o,s:s}", "file", file, "nonce", c->nonce),
                                            .reply = handed_over,
                                            .ctx = h});
    c->file_count++;
}

int create_file_begin(struct create *c, const char *name, const char *filename, struct err *err)
{
    if (space_check(&c->app->space, 0, err) < 0)
        return -1;
    id_new(c->file_id);
    AUTO(mem_free) char *path = uploads_path(c->app->uploads, c->file_id);
    free(c->file_field);
    free(c->file_name);
    c->file_field = mem_strdup(name);
    c->file_name = mem_strdup(filename);
    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    int rc = spool_begin(&c->spool, path, c->app->blobs, c->file_id, err);
    body_unlock(c->watch);
    return rc;
}

int create_file_data(struct create *c, const char *data, size_t len, struct err *err)
{
    int64_t limit = c->max_size ? c->max_size : c->app->config->max_upload_size;
    int rc;

    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    if (limit && (int64_t)len > limit - c->spool.size)
        rc = err_set(err, ERR_MAX_SIZE, "The file '%.100s' has more than %lld bytes", c->file_name,
                     (long long)limit);
    else
        rc = space_check(&c->app->space, (int64_t)len, err) < 0 ? -1 : spool_write(&c->spool, data, len, err);
    body_unlock(c->watch);
    return rc;
}

int create_file_end(struct create *c, struct err *err)
{
    char md5[33];
    int rc;

    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    int64_t size = c->spool.size;
    rc = spool_commit(&c->spool, md5, c->app->blobs, c->file_id, c->app->config->fsync_uploads, err);
    body_unlock(c->watch);
    if (rc < 0)
        return -1;
    post_file(c, json_pack("{s:s,s:o,s:I,s:s,s:o}", "id", c->file_id, "name", jstring(c->file_name), "size",
                           (json_int_t)size, "md5", md5, "field", jstring(c->file_field)));
    return 0;
}

int create_take_held(struct create *c, struct err *err)
{
    for (struct held_file *h; (h = held_first(c));) {
        int rc = create_file_begin(c, h->field, h->name, err) < 0 ||
                         create_file_data(c, h->data.s, h->data.len, err) < 0 || create_file_end(c, err) < 0
                     ? -1
                     : 0;

        held_free(h);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* Files before params, or before a signature that must be there: they wait. */
int create_hold_file(struct create *c, const char *name, const char *filename, struct err *err)
{
    struct held_file *h;

    if (form_hold(c->form, sizeof *h + strlen(name) + strlen(filename), err) < 0)
        return -1;
    h = mem_zalloc(sizeof *h);
    if (c->held)
        c->held_last->next = h;
    else
        c->held = h;
    c->held_last = h;
    h->field = mem_strdup(name);
    h->name = mem_strdup(filename);
    return 0;
}

int create_hold(struct create *c, const char *data, size_t len, struct err *err)
{
    if (form_hold(c->form, len, err) < 0)
        return -1;
    str_add(&c->held_last->data, data, len);
    return 0;
}
