/* /s3/store: put files into a bucket of Amazon S3 or of a server that speaks like it. */
#include "transfer/s3_upload.h"
#include "transfer/values.h"

#include <string.h>

#define DEFAULT_HEADERS "{\"Content-Type\": \"${file.mime}\"}"
#define KEY_MAX 1024  /* bytes of an object key; S3's limit */
#define TAGS_MAX 10   /* S3's limit */
#define WEEK_S 604800 /* longest life of a presigned URL */

enum acl { ACL_BUCKET_DEFAULT, ACL_PRIVATE, ACL_PUBLIC_READ };
static const char *const acl_names[] = {NULL, "private", "public-read"};

struct s3_opts {
    struct store_opts store;
    const char *credentials, *bucket, *bucket_region, *key, *secret, *session_token;
    const char *url_prefix, *host;
    int acl;
    bool check_integrity, no_vhost, skip_region_lookup;
    json_t *headers, *tags;
    int64_t sign_urls_for;
};
#define T struct s3_opts
static const struct opt_choice acls[] = {{"public-read", ACL_PUBLIC_READ},
                                         {"public", ACL_PUBLIC_READ},
                                         {"private", ACL_PRIVATE},
                                         {"bucket-default", ACL_BUCKET_DEFAULT},
                                         {0}};

static const struct option options[] = {
    OPT_STR(T, credentials,
            .help = "Name of stored credentials that hold bucket, key, secret and region."),
    OPT_STR(T, bucket, .help = "Bucket name, when no stored credentials are used."),
    OPT_STR(T, bucket_region,
            .help = "Region of the bucket, e.g. \"eu-west-1\". Left out: the bucket is asked."),
    OPT_STR(T, key, .secret = true, .help = "Access key id."),
    OPT_STR(T, secret, .secret = true, .help = "Secret access key."),
    OPT_STR(T, session_token, .secret = true,
            .help = "Token that belongs to temporary credentials."),
    OPT_GROUP(T, store, struct store_opts, store_options),
    OPT_STR(T, url_prefix, .def_str = S3_URL_PREFIX,
            .help = "Start of the file's url in the Status; {bucket} is replaced."),
    OPT_ENUM(T, acl, acls, .def = ACL_PUBLIC_READ,
             .help = "Who may read the object; \"bucket-default\" sends no ACL at all."),
    OPT_BOOL(T, check_integrity,
             .help = "Send Content-MD5, so that the store refuses damaged bytes."),
    OPT_JSON(T, headers, .def_str = DEFAULT_HEADERS, .example = "{\"A\": \"b\"}",
             .help = "Headers stored with the object. Replaces the default map."),
    OPT_JSON(T, tags, .def_str = "{}", .example = "{\"a\": \"b\"}",
             .help = "Object tags, at most 10."),
    OPT_STR(T, host, .def_str = S3_HOST, .example = "\"h.example\"",
            .pattern = "^((https?|s3)://)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?/?$",
            .help =
                "Host of another S3 service. http unless https:// or s3:// (https) is in front."),
    OPT_BOOL(T, no_vhost,
             .help = "Put the bucket in the path of the address instead of the host name."),
    OPT_INT(T, sign_urls_for, .min = 0, .max = WEEK_S, .unit = "s",
            .help = "Add signed_url and signed_ssl_url that are good for so long. 0: do not."),
    OPT_BOOL(T, skip_region_lookup,
             .help = "Do not ask for the bucket's region (us-east-1 unless given)."),
    OPT_END,
};

static int s3_check(const void *opts, bool partial, struct err *err)
{
    static const char *const reserved[] = {"authorization",
                                           "connection",
                                           "content-length",
                                           "content-md5",
                                           "expect",
                                           "host",
                                           "transfer-encoding",
                                           "x-amz-content-sha256",
                                           "x-amz-date",
                                           "x-amz-security-token",
                                           NULL};
    const T *o = opts;

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
        (strpbrk(o->bucket, "/?#@:\\ ") || value_has_control(o->bucket) || strlen(o->bucket) > 255))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a bucket name", o->bucket);
    if (str_given(o->bucket_region) &&
        strspn(o->bucket_region, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-_") != strlen(o->bucket_region))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a region", o->bucket_region);
    if ((o->key && value_has_control(o->key)) ||
        (o->session_token && value_has_control(o->session_token)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'key' and 'session_token' must not hold control characters");
    return store_opts_check(&o->store, /* tree= */ false, KEY_MAX, err) < 0 ||
                   value_header_map(o->headers, reserved, err) < 0
               ? -1
               : value_text_map(o->tags, "tags", TAGS_MAX, err);
}

/* ---- in the worker ---- */

struct storing {
    struct s3_bucket *bucket;
    const T *opts;
    struct s3_object object;
};

/* bucket: NULL: that of the parameters. */
static int open_bucket(struct s3_bucket *b, struct robot_job *job, const T *o, const char *bucket,
                       struct err *err)
{
    if (!bucket)
        bucket = o->bucket;
    if (!str_given(bucket) || !str_given(o->key) || !str_given(o->secret)) {
        err_set(err, ERR_ROBOT_VALIDATION, "the stored credentials lack bucket, key or secret");
        robot_code(err->name, robot_of_job(job), "VALIDATION");
        return -1;
    }
    s3_bucket_init(b, job,
                   &(struct s3_place){.host = o->host,
                                      .bucket = bucket,
                                      .region = o->bucket_region,
                                      .key = o->key,
                                      .secret = o->secret,
                                      .session_token = o->session_token,
                                      .no_vhost = o->no_vhost,
                                      .skip_region_lookup = o->skip_region_lookup});
    return 0;
}

static int s3_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct storing *s = ctx;

    if (s3_upload(s->bucket, f, &s->object, err) < 0)
        return -1;
    if (s->opts->sign_urls_for > 0)
        f->extra = s3_signed_urls(s->bucket, f->path, s->opts->sign_urls_for);
    return 0;
}

static void s3_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct storing *s = ctx;

    s3_urls(url, ssl_url, s->bucket, s->opts->url_prefix, f->path);
}

static int s3_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct remote_protocol protocol = {.put = s3_put, .address = s3_address};
    const T *o = opts;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    if (open_bucket(&b, job, o, NULL, err) < 0)
        return -1;
    s3_find_region(&b);
    struct storing s = {&b, o, {o->headers, o->tags, acl_names[o->acl], o->check_integrity}};
    return remote_store(job, &protocol, &s, &o->store, err);
}

static int s3_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    return open_bucket(&b, job, opts, jstr(token, "bucket"), err) < 0
               ? -1
               : s3_upload_undo(&b, token, err);
}

static int s3_try(struct robot_job *job, const void *opts, struct err *err)
{
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    if (open_bucket(&b, job, opts, NULL, err) < 0)
        return -1;
    s3_find_region(&b);
    return s3_trial(&b, err);
}

const struct robot robot_store_s3 = {
    .name = "/s3/store",
    .summary = "Store files in Amazon S3 or a compatible service",
    .role = ROLE_TRANSFER,
    .is_store = true,
    .credentials = "s3",
    .codes = "ACCESS_DENIED FAILURE",
    .price_factor = 10,
    .opts_size = sizeof(T),
    .slots = 2,
    .options = options,
    .example =
        "{\"bucket\": \"b\", \"key\": \"k\", \"secret\": \"s\", \"bucket_region\": \"us-east-1\"}",
    .check = s3_check,
    .run = IN_WORKER(s3_run),
    .undo = IN_WORKER(s3_undo),
    .trial = IN_WORKER(s3_try),
};
