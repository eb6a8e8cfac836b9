/* /s3/store: put a file into a bucket of Amazon S3 or of a server that speaks like it. */
#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"
#include "robot/robot.h"
#include "transfer/s3.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DEFAULT_HOST "s3.amazonaws.com"
#define DEFAULT_PATH "${unique_prefix}/${file.url_name}"
#define DEFAULT_URL_PREFIX "http://{bucket}.s3.amazonaws.com/"
#define DEFAULT_HEADERS "{\"Content-Type\": \"${file.mime}\"}"
#define KEY_MAX 1024   /* bytes of an object key; S3's limit */
#define HEADERS_MAX 32 /* of the user's */
#define TAGS_MAX 10    /* S3's limit */
#define WEEK_S 604800  /* longest life of a presigned URL */

enum acl { ACL_BUCKET_DEFAULT, ACL_PRIVATE, ACL_PUBLIC_READ };

struct s3_opts {
    const char *credentials, *bucket, *bucket_region, *key, *secret, *session_token;
    const char *path, *url_prefix, *host;
    int acl;
    bool check_integrity, no_vhost, skip_region_lookup;
    json_t *headers, *tags;
    int64_t sign_urls_for;
};

static const struct opt_choice acls[] = {{"public-read", ACL_PUBLIC_READ},
                                         {"public", ACL_PUBLIC_READ},
                                         {"private", ACL_PRIVATE},
                                         {"bucket-default", ACL_BUCKET_DEFAULT},
                                         {0}};

static const struct option options[] = {
    OPT_STR(struct s3_opts, credentials,
            .help = "Name of stored credentials that hold bucket, key, secret and region."),
    OPT_STR(struct s3_opts, bucket, .help = "Bucket name, when no stored credentials are used."),
    OPT_STR(struct s3_opts, bucket_region,
            .help = "Region of the bucket, e.g. \"eu-west-1\". Left out: the bucket is asked."),
    OPT_STR(struct s3_opts, key, .secret = true, .help = "Access key id."),
    OPT_STR(struct s3_opts, secret, .secret = true, .help = "Secret access key."),
    OPT_STR(struct s3_opts, session_token, .secret = true,
            .help = "Token that belongs to temporary credentials."),
    OPT_STR(struct s3_opts, path, .def_str = DEFAULT_PATH,
            .help = "Object key to write. Must not end in a slash; a leading slash is dropped."),
    OPT_STR(struct s3_opts, url_prefix, .def_str = DEFAULT_URL_PREFIX,
            .help = "Start of the file's url in the Status; {bucket} is replaced."),
    OPT_ENUM(struct s3_opts, acl, acls, .def = ACL_PUBLIC_READ,
             .help = "Who may read the object; \"bucket-default\" sends no ACL at all."),
    OPT_BOOL(struct s3_opts, check_integrity,
             .help = "Send Content-MD5, so that the store refuses damaged bytes."),
    OPT_JSON(struct s3_opts, headers, .def_str = DEFAULT_HEADERS, .example = "{\"A\": \"b\"}",
             .help = "Headers stored with the object. Replaces the default map."),
    OPT_JSON(struct s3_opts, tags, .def_str = "{}", .example = "{\"a\": \"b\"}", .help = "Object tags, at most 10."),
    OPT_STR(struct s3_opts, host, .def_str = DEFAULT_HOST,
            .example = "\"h.example\"", .pattern = "^((https?|s3)://)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?/?$",
            .help =
                "Host of another S3 service. http unless https:// or s3:// (https) is in front."),
    OPT_BOOL(struct s3_opts, no_vhost,
             .help = "Put the bucket in the path of the address instead of the host name."),
    OPT_INT(struct s3_opts, sign_urls_for, .min = 0, .max = WEEK_S, .unit = "s",
            .help = "Add signed_url and signed_ssl_url that are good for so long. 0: do not."),
    OPT_BOOL(struct s3_opts, skip_region_lookup,
             .help = "Do not ask for the bucket's region (us-east-1 unless given)."),
    OPT_END,
};

static bool is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_boolean(v);
}

