#include "transfer/box.h"
#include "base/clock.h"
#include "base/id.h"

#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#define UPLOAD "https://upload.box.com"
#define ASSERTION_S 45             /* how long a signed token is good for; Box wants at most 60 */
#define KEPT 4                     /* access tokens of a worker */
#define KEPT_US (1800 * SECOND_US) /* they last an hour; one that ends before is asked for anew */
#define PAGE 500                   /* items: what is said of them must fit into 1 MiB */
#define PAGES_MAX 2000             /* of a folder in which a name is looked for */
#define DEEP_MAX 64                /* folders in folders */

/* ---- signing in ----
 *
 * A signed token is never twice the same, so what api_token() keeps for it is never found: each job would ask for one
 * of its own, and Box counts them. They are kept here, by what they were asked for with. */

static struct kept {
    unsigned char id[SHA256_DIGEST_LENGTH];
    char *authorization;
    int64_t until_us;
} kept[KEPT];
static unsigned next_kept;

static void kept_id(unsigned char id[static SHA256_DIGEST_LENGTH], const struct box *b)
{
    const char *const all[] = {b->base,        b->app.client_id, b->app.client_secret, b->app.subject_type,
                               b->app.subject, b->app.key,       b->app.passphrase};
    AUTO(str_done) struct str text = {0};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        str_addf(&text, "%s\n", all[i] ? all[i] : "");
    SHA256((const unsigned char *)text.s, text.len, id);
}

static struct kept *find_kept(const unsigned char *id)
{
    for (size_t i = 0; i < KEPT; i++)
        if (kept[i].authorization && !memcmp(kept[i].id, id, sizeof kept[i].id))
            return &kept[i];
    return NULL;
}

static void box_keep(const unsigned char *id, const char *authorization)
{
    struct kept *k = find_kept(id);

    if (!k)
        k = &kept[next_kept++ % KEPT];
    memcpy(k->id, id, sizeof k->id);
    free(k->authorization);
    k->authorization = mem_strdup(authorization);
    k->until_us = clock_now_us() + KEPT_US;
}

static int add_assertion(struct str *form, const struct box_app *app, const char *url, struct err *err)
{
    char id[ID_LEN + 1];

    id_new(id);
    AUTO(json_unref)
    json_t *claims = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "iss", app->client_id, "sub", app->subject,
                               "box_sub_type", app->subject_type, "aud", url, "jti", id, "exp",
                               (json_int_t)(clock_now_us() / SECOND_US + ASSERTION_S));
    AUTO(mem_free) char *token = api_jwt(claims, app->key, app->passphrase, app->key_id, err);
    if (!token)
        return -1;
    str_puts(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
    str_puts(form, token);
    return 0;
}

static int box_sign_in(struct api *a, struct err *err)
{
    struct box *b = a->ctx;
    const struct box_app *app = &b->app;
    AUTO(mem_free) char *url = mem_printf("%s/oauth2/token", b->base);
    AUTO(str_done) struct str form = {0};
    unsigned char id[SHA256_DIGEST_LENGTH];

    kept_id(id, b);
    const struct kept *k = find_kept(id);
    if (k && k->until_us > clock_now_us() && (!a->authorization || strcmp(a->authorization, k->authorization) != 0)) {
        free(a->authorization);
        a->authorization = mem_strdup(k->authorization);
        return 0;
    }
    if (app->key) {
        if (add_assertion(&form, app, url, err) < 0)
            return robot_refusal(err, robot_of_job(a->job));
    } else {
        str_addf(&form, "grant_type=client_credentials&box_subject_type=%s&box_subject_id=", app->subject_type);
        str_add_urlencoded(&form, app->subject, "");
    }
    str_puts(&form, "&client_id=");
    str_add_urlencoded(&form, app->client_id, "");
    str_puts(&form, "&client_secret=");
    str_add_urlencoded(&form, app->client_secret, "");
    if (api_token(a, url, form.s, /* fresh= */ true, err) < 0)
        return -1;
    box_keep(id, a->authorization);
    return 0;
}

