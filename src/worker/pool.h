/* pool.h - the worker processes, as the conductor sees them: give a job to one, hear what comes of it, end
 * it. Lives on the conductor's loop and never blocks it: disk work is done by libuv's threads.
 *
 * A worker serves jobs of one workspace, one at a time, and is replaced after worker_jobs of them, after any
 * failure, and when it was killed. A probe that opened nothing (a file of no known format, a text) counts by its bytes
 * and its time, for a sixteenth of a job a file at least. A spare of each role is kept warm. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "blob/blob.h"
#include "robot/robot.h"

#include <uv.h>

struct pool;
struct pool_run; /* one job on its way through a worker */

struct pool_conf {
    uv_loop_t *loop;
    struct blob_store *blobs;
    const char *program_dir; /* where the programs workcell-ROLE lie */
    const char *scratch;     /* directory; emptied at start. Same file system as the blobs, if possible. Absolute */
    int workers[ROLE_COUNT]; /* 0: no job has this role, and no process is started */
    int worker_jobs;
    bool isolate_jobs;       /* every job a fresh process */
    bool require_jail;
    int64_t memory_bytes, file_bytes;
    int64_t scratch_bytes;   /* of all files of a job */
    const char *connect_allow; /* private networks that transfer workers may reach: http/guard.h */
    const char *connect_socket; /* path of the only local socket that they may reach; NULL: none */
    int places;                /* cells that may be connected to one host at a time; 0: any (places.h) */
    const char *cgroup;        /* see cgroup.h: "", "off" or a directory */
    const char *jail_without;  /* walls that are done without, for tests: walls.h */
    int timeout_s;           /* of a job whose Robot says nothing else */
    int encode_timeout_s;    /* of one that encodes; 0: the same */
    int encode_threads;      /* of one that encodes; 0: its share of the cores */
    int cores;
    int take_ms;             /* a worker that has not taken its job by then does not get it; 0: 2000 */
    const json_t *settings;  /* for robot_settings(); lent */
    const json_t *keys;      /* more of them, each for the tasks that name it only; lent; NULL: none */
    int log_level;
};

/* Another job of a task's Robot over its inputs, done together with it by one worker. It is told of, ends and is
 * stopped by itself; what ends the worker ends all of them. */
struct pool_mate {
    json_t *params; /* stolen */
    void *owner;
};

struct pool_task {
    enum robot_role role;
    const char *workspace, *assembly_id, *robot;
    json_t *params; /* stolen */
    json_t *inputs; /* array of objects with id (blob), name, ...: robot_input's fields; stolen */
    json_t *evaluate; /* {expressions, variables}: their values are asked for, nothing else; stolen; NULL: run a Robot */
    json_t *variables; /* for a Robot that sees them; stolen; may be NULL */
    json_t *undo;   /* token: run Robot.undo instead of run; stolen; NULL: run */
    int timeout_s;  /* 0: the default */
    bool encodes;   /* ROBOT_ENCODES: it is told how many threads it may use */
    int waiting;    /* other jobs of its role that have no worker yet */
    const char *keys; /* of pool_conf.keys, separated by spaces; NULL: none */
    const char *status; /* the Assembly's document, for robot_status(); lent during the call; NULL: none */
    bool knows_hosts; /* ROBOT_KNOWS_HOSTS: it may say `host` */
    bool renews;    /* its access token is one that is renewed: it may say `token` */
    bool probes;    /* it looks into its inputs, which stay what they are: may say `same` */
    bool asks;      /* such a one may ask what is next: pool_events.asks */
    struct pool_mate mates[ROBOT_TOGETHER_MAX - 1];
    int mate_count;
};

