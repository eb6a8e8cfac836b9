/* private.h - the room's floors, from the ground up: a file calls those above it in this header and
 * none below. */
#pragma once
#include "assembly/credentials.h"
#include "base/clock.h"
#include "conductor/conductor.h"
#include "conductor/deliveries.h"
#include "conductor/entry.h"
#include "conductor/fair.h"
#include "conductor/opening.h"
#include "worker/pool.h"

#include <pthread.h>
#include <uv.h>

struct undo_tries {
    int failed;
    int64_t since_us; /* monotonic */
};

struct run {                             /* a job in the queue or in a worker */
    struct fair_item waiting;            /* in its lane, while no worker has it */
    struct run *sibling, **before;       /* in entry.runs */
    struct fair_lane *lane;              /* whose time it takes; NULL: waiting */
    struct run *next_taken, *prev_taken; /* of its workspace */
    int64_t charged_us, taken_us;        /* taken_us: monotonic */
    struct entry *entry;
    int job;
    enum robot_role role;  /* of the worker for the job itself */
    bool undo;             /* takes back what a killed job left */
    struct undo_tries tries; /* of that */
    bool evaluates;        /* the expressions of its parameters, before the job: another run does that then */
    json_t *counts;        /* of them: assembly_job_values() */
    bool valued;           /* and has their values */
    int full;              /* how often it began and found the disk full */
    bool alone;            /* it has failed together with others: mates.c */
    int together;          /* so many share its worker, with itself; 0: none but itself */
    bool shares;           /* its worker with a probe, or with what decodes for that: next.c */
    struct run *next_asking; /* in turn.asking */
    bool forsaken;         /* stopped because its turn was lost: recovery starts the job again */
    struct pool_run *pool; /* NULL: waiting */
    char *host_key;        /* that counts for the host it asked about, when this turn is committed; NULL: none */
    bool host_asked;       /* among turn.acks for that reason */
    char *refused;         /* an access token in whose place its worker waits for another; NULL: it does not */
    int64_t renewing_us;   /* monotonic: since when it waits for its credentials to be renewed; 0: it does not */
    json_t *found;         /* found.c: not told yet, from found_index on; NULL: it is not in turn.found */
    int64_t found_index;
    struct run *next_found;
    uv_timer_t *delay;
};

/* What workspaces share, and what each has of it. */
struct tenant {
    int open;                              /* Assemblies that are not over */
    struct fair_lane lanes[ROLE_COUNT][2]; /* role, batch */
    struct run *taken;                     /* those that workers have */
};

struct effect_item {
    struct entry *entry;
    struct effect fx;
};

struct answer {
    conductor_reply reply;
    void *ctx;
    struct err err;      /* code 0: accepted */
    struct entry *entry; /* may be NULL */
};

/* What a turn leaves to be done when it is committed. */
struct turn_queues {
    struct effect_item *effects;
    int effect_count, effect_cap;
    struct answer *answers;
    int answer_count, answer_cap;
};

struct turn { /* the one under way */
    char *record; /* event_record() of the next event, when whoever posted it has made it; NULL: not so */
    bool in_transaction;
    struct err
        failure; /* the store refused something: nothing of this turn is kept. code 0: not so */
    struct turn_queues queues;
    char (*claims)[ID_LEN + 1]; /* blobs that news of this turn named: held until it is committed */
    int claim_count, claim_cap;
    struct run **acks; /* runs whose undo token, or whose host's key, is durable with this commit */
    int ack_count;
    struct run *asking; /* probes that have asked what is next */
    struct run *found; /* found.c: runs that have something to tell */
    struct removal *removal; /* housekeep.c: contents whose rows this turn forgets */
};

/* What others ask for. */
enum news_kind {
    NEWS_EVENT,   /* for an Assembly that there is */
    NEWS_CREATED, /* EV_CREATED: there is none yet */
    NEWS_CANCEL,  /* EV_CANCEL: answered when it has settled */
    NEWS_UPLOAD_ROW,
    NEWS_WRITE,
    NEWS_AWAIT,
    NEWS_AWAIT_NOTIFIED,
    NEWS_WAKE,
    NEWS_REPORT,
    NEWS_SLOTS,
    NEWS_WORK,
    NEWS_KINDS,
};

struct news {
    struct news *next;
    enum news_kind kind;
    enum event_type event; /* of the first three */
    char assembly_id[ID_LEN + 1];
    char *workspace; /* of NEWS_SLOTS, NEWS_WORK */
    json_t *data;
    char *record; /* event_record() of it; NULL: not yet */
    char *upload_id, *upload_meta;
    int (*apply)(void *ctx, struct store *s, struct err *err); /* of NEWS_WRITE */
    conductor_reply reply;
    void *ctx;
};