/* Headers that the protocol or the signature owns. */
static bool is_reserved_header(const char *name)
{
    static const char *const names[] = {"authorization",
                                        "connection",
                                        "content-length",
                                        "content-md5",
                                        "expect",
                                        "host",
                                        "transfer-encoding",
                                        "x-amz-content-sha256",
                                        "x-amz-date",
                                        "x-amz-security-token"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcasecmp(name, names[i]))
            return true;
    return false;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return true;
    return false;
}

static int check_headers(const json_t *headers, struct err *err)
{
    const char *name;
    json_t *v;

    if (!json_is_object(headers) || json_object_size(headers) > HEADERS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'headers' must be a map of at most %d texts",
                       HEADERS_MAX);
    json_object_foreach ((json_t *)headers, name, v) {
        static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

        if (!*name || name[strspn(name, token)])
            return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not the name of a header", name);
        if (is_reserved_header(name))
            return err_set(err, ERR_ROBOT_VALIDATION, "the header '%.80s' can't be set by hand",
                           name);
        if (!is_scalar(v) || (json_is_string(v) && has_control(json_string_value(v))))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "the header '%.80s' must be a text without control characters", name);
    }
    return 0;
}

static int check_tags(const json_t *tags, struct err *err)
{
    const char *name;
    json_t *v;

    if (!json_is_object(tags))
        return err_set(err, ERR_ROBOT_VALIDATION, "'tags' must be a map of texts");
    if (json_object_size(tags) > TAGS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'tags' has %zu entries, but at most %d go",
                       json_object_size(tags), TAGS_MAX);
    json_object_foreach ((json_t *)tags, name, v)
        if (!*name || !is_scalar(v))
            return err_set(err, ERR_ROBOT_VALIDATION, "the tag '%.80s' must be a text", name);
    return 0;
}

