#include "assembly/credentials.h"
#include "base/near.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct credential_type credential_types[] = {
    {"ai", NULL, NULL, false, NULL},
    {"azure", "account key container", "", true, NULL},
    {"backblaze", "bucket app_key_id app_key", "", true, NULL},
    {"box",
     "key_file_contents|client_id client_secret refresh_token|client_id client_secret enterprise_id|"
     "client_id client_secret user_id|access_token",
     "enterprise_id user_id access_token", true, NULL, "/box/store"},
    {"cloudflare", "bucket host key secret", "", true, NULL},
    {"companion", "provider key secret", "", true, NULL},
    {"digitalocean", "space region key secret", "", true, NULL},
    {"dropbox", NULL, NULL, true, NULL},
    {"ftp", "host user password", "port secure", true, NULL},
    {"google", "project_id client_email private_key", "bucket", false, NULL},
    {"http", "headers", "", false, NULL},
    {"mega", NULL, NULL, true, NULL},
    {"minio", "bucket host key secret", "", true, NULL},
    {"rackspace", "account_type data_center container user key", "", true, NULL},
    {"s3", "bucket key secret", "bucket_region host", true, NULL},
    /* the first set is what forms ask for: the key is the server's then */
    {"sftp", "host port user public_key|host user private_key|host user password", "passphrase host_key", true,
     NULL},
    {"supabase", "bucket host bucket_region key secret", "", true, NULL},
    {"swift", "bucket host key secret", "", true, NULL},
    {"tigris", "bucket host key secret", "", true, NULL},
    {"vimeo", NULL, NULL, true, NULL},
    /* the first set is what forms ask for, the others what the Robots take */
    {"wasabi", "host user password|bucket region key secret|bucket host key secret", "bucket", true,
     "user=key password=secret region=bucket_region"},
    {"youtube", NULL, NULL, true, NULL},
    {0},
};