struct inbox {
    pthread_mutex_t lock;
    struct news *first, **last;
    bool stop_asked;
    int64_t stop_wait_us;
};

struct recovery {
    char (*to_wake)[ID_LEN + 1];
    size_t to_wake_count, woken;
    uv_idle_t waker;
    int64_t opened_us;
    int64_t retry_us; /* when to read what is stale; monotonic, 0: nothing is */
    int64_t retry_pause_us;
    struct opening *opening;
};

struct outbox {
    struct deliveries all;
    int64_t pause_until_us; /* monotonic: there is no courier */
};

struct housekeeping {
    int64_t sweep_due_us, scrub_due_us;
    bool scrubbing;
};

struct conductor {
    struct conductor_conf conf;
    struct upload_stopper uploads;
    pthread_t thread;
    bool has_thread;
    uv_loop_t loop; /* its data is the conductor */
    uv_async_t wake;
    uv_prepare_t commit;
    uv_timer_t tick;
    struct pool *pool;
    struct renewals *renewals;
    struct log log;
    struct inbox inbox;
    struct entries entries;
    struct turn turn;
    struct recovery recovery;
    struct housekeeping housekeeping;
    struct outbox outbox;

    struct fair_queue queues[ROLE_COUNT][2]; /* role, batch */
    struct map tenants;                      /* workspace -> struct tenant */
    _Atomic(bool) draining, ready;           /* looked at by other threads, too */
    int64_t boot; /* when it began: no two starts on one directory have the same */
    int64_t ticks;
    bool no_space, ballast; /* ballast: its file is there */
};

/* ---- deliveries.h, entry.h, publish.h, fair.h, timer.h: they do not know struct conductor ---- */

/* ---- space.c: are the disks filling up? ---- */
void ballast_make(struct conductor *c);
void ballast_drop(struct conductor *c);
void ballast_check(struct conductor *c); /* drop it when it is needed */
/* Ten times a second. True: there is room again, and what waits for it may go on. */
bool space_watch(struct conductor *c);

/* ---- tenants.c ---- */
struct tenant *tenant_of(struct conductor *c, const char *workspace);
/* The Assembly has had an event: it belongs to its workspace, and counts there until it is over. */
void tenant_follow(struct conductor *c, struct entry *e);
void tenants_done(struct conductor *c);

/* ---- rows.c: what an event means for the store and the conductor, apart from itself ---- */
struct row_source {
    const json_t *data; /* of the event */
    int64_t at_us;
    int64_t billed; /* bytes, with this event */
};
struct event_rule {
    bool ends_body; /* the create request has nothing more to say after it */
    /* Rows of the same transaction. NULL: none. */
    int (*save)(struct conductor *c, struct entry *e, const struct row_source *s, struct err *err);
};
const struct event_rule *event_rule(enum event_type type);
/* The row of a new one; with its end, when it is over already. Errors: ERR_EXISTS. */
MUST_CHECK int save_assembly(struct conductor *c, struct entry *e, struct err *err);
/* How it ended. document NULL: it is made of its events. */
MUST_CHECK int save_end(struct conductor *c, struct entry *e, const char *document, struct err *err);
/* The notification of one that has ended in this turn, when it wants one. */
MUST_CHECK int save_notification(struct conductor *c, struct entry *e, struct err *err);

/* ---- turn.c: what happens within a turn ---- */
MUST_CHECK int turn_begin(struct conductor *c, struct err *err);
/* Nothing of this turn can be kept any more. Returns -1. */
int turn_lost(struct conductor *c, const struct err *why);
/* As the store keeps it. From any thread. */
char *event_record(const struct seal_key *seal, const char *assembly_id, enum event_type type, const json_t *data);
/* Apply one event to an Assembly inside this turn's transaction. Returns what assembly_apply says,
 * or the store's refusal: then the whole turn is lost, whoever waits for it hears that, and what it
 * touched is read again. EV_CREATED: ERR_EXISTS loses nothing; the caller drops the entry. */
int turn_apply(struct conductor *c, struct entry *e, enum event_type type, json_t *data,
               struct err *err);
/* News about this file are in: when the turn is over its blob has a row, or will never have one. */
void turn_claim(struct conductor *c, const json_t *data);
void turn_release_claims(struct conductor *c);
void turn_answer(struct conductor *c, conductor_reply reply, void *ctx, const struct err *err,
                 struct entry *e);
/* What the turn has queued belongs to the caller, who ends it with turn_queues_done(). */
struct turn_queues turn_take_queues(struct conductor *c);
void turn_queues_done(struct turn_queues *q);
/* What a turn under way has; nothing of it is done. */
void turn_release(struct conductor *c);

