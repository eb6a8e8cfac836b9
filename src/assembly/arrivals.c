/* What clients bring: the request's body, tus uploads, files that lie elsewhere. */
#include "assembly/private.h"

#include <inttypes.h>
#include <string.h>

static struct tus_upload *find_tus(const struct assembly *a, const char *id)
{
    /* stored as index + 1, since the array moves when it grows */
    size_t at = id ? (size_t)map_get(&a->tus_by_id, id) : 0;

    return at ? &a->tus[at - 1] : NULL;
}

static void show_tus(struct assembly *a, const struct tus_upload *u, struct effects *fx)
{
    effects_fragment(fx, LIST_TUS, 0, (int)(u - a->tus), status_tus(u));
}

/* Of the expected uploads: how many has nobody begun or reserved? */
static int places_left(const struct assembly *a)
{
    return a->expected_uploads - a->open_uploads - a->finished_uploads - (a->reserved - a->fetched);
}

static int saturated(const struct assembly *a, struct err *err)
{
    err_set(err, ERR_SATURATED, "All %d expected files are there or reserved", a->expected_uploads);
    if (err)
        snprintf(err->detail, sizeof err->detail, "{\"numReserved\":%d,\"numExpected\":%d}",
                 a->reserved, a->expected_uploads);
    return -1;
}

/* Files that lie elsewhere (api-assemblies.md 7): a place is reserved, then the file is named and
 * downloaded. */
static int on_elsewhere(struct assembly *a, const struct event *ev, struct effects *fx,
                        struct err *err)
{
    const json_t *d = ev->data;
    int64_t size = jint(d, "size", -1);

    if (a->begun.by_url || assembly_is_over(a))
        return assembly_refuse(a, ev->type, err);
    if (ev->type == EV_FILE_RESERVED) {
        if (a->uploading_finished || places_left(a) <= 0)
            return saturated(a, err);
        if (assembly_too_many(a, 1, ev->at_us, fx, err))
            return 0;
        a->reserved++;
        return 0;
    }
    if (a->uploading_finished)
        return saturated(a, err);
    if (a->added >= a->reserved)
        return err_set(err, ERR_FILE_NOT_RESERVED, "No place was reserved for the file '%.100s'",
                       jstr_or(d, "filename", ""));
    if (assembly_too_big(a, size, jstr_or(d, "filename", ""), ev->at_us, fx, err))
        return 0;
    a->added++;
    assembly_expect(a, size);
    graph_add_fetch(a, ev->data, ev->at_us, fx);
    return 0;
}

static int on_upload_created(struct assembly *a, const struct event *ev, struct effects *fx,
                             struct err *err)
{
    const json_t *d = ev->data;
    int64_t size = jint(d, "size", -1);

    if (assembly_is_over(a))
        return assembly_refuse_over(a, err);
    if (find_tus(a, jstr(d, "id")))
        return err_set(err, ERR_EXISTS, "The upload exists already");
    if (assembly_too_big(a, size, jstr_or(d, "filename", ""), ev->at_us, fx, err))
        return 0;
    bool counted = places_left(a) > 0;
    if (counted && assembly_too_many(a, 1, ev->at_us, fx, err))
        return 0;
    if (!counted)
        assembly_warn(
            a,
            "More uploads than the declared number of files: those that finish last are dropped.");

    GROW(a->tus, a->tus_count);
    struct tus_upload *u = &a->tus[a->tus_count++];
    *u = (struct tus_upload){.size = size, .counted = counted};
    memcpy(u->id, jstr_or(d, "id", ""), ID_LEN);
    map_put(&a->tus_by_id, u->id, (void *)(size_t)a->tus_count);
    u->filename = mem_strdup(jstr_or(d, "filename", ""));
    u->fieldname = mem_strdup(jstr_or(d, "fieldname", ""));
    u->url = mem_strdup(jstr_or(d, "url", ""));
    u->user_meta = json_incref(json_object_get(d, "user_meta"));
    a->started_uploads++;
    a->open_uploads += counted;
    assembly_expect(a, size);
    show_tus(a, u, fx);
    return 0;
}

static void set_offset(struct assembly *a, struct tus_upload *u, int64_t offset)
{
    a->tus_received += offset - u->offset;
    u->offset = offset;
}

static int on_upload_length(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->size >= 0)
        return err_set(err, ERR_NOT_FOUND, "No such upload of unknown length");
    if (assembly_is_over(a))
        return assembly_refuse_over(a, err);
    if (assembly_too_big(a, jint(ev->data, "size", 0), u->filename, ev->at_us, fx, err))
        return 0;
    u->size = jint(ev->data, "size", 0);
    assembly_expect(a, u->size);
    show_tus(a, u, fx);
    return 0;
}

