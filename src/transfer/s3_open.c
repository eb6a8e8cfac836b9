/* A bucket made ready for a job. Where Backblaze keeps an account's buckets its own interface says,
 * as nothing in a key does. */
#include "transfer/api.h"
#include "transfer/s3.h"

#include <openssl/evp.h>
#include <string.h>

/* "https://s3.us-west-004.backblazeb2.com": the region is what lies between. Of a stand-in nothing
 * can be told. */
static const char *region_in(struct arena *a, const char *url)
{
    const char *host = strstr(url, "://s3."), *end = host ? strstr(host, ".backblazeb2.com") : NULL;

    return end && end > host + 6 ? arena_printf(a, "%.*s", (int)(end - host - 6), host + 6) : NULL;
}

/* It names the server that gets the next requests. That one may be an open line only where the
 * first one was. */
static bool is_host_of(const char *url, const char *base)
{
    const char *host = str_starts(url, "https://")                                 ? url + 8
                       : str_starts(url, "http://") && str_starts(base, "http://") ? url + 7
                                                                                   : "";
    size_t n = strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-");

    return n && n < 256 && !host[n];
}

static int backblaze(struct s3_place *p, struct robot_job *job, struct err *err)
{
    const char *base = remote_endpoint(job, "backblaze", "https://api.backblazeb2.com");
    AUTO(mem_free) char *url = mem_printf("%s/b2api/v3/b2_authorize_account", base);
    AUTO(mem_free) char *pair = mem_printf("%s:%s", p->key, p->secret);
    AUTO(mem_free) char *coded = mem_alloc(strlen(pair) * 4 / 3 + 8);

    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)pair, (int)strlen(pair));
    AUTO(api_done)
    struct api a = {.job = job,
                    .client = http_client_new(),
                    .service = "Backblaze",
                    .authorization = mem_printf("Basic %s", coded)};
    AUTO(json_unref)
    json_t *said =
        api_json(&a, &(struct api_call){.method = "GET", .url = url, .fd = -1, .length = -1}, err);
    if (!said)
        return -1;
    const json_t *storage = json_object_get(json_object_get(said, "apiInfo"), "storageApi");
    const char *s3 = jstr_or(storage, "s3ApiUrl", "");
    if (!is_host_of(s3, base))
        return api_odd(&a, err, "the address of the S3 interface");
    p->host = arena_strdup(robot_arena(job), s3);
    p->region = region_in(robot_arena(job), s3);
    return 0;
}

int s3_open(struct s3_bucket *b, struct robot_job *job, const struct s3_place *given,
            const char *bucket, struct err *err)
{
    const struct s3_service *service = s3_service_of(robot_of_job(job)->name);
    struct s3_place p = *given;

    if (bucket)
        p.bucket = bucket;
    if (!str_given(p.bucket) || !str_given(p.key) || !str_given(p.secret) ||
        (!service->host && !service->regional && !str_given(p.host)) ||
        (service->called.region && !str_given(p.region))) {
        err_set(err, ERR_ROBOT_VALIDATION,
                "the stored credentials lack bucket, key, secret, or what says where it is");
        robot_code(err->name, robot_of_job(job), "VALIDATION");
        return -1;
    }
    if (!strcmp(service->name, "backblaze") && backblaze(&p, job, err) < 0)
        return -1;
    s3_bucket_init(b, job, service, &p);
    s3_find_region(b);
    return 0;
}