/* ---- settle.c: after the end ---- */
/* So many pieces of work more, or one less, until it has settled. */
void settle_begin(struct entry *e);
void settle_one(struct conductor *c, struct entry *e);
void settle_check(struct conductor *c, struct entry *e);
/* Answer when it has settled, at most cancel_wait later. */
void settle_wait(struct conductor *c, struct entry *e, conductor_reply reply, void *ctx);
/* The cancel that they wait for did not happen. */
void settle_refuse(struct entry *e, const struct err *why);
void settle_uploads(struct conductor *c, struct entry *e);
/* What this job left elsewhere is taken back; why: it is not, and stays there. */
void settle_undone(struct conductor *c, struct entry *e, int job, const struct err *why);
/* After another try that failed: how long to wait before the next; 0: it has no sense. */
int64_t settle_undo_pause(struct entry *e, const struct undo_tries *was, const struct err *why);

/* ---- given.c: what a job is given ---- */
/* NULL: err says why. */
json_t *given_inputs(const struct conductor *c, const struct assembly *a, const struct job *j, struct err *err);
/* What robot_status() is. NULL: nothing. */
struct shared_text *given_status(const struct entry *e, const struct robot *robot);
struct given_owner {
    struct conductor *c;
    const struct assembly *a;
    const struct robot *robot;
    int64_t *renewing_us; /* of the run */
    const char *refused;  /* see renewals.h */
    bool renewed;         /* afterwards: its credentials are ones that are renewed; */
    bool waits;           /* they are not yet */
};
/* For a struct credential_source whose ctx is a struct given_owner. */
int given_credentials(void *ctx, json_t **content, char type[static CREDENTIAL_TYPE_MAX], const char *name,
                      struct err *err);

/* ---- runs.c ---- */
/* A worker is to have r, whose place in the queue was paid with charged_us: it counts for its workspace from now on. */
void run_taken(struct run *r, struct fair_lane *lane, int64_t charged_us);
/* Its time at a worker is over: what it took counts for the share of its workspace. */
void run_left(struct run *r);
void run_free(struct conductor *c, struct run *r);
MUST_CHECK int run_started(struct conductor *c, struct run *r, struct err *err); /* EV_JOB_STARTED */
/* That have no worker yet, of all workspaces. */
int jobs_waiting(const struct conductor *c, enum robot_role role);

/* ---- mates.c: jobs that one worker does together ---- */
/* Takes from the queue what can be done together with r, whose parameters and inputs these are, for less than each
 * alone; with the parameters of each (the caller's). Returns how many. */
struct run_mate {
    struct run *run;
    json_t *params;
};
int mates_take(struct run_mate out[static ROBOT_TOGETHER_MAX - 1], struct conductor *c, struct run *r,
               const json_t *params, const json_t *inputs);

/* ---- next.c: what the worker of a probe does next ---- */
bool next_may_be_asked(const struct run *r); /* a job that is about to begin */
void next_on_asks(void *ctx, void *owner, struct pool_run *run);
/* Those that have asked in this turn are answered: its jobs are in their lanes. Not ok: it was lost, and their workers
 * end. */
void next_answer(struct conductor *c, bool ok);

/* ---- found.c: what probes say, several files at a time ---- */
/* body: an output that is `same`, and not early. It is told when the turn ends, unless its job ends before. */
void found_add(struct conductor *c, struct run *r, const json_t *body);
/* What was added and not told is a part of the event with this data, which the caller applies. */
void found_into(json_t *data, struct conductor *c, struct run *r);
void found_tell(struct conductor *c, struct run *r); /* now */
void found_drop(struct conductor *c, struct run *r); /* never */
void found_tell_all(struct conductor *c);

/* ---- jobs.c: the queue, and what workers say ---- */
struct run *jobs_queue(struct conductor *c, struct entry *e, int job, int64_t delay_us);
/* A job that takes back what this one left elsewhere. The entry does not settle before; where the other server can't
 * be reached it settles all the same, with a receipt that says so, and this goes on until it can. Its document is
 * written then, so that the next start finds it open, and goes on with this. */
void jobs_queue_undo(struct conductor *c, struct entry *e, int job);
bool jobs_undo_is_queued(const struct entry *e, int job);
void jobs_pump(struct conductor *c);
void jobs_fail(struct conductor *c, struct entry *e, int job, const struct err *why);
/* Ends all runs but those that take something back. */
enum jobs_stop {
    JOBS_END,     /* for good */
    JOBS_FORSAKE, /* their turn was lost: nothing they say counts any more */
};
void jobs_stop(struct conductor *c, struct entry *e, enum jobs_stop how);
bool jobs_are_running(struct conductor *c);
/* The daemon stops while jobs run: none of them is to blame for that. */
void jobs_interrupted(struct conductor *c);
/* Undo tokens of this turn are durable, or were lost. */
/* ---- hosts.c ---- */
/* r hears when this turn is committed; it does not. */
void acks_add(struct conductor *c, struct run *r);
void acks_drop(struct conductor *c, const struct run *r);
/* A probe that asks what is next, which is no reason to flush: next.c answers. */
void asks_add(struct conductor *c, struct run *r);
void asks_drop(struct conductor *c, const struct run *r);
void hosts_on_host(void *ctx, void *owner, struct pool_run *run, const char *host, int port, const char *key);
void hosts_committed(struct run *r, bool ok); /* of one that asked: it is answered */

