/* Bodies of create requests while they arrive: a cancel must be able to end one from another thread. */
#include "base/log.h"
#include "upload/private.h"

#include <string.h>

struct body_watch {
    struct body_watch *next;
    struct uploads *all;
    struct http_request *req;
    struct spool *spool; /* of the file part that arrives now */
    char assembly_id[ID_LEN + 1], nonce[ID_LEN + 1];
    pthread_mutex_t lock;
    bool stopped;
    bool creating; /* its Assembly's creation is not answered yet: whoever asked for that answers the request */
    _Atomic(int64_t) received;
    int64_t told; /* what the conductor has heard of; uploads_tell()'s own */
};

struct body_watch *body_watch_new(struct uploads *u, struct http_request *req, struct spool *spool)
{
    struct body_watch *w = mem_zalloc(sizeof *w);

    w->all = u;
    w->req = http_request_ref(req);
    w->spool = spool;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_lock(&u->lock);
    w->next = u->bodies;
    u->bodies = w;
    pthread_mutex_unlock(&u->lock);
    return w;
}

void body_watch_set_assembly(struct body_watch *w, const char *assembly_id, const char *nonce)
{
    pthread_mutex_lock(&w->all->lock);
    snprintf(w->assembly_id, sizeof w->assembly_id, "%s", assembly_id);
    snprintf(w->nonce, sizeof w->nonce, "%s", nonce);
    w->creating = *assembly_id;
    pthread_mutex_unlock(&w->all->lock);
}

bool body_watch_created(struct body_watch *w)
{
    bool stopped;

    pthread_mutex_lock(&w->all->lock);
    w->creating = false;
    stopped = w->stopped;
    pthread_mutex_unlock(&w->all->lock);
    return !stopped;
}

void body_watch_count(struct body_watch *w, int64_t received) { w->received = received; }

void body_watch_tell(struct uploads *u)
{
    pthread_mutex_lock(&u->lock);
    for (struct body_watch *w = u->bodies; w; w = w->next) {
        int64_t received = w->received;

        if (!*w->assembly_id || received == w->told)
            continue;
        w->told = received;
        conductor_post(u->conf.conductor,
                       &(struct conductor_news){.assembly_id = w->assembly_id,
                                                .type = EV_BODY_BYTES,
                                                .data = json_pack("{s:I,s:s}", "bytes", (json_int_t)received, "nonce",
                                                                  w->nonce)});
    }
    pthread_mutex_unlock(&u->lock);
}

bool body_lock(struct body_watch *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->stopped)
        pthread_mutex_unlock(&w->lock);
    return !w->stopped;
}

void body_unlock(struct body_watch *w) { pthread_mutex_unlock(&w->lock); }

void body_watch_free(struct body_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->all->lock);
    for (struct body_watch **p = &w->all->bodies; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    pthread_mutex_unlock(&w->all->lock);
    http_request_unref(w->req);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The Assembly is over: its create request is answered with the status and cut. The list's lock is held all
 * along, so that body_watch_free() waits; nothing in here blocks. */
void body_watch_stop(struct uploads *u, const char *assembly_id, int *stopped, int64_t *bytes_freed)
{
    AUTO(published_unref) struct published *doc = NULL;

    (void)!conductor_find(&doc, u->conf.conductor, assembly_id, NULL);
    pthread_mutex_lock(&u->lock);
    for (struct body_watch *w = u->bodies; w; w = w->next) {
        if (strcmp(w->assembly_id, assembly_id) || w->stopped)
            continue;
        pthread_mutex_lock(&w->lock);
        w->stopped = true;
        if (w->spool->path)
            *bytes_freed += spool_close(w->spool, true);
        ++*stopped;
        pthread_mutex_unlock(&w->lock);
        if (w->creating)
            continue; /* refused by its own instructions, most likely: then the answer is an error, not 200 */
        struct shared_text *text = doc ? published_show(doc, 200) : NULL;
        struct http_response *r = http_response_new(200);
        http_response_header(r, "Access-Control-Allow-Origin", "*");
        http_response_text(r, "application/json; charset=utf-8", mem_strdup(text ? text->s : "{}"),
                           text ? text->len : 2);
        shared_text_unref(text);
        http_cut(w->req, r);
    }
    pthread_mutex_unlock(&u->lock);
}
