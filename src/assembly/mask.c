/* What must not be shown of params. */
#include "assembly/mask.h"
#include "robot/robot.h"

#include <string.h>
#include <strings.h>

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcasecmp(name, *list))
            return true;
    return false;
}

static bool is_secret_header(const char *name, size_t len)
{
    static const char *const words[] = {"authorization", "cookie", "api-key", "apikey", "token", "secret", "password"};
    AUTO(mem_free) char *copy = mem_strndup(name, len);

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(copy, words[i]))
            return true;
    return false;
}

/* {"Name": "value"}, ["Name: value"] and [{"Name": "value"}]. */
static void mask_headers(json_t *v)
{
    const char *name;
    json_t *item;
    size_t i;

    json_object_foreach (v, name, item)
        if (is_secret_header(name, strlen(name)))
            json_object_set_new(v, name, json_string("****"));
    json_array_foreach (v, i, item) {
        const char *line = json_string_value(item);
        size_t n = line ? strcspn(line, ": ") : 0;

        if (n && is_secret_header(line, n)) {
            AUTO(mem_free) char *text = mem_printf("%.*s: ****", (int)n, line);

            json_array_set_new(v, i, jstring(text));
        } else if (json_is_object(item)) {
            mask_headers(item);
        }
    }
}

/* "https://user:password@host/" without the password; NULL: there is none in it. */
static json_t *without_password(const char *text)
{
    const char *from = text ? strstr(text, "://") : NULL;
    size_t n = from ? strcspn(from + 3, "/?# ") : 0;
    const char *at = n ? memrchr(from + 3, '@', n) : NULL,
               *colon = at ? memchr(from + 3, ':', (size_t)(at - from - 3)) : NULL;

    if (!colon)
        return NULL;
    AUTO(mem_free) char *masked = mem_printf("%.*s:****%s", (int)(colon - text), text, at);
    return jstring(masked);
}

/* At any depth. top: these are the members of a step, where `key` is one half of a pair of secrets. */
static void mask_in(json_t *v, bool top)
{
    /* of Robots that are not here, and of what lies deeper; a Robot's own are told by its table */
    static const char *const secrets[] = {
        "secret", "password", "passphrase", "session_token", "access_token", "private_key", "app_key", "api_key",
        "secret_key", "token", "openai_api_key", "anthropic_api_key", "google_generative_ai_api_key", "xai_api_key",
        "deepseek_api_key", "key_file_contents", "refresh_token", "input_passwords", "output_password", NULL};
    const char *name;
    json_t *item, *masked;
    size_t i;

    json_object_foreach (v, name, item) {
        if (is_one_of(name, secrets) || (top && !strcmp(name, "key"))) {
            json_object_set_new(v, name, json_string("****"));
            continue;
        }
        /* as JSON text: not worth taking apart */
        if (!strcmp(name, "headers") && json_is_string(item) &&
            is_secret_header(json_string_value(item), json_string_length(item))) {
            json_object_set_new(v, name, json_string("****"));
            continue;
        }
        if (!strcmp(name, "headers"))
            mask_headers(item);
        if ((masked = without_password(json_string_value(item))))
            json_object_set_new(v, name, masked);
        else
            mask_in(item, false);
    }
    json_array_foreach (v, i, item)
        if ((masked = without_password(json_string_value(item))))
            json_array_set_new(v, i, masked);
        else
            mask_in(item, false);
}

/* What the Robot's own rows say is secret, whatever it is called. */
static void mask_by_table(json_t *step)
{
    const struct robot *robot = robot_find(jstr_or(step, "robot", ""));
    const struct option *o;

    if (!robot)
        return;
    for (struct opt_walk w = opt_walk(robot->options); (o = opt_next(&w));)
        if (o->secret && json_object_get(step, o->name))
            json_object_set_new(step, o->name, json_string("****"));
}

void instructions_mask(json_t *params)
{
    json_t *auth = json_object_get(params, "auth"), *step;
    const char *name;

    if (json_is_object(auth)) {
        if (json_object_get(auth, "key"))
            json_object_set_new(auth, "key", json_string("****"));
        json_object_del(auth, "secret");
    }
    json_object_foreach (json_object_get(params, "steps"), name, step) {
        mask_by_table(step);
        mask_in(step, true);
    }
}

char *instructions_masked(const json_t *params)
{
    AUTO(json_unref) json_t *copy = json_deep_copy(params);

    instructions_mask(copy);
    return json_text(copy);
}