static int s3_check(const void *opts, bool partial, struct err *err)
{
    const struct s3_opts *o = opts;
    const char *path = o->path + (*o->path == '/');

    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    if (!partial && !str_given(o->credentials)) {
        const char *missing = !str_given(o->bucket)   ? "bucket"
                              : !str_given(o->key)    ? "key"
                              : !str_given(o->secret) ? "secret"
                                                      : NULL;
        if (missing)
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' is missing: give 'credentials', or 'bucket', 'key' and 'secret'",
                           missing);
    }
    if (str_given(o->bucket) &&
        (strpbrk(o->bucket, "/?#@:\\ ") || has_control(o->bucket) || strlen(o->bucket) > 255))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a bucket name", o->bucket);
    if (str_given(o->bucket_region) &&
        strspn(o->bucket_region, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-_") != strlen(o->bucket_region))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a region", o->bucket_region);
    if ((o->key && has_control(o->key)) || (o->session_token && has_control(o->session_token)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'key' and 'session_token' must not hold control characters");
    if (!*path)
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' is empty");
    if (str_ends(path, "/"))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'path' is '%.200s', but must not end in a slash: it names the file", path);
    if (strlen(path) > KEY_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'path' has %zu bytes, but at most %d go",
                       strlen(path), KEY_MAX);
    return check_headers(o->headers, err) < 0 || check_tags(o->tags, err) < 0 ? -1 : 0;
}

#define MIB (INT64_C(1024) * 1024)
#define MULTIPART_THRESHOLD (100 * MIB)
#define PART_MIN (8 * MIB) /* S3 wants 5 MiB */
#define PARTS_MAX 10000    /* S3's limit */
#define LIST_PAGES_MAX 100 /* of open uploads, 1000 each */

static void open_bucket(struct s3_bucket *b, struct robot_job *job, const struct s3_opts *o,
                        const char *name)
{
    s3_bucket_init(b, job,
                   &(struct s3_place){.host = o->host,
                                      .bucket = name,
                                      .region = o->bucket_region,
                                      .key = o->key,
                                      .secret = o->secret,
                                      .session_token = o->session_token,
                                      .no_vhost = o->no_vhost,
                                      .skip_region_lookup = o->skip_region_lookup,
                                      .failed = ERR_S3_STORE,
                                      .denied = ERR_S3_STORE_DENIED});
}

/* ---- headers of an upload ---- */

struct upload {
    struct s3_bucket *b;
    const struct s3_opts *opts;
    const struct robot_input *in;
    const char *key;
    int fd;
    struct sigv4_pair headers[S3_CALL_HEADERS_MAX]; /* that describe the object; ended by a zero */
    int n;
};

/* Text of a string, number or boolean. The caller frees. */
static char *scalar_text(const json_t *v)
{
    return json_is_string(v) ? mem_strdup(json_string_value(v)) : json_text(v);
}

static void add_header(struct upload *u, const char *name, const char *value)
{
    u->headers[u->n++] = (struct sigv4_pair){arena_strdup(robot_arena(u->b->job), name),
                                             arena_strdup(robot_arena(u->b->job), value)};
}

static bool has_header(const struct upload *u, const char *name)
{
    for (int i = 0; i < u->n; i++)
        if (!strcasecmp(u->headers[i].name, name))
            return true;
    return false;
}

static void describe(struct upload *u)
{
    const struct s3_opts *o = u->opts;
    AUTO(str_done) struct str tags = {0};
    const char *name;
    json_t *v;

    json_object_foreach (o->headers, name, v) {
        AUTO(mem_free) char *value = scalar_text(v);

        /* The table's default comes in as it is written there. */
        if (!strcmp(value, "${file.mime}")) {
            free(value);
            value = mem_strdup(u->in->mime);
        }
        /* A map may name a header twice in different case; the wire must not. */
        if (*value && !has_header(u, name))
            add_header(u, name, value);
    }
    if (o->acl != ACL_BUCKET_DEFAULT && !has_header(u, "x-amz-acl"))
        add_header(u, "x-amz-acl", o->acl == ACL_PRIVATE ? "private" : "public-read");
    json_object_foreach (o->tags, name, v) {
        AUTO(mem_free) char *value = scalar_text(v);

        if (tags.len)
            str_putc(&tags, '&');
        str_add_urlencoded(&tags, name, "");
        str_putc(&tags, '=');
        str_add_urlencoded(&tags, value, "");
    }
    if (tags.len && !has_header(u, "x-amz-tagging"))
        add_header(u, "x-amz-tagging", tags.s);
}

struct sums {
    char sha256[65];
    char md5[25]; /* base64 */
};

static void md_free(EVP_MD_CTX *m) { EVP_MD_CTX_free(m); }
DEFINE_AUTO(EVP_MD_CTX *, md_free)

/* Only what is going to be sent is worth a pass over the file. */
static int sum_piece(struct sums *out, const struct upload *u, int64_t offset, int64_t length,
                     struct err *err)
{
    bool want_sha = !strcmp(u->b->scheme, "http"), want_md5 = u->opts->check_integrity;
    AUTO(md_free) EVP_MD_CTX *sha = EVP_MD_CTX_new();
    AUTO(md_free) EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    AUTO(mem_free) char *buf = mem_alloc(256 * 1024);
    unsigned char md[EVP_MAX_MD_SIZE];

    *out = (struct sums){0};
    if (!want_sha && !want_md5)
        return 0;
    if (!EVP_DigestInit_ex(sha, EVP_sha256(), NULL) || !EVP_DigestInit_ex(md5, EVP_md5(), NULL))
        return err_set(err, ERR_INTERNAL, "SHA-256 or MD5 is not available");
    for (int64_t done = 0; done < length;) {
        int64_t want = length - done < 256 * 1024 ? length - done : 256 * 1024;
        ssize_t n = pread(u->fd, buf, (size_t)want, offset + done);

        if (n < 0)
            return err_errno(err, "read '%s'", u->in->name);
        if (n == 0)
            return err_set(err, ERR_INPUT, "the file '%s' is shorter than announced", u->in->name);
        if (want_sha)
            EVP_DigestUpdate(sha, buf, (size_t)n);
        if (want_md5)
            EVP_DigestUpdate(md5, buf, (size_t)n);
        done += n;
    }
    if (want_sha && EVP_DigestFinal_ex(sha, md, NULL))
        hex_encode(out->sha256, md, 32);
    if (want_md5 && EVP_DigestFinal_ex(md5, md, NULL))
        EVP_EncodeBlock((unsigned char *)out->md5, md, 16);
    return 0;
}

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

/* ---- small files: one request ---- */

static int put_whole(json_t **meta, struct upload *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct sums sums;
    char code[64];

    if (sum_piece(&sums, u, 0, u->in->size, err) < 0)
        return -1;
    if (*sums.md5)
        add_header(u, "content-md5", sums.md5);
    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "PUT",
                                  .key = u->key,
                                  .headers = u->headers,
                                  .fd = u->fd,
                                  .length = u->in->size,
                                  .sha256 = *sums.sha256 ? sums.sha256 : NULL},
                code, NULL, err) < 0)
        return -1;
    *meta = version_meta(&r);
    return 0;
}

