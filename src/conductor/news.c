/* What other threads ask of the conductor: kept in the inbox, handled on its own thread. */
#include "conductor/private.h"

#include <stdio.h>
#include <string.h>

static int check_credentials(struct conductor *c, const json_t *data, const char **step, struct err *err)
{
    const char *name;
    json_t *s;

    json_object_foreach (json_object_get(data, "steps"), name, s) {
        const char *want = json_is_object(s) ? jstr(s, "credentials") : NULL;
        struct store_credential *found = NULL;

        if (!want || strstr(want, "${"))
            continue;
        *step = name;
        if (store_credential_get(&found, c->conf.store, jstr_or(data, "workspace", ""), want, err) < 0)
            return err->code == ERR_NOT_FOUND
                       ? err_set(err, ERR_CREDENTIALS, "There are no stored credentials named '%.100s'", want)
                       : -1;
        free(found);
    }
    return 0;
}

static void create(struct conductor *c, struct news *n)
{
    struct live *l = live_awake(c, n->assembly_id);
    const char *step = NULL;
    struct err err = {0}, refused = {0};

    struct tenant *t = tenant_of(c, jstr_or(n->data, "workspace", ""));

    if (!l && c->conf.max_assemblies && t->open >= c->conf.max_assemblies) {
        err_set(&err, c->conf.too_many, "More than %lld Assemblies that are not over",
                (long long)c->conf.max_assemblies);
        err.retry_s = 5; /* when one of them ends, nobody knows */
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (!l && !json_object_get(n->data, "error") && check_credentials(c, n->data, &step, &refused) < 0 &&
        refused.code != ERR_CREDENTIALS) {
        turn_answer(c, n->reply, n->ctx, &refused, NULL); /* the store can't be read: nobody knows */
        return;
    }
    if (l || turn_begin(c, &err) < 0 ||
        store_assembly_add(c->conf.store, n->assembly_id, jstr_or(n->data, "workspace", ""),
                           clock_now_us(), &err) < 0) {
        if (l)
            err_set(&err, ERR_EXISTS, "The Assembly id is in use already");
        else if (err.code != ERR_EXISTS)
            turn_lost(c, &err);
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (refused.code)
        json_object_set_new(n->data, "error",
                            json_pack("{s:s,s:o,s:s?}", "code", err_name(&refused), "msg",
                                      jstring(refused.msg), "step", step));
    if (jstr(n->data, "template_id") &&
        store_template_used(c->conf.store, jstr(n->data, "template_id"), clock_now_us(), &err) < 0) {
        turn_lost(c, &err);
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    l = live_add(c, n->assembly_id);
    live_touch(c, l);
    if (turn_apply(c, l, EV_CREATED, n->data, &err) < 0) {
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    published_set_fixed(l->published, status_fixed(l->a, c->conf.instance, c->conf.region,
                                                   c->conf.build_id));
    log_info(&l->a->log, "created");
    turn_answer(c, n->reply, n->ctx, err.code ? &err : NULL, l);
}

static int save_upload(struct conductor *c, const struct news *n, struct err *err)
{
    if (!n->upload_id)
        return 0;
    if (turn_begin(c, err) < 0)
        return -1;
    int rc = n->upload_meta ? store_upload_put(c->conf.store, n->upload_id, n->assembly_id, n->upload_meta, err)
                            : store_upload_del(c->conf.store, n->upload_id, err);
    return rc < 0 ? turn_lost(c, err) : 0;
}

static void handle(struct conductor *c, struct news *n)
{
    struct live *l = live_awake(c, n->assembly_id);
    struct err err = {0};

    if (n->type == EV_FILE_UPLOADED || n->type == EV_CREATED)
        turn_claim(c, n->data);
    if (n->type == NEWS_WRITE) {
        int rc = turn_begin(c, &err) < 0 ? -1 : n->apply(n->ctx, c->conf.store, &err);

        if (rc < 0 && (err.code == ERR_IO || err.code == ERR_NOSPACE))
            turn_lost(c, &err); /* it may be half written */
        turn_answer(c, n->reply, n->ctx, rc < 0 ? &err : NULL, NULL);
        return;
    }
    if (n->type == NEWS_AWAIT || n->type == NEWS_AWAIT_NOTIFIED) {
        await_begin(c, l, n);
        return;
    }
    if (n->type == NEWS_WAKE) {
        turn_answer(c, n->reply, n->ctx, NULL, l);
        return;
    }
    if (n->type == NEWS_SLOTS) {
        slots_answer(c, n);
        return;
    }
    if (n->type == NEWS_WORK) {
        work_answer(c, n);
        return;
    }
    if (n->type == NEWS_REPORT) {
        report_answer(c, l, n);
        return;
    }
    if (n->type == NEWS_UPLOAD_ROW) {
        int rc = save_upload(c, n, &err);

        turn_answer(c, n->reply, n->ctx, rc < 0 ? &err : NULL, l);
        return;
    }
    if (n->type == EV_CREATED) {
        create(c, n);
        return;
    }
    if (!l) {
        err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "The Assembly does not exist");
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    /* the rest of a create request whose id was in use already must not reach the id's owner */
    const char *nonce = jstr(n->data, "nonce");
    if (nonce && strcmp(nonce, jstr_or(l->a->created, "nonce", ""))) {
        err_set(&err, ERR_EXISTS, "The Assembly id is in use already");
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    json_object_del(n->data, "nonce");
    const char *workspace = n->type == EV_CANCEL ? jstr(n->data, "workspace") : NULL;
    if (workspace && strcmp(workspace, l->a->workspace)) {
        err_set(&err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
        turn_answer(c, n->reply, n->ctx, &err, NULL);
        return;
    }
    if (workspace)
        json_object_del(n->data, "workspace"); /* no part of the event */
    if (turn_apply(c, l, (enum event_type)n->type, n->data, &err) < 0) {
        if (n->type == EV_CANCEL && err.code == ERR_SATURATED)
            settle_wait(c, l, n->reply, n->ctx); /* over already: the answer shows how */
        else
            turn_answer(c, n->reply, n->ctx, &err, l);
        return;
    }
    if (!err.code)
        (void)!save_upload(c, n, &err);
    if (n->type == EV_CANCEL)
        settle_wait(c, l, n->reply, n->ctx);
    else
        turn_answer(c, n->reply, n->ctx, err.code ? &err : NULL, l);
}

bool news_handle(struct conductor *c)
{
    pthread_mutex_lock(&c->inbox_lock);
    struct news *n = c->inbox;
    c->inbox = NULL;
    c->inbox_last = &c->inbox;
    bool stop = c->stop_asked;
    pthread_mutex_unlock(&c->inbox_lock);

    for (struct news *next; n; n = next) {
        next = n->next;
        handle(c, n);
        json_decref(n->data);
        free(n->upload_id);
        free(n->upload_meta);
        free(n);
    }
    return stop;
}

void news_post(struct conductor *c, struct news *n)
{
    pthread_mutex_lock(&c->inbox_lock);
    bool first = !c->inbox;
    *c->inbox_last = n;
    c->inbox_last = &n->next;
    pthread_mutex_unlock(&c->inbox_lock);
    if (first)
        uv_async_send(&c->wake);
}

void news_ask(struct conductor *c, int type, const char *assembly_id, conductor_reply reply, void *ctx)
{
    struct news *n = mem_zalloc(sizeof *n);

    snprintf(n->assembly_id, sizeof n->assembly_id, "%s", assembly_id);
    n->type = type;
    n->reply = reply;
    n->ctx = ctx;
    news_post(c, n);
}

void conductor_post(struct conductor *c, const struct conductor_news *news)
{
    struct news *n = mem_zalloc(sizeof *n);

    snprintf(n->assembly_id, sizeof n->assembly_id, "%s", news->assembly_id);
    n->type = news->type;
    n->data = news->data ? news->data : json_object();
    n->upload_id = news->upload_id ? mem_strdup(news->upload_id) : NULL;
    n->upload_meta = news->upload_meta ? mem_strdup(news->upload_meta) : NULL;
    n->reply = news->reply;
    n->ctx = news->ctx;
    news_post(c, n);
}

void conductor_post_upload(struct conductor *c, const char *assembly_id, const char *upload_id,
                           const char *upload_meta, conductor_reply reply, void *ctx)
{
    struct news *n = mem_zalloc(sizeof *n);

    snprintf(n->assembly_id, sizeof n->assembly_id, "%s", assembly_id);
    n->type = NEWS_UPLOAD_ROW;
    n->upload_id = mem_strdup(upload_id);
    n->upload_meta = upload_meta ? mem_strdup(upload_meta) : NULL;
    n->reply = reply;
    n->ctx = ctx;
    news_post(c, n);
}

void conductor_post_write(struct conductor *c, int (*apply)(void *ctx, struct store *s, struct err *err),
                          conductor_reply reply, void *ctx)
{
    struct news *n = mem_zalloc(sizeof *n);

    n->type = NEWS_WRITE;
    n->apply = apply;
    n->reply = reply;
    n->ctx = ctx;
    news_post(c, n);
}
