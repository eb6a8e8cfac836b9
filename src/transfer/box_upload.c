/* The half of box.h that sends files. */
#include "base/id.h"
#include "transfer/box.h"
#include "transfer/piece.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>

#define WHOLE_MAX (INT64_C(20) << 20) /* larger ones go by a session; Box has none below 20 MB */
#define PART_MAX (INT64_C(1) << 30)
#define PARTS_MAX 10000
#define COMMITS_MAX 60 /* times that Box may say that it is not done yet */
#define PAUSE_MS 500
#define OCTETS "application/octet-stream"
#define BASE64_MAX 29

struct upload {
    struct box *b;
    struct remote_file *file;
    const char *folder, *name; /* where it goes */
    char *existing;            /* id of the file that lies there; NULL: none */
    unsigned char sha1[SHA_DIGEST_LENGTH];
    char hex[2 * SHA_DIGEST_LENGTH + 1];
};

static void upload_done(struct upload u) { free(u.existing); }
DEFINE_AUTO(struct upload, upload_done)

/* ---- digests ---- */

static int digest(unsigned char out[static SHA_DIGEST_LENGTH], const struct upload *u, int64_t offset, int64_t length,
                  struct err *err)
{
    struct piece_sum sha1 = {.digest = "SHA1"};

    if (piece_sums(&sha1, 1, u->file, offset, length, NULL, err) < 0)
        return -1;
    memcpy(out, sha1.md, SHA_DIGEST_LENGTH);
    return 0;
}

static char *digest_line(const unsigned char *sha1)
{
    char text[BASE64_MAX];

    EVP_EncodeBlock((unsigned char *)text, sha1, SHA_DIGEST_LENGTH);
    return mem_printf("Digest: sha=%s", text);
}

/* ---- what lies there already ---- */

/* -1: it is no file. */
static int learn_existing(struct upload *u, struct err *err)
{
    const json_t *c = box_conflict(u->b);

    if (strcmp(jstr_or(c, "type", "file"), "file") != 0)
        return remote_fail(u->file->job, REMOTE_FAILED, err,
                           "'%.150s' can't be a file: Box has a folder of that name", u->file->path);
    free(u->existing);
    u->existing = mem_strdup(jstr(c, "id"));
    return 0;
}

/* Asks before anything is sent: may it, is there room, is the name in use? same: what is there is what we have. */
static int ask_before(bool *same, struct upload *u, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/2.0/files/content", u->b->base);
    AUTO(json_unref)
    json_t *ok = box_call(u->b, "OPTIONS", url,
                          json_pack("{s:s,s:{s:s},s:I}", "name", u->name, "parent", "id", u->folder, "size",
                                    (json_int_t)u->file->in->size),
                          NULL, err);

    *same = false;
    if (ok)
        return 0;
    const json_t *conflict = box_conflict(u->b);
    if (!conflict)
        return -1;
    *same = !strcmp(jstr_or(conflict, "sha1", ""), u->hex);
    return learn_existing(u, err);
}

/* Of an answer that was lost: is it done? */
static char *box_lies_there(struct upload *u)
{
    struct err ignored;
    bool same;

    return ask_before(&same, u, &ignored) == 0 && same ? mem_strdup(u->existing) : NULL;
}

/* {"entries": [the file]}: its id, when it is what we sent. */
static char *stored_id(struct upload *u, const json_t *answer, struct err *err)
{
    const json_t *file = json_array_get(json_object_get(answer, "entries"), 0);

    if (!box_is_id(jstr(file, "id"))) {
        api_odd(&u->b->api, err, "an upload without the file that came of it");
        return NULL;
    }
    if (strcmp(jstr_or(file, "sha1", ""), u->hex) != 0) {
        u->file->again = true;
        api_odd(&u->b->api, err, "what it keeps has another sha1 than what was sent");
        return NULL;
    }
    return mem_strdup(jstr(file, "id"));
}

/* ---- small files: one form ---- */

