#include "transfer/s3_upload.h"
#include "base/clock.h"
#include "transfer/s3_parts.h"

#include <string.h>
#include <time.h>

#define MULTIPART_THRESHOLD (INT64_C(100) * 1024 * 1024)
#define LIST_PAGES_MAX 100 /* of open uploads, 1000 each */

struct upload {
    struct s3_bucket *b;
    const struct s3_object *object;
    struct remote_file *file;
    struct sigv4_pair headers[S3_CALL_HEADERS_MAX]; /* that describe the object; ended by a zero */
    int n;
    int64_t began_us;
};

static json_t *version_meta(const struct http_client_response *r)
{
    AUTO(mem_free) char *id = http_client_header(r, "x-amz-version-id");
    json_t *meta = NULL;

    if (id && *id && strcmp(id, "null") != 0) {
        meta = json_object();
        jset(meta, "version_id", id);
    }
    return meta;
}

static json_t *undo_token(const struct upload *u, const char *upload_id, int64_t at_us)
{
    json_t *t = json_object();

    jset(t, "bucket", u->b->name);
    jset(t, "path", u->file->path);
    jset(t, "region", u->b->keys.region);
    json_object_set_new(t, "started_us", json_integer(at_us));
    jset(t, "upload_id", upload_id);
    return t;
}

/* parts 0: it is sent in one request. */
static int s3_announce(struct upload *u, const char *upload_id, int parts, struct err *err)
{
    return remote_commits(u->file, undo_token(u, upload_id, u->began_us),
                          json_pack("{s:I,s:i}", "size", (json_int_t)u->file->in->size, "parts", parts), err);
}

/* Is the object there, of that size, made of so many parts (0: of none)? -1: nobody knows, for the reason in code and
 * err. */
static int is_made(struct http_client_response *r, struct s3_bucket *b, const char *key, int64_t size, int parts,
                   char code[static 64], struct err *err)
{
    const struct s3_call head = {.method = "HEAD", .key = key, .fd = -1, .length = -1};
    char suffix[16];

    if (s3_call(r, b, &head, code, NULL, err) < 0)
        return !strcmp(code, "404") || !strncmp(code, "NoSuch", 6) ? 0 : -1;
    AUTO(mem_free) char *length = http_client_header(r, "content-length");
    AUTO(mem_free) char *etag = http_client_header(r, "etag");
    snprintf(suffix, sizeof suffix, "-%d\"", parts);
    return length && strtoll(length, NULL, 10) == size && etag && (!parts || str_ends(etag, suffix));
}

/* ---- small files: one request ---- */

static void whole_on_progress(void *ctx, double fraction)
{
    const struct upload *u = ctx;

    remote_progress(u->file, fraction);
}

static int whole_on_end(void *ctx, struct err *err)
{
    struct upload *u = ctx;

    return u->file->commits ? 0 : s3_announce(u, NULL, 0, err);
}

static int put_whole(struct upload *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct s3_piece_sums sums;
    char code[64];

    if (s3_sum_piece(&sums, u->b, u->file, 0, u->file->in->size, u->object->check_integrity, err) < 0)
        return -1;
    if (*sums.md5)
        u->headers[u->n++] = (struct sigv4_pair){"content-md5", sums.md5};
    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "PUT",
                                  .key = u->file->path,
                                  .headers = u->headers,
                                  .fd = u->file->fd,
                                  .length = u->file->in->size,
                                  .sha256 = *sums.sha256 ? sums.sha256 : NULL,
                                  .on_progress = whole_on_progress,
                                  .on_end = whole_on_end,
                                  .ctx = u},
                code, NULL, err) < 0)
        return -1;
    u->file->meta = version_meta(&r);
    return 0;
}

/* ---- large files: multipart ---- */

/* was_open: there was such an upload; may be NULL. */
static int abort_upload(bool *was_open, struct s3_bucket *b, const char *key, const char *upload_id, struct err *err)
{
    const struct sigv4_pair query[] = {{"uploadId", upload_id}, {0}};

    if (was_open)
        *was_open = false;
    /* A part that was still being written can outlive the first abort: S3 says to look and repeat.
     */
    for (int round = 1;; round++) {
        AUTO(http_client_response_done) struct http_client_response r = {0}, left = {0};
        char code[64];

        if (s3_call(&r, b,
                    &(struct s3_call){
                        .method = "DELETE", .key = key, .query = query, .fd = -1, .length = -1},
                    code, NULL, err) < 0)
            return !strcmp(code, "NoSuchUpload") || !strcmp(code, "NoSuchKey") ||
                           !strcmp(code, "NoSuchBucket") || !strcmp(code, "404")
                       ? 0
                       : -1;
        if (was_open)
            *was_open = true;
        if (s3_call(&left, b,
                    &(struct s3_call){
                        .method = "GET", .key = key, .query = query, .fd = -1, .length = -1},
                    code, NULL, err) < 0)
            return 0; /* gone, or we may not list: then the abort's own word must do */
        if (round == 4)
            return remote_fail(b->job, REMOTE_FAILED, err,
                               "the upload is still open after %d aborts", round);
        remote_pause(b->job, round, S3_PAUSE_MS);
    }
}