/* ---- large files: multipart ---- */

static int abort_upload(struct s3_bucket *b, const char *key, const char *upload_id,
                        struct err *err)
{
    const struct sigv4_pair query[] = {{"uploadId", upload_id}, {0}};

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
        if (s3_call(&left, b,
                    &(struct s3_call){
                        .method = "GET", .key = key, .query = query, .fd = -1, .length = -1},
                    code, NULL, err) < 0)
            return 0; /* gone, or we may not list: then the abort's own word must do */
        if (round == 4)
            return err_set(err, ERR_S3_STORE, "the upload is still open after %d aborts", round);
        s3_pause(round, b);
    }
}

static int initiate(char **upload_id, struct upload *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64];

    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "POST",
                                  .key = u->key,
                                  .headers = u->headers,
                                  .fd = -1,
                                  .length = -1,
                                  .query = (struct sigv4_pair[]){{"uploads", ""}, {0}}},
                code, NULL, err) < 0)
        return -1;
    AUTO(s3_xml_free) xmlDoc *doc = s3_xml(&r.body);
    AUTO(mem_free) char *id = s3_xml_text(doc ? xmlDocGetRootElement(doc) : NULL, "UploadId");
    if (!*id)
        return err_set(err, ERR_S3_STORE, "S3 gave no id for the multipart upload");
    *upload_id = take(id);
    return 0;
}

static int put_part(struct str *list, struct upload *u, const char *upload_id, int number,
                    int64_t offset, int64_t length, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct sums sums;
    char code[64], number_text[16];

    if (sum_piece(&sums, u, offset, length, err) < 0)
        return -1;
    snprintf(number_text, sizeof number_text, "%d", number);
    const struct sigv4_pair md5[] = {{*sums.md5 ? "content-md5" : NULL, sums.md5}, {0}};
    const struct sigv4_pair query[] = {{"partNumber", number_text}, {"uploadId", upload_id}, {0}};

    u->b->progress_from = (double)offset / (double)u->in->size;
    u->b->progress_share = (double)length / (double)u->in->size;
    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "PUT",
                                  .key = u->key,
                                  .headers = md5,
                                  .query = query,
                                  .fd = u->fd,
                                  .offset = offset,
                                  .length = length,
                                  .sha256 = *sums.sha256 ? sums.sha256 : NULL},
                code, NULL, err) < 0)
        return -1;
    AUTO(mem_free) char *etag = http_client_header(&r, "etag");
    if (!etag || !*etag || strpbrk(etag, "<>&"))
        return err_set(err, ERR_S3_STORE, "S3 gave no ETag for part %d", number);
    str_addf(list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, etag);
    return 0;
}

/* Is the object there, made of so many parts? Answers what a lost answer left open. */
static bool is_complete(json_t **meta, struct upload *u, int parts)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char code[64], suffix[16];
    struct err ignored;

    if (s3_call(&r, u->b,
                &(struct s3_call){.method = "HEAD", .key = u->key, .fd = -1, .length = -1}, code,
                NULL, &ignored) < 0)
        return false;
    AUTO(mem_free) char *length = http_client_header(&r, "content-length");
    AUTO(mem_free) char *etag = http_client_header(&r, "etag");
    snprintf(suffix, sizeof suffix, "-%d\"", parts);
    if (!length || strtoll(length, NULL, 10) != u->in->size || !etag || !str_ends(etag, suffix))
        return false;
    *meta = version_meta(&r);
    return true;
}

