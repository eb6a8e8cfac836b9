/* private.h - the conductor's own structures, shared by turn.c, effects.c and recover.c. */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "conductor/conductor.h"
#include "conductor/fair.h"
#include "worker/pool.h"

#include <pthread.h>
#include <uv.h>

struct live;

struct run { /* a job in the queue or in a worker */
    struct fair_item waiting;       /* in its lane, while no worker has it */
    struct run *sibling, **before;  /* in live.runs */
    struct fair_lane *lane;         /* whose time it takes; NULL: waiting */
    struct run *next_taken, *prev_taken; /* of its workspace */
    int64_t charged_us, taken_us;   /* taken_us: monotonic */
    struct live *live;
    int job;
    bool undo; /* takes back what a killed job left */
    int full; /* how often it began and found the disk full */
    bool forsaken; /* stopped because its turn was lost: recovery starts the job again */
    struct pool_run *pool; /* NULL: waiting */
    uv_timer_t *delay;
};

struct waiter {
    struct waiter *next;
    bool notified; /* of an awaiter: the notification must be over too */
    conductor_reply reply;
    void *ctx;
};

/* What workspaces share, and what each has of it. */
struct tenant {
    int open; /* Assemblies that are not over */
    struct fair_lane lanes[ROLE_COUNT][2]; /* role, batch */
    struct run *taken; /* those that workers have */
};

struct live {
    struct tenant *tenant; /* set with its first event */
    bool counted;          /* in tenant.open */
    struct assembly *a;
    struct published *published;
    int64_t seq; /* of the last event */
    int64_t published_seq; /* of the last one that is committed and told */
    bool stale;  /* a turn that touched it was lost: what is in memory is wrong until it is read again */
    bool dirty;  /* in the list of this turn */
    struct live *next_dirty;
    struct run *runs;
    enum listing_type listed; /* as the store's list has it; 0: not yet */
    bool touched_end; /* its final document must be written */
    bool in_ends;     /* in the conductor's list of those */
    struct live *next_end;
    char notification[ID_LEN + 1]; /* written in this turn, to be sent after it; "" none */
    bool loading;     /* replay: effects other than fragments are not done */
    bool body_gone;   /* its create request has nothing more to say, be it stored or not */
    char *refused;    /* the store will never take what it did, and why: it fails, instead of being read again for ever */
    bool waking;      /* read from the store, not yet published: still among the sleeping */
    /* after a terminal state: what is still being stopped */
    int stopping;      /* runs and upload work under way */
    bool settled, settle_due;
    bool oversized; /* found so, once */
    struct live *next_oversized;
    struct waiter *waiters; /* DELETE requests */
    struct waiter *awaiters; /* create requests that want to be answered at the end */
    int processes_killed, uploads_stopped;
    int64_t bytes_freed;
    uv_timer_t *settle_timer;
    int64_t over_mono_us; /* when it ended: leaves memory a while later */
    int queued;           /* answers and effects of the turn that name it */
    bool leaving;         /* in the conductor's list of those that may leave memory */
    struct live *next_leaving;
};

struct effect_item {
    struct live *live;
    struct effect fx;
};

struct answer {
    conductor_reply reply;
    void *ctx;
    struct err err; /* code 0: accepted */
    struct live *live; /* may be NULL */
};

struct news {
    struct news *next;
    char assembly_id[ID_LEN + 1];
    int type; /* enum event_type, or one of NEWS_* */
    json_t *data;
    char *upload_id, *upload_meta;
    int (*apply)(void *ctx, struct store *s, struct err *err); /* of NEWS_WRITE */
    conductor_reply reply;
    void *ctx;
};
#define NEWS_WORK -15
#define NEWS_WAKE -14
#define NEWS_SLOTS -13
#define NEWS_REPORT -12
#define NEWS_AWAIT -10
#define NEWS_AWAIT_NOTIFIED -11
#define NEWS_UPLOAD_ROW -1
#define NEWS_WRITE -2

struct conductor {
    struct conductor_conf conf;
    struct upload_stopper uploads;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_prepare_t commit;
    uv_timer_t tick;
    struct pool *pool;
    struct log log;

    pthread_mutex_t inbox_lock;
    struct news *inbox, **inbox_last;
    bool stop_asked;
    int64_t stop_wait_us;

    pthread_rwlock_t live_lock; /* guards the maps for other threads; written by the conductor only */
    struct map live;            /* id -> struct live */
    struct map sleeping;        /* ids of open Assemblies that are not read yet since the start (recover.c) */
    char (*to_wake)[ID_LEN + 1];
    size_t to_wake_count, woken;
    uv_idle_t waker;

    /* this turn */
    bool in_transaction;
    struct live *dirty, *oversized;
    struct err failure; /* the store refused something: nothing of this turn is kept. code 0: not so */
    int64_t retry_us;   /* when to read what is stale; monotonic, 0: nothing is */
    int64_t retry_pause_us, retried_us;
    struct effect_item *effects;
    int effect_count, effect_cap;
    struct answer *answers;
    int answer_count, answer_cap;
    struct live *ends;
    struct live *leaving; /* lives_forget() frees them, or not */
    struct delivery *deliveries; /* outbox.c */
    struct run **undo_acks; /* runs whose undo token is durable with this commit */
    int undo_ack_count;

    struct fair_queue queues[ROLE_COUNT][2]; /* role, batch */
    struct map tenants;             /* workspace -> struct tenant */
    _Atomic(bool) draining, ready; /* looked at by other threads, too */
    int64_t boot; /* when it began: no two starts on one directory have the same */
    int64_t ticks;