static int write_all(int fd, const char *data, size_t len, struct err *err)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0)
            return err_errno(err, "write a form for Box");
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The form as a file without a name: the client sends texts or files, and this is both. */
static int write_form(int *fd, int64_t *length, struct upload *u, const char *boundary, struct err *err)
{
    AUTO(json_unref) json_t *attributes = json_pack("{s:s,s:{s:s}}", "name", u->name, "parent", "id", u->folder);
    AUTO(mem_free) char *text = json_text(attributes);
    AUTO(mem_free)
    char *before = mem_printf("--%s\r\nContent-Disposition: form-data; name=\"attributes\"\r\n\r\n%s\r\n"
                              "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n"
                              "Content-Type: " OCTETS "\r\n\r\n",
                              boundary, text, boundary);
    AUTO(mem_free) char *after = mem_printf("\r\n--%s--\r\n", boundary), *buf = mem_alloc(256 * 1024);
    const char *path = robot_out_path(u->file->job, "form");
    int64_t done = 0;
    ssize_t n;

    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (*fd < 0)
        return err_errno(err, "create a form for Box");
    unlink(path);
    if (write_all(*fd, before, strlen(before), err) < 0)
        return -1;
    while ((n = pread(u->file->fd, buf, 256 * 1024, done)) > 0) {
        if (write_all(*fd, buf, (size_t)n, err) < 0)
            return -1;
        done += n;
    }
    if (n < 0)
        return err_errno(err, "read '%s'", u->file->in->name);
    *length = (int64_t)(strlen(before) + strlen(after)) + done;
    return write_all(*fd, after, strlen(after), err);
}

static json_t *post_form(struct upload *u, struct err *err)
{
    AUTO(fd_close) int form = -1;
    AUTO(mem_free) char *md5 = mem_printf("Content-MD5: %s", u->hex); /* so it is called, and it is the SHA-1 */
    AUTO(mem_free)
    char *url = u->existing ? mem_printf("%s/api/2.0/files/%s/content", u->b->upload, u->existing)
                            : mem_printf("%s/api/2.0/files/content", u->b->upload);
    char boundary[ID_LEN + 1];
    int64_t length;

    id_new(boundary);
    AUTO(mem_free) char *type = mem_printf("multipart/form-data; boundary=%s", boundary);
    if (write_form(&form, &length, u, boundary, err) < 0)
        return NULL;
    json_decref(take(u->b->refusal));
    return api_json(&u->b->api,
                    &(struct api_call){.method = "POST",
                                       .url = url,
                                       .headers = (const char *const[]){md5, NULL},
                                       .type = type,
                                       .fd = form,
                                       .length = length,
                                       .file = u->file,
                                       .share = 1},
                    err);
}

static char *box_send_form(struct upload *u, struct err *err)
{
    AUTO(json_unref) json_t *answer = post_form(u, err);

    if (!answer && box_conflict(u->b)) { /* somebody came first, or an answer was lost: a new version of that */
        if (learn_existing(u, err) < 0)
            return NULL;
        answer = post_form(u, err);
    }
    return answer ? stored_id(u, answer, err) : NULL;
}

/* ---- large files: sessions ---- */

struct session {
    char *url;
    int64_t part_size;
    json_t *parts; /* as Box answered each */
};

static void session_done(struct session s)
{
    free(s.url);
    json_decref(s.parts);
}
DEFINE_AUTO(struct session, session_done)

static int begin_session(struct session *s, struct upload *u, struct err *err)
{
    AUTO(mem_free)
    char *url = u->existing ? mem_printf("%s/api/2.0/files/%s/upload_sessions", u->b->upload, u->existing)
                            : mem_printf("%s/api/2.0/files/upload_sessions", u->b->upload);
    json_t *args = json_pack("{s:I,s:s}", "file_size", (json_int_t)u->file->in->size, "file_name", u->name);

    if (!u->existing)
        jset(args, "folder_id", u->folder);
    AUTO(json_unref) json_t *answer = box_call(u->b, "POST", url, args, NULL, err);
    if (!answer)
        return -1;
    s->part_size = jint(answer, "part_size", 0);
    if (!box_is_id(jstr(answer, "id")) || s->part_size < 1 || s->part_size > PART_MAX ||
        u->file->in->size / s->part_size >= PARTS_MAX)
        return api_odd(&u->b->api, err, "an upload session without an id, or with parts of a size that does not go");
    s->url = mem_printf("%s/api/2.0/files/upload_sessions/%s", u->b->upload, jstr(answer, "id"));
    s->parts = json_array();
    return robot_set_undo(u->file->job, json_pack("{s:s}", "session", jstr(answer, "id")), err);
}

