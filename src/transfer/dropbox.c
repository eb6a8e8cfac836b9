#include "transfer/dropbox.h"

#include <stdio.h>
#include <string.h>

#define RPC "https://api.dropboxapi.com"
#define CONTENT "https://content.dropboxapi.com"
#define TAGS_DEEP 5
#define RESULT_VALUES 1000 /* of the header that describes a file */

/* ---- signing in ---- */

static int dropbox_sign_in(struct api *a, struct err *err)
{
    const struct dropbox *d = a->ctx;
    const struct dropbox_keys *k = d->keys;
    AUTO(str_done) struct str form = {0};

    str_puts(&form, "grant_type=refresh_token&refresh_token=");
    str_add_urlencoded(&form, k->refresh_token, "");
    str_puts(&form, "&client_id=");
    str_add_urlencoded(&form, k->app_key, "");
    if (str_given(k->app_secret)) {
        str_puts(&form, "&client_secret=");
        str_add_urlencoded(&form, k->app_secret, "");
    }
    /* where there is one already, it was refused */
    return api_token(a, d->token, form.s, /* fresh= */ a->authorization != NULL, err);
}

/* ---- what an answer means ---- */

void dropbox_tags(char out[static DROPBOX_WHY_MAX], const json_t *body)
{
    const json_t *at = json_object_get(body, "error");
    size_t n = 0;

    *out = 0;
    for (int deep = 0; deep < TAGS_DEEP && json_is_object(at); deep++) {
        const char *tag = jstr(at, ".tag");

        if (!tag)
            break;
        n += (size_t)snprintf(out + n, DROPBOX_WHY_MAX - n, "%s%.60s", n ? "/" : "", tag);
        if (n >= DROPBOX_WHY_MAX)
            return;
        const json_t *inner = json_object_get(at, tag);
        at = inner ? inner : json_object_get(at, "reason");
    }
}

static bool has_one(const char *why, const char *const *tags)
{
    for (; *tags; tags++)
        if (strstr(why, *tags))
            return true;
    return false;
}

/* 409 is all that the call itself has to say. */
static void dropbox_judge(struct api *a, const struct http_client_response *r, const json_t *body,
                          enum remote_failure *kind, bool *again)
{
    static const char *const denied[] = {"no_write_permission", "access_error", "no_permission",      "access_denied",
                                         "restricted_content",  "team_folder",  "email_not_verified", NULL};
    static const char *const missing[] = {"not_found", "not_file", "not_folder", NULL};
    static const char *const passing[] = {"too_many_write_operations", "too_many_requests", "internal_error", NULL};
    struct dropbox *d = a->ctx;

    json_decref(d->refusal);
    d->refusal = json_incref((json_t *)body);
    dropbox_tags(d->why, body);
    if (r->status != 409)
        return;
    if (has_one(d->why, denied))
        *kind = REMOTE_DENIED;
    else if (has_one(d->why, missing))
        *kind = REMOTE_NOT_FOUND;
    else if (has_one(d->why, passing))
        *again = true;
}

int dropbox_open(struct dropbox *d, struct robot_job *job, const struct dropbox_keys *k, struct err *err)
{
    bool renews = str_given(k->refresh_token) && str_given(k->app_key);

    *d = (struct dropbox){
        .keys = k,
        .rpc = remote_endpoint(job, "dropbox", RPC),
        .content = remote_endpoint(job, "dropbox", CONTENT),
        .token = arena_printf(robot_arena(job), "%s/oauth2/token", remote_endpoint(job, "dropbox", RPC))};
    if (!str_given(k->access_token) && !renews)
        return robot_fail(job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
                          "the stored credentials lack access_token, or refresh_token and app_key");
    d->api =
        (struct api){.job = job,
                     .client = http_client_new(),
                     .service = "Dropbox",
                     .authorization = str_given(k->access_token) ? mem_printf("Bearer %s", k->access_token) : NULL,
                     .sign_in = renews ? dropbox_sign_in : NULL,
                     .judge = dropbox_judge,
                     .ctx = d};
    return 0;
}

void dropbox_done(struct dropbox d)
{
    api_done(d.api);
    json_decref(d.refusal);
}

/* ---- calls ---- */

char *dropbox_path(const char *path)
{
    size_t n;

    path += strspn(path, "/");
    n = strlen(path);
    while (n && path[n - 1] == '/')
        n--;
    return n ? mem_printf("/%.*s", (int)n, path) : mem_strdup("");
}

json_t *dropbox_call(struct dropbox *d, const char *path, json_t *args, struct err *err)
{
    AUTO(json_unref) json_t *own = args;
    AUTO(mem_free) char *body = json_text(own), *url = mem_printf("%s/2/%s", d->rpc, path);

    d->why[0] = 0;
    return api_json(
        &d->api,
        &(struct api_call){
            .method = "POST", .url = url, .type = "application/json", .body = body, .fd = -1, .length = -1},
        err);
}

char *dropbox_arg(json_t *args)
{
    AUTO(json_unref) json_t *own = args;
    AUTO(mem_free) char *text = json_dumps(own, JSON_COMPACT | JSON_ENSURE_ASCII);

    return mem_printf("Dropbox-API-Arg: %s", text);
}

json_t *dropbox_result(const struct http_client_response *r)
{
    AUTO(mem_free) char *text = http_client_header(r, "dropbox-api-result");
    struct err ignored;
    json_t *result = text ? json_parse_within(text, strlen(text),
                                              &(struct json_bounds){.depth = 16, .values = RESULT_VALUES}, &ignored)
                          : NULL;

    if (json_is_object(result))
        return result;
    json_decref(result);
    return NULL;
}

/* ---- content hashes ---- */

#define BLOCK (INT64_C(4) << 20)

static void end_block(struct dropbox_hash *h)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (!EVP_DigestFinal_ex(h->block, md, NULL) || !EVP_DigestUpdate(h->all, md, 32) ||
        !EVP_DigestInit_ex(h->block, EVP_sha256(), NULL))
        abort();
    h->in_block = 0;
}

void dropbox_hash_begin(struct dropbox_hash *h)
{
    if (!h->all) {
        h->all = EVP_MD_CTX_new();
        h->block = EVP_MD_CTX_new();
    }
    h->in_block = 0;
    if (!EVP_DigestInit_ex(h->all, EVP_sha256(), NULL) || !EVP_DigestInit_ex(h->block, EVP_sha256(), NULL))
        abort();
}

void dropbox_hash_add(struct dropbox_hash *h, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        size_t n = (size_t)(BLOCK - h->in_block) < len ? (size_t)(BLOCK - h->in_block) : len;

        if (!EVP_DigestUpdate(h->block, p, n))
            abort();
        h->in_block += (int64_t)n;
        p += n;
        len -= n;
        if (h->in_block == BLOCK)
            end_block(h);
    }
}

void dropbox_hash_end(char out[static DROPBOX_HASH_MAX], struct dropbox_hash *h)
{
    unsigned char md[EVP_MAX_MD_SIZE];

    if (h->in_block)
        end_block(h);
    if (!EVP_DigestFinal_ex(h->all, md, NULL))
        abort();
    hex_encode(out, md, 32);
}

void dropbox_hash_done(struct dropbox_hash h)
{
    EVP_MD_CTX_free(h.all);
    EVP_MD_CTX_free(h.block);
}