static const struct credential_type *find_type(const char *name)
{
    for (const struct credential_type *t = credential_types; t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

bool credential_type_exists(const char *type) { return find_type(type) != NULL; }

static bool is_given(const json_t *v)
{
    return json_is_string(v) ? json_string_length(v) > 0 : v && !json_is_null(v);
}

const struct robot *credential_renewer(const char *type, const json_t *content)
{
    const struct credential_type *t = find_type(type);

    return t && t->renewer && is_given(json_object_get(content, "refresh_token")) ? robot_find(t->renewer) : NULL;
}

/* One way to sign in, or nobody could say which counts. */
static int check_renewed(const json_t *content, enum err_code code, struct err *err)
{
    static const char *const others[] = {"key_file_contents", "access_token", "enterprise_id", "user_id"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (is_given(json_object_get(content, others[i])))
            return err_set(err, code, "Credentials of type box sign in by 'refresh_token' or by '%s', not by both",
                           others[i]);
    if (!is_given(json_object_get(content, "client_id")) || !is_given(json_object_get(content, "client_secret")))
        return err_set(err, code,
                       "Credentials of type box need 'client_id' and 'client_secret' beside 'refresh_token'");
    return 0;
}

/* The first key of the list that is missing, the caller's to free; NULL: none is. */
static char *missing(const json_t *content, const char *list)
{
    AUTO(mem_free) char *copy = mem_strdup(list);
    char *rest = copy, *key;

    while ((key = strsep(&rest, " ")))
        if (!is_given(json_object_get(content, key)))
            return mem_strdup(key);
    return NULL;
}

/* `headers` is the text of a list or an object. */
static json_t *headers_of(const json_t *v)
{
    struct err err;

    if (json_is_object(v) || json_is_array(v))
        return json_incref((json_t *)v);
    if (!json_is_string(v))
        return NULL;
    json_t *parsed = json_parse(json_string_value(v), json_string_length(v), 4, &err);
    if (json_is_object(parsed) || json_is_array(parsed))
        return parsed;
    json_decref(parsed);
    return NULL;
}

int credential_check(const char *type, const json_t *content, enum err_code code, struct err *err)
{
    const struct credential_type *t = find_type(type);
    AUTO(mem_free) char *lacks = NULL;

    if (!t) {
        struct near near = near_to(type);

        for (const struct credential_type *one = credential_types; one->name; one++)
            near_try(&near, one->name);
        err_set(err, code, "There is no type of credentials '%.60s'", type);
        return near_say(err, &near, "");
    }
    if (!json_is_object(content))
        return err_set(err, code, "content must be an object");
    if (!t->required)
        return 0;
    if (credential_renewer(type, content))
        return check_renewed(content, code, err);
    AUTO(mem_free) char *sets = mem_strdup(t->required);
    char *rest = sets, *set;
    while ((set = strsep(&rest, "|"))) {
        char *key = missing(content, set);

        if (!key) {
            json_t *headers = !strcmp(type, "http") ? headers_of(json_object_get(content, "headers")) : NULL;
            bool bad = !strcmp(type, "http") && !headers;

            json_decref(headers);
            return bad ? err_set(err, code, "headers must be the JSON text of a list or an object") : 0;
        }
        if (!lacks)
            lacks = key;
        else
            free(key);
    }
    return err_set(err, code, "Credentials of type %s need '%s' in their content", type, lacks);
}

/* May the Robot take credentials of this type? One of a storage service takes only those of its own. */
static bool goes_with(const struct credential_type *t, const struct robot *robot)
{
    return robot->credentials ? !strcmp(robot->credentials, t->name) : !t->bound;
}

static bool has_option(const struct robot *robot, const char *name)
{
    const struct option *o = option_find(robot->options, name);

    return o && !o->unsupported;
}

/* The parameter that a key of the content becomes, the caller's to free. */
static char *parameter_of(const struct credential_type *t, const struct robot *robot, const char *key)
{
    AUTO(mem_free) char *copy = mem_strdup(t->renamed ? t->renamed : "");
    char *rest = copy, *pair;

    while (!has_option(robot, key) && (pair = strsep(&rest, " "))) {
        char *eq = strchr(pair, '=');

        if (eq && (size_t)(eq - pair) == strlen(key) && !strncmp(pair, key, strlen(key)))
            return mem_strdup(eq + 1);
    }
    return mem_strdup(key);
}

/* The name of a header line, or of a member of a map, in *len bytes. */
static bool line_has(const char *line, const char *name, size_t len)
{
    return strcspn(line, ":") == len && !strncasecmp(line, name, len);
}

/* Do these headers, in any form that headers of type http have, hold this name? */
static bool headers_have(const json_t *headers, const char *name, size_t len)
{
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach ((json_t *)headers, key, v)
        if (line_has(key, name, len))
            return true;
    json_array_foreach (headers, i, v)
        if (json_is_string(v) ? line_has(json_string_value(v), name, len)
                              : json_is_object(v) && headers_have(v, name, len))
            return true;
    return false;
}

static void add_stored(json_t *out, const json_t *stored, const json_t *given)
{
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach ((json_t *)stored, key, v)
        if (!headers_have(given, key, strlen(key)))
            json_array_append_new(out, json_pack("{s:O}", key, v));
    json_array_foreach (stored, i, v)
        if (json_is_object(v))
            add_stored(out, v, given);
        else if (!json_is_string(v) || !headers_have(given, json_string_value(v), strcspn(json_string_value(v), ":")))
            json_array_append(out, v);
}

/* The stored headers and those of the step, which win over others of the same name: who names stored credentials wants
 * them, and clients write out `headers` when there are none. What can't be read is left, to be
 * refused. */
static void join_headers(json_t *params, const json_t *stored)
{
    const json_t *own = json_object_get(params, "headers");
    json_t *given = headers_of(own);

    if (!given && is_given(own))
        return;
    AUTO(json_unref) json_t *out = json_array();
    add_stored(out, stored, given);
    if (json_is_array(given))
        json_array_extend(out, given);
    else if (given)
        json_array_append(out, given);
    json_decref(given);
    json_object_set(params, "headers", out);
}

int credential_inject(json_t *params, const struct robot *robot, const char *name, const char *type,
                      const json_t *content, struct err *err)
{
    const struct credential_type *t = find_type(type);
    const char *key;
    json_t *v;

    if (!t || !goes_with(t, robot))
        return err_set(err, ERR_CREDENTIALS, "The credentials '%.100s' are of type %s, which %s can't use", name, type,
                       robot->name);
    json_object_foreach ((json_t *)content, key, v) {
        AUTO(mem_free) char *to = parameter_of(t, robot, key);
        json_t *headers = !strcmp(type, "http") && !strcmp(key, "headers") ? headers_of(v) : NULL;

        if (headers && has_option(robot, to))
            join_headers(params, headers);
        else if (has_option(robot, to) && !json_object_get(params, to))
            json_object_set(params, to, v);
        json_decref(headers);
    }
    const struct option *row = option_find(robot->options, "credentials");
    if (row && row->required) /* it must be given, and it was */
        json_object_set_new(params, "credentials", jstring(name));
    else
        json_object_del(params, "credentials");
    return 0;
}

/* A word of a list that separates them by spaces, | or =. */
static bool next_word(const char **at, char *word, size_t size)
{
    size_t n;

    *at += strspn(*at, " |=");
    if (!(n = strcspn(*at, " |=")))
        return false;
    snprintf(word, size, "%.*s", (int)n, *at);
    *at += n;
    return true;
}

static bool is_parameter(const struct credential_type *t, const char *key)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if (goes_with(t, *r) && has_option(*r, key))
            return true;
    return false;
}

int credential_check_keys(const char *type, const json_t *content, enum err_code code, struct err *err)
{
    const struct credential_type *t = find_type(type);
    const char *key;
    char word[64];
    json_t *v;

    if (!t || !t->required)
        return 0;
    json_object_foreach ((json_t *)content, key, v) {
        struct near near = near_to(key);
        bool known = is_parameter(t, key);
        const char *const lists[] = {t->required, t->optional ? t->optional : "", t->renamed ? t->renamed : ""};

        for (size_t i = 0; i < ARRAY_LEN(lists); i++)
            for (const char *at = lists[i]; next_word(&at, word, sizeof word);) {
                struct near one = near_to(key);

                known |= !strcmp(word, key);
                near_try(&one, word);
                if (one.name && (!near.name || one.distance < near.distance)) {
                    near.name = at - strlen(word); /* in the list: word changes */
                    near.distance = one.distance;
                }
            }
        if (known)
            continue;
        if (!near.name)
            return err_set(err, code, "credentials of type %s know no '%.60s'", type, key);
        return err_set(err, code, "credentials of type %s know no '%.60s'; did you mean '%.*s'?", type, key,
                       (int)strcspn(near.name, " |="), near.name);
    }
    return 0;
}
