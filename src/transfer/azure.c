/* A container of Azure Blob Storage: where it is, what answers mean, and a file into it. */
#include "transfer/azure.h"
#include "base/clock.h"
#include "transfer/piece.h"
#include "transfer/values.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#define MIB (INT64_C(1024) * 1024)
#define BLOCKS_ABOVE (64 * MIB) /* bytes; up to there a file goes in one request */
#define BLOCK (16 * MIB)
#define BLOCKS_MAX 50000
#define SKEW_MIN_S 60

/* ---- where it is ---- */

static int lacks(struct robot_job *job, struct err *err, const char *what)
{
    err_set(err, ERR_ROBOT_VALIDATION, "%s", what);
    robot_code(err->name, robot_of_job(job), "VALIDATION");
    return -1;
}

static void learn_time(struct azure *z, const struct http_client_response *r, bool *again)
{
    AUTO(mem_free) char *date = http_client_header(r, "date");
    struct tm tm = {0};

    if (z->skewed || !date || !strptime(date, "%a, %d %b %Y %H:%M:%S", &tm))
        return;
    int64_t skew_us = timegm(&tm) * SECOND_US - clock_now_us();
    if (llabs(skew_us - z->skew_us) < SKEW_MIN_S * SECOND_US)
        return;
    z->skew_us = skew_us;
    z->skewed = *again = true;
}

/* A wrong clock looks like a wrong key. */
static void azure_judge(struct api *a, const struct http_client_response *r, const json_t *body,
                        enum remote_failure *kind, bool *again)
{
    (void)body;
    (void)kind;
    if (r->status == 403 && !a->query) /* nor does our clock matter to what somebody else signed */
        learn_time(a->ctx, r, again);
}

/* Its last part, which must be in no message: what it allows is no secret. */
static const char *secret_of(struct robot_job *job, const char *sas)
{
    const char *sig = strstr(sas, "&sig=");

    sig = sig ? sig + 5 : strstr(sas, "sig=") + 4; /* the check has seen it */
    return arena_printf(robot_arena(job), "%.*s", (int)strcspn(sig, "&"), sig);
}

static int take_key(struct azure *z, struct robot_job *job, const char *key, struct err *err)
{
    size_t len = strlen(key);
    ptrdiff_t n = len / 4 * 3 + 3 <= sizeof z->key ? base64_decode(z->key, key, len) : -1;

    z->api = (struct api){
        .job = job, .service = "Azure", .secret = key, .sign = azure_sign, .judge = azure_judge, .ctx = z};
    if (azure_is_sas(key)) {
        z->api.query = key + (*key == '?');
        z->api.secret = secret_of(job, key);
        return 0;
    }
    if (n <= 0)
        return lacks(job, err, "'key' is no key of a storage account: it is base64");
    z->key_len = (size_t)n;
    return 0;
}

int azure_open(struct azure *z, struct robot_job *job, const struct azure_place *p, struct err *err)
{
    *z = (struct azure){.place = p};
    if (!str_given(p->account) || !str_given(p->container) || !str_given(p->key))
        return lacks(job, err, "the stored credentials lack account, container or key");
    if (take_key(z, job, p->key, err) < 0)
        return -1;
    z->api.client = http_client_new();
    const char *own = remote_endpoint(job, "azure", NULL);
    z->base = own ? arena_printf(robot_arena(job), "%s/%s/%s", own, p->account, p->container)
                  : arena_printf(robot_arena(job), "https://%s.blob.core.windows.net/%s",
                                 p->account, p->container);
    return 0;
}

void azure_done(struct azure *z)
{
    api_done(z->api);
    OPENSSL_cleanse(z->key, sizeof z->key);
}

/* ---- a file into it ---- */

struct azure_upload {
    struct azure *z;
    struct remote_file *file;
    const char *url;
    const char *about[API_HEADERS_MAX]; /* headers that describe the blob */
    int n;
    int64_t began_us;
    const char *md5; /* base64, of the whole */
};

static void add_about(struct azure_upload *u, const char *name, const char *value)
{
    if (str_given(value) && u->n < (int)ARRAY_LEN(u->about) - 4)
        u->about[u->n++] = arena_printf(robot_arena(u->file->job), "%s: %s", name, value);
}

