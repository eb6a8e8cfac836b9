#include "conductor/deliveries.h"
#include "base/str.h"

#include <string.h>

struct receiver {
    char *host;
    int count; /* deliveries that are for it */
    int flying;
    struct delivery_list line; /* those that are due */
    bool has_turn;             /* in the list of those that may be sent one */
    struct receiver *next;
};

/* ---- lists ---- */

static void list_append(struct delivery_list *list, struct delivery *d)
{
    d->list = list;
    d->next = NULL;
    d->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = d;
    list->last = d;
}

static void list_remove(struct delivery *d)
{
    *(d->prev ? &d->prev->next : &d->list->first) = d->next;
    *(d->next ? &d->next->prev : &d->list->last) = d->prev;
    d->list = NULL;
    d->next = d->prev = NULL;
}

/* ---- the heap, by next_us ---- */

static void heap_place(struct deliveries *all, size_t at, struct delivery *d)
{
    all->heap[at - 1] = d;
    d->heap_at = at;
}

static void heap_sift(struct deliveries *all, struct delivery *d)
{
    size_t at = d->heap_at;

    for (; at > 1 && all->heap[at / 2 - 1]->next_us > d->next_us; at /= 2)
        heap_place(all, at, all->heap[at / 2 - 1]);
    for (size_t below; (below = 2 * at) <= all->count; at = below) {
        if (below < all->count && all->heap[below]->next_us < all->heap[below - 1]->next_us)
            below++;
        if (all->heap[below - 1]->next_us >= d->next_us)
            break;
        heap_place(all, at, all->heap[below - 1]);
    }
    heap_place(all, at, d);
}

static void heap_add(struct deliveries *all, struct delivery *d)
{
    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->heap = mem_realloc(all->heap, all->cap * sizeof(struct delivery *));
    }
    all->count++;
    heap_place(all, all->count, d);
    heap_sift(all, d);
}

static void heap_remove(struct deliveries *all, struct delivery *d)
{
    struct delivery *last = all->heap[--all->count];

    if (last != d) {
        heap_place(all, d->heap_at, last);
        heap_sift(all, last);
    }
    d->heap_at = 0;
}

/* ---- receivers ---- */

static char *host_of(const char *url)
{
    const char *s = strstr(url, "://");

    s = s ? s + 3 : url;
    return mem_strndup(s, strcspn(s, "/?#"));
}

static struct receiver *receiver_of(struct deliveries *all, const char *url)
{
    AUTO(mem_free) char *host = host_of(url);
    struct receiver *r = map_get(&all->receivers, host);

    if (!r) {
        r = mem_zalloc(sizeof *r);
        r->host = take(host);
        map_put(&all->receivers, r->host, r);
    }
    r->count++;
    return r;
}

static bool may_be_sent_one(const struct receiver *r)
{
    return r->line.first && r->flying < DELIVERIES_RECEIVER_MAX;
}

static void give_turn(struct deliveries *all, struct receiver *r)
{
    if (r->has_turn || !may_be_sent_one(r))
        return;
    r->has_turn = true;
    r->next = NULL;
    *(all->turn_last ? &all->turn_last->next : &all->turn_first) = r;
    all->turn_last = r;
}

/* Its turn is over. */
static struct receiver *take_turn(struct deliveries *all)
{
    struct receiver *r = all->turn_first;

    if (!r)
        return NULL;
    all->turn_first = r->next;
    if (!all->turn_first)
        all->turn_last = NULL;
    r->has_turn = false;
    return r;
}

/* Those that have a turn without anything in line are rare: take_turn() forgets them first. */
static void lose_turn(struct deliveries *all, struct receiver *r)
{
    struct receiver *last = NULL;

    for (struct receiver **p = &all->turn_first; *p; last = *p, p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            if (all->turn_last == r)
                all->turn_last = last;
            return;
        }
}

static void receiver_unref(struct deliveries *all, struct receiver *r)
{
    if (--r->count)
        return;
    if (r->has_turn)
        lose_turn(all, r);
    map_del(&all->receivers, r->host);
    free(r->host);
    free(r);
}

/* ---- one ---- */

