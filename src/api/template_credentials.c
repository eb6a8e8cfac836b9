/* /template_credentials. Contract: api-resources.md 2. The content is sealed wherever it lies. */
#include "api/call.h"
#include "api/credential_trial.h"
#include "api/routes.h"
#include "assembly/credentials.h"
#include "base/clock.h"
#include "base/id.h"
#include "store/store.h"

#include <string.h>

#define PAGE 50
#define MAX_NAME 255

static char *seal_content(struct call *c, const char *name, const json_t *content)
{
    AUTO(mem_free) char *text = json_text(content);
    AUTO(mem_free) char *context = mem_printf("%s/%s", c->auth.key->workspace, name);

    return seal(c->app->seal, context, text);
}

static json_t *open_content(struct call *c, const struct store_credential *row, struct err *err)
{
    AUTO(mem_free) char *context = mem_printf("%s/%s", row->workspace, row->name);
    AUTO(mem_free) char *text = NULL;

    return unseal(&text, c->app->seal, context, row->sealed, err) < 0 ? NULL : json_parse(text, strlen(text), 200, err);
}

static json_t *credential_describe(const struct store_credential *row, json_t *content)
{
    AUTO(mem_free) char *text = json_text(content);
    json_t *o = json_pack("{s:s,s:s,s:o,s:o,s:O}", "id", row->id, "account_id", row->workspace, "name",
                          jstring(row->name), "type", jstring(row->type), "content", content);

    call_set_date(o, "created", row->created_us);
    call_set_date(o, "modified", row->modified_us);
    json_object_set_new(o, "deleted", json_null());
    json_object_set_new(o, "stringified", jstring(text));
    return o;
}

/* ---- reading ---- */

static int missing(const char *name, enum err_code code, struct err *err)
{
    return err_set(err, code, "There are no Template Credentials '%.100s'", name);
}

