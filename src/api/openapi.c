/* OpenAPI 3.1, from the route table: who may, what goes in, what comes out. What no row knows (schemas, and addresses
 * that are served without a row) is in openapi.json. */
#include "api/openapi.h"
#include "api/app.h"
#include "http/reply.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

extern const char openapi_base[]; /* openapi.json */

static json_t *ref(const char *kind, const char *name)
{
    AUTO(mem_free) char *path = mem_printf("#/components/%s/%s", kind, name);

    return json_pack("{s:s}", "$ref", path);
}

static bool is_tus(const struct route *r) { return str_starts(r->pattern, "/resumable/"); }

/* "/templates/{name}" as it is; what * stands for gets a name. */
static char *path_of(const struct route *r)
{
    size_t len = strlen(r->pattern);

    return r->pattern[len - 1] == '*' ? mem_printf("%.*s{path}", (int)(len - 1), r->pattern) : mem_strdup(r->pattern);
}

static json_t *parameter(const char *in, const char *name, bool required, json_t *schema)
{
    return json_pack("{s:s,s:s,s:b,s:o}", "name", name, "in", in, "required", required, "schema", schema);
}

static void add_path_parameters(json_t *list, const char *path)
{
    for (const char *at = path; (at = strchr(at, '{')); at++) {
        AUTO(mem_free) char *name = mem_strndup(at + 1, strcspn(at + 1, "}"));

        json_array_append_new(
            list, parameter("path", name, true,
                            !strcmp(name, "id") ? ref("schemas", "Id") : json_pack("{s:s}", "type", "string")));
    }
}

/* GET has them in its query, the others in the body. */
static void add_params(json_t *op, json_t *parameters, const struct route *r)
{
    const char *takes = r->about.takes ? r->about.takes : "Params";

    if (!strcmp(r->method, "GET")) {
        json_array_append_new(parameters,
                              json_pack("{s:s,s:s,s:b,s:{s:{s:o}}}", "name", "params", "in", "query", "required", 0,
                                        "content", "application/json", "schema", ref("schemas", takes)));
        json_array_append_new(parameters, parameter("query", "signature", false, json_pack("{s:s}", "type", "string")));
        return;
    }
    json_t *form = json_pack("{s:s,s:{s:{s:s,s:s,s:o},s:{s:s}}}", "type", "object", "properties", "params", "type",
                             "string", "contentMediaType", "application/json", "contentSchema", ref("schemas", takes),
                             "signature", "type", "string");
    if (r->need == AUTH_CREATE) /* files, and fields by any name */
        json_object_set_new(json_object_get(form, "properties"), "num_expected_upload_files",
                            json_pack("{s:s,s:i}", "type", "integer", "minimum", 0));
    else
        json_object_set_new(form, "additionalProperties", json_true());
    json_object_set_new(op, "requestBody",
                        json_pack("{s:{s:{s:O},s:{s:o}}}", "content", "multipart/form-data", "schema", form,
                                  "application/x-www-form-urlencoded", "schema", form));
}

static json_t *security_of(const struct route *r)
{
    AUTO(json_unref) json_t *scopes = json_array();

    if (!strcmp(r->pattern, "/token"))
        return json_pack("[{s:[]}]", "basic");
    if (r->scope)
        json_array_append_new(scopes, json_string(r->scope));
    if (r->need == AUTH_SIGNED)
        return json_pack("[{s:O},{s:O}]", "signature", scopes, "bearer", scopes);
    return r->need == AUTH_CREATE || r->need == AUTH_CANCEL
               ? json_pack("[{},{s:O},{s:O}]", "signature", scopes, "bearer", scopes)
               : json_pack("[{}]");
}

static json_t *answer_schema(const struct route *r)
{
    json_t *schema = ref("schemas", r->about.answer);

    if (r->ok)
        json_object_set_new(schema, "properties", json_pack("{s:{s:s}}", "ok", "const", r->ok));
    if (r->need == AUTH_CREATE)
        return json_pack("{s:[o,o]}", "anyOf", schema, ref("schemas", "QuietStatus"));
    return schema;
}

static json_t *good_answer(const struct route *r)
{
    json_t *answer = json_pack("{s:s}", "description", "It went well.");

    if (r->about.answer) {
        json_t *content = json_pack("{s:{s:o}}", "application/json", "schema", answer_schema(r));

        if (!strcmp(r->method, "GET") && str_starts(r->pattern, "/assemblies/{id}")) /* ?callback= */
            json_object_set_new(content, "application/javascript", json_pack("{s:{s:s}}", "schema", "type", "string"));
        json_object_set_new(answer, "content", content);
    }
    return answer;
}

static json_t *bad_answer(const struct route *r)
{
    /* the Assembly may exist already, and is what tells how it failed */
    if (r->about.answer && !strcmp(r->about.answer, "AssemblyStatus"))
        return json_pack("{s:s,s:{s:{s:{s:[o,o]}}}}", "description", "It was refused, or the Assembly has failed.",
                         "content", "application/json", "schema", "anyOf", ref("schemas", "Error"),
                         ref("schemas", "AssemblyStatus"));
    return ref("responses", is_tus(r) ? "TusError" : "Error");
}