static int complete(json_t **meta, struct upload *u, const char *upload_id, const char *list,
                    int parts, struct err *err)
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
                                  .key = u->key,
                                  .query = query,
                                  .headers = headers,
                                  .body = body,
                                  .fd = -1,
                                  .length = -1,
                                  .error_in_200 = true},
                code, &unsure, err) == 0) {
        *meta = version_meta(&r);
        return 0;
    }
    return unsure && !strcmp(code, "NoSuchUpload") && is_complete(meta, u, parts) ? 0 : -1;
}

static json_t *undo_token(const struct upload *u, const char *upload_id, int64_t at_us)
{
    json_t *t = json_object();

    jset(t, "bucket", u->b->name);
    jset(t, "path", u->key);
    jset(t, "region", u->b->keys.region);
    json_object_set_new(t, "started_us", json_integer(at_us));
    jset(t, "upload_id", upload_id);
    return t;
}

static int send_parts(json_t **meta, struct upload *u, const char *upload_id, struct err *err)
{
    AUTO(str_done) struct str list = {0};
    int64_t part = (u->in->size / PARTS_MAX / MIB + 1) * MIB;
    int number = 0;

    if (part < PART_MIN)
        part = PART_MIN;
    for (int64_t at = 0; at < u->in->size; at += part)
        if (put_part(&list, u, upload_id, ++number, at,
                     u->in->size - at < part ? u->in->size - at : part, err) < 0)
            return -1;
    return complete(meta, u, upload_id, list.s, number, err);
}

static int put_parts(json_t **meta, struct upload *u, struct err *err)
{
    AUTO(mem_free) char *upload_id = NULL;
    int64_t at_us = clock_now_us();
    struct err ignored;

    /* Before: if we die now, nobody knows the id, but key and time are enough to find the upload.
     */
    if (robot_set_undo(u->b->job, undo_token(u, NULL, at_us), err) < 0 ||
        initiate(&upload_id, u, err) < 0)
        return -1;
    if (robot_set_undo(u->b->job, undo_token(u, upload_id, at_us), err) < 0 ||
        send_parts(meta, u, upload_id, err) < 0) {
        /* What can't be taken back now stays announced. */
        if (abort_upload(u->b, u->key, upload_id, &ignored) == 0 &&
            robot_set_undo(u->b->job, NULL, &ignored) < 0)
            return -1;
        return -1;
    }
    return robot_set_undo(u->b->job, NULL, err);
}

/* ---- addresses for people ---- */

/* Spaces become dashes, all else that needs care an underscore; the dot of the extension stays. */
static void add_url_name(struct str *out, const char *name)
{
    const char *dot = strrchr(name, '.');

    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (isalnum(c) || p == dot)
            str_putc(out, *p);
        else if ((c & 0xC0) != 0x80) /* one for a character, not for each of its bytes */
            str_putc(out, c == ' ' ? '-' : '_');
    }
}

static char *object_key(struct robot_job *job, const char *path, const struct robot_input *in)
{
    AUTO(str_done) struct str key = {0};

    if (!strcmp(path, DEFAULT_PATH)) {
        str_addf(&key, "%.2s/%s/", in->id, strlen(in->id) > 2 ? in->id + 2 : "");
        add_url_name(&key, in->name);
    } else {
        str_puts(&key, path + (*path == '/'));
    }
    return arena_strdup(robot_arena(job), key.s);
}

static void add_prefix(struct str *out, const char *prefix, const char *bucket)
{
    for (const char *hole; (hole = strstr(prefix, "{bucket}")); prefix = hole + 8) {
        str_add(out, prefix, (size_t)(hole - prefix));
        str_puts(out, bucket);
    }
    str_puts(out, prefix);
}

/* The https form of an address. One with a port of its own has none that is known to work. */
static void add_https(struct str *out, const char *url, bool has_port)
{
    if (str_starts(url, "http://") && !has_port)
        str_addf(out, "https://%s", url + 7);
    else
        str_puts(out, url);
}

