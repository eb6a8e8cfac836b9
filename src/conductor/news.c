/* What to do about news, a row for each kind. */
#include "conductor/private.h"

#include <string.h>

static void no_such_assembly(struct conductor *c, const struct news *n)
{
    struct err err;

    err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "The Assembly does not exist");
    turn_answer(c, n->reply, n->ctx, &err, NULL);
}

/* ---- a new one ---- */

static int check_stored(struct conductor *c, const json_t *data, const json_t *name, struct err *err)
{
    const char *want = json_string_value(name);
    struct store_credential *found = NULL;

    if (!want || strstr(want, "${"))
        return 0;
    if (store_credential_get(&found, c->conf.store, jstr_or(data, "workspace", ""), want, err) < 0)
        return err->code == ERR_NOT_FOUND
                   ? err_set(err, ERR_CREDENTIALS, "There are no stored credentials named '%.100s'", want)
                   : -1;
    free(found);
    return 0;
}

static int check_credentials(struct conductor *c, const json_t *data, const char **step,
                             struct err *err)
{
    const char *name;
    json_t *s, *one;
    size_t i;

    json_object_foreach (json_object_get(data, "steps"), name, s) {
        const json_t *want = json_object_get(s, "credentials"); /* of one, or of several */

        *step = name;
        if (check_stored(c, data, want, err) < 0)
            return -1;
        json_array_foreach (want, i, one)
            if (check_stored(c, data, one, err) < 0)
                return -1;
    }
    return 0;
}

/* Why there can't be one more; in passing, what is wrong with its credentials: then it is made, and
 * fails. */
static int admit(struct conductor *c, struct entry *e, struct news *n, const char **step,
                 struct err *refused, struct err *err)
{
    const char *workspace = jstr_or(n->data, "workspace", "");

    if (e)
        return err_set(err, ERR_EXISTS, "The Assembly id is in use already");
    if (c->conf.max_assemblies && tenant_of(c, workspace)->open >= c->conf.max_assemblies) {
        err_set(err, c->conf.too_many, "More than %lld Assemblies that are not over",
                (long long)c->conf.max_assemblies);
        err->retry_s = 5; /* when one of them ends, nobody knows */
        return -1;
    }
    if (!json_object_get(n->data, "error") && check_credentials(c, n->data, step, refused) < 0 &&
        refused->code != ERR_CREDENTIALS) {
        *err = *refused; /* the store can't be read: nobody knows */
        return -1;
    }
    return 0;
}

static int make_new(struct entry **out, struct conductor *c, struct news *n, struct err *err)
{
    struct entry *e = *out = entry_add(&c->entries, n->assembly_id);
    const char *template_id = jstr(n->data, "template_id");
    struct err why;

    c->turn.record = take(n->record);
    int rc = turn_apply(c, e, EV_CREATED, n->data, err);
    free(take(c->turn.record)); /* it came to nothing */
    if (rc < 0) {
        if (err->code == ERR_EXISTS)
            entry_drop(&c->entries, e);
        else
            entry_touch(&c->entries, e);
        return -1;
    }
    if (template_id && store_template_used(c->conf.store, template_id, clock_now_us(), &why) < 0) {
        *err = why;
        return turn_lost(c, err);
    }
    return 0;
}