/* The server renews what it gave the job; a job may be longer than the life of a token. */
static int box_ask_server(struct api *a, struct err *err)
{
    const char *blank = strchr(a->authorization, ' '), *token;
    struct err why = {0};

    if (robot_access_token(&token, a->job, blank ? blank + 1 : "", &why) < 0)
        return remote_fail(a->job, REMOTE_DENIED, err, "%s", why.msg);
    free(a->authorization);
    a->authorization = mem_printf("Bearer %s", token);
    return 0;
}

/* ---- what an answer means ---- */

static void box_judge(struct api *a, const struct http_client_response *r, const json_t *body,
                      enum remote_failure *kind, bool *again)
{
    struct box *b = a->ctx;
    const char *code = jstr_or(body, "code", "");

    json_decref(b->refusal);
    b->refusal = json_incref((json_t *)body);
    if (!strcmp(code, "storage_limit_exceeded") || !strcmp(code, "file_size_limit_exceeded"))
        *kind = REMOTE_FAILED; /* a 403 that has nothing to do with who asks */
    if (r->status == 409 &&
        (!strcmp(code, "operation_blocked_temporary") || !strcmp(code, "name_temporarily_reserved")))
        *again = true;
}

bool box_refused(const struct box *b, const char *code) { return !strcmp(jstr_or(b->refusal, "code", ""), code); }

const json_t *box_conflict(const struct box *b)
{
    const json_t *all = json_object_get(json_object_get(b->refusal, "context_info"), "conflicts");

    if (json_is_array(all)) /* of folders it is a list */
        all = json_array_get(all, 0);
    return box_refused(b, "item_name_in_use") && box_is_id(jstr(all, "id")) ? all : NULL;
}

bool box_is_id(const char *id)
{
    size_t n = id ? strlen(id) : 0;

    return n && n <= 200 && strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == n;
}

/* ---- calls ---- */

int box_open(struct box *b, struct robot_job *job, const struct box_keys *k, struct err *err)
{
    *b = (struct box){.base = remote_endpoint(job, "box", BOX_API), .upload = remote_endpoint(job, "box", UPLOAD)};
    if (box_app_read(&b->app, k, err) < 0)
        return robot_refusal(err, robot_of_job(job));
    if (!str_given(k->access_token) && !b->app.client_id)
        return robot_fail(
            job, err, ERR_ROBOT_VALIDATION, "VALIDATION",
            "the stored credentials lack access_token, key_file_contents, or client_id, client_secret and "
            "enterprise_id");
    b->folders = json_object();
    b->api =
        (struct api){.job = job,
                     .client = http_client_new(),
                     .service = "Box",
                     .authorization = str_given(k->access_token) ? mem_printf("Bearer %s", k->access_token) : NULL,
                     .sign_in = b->app.client_id    ? box_sign_in
                                : robot_renews(job) ? box_ask_server
                                                    : NULL,
                     .judge = box_judge,
                     .ctx = b};
    return 0;
}

void box_done(struct box b)
{
    api_done(b.api);
    box_app_done(b.app);
    json_decref(b.refusal);
    json_decref(b.folders);
}

json_t *box_call(struct box *b, const char *method, const char *url, json_t *args, const int *fine, struct err *err)
{
    AUTO(json_unref) json_t *own = args;
    AUTO(mem_free) char *body = own ? json_text(own) : NULL;

    json_decref(take(b->refusal));
    return api_json(&b->api,
                    &(struct api_call){.method = method,
                                       .url = url,
                                       .type = body ? "application/json" : NULL,
                                       .body = body,
                                       .fd = -1,
                                       .length = -1,
                                       .fine = fine},
                    err);
}

/* ---- folders ---- */

json_t *box_items(struct box *b, const char *folder, const char *marker, struct err *err)
{
    AUTO(str_done) struct str url = {0};

    str_addf(&url, "%s/2.0/folders/%s/items?usemarker=true&limit=%d&fields=%s", b->base, folder, PAGE, BOX_FIELDS);
    if (marker) {
        str_puts(&url, "&marker=");
        str_add_urlencoded(&url, marker, "");
    }
    json_t *items = box_call(b, "GET", url.s, NULL, NULL, err);
    if (items && !json_is_array(json_object_get(items, "entries"))) {
        json_decref(take(items));
        api_odd(&b->api, err, "a folder without entries");
    }
    return items;
}

