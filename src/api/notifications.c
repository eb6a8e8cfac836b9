/* Notifications over the API: replay, and the ledger of attempts (api-notifications.md 3, 4). */
#include "api/notifications.h"
#include "api/call.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/id.h"
#include "conductor/conductor.h"
#include "store/store.h"

#include <string.h>

int notify_url_check(const json_t *v, struct err *err)
{
    const char *url = json_string_value(v);
    size_t scheme = !url                            ? 0
                    : !strncmp(url, "http://", 7)   ? 7
                    : !strncmp(url, "https://", 8)  ? 8
                                                    : 0;

    if (!v || json_is_null(v))
        return 0;
    if (!scheme || !url[scheme] || strchr("/?#:", url[scheme]) || strpbrk(url, " \t\r\n\"<>"))
        return err_set(err, ERR_NOTIFY_URL, "notify_url must be an http or https address");
    return 0;
}

static void replayed(void *ctx, const struct err *err, struct published *p)
{
    (void)p;
    call_answer(ctx, err);
}

/* One that is not read yet since the start has no status to send. */
int notification_wake(struct call *c, struct err *err)
{
    AUTO(published_unref) struct published *p = NULL;

    return conductor_find(&p, c->app->conductor, http_path_arg(c->req, 0), err);
}

int notification_replay(struct call *c, struct store *store, struct err *err)
{
    const char *assembly = http_path_arg(c->req, 0);
    char id[ID_LEN + 1];

    (void)store;
    c->deferred = call_flag(c, "wait", true);
    if (notify_url_check(json_object_get(c->params, "notify_url"), err) < 0 ||
        conductor_replay_notification(c->app->conductor, assembly, c->auth.key->workspace, c->auth.key->id,
                                      call_text(c, "notify_url"), id, c->deferred ? replayed : NULL, c, err) < 0) {
        c->deferred = false;
        return -1;
    }
    json_object_update_new(c->body, json_pack("{s:b,s:s,s:s}", "success", 1, "notification_id", id, "assembly_id",
                                              assembly));
    return 0;
}

static int notifications_add_item(void *ctx, const struct store_attempt *a)
{
    json_t *items = ctx;
    char date[25];

    date_format_iso(date, a->at_us);
    json_array_append_new(
        items, json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:f,s:s,s:s?}", "id", a->notification_id, "assembly_id",
                         a->assembly_id, "account_id", a->workspace, "url", jstring(a->url), "response_code",
                         a->response_code ? json_integer(a->response_code) : json_null(), "response_data",
                         jstring(a->response_data ? a->response_data : ""), "duration",
                         (double)(a->duration_us / 1000) / 1000, "created", date, "error", a->error));
    return 0;
}

static int read_date(int64_t *out, struct call *c, const char *name, int64_t fallback, struct err *err)
{
    const char *text = call_text(c, name);

    *out = fallback;
    return text && *text && date_parse(out, text) < 0
               ? err_set_named(err, ERR_FORM, "ASSEMBLY_NOTIFICATIONS_LIST_ERROR", "%s can't be read as a date", name)
               : 0;
}

/* A word of a fixed choice; its index, or -1 with err. */
static int read_choice(struct call *c, const char *name, const char *const *words, struct err *err)
{
    const char *text = call_text(c, name);

    if (!text)
        return 0;
    for (int i = 0; words[i]; i++)
        if (!strcmp(words[i], text))
            return i;
    return err_set_named(err, ERR_FORM, "ASSEMBLY_NOTIFICATIONS_LIST_ERROR", "'%.50s' is no value for %s", text, name);
}

int notifications_list(struct call *c, struct err *err)
{
    static const char *const types[] = {"all", "successful", "failed", NULL}, *const orders[] = {"desc", "asc", NULL},
                                    *const sorts[] = {"created", "id", NULL};
    struct store_attempt_query q = {.workspace = c->auth.key->workspace};
    int64_t page, size, count;
    int order, sort;

    q.assembly_id = http_path_arg(c->req, 0) ? http_path_arg(c->req, 0) : call_text(c, "assembly_id");
    if (json_is_array(json_object_get(c->params, "keywords")))
        q.keyword = json_string_value(json_array_get(json_object_get(c->params, "keywords"), 0));
    if (call_int(&page, c, "page", 1, 1, 1 << 20, ERR_FORM, err) < 0 ||
        call_int(&size, c, "pagesize", 50, 1, 5000, ERR_FORM, err) < 0)
        return err_set_named(err, ERR_FORM, "ASSEMBLY_NOTIFICATIONS_LIST_ERROR",
                             "page and pagesize are numbers from 1 on");
    if (read_date(&q.from_us, c, "fromdate", 0, err) < 0 || read_date(&q.to_us, c, "todate", INT64_MAX, err) < 0 ||
        (q.outcome = read_choice(c, "type", types, err)) < 0 || (order = read_choice(c, "order", orders, err)) < 0 ||
        (sort = read_choice(c, "sort", sorts, err)) < 0)
        return -1;
    q.ascending = order == 1;
    q.limit = (int)size;
    q.offset = (page - 1) * size;
    json_t *items = json_array();
    json_object_set_new(c->body, "items", items);
    if (store_attempts(&count, c->app->list_reader, &q, notifications_add_item, items, err) < 0)
        return -1;
    json_object_set_new(c->body, "count", json_integer(count));
    return 0;
}
