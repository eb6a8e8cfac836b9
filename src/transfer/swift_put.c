/* A file into a container of Swift: in one request, or in segments that a manifest names (a Static
 * Large Object). The segments lie in a container beside it, CONTAINER_segments, as
 * OBJECT/workcell-ID/NUMBER; those that make no object any more are removed. */
#include "base/id.h"
#include "transfer/piece.h"
#include "transfer/swift.h"
#include "transfer/values.h"

#include <string.h>
#include <strings.h>

#define MIB (INT64_C(1024) * 1024)
#define SEGMENTS_ABOVE (1024 * MIB) /* bytes; a service takes 5 GiB in one */
#define SEGMENT (256 * MIB)
#define SEGMENTS_MAX 1000 /* of a manifest, by default */
#define COUNT_MAX 10000
#define ROUNDS 2 /* of taking back: a request may still have been on its way */

/* The segments of one upload. */
struct swift_segments {
    char *prefix; /* "OBJECT/workcell-ID/"; NULL: there are none */
    int64_t count;
};
static void segments_done(struct swift_segments s) { free(s.prefix); }
DEFINE_AUTO(struct swift_segments, segments_done)

/* The caller frees. */
static char *segments_container(const struct swift *w)
{
    return mem_printf("%s_segments", w->place->container);
}

/* ---- requests ---- */

static int swift_call(struct http_client_response *r, struct swift *w, const char *method,
                      const char *url, struct err *err)
{
    static const int fine[] = {404, 0};

    return api_run(
        r, &w->api,
        &(struct api_call){.method = method, .url = url, .fd = -1, .length = -1, .fine = fine},
        err);
}

static const char *mime_of(const struct remote_file *f)
{
    return str_given(f->in->mime) ? f->in->mime : "application/octet-stream";
}

/* A piece of the file as an object; md5 becomes its own. The service refuses other bytes than its
 * ETag says. */
static int put_piece(char md5[static 33], struct swift *w, struct remote_file *f, const char *url,
                     int64_t offset, int64_t length, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct piece_sum sum = {.digest = "MD5"};
    double size = f->in->size ? (double)f->in->size : 1;

    if (piece_sums(&sum, 1, f, offset, length, NULL, err) < 0)
        return -1;
    hex_encode(md5, sum.md, sum.len);
    AUTO(mem_free) char *etag = mem_printf("ETag: %s", md5);
    return api_run(&r, &w->api,
                   &(struct api_call){.method = "PUT",
                                      .url = url,
                                      .headers = (const char *[]){etag, NULL},
                                      .type = mime_of(f),
                                      .fd = f->fd,
                                      .offset = offset,
                                      .length = length,
                                      .file = f,
                                      .from = (double)offset / size,
                                      .share = f->in->size ? (double)length / size : 1},
                   err);
}

/* ---- what lies there ---- */

/* What we say of an object that has segments: "ID-COUNT". Its manifest can't be asked for
 * everywhere. */
#define ABOUT "X-Object-Meta-Workcell-Segments"

static void read_about(struct swift_segments *out, const char *path, const char *text)
{
    AUTO(mem_free) char *id = mem_strndup(text, strlen(text) < ID_LEN ? strlen(text) : ID_LEN);
    const char *rest = text + strlen(id) + 1;
    int64_t count;

    if (hex_is(id, ID_LEN) && text[ID_LEN] == '-' && value_offset(&count, &rest) && !*rest &&
        count <= COUNT_MAX)
        *out = (struct swift_segments){mem_printf("%s/workcell-%s/", path, id), count};
}

/* The segments that make what lies under this name now. */
static int look_up_segments(struct swift_segments *out, struct swift *w, const char *path,
                            struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = swift_url(w, w->place->container, path);

    *out = (struct swift_segments){0};
    if (swift_call(&r, w, "HEAD", url, err) < 0)
        return -1;
    AUTO(mem_free) char *large = http_client_header(&r, "x-static-large-object");
    AUTO(mem_free) char *about = http_client_header(&r, "x-object-meta-workcell-segments");
    if (r.status != 404 && large && !strcasecmp(large, "true") && about)
        read_about(out, path, about);
    return 0;
}

