#include "transfer/google.h"
#include "base/clock.h"
#include "transfer/google_session.h"
#include "transfer/values.h"

#include <stdio.h>
#include <string.h>

#define STORAGE "https://storage.googleapis.com"
#define TOKENS "https://oauth2.googleapis.com"
#define SCOPE "https://www.googleapis.com/auth/"
#define LIFE_S 3600 /* of what is signed; the most that is taken */
#define ROUND_S 600 /* what is signed within so long is the same text: api_token() keeps what was got for it */

/* ---- signing in ---- */

/* Signed with the service account's key, for an access token (RFC 7523). */
static char *assertion(const struct google *g, struct err *err)
{
    int64_t now_s = clock_now_us() / SECOND_US, from_s = now_s - now_s % ROUND_S;
    AUTO(mem_free) char *scope = mem_printf(SCOPE "%s", g->scope);
    AUTO(json_unref)
    json_t *claims = json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", g->place->client_email, "scope", scope, "aud",
                               TOKENS "/token", "iat", (json_int_t)from_s, "exp", (json_int_t)(from_s + LIFE_S));

    if (!claims) {
        err_set(err, ERR_ROBOT_VALIDATION, "the client_email of the credentials is no text");
        return NULL;
    }
    return api_jwt(claims, g->key, NULL, NULL, err);
}

static int google_sign_in(struct api *a, struct err *err)
{
    struct google *g = a->ctx;
    AUTO(mem_free) char *jwt = assertion(g, err);
    AUTO(mem_free) char *url = mem_printf("%s/token", remote_endpoint(a->job, "google", TOKENS));

    if (!jwt)
        return -1;
    AUTO(mem_free)
    char *form = mem_printf("grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer&assertion=%s", jwt);
    return api_token(a, url, form, a->authorization != NULL, err);
}

void google_judge(struct api *a, const struct http_client_response *r, const json_t *body, enum remote_failure *kind,
                  bool *again)
{
    static const char *const paces[] = {"rateLimitExceeded", "userRateLimitExceeded"};
    static const char *const quotas[] = {"quotaExceeded", "dailyLimitExceeded", "uploadLimitExceeded"};
    const char *reason =
        jstr_or(json_array_get(json_object_get(json_object_get(body, "error"), "errors"), 0), "reason", "");

    (void)a;
    if (r->status != 403)
        return;
    for (size_t i = 0; i < ARRAY_LEN(paces); i++)
        if (!strcmp(reason, paces[i])) {
            *again = true;
            *kind = REMOTE_FAILED;
        }
    for (size_t i = 0; i < ARRAY_LEN(quotas); i++)
        if (!strcmp(reason, quotas[i]))
            *kind = REMOTE_FAILED;
}

/* Keys come out of a JSON file, and are pasted with its \n as they stand there. */
static char *key_text(const char *key)
{
    AUTO(str_done) struct str out = {0};

    if (strchr(key, '\n'))
        return mem_strdup(key);
    for (const char *p = key; *p; p++)
        if (p[0] == '\\' && p[1] == 'n') {
            str_putc(&out, '\n');
            p++;
        } else {
            str_putc(&out, *p);
        }
    return str_take(&out);
}

int google_open(struct google *g, struct robot_job *job, const struct google_place *p, const char *scope,
                struct err *err)
{
    const char *missing = !str_given(p->client_email)  ? "client_email"
                          : !str_given(p->private_key) ? "private_key"
                          : !str_given(p->bucket)      ? "bucket"
                                                       : NULL;

    *g = (struct google){.place = p, .scope = scope};
    if (missing)
        return err_set(err, ERR_ROBOT_VALIDATION, "the credentials hold no '%s'", missing);
    g->endpoint = remote_endpoint(job, "google", STORAGE);
    g->bucket = p->bucket;
    g->key = key_text(p->private_key);
    g->api = (struct api){.job = job,
                          .client = http_client_new(),
                          .service = "Google Cloud Storage",
                          .sign_in = google_sign_in,
                          .judge = google_judge};
    return 0;
}

void google_close(struct google g)
{
    if (g.key)
        explicit_bzero(g.key, strlen(g.key));
    free(g.key);
    api_done(g.api);
}

/* ---- objects ---- */

char *google_url(const struct google *g, const char *name)
{
    AUTO(str_done) struct str out = {0};

    str_addf(&out, "%s/storage/v1/b/%s/o", g->endpoint, g->bucket);
    if (name) {
        str_putc(&out, '/');
        str_add_urlencoded(&out, name, "");
    }
    return str_take(&out);
}