static int on_upload_offset(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->finished || u->removed || assembly_is_over(a))
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    set_offset(a, u, jint(ev->data, "offset", u->offset));
    if (u->size < 0 && assembly_too_big(a, u->offset, u->filename, ev->at_us, fx, err))
        return 0;
    show_tus(a, u, fx);
    return 0;
}

static int on_upload_removed(struct assembly *a, const struct event *ev, struct effects *fx,
                             struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->removed || u->finished)
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    u->removed = true;
    a->open_uploads -= u->counted;
    a->tus_expected -= u->size > 0 ? u->size : 0;
    set_offset(a, u, 0);
    show_tus(a, u, fx);
    return 0;
}

/* The places are for those that finish first. A client whose answer to a creation was lost creates
 * the upload again, and never goes on with the first one: that must not keep a place for ever. */
static bool take_place(struct assembly *a, struct tus_upload *u)
{
    if (!u->counted && places_left(a) > 0) {
        u->counted = true; /* one that was created before it is removed */
        a->open_uploads++;
    }
    for (int i = 0; !u->counted && i < a->tus_count; i++) {
        struct tus_upload *other = &a->tus[i];

        if (other->counted && !other->finished && !other->removed) {
            other->counted = false;
            u->counted = true;
        }
    }
    return u->counted;
}

static int on_file_uploaded(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    const json_t *d = json_object_get(ev->data, "file");
    const char *tus_id = jstr(ev->data, "upload");
    struct tus_upload *u = find_tus(a, tus_id);
    int64_t size = jint(d, "size", 0);

    if (assembly_is_over(a))
        return assembly_refuse_over(a, err);
    if (tus_id && (!u || u->finished || u->removed))
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    if (assembly_too_big(a, size, jstr_or(d, "name", ""), ev->at_us, fx, err) ||
        (!u && assembly_too_many(a, 1, ev->at_us, fx, err)))
        return 0;
    if (u) {
        if (u->size < 0) {
            u->size = size;
            assembly_expect(a, size);
        }
        set_offset(a, u, size);
        u->finished = true;
        show_tus(a, u, fx);
        if (!take_place(a, u))
            return 0;
        a->open_uploads--;
        a->finished_uploads++;
    }
    a->body_files += !u;
    assembly_add_upload(a, d, u, ev->at_us, fx);
    assembly_advance(a, ev->at_us, fx);
    return 0;
}

static int on_body_bytes(struct assembly *a, const struct event *ev, struct err *err)
{
    int64_t bytes = jint(ev->data, "bytes", 0);

    if (a->body_done || assembly_is_over(a) || bytes <= a->body_bytes)
        return err_set(err, ERR_NOT_FOUND, "The request body is complete already");
    a->body_bytes = bytes;
    return 0;
}

static int on_body(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    int64_t files = jint(ev->data, "files", -1);
    json_t *fields = json_object_get(ev->data, "fields");
    struct err why;

    if (json_is_object(fields) && (ev->type == EV_FORM_FIELDS || !a->body_done))
        json_object_update(a->fields, fields);
    if (ev->type == EV_FORM_FIELDS)
        return 0;
    if (a->body_done)
        return err_set(err, ERR_NOT_FOUND, "The request body is complete already");
    a->body_bytes = jint(ev->data, "bytes", a->body_bytes);
    a->body_expected = a->body_bytes;
    a->body_done = true;
    if (json_object_get(ev->data, "expected"))
        a->expected_uploads = (int)jint(ev->data, "expected", 0);
    if (ev->type == EV_BODY_CUT) {
        assembly_set_state(a, ASSEMBLY_ABORTED, ev->at_us, fx);
    } else if (files >= 0 && files != a->body_files && !assembly_is_over(a)) {
        /* the turn that took one of them in was lost, while the request went on */
        err_set(&why, ERR_IO, "Of the %lld files of the request %d could be stored",
                (long long)files, a->body_files);
        assembly_fail(a, &why, NULL, NULL, ev->at_us, fx);
    } else {
        assembly_advance(a, ev->at_us, fx);
    }
    return 0;
}

int arrivals_apply(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    switch (ev->type) {
    case EV_BODY_BYTES:
        return on_body_bytes(a, ev, err);
    case EV_UPLOAD_CREATED:
        return on_upload_created(a, ev, fx, err);
    case EV_UPLOAD_LENGTH:
        return on_upload_length(a, ev, fx, err);
    case EV_UPLOAD_OFFSET:
        return on_upload_offset(a, ev, fx, err);
    case EV_UPLOAD_REMOVED:
        return on_upload_removed(a, ev, fx, err);
    case EV_FILE_RESERVED:
    case EV_FILE_ADDED:
        return on_elsewhere(a, ev, fx, err);
    case EV_FILE_UPLOADED:
        return on_file_uploaded(a, ev, fx, err);
    default:
        return on_body(a, ev, fx, err);
    }
}
