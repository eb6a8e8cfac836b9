/* Parameters of the Robots that speak like S3, and what involves two of them at once. In the daemon
 * as well: pure. */
#include "transfer/s3_service.h"
#include "transfer/values.h"

#include <string.h>

#define KEY_MAX 1024  /* bytes of an object key; S3's limit */
#define TAGS_MAX 10   /* S3's limit */
#define WEEK_S 604800 /* longest life of a presigned URL */

/* ---- where the bucket is ---- */

#define P struct s3_place
/* A parameter that one service calls so. */
#define CALLED(n, f, ...)                                                                          \
    {                                                                                              \
        .name = (n), .type = OPT_TYPE_STR, .offset = offsetof(P, f), __VA_ARGS__                   \
    }
#define CREDENTIALS                                                                                \
    OPT_STR(P, credentials, .help = "Name of stored credentials of the service's type.")
#define BUCKET OPT_STR(P, bucket, .help = "Bucket name, when no stored credentials are used.")
#define REGION                                                                                     \
    CALLED("bucket_region", region,                                                                \
           .help = "Region of the bucket, e.g. \"eu-west-1\". Left out: it is found out.")
#define KEY OPT_STR(P, key, .secret = true, .help = "Access key id.")
#define SECRET OPT_STR(P, secret, .secret = true, .help = "Secret access key.")
#define TOKEN(...)                                                                                 \
    OPT_STR(P, session_token, .secret = true,                                                      \
            .help = "Token that belongs to temporary credentials.", ##__VA_ARGS__)
#define TEMPORARY .beyond = "temporary keys come with one, and are nothing without it"
#define SERVER "([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?"
#define HOST                                                                                       \
    OPT_STR(P, host, .example = "\"h.example\"",                                                   \
            .pattern = "^((https?|s3)://)?" SERVER "(/[A-Za-z0-9._~-]+)*/?$",                      \
            .help = "Host of the service. https unless http:// is in front.")
#define AWS_HOST(...)                                                                              \
    OPT_STR(P, host, .def_str = S3_HOST, .example = "\"h.example\"",                               \
            .pattern = "^((https?|s3)://)?" SERVER "/?$",                                          \
            .help = "Host of another S3 service. http unless https:// or s3:// (https) is in "     \
                    "front.",                                                                      \
            ##__VA_ARGS__)
#define NO_VHOST(...)                                                                              \
    OPT_BOOL(P, no_vhost,                                                                          \
             .help = "Put the bucket in the path of the address instead of the host name.",        \
             ##__VA_ARGS__)
#define NO_LOOKUP(...)                                                                             \
    OPT_BOOL(P, skip_region_lookup,                                                                \
             .help = "Do not ask for the bucket's region (us-east-1 unless given).",               \
             ##__VA_ARGS__)
#define AS_STORE .beyond = "what /s3/store has written can be read with the same credentials"

const struct option s3_plain_rows[] = {CREDENTIALS, BUCKET,           HOST,   KEY,
                                       SECRET,      TOKEN(TEMPORARY), OPT_END};
const struct option s3_regional_rows[] = {CREDENTIALS, BUCKET, REGION,           HOST,
                                          KEY,         SECRET, TOKEN(TEMPORARY), OPT_END};
const struct option s3_aws_rows[] = {
    CREDENTIALS, BUCKET, REGION, KEY, SECRET, TOKEN(), AWS_HOST(), NO_VHOST(), NO_LOOKUP(), OPT_END,
};
const struct option s3_aws_beyond_rows[] = {
    CREDENTIALS,
    BUCKET,
    REGION,
    KEY,
    SECRET,
    TOKEN(TEMPORARY),
    AWS_HOST(AS_STORE),
    NO_VHOST(AS_STORE),
    NO_LOOKUP(AS_STORE),
    OPT_END,
};
const struct option s3_space_rows[] = {
    CREDENTIALS,
    CALLED("space", bucket, .help = "Name of the Space, when no stored credentials are used."),
    CALLED("region", region, .help = "Region of the Space, e.g. \"ams3\"."),
    KEY,
    SECRET,
    OPT_END,
};
const struct option s3_app_key_rows[] = {
    CREDENTIALS,
    BUCKET,
    CALLED("app_key_id", key, .secret = true, .help = "Id of the application key."),
    CALLED("app_key", secret, .secret = true, .help = "The application key."),
    OPT_END,
};

static const char *s3_word(const char *own, const char *usual) { return own ? own : usual; }

/* Of those without which nothing goes, the first that is not given. */
static const char *s3_lacking(const struct s3_service *s, const P *p)
{
    bool needs_host = !s->host && !s->regional, needs_region = s->called.region != NULL;

    return !str_given(p->bucket)                   ? s3_word(s->called.bucket, "bucket")
           : needs_host && !str_given(p->host)     ? "host"
           : needs_region && !str_given(p->region) ? s->called.region
           : !str_given(p->key)                    ? s3_word(s->called.key, "key")
           : !str_given(p->secret)                 ? s3_word(s->called.secret, "secret")
                                                   : NULL;
}

static int s3_check_place(const struct s3_service *s, const P *p, bool partial, struct err *err)
{
    static const char region[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    /* A value that is still ${...} looks like one that was left out: wait until all are known. */
    const char *lacks = partial || str_given(p->credentials) ? NULL : s3_lacking(s, p);

    if (lacks)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'%s' is missing: give 'credentials', or '%s', '%s' and '%s'%s", lacks,
                       s3_word(s->called.bucket, "bucket"), s3_word(s->called.key, "key"),
                       s3_word(s->called.secret, "secret"),
                       s->called.region           ? " with the region"
                       : !s->host && !s->regional ? " with the host"
                                                  : "");
    if (str_given(p->bucket) &&
        (strpbrk(p->bucket, "/?#@:\\ ") || value_has_control(p->bucket) ||
         strlen(p->bucket) > 255 || !strcmp(p->bucket, ".") || !strcmp(p->bucket, "..")))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a bucket name", p->bucket);
    if (str_given(p->region) && p->region[strspn(p->region, region)])
        return err_set(err, ERR_ROBOT_VALIDATION, "'%.80s' is not a region", p->region);
    if ((p->key && value_has_control(p->key)) ||
        (p->session_token && value_has_control(p->session_token)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'%s' and 'session_token' must not hold control characters",
                       s3_word(s->called.key, "key"));
    return 0;
}

/* ---- stores ---- */

#define S struct s3_store_opts
static const struct opt_choice s3_acls[] = {
    {"public-read", S3_ACL_PUBLIC_READ}, {"private", S3_ACL_PRIVATE}, {0}};
static const struct opt_choice s3_aws_acls[] = {{"public-read", S3_ACL_PUBLIC_READ},
                                             {"public", S3_ACL_PUBLIC_READ},
                                             {"private", S3_ACL_PRIVATE},
                                             {"bucket-default", S3_ACL_OF_BUCKET},
                                             {0}};
#define HEADERS(text)                                                                              \
    OPT_JSON(S, headers, .example = "{\"A\": \"b\"}", .def_str = (text),                           \
             .help = "Headers stored with the object. Replaces the default map.")
#define URL_PREFIX(text)                                                                           \
    OPT_STR(S, url_prefix, .def_str = (text),                                                      \
            .help = "Start of the file's url in the Status; the names of bucket and region in "    \
                    "braces are replaced.")
const struct option s3_store_rows[] = {
    OPT_GROUP(S, store, struct store_opts, store_options),
    HEADERS("{\"Content-Type\": \"${file.mime}\"}"),
    OPT_INT(S, sign_urls_for, .min = 0, .max = WEEK_S, .unit = "s",
            .help = "Add signed addresses of the file that are good for so long. 0: do not."),
    OPT_END,
};
const struct option s3_backblaze_rows[] = {OPT_GROUP(S, store, struct store_opts, store_options),
                                           HEADERS("{}"), OPT_END};
const struct option s3_acl_rows[] = {
    OPT_ENUM(S, acl, s3_acls, .def = S3_ACL_PUBLIC_READ, .help = "Who may read the object."),
    OPT_END,
};
const struct option s3_private_acl_rows[] = {
    OPT_ENUM(S, acl, s3_acls, .def = S3_ACL_PRIVATE, .other_default = "the contract's newer one",
             .help = "Who may read the object."),
    OPT_END,
};
const struct option s3_public_url_rows[] = {URL_PREFIX(NULL), OPT_END};
const struct option s3_space_url_rows[] = {
    URL_PREFIX("https://{space}.{region}.digitaloceanspaces.com/"), OPT_END};
const struct option s3_aws_store_rows[] = {
    URL_PREFIX(S3_URL_PREFIX),
    OPT_ENUM(S, acl, s3_aws_acls, .def = S3_ACL_PUBLIC_READ,
             .help = "Who may read the object; \"bucket-default\" sends no ACL at all."),
    OPT_BOOL(S, check_integrity,
             .help = "Send Content-MD5, so that the store refuses damaged bytes."),
    OPT_JSON(S, tags, .def_str = "{}", .example = "{\"a\": \"b\"}",
             .help = "Object tags, at most 10."),
    OPT_END,
};

int s3_check_store(const struct s3_service *s, const S *o, bool partial, struct err *err)
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

    return s3_check_place(s, &o->place, partial, err) < 0 ||
                   store_opts_check(&o->store, /* tree= */ false, KEY_MAX, err) < 0 ||
                   value_header_map(o->headers, reserved, err) < 0
               ? -1
           : o->tags ? value_text_map(o->tags, "tags", TAGS_MAX, err)
                     : 0;
}

/* ---- imports ---- */

#define I struct s3_import_opts
const struct option s3_import_rows[] = {
    IMPORT_GROUP(I, import_path_options),
    IMPORT_GROUP(I, import_page_options),
    IMPORT_GROUP(I, import_options),
    OPT_END,
};
const struct option s3_page_rows[] = {
    IMPORT_GROUP(I, import_number_options),
    IMPORT_GROUP(I, import_stub_options),
    OPT_END,
};

const struct option s3_start_rows[] = {
    OPT_STR(I, start_file_name, .def_str = "",
            .help = "Begin behind this file, the last one of the page before."),
    OPT_END,
};
const struct option s3_range_rows[] = {
    OPT_JSON(I, range, .example = "\"0-9\"",
             .help = "Bytes to fetch: \"0-99\", \"-100\" (the last 100), or a list; several are "
                     "written at their own "
                     "offsets into one file."),
    OPT_END,
};

int s3_check_import(const struct s3_service *s, const I *o, bool partial, struct err *err)
{
    struct value_range ranges[VALUE_RANGES_MAX];

    if (o->range && value_ranges(ranges, o->range, err) < 0)
        return -1;
    if (o->range && o->import.return_file_stubs)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'return_file_stubs' fetches nothing, so 'range' has no place beside it");
    return s3_check_place(s, &o->place, partial, err) < 0 ? -1
                                                          : import_check(&o->import, partial, err);
}