struct delivery *delivery_add(struct deliveries *all, const struct store_notification *n)
{
    struct delivery *d = mem_zalloc(sizeof *d);

    snprintf(d->id, sizeof d->id, "%s", n->id);
    snprintf(d->assembly_id, sizeof d->assembly_id, "%s", n->assembly_id);
    d->workspace = mem_strdup(n->workspace);
    d->key_id = mem_strdup(n->key_id);
    d->url = mem_strdup(n->url);
    d->replay = n->replay;
    d->attempts = n->attempts;
    d->next_us = n->next_us;
    d->receiver = receiver_of(all, n->url);
    map_put(&all->by_id, d->id, d);
    return d;
}

struct delivery *delivery_find(const struct deliveries *all, const char *id)
{
    return map_get(&all->by_id, id);
}

/* Out of where it is. */
static void pick_up(struct deliveries *all, struct delivery *d)
{
    bool was_flying = delivery_is_flying(all, d);

    if (d->heap_at)
        heap_remove(all, d);
    if (d->list)
        list_remove(d);
    if (!was_flying)
        return;
    all->flying_count--;
    d->receiver->flying--;
    give_turn(all, d->receiver);
}

void delivery_drop(struct deliveries *all, struct delivery *d)
{
    pick_up(all, d);
    map_del(&all->by_id, d->id);
    receiver_unref(all, d->receiver);
    free(d->workspace);
    free(d->key_id);
    free(d->url);
    free(d);
}

void delivery_wait(struct deliveries *all, struct delivery *d, int64_t next_us)
{
    pick_up(all, d);
    d->next_us = next_us;
    heap_add(all, d);
}

void delivery_fly(struct deliveries *all, struct delivery *d)
{
    pick_up(all, d);
    list_append(&all->flying, d);
    all->flying_count++;
    d->receiver->flying++;
}

bool delivery_is_flying(const struct deliveries *all, const struct delivery *d)
{
    return d->list == &all->flying;
}

void delivery_hold_fresh(struct deliveries *all, struct delivery *d)
{
    pick_up(all, d);
    list_append(&all->fresh, d);
}

/* ---- parked ---- */

void delivery_park(struct deliveries *all, struct delivery *d)
{
    struct delivery_list *list = map_get(&all->parked, d->assembly_id);

    pick_up(all, d);
    if (!list) {
        list = mem_zalloc(sizeof *list);
        map_put(&all->parked, d->assembly_id, list);
    }
    list_append(list, d);
}

static void unpark(struct deliveries *all, struct delivery_list *list)
{
    while (list && list->first)
        delivery_wait(all, list->first, list->first->next_us);
    free(list);
}

void deliveries_unpark(struct deliveries *all, const char *assembly_id)
{
    unpark(all, map_del(&all->parked, assembly_id));
}

void deliveries_unpark_all(struct deliveries *all)
{
    for (struct map_iter i = {0}; map_next(&all->parked, &i);)
        deliveries_unpark(all, i.key);
}

/* ---- which is next ---- */

static void line_up_due(struct deliveries *all, int64_t now_us)
{
    while (all->count && all->heap[0]->next_us <= now_us) {
        struct delivery *d = all->heap[0];

        heap_remove(all, d);
        list_append(&d->receiver->line, d);
        give_turn(all, d->receiver);
    }
}

struct delivery *delivery_take(struct deliveries *all, int64_t now_us)
{
    struct receiver *r;

    line_up_due(all, now_us);
    if (all->flying_count >= DELIVERIES_FLYING_MAX)
        return NULL;
    while ((r = take_turn(all)) && !may_be_sent_one(r))
        ; /* its turn comes again with an answer of it */
    if (!r)
        return NULL;
    struct delivery *d = r->line.first;
    list_remove(d);
    give_turn(all, r); /* behind the others */
    return d;
}

void deliveries_done(struct deliveries *all)
{
    for (struct map_iter i = {0}; map_next(&all->by_id, &i);)
        delivery_drop(all, i.value);
    for (struct map_iter i = {0}; map_next(&all->parked, &i);)
        free(i.value);
    map_done(&all->by_id);
    map_done(&all->receivers);
    map_done(&all->parked);
    free(all->heap);
    *all = (struct deliveries){0};
}
