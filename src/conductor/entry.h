/* entry.h - an Assembly in memory: what the conductor keeps of it beside the state that the rules
 * give it, how far its end has come, and when it may leave.
 *
 * Entries belong to the conductor's thread. Other threads look at `by_id` and `sleeping` under the
 * lock, and at nothing but `published`. */
#pragma once
#include "assembly/listing.h"
#include "base/map.h"
#include "conductor/conductor.h"
#include "conductor/due.h"
#include "conductor/publish.h"

#include <pthread.h>
#include <uv.h>

struct run;
struct tenant;

/* How far the end of one has come. The rules decide within a turn that it is over; this takes
 * processes, threads and a second commit. entry_set_end() alone changes it. */
enum entry_end {
    ENTRY_RUNNING,  /* not over, or the turn that ended it is not committed yet */
    ENTRY_STOPPING, /* over: its work is being stopped, and what it left elsewhere is taken back */
    ENTRY_SETTLED,  /* nothing of it is left. Its final document has to be written (it is in
                       ENTRIES_DOCUMENT) */
    ENTRY_WRITTEN,  /* the store has its final document: it may leave memory */
};

/* Being in a list is the state: no flag says it again. */
enum entry_list {
    ENTRIES_TOUCHED,   /* by this turn: listed, published, or read again when the turn is lost */
    ENTRIES_DOCUMENT,  /* their final document has to be written */
    ENTRIES_OVERSIZED, /* fail for it in the next turn */
    ENTRIES_MAIL,      /* their notifications may be ready to be sent now */
    ENTRIES_RESTING,   /* their end is written: perhaps the text of the document is all that is needed of them now */
    ENTRIES_LEAVING,   /* wish to leave memory at the end of the turn */
    ENTRY_LISTS,
};

struct waiter {
    struct waiter *next;
    bool notified; /* of an awaiter: the notification must be over too */
    conductor_reply reply;
    void *ctx;
};

struct entry {
    struct assembly *a;
    struct published *published;
    struct tenant *tenant;    /* set with its first event */
    bool counted;             /* in tenant.open */
    int64_t seq;              /* of the last event */
    int64_t published_seq;    /* of the last one that is committed and told */
    enum listing_type listed; /* as the store's list has it; 0: not yet */
    int64_t event_bytes;      /* of all its events */
    bool passing;             /* it had events that are not kept, and its document may say what they did */
    bool untold;              /* its document says what no event does */
    bool made;                /* the store has its end, and no document: that is made of its events */
    bool no_item;             /* nor is there an item in the list, for the same reason */

    unsigned lists; /* a bit for each that it is in */
    struct entry *next[ENTRY_LISTS];
    struct due look;        /* when the clock may have something for it (watch.c); monotonic */
    int64_t reported_us;    /* its progress, the last time; monotonic */
    bool rests;             /* only the text of its document is left, and what tells late news of it */
    int64_t rest_bytes;     /* that it still takes, when it rests */
    struct entry *next_resting, *prev_resting;
    int queued; /* answers and effects of the turn that name it */

    bool stale;     /* a turn that touched it was lost: what is in memory is wrong until it is read
                       again */
    bool waking;    /* read from the store, not yet published: still among the sleeping */
    bool body_gone; /* its create request has nothing more to say, be it stored or not */
    bool oversized; /* found so, once */
    char *refused;  /* the store will never take what it did, and why: it fails, instead of being
                       read again for ever */
    char notification[ID_LEN + 1]; /* written in this turn, to be sent after it; "" none */

    struct run *runs;
    enum entry_end end;
    int64_t over_mono_us; /* when it came to ENTRY_STOPPING: leaves memory a while later */
    int stopping; /* pieces of work under way for its end: runs being killed, undone, uploads being
                     stopped */
    struct waiter *waiters;   /* DELETE requests */
    uv_timer_t *settle_timer; /* of those: they are answered then at the latest */
    struct waiter *awaiters;  /* create requests that want to be answered at the end */
    int processes_killed, uploads_stopped;
    int64_t bytes_freed;
};

struct entries {
    pthread_rwlock_t lock; /* guards the maps for other threads; written by the conductor only */
    struct map by_id;
    struct map
        sleeping; /* ids of open Assemblies that are not read yet since the start (recover.c) */
    struct entry *first[ENTRY_LISTS];
    struct dues looks;
    struct audience audience; /* documents that somebody listens to */
    struct entry *resting_first, *resting_last; /* in the order in which they came to rest */
    int64_t resting_bytes, resting_bytes_most;
};

void entries_init(struct entries *all);
/* Frees all that there are. */
void entries_done(struct entries *all);

struct entry *entry_add(struct entries *all, const char *id);
/* It was never made, as its id was used before; nothing names it yet. */
void entry_drop(struct entries *all, struct entry *e);
/* Into the list; nothing when it is there already. */
void entry_put(struct entries *all, struct entry *e, enum entry_list list);
/* Out of the list again, the last one first. NULL: it is empty. */
struct entry *entry_pop(struct entries *all, enum entry_list list);
bool entry_is_in(const struct entry *e, enum entry_list list);

/* The turn under way has to do with it. */
void entry_touch(struct entries *all, struct entry *e);
/* It was committed, and everybody can see what the Assembly is now. */
void entry_published(struct entries *all, struct entry *e);

/* Allowed: the next stage; WRITTEN to SETTLED, when the document has changed; RUNNING, when it is
 * read again. */
void entry_set_end(struct entry *e, enum entry_end to);
/* Nothing of it is left. */
void entry_settled(struct entries *all, struct entry *e);
/* Its document need not be stored: it is made of its events in no time, and comes out the same. */
bool entry_is_told_by_events(const struct entry *e);
/* Its final document has to be written (again), in the turn after this one. */
void entry_document_due(struct entries *all, struct entry *e);
/* It was, in this turn. */
void entry_document_written(struct entry *e);

/* Nothing but its document is needed of it: what the turn has queued, work under way and notifications would come back
 * to it. */
bool entry_may_rest(const struct entry *e);
/* Of the document only the text is kept, of the Assembly what late news ask for. Where those that rest take too many
 * bytes, those that came first leave. */
void entry_rest(struct entries *all, struct entry *e);
/* It is being read again. */
void entry_wake(struct entries *all, struct entry *e);

/* Nobody needs it any more, as far as the caller can see. It stays valid for the rest of the turn:
 * who queued something for it (an answer, an effect) is not known to the caller. entries_forget()
 * frees it when nothing hangs on it, and forgets the wish otherwise. */
void entry_leave(struct entries *all, struct entry *e);
/* The turn is over. Nothing else frees an entry. */
void entries_forget(struct entries *all);
