#include "transfer/ai.h"
#include "transfer/ai_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODEL_MAX 200 /* bytes of a name */
#define SPARE_S 5     /* of the job's time, to say that the other side was silent */
#define REDIRECTS 5

/* ---- where they are ---- */

bool ai_is_set(const struct robot_job *job, const char *service)
{
    return str_given(remote_endpoint(job, service, NULL));
}

static int no_service(struct robot_job *job, const struct ai_service *s, struct err *err)
{
    bool either = !s->of_its_own && strcmp(s->name, "ai") != 0;

    return robot_fail(
        job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
        "this server has no service for it: its operator can name one with --endpoint %s%s=URL",
        either ? "ai=URL or --endpoint " : "", s->name);
}

int ai_open(struct ai *a, struct robot_job *job, const char *service, const char *key,
            struct err *err)
{
    const struct ai_service *s = ai_service_find(service);

    *a = (struct ai){.service = s, .key = ""};
    if (!s)
        return err_set(err, ERR_INTERNAL, "no AI service is called '%s'", service);
    if (!ai_is_set(job, service)) {
        if (s->of_its_own || !ai_is_set(job, "ai"))
            return no_service(job, s, err);
        service = "ai";
    }
    a->base = remote_endpoint(job, service, "");
    /* the operator's is that of the address, and is never sent to another */
    a->key =
        str_given(key) ? key : jstr_or(json_object_get(robot_settings(job), "ai_key"), service, "");
    a->api = (struct api){.job = job,
                          .client = http_client_new(),
                          .service = s->words,
                          .authorization = *a->key ? mem_printf("Bearer %s", a->key) : NULL,
                          .secret = a->key};
    return 0;
}

void ai_done(struct ai a) { api_done(a.api); }

/* ---- calls ---- */

static int ai_patience_s(const struct ai *a)
{
    int64_t all = jint(robot_settings(a->api.job), "timeout_s", 600);

    return (int)(all > 2 * SPARE_S ? all - SPARE_S : all);
}

/* What a call is sent as: lives as long as it. */
struct ai_sending {
    struct ai_form form;
    char *url, *body;
    struct api_call call;
};

static void ai_sending_done(struct ai_sending s)
{
    ai_form_done(s.form);
    free(s.url);
    free(s.body);
}
DEFINE_AUTO(struct ai_sending, ai_sending_done)

static int make_sending(struct ai_sending *s, const struct ai *a, const struct ai_call *c,
                        struct err *err)
{
    bool sends = c->body || c->part_count;

    s->url = mem_printf("%s%s", a->base, c->path);
    s->body = c->body ? json_text(c->body) : NULL;
    if (c->part_count && ai_form_make(&s->form, c->parts, c->part_count, err) < 0)
        return -1;
    s->call = (struct api_call){.method = c->method ? c->method
                                          : sends   ? "POST"
                                                    : "GET",
                                .url = s->url,
                                .type = s->form.count ? s->form.type
                                        : c->body     ? "application/json"
                                                      : NULL,
                                .body = s->body,
                                .fd = -1,
                                .length = -1,
                                .pieces = s->form.count ? s->form.pieces : NULL,
                                .piece_count = s->form.count,
                                .idle_s = ai_patience_s(a),
                                .most = c->most ? c->most : AI_JSON_MAX,
                                .fine = c->fine};
    return 0;
}

int ai_run(struct http_client_response *out, struct ai *a, const struct ai_call *c, struct err *err)
{
    AUTO(ai_sending_done) struct ai_sending s = {0};

    *out = (struct http_client_response){0};
    return make_sending(&s, a, c, err) < 0 ? -1 : api_run(out, &a->api, &s.call, err);
}

json_t *ai_call(struct ai *a, const struct ai_call *c, struct err *err)
{
    AUTO(ai_sending_done) struct ai_sending s = {0};

    return make_sending(&s, a, c, err) < 0 ? NULL : api_json(&a->api, &s.call, err);
}

json_t *ai_json(struct ai *a, const char *path, json_t *body, struct err *err)
{
    AUTO(json_unref) json_t *own = body;

    return ai_call(a, &(struct ai_call){.path = path, .body = own}, err);
}

/* ---- bytes ---- */

struct ai_bytes {
    struct ai *a;
    int fd;
    int64_t left, most;
};

static int ai_too_large(const struct ai *a, int64_t most, struct err *err)
{
    return remote_fail(a->api.job, REMOTE_FAILED, err, "%s answers with more than %lld bytes",
                       a->api.service, (long long)most);
}