static void make_urls(struct str *url, struct str *ssl_url, const struct s3_opts *o,
                      const struct s3_bucket *b, const char *key)
{
    AUTO(str_done) struct str path = {0};
    const char *prefix = o->url_prefix;

    str_add_urlencoded(&path, key, "/");
    if (strcmp(prefix, DEFAULT_URL_PREFIX) != 0) {
        add_prefix(url, prefix, b->name);
        str_puts(url, path.s);
        add_https(ssl_url, url->s, false);
    } else if (b->is_aws) {
        add_prefix(url, prefix, b->name);
        str_puts(url, path.s);
        if (strchr(b->name, '.')) /* *.s3.amazonaws.com does not cover them */
            str_addf(ssl_url, "https://" S3_HOST "/%s/%s", b->name, path.s);
        else
            str_addf(ssl_url, "https://%s." S3_HOST "/%s", b->name, path.s);
    } else {
        if (b->path_style)
            str_addf(url, "%s://%s/%s/%s", b->scheme, b->host, b->name, path.s);
        else
            str_addf(url, "%s://%s.%s/%s", b->scheme, b->name, b->host, path.s);
        add_https(ssl_url, url->s, b->has_port);
    }
}

static json_t *signed_urls(const struct s3_opts *o, const struct s3_bucket *b, const char *key)
{
    AUTO(mem_free) char *host = s3_host(b);
    AUTO(str_done) struct str path = {0}, target = {0}, url = {0}, ssl_url = {0};
    json_t *extra = json_object();

    str_putc(&path, '/');
    if (b->path_style)
        str_addf(&path, "%s/", b->name);
    str_puts(&path, key);
    sigv4_presign(
        &target, &b->keys,
        &(struct sigv4_request){
            .method = "GET", .host = host, .path = path.s, .at_us = clock_now_us() + b->skew_us},
        o->sign_urls_for);
    str_addf(&url, "%s://%s%s", b->is_aws ? "http" : b->scheme, host, target.s);
    add_https(&ssl_url, url.s, b->has_port);
    jset(extra, "signed_url", url.s);
    jset(extra, "signed_ssl_url", ssl_url.s);
    return extra;
}

/* ---- run and undo ---- */

static int store_one(const struct s3_opts *o, struct s3_bucket *b, int i, struct err *err)
{
    const struct robot_input *in = robot_input(b->job, i);
    AUTO(fd_close) int fd = open(in->path, O_RDONLY | O_CLOEXEC);
    AUTO(str_done) struct str url = {0}, ssl_url = {0};
    struct upload u = {
        .b = b, .opts = o, .in = in, .fd = fd, .key = object_key(b->job, o->path, in)};
    json_t *meta = NULL;

    if (fd < 0)
        return err_errno(err, "open '%s'", in->name);
    describe(&u);
    int64_t threshold = jint(robot_settings(b->job), "s3_multipart_threshold", MULTIPART_THRESHOLD);
    if ((in->size > threshold ? put_parts : put_whole)(&meta, &u, err) < 0)
        return -1;
    make_urls(&url, &ssl_url, o, b, u.key);
    return robot_emit_stored(b->job, i, url.s, ssl_url.s,
                             o->sign_urls_for > 0 ? signed_urls(o, b, u.key) : NULL, meta, err);
}

static int s3_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct s3_opts *o = opts;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    if (!str_given(o->bucket) || !str_given(o->key) || !str_given(o->secret))
        return err_set_named(err, ERR_ROBOT_VALIDATION, "S3_STORE_VALIDATION",
                             "the stored credentials lack bucket, key or secret");
    open_bucket(&b, job, o, o->bucket);
    s3_find_region(&b);
    for (int i = 0; i < robot_input_count(job); i++)
        if (store_one(o, &b, i, err) < 0)
            return -1;
    return 0;
}

/* RFC 3339 as S3 writes it; -1 when it is something else. */
static int64_t time_of(const char *s)
{
    struct tm tm = {0};

    return strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) * SECOND_US : -1;
}