    char (*claims)[ID_LEN + 1]; /* blobs that news of this turn named: held until it is committed */
    int claim_count, claim_cap;
    struct removal *removal; /* housekeep.c: contents whose rows this turn forgets */
    int64_t sweep_due_us, scrub_due_us;
    bool no_space, ballast; /* ballast: its file is there */
    bool scrubbing;
};

/* turn.c */
/* Apply one event to a live Assembly inside this turn's transaction. Returns what assembly_apply says, or the
 * store's refusal: then the whole turn is lost, whoever waits for it hears that, and what it touched is read again. */
int turn_apply(struct conductor *c, struct live *l, enum event_type type, json_t *data, struct err *err);
int turn_begin(struct conductor *c, struct err *err);
/* Nothing of this turn can be kept any more. Returns -1. */
int turn_lost(struct conductor *c, const struct err *why);
/* News about this file are in: when the turn is over its blob has a row, or will never have one. */
void turn_claim(struct conductor *c, const json_t *data);
void turn_answer(struct conductor *c, conductor_reply reply, void *ctx, const struct err *err, struct live *l);
void turn_commit(struct conductor *c);
void live_touch(struct conductor *c, struct live *l);
struct live *live_add(struct conductor *c, const char *id);
/* Nobody needs it any more, as far as the caller can see. It stays valid for the rest of the turn: who queued something
 * for it (an answer, an effect) is not known to the caller. At its end turn_commit() frees it when no queue names it and
 * nothing hangs on it, and forgets the wish otherwise. Nothing else frees a live Assembly. */
void live_leave(struct conductor *c, struct live *l);
/* Once a second: what the clock does to live Assemblies. */
void lives_watch(struct conductor *c);

void live_touch_end(struct conductor *c, struct live *l);

/* outbox.c */
int outbox_open(struct conductor *c, struct err *err);
int outbox_add(struct conductor *c, struct live *l, struct err *err); /* in the turn that ended it */
void outbox_send(struct conductor *c, struct live *l);                /* after its commit */
void outbox_committed(struct conductor *c, bool ok);
int outbox_reload(struct conductor *c, struct err *err); /* after a lost turn */
void outbox_pump(struct conductor *c);
bool outbox_busy(const struct conductor *c);
void outbox_posted(struct conductor *c, const json_t *answer);
void outbox_courier_lost(struct conductor *c);
void outbox_close(struct conductor *c);

/* await.c */
void await_begin(struct conductor *c, struct live *l, const struct news *n);
/* Answer those whose time has come, or all of them. */
void await_answer(struct conductor *c, struct live *l, bool all);

/* tenants.c */
struct tenant *tenant_of(struct conductor *c, const char *workspace);
/* The Assembly has had an event: it belongs to its workspace, and counts there until it is over. */
void tenant_follow(struct conductor *c, struct live *l);
void tenants_done(struct conductor *c);
void slots_answer(struct conductor *c, const struct news *n);
void work_answer(struct conductor *c, const struct news *n);

/* usage.c */
MUST_CHECK int usage_save(struct conductor *c, struct live *l, int job, int64_t billed, int64_t at_us,
                          struct err *err);

/* report.c */
void report_tick(struct live *l);
void report_answer(struct conductor *c, struct live *l, const struct news *n);

/* effects.c */
void effects_perform(struct conductor *c, struct effect_item *items, int count);
struct run *queue_job(struct conductor *c, struct live *l, int job, int64_t delay_us, bool undo);
void queues_pump(struct conductor *c);
void fail_job(struct conductor *c, struct live *l, int job, const struct err *why);
/* The daemon stops while jobs run: none of them is to blame for that. */
void runs_interrupted(struct conductor *c);
void effects_open_pool_events(struct pool_events *ev, struct conductor *c);
void sweep_uploads(struct conductor *c);
void settle_check(struct conductor *c, struct live *l);
/* A turn was lost: stop and forget all runs of l but those that take something back. */
void runs_forsake(struct conductor *c, struct live *l);
bool undo_is_queued(const struct live *l, int job);
/* The cancel that they wait for did not happen. */
void waiters_refuse(struct conductor *c, struct live *l, const struct err *why);
void settle_wait(struct conductor *c, struct live *l, conductor_reply reply, void *ctx);

/* news.c */
/* All that has come. True: the conductor is asked to stop. */
bool news_handle(struct conductor *c);
void news_post(struct conductor *c, struct news *n); /* steals n; from any thread, as news_ask() */
/* One of NEWS_* that needs no more than this. */
void news_ask(struct conductor *c, int type, const char *assembly_id, conductor_reply reply, void *ctx);

/* recover.c */
/* What was open when the process ended goes on. Some are read at once (start_wait_us); the others sleep: they are read in
 * the gaps between turns, or as soon as anybody asks for one. */
int recover_open(struct conductor *c, struct err *err);
/* The Assembly, woken if it sleeps; NULL: it is not open. On the conductor's thread. */
struct live *live_awake(struct conductor *c, const char *id);
/* Others can find it now: it sleeps no more. */
void recover_published(struct conductor *c, struct live *l);
void recover_done(struct conductor *c);
/* A turn that touched it was lost: end what it runs, and read it again soon. */
void recover_later(struct conductor *c, struct live *l, const struct err *why);
/* Read what is stale from the store again, and go on from there. */
void recover_stale(struct conductor *c);

/* housekeep.c */
void housekeep(struct conductor *c);
/* Ten times a second: are the disks filling up? */
void space_watch(struct conductor *c);
void ballast_drop(struct conductor *c);
void ballast_make(struct conductor *c);
void ballast_check(struct conductor *c); /* drop it when it is needed */
void housekeep_committed(struct conductor *c, bool ok);
