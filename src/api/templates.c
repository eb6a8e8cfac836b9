/* /templates. Contract: api-resources.md 1. */
#include "api/builtin.h"
#include "api/call.h"
#include "api/cdn.h"
#include "api/routes.h"
#include "api/template_use.h"
#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_JSON_DEPTH 200

static void template_describe(json_t *o, const struct store_template *t, json_t *content)
{
    json_object_set_new(o, "id", json_string(t->id));
    json_object_set_new(o, "name", jstring(t->name));
    json_object_set_new(o, "require_signature_auth", json_integer(t->require_signature));
    json_object_set(o, "content", content);
}

/* For one: also under the names that old clients know. */
static void template_describe_one(struct call *c, const struct store_template *t, json_t *content)
{
    template_describe(c->body, t, content);
    json_object_set_new(c->body, "transcoding_result_expiry", json_null());
    json_object_set_new(c->body, "assembly_status_expiry", json_null());
    json_object_set_new(c->body, "template_id", json_string(t->id));
    json_object_set_new(c->body, "template_name", jstring(t->name));
    json_object_set(c->body, "template_content", content);
}

static int not_found(const char *name, struct err *err)
{
    return err_set(err, ERR_TEMPLATE_NOT_FOUND, "There is no Template '%.100s'", name);
}

static void describe_builtin(struct call *c, const struct builtin *b)
{
    AUTO(json_unref) json_t *content = builtin_content(b);
    struct store_template t = {.id = b->id, .name = b->id, .require_signature = b->require_signature};

    template_describe_one(c, &t, content);
    call_say(c, "The Template was found.");
}