static void add_answer(json_t *answers, const struct route *r, int status)
{
    bool is_bad =
        status >= 400 || (status == 302 && r->need == AUTH_CREATE); /* redirect_url: also when it was refused */
    char key[12];

    snprintf(key, sizeof key, "%d", status);
    if (!json_object_get(answers, key))
        json_object_set_new(answers, key, is_bad ? bad_answer(r) : good_answer(r));
}

static json_t *answers_of(const struct route *r)
{
    static const int signed_ones[] = {400, 401, 403, 413, 500, 503};
    json_t *answers = json_object();
    char *end;

    if (!is_tus(r) || !r->about.also || strtol(r->about.also, NULL, 10) >= 400)
        add_answer(answers, r, 200);
    for (const char *at = r->about.also; at && *at; at = end)
        add_answer(answers, r, (int)strtol(at, &end, 10));
    for (size_t i = 0; i < ARRAY_LEN(signed_ones) && r->need != AUTH_NONE && r->need != AUTH_CANCEL; i++)
        add_answer(answers, r, signed_ones[i]);
    if (strchr(r->pattern, '{') || r->need == AUTH_CREATE) /* a Template, for one */
        add_answer(answers, r, 404);
    if (r->write || r->need == AUTH_CREATE)
        add_answer(answers, r, 507); /* the disk is full */
    add_answer(answers, r, 414); /* too many parts in a query */
    if (r->costly)
        add_answer(answers, r, 429);
    if (!is_tus(r)) {
        add_answer(answers, r, 400); /* a malformed percent escape */
        add_answer(answers, r, 503);
    }
    return answers;
}

/* What the row says, without what it means for OpenAPI's own words. */
static const char *const needs[] = {"none", "create", "signed", "cancel"};

static json_t *operation(const struct route *r, const char *path)
{
    AUTO(json_unref) json_t *parameters = json_array();
    AUTO(mem_free) char *id = mem_printf("%s%s", r->method, path);
    size_t n = 0;

    assert(r->about.tag && r->about.summary);
    for (const char *c = id; *c; c++) { /* "GET/templates/{name}": GET_templates_name */
        if (strchr("{}", *c))
            continue;
        id[n++] = strchr("/.", *c) ? '_' : *c;
    }
    id[n] = 0;
    json_t *op = json_pack("{s:[s],s:s,s:s,s:o,s:o}", "tags", r->about.tag, "summary", r->about.summary, "operationId",
                           id, "security", security_of(r), "responses", answers_of(r));
    json_object_set_new(op, "x-need", json_string(needs[r->need]));
    add_path_parameters(parameters, path);
    if (r->need != AUTH_NONE)
        add_params(op, parameters, r);
    if (json_array_size(parameters))
        json_object_set(op, "parameters", parameters);
    return op;
}

char *openapi_text(const struct route *r, size_t count, const char *base_url)
{
    AUTO(json_unref) json_t *doc = json_loads(openapi_base, 0, NULL);
    json_t *paths = json_object_get(doc, "paths");

    if (base_url)
        json_object_set_new(doc, "servers", json_pack("[{s:s}]", "url", base_url));
    for (size_t i = 0; i < count; i++, r++) {
        AUTO(mem_free) char *path = path_of(r), *method = mem_strdup(r->method);

        if (*path != '/' || !r->about.summary) /* any address: said once for all, in the description */
            continue;
        for (char *c = method; *c; c++)
            *c = (char)(*c - 'A' + 'a');
        if (!json_object_get(paths, path))
            json_object_set_new(paths, path, json_object());
        json_object_set_new(json_object_get(paths, path), method, operation(r, path));
    }
    return json_text(doc);
}

/* Nothing of it changes while the process lives, but the address by which the client reached us. There are few such
 * addresses, unless a client makes them up: then the address is "/", which is right as well. So nobody who asks and
 * does not read takes any memory. */
#define ADDRESSES 8
static struct {
    pthread_mutex_t lock;
    char *base[ADDRESSES + 1], *text[ADDRESSES + 1]; /* the last: of "/" */
    size_t len[ADDRESSES + 1];
} whole = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int text_for(const char *base, const struct route *routes, size_t count) /* under the lock */
{
    int i = 0;

    while (i < ADDRESSES && whole.base[i] && strcmp(whole.base[i], base))
        i++;
    if (!whole.text[i]) {
        whole.base[i] = mem_strdup(i < ADDRESSES ? base : "/");
        whole.text[i] = openapi_text(routes, count, whole.base[i]);
        whole.len[i] = strlen(whole.text[i]);
    }
    return i;
}

void openapi_answer(struct http_request *req, const struct route *routes, size_t count)
{
    AUTO(mem_free) char *base = app_base_url(req);

    pthread_mutex_lock(&whole.lock);
    int i = text_for(base, routes, count);
    pthread_mutex_unlock(&whole.lock);
    reply_json_shared(req, whole.text[i], whole.len[i]); /* what is there is not changed any more */
}
