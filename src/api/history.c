/* An Assembly as its events make it again, on an HTTP thread: for what its document does not say.
 */
#include "api/assemblies.h"
#include "api/call.h"
#include "store/sealed.h"
#include "store/store.h"

#include <string.h>

struct history {
    struct assembly *a;
    const struct seal_key *seal;
    history_seen seen;
    void *ctx;
    struct err *err;
    bool failed; /* err says how */
};

static int keep_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    struct history *h = ctx;
    AUTO(json_unref) json_t *record = json_reads(json);
    json_t *data = json_object_get(record, "d");
    int type = event_type_by_name(jstr_or(record, "e", ""));
    struct effects fx = {0};

    (void)seq;
    if (type < 0)
        return 0;
    if (sealed_data_open(h->seal, h->a->id, event_sealed((enum event_type)type), data, h->err) < 0) {
        h->failed = true;
        return -1;
    }
    struct event ev = {(enum event_type)type, data, at_us};
    bool happened = assembly_apply(h->a, &ev, &fx, NULL) == 0;
    effects_done(&fx);
    if (happened && h->seen)
        h->seen(h->ctx, h->a, &ev);
    return 0;
}

/* One that was set aside, because the server died while it read its events, is not read here either. */
static bool is_readable(struct call *c, const char *id)
{
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (assembly_stored(&text, c->app, id, &err) < 0)
        return true;
    AUTO(json_unref) json_t *status = json_reads(text.s);
    return strcmp(jstr_or(status, "error", ""), "ASSEMBLY_CRASHED") != 0;
}

/* Its events are forgotten together with its files, or nobody may read them; only its document is left. */
static int no_events(struct call *c, const char *id, struct err *err)
{
    AUTO(str_done) struct str text = {0};

    if (assembly_stored(&text, c->app, id, err) < 0)
        return -1;
    AUTO(json_unref) json_t *status = json_reads(text.s);
    if (strcmp(jstr_or(status, "account_id", ""), c->auth.key->workspace))
        return err_set(err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
    return err_set(err, ERR_NOT_REPLAYABLE, "The files of the Assembly are gone");
}

int history_load(struct assembly **out, struct call *c, const char *id, history_seen seen,
                 void *ctx, struct err *err)
{
    AUTO(assembly_free) struct assembly *a = assembly_new(id);
    struct history h = {a, c->app->seal, seen, ctx, err, false};

    if (is_readable(c, id) &&
        (store_history(c->app->list_reader, id, keep_event, &h, err) < 0 || h.failed))
        return -1;
    if (a->state == ASSEMBLY_NEW)
        return no_events(c, id, err);
    if (strcmp(a->workspace, c->auth.key->workspace))
        return err_set(err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
    *out = take(a);
    return 0;
}