static int ai_write(int fd, const void *data, size_t len, struct err *err)
{
    for (const char *p = data; len;) {
        ssize_t n = write(fd, p, len);

        if (n < 0)
            return err_errno(err, "write what was answered");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int ai_on_bytes(void *ctx, const char *data, size_t len, struct err *err)
{
    struct ai_bytes *b = ctx;

    if ((int64_t)len > b->left)
        return ai_too_large(b->a, b->most, err);
    b->left -= (int64_t)len;
    return ai_write(b->fd, data, len, err);
}

static void take_mime(char *mime, const struct http_client_response *r)
{
    AUTO(mem_free) char *type = http_client_header(r, "content-type");
    size_t n = type ? strcspn(type, "; ") : 0;

    if (mime)
        snprintf(mime, AI_MIME_MAX, "%.*s", n < AI_MIME_MAX ? (int)n : 0, type ? type : "");
}

static int ai_bytes_of(struct ai *a, struct api_call *call, int fd, int64_t most, char *mime,
                       struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct ai_bytes b = {.a = a, .fd = fd, .left = most, .most = most};

    call->on_body = ai_on_bytes;
    call->ctx = &b;
    if (api_run(&r, &a->api, call, err) < 0)
        return -1;
    if (b.left == most)
        return api_odd(&a->api, err, "its answer is empty");
    take_mime(mime, &r);
    return 0;
}

int ai_call_to_fd(struct ai *a, const struct ai_call *c, int fd, int64_t most, char *mime,
                  struct err *err)
{
    AUTO(ai_sending_done) struct ai_sending s = {0};

    return make_sending(&s, a, c, err) < 0 ? -1 : ai_bytes_of(a, &s.call, fd, most, mime, err);
}

int ai_fetch_to_fd(struct ai *a, const char *url, int fd, int64_t most, char *mime, struct err *err)
{
    struct api_call call = {.method = "GET",
                            .url = url,
                            .fd = -1,
                            .length = -1,
                            .anonymous = true,
                            .max_redirects = REDIRECTS,
                            .idle_s = ai_patience_s(a)};

    return ai_bytes_of(a, &call, fd, most, mime, err);
}

int ai_base64_to_fd(struct ai *a, const char *text, int fd, int64_t most, struct err *err)
{
    const char *comma = str_starts(text, "data:") ? strchr(text, ',') : NULL;

    if (comma)
        text = comma + 1;
    size_t len = strlen(text);
    if ((int64_t)(len / 4 * 3) > most + 3)
        return ai_too_large(a, most, err);
    AUTO(mem_free) char *bytes = mem_alloc(len / 4 * 3 + 3);
    ptrdiff_t n = base64_decode((unsigned char *)bytes, text, len);
    if (n <= 0)
        return api_odd(&a->api, err, "what should be base64 is none");
    if (n > most)
        return ai_too_large(a, most, err);
    return ai_write(fd, bytes, (size_t)n, err);
}

/* ---- models ---- */

static const char *model_set(const struct ai *a)
{
    const json_t *all = json_object_get(robot_settings(a->api.job), "ai_model");
    const char *own = jstr(all, a->service->name);

    return own ? own : a->service->chat ? jstr(all, "ai") : NULL;
}

static bool is_model(const char *id)
{
    size_t n = id ? strlen(id) : 0;

    return n && n <= MODEL_MAX && utf8_valid(id, n) && !strpbrk(id, "\r\n\t");
}

static bool is_listed(const json_t *list, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach (list, i, one)
        if (!strcmp(jstr_or(one, "id", ""), name))
            return true;
    return false;
}

/* {data: [{id}]}, or null of a server that has no such list. NULL with err. */
static json_t *list_models(struct ai *a, struct err *err)
{
    static const int no_list[] = {403, 404, 405, 501, 0};
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct err ignored;

    if (ai_run(&r, a, &(struct ai_call){.path = "/models", .fine = no_list}, err) < 0)
        return NULL;
    json_t *answer =
        json_parse_within(r.body.s ? r.body.s : "", r.body.len,
                          &(struct json_bounds){.depth = 32, .values = API_VALUES_MAX}, &ignored);
    return answer ? answer : json_null();
}

static const char *first_listed(struct ai *a, const json_t *list, struct err *err)
{
    const char *id = jstr(json_array_get(list, 0), "id");

    if (is_model(id))
        return arena_strdup(robot_arena(a->api.job), id);
    robot_fail(a->api.job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
               "%s lists no model: name one, or let its operator name one with --ai-model %s=MODEL",
               a->api.service, a->service->name);
    return NULL;
}

const char *ai_model(struct ai *a, const char *asked, struct err *err)
{
    bool any = !str_given(asked) || !strcmp(asked, "auto");
    const char *slash = any ? NULL : strchr(asked, '/');

    if (any && model_set(a))
        return model_set(a);
    if (!any && !slash)
        return asked;
    AUTO(json_unref) json_t *answer = list_models(a, err);
    if (!answer)
        return NULL;
    const json_t *list = json_object_get(answer, "data");
    if (any)
        return first_listed(a, list, err);
    return is_listed(list, slash + 1) && !is_listed(list, asked) ? slash + 1 : asked;
}