int template_get(struct call *c, struct err *err)
{
    const char *name = http_path_arg(c->req, 0);
    AUTO(mem_free) char *id = mem_printf("builtin/%s", name);
    const struct builtin *b = str_starts(http_path(c->req), "/templates/builtin/") ? builtin_find(id) : NULL;
    struct store_template *row = NULL;

    if (b) {
        describe_builtin(c, b);
        return 0;
    }
    if (store_template_read(&row, c->app->reader, c->auth.key->workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND ? not_found(name, err) : -1;
    AUTO(json_unref) json_t *content = template_open(c->app->seal, row, err);
    if (content) {
        template_describe_one(c, row, content);
        call_say(c, "The Template was found.");
    }
    free(row);
    return content ? 0 : err_set(err, ERR_TEMPLATE_DB, "The Template could not be opened");
}

/* An object, or the text of one. */
static json_t *content_of(const json_t *given, struct err *err)
{
    json_t *content;

    if (json_is_string(given)) {
        struct err why;

        content = json_parse(json_string_value(given), json_string_length(given), MAX_JSON_DEPTH, &why);
        if (!content) {
            err_set(err, ERR_TEMPLATE_FIELD, "template is not JSON: %s", why.msg);
            return NULL;
        }
    } else {
        content = json_incref((json_t *)given);
    }
    if (json_is_object(content))
        return content;
    json_decref(content);
    err_set(err, ERR_TEMPLATE_VALIDATION, "template must be an object of Assembly Instructions");
    return NULL;
}

/* A Template is kept whatever its steps say, for they may be completed by a request; what looks wrong is told. */
static void warn(struct call *c, json_t *content)
{
    json_t *steps = json_object_get(content, "steps");
    AUTO(instructions_free) struct instructions *in = NULL;
    const char *bad_step = NULL;
    struct err why;

    if (!steps || instructions_parse(&in, steps, &bad_step, &why) == 0)
        return;
    AUTO(mem_free) char *all = mem_printf("%s%s%s: %s", err_name(&why), bad_step ? " in step " : "",
                                          bad_step ? bad_step : "", why.msg);
    json_object_set_new(c->body, "warnings", json_pack("[{s:s,s:o}]", "level", "warning", "msg", jstring(all)));
}

/* Before a create or an update: what the request says, checked; work gets {name, content} of what was given. */
int template_check(struct call *c, struct err *err)
{
    bool create = !strcmp(http_method(c->req), "POST");
    json_t *name = json_object_get(c->params, "name"), *given = json_object_get(c->params, "template");

    if (!name)
        name = json_object_get(c->params, "template_name");
    if (!given)
        given = json_object_get(c->params, "template_content");
    c->work = json_object();
    if (create || (name && !json_is_null(name))) {
        if (template_check_name(json_string_value(name), err) < 0)
            return -1;
        json_object_set(c->work, "name", name);
    }
    if (create || (given && !json_is_null(given))) {
        json_t *content = content_of(given, err);

        if (!content)
            return -1;
        json_object_set_new(c->work, "content", content);
        warn(c, content);
    }
    return 0;
}

/* The name is taken: for a caller that is a mistake in the request. */
static int template_taken(struct err *err)
{
    if (err->code == ERR_EXISTS)
        err->code = ERR_TEMPLATE_VALIDATION;
    return -1;
}

int template_create(struct call *c, struct store *store, struct err *err)
{
    char id[ID_LEN + 1];
    int64_t now = clock_now_us();
    json_t *content = json_object_get(c->work, "content");

    id_new(id);
    AUTO(mem_free) char *sealed = template_seal(c->app->seal, id, content);
    struct store_template t = {.id = id,
                               .workspace = c->auth.key->workspace,
                               .name = jstr(c->work, "name"),
                               .content = sealed,
                               .require_signature = call_flag(c, "require_signature_auth", false),
                               .created_us = now,
                               .modified_us = now};
    if (store_template_add(store, &t, err) < 0)
        return template_taken(err);
    template_describe_one(c, &t, content);
    call_say(c, "The Template was successfully created.");
    return 0;
}

int template_update(struct call *c, struct store *store, struct err *err)
{
    const char *which = http_path_arg(c->req, 0);
    struct store_template *row = NULL;
    int rc;

    if (store_template_get(&row, store, c->auth.key->workspace, which, err) < 0)
        return err->code == ERR_NOT_FOUND ? not_found(which, err) : -1;
    struct store_template t = *row;
    json_t *given = json_object_get(c->work, "content");
    AUTO(json_unref) json_t *content = given ? json_incref(given) : template_open(c->app->seal, row, err);
    AUTO(mem_free) char *sealed = given ? template_seal(c->app->seal, t.id, given) : NULL;

    t.name = jstr_or(c->work, "name", row->name);
    if (sealed)
        t.content = sealed;
    t.require_signature = call_flag(c, "require_signature_auth", row->require_signature);
    t.modified_us = clock_now_us();
    rc = content ? store_template_put(store, &t, err)
                 : err_set(err, ERR_TEMPLATE_DB, "The Template could not be opened");
    if (rc < 0) {
        template_taken(err);
    } else {
        template_describe_one(c, &t, content);
        call_say(c, "The Template was successfully updated.");
    }
    free(row);
    return rc;
}

int template_delete(struct call *c, struct store *store, struct err *err)
{
    const char *which = http_path_arg(c->req, 0), *workspace = c->auth.key->workspace;
    struct store_template *row = NULL;

    if (store_template_get(&row, store, workspace, which, err) < 0)
        return err->code == ERR_NOT_FOUND ? not_found(which, err) : -1;
    int rc = store_template_del(store, workspace, row->id, err);
    free(row);
    call_say(c, "The Template was successfully deleted.");
    return rc;
}

void template_changed(struct call *c) { cdn_forget(c->app->cdn); }

/* ---- the list ---- */

struct listing {
    struct call *c;
    json_t *items;
    const json_t *keywords; /* NULL: none */
    int64_t skip, max, count;
    int64_t searched; /* bytes of contents that were opened to look into them */
    bool by_name_only; /* from here on: that was enough */
    int64_t shown;     /* bytes of contents in the answer */
    struct err err;
};

#define WORDS_MAX 20
#define SEARCHED_MAX (32 << 20) /* what a search may open: a fraction of a second */
#define SHOWN_MAX (64 << 20)    /* contents in an answer */

/* Do all words occur in the name or in this text? */
static bool has_words(const struct listing *l, const char *name, const char *text)
{
    json_t *word;
    size_t i;

    json_array_foreach (l->keywords, i, word)
        if (json_is_string(word) && !strcasestr(name, json_string_value(word)) &&
            !strcasestr(text, json_string_value(word)))
            return false;
    return true;
}

/* Names first: what they have need not be opened. Contents are looked into as the text that was sealed. */
static bool wanted(struct listing *l, const struct store_template *t)
{
    struct err err;

    if (has_words(l, t->name, ""))
        return true;
    l->by_name_only |= l->searched >= SEARCHED_MAX;
    if (l->by_name_only)
        return false;
    AUTO(mem_free) char *text = NULL;
    l->searched += (int64_t)strlen(t->content);
    return template_unseal(&text, l->c->app->seal, t, &err) == 0 && has_words(l, t->name, text);
}

static int template_add_item(void *ctx, const struct store_template *t)
{
    struct listing *l = ctx;
    struct err err;

    if (l->keywords && (!wanted(l, t) || l->count++ < l->skip || l->count > l->skip + l->max))
        return 0;
    l->shown += (int64_t)strlen(t->content);
    if (l->shown > SHOWN_MAX)
        return err_set(&l->err, ERR_TEMPLATE_LIST,
                       "The Templates of this page have more than %d MB: ask for a smaller pagesize", SHOWN_MAX >> 20);
    AUTO(json_unref) json_t *content = template_open(l->c->app->seal, t, &err);
    json_t *o = json_object();
    template_describe(o, t, content);
    json_object_set_new(o, "encryption_version", json_integer(1));
    call_set_date(o, "last_used", t->last_used_us);
    call_set_date(o, "created", t->created_us);
    call_set_date(o, "modified", t->modified_us);
    json_array_append_new(l->items, o);
    return 0;
}

/* They come behind what the workspace has. */
static void add_builtins(struct listing *l, bool latest)
{
    const struct builtin *b;

    for (int i = 0; (b = builtin_at(i, latest)); i++) {
        if ((l->keywords && !has_words(l, b->id, b->content)) || l->count++ < l->skip || l->count > l->skip + l->max)
            continue;
        AUTO(json_unref) json_t *content = builtin_content(b);
        json_t *o = json_object();
        struct store_template t = {.id = b->id, .name = b->id, .require_signature = b->require_signature};
        template_describe(o, &t, content);
        json_object_set_new(o, "encryption_version", json_integer(1));
        json_object_set_new(o, "last_used", json_null());
        json_object_set_new(o, "created", json_null());
        json_object_set_new(o, "modified", json_null());
        json_object_set_new(o, "description", json_string(b->description));
        json_object_set_new(o, "builtin_version", json_string(b->version));
        json_array_append_new(l->items, o);
    }
}

static int check_words(const json_t *words, struct err *err)
{
    if (json_array_size(words) > WORDS_MAX)
        return err_set(err, ERR_TEMPLATE_LIST, "At most %d keywords", WORDS_MAX);
    return 0;
}

static int one_of(const char *what, const char *value, const char *const *list, struct err *err)
{
    for (; *list; list++)
        if (!strcmp(value, *list))
            return 0;
    return err_set(err, ERR_TEMPLATE_LIST, "%s can't be '%.100s'", what, value);
}

int templates_list(struct call *c, struct err *err)
{
    static const char *const sorts[] = {"id", "name", "created", "modified", NULL};
    static const char *const orders[] = {"desc", "asc", NULL};
    static const char *const builtins[] = {"none", "latest", "all", "exclusively-latest", "exclusively-all", NULL};
    const char *sort = call_text(c, "sort"), *order = call_text(c, "order"), *builtin = call_text(c, "include_builtin");
    struct store_page page = {.workspace = c->auth.key->workspace};
    struct listing l = {.c = c, .keywords = json_object_get(c->params, "keywords")};
    AUTO(json_unref) json_t *one_word = NULL;
    int64_t number, size;

    if (call_int(&number, c, "page", 1, 1, 1000000000, ERR_TEMPLATE_LIST, err) < 0 ||
        call_int(&size, c, "pagesize", 50, 1, 5000, ERR_TEMPLATE_LIST, err) < 0 ||
        one_of("sort", sort ? sort : "created", sorts, err) < 0 ||
        one_of("order", order ? order : "desc", orders, err) < 0 ||
        one_of("include_builtin", builtin ? builtin : "none", builtins, err) < 0 ||
        call_date(&page.from_us, c, "fromdate", INT64_MIN, false, ERR_TEMPLATE_LIST, err) < 0 ||
        call_date(&page.to_us, c, "todate", INT64_MAX, true, ERR_TEMPLATE_LIST, err) < 0)
        return -1;
    if (json_is_string(l.keywords))
        l.keywords = one_word = json_pack("[O]", l.keywords);
    if (l.keywords && !json_is_null(l.keywords) && !json_is_array(l.keywords))
        return err_set(err, ERR_TEMPLATE_LIST, "keywords must be a list of texts");
    if (check_words(l.keywords, err) < 0)
        return -1;
    if (!json_array_size(l.keywords))
        l.keywords = NULL;
    page.sort = sort ? sort : "created";
    page.descending = !order || !strcmp(order, "desc");
    l.skip = (number - 1) * size;
    l.max = size;
    /* words are looked for in what is sealed, so all are read then */
    page.skip = l.keywords ? 0 : l.skip;
    page.max = l.keywords ? -1 : size;
    l.items = json_array();
    json_object_set_new(c->body, "items", l.items);
    if (!builtin || !str_starts(builtin, "exclusively")) {
        if (store_templates(c->app->list_reader, &page, template_add_item, &l, err) < 0 ||
            (!l.keywords && store_template_count(&l.count, c->app->list_reader, &page, err) < 0))
            return -1;
        if (l.err.code) {
            *err = l.err;
            return -1;
        }
    }
    if (builtin && strcmp(builtin, "none") != 0 && page.from_us == INT64_MIN && page.to_us == INT64_MAX)
        add_builtins(&l, str_ends(builtin, "latest"));
    if (l.by_name_only)
        json_object_set_new(
            c->body, "warnings",
            json_pack("[{s:s,s:s}]", "level", "warning", "msg",
                      "There are too many Templates to look into all: the last ones were searched by name only"));
    json_object_set_new(c->body, "count", json_integer(l.count));
    return 0;
}
