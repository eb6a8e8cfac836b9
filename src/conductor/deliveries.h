/* deliveries.h - which notification is sent next. Pure: it knows no clock, no store and no courier.
 *
 * Those whose time has not come lie in a heap. Those that are due wait in line for their receiver,
 * and receivers that may be sent one more take turns. So a step costs the logarithm of how many
 * there are, and nothing by the number of those that a dead receiver has piled up. */
#pragma once
#include "base/id.h"
#include "base/map.h"
#include "conductor/conductor.h"

enum {
    DELIVERIES_FLYING_MAX = 64,
    DELIVERIES_RECEIVER_MAX = 8, /* of those, to one receiver */
};

struct delivery_list {
    struct delivery *first, *last;
};

struct delivery {
    char id[ID_LEN + 1], assembly_id[ID_LEN + 1];
    char *workspace, *key_id, *url;
    bool replay;
    int attempts;
    int64_t next_us;       /* when it is due; set by delivery_wait() */
    conductor_reply reply; /* a replay that is waited for */
    void *ctx;

    /* deliveries.c's own: where it is. In the heap, in a list, or in the hands of the caller. */
    struct receiver *receiver;
    size_t heap_at; /* from 1; 0: not in the heap */
    struct delivery_list *list;
    struct delivery *next, *prev;
};

struct deliveries {
    struct map by_id;
    struct map receivers; /* host -> struct receiver */
    struct map parked;    /* assembly id -> struct delivery_list */
    struct delivery **heap;
    size_t count, cap;
    struct receiver *turn_first, *turn_last; /* receivers that may be sent one, some no more */
    struct delivery_list fresh, flying;
    int flying_count;
};

/* In the hands of the caller. */
struct delivery *delivery_add(struct deliveries *all, const struct store_notification *n);
struct delivery *delivery_find(const struct deliveries *all, const char *id); /* NULL: none */
void delivery_drop(struct deliveries *all, struct delivery *d);

/* Where it goes, from wherever it is: */
void delivery_wait(struct deliveries *all, struct delivery *d, int64_t next_us);
void delivery_fly(struct deliveries *all, struct delivery *d);
void delivery_hold_fresh(struct deliveries *all, struct delivery *d); /* its row isn't committed */
void delivery_park(struct deliveries *all, struct delivery *d);       /* its Assembly isn't ready */

/* The next one that is due at now_us and may be sent, in the hands of the caller. NULL: none. */
struct delivery *delivery_take(struct deliveries *all, int64_t now_us);
/* Those that were parked for this Assembly, or for any, are due when they were. */
void deliveries_unpark(struct deliveries *all, const char *assembly_id);
void deliveries_unpark_all(struct deliveries *all);
bool delivery_is_flying(const struct deliveries *all, const struct delivery *d);
void deliveries_done(struct deliveries *all);
