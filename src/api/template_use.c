/* What an Assembly makes of a Template. Contract: api-instructions.md 3. */
#include "api/template_use.h"
#include "api/app.h"
#include "api/builtin.h"
#include "base/secret.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define MAX_JSON_DEPTH 200
#define MAX_NAME 60

static char *seal_context(const char *id) { return mem_printf("template/%s", id); }

char *template_seal(const struct seal_key *key, const char *id, const json_t *content)
{
    AUTO(mem_free) char *text = json_text(content);
    AUTO(mem_free) char *context = seal_context(id);

    return seal(key, context, text);
}

int template_unseal(char **text, const struct seal_key *key, const struct store_template *t, struct err *err)
{
    AUTO(mem_free) char *context = seal_context(t->id);

    return unseal(text, key, context, t->content, err);
}

json_t *template_open(const struct seal_key *key, const struct store_template *t, struct err *err)
{
    AUTO(mem_free) char *text = NULL;

    if (template_unseal(&text, key, t, err) < 0)
        return NULL;
    return json_parse(text, strlen(text), MAX_JSON_DEPTH, err);
}

void template_use_free(struct template_use *t)
{
    if (!t)
        return;
    json_decref(t->content);
    free(t->name);
    free(t);
}

static struct template_use *use_builtin(const struct builtin *b)
{
    struct template_use *t = mem_zalloc(sizeof *t);

    snprintf(t->id, sizeof t->id, "%s", b->id);
    t->name = mem_strdup(b->id);
    t->content = builtin_content(b);
    t->require_signature = b->require_signature;
    return t;
}

int template_load(struct template_use **out, struct app *app, const char *workspace, const char *id_or_name,
                  struct err *err)
{
    struct store_template *row = NULL;
    struct err why;

    if (!id_or_name)
        return err_set(err, ERR_TEMPLATE_NOT_FOUND, "template_id is not a text");
    const struct builtin *b = builtin_find(id_or_name);
    if (b) {
        *out = use_builtin(b);
        return 0;
    }
    if (store_template_read(&row, app->reader, workspace, id_or_name, &why) < 0)
        return why.code == ERR_NOT_FOUND ? err_set(err, ERR_TEMPLATE_NOT_FOUND, "%s", why.msg)
                                         : err_set(err, ERR_TEMPLATE_DB, "The Template could not be read");
    json_t *content = template_open(app->seal, row, &why);
    if (!content) {
        free(row);
        return err_set(err, ERR_TEMPLATE_DB, "The Template could not be opened: %s", why.msg);
    }
    struct template_use *t = mem_zalloc(sizeof *t);
    snprintf(t->id, sizeof t->id, "%s", row->id);
    t->name = mem_strdup(row->name);
    t->content = content;
    t->require_signature = row->require_signature;
    t->modified_us = row->modified_us;
    free(row);
    *out = t;
    return 0;
}

bool template_is_final(const struct template_use *t)
{
    const json_t *v = json_object_get(t->content, "allow_steps_override");
    const char *s = json_string_value(v);

    return json_is_false(v) || (s && !strcmp(s, "false"));
}

/* Objects key by key, lists member by member, anything else replaced; `use` always as a whole. */
json_t *params_merge(json_t *base, json_t *over)
{
    const char *key;
    json_t *v, *out;
    size_t i;

    if (json_is_object(base) && json_is_object(over)) {
        out = json_copy(base);
        json_object_foreach (over, key, v) {
            json_t *below = json_object_get(base, key);

            json_object_set_new(out, key, below && strcmp(key, "use") ? params_merge(below, v) : json_incref(v));
        }
        return out;
    }
    if (json_is_array(base) && json_is_array(over)) {
        out = json_copy(base);
        json_array_foreach (over, i, v) {
            if (i < json_array_size(base))
                json_array_set_new(out, i, params_merge(json_array_get(base, i), v));
            else
                json_array_append(out, v);
        }
        return out;
    }
    return json_incref(over);
}

int template_merge(json_t **merged, const struct template_use *t, const json_t *params, struct err *err)
{
    const json_t *steps = json_object_get(params, "steps");
    AUTO(json_unref) json_t *over = json_copy((json_t *)params);
    const char *key;
    json_t *v;

    if (steps && !json_is_null(steps) && template_is_final(t))
        return err_set(err, ERR_TEMPLATE_DENIES, "The Template '%.100s' does not allow its steps to be overridden",
                       t->name);
    json_object_foreach ((json_t *)params, key, v)
        if (json_is_null(v) && json_object_get(t->content, key))
            json_object_del(over, key); /* at the top a null overrides nothing */
    *merged = params_merge(t->content, over);
    return 0;
}

int template_check_name(const char *name, struct err *err)
{
    size_t n = name ? strlen(name) : 0;

    if (!n || n > MAX_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return err_set(err, ERR_TEMPLATE_VALIDATION,
                       "name must have 1 to %d characters: lower-case letters, digits and dashes", MAX_NAME);
    return 0;
}