static void describe(struct azure_upload *u, const struct azure_blob *b)
{
    const char *mime =
                   str_given(u->file->in->mime) ? u->file->in->mime : "application/octet-stream",
               *name;
    json_t *v;

    add_about(u, "x-ms-blob-content-type", str_given(b->content_type) ? b->content_type : mime);
    add_about(u, "x-ms-blob-content-encoding", b->content_encoding);
    add_about(u, "x-ms-blob-content-language", b->content_language);
    add_about(u, "x-ms-blob-content-disposition", b->content_disposition);
    add_about(u, "x-ms-blob-cache-control", b->cache_control);
    json_object_foreach (b->metadata, name, v) {
        AUTO(mem_free) char *header = mem_printf("x-ms-meta-%s", name);
        AUTO(mem_free) char *value = value_text(v);
        add_about(u, header, value);
    }
}

/* base64 of the MD5 of a piece; whole (may be NULL) goes on over it. */
static int sum_block(char out[static 28], const struct azure_upload *u, EVP_MD_CTX *whole,
                     int64_t offset, int64_t length, struct err *err)
{
    struct piece_sum md5 = {.digest = "MD5"};

    if (piece_sums(&md5, 1, u->file, offset, length, whole, err) < 0)
        return -1;
    EVP_EncodeBlock((unsigned char *)out, md5.md, (int)md5.len);
    return 0;
}

/* The blob will be there: who looks for it knows it by its sum. */
static int announce_blob(void *ctx, struct err *err)
{
    struct azure_upload *u = ctx;

    if (u->file->commits)
        return 0;
    return remote_commits(u->file, json_pack("{s:s}", "path", u->file->path),
                          json_pack("{s:I,s:s,s:I}", "size", (json_int_t)u->file->in->size, "md5", u->md5, "at_us",
                                    (json_int_t)u->began_us),
                          err);
}

static int azure_put_whole(struct azure_upload *u, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    char md5[28];

    if (sum_block(md5, u, NULL, 0, u->file->in->size, err) < 0)
        return -1;
    u->about[u->n++] = "x-ms-blob-type: BlockBlob";
    u->md5 = md5;
    add_about(u, "Content-MD5", md5);
    return api_run(&r, &u->z->api,
                   &(struct api_call){.method = "PUT",
                                      .url = u->url,
                                      .headers = u->about,
                                      .fd = u->file->fd,
                                      .length = u->file->in->size,
                                      .on_end = announce_blob,
                                      .end_ctx = u,
                                      .file = u->file,
                                      .share = 1},
                   err);
}

/* Nobody else has such: what others do with the same blob at the same time must not end in one of
 * both. Of one length, as the service wants it. */
static void block_id(char out[static 64], const char *run, int number)
{
    char plain[48];

    snprintf(plain, sizeof plain, "%s%08d", run, number);
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)plain, (int)strlen(plain));
}

static int put_block(struct str *list, struct azure_upload *u, const char *id, EVP_MD_CTX *whole,
                     int64_t offset, int64_t length, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(str_done) struct str url = {0};
    double size = (double)u->file->in->size;
    char md5[28];

    if (sum_block(md5, u, whole, offset, length, err) < 0)
        return -1;
    AUTO(mem_free) char *header = mem_printf("Content-MD5: %s", md5);
    str_addf(&url, "%s?comp=block&blockid=", u->url);
    str_add_urlencoded(&url, id, "");
    str_addf(list, "<Latest>%s</Latest>", id);
    return api_run(&r, &u->z->api,
                   &(struct api_call){.method = "PUT",
                                      .url = url.s,
                                      .headers = (const char *[]){header, NULL},
                                      .fd = u->file->fd,
                                      .offset = offset,
                                      .length = length,
                                      .file = u->file,
                                      .from = (double)offset / size,
                                      .share = (double)length / size},
                   err);
}