const char *box_next_marker(const json_t *items)
{
    const char *next = jstr(items, "next_marker");

    return str_given(next) ? next : NULL;
}

/* Box's names differ in more than their case, so a name in another case is the same one. */
static json_t *pick(const json_t *items, const char *name, const char *type)
{
    json_t *item, *almost = NULL;
    size_t i;

    json_array_foreach (json_object_get(items, "entries"), i, item) {
        const char *other = jstr_or(item, "name", "");

        if (strcmp(jstr_or(item, "type", ""), type) != 0 || !box_is_id(jstr(item, "id")))
            continue;
        if (!strcmp(other, name))
            return json_incref(item);
        if (!strcasecmp(other, name))
            almost = item;
    }
    return json_incref(almost);
}

json_t *box_find(struct box *b, const char *folder, const char *name, const char *type, const char *shown,
                 struct err *err)
{
    AUTO(mem_free) char *marker = NULL;

    for (int page = 0; page < PAGES_MAX; page++) {
        AUTO(json_unref) json_t *items = box_items(b, folder, marker, err);
        json_t *item = items ? pick(items, name, type) : NULL;

        if (item || !items)
            return item;
        const char *next = box_next_marker(items);
        if (!next || (marker && !strcmp(marker, next)))
            break;
        free(marker);
        marker = mem_strdup(next);
    }
    remote_fail(b->api.job, REMOTE_NOT_FOUND, err, "Box has no '%.200s'", shown);
    return NULL;
}

static char *is_there(const struct box *b, struct err *err, const char *shown)
{
    const json_t *conflict = box_conflict(b);

    if (!strcmp(jstr_or(conflict, "type", ""), "folder"))
        return mem_strdup(jstr(conflict, "id"));
    remote_fail(b->api.job, REMOTE_FAILED, err, "'%.150s' can't be a folder: Box has a file of that name", shown);
    return NULL;
}

/* Made first and looked for then: one call, however much lies beside it, and two at once get the same one. */
static char *make_folder(struct box *b, const char *parent, const char *name, const char *shown, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/2.0/folders?fields=id", b->base);
    AUTO(json_unref)
    json_t *made =
        box_call(b, "POST", url, json_pack("{s:s,s:{s:s}}", "name", name, "parent", "id", parent), NULL, err);

    if (made && box_is_id(jstr(made, "id")))
        return mem_strdup(jstr(made, "id"));
    if (made)
        api_odd(&b->api, err, "a folder without an id");
    else if (box_conflict(b))
        return is_there(b, err, shown);
    else if (err->code == ERR_SERVER_403 || box_refused(b, "access_denied_insufficient_permissions")) {
        /* who may not make one may still write into one that is there */
        struct err ignored;
        AUTO(json_unref) json_t *found = box_find(b, parent, name, "folder", shown, &ignored);

        return found ? mem_strdup(jstr(found, "id")) : NULL;
    }
    return NULL;
}

static char *find_folder(struct box *b, const char *parent, const char *name, const char *shown, struct err *err)
{
    AUTO(json_unref) json_t *found = box_find(b, parent, name, "folder", shown, err);

    return found ? mem_strdup(jstr(found, "id")) : NULL;
}

char *box_folder(struct box *b, const char *path, bool make, struct err *err)
{
    AUTO(mem_free) char *id = mem_strdup(BOX_ROOT), *copy = mem_strdup(path);
    AUTO(str_done) struct str so_far = {0};
    char *rest = copy, *name;
    int deep = 0;

    while ((name = strsep(&rest, "/"))) {
        if (!*name)
            continue;
        str_addf(&so_far, "/%s", name);
        const char *known = jstr(b->folders, so_far.s);
        char *next = known               ? mem_strdup(known)
                     : ++deep > DEEP_MAX ? NULL
                                         : (make ? make_folder : find_folder)(b, id, name, so_far.s, err);

        if (!next && deep > DEEP_MAX)
            remote_fail(b->api.job, REMOTE_FAILED, err, "'%.150s' lies in more than %d folders", path, DEEP_MAX);
        if (!next)
            return NULL;
        free(id);
        id = next;
        jset(b->folders, so_far.s, id);
    }
    return take(id);
}
