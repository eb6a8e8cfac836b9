/* Signing in to Swift: Keystone's version 2 as Rackspace has it, and version 1 as Ceph has it. */
#include "transfer/swift.h"
#include "transfer/values.h"

#include <string.h>
#include <strings.h>

#define URL_MAX 1024

/* ---- what the identity service says ---- */

bool swift_is_storage(const char *url, const char *identity)
{
    const char *host = str_starts(url, "https://")  ? url + 8
                       : str_starts(url, "http://") ? url + 7
                                                    : "";

    /* a token that came by a closed line does not go out by an open one */
    return *host && *host != '/' && strlen(url) <= URL_MAX && !strpbrk(host, "?#@\\ \"<>") &&
           !value_has_control(host) &&
           (str_starts(url, "https://") || str_starts(identity, "http://"));
}

/* The address of a service in this region; with none, in that where it alone is. */
static const char *endpoint_of(const json_t *catalog, const char *type, const char *region)
{
    const char *only = NULL;
    json_t *service, *endpoint;
    size_t i, k;

    json_array_foreach (catalog, i, service) {
        if (strcmp(jstr_or(service, "type", ""), type) != 0)
            continue;
        json_array_foreach (json_object_get(service, "endpoints"), k, endpoint) {
            const char *url = jstr(endpoint, "publicURL");

            if (str_given(region) && url && !strcasecmp(jstr_or(endpoint, "region", ""), region))
                return url;
            if (!str_given(region) && only)
                return NULL;
            only = url;
        }
    }
    return str_given(region) ? NULL : only;
}

const char *swift_read_access(struct swift_access *out, const json_t *answer, const char *region)
{
    const json_t *access = json_object_get(answer, "access");
    const json_t *catalog = json_object_get(access, "serviceCatalog");

    if (!str_given(region))
        region = jstr(json_object_get(access, "user"), "RAX-AUTH:defaultRegion");
    out->token = jstr_or(json_object_get(access, "token"), "id", "");
    out->storage = endpoint_of(catalog, "object-store", region);
    out->cdn = endpoint_of(catalog, "rax:object-cdn", region);
    return !api_is_token(out->token) ? "it gives no token"
           : !out->storage             ? "its catalog has no object store in that data center"
                                       : NULL;
}

/* ---- signing in ---- */

/* Without slashes at the end. */
static const char *trimmed(const struct swift *w, const char *url)
{
    char *copy = arena_strdup(robot_arena(w->api.job), url);

    for (size_t n = strlen(copy); n && copy[n - 1] == '/';)
        copy[--n] = 0;
    return copy;
}

static int swift_accept(struct swift *w, const struct swift_access *access, struct err *err)
{
    if (!swift_is_storage(access->storage, w->identity))
        return api_odd(&w->api, err, "what it names is no address, or one by an open line");
    free(w->api.authorization);
    w->api.authorization = mem_strdup(access->token);
    if (!w->storage)
        w->storage = trimmed(w, access->storage);
    if (!w->cdn && access->cdn && swift_is_storage(access->cdn, w->identity))
        w->cdn = trimmed(w, access->cdn);
    return 0;
}

/* Whoever asks for a token has none. */
static struct api asking(const struct swift *w)
{
    return (struct api){.job = w->api.job,
                        .client = w->api.client,
                        .service = w->api.service,
                        .secret = w->place->key};
}

static int sign_in_old(struct swift *w, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    AUTO(mem_free) char *user = mem_printf("X-Auth-User: %s", w->place->user);
    AUTO(mem_free) char *key = mem_printf("X-Auth-Key: %s", w->place->key);
    struct api a = asking(w);

    if (api_run(&r, &a,
                &(struct api_call){.method = "GET",
                                   .url = w->identity,
                                   .headers = (const char *[]){user, key, NULL},
                                   .fd = -1,
                                   .length = -1,
                                   .anonymous = true},
                err) < 0)
        return -1;
    AUTO(mem_free) char *token = http_client_header(&r, "x-auth-token");
    AUTO(mem_free) char *storage = http_client_header(&r, "x-storage-url");
    if (!token || !api_is_token(token) || !storage)
        return api_odd(&w->api, err, "it gives no token or no address");
    return swift_accept(w, &(struct swift_access){token, storage, NULL}, err);
}

static int sign_in_new(struct swift *w, struct err *err)
{
    AUTO(json_unref)
    json_t *who = json_pack("{s:{s:{s:o,s:o}}}", "auth", "RAX-KSKEY:apiKeyCredentials", "username",
                            jstring(w->place->user), "apiKey", jstring(w->place->key));
    AUTO(mem_free) char *body = json_text(who);
    AUTO(mem_free) char *url = mem_printf("%s/tokens", w->identity);
    struct api a = asking(w);
    struct swift_access access;

    AUTO(json_unref)
    json_t *answer =
        api_json(&a,
                 &(struct api_call){.method = "POST",
                                    .url = url,
                                    .headers = (const char *[]){"Accept: application/json", NULL},
                                    .type = "application/json",
                                    .body = body,
                                    .fd = -1,
                                    .length = -1,
                                    .anonymous = true},
                 err);
    if (!answer)
        return -1;
    const char *wrong = swift_read_access(&access, answer, w->place->data_center);
    return wrong ? api_odd(&w->api, err, wrong) : swift_accept(w, &access, err);
}

static int swift_sign_in(struct api *a, struct err *err)
{
    struct swift *w = a->ctx;

    return w->old ? sign_in_old(w, err) : sign_in_new(w, err);
}

int swift_open(struct swift *w, struct robot_job *job, const struct swift_place *p, struct err *err)
{
    const char *usual = p->account_type == SWIFT_UK
                            ? "https://lon.identity.api.rackspacecloud.com/v2.0"
                            : "https://identity.api.rackspacecloud.com/v2.0";
    const char *identity = remote_endpoint(job, "rackspace", usual);
    bool old = str_ends(identity, "/v1.0") || str_ends(identity, "/auth/v1"),
         named = old || str_ends(identity, "/v2.0");

    *w = (struct swift){.place = p, .old = old};
    if (!str_given(p->user) || !str_given(p->key) || !str_given(p->container)) {
        err_set(err, ERR_ROBOT_VALIDATION, "the stored credentials lack user, key or container");
        robot_code(err->name, robot_of_job(job), "VALIDATION");
        return -1;
    }
    w->identity = named ? identity : arena_printf(robot_arena(job), "%s/v2.0", identity);
    w->api = (struct api){.job = job,
                          .client = http_client_new(),
                          .service = "Cloud Files",
                          .header = "X-Auth-Token",
                          .secret = p->key,
                          .sign_in = swift_sign_in,
                          .ctx = w};
    return swift_sign_in(&w->api, err);
}

char *swift_url(const struct swift *w, const char *container, const char *name)
{
    struct str url = {0};

    str_addf(&url, "%s/", w->storage);
    str_add_urlencoded(&url, container, "");
    if (name) {
        str_putc(&url, '/');
        str_add_urlencoded(&url, name, "/");
    }
    return str_take(&url);
}