int credential_get(struct call *c, struct err *err)
{
    const char *name = http_path_arg(c->req, 0);
    struct store_credential *row = NULL;

    if (store_credential_read(&row, c->app->reader, c->auth.key->workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND ? missing(name, ERR_CREDENTIALS_NOT_READ, err) : -1;
    AUTO(json_unref) json_t *content = open_content(c, row, err);
    if (content)
        json_object_set_new(c->body, "credential", credential_describe(row, content));
    free(row);
    call_say(c, "The Template Credentials were read.");
    return content ? 0 : err_set(err, ERR_CREDENTIALS_NOT_READ, "The Template Credentials could not be opened");
}

struct listing {
    struct call *c;
    json_t *list;
    int rc;
    struct err *err;
};

static int credential_add_item(void *ctx, const struct store_credential *row)
{
    struct listing *l = ctx;
    AUTO(json_unref) json_t *content = open_content(l->c, row, l->err);

    if (!content) {
        l->rc = err_set(l->err, ERR_CREDENTIALS_NOT_LISTED, "The Template Credentials '%.100s' could not be opened",
                        row->name);
        return -1;
    }
    json_array_append_new(l->list, credential_describe(row, content));
    return 0;
}

int credentials_list(struct call *c, struct err *err)
{
    static const char *const sorts[] = {"created", "id", "name", "type", "modified"};
    const char *sort = call_text(c, "sort"), *order = call_text(c, "order");
    struct store_page page = {.workspace = c->auth.key->workspace, .sort = sort ? sort : "created", .max = PAGE};
    struct listing l = {c, json_array(), 0, err};
    int64_t number;
    size_t i = 0;

    json_object_set_new(c->body, "credentials", l.list);
    if (call_int(&number, c, "page", 1, 1, 1000000000, ERR_CREDENTIALS_NOT_LISTED, err) < 0)
        return -1;
    while (i < ARRAY_LEN(sorts) && strcmp(page.sort, sorts[i]))
        i++;
    if (i == ARRAY_LEN(sorts))
        return err_set(err, ERR_CREDENTIALS_NOT_LISTED, "sort can't be '%.100s'", sort);
    if (order && strcmp(order, "asc") && strcmp(order, "desc"))
        return err_set(err, ERR_CREDENTIALS_NOT_LISTED, "order can't be '%.100s'", order);
    page.descending = !order || !strcmp(order, "desc");
    page.skip = (number - 1) * PAGE;
    call_say(c, "The Template Credentials were found.");
    return store_credentials(c->app->list_reader, &page, credential_add_item, &l, err) < 0 ? -1 : l.rc;
}

int credential_type_list(struct call *c, struct err *err)
{
    json_t *list = json_array();

    (void)err;
    for (const struct credential_type *t = credential_types; t->name; t++)
        json_array_append_new(list, json_string(t->name));
    json_object_set_new(c->body, "types", list);
    call_say(c, "The types of Template Credentials were found.");
    return 0;
}

/* ---- trying them ---- */

static void tried(void *ctx, json_t *result, const struct err *err)
{
    struct call *c = ctx;

    if (result)
        json_object_update(c->body, result);
    call_answer(c, err);
}

int credential_test(struct call *c, struct err *err)
{
    const char *workspace = c->auth.key->workspace, *name = http_path_arg(c->req, 0);
    struct store_credential *row = NULL;

    if (store_credential_read(&row, c->app->reader, workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND ? missing(name, ERR_CREDENTIALS_NOT_READ, err) : -1;
    AUTO(json_unref) json_t *content = open_content(c, row, err);
    int rc = !content ? err_set(err, ERR_CREDENTIALS_NOT_READ, "The Template Credentials could not be opened")
                      : credential_trials_post(c->app->trials, workspace, row->name, row->type, content, tried, c, err);
    free(row);
    return rc;
}

/* ---- changes ---- */

/* Before a create or an update; work gets what of name, type and content was given. */
int credential_check_params(struct call *c, struct err *err)
{
    bool create = !strcmp(http_method(c->req), "POST");
    enum err_code code = create ? ERR_CREDENTIALS_NOT_CREATED : ERR_CREDENTIALS_NOT_UPDATED;
    json_t *name = json_object_get(c->params, "name"), *type = json_object_get(c->params, "type");
    json_t *content = json_object_get(c->params, "content");

    c->work = json_object();
    if (create || (name && !json_is_null(name))) {
        const char *s = json_string_value(name);
        size_t n = s ? strlen(s) : 0;

        if (n < 4 || n > MAX_NAME ||
            strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != n)
            return err_set(err, code, "name must have 4 to %d letters, digits, dashes and underscores", MAX_NAME);
        json_object_set(c->work, "name", name);
    }
    if (create || (type && !json_is_null(type))) {
        if (!json_is_string(type))
            return err_set(err, code, "type must be a text");
        json_object_set(c->work, "type", type);
    }
    if (create || (content && !json_is_null(content))) {
        if (!json_is_object(content))
            return err_set(err, code, "content must be an object");
        json_object_set(c->work, "content", content);
    }
    return create ? credential_check(json_string_value(type), content, code, err) : 0;
}

static int credential_taken(enum err_code code, struct err *err)
{
    if (err->code == ERR_EXISTS)
        err->code = code;
    return -1;
}

int credential_create(struct call *c, struct store *store, struct err *err)
{
    char id[ID_LEN + 1];
    const char *name = jstr(c->work, "name");
    json_t *content = json_object_get(c->work, "content");
    int64_t now = clock_now_us();

    id_new(id);
    AUTO(mem_free) char *sealed = seal_content(c, name, content);
    struct store_credential row = {id, c->auth.key->workspace, name, jstr(c->work, "type"), sealed, now, now};
    if (store_credential_add(store, &row, err) < 0)
        return credential_taken(ERR_CREDENTIALS_NOT_CREATED, err);
    json_object_set_new(c->body, "credential", credential_describe(&row, content));
    call_say(c, "The Template Credentials were created.");
    return 0;
}

static int update(struct call *c, struct store *store, const struct store_credential *old, struct err *err)
{
    struct store_credential row = *old;
    json_t *given = json_object_get(c->work, "content");
    AUTO(json_unref) json_t *content = given ? json_incref(given) : open_content(c, old, err);

    if (!content)
        return err_set(err, ERR_CREDENTIALS_NOT_UPDATED, "The Template Credentials could not be opened");
    row.name = jstr_or(c->work, "name", old->name);
    row.type = jstr_or(c->work, "type", old->type);
    row.modified_us = clock_now_us();
    if (credential_check(row.type, content, ERR_CREDENTIALS_NOT_UPDATED, err) < 0)
        return -1;
    AUTO(mem_free) char *sealed = seal_content(c, row.name, content);
    row.sealed = sealed;
    if (store_credential_put(store, &row, err) < 0)
        return credential_taken(ERR_CREDENTIALS_NOT_UPDATED, err);
    json_object_set_new(c->body, "credential", credential_describe(&row, content));
    call_say(c, "The Template Credentials were updated.");
    return 0;
}

int credential_update(struct call *c, struct store *store, struct err *err)
{
    const char *name = http_path_arg(c->req, 0);
    struct store_credential *row = NULL;

    if (store_credential_get(&row, store, c->auth.key->workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND ? missing(name, ERR_CREDENTIALS_NOT_UPDATED, err) : -1;
    int rc = update(c, store, row, err);
    free(row);
    return rc;
}

int credential_delete(struct call *c, struct store *store, struct err *err)
{
    const char *name = http_path_arg(c->req, 0);
    struct store_credential *row = NULL;

    if (store_credential_get(&row, store, c->auth.key->workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND ? missing(name, ERR_CREDENTIALS_NOT_DELETED, err) : -1;
    int rc = store_credential_del(store, row->workspace, row->id, err);
    free(row);
    call_say(c, "The Template Credentials were deleted.");
    return rc;
}