/* Of a part whose answer was lost, and which can't be sent twice. */
static json_t *part_at(struct upload *u, const struct session *s, int64_t offset)
{
    AUTO(mem_free) char *url = mem_printf("%s/parts?limit=1&offset=%zu", s->url, json_array_size(s->parts));
    struct err ignored;
    AUTO(json_unref) json_t *list = box_call(u->b, "GET", url, NULL, NULL, &ignored);
    json_t *part = json_array_get(json_object_get(list, "entries"), 0);

    return jint(part, "offset", -1) == offset ? json_incref(part) : NULL;
}

static int keep_part(struct session *s, struct upload *u, json_t *part, const unsigned char *sha1, int64_t offset,
                     int64_t length, struct err *err)
{
    char hex[2 * SHA_DIGEST_LENGTH + 1];

    hex_encode(hex, sha1, SHA_DIGEST_LENGTH);
    if (!jstr(part, "part_id") || jint(part, "offset", -1) != offset || jint(part, "size", -1) != length ||
        strcmp(jstr_or(part, "sha1", hex), hex) != 0)
        return api_odd(&u->b->api, err, "it took another part than was sent");
    json_array_append(s->parts, part);
    return 0;
}

static int send_part(struct session *s, struct upload *u, int64_t offset, struct err *err)
{
    int64_t size = u->file->in->size, length = size - offset < s->part_size ? size - offset : s->part_size;
    unsigned char sha1[SHA_DIGEST_LENGTH];

    if (digest(sha1, u, offset, length, err) < 0)
        return -1;
    AUTO(mem_free) char *line = digest_line(sha1);
    AUTO(mem_free)
    char *range = mem_printf("Content-Range: bytes %lld-%lld/%lld", (long long)offset,
                             (long long)(offset + length - 1), (long long)size);
    json_decref(take(u->b->refusal));
    AUTO(json_unref)
    json_t *answer = api_json(&u->b->api,
                              &(struct api_call){.method = "PUT",
                                                 .url = s->url,
                                                 .headers = (const char *const[]){line, range, NULL},
                                                 .type = OCTETS,
                                                 .fd = u->file->fd,
                                                 .offset = offset,
                                                 .length = length,
                                                 .file = u->file,
                                                 .from = (double)offset / (double)size,
                                                 .share = (double)length / (double)size},
                              err);
    AUTO(json_unref)
    json_t *part = answer          ? json_incref(json_object_get(answer, "part"))
                   : u->b->refusal ? part_at(u, s, offset)
                                   : NULL;
    return answer || part ? keep_part(s, u, part, sha1, offset, length, err) : -1;
}

/* One try to commit. again: Box is not done with the parts yet. */
static char *commit_once(bool *again, struct session *s, struct upload *u, int attempt, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/commit", s->url), *line = digest_line(u->sha1);
    AUTO(json_unref) json_t *args = json_pack("{s:O}", "parts", s->parts), *answer = NULL;
    AUTO(mem_free) char *body = json_text(args);
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct err odd;

    *again = false;
    if (api_run(&r, &u->b->api,
                &(struct api_call){.method = "POST",
                                   .url = url,
                                   .headers = (const char *const[]){line, NULL},
                                   .type = "application/json",
                                   .body = body,
                                   .fd = -1,
                                   .length = -1},
                err) < 0)
        return box_lies_there(u); /* a commit whose answer was lost is not done a second time */
    if (r.status == 202) {
        *again = true;
        remote_wait(u->file->job, attempt < 4 ? attempt : 4, PAUSE_MS, remote_retry_after(&r));
        return NULL;
    }
    answer = r.body.len ? json_parse_within(r.body.s, r.body.len, &(struct json_bounds){16, 10000, 0}, &odd) : NULL;
    return stored_id(u, answer, err);
}