/* unsure: there may be another one that was opened by a request whose answer was lost. */
static int initiate(char **upload_id, bool *unsure, struct upload *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];

    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "POST",
                                  .key = u->file->path,
                                  .headers = u->headers,
                                  .fd = -1,
                                  .length = -1,
                                  .query = (struct sigv4_pair[]){{"uploads", ""}, {0}}},
                code, unsure, err) < 0)
        return -1;
    AUTO(s3_xml_free) xmlDoc *doc = s3_xml(&r.body);
    AUTO(mem_free) char *id = s3_xml_text(doc ? xmlDocGetRootElement(doc) : NULL, "UploadId");
    if (!*id)
        return remote_fail(u->b->job, REMOTE_FAILED, err, "S3 gave no id for the multipart upload");
    *upload_id = take(id);
    return 0;
}

/* Somebody has aborted it: who takes back what a dead run of the same job left, and knows no more
 * of that than its key, can't tell it from ours. It is worth another one. Returns -1. */
static int upload_gone(struct upload *u, const char *code)
{
    u->file->again = !strcmp(code, "NoSuchUpload");
    return -1;
}

/* Answers what a lost answer left open. */
static bool is_complete(struct upload *u, int parts)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];
    struct err ignored;

    if (is_made(&r, u->b, u->file->path, u->file->in->size, parts, code, &ignored) <= 0)
        return false;
    u->file->meta = version_meta(&r);
    return true;
}

static int complete(struct upload *u, const char *upload_id, const char *list, int parts,
                    struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free)
    char *body =
        mem_printf("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%s"
                   "</CompleteMultipartUpload>",
                   list);
    const struct sigv4_pair query[] = {{"uploadId", upload_id}, {0}};
    const struct sigv4_pair headers[] = {{"content-type", "application/xml"}, {0}};
    bool unsure = false;
    char code[64];

    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "POST",
                                  .key = u->file->path,
                                  .query = query,
                                  .headers = headers,
                                  .body = body,
                                  .fd = -1,
                                  .length = -1,
                                  .error_in_200 = true},
                code, &unsure, err) == 0) {
        u->file->meta = version_meta(&r);
        return 0;
    }
    return unsure && !strcmp(code, "NoSuchUpload") && is_complete(u, parts) ? 0
                                                                            : upload_gone(u, code);
}

static int send_parts(struct upload *u, const char *upload_id, struct err *err)
{
    AUTO(str_done) struct str list = {0};
    char code[64];
    int count;

    if (s3_send_parts(&list, &count,
                      &(struct s3_parts){.bucket = u->b,
                                         .file = u->file,
                                         .upload_id = upload_id,
                                         .wants_md5 = u->object->check_integrity},
                      code, err) < 0)
        return upload_gone(u, code);
    return s3_announce(u, upload_id, count, err) < 0 ? -1 : complete(u, upload_id, list.s, count, err);
}

static int abort_unknown(int *aborted, struct s3_bucket *b, const char *key, const char *but, int64_t started_us,
                         struct err *err);

/* Whoever may not list open uploads has none taken back: that is no reason not to store the file. */
static int abort_twins(struct upload *u, const char *upload_id, int64_t at_us, struct err *err)
{
    int aborted = 0;
    int rc = abort_unknown(&aborted, u->b, u->file->path, upload_id, at_us, err);

    return rc < 0 && err->code != ERR_SERVER_403 ? -1 : 0;
}

static int put_parts(struct upload *u, struct err *err)
{
    AUTO(mem_free) char *upload_id = NULL;
    int64_t at_us = u->began_us;
    bool unsure = false;
    struct err ignored;

    /* Before: if we die now, nobody knows the id, but key and time are enough to find the upload.
     */
    if (robot_set_undo(u->b->job, undo_token(u, NULL, at_us), err) < 0 ||
        initiate(&upload_id, &unsure, u, err) < 0 || (unsure && abort_twins(u, upload_id, at_us, err) < 0))
        return -1;
    if (robot_set_undo(u->b->job, undo_token(u, upload_id, at_us), err) < 0 ||
        send_parts(u, upload_id, err) < 0) {
        /* What can't be taken back now stays announced. */
        if (abort_upload(NULL, u->b, u->file->path, upload_id, &ignored) == 0 &&
            robot_set_undo(u->b->job, NULL, &ignored) < 0)
            return -1;
        u->file->commits = false; /* no note is left, or one that must stay */
        return -1;
    }
    return 0;
}

int s3_upload(struct s3_bucket *b, struct remote_file *file, const struct s3_object *object,
              struct err *err)
{
    struct upload u = {.b = b, .object = object, .file = file, .began_us = clock_now_us()};
    int64_t threshold = jint(robot_settings(b->job), "s3_multipart_threshold", MULTIPART_THRESHOLD);

    s3_headers(u.headers, b, object);
    while (u.headers[u.n].name)
        u.n++;
    return (file->in->size > threshold ? put_parts : put_whole)(&u, err);
}