/* This makes the blob: before, readers see what was there, or nothing. */
static int commit_blocks(struct azure_upload *u, const char *list, EVP_MD_CTX *whole,
                         struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free)
    char *body =
        mem_printf("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>%s</BlockList>", list);
    AUTO(mem_free) char *url = mem_printf("%s?comp=blocklist", u->url);
    unsigned char sum[EVP_MAX_MD_SIZE];
    char md5[28];

    if (!EVP_DigestFinal_ex(whole, sum, NULL))
        return err_set(err, ERR_INTERNAL, "MD5 is not available");
    EVP_EncodeBlock((unsigned char *)md5, sum, 16);
    u->md5 = md5;
    add_about(u, "x-ms-blob-content-md5", md5);
    if (announce_blob(u, err) < 0)
        return -1;
    if (api_run(&r, &u->z->api,
                &(struct api_call){.method = "PUT",
                                   .url = url,
                                   .headers = u->about,
                                   .type = "application/xml",
                                   .body = body,
                                   .fd = -1,
                                   .length = -1},
                err) == 0)
        return 0;
    AUTO(mem_free) char *code = http_client_header(&r, "x-ms-error-code");
    /* somebody else made a blob of this name meanwhile, which throws all other blocks away */
    u->file->again = code && !strcmp(code, "InvalidBlockList");
    return -1;
}

static int put_blocks(struct azure_upload *u, int64_t most, struct err *err)
{
    AUTO(md_free) EVP_MD_CTX *whole = EVP_MD_CTX_new();
    AUTO(str_done) struct str list = {0};
    int64_t size = u->file->in->size, block = most < BLOCK ? most : BLOCK;
    unsigned char dice[12];
    char run[25], id[64];
    int number = 0;

    if (size / BLOCKS_MAX >= block)
        block = (size / BLOCKS_MAX / MIB + 1) * MIB;
    RAND_bytes(dice, sizeof dice);
    hex_encode(run, dice, sizeof dice);
    if (!EVP_DigestInit_ex(whole, EVP_md5(), NULL))
        return err_set(err, ERR_INTERNAL, "MD5 is not available");
    for (int64_t offset = 0; offset < size; offset += block) {
        block_id(id, run, number++);
        if (put_block(&list, u, id, whole, offset, size - offset < block ? size - offset : block,
                      err) < 0)
            return -1;
    }
    return commit_blocks(u, list.s, whole, err);
}

int azure_put(struct azure *z, struct remote_file *f, const struct azure_blob *blob,
              struct err *err)
{
    AUTO(mem_free) char *url = azure_url(z, f->path);
    struct azure_upload u = {.z = z, .file = f, .url = url, .began_us = clock_now_us()};
    int64_t most = jint(robot_settings(f->job), "s3_multipart_threshold", BLOCKS_ABOVE);

    describe(&u, blob);
    return f->in->size <= most ? azure_put_whole(&u, err) : put_blocks(&u, most, err);
}

#define LOOKS 3 /* at a request that may still be at work when who sent it is dead */
#define LOOK_PAUSE_MS 400

/* One look. 0: it was answered. */
static int look_at_blob(bool *there, struct azure *z, const char *url, const json_t *commit, struct err *err)
{
    static const int gone[] = {404, 0};
    AUTO(http_client_response_done) struct http_client_response r = {0};

    const struct api_call head = {.method = "HEAD", .url = url, .fd = -1, .length = -1, .fine = gone};
    if (api_run(&r, &z->api, &head, err) < 0)
        return -1;
    AUTO(mem_free) char *length = http_client_header(&r, "content-length");
    AUTO(mem_free) char *md5 = http_client_header(&r, "content-md5");
    *there = r.status / 100 == 2 && length && strtoll(length, NULL, 10) == jint(commit, "size", -1) && md5 &&
             !strcmp(md5, jstr_or(commit, "md5", "")) && remote_is_since(&r, jint(commit, "at_us", 0));
    return 0;
}

int azure_look(bool *there, struct azure *z, const json_t *token, struct err *err)
{
    const json_t *commit = json_object_get(token, "commit");

    *there = false;
    if (!jstr(token, "path") || !commit)
        return err_set(err, ERR_INTERNAL, "the note about the blob is incomplete");
    AUTO(mem_free) char *url = azure_url(z, jstr(token, "path"));
    for (int look = 1; look <= LOOKS && !*there; look++) {
        if (look > 1)
            remote_pause(z->api.job, look - 1, LOOK_PAUSE_MS);
        if (look_at_blob(there, z, url, commit, err) < 0)
            return err->code == ERR_SERVER_403 ? 0 : -1; /* who may not look learns nothing, today or tomorrow */
    }
    return 0;
}
