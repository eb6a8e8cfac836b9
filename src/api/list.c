/* GET /assemblies: the workspace's own, newest first. Contract: api-assemblies.md 6. */
#include "api/call.h"
#include "api/routes.h"
#include "assembly/listing.h"
#include "base/clock.h"
#include "conductor/conductor.h"
#include "conductor/document.h"
#include "store/store.h"

#include <string.h>
#include <strings.h>

struct listing {
    struct app *app;
    json_t *items;
};

/* A live one shows what it has come to by now. */
static json_t *refreshed(struct app *app, const struct store_listed *l)
{
    json_t *item = json_reads(l->item);
    AUTO(published_unref) struct published *p = NULL;

    if (item && !listing_is_over((enum listing_type)l->type) &&
        conductor_find(&p, app->conductor, l->assembly_id, NULL) == 0 && p) {
        struct listing_figures f = published_figures(p);

        listing_set_figures(item, &f, clock_now_us());
    }
    return item ? item : json_object();
}

static void list_add_item(void *ctx, const struct store_listed *l)
{
    struct listing *list = ctx;

    json_array_append_new(list->items, *l->item ? refreshed(list->app, l) : json_pack("{s:s}", "id", l->assembly_id));
}

/* Those that are made of the Assembly's events; while the page was read they could not be. */
static int make_items(struct listing *list, struct err *err)
{
    json_t *bare; /* its id alone */
    size_t i;

    json_array_foreach (list->items, i, bare) {
        json_t *item = NULL;
        const struct app *app = list->app;

        if (json_object_size(bare) != 1)
            continue;
        if (document_item(&item, app->list_reader, app->seal, jstr_or(bare, "id", ""), err) == 0)
            json_array_set_new(list->items, i, item);
        else if (err->code != ERR_NOT_FOUND) /* else purged meanwhile */
            return -1;
    }
    return 0;
}

static int keywords_of(char **out, struct call *c, struct err *err)
{
    static const char *const names[] = {"keywords",
                                        "keyword"}; /* the second is what the Go SDK sends */
    AUTO(json_unref) json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *v = json_object_get(c->params, names[i]), *k;
        size_t at;

        if (json_is_string(v) && json_string_length(v)) {
            AUTO(mem_free) char *text = listing_fold(json_string_value(v));

            json_array_append_new(list, jstring(text));
        } else if (v && !json_is_array(v) && !json_is_null(v) && !json_is_string(v)) {
            return err_set(err, ERR_ASSEMBLY_LIST, "%s must be a list of texts", names[i]);
        }
        json_array_foreach (v, at, k) {
            if (!json_is_string(k))
                return err_set(err, ERR_ASSEMBLY_LIST, "%s must be a list of texts", names[i]);
            AUTO(mem_free) char *text = listing_fold(json_string_value(k));
            if (*text)
                json_array_append_new(list, jstring(text));
        }
    }
    if (json_array_size(list) > 100)
        return err_set(err, ERR_ASSEMBLY_LIST, "At most 100 keywords");
    *out = json_array_size(list) ? json_text(list) : NULL;
    return 0;
}

int assemblies_list(struct call *c, struct err *err)
{
    const char *type = call_text(c, "type"), *order = call_text(c, "order"),
               *todate = call_text(c, "todate");
    AUTO(mem_free) char *keywords = NULL;
    struct store_list_query q = {.workspace = c->auth.key->workspace, .to_us = INT64_MAX};
    struct listing list = {c->app, json_array()};
    int64_t page, count;
    int found = type ? (int)listing_type_by_name(type) : LISTING_ALL;

    json_object_set_new(c->body, "items", list.items);
    if (found < 0)
        return err_set(err, ERR_ASSEMBLY_LIST, "type can not be '%.100s'", type);
    if (order && strcasecmp(order, "asc") && strcasecmp(order, "desc"))
        return err_set(err, ERR_ASSEMBLY_LIST, "order must be asc or desc");
    if (call_int(&page, c, "page", 1, 1, INT32_MAX, ERR_ASSEMBLY_LIST, err) < 0 ||
        call_int(&q.limit, c, "pagesize", 50, 1, 5000, ERR_ASSEMBLY_LIST, err) < 0 ||
        call_date(&q.from_us, c, "fromdate", 0, false, ERR_ASSEMBLY_LIST, err) < 0 ||
        ((!todate || strcasecmp(todate, "NOW()")) &&
         call_date(&q.to_us, c, "todate", INT64_MAX, true, ERR_ASSEMBLY_LIST, err) < 0) ||
        keywords_of(&keywords, c, err) < 0)
        return -1;
    q.type = found;
    q.keywords = keywords;
    q.ascending = order && !strcasecmp(order, "asc");
    q.offset = (page - 1) * q.limit;
    if (store_list(&count, c->app->list_reader, &q, list_add_item, &list, err) < 0 || make_items(&list, err) < 0)
        return -1;
    json_object_set_new(c->body, "count", json_integer(count));
    return 0;
}