/* ---- what a killed run left ---- */

/* RFC 3339 as S3 writes it; -1 when it is something else. */
static int64_t time_of(const char *s)
{
    struct tm tm = {0};

    return strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) * SECOND_US : -1;
}

/* Abort the uploads of exactly this key that began after started_us (by our clock), but not this one (may be NULL). */
static int abort_unknown(int *aborted, struct s3_bucket *b, const char *key, const char *but, int64_t started_us,
                         struct err *err)
{
    char *key_marker = arena_strdup(robot_arena(b->job), ""), *id_marker = key_marker;

    for (int page = 0; page < LIST_PAGES_MAX; page++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        const struct sigv4_pair query[] = {{"uploads", ""},
                                           {"prefix", key},
                                           {*key_marker ? "key-marker" : NULL, key_marker},
                                           {"upload-id-marker", id_marker},
                                           {0}};
        char code[64];

        if (s3_call(&r, b,
                    &(struct s3_call){.method = "GET", .query = query, .fd = -1, .length = -1},
                    code, NULL, err) < 0)
            return !strcmp(code, "NoSuchBucket") ? 0 : -1;
        if (page == 0)
            s3_learn_time(b, &r); /* upload times are the server's: compare by its clock */
        AUTO(s3_xml_free) xmlDoc *doc = s3_xml(&r.body);
        const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
        if (!root)
            return remote_fail(b->job, REMOTE_FAILED, err,
                               "S3's list of open uploads can't be read");
        for (const xmlNode *n = root->children; n; n = n->next) {
            AUTO(mem_free) char *k = s3_xml_text(n, "Key");
            AUTO(mem_free) char *id = s3_xml_text(n, "UploadId");
            AUTO(mem_free) char *initiated = s3_xml_text(n, "Initiated");
            int64_t at_us = time_of(initiated);

            /* Both clocks are read in whole seconds: allow for two of them. */
            if (!s3_xml_is(n, "Upload") || strcmp(k, key) != 0 || !*id || (but && !strcmp(id, but)) ||
                (at_us >= 0 && at_us < started_us + b->skew_us - 2 * SECOND_US))
                continue;
            if (abort_upload(NULL, b, key, id, err) < 0)
                return -1;
            ++*aborted;
        }
        AUTO(mem_free) char *more = s3_xml_text(root, "IsTruncated");
        AUTO(mem_free) char *next_key = s3_xml_text(root, "NextKeyMarker");
        AUTO(mem_free) char *next_id = s3_xml_text(root, "NextUploadIdMarker");
        if (strcmp(more, "true") != 0 || !*next_key)
            return 0;
        key_marker = arena_strdup(robot_arena(b->job), next_key);
        id_marker = arena_strdup(robot_arena(b->job), next_id);
    }
    return remote_fail(b->job, REMOTE_FAILED, err, "too many open uploads to look through");
}

#define LOOKS 3 /* at a request that may still be at work when who sent it is dead */

/* The run that was stopped had said that it would make the object. was_open: its upload in parts has been aborted. */
static int look_for(bool *kept, struct s3_bucket *b, const json_t *token, bool was_open, struct err *err)
{
    const json_t *commit = json_object_get(token, "commit");
    const char *key = jstr(token, "path");
    int64_t size = jint(commit, "size", -1);
    int parts = (int)jint(commit, "parts", 0);

    for (int look = 1; look <= LOOKS; look++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        char code[64] = "";
        int rc = is_made(&r, b, key, size, parts, code, err);

        if (rc < 0 && strcmp(code, "403") != 0 && strcmp(code, "AccessDenied") != 0)
            return -1;
        /* Who may not look goes by one thing: an upload that is gone though nobody has aborted it was completed. */
        *kept = rc > 0 ? remote_is_since(&r, jint(token, "started_us", 0)) : rc < 0 && parts && !was_open;
        if (*kept || rc < 0 || was_open) /* an abort that found it open was first: whatever comes after it fails */
            break;
        if (look < LOOKS)
            remote_pause(b->job, look, S3_PAUSE_MS);
    }
    return 0;
}

int s3_upload_undo(bool *kept, struct s3_bucket *b, const json_t *token, struct err *err)
{
    const char *key = jstr(token, "path"), *id = jstr(token, "upload_id"),
               *region = jstr(token, "region");
    bool commits = json_is_object(json_object_get(token, "commit")), was_open = false;
    int aborted = 0;

    *kept = false;
    if (!key)
        return err_set(err, ERR_INTERNAL, "the note about the open upload is incomplete");
    if (str_given(region))
        b->keys.region = region;
    if (id && abort_upload(&was_open, b, key, id, err) < 0)
        return -1;
    if (commits)
        return look_for(kept, b, token, was_open, err);
    if (id)
        return 0;
    /* The request that opens the upload may still be on its way through the store: look twice. */
    for (int look = 0; look < 2 && !aborted; look++) {
        if (look)
            sleep(1);
        if (abort_unknown(&aborted, b, key, NULL, jint(token, "started_us", 0), err) < 0)
            return -1;
    }
    return 0;
}