static void on_created(struct conductor *c, struct entry *e, struct news *n)
{
    const char *step = NULL;
    struct err err = {0}, refused = {0};

    if (admit(c, e, n, &step, &refused, &err) < 0) {
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (refused.code) {
        json_object_set_new(n->data, "error",
                            json_pack("{s:s,s:o,s:s?}", "code", err_name(&refused), "msg",
                                      jstring(refused.msg), "step", step));
        free(take(n->record)); /* it does not say that */
    }
    if (make_new(&e, c, n, &err) < 0) {
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    published_set_fixed(e->published,
                        status_fixed(e->a, c->conf.instance, c->conf.region, c->conf.build_id));
    log_info(&e->a->log, "created");
    turn_answer(c, n->reply, n->ctx, err.code ? &err : NULL, e);
}

/* ---- one that there is ---- */

static int save_upload(struct conductor *c, const struct news *n, struct err *err)
{
    if (!n->upload_id)
        return 0;
    if (turn_begin(c, err) < 0)
        return -1;
    int rc = n->upload_meta ? store_upload_put(c->conf.store, n->upload_id, n->assembly_id,
                                               n->upload_meta, err)
                            : store_upload_del(c->conf.store, n->upload_id, err);
    return rc < 0 ? turn_lost(c, err) : 0;
}

/* The rest of a create request whose id was in use already must not reach the id's owner. */
static int check_nonce(const struct entry *e, json_t *data, struct err *err)
{
    const char *nonce = jstr(data, "nonce");

    if (nonce && strcmp(nonce, jstr_or(e->a->created, "nonce", "")))
        return err_set(err, ERR_EXISTS, "The Assembly id is in use already");
    json_object_del(data, "nonce"); /* no part of the event */
    return 0;
}

static void on_event(struct conductor *c, struct entry *e, struct news *n)
{
    struct err err = {0};

    if (check_nonce(e, n->data, &err) < 0) {
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (turn_apply(c, e, n->event, n->data, &err) == 0 && !err.code)
        (void)!save_upload(c, n, &err);
    turn_answer(c, n->reply, n->ctx, err.code ? &err : NULL, e);
}

static int check_owner(const struct entry *e, json_t *data, struct err *err)
{
    const char *workspace = jstr(data, "workspace");

    if (workspace && strcmp(workspace, e->a->workspace))
        return err_set(err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
    json_object_del(data, "workspace"); /* no part of the event */
    return 0;
}

static void on_cancel(struct conductor *c, struct entry *e, struct news *n)
{
    struct err err = {0};

    if (check_nonce(e, n->data, &err) < 0 || check_owner(e, n->data, &err) < 0) {
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (turn_apply(c, e, EV_CANCEL, n->data, &err) < 0 && err.code != ERR_SATURATED) {
        turn_answer(c, n->reply, n->ctx, &err, e);
        return;
    }
    if (!err.code)
        (void)!save_upload(c, n, &err);
    settle_wait(c, e, n->reply,
                n->ctx); /* also for one that is over already: the answer shows how */
}

/* ---- anything else ---- */

static void on_upload_row(struct conductor *c, struct entry *e, struct news *n)
{
    struct err err;
    int rc = save_upload(c, n, &err);

    turn_answer(c, n->reply, n->ctx, rc < 0 ? &err : NULL, e);
}

static void on_write(struct conductor *c, struct entry *none, struct news *n)
{
    struct err err;
    int rc = turn_begin(c, &err) < 0 ? -1 : n->apply(n->ctx, c->conf.store, &err);

    if (rc < 0 && (err.code == ERR_IO || err.code == ERR_NOSPACE))
        turn_lost(c, &err); /* it may be half written */
    turn_answer(c, n->reply, n->ctx, rc < 0 ? &err : NULL, NULL);
}

static void on_wake_up(struct conductor *c, struct entry *e, struct news *n)
{
    turn_answer(c, n->reply, n->ctx, NULL, e);
}

static const struct {
    bool needs_entry; /* else handle() gets NULL when there is none */
    bool claims;      /* brings files that have no row yet */
    void (*handle)(struct conductor *c, struct entry *e, struct news *n);
} kinds[NEWS_KINDS] = {
    [NEWS_EVENT] = {true, true, on_event},
    [NEWS_CREATED] = {false, true, on_created},
    [NEWS_CANCEL] = {true, false, on_cancel},
    [NEWS_UPLOAD_ROW] = {false, false, on_upload_row},
    [NEWS_WRITE] = {false, false, on_write},
    [NEWS_AWAIT] = {true, false, await_begin},
    [NEWS_AWAIT_NOTIFIED] = {true, false, await_begin},
    [NEWS_WAKE] = {false, false, on_wake_up},
    [NEWS_REPORT] = {true, false, report_answer},
    [NEWS_SLOTS] = {false, false, slots_answer},
    [NEWS_WORK] = {false, false, work_answer},
};

static void handle_one(struct conductor *c, struct news *n)
{
    struct entry *e = entry_awake(c, n->assembly_id);

    if (kinds[n->kind].claims)
        turn_claim(c, n->data);
    if (kinds[n->kind].needs_entry && !e)
        no_such_assembly(c, n);
    else
        kinds[n->kind].handle(c, e, n);
}

bool news_handle(struct conductor *c)
{
    bool stop;

    for (struct news *n = inbox_take(&stop, c), *next; n; n = next) {
        next = n->next;
        handle_one(c, n);
        news_free(n);
    }
    return stop;
}