char *google_host(const struct google *g)
{
    const char *host = strstr(g->endpoint, "://") + 3;

    if (!strcmp(g->endpoint, STORAGE) && !strchr(g->bucket, '.'))
        return mem_printf("%s.%s", g->bucket, host);
    return mem_printf("%s/%s", host, g->bucket);
}

static char *upload_url(const struct google *g, const struct google_object *o)
{
    return mem_printf("%s/upload/storage/v1/b/%s/o?uploadType=resumable%s%s", g->endpoint, g->bucket,
                      o->acl ? "&predefinedAcl=" : "", o->acl ? o->acl : "");
}

struct sums {
    char md5[25], crc32c[9];
};

/* With its checksums: a copy that differs never becomes an object. */
static char *google_describe(const struct remote_file *f, const struct google_object *o, const struct sums *sums)
{
    AUTO(json_unref) json_t *d = json_object();

    json_object_set_new(d, "name", jstring(f->path));
    json_object_set_new(d, "contentType", jstring(str_given(f->in->mime) ? f->in->mime : "application/octet-stream"));
    if (str_given(o->cache_control))
        json_object_set_new(d, "cacheControl", jstring(o->cache_control));
    jset(d, "md5Hash", sums->md5);
    jset(d, "crc32c", sums->crc32c);
    return json_text(d);
}

/* Numbers of 64 bits are texts in their JSON. */
static int64_t number_in(const json_t *object, const char *name)
{
    const char *text = jstr_or(object, name, "x");
    int64_t n;

    return value_offset(&n, &text) && !*text ? n : -1;
}

static bool is_what_was_sent(const json_t *answer, const struct remote_file *f, const struct sums *sums)
{
    const char *md5 = jstr(answer, "md5Hash"), *crc = jstr(answer, "crc32c"), *name = jstr(answer, "name");

    return number_in(answer, "size") == f->in->size && (md5 || crc) && (!md5 || !strcmp(md5, sums->md5)) &&
           (!crc || !strcmp(crc, sums->crc32c)) && name && !strcmp(name, f->path);
}

/* A copy that is not the file is worse than none. Only that very one: another may have come in its place. */
static void remove_copy(struct google *g, const struct remote_file *f, const json_t *answer)
{
    AUTO(mem_free) char *object = google_url(g, f->path);
    AUTO(mem_free)
    char *url = mem_printf("%s?generation=%lld", object, (long long)number_in(answer, "generation"));
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct err ignored;

    if (number_in(answer, "generation") > 0 &&
        api_run(&r, &g->api, &(struct api_call){.method = "DELETE", .url = url, .length = -1}, &ignored) < 0)
        return; /* what is wrong with it is said anyway */
}

/* Why it is not begun: what is asked for is refused (400). */
static int refused_input(struct google *g, struct err *err)
{
    char why[sizeof err->msg];

    snprintf(why, sizeof why, "%s", err->msg);
    return robot_fail(
        g->api.job, err, ERR_INPUT, "INVALID_INPUT", "%.400s%s", why,
        strstr(why, "uniform bucket-level access") ? " The bucket decides who may read: set 'acl' to null" : "");
}

static int send_and_compare(struct google_session *s, struct google *g, const struct sums *sums, struct err *err)
{
    AUTO(json_unref) json_t *answer = google_session_send(s, err);

    if (!answer)
        return -1;
    free(take(s->uri)); /* complete: there is nothing to be ended */
    if (is_what_was_sent(answer, s->file, sums))
        return 0;
    remove_copy(g, s->file, answer);
    s->file->again = true;
    return api_odd(&g->api, err, "what it stored is not what was sent");
}

int google_put(struct google *g, struct remote_file *f, const struct google_object *o, struct err *err)
{
    struct google_session s = {.api = &g->api, .file = f, .secret = g->place->private_key};
    struct sums sums;

    g->api.ctx = g;
    if (google_sums_of(sums.md5, sums.crc32c, f, err) < 0)
        return -1;
    AUTO(mem_free) char *url = upload_url(g, o), *body = google_describe(f, o, &sums);
    if (google_session_begin(&s, url, body, err) < 0) {
        google_session_cancel(&s);
        return s.status == 400 ? refused_input(g, err) : -1;
    }
    int rc = send_and_compare(&s, g, &sums, err);
    google_session_cancel(&s);
    return rc;
}

int google_undo_put(struct google *g, const json_t *note, struct err *err)
{
    AUTO(mem_free) char *uri = google_session_open_note(note, g->place->private_key, g->endpoint);

    g->api.ctx = g;
    if (!uri)
        return remote_fail(g->api.job, REMOTE_FAILED, err,
                           "the note about the open session can't be read with these credentials");
    return google_session_end(&g->api, uri, err);
}
