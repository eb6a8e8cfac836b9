/* The half of dropbox.h that sends files. */
#include "transfer/dropbox.h"

#include <string.h>

#define WHOLE_MAX (INT64_C(16) << 20) /* larger ones go by a session; Dropbox's own limit is 150 MB */
#define PIECE (INT64_C(16) << 20)     /* a multiple of 4 MiB, as sessions want it */
#define TURNS_MAX 20                  /* times that Dropbox may name another offset than the one that we sent */
#define OCTETS "application/octet-stream"

struct upload {
    struct dropbox *d;
    struct remote_file *file;
    const char *path;
    char hash[DROPBOX_HASH_MAX];
};

static int hash_file(struct upload *u, struct err *err)
{
    AUTO(dropbox_hash_done) struct dropbox_hash h = {0};
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    int64_t done = 0;
    ssize_t n;

    dropbox_hash_begin(&h);
    while ((n = pread(u->file->fd, buf, 256 * 1024, done)) > 0) {
        dropbox_hash_add(&h, buf, (size_t)n);
        done += n;
    }
    if (n < 0)
        return err_errno(err, "read '%s'", u->file->in->name);
    if (done != u->file->in->size)
        return err_set(err, ERR_INPUT, "the file '%s' has another size than announced", u->file->in->name);
    dropbox_hash_end(u->hash, &h);
    return 0;
}

/* A call whose body is length bytes of the file from offset. */
static json_t *send_bytes(struct upload *u, const char *path, json_t *args, int64_t offset, int64_t length,
                          struct err *err)
{
    AUTO(mem_free) char *arg = dropbox_arg(args), *url = mem_printf("%s/2/files/%s", u->d->content, path);
    AUTO(http_client_response_done) struct http_client_response r = {0};
    double size = u->file->in->size ? (double)u->file->in->size : 1;
    struct err ignored;

    u->d->why[0] = 0;
    if (api_run(&r, &u->d->api,
                &(struct api_call){.method = "POST",
                                   .url = url,
                                   .headers = (const char *const[]){arg, NULL},
                                   .type = OCTETS,
                                   .fd = u->file->fd,
                                   .offset = offset,
                                   .length = length,
                                   .file = u->file,
                                   .from = (double)offset / size,
                                   .share = (double)length / size},
                err) < 0)
        return NULL;
    /* an appended piece is answered by null */
    json_t *body = r.body.len ? json_parse_within(r.body.s, r.body.len, &(struct json_bounds){16, 1000, 0}, &ignored)
                              : json_null();
    if (!body)
        api_odd(&u->d->api, err, "its answer is no JSON");
    return body;
}

static json_t *commit_of(const struct upload *u)
{
    return json_pack("{s:s,s:s,s:b}", "path", u->path, "mode", "overwrite", "autorename", 0);
}

/* ---- sessions ---- */

static json_t *cursor_of(const char *session, int64_t offset)
{
    return json_pack("{s:s,s:I}", "session_id", session, "offset", (json_int_t)offset);
}

/* Where Dropbox says that the session goes on; -1: that is not what it said. */
static int64_t named_offset(const struct dropbox *d)
{
    const json_t *e = json_object_get(d->refusal, "error");

    if (!strstr(d->why, "incorrect_offset"))
        return -1;
    if (json_object_get(e, "lookup_failed"))
        e = json_object_get(e, "lookup_failed");
    return jint(e, "correct_offset", -1);
}

static bool is_lost(const struct dropbox *d) { return strstr(d->why, "not_found") || strstr(d->why, "closed"); }

/* Everything from there on into the session. An answer that was lost shows as an offset that is ahead of ours. */
static int send_pieces(struct upload *u, const char *session, int64_t at, struct err *err)
{
    int64_t size = u->file->in->size;
    int turns = 0;

    while (at < size) {
        int64_t length = size - at < PIECE ? size - at : PIECE;
        AUTO(json_unref)
        json_t *ok =
            send_bytes(u, "upload_session/append_v2",
                       json_pack("{s:o,s:b}", "cursor", cursor_of(session, at), "close", 0), at, length, err);
        int64_t named = ok ? -1 : named_offset(u->d);

        if (ok) {
            at += length;
        } else if (named >= 0 && named <= size && named != at && turns++ < TURNS_MAX) {
            at = named;
        } else {
            u->file->again = is_lost(u->d); /* a new session, from the beginning */
            return -1;
        }
    }
    return 0;
}

