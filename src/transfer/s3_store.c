/* Storing in whatever speaks like S3. */
#include "transfer/s3_robot.h"
#include "transfer/s3_upload.h"

#include <string.h>
#include <strings.h>

static const char *const acl_names[] = {
    [S3_ACL_OF_BUCKET] = NULL, [S3_ACL_PRIVATE] = "private", [S3_ACL_PUBLIC_READ] = "public-read"};

struct s3_storing {
    struct s3_bucket *bucket;
    const struct s3_store_opts *opts;
    struct s3_object object;
};

/* What the native interface of Backblaze calls a header of the object: X-Bz-Info-NAME is
 * x-amz-meta-NAME here, but for those that are headers by themselves. */
static char *backblaze_header(const char *name)
{
    static const char info[] = "x-bz-info-";
    static const char *const own[] = {"b2-cache-control", "b2-content-disposition",
                                      "b2-content-encoding", "b2-content-language", "b2-expires"};
    const char *rest = name + strlen(info);

    if (strncasecmp(name, info, strlen(info)) != 0)
        return mem_strdup(name);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!strcasecmp(rest, own[i]))
            return mem_strdup(rest + strlen("b2-"));
    return mem_printf("x-amz-meta-%s", rest);
}

static json_t *backblaze_headers(json_t *headers, const char *mime)
{
    json_t *out = json_object(), *v;
    bool has_type = false;
    const char *name;

    json_object_foreach (headers, name, v) {
        AUTO(mem_free) char *as = backblaze_header(name);

        has_type |= !strcasecmp(as, "content-type");
        json_object_set(out, as, v);
    }
    if (!has_type)
        jset(out, "Content-Type", mime);
    return out;
}

static int s3_put(void *ctx, struct remote_file *f, struct err *err)
{
    struct s3_storing *s = ctx;
    bool native = !strcmp(s->bucket->service->name, "backblaze");
    AUTO(json_unref)
    json_t *headers =
        native ? backblaze_headers(s->opts->headers, f->in->mime) : json_incref(s->opts->headers);

    s->object.headers = headers;
    int rc = s3_upload(s->bucket, f, &s->object, err);
    s->object.headers = NULL;
    if (rc == 0 && s->opts->sign_urls_for > 0)
        f->extra = s3_signed_urls(s->bucket, f->path, s->opts->sign_urls_for);
    return rc;
}

static void s3_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url)
{
    const struct s3_storing *s = ctx;

    s3_urls(url, ssl_url, s->bucket, s->opts->url_prefix, f->path);
}

static const struct remote_protocol s3_protocol = {.put = s3_put, .address = s3_address};

int s3_store_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct s3_store_opts *o = opts;
    /* The one that has the parameter asks; the others have nothing that speaks against it. */
    bool asks = option_find(robot_of_job(job)->options, "check_integrity") != NULL;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    if (s3_open(&b, job, &o->place, NULL, err) < 0)
        return -1;
    struct s3_storing s = {&b, o, {NULL, o->tags, acl_names[o->acl], !asks || o->check_integrity}};
    return remote_store(job, &s3_protocol, &s, &o->store, err);
}

int s3_store_undo(struct robot_job *job, const void *opts, const json_t *token, struct err *err)
{
    const struct s3_store_opts *o = opts;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    struct s3_storing s = {.bucket = &b, .opts = o};
    bool kept;

    if (s3_open(&b, job, &o->place, jstr(token, "bucket"), err) < 0 || s3_upload_undo(&kept, &b, token, err) < 0)
        return -1;
    return kept ? remote_kept(job, &s3_protocol, &s, token, err) : 0;
}

int s3_store_trial(struct robot_job *job, const void *opts, struct err *err)
{
    const struct s3_store_opts *o = opts;
    AUTO(s3_bucket_done) struct s3_bucket b = {0};

    return s3_open(&b, job, &o->place, NULL, err) < 0 ? -1 : s3_trial(&b, err);
}
