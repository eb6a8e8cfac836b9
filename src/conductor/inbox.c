/* The inbox: what other threads ask of the conductor, in the order in which it came. */
#include "conductor/private.h"

void inbox_init(struct inbox *in)
{
    *in = (struct inbox){0};
    in->last = &in->first;
    pthread_mutex_init(&in->lock, NULL);
}

void inbox_post(struct conductor *c, struct news *n)
{
    struct inbox *in = &c->inbox;

    pthread_mutex_lock(&in->lock);
    bool first = !in->first;
    *in->last = n;
    in->last = &n->next;
    pthread_mutex_unlock(&in->lock);
    if (first)
        uv_async_send(&c->wake);
}

struct news *inbox_take(bool *stop, struct conductor *c)
{
    struct inbox *in = &c->inbox;

    pthread_mutex_lock(&in->lock);
    struct news *n = in->first;
    in->first = NULL;
    in->last = &in->first;
    *stop = in->stop_asked;
    pthread_mutex_unlock(&in->lock);
    return n;
}

void news_free(struct news *n)
{
    json_decref(n->data);
    free(n->record);
    free(n->workspace);
    free(n->upload_id);
    free(n->upload_meta);
    free(n);
}

static struct news *news_new(enum news_kind kind, const char *assembly_id, conductor_reply reply,
                             void *ctx)
{
    struct news *n = mem_zalloc(sizeof *n);

    n->kind = kind;
    snprintf(n->assembly_id, sizeof n->assembly_id, "%s", assembly_id);
    n->reply = reply;
    n->ctx = ctx;
    return n;
}

void inbox_ask(struct conductor *c, enum news_kind kind, const char *assembly_id,
               conductor_reply reply, void *ctx)
{
    inbox_post(c, news_new(kind, assembly_id, reply, ctx));
}

void inbox_ask_about(struct conductor *c, enum news_kind kind, const char *workspace, json_t *out,
                     conductor_reply reply, void *ctx)
{
    struct news *n = news_new(kind, "", reply, ctx);

    n->workspace = mem_strdup(workspace);
    n->data = json_incref(out);
    inbox_post(c, n);
}

static void set_row(struct news *n, const char *upload_id, const char *upload_meta)
{
    n->upload_id = upload_id ? mem_strdup(upload_id) : NULL;
    n->upload_meta = upload_meta ? mem_strdup(upload_meta) : NULL;
}

void conductor_post(struct conductor *c, const struct conductor_news *news)
{
    enum news_kind kind = news->type == EV_CREATED  ? NEWS_CREATED
                          : news->type == EV_CANCEL ? NEWS_CANCEL
                                                    : NEWS_EVENT;
    struct news *n = news_new(kind, news->assembly_id, news->reply, news->ctx);

    n->event = news->type;
    n->data = news->data ? news->data : json_object();
    if (kind == NEWS_CREATED) /* here, as all wait for the conductor */
        n->record = event_record(c->conf.seal, n->assembly_id, EV_CREATED, n->data);
    set_row(n, news->upload_id, news->upload_meta);
    inbox_post(c, n);
}

void conductor_post_upload(struct conductor *c, const char *assembly_id, const char *upload_id,
                           const char *upload_meta, conductor_reply reply, void *ctx)
{
    struct news *n = news_new(NEWS_UPLOAD_ROW, assembly_id, reply, ctx);

    set_row(n, upload_id, upload_meta);
    inbox_post(c, n);
}

void conductor_post_write(struct conductor *c,
                          int (*apply)(void *ctx, struct store *s, struct err *err),
                          conductor_reply reply, void *ctx)
{
    struct news *n = news_new(NEWS_WRITE, "", reply, ctx);

    n->apply = apply;
    inbox_post(c, n);
}