/* Does the file lie there as we sent it? Answers what a lost answer left open. */
static json_t *dropbox_lies_there(struct upload *u)
{
    struct err ignored;
    json_t *meta = dropbox_call(u->d, "files/get_metadata", json_pack("{s:s}", "path", u->path), &ignored);

    if (meta && !strcmp(jstr_or(meta, "content_hash", ""), u->hash))
        return meta;
    json_decref(meta);
    return NULL;
}

/* at: where it goes on, when the session lacks something; else -1. */
static json_t *finish(int64_t *at, struct upload *u, const char *session, struct err *err)
{
    int64_t size = u->file->in->size;
    json_t *meta =
        send_bytes(u, "upload_session/finish",
                   json_pack("{s:o,s:o}", "cursor", cursor_of(session, size), "commit", commit_of(u)), size, 0, err);

    *at = meta ? -1 : named_offset(u->d);
    if (*at >= size)
        *at = -1;
    if (meta || *at >= 0 || !strstr(u->d->why, "lookup_failed"))
        return meta;
    if (!(meta = dropbox_lies_there(u)))
        u->file->again = true;
    return meta;
}

/* What is left of a session that nobody finished can't be seen, and Dropbox throws it away after a week: there is
 * nothing to take back, and no call that would. */
static json_t *send_by_session(struct upload *u, struct err *err)
{
    AUTO(json_unref)
    json_t *started = send_bytes(u, "upload_session/start", json_pack("{s:b}", "close", 0), 0, 0, err);
    const char *session = jstr_or(started, "session_id", "");
    json_t *meta = NULL;
    int64_t at = 0;

    if (!started)
        return NULL;
    if (!*session || strlen(session) > 500) {
        api_odd(&u->d->api, err, "it names no upload session");
        return NULL;
    }
    for (int turn = 0; !meta && at >= 0 && turn < REMOTE_ATTEMPTS; turn++) {
        if (send_pieces(u, session, at, err) < 0)
            return NULL;
        meta = finish(&at, u, session, err);
    }
    return meta;
}

static json_t *send_whole(struct upload *u, struct err *err)
{
    json_t *args = commit_of(u);

    jset(args, "content_hash", u->hash); /* what arrives otherwise is not kept */
    json_t *meta = send_bytes(u, "upload", args, 0, u->file->in->size, err);
    u->file->again = !meta && strstr(u->d->why, "content_hash_mismatch");
    return meta;
}

/* ---- a link for everybody ---- */

static char *old_link(struct upload *u, struct err *err)
{
    const json_t *e = json_object_get(json_object_get(u->d->refusal, "error"), "shared_link_already_exists");
    const char *url = jstr(json_object_get(e, "metadata"), "url");

    if (url)
        return mem_strdup(url);
    AUTO(json_unref)
    json_t *all = dropbox_call(u->d, "sharing/list_shared_links",
                               json_pack("{s:s,s:b}", "path", u->path, "direct_only", 1), err);
    return all ? mem_strdup(jstr_or(json_array_get(json_object_get(all, "links"), 0), "url", "")) : NULL;
}

static int make_link(char **url, struct upload *u, struct err *err)
{
    AUTO(json_unref)
    json_t *link =
        dropbox_call(u->d, "sharing/create_shared_link_with_settings", json_pack("{s:s}", "path", u->path), err);
    AUTO(mem_free)
    char *text = link                                                  ? mem_strdup(jstr_or(link, "url", ""))
                 : str_starts(u->d->why, "shared_link_already_exists") ? old_link(u, err)
                                                                       : NULL;

    if (!text)
        return -1;
    if (!str_starts(text, "https://") && !str_starts(text, "http://"))
        return robot_fail(u->file->job, err, ERR_IMPORT, "COULD_NOT_PARSE_URL",
                          "Dropbox's link to '%.150s' is no web address", u->path);
    *url = take(text);
    return 0;
}

/* ---- both roads ---- */

int dropbox_upload(char **url, struct dropbox *d, struct remote_file *f, bool share, struct err *err)
{
    AUTO(mem_free) char *path = dropbox_path(f->path);
    struct upload u = {.d = d, .file = f, .path = path};
    int64_t most = jint(robot_settings(f->job), "s3_multipart_threshold", WHOLE_MAX);

    if (hash_file(&u, err) < 0)
        return -1;
    AUTO(json_unref) json_t *meta = f->in->size > most ? send_by_session(&u, err) : send_whole(&u, err);
    if (!meta) {
        f->again |= strstr(d->why, "too_many_write_operations") != NULL;
        return -1;
    }
    if (strcmp(jstr_or(meta, "content_hash", ""), u.hash) != 0) {
        f->again = true;
        return api_odd(&d->api, err, "what it keeps has another content_hash than what was sent");
    }
    return share ? make_link(url, &u, err) : 0;
}