static char *commit(struct session *s, struct upload *u, struct err *err)
{
    bool again = true;
    char *id = NULL;

    for (int attempt = 1; again && attempt <= COMMITS_MAX; attempt++)
        id = commit_once(&again, s, u, attempt, err);
    if (again)
        remote_fail(u->file->job, REMOTE_FAILED, err, "Box has not made a file of its parts after %d times",
                    COMMITS_MAX);
    return id;
}

/* It is gone afterwards, or was before. */
static int delete_at(struct box *b, const char *url, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    static const int gone[] = {404, 410, 0};

    return api_run(&r, &b->api,
                   &(struct api_call){.method = "DELETE", .url = url, .fd = -1, .length = -1, .fine = gone}, err);
}

static char *box_send_parts(struct session *s, struct upload *u, struct err *err)
{
    for (int64_t at = 0; at < u->file->in->size; at += s->part_size)
        if (send_part(s, u, at, err) < 0)
            return NULL;
    return commit(s, u, err);
}

static char *box_send_by_session(struct upload *u, struct err *err)
{
    AUTO(session_done) struct session s = {0};
    AUTO(mem_free) char *id = NULL;
    struct err ignored;

    if (begin_session(&s, u, err) == 0)
        id = box_send_parts(&s, u, err);
    /* What can't be taken back now stays announced. */
    if (s.url && !id && delete_at(u->b, s.url, &ignored) < 0)
        return NULL;
    if (s.url && robot_set_undo(u->file->job, NULL, id ? err : &ignored) < 0)
        return NULL;
    return take(id);
}

int box_upload_undo(struct box *b, const json_t *token, struct err *err)
{
    const char *id = jstr(token, "session");

    if (!box_is_id(id))
        return err_set(err, ERR_INTERNAL, "the note about the open upload is incomplete");
    AUTO(mem_free) char *url = mem_printf("%s/api/2.0/files/upload_sessions/%s", b->upload, id);
    return delete_at(b, url, err);
}

/* ---- both roads ---- */

int box_upload(char **id, struct box *b, struct remote_file *f, struct err *err)
{
    const char *slash = strrchr(f->path, '/');
    AUTO(mem_free) char *directory = mem_strndup(f->path, slash ? (size_t)(slash - f->path) : 0);
    AUTO(mem_free) char *folder = box_folder(b, directory, /* make= */ true, err);
    AUTO(upload_done) struct upload u = {.b = b, .file = f, .folder = folder, .name = slash ? slash + 1 : f->path};
    bool same;

    if (!folder || digest(u.sha1, &u, 0, f->in->size, err) < 0)
        return -1;
    hex_encode(u.hex, u.sha1, sizeof u.sha1);
    if (ask_before(&same, &u, err) < 0)
        return -1;
    if (same) /* an earlier run of this job brought it there */
        *id = mem_strdup(u.existing);
    else
        *id = f->in->size > jint(robot_settings(f->job), "s3_multipart_threshold", WHOLE_MAX)
                  ? box_send_by_session(&u, err)
                  : box_send_form(&u, err);
    return *id ? 0 : -1;
}

int box_delete(struct box *b, const char *id, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/2.0/files/%s", b->base, id);

    return delete_at(b, url, err);
}

char *box_link(struct box *b, const char *id, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/2.0/files/%s?fields=shared_link", b->base, id);
    AUTO(json_unref)
    json_t *file = box_call(b, "PUT", url, json_pack("{s:{s:s}}", "shared_link", "access", "open"), NULL, err);
    const char *link = jstr_or(json_object_get(file, "shared_link"), "url", "");

    if (!file)
        return NULL;
    if (str_starts(link, "https://") || str_starts(link, "http://"))
        return mem_strdup(link);
    (void)!robot_fail(b->api.job, err, ERR_IMPORT, "COULD_NOT_PARSE_URL", "Box's link is no web address");
    return NULL;
}