/* Abort the uploads of exactly this key that began after started_us (by our clock). */
static int abort_unknown(int *aborted, struct s3_bucket *b, const char *key, int64_t started_us,
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
            return err_set(err, ERR_S3_STORE, "S3's list of open uploads can't be read");
        for (const xmlNode *n = root->children; n; n = n->next) {
            AUTO(mem_free) char *k = s3_xml_text(n, "Key");
            AUTO(mem_free) char *id = s3_xml_text(n, "UploadId");
            AUTO(mem_free) char *initiated = s3_xml_text(n, "Initiated");
            int64_t at_us = time_of(initiated);

            /* Both clocks are read in whole seconds: allow for two of them. */
            if (!s3_xml_is(n, "Upload") || strcmp(k, key) != 0 || !*id ||
                (at_us >= 0 && at_us < started_us + b->skew_us - 2 * SECOND_US))
                continue;
            if (abort_upload(b, key, id, err) < 0)
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
    return err_set(err, ERR_S3_STORE, "too many open uploads to look through");
}

static int s3_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const struct s3_opts *o = opts;
    const char *bucket = jstr(token, "bucket"), *key = jstr(token, "path");
    const char *id = jstr(token, "upload_id"), *region = jstr(token, "region");
    AUTO(s3_bucket_done) struct s3_bucket b = {0};
    int aborted = 0;

    if (!bucket || !key || !str_given(o->key) || !str_given(o->secret))
        return err_set(err, ERR_INTERNAL, "the note about the open upload is incomplete");
    open_bucket(&b, job, o, bucket);
    if (str_given(region))
        b.keys.region = region;
    if (id)
        return abort_upload(&b, key, id, err);
    /* The request that opens the upload may still be on its way through the store: look twice. */
    for (int look = 0; look < 2 && !aborted; look++) {
        if (look)
            sleep(1);
        if (abort_unknown(&aborted, &b, key, jint(token, "started_us", 0), err) < 0)
            return -1;
    }
    return 0;
}
/* Put, get and delete a small object. */
static int s3_trial(struct robot_job *job, const void *opts, struct err *err)
{
    static const char text[] = "workcell doctor was here\n";
    const struct s3_opts *o = opts;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};
    AUTO(http_client_response_done) struct http_client_response put = {0}, got = {0}, gone = {0};
    const struct sigv4_pair headers[] = {{"content-type", "text/plain"}, {0}};
    char id[ID_LEN + 1], code[64];

    if (!str_given(o->bucket) || !str_given(o->key) || !str_given(o->secret))
        return err_set(err, ERR_CONFIG, "the credentials lack bucket, key or secret");
    open_bucket(&b, job, o, o->bucket);
    s3_find_region(&b);
    id_new(id);
    AUTO(mem_free) char *key = mem_printf("workcell-doctor-%s.txt", id);
    if (s3_call(&put, &b,
                &(struct s3_call){.method = "PUT",
                                  .key = key,
                                  .headers = headers,
                                  .body = text,
                                  .fd = -1,
                                  .length = -1},
                code, NULL, err) < 0)
        return -1;
    int read =
        s3_call(&got, &b, &(struct s3_call){.method = "GET", .key = key, .fd = -1, .length = -1},
                code, NULL, err);
    struct err why = read < 0 ? *err : (struct err){0};
    if (read == 0 && (!got.body.s || strcmp(got.body.s, text)))
        read = err_set(&why, ERR_S3_STORE, "what was read is not what was written");
    if (s3_call(&gone, &b,
                &(struct s3_call){.method = "DELETE", .key = key, .fd = -1, .length = -1}, code,
                NULL, err) < 0)
        return -1;
    if (read < 0)
        *err = why;
    return read;
}

const struct robot robot_store_s3 = {
    .name = "/s3/store",
    .summary = "Store files in Amazon S3 or a compatible service",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "s3",
    .price_factor = 10,
    .opts_size = sizeof(struct s3_opts),
    .slots = 2,
    .options = options,
    .example = "{\"bucket\": \"b\", \"key\": \"k\", \"secret\": \"s\", \"bucket_region\": \"us-east-1\"}",
    .check = s3_check,
    .run = IN_WORKER(s3_run),
    .undo = IN_WORKER(s3_undo),
    .trial = IN_WORKER(s3_trial),
};