/* ---- tokens.c ---- */
void tokens_on_token(void *ctx, void *owner, struct pool_run *run, const char *refused);
/* What r has heard or waits for of what is a secret, or of a host. */
void tokens_forget(struct run *r);
void jobs_committed(struct conductor *c, bool ok);
/* All that a pool tells, but what is about the courier. */
struct pool_events jobs_pool_events(struct conductor *c);

/* ---- recover.c: from the store back into memory ---- */
/* What was open when the process ended goes on. Some are read at once (start_wait_us); the others
 * sleep: they are read in the gaps between turns, or as soon as anybody asks for one. The caller
 * commits, then: */
MUST_CHECK int recover_open(struct conductor *c, struct err *err);
void recover_opened(struct conductor *c);
/* The Assembly, woken if it sleeps; NULL: it is not open. On the conductor's thread. */
struct entry *entry_awake(struct conductor *c, const char *id);
/* Others can find it now: it sleeps no more. */
void recover_published(struct conductor *c, struct entry *e);
/* A turn that touched it was lost: end what it runs, and read it again soon. */
void recover_later(struct conductor *c, struct entry *e, const struct err *why);
/* A turn was lost, whatever it was about: look at what is stored. */
void recover_soon(struct conductor *c);
/* Read what is stale from the store again, and go on from there. */
bool recover_is_due(const struct conductor *c);
void recover_stale(struct conductor *c);
/* The store can't be read: later. */
void recover_failed(struct conductor *c, const struct err *why);
void recover_done(struct conductor *c);

/* ---- outbox.c: notifications ---- */
/* All that the store has and this has not: at the start, and after a lost turn. */
MUST_CHECK int outbox_load(struct conductor *c, struct err *err);
/* After the commit that ended it. */
void outbox_send(struct conductor *c, struct entry *e);
void outbox_committed(struct conductor *c, bool ok);
void outbox_pump(struct conductor *c);
bool outbox_busy(const struct conductor *c);
void outbox_posted(struct conductor *c, const json_t *answer);
void outbox_courier_lost(struct conductor *c);
void outbox_done(struct conductor *c);

/* ---- housekeep.c: what is left over goes ---- */
void housekeep(struct conductor *c); /* once a second */
void housekeep_committed(struct conductor *c, bool ok);
void sweep_uploads(struct conductor *c);

/* ---- inbox.c: what other threads leave here ---- */
void inbox_init(struct inbox *in);
/* Steals n; from any thread, as inbox_ask(). */
void inbox_post(struct conductor *c, struct news *n);
/* One that needs no more than this. */
void inbox_ask(struct conductor *c, enum news_kind kind, const char *assembly_id,
               conductor_reply reply, void *ctx);
/* One about a workspace; the answer is put into out. */
void inbox_ask_about(struct conductor *c, enum news_kind kind, const char *workspace, json_t *out,
                     conductor_reply reply, void *ctx);
/* All that has come, in order; the caller ends each with news_free(). *stop: the conductor is asked
 * to stop. */
struct news *inbox_take(bool *stop, struct conductor *c);
void news_free(struct news *n);

/* ---- await.c ---- */
void await_begin(struct conductor *c, struct entry *e, struct news *n);
/* Answer those whose time has come, or all of them. */
void await_answer(struct conductor *c, struct entry *e, bool all);

/* ---- report.c ---- */
void report_tick(struct entry *e);
void report_answer(struct conductor *c, struct entry *e, struct news *n);

/* ---- watch.c: what the clock does to entries, and who listens to them. Nothing is looked at before its time ---- */
/* Ten times a second. */
void watch(struct conductor *c, int64_t mono_us);
/* It has changed: so may have the moment when it is to be looked at. */
void watch_again(struct conductor *c, struct entry *e);

/* ---- inspect.c ---- */
void slots_answer(struct conductor *c, struct entry *none, struct news *n);
void work_answer(struct conductor *c, struct entry *none, struct news *n);

/* ---- news.c: what to do about each kind ---- */
/* All that has come. True: the conductor is asked to stop. */
bool news_handle(struct conductor *c);

/* ---- loop.c: turns, ticks, the thread. Uses all of them; nothing uses it ---- */
void turn_commit(struct conductor *c);