/* All on the loop's thread, each with ctx; owner is the run's. After done, failed or stopped the run is gone. */
struct pool_events {
    void *ctx;
    /* A worker has become free: a waiting job may find room. */
    void (*room)(void *ctx);
    /* A worker has the job. */
    void (*started)(void *ctx, void *owner, struct pool_run *run);
    /* body: {index, file|same|stored|passed}. A file's blob is durable under file.id already. */
    void (*output)(void *ctx, void *owner, struct pool_run *run, json_t *body);
    /* A probe whose output was just told waits, before it decodes its picture, for pool_next(). */
    void (*asks)(void *ctx, void *owner, struct pool_run *run);
    void (*progress)(void *ctx, void *owner, struct pool_run *run, double fraction);
    /* Make token durable (null: nothing to undo any more), then call pool_undo_ok(). */
    void (*undo)(void *ctx, void *owner, struct pool_run *run, json_t *token);
    /* Of a run with an undo: this input lies there whole, and stays. done() or failed() follows. */
    void (*kept)(void *ctx, void *owner, struct pool_run *run, int input, const char *url);
    /* An SSH host that the job names, in lower case, and the key that it has now ("" only asks): make the first one
     * ever durable, then call pool_host_is(). */
    void (*host)(void *ctx, void *owner, struct pool_run *run, const char *host, int port, const char *key);
    /* The other side takes this access token no more: call pool_token_is(). */
    void (*token)(void *ctx, void *owner, struct pool_run *run, const char *refused);
    void (*done)(void *ctx, void *owner, struct pool_run *run, int64_t exec_us);
    /* Of the expressions that were to be evaluated, in their order; lent. done() follows. */
    void (*values)(void *ctx, void *owner, struct pool_run *run, json_t *values);
    /* err_retry(err) says whether another try makes sense. */
    void (*failed)(void *ctx, void *owner, struct pool_run *run, const struct err *err);
    /* After pool_stop(): no process of it is left, its scratch space is free. */
    void (*stopped)(void *ctx, void *owner, struct pool_run *run, int processes_killed, int64_t bytes_freed);
    /* {id, status, data, error, duration_us}, lent. */
    void (*posted)(void *ctx, const json_t *answer);
    /* It died: nobody knows what became of what it had. */
    void (*courier_lost)(void *ctx);
};

MUST_CHECK int pool_open(struct pool **out, const struct pool_conf *conf,
                         const struct pool_events *events, struct err *err);
/* Somebody has a job of this role: one whose program starts late (robot/roles.def) begins to start, and tells
 * pool_events.room when it is there. */
void pool_wanted(struct pool *p, enum robot_role role);
/* May a job of this role start now? */
bool pool_has_room(const struct pool *p, enum robot_role role);
/* How many threads a job may use that finds `running` others with workers of its role and `waiting` without: twice
 * its share, or all cores, whichever is less. The share is the cores divided by those that can be at work at a time, of
 * which there are at most `workers`, and at least 1. Twice, as the others may be short, and an encoder can't be given
 * more threads later. */
int pool_share(int cores, int workers, int running, int waiting);
/* What one that encodes would have, with so many others of its role waiting. */
int pool_threads(const struct pool *p, enum robot_role role, int waiting);
/* owner comes back in every event, for mates as well, each of which has a run of its own, told by started(). Never
 * fails: what goes wrong is reported by failed(). */
struct pool_run *pool_start(struct pool *p, const struct pool_task *task, void *owner);
/* To a probe that asked: its worker does this job as well, over the same input, and what the probe would have found is
 * found by that; each is told of, ends and is stopped by itself, as mates are. task NULL: there is no such job. Returns
 * its run (NULL: there is none), which started() does not tell. */
struct pool_run *pool_next(struct pool_run *run, const struct pool_task *task, void *owner);
void pool_undo_ok(struct pool_run *run);
/* key: the one that counts; NULL: none is known. */
void pool_host_is(struct pool_run *run, const char *key);
/* token: another access token; NULL: there is none, and why not. */
void pool_token_is(struct pool_run *run, const char *token, const char *why);
/* SIGKILL to the worker's whole group, at once. stopped() follows; for others that it had, failed(). */
void pool_stop(struct pool_run *run);
/* Kill everything; handles are closed when the loop has run once more. */
void pool_close(struct pool *p);
/* Have the courier, a process of its own, POST something: {id, url, body, delivery, timeout_s, guard} (stolen).
 * posted() or courier_lost() follows. ERR_BUSY: not now, try again later. */
MUST_CHECK int pool_post(struct pool *p, json_t *what, struct err *err);
/* Remove directories in scratch that no worker has. */
void pool_scrub(struct pool *p);
/* For receipts, /metrics and tests. */
int pool_processes(const struct pool *p);

/* The workers as they are, for people to look at. */
struct pool_worker {
    enum robot_role role;
    int64_t id;
    const char *state;     /* "starting", "idle", "busy", "ending" */
    const char *workspace; /* NULL: serves any yet */
    int jobs;              /* that it was given */
    void *owner;           /* of the run that it has, NULL: none */
};
void pool_list(const struct pool *p, void (*cb)(void *ctx, const struct pool_worker *w), void *ctx);