static int remove_segments(struct swift *w, const char *prefix, int64_t count, struct err *err)
{
    AUTO(mem_free) char *container = segments_container(w);

    for (int64_t i = 0; i < count; i++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};
        AUTO(mem_free) char *name = mem_printf("%s%08d", prefix, (int)i);
        AUTO(mem_free) char *url = swift_url(w, container, name);

        if (swift_call(&r, w, "DELETE", url, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- in segments ---- */

static int make_container(struct swift *w, const char *name, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *url = swift_url(w, name, NULL);

    return api_run(&r, &w->api,
                   &(struct api_call){.method = "PUT", .url = url, .fd = -1, .length = -1}, err);
}

/* This makes the object: before, readers see what was there, or nothing. */
static int put_manifest(struct swift *w, struct remote_file *f, const json_t *list,
                        const char *about, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *plain = swift_url(w, w->place->container, f->path);
    AUTO(mem_free) char *url = mem_printf("%s?multipart-manifest=put", plain);
    AUTO(mem_free) char *body = json_text(list);

    return api_run(&r, &w->api,
                   &(struct api_call){.method = "PUT",
                                      .url = url,
                                      .headers = (const char *[]){about, NULL},
                                      .type = mime_of(f),
                                      .body = body,
                                      .fd = -1,
                                      .length = -1},
                   err);
}

static int put_segments(struct swift *w, struct remote_file *f, const struct swift_segments *s,
                        int64_t segment, struct err *err)
{
    AUTO(mem_free) char *container = segments_container(w);
    AUTO(json_unref) json_t *list = json_array();
    char md5[33];

    if (make_container(w, container, err) < 0)
        return -1;
    for (int64_t i = 0; i < s->count; i++) {
        AUTO(mem_free) char *name = mem_printf("%s%08d", s->prefix, (int)i);
        AUTO(mem_free) char *url = swift_url(w, container, name);
        AUTO(mem_free) char *path = mem_printf("/%s/%s", container, name);
        int64_t offset = i * segment, left = f->in->size - offset,
                length = left < segment ? left : segment;

        if (put_piece(md5, w, f, url, offset, length, err) < 0)
            return -1;
        json_array_append_new(list, json_pack("{s:o,s:s,s:I}", "path", jstring(path), "etag", md5,
                                              "size_bytes", (json_int_t)length));
    }
    AUTO(mem_free)
    char *about = mem_printf(ABOUT ": %.*s-%lld", ID_LEN,
                             s->prefix + strlen(s->prefix) - ID_LEN - 1, (long long)s->count);
    return put_manifest(w, f, list, about, err);
}

/* ---- a file ---- */

/* made, former: segments of this upload, and of what lay there before. */
static int announce(const struct remote_file *f, const struct swift_segments *made,
                    const struct swift_segments *former, struct err *err)
{
    json_t *t = json_pack("{s:o}", "path", jstring(f->path));

    jset(t, "made", made->prefix);
    json_object_set_new(t, "made_count", json_integer(made->count));
    jset(t, "former", former->prefix);
    json_object_set_new(t, "former_count", json_integer(former->count));
    return robot_set_undo(f->job, t, err);
}

static int swift_put_whole(struct swift *w, struct remote_file *f, struct err *err)
{
    AUTO(mem_free) char *url = swift_url(w, w->place->container, f->path);
    char md5[33];

    return put_piece(md5, w, f, url, 0, f->in->size, err);
}

/* How large segments are, so that there are not too many; 0: it goes in one. */
static int64_t segment_for(const struct remote_file *f)
{
    int64_t most = jint(robot_settings(f->job), "s3_multipart_threshold", SEGMENTS_ABOVE),
            size = f->in->size;
    int64_t segment = most < SEGMENT ? most : SEGMENT;

    if (size <= most)
        return 0;
    return size / SEGMENTS_MAX < segment ? segment : (size / SEGMENTS_MAX / MIB + 1) * MIB;
}

int swift_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct swift *w = ctx;
    AUTO(segments_done) struct swift_segments made = {0}, former = {0};
    int64_t segment = segment_for(f);
    struct err ignored;
    char id[ID_LEN + 1];

    if (look_up_segments(&former, w, f->path, err) < 0)
        return -1;
    if (segment) {
        id_new(id);
        made = (struct swift_segments){mem_printf("%s/workcell-%s/", f->path, id),
                                       (f->in->size + segment - 1) / segment};
    }
    if ((made.prefix || former.prefix) && announce(f, &made, &former, err) < 0)
        return -1;
    if ((segment ? put_segments(w, f, &made, segment, err) : swift_put_whole(w, f, err)) < 0) {
        /* What can't be taken back now stays announced: a manifest may be there whose answer was
         * lost. */
        AUTO(json_unref)
        json_t *token = json_pack("{s:s,s:s*,s:I}", "path", f->path, "made", made.prefix,
                                  "made_count", (json_int_t)made.count);
        if ((made.prefix || former.prefix) && swift_undo(w, token, &ignored) == 0 &&
            robot_set_undo(f->job, NULL, &ignored) < 0)
            return -1;
        return -1;
    }
    if (former.prefix && remove_segments(w, former.prefix, former.count, err) < 0)
        return -1;
    return made.prefix || former.prefix ? robot_set_undo(f->job, NULL, err) : 0;
}

/* Segments of a list that is none of the object's, as it is now. */
static int drop(struct swift *w, const struct swift_segments *now, const json_t *token,
                const char *name, const char *count_name, struct err *err)
{
    const char *prefix = jstr(token, name);
    int64_t count = jint(token, count_name, 0);

    if (!prefix || (now->prefix && !strcmp(now->prefix, prefix)))
        return 0;
    return remove_segments(w, prefix, count < 0 ? 0 : count > COUNT_MAX ? COUNT_MAX : count, err);
}

int swift_undo(struct swift *w, const json_t *token, struct err *err)
{
    const char *path = jstr(token, "path");

    if (!path)
        return err_set(err, ERR_INTERNAL, "the note about segments is incomplete");
    for (int round = 1; round <= ROUNDS; round++) {
        AUTO(segments_done) struct swift_segments now = {0};

        if (look_up_segments(&now, w, path, err) < 0 ||
            drop(w, &now, token, "made", "made_count", err) < 0 ||
            drop(w, &now, token, "former", "former_count", err) < 0)
            return -1;
        if (round < ROUNDS)
            remote_pause(w->api.job, round, 500);
    }
    return 0;
}

/* ---- where it is then ---- */

/* Where the network delivers the container from; NULL: nowhere, or nobody knows. The caller frees.
 */
static char *cdn_of(const struct http_client_response *r, const char *name)
{
    AUTO(mem_free) char *enabled = http_client_header(r, "x-cdn-enabled");
    AUTO(mem_free) char *url = http_client_header(r, name);

    return enabled && !strcasecmp(enabled, "true") && url && swift_is_storage(url, "http://")
               ? take(url)
               : NULL;
}

static void add_address(struct str *out, char *base, const char *path, const char *other)
{
    if (!base) {
        str_puts(out, other);
        return;
    }
    str_addf(out, "%s/", base);
    str_add_urlencoded(out, path, "/");
}

void swift_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    struct swift *w = ctx;
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *own = swift_url(w, w->place->container, f->path);
    AUTO(str_done) struct str where = {0};
    struct err ignored;

    if (w->cdn) {
        str_addf(&where, "%s/", w->cdn);
        str_add_urlencoded(&where, w->place->container, "");
    }
    bool known = w->cdn && swift_call(&r, w, "HEAD", where.s, &ignored) == 0 && r.status / 100 == 2;
    AUTO(mem_free) char *cdn = known ? cdn_of(&r, "x-cdn-uri") : NULL;
    AUTO(mem_free) char *ssl_cdn = known ? cdn_of(&r, "x-cdn-ssl-uri") : NULL;
    add_address(url, cdn, f->path, own);
    add_address(ssl_url, ssl_cdn, f->path, own);
}
