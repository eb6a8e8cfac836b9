/* pool_priv.h - what the files of the pool share. Lowest first, and each uses only those before it: pool_loop.c (libuv)
 * pool_stderr.c pool_scratch.c pool_workers.c (zygotes, workers and the work on their directories) pool_hosts.c
 * pool_outputs.c pool_wear.c pool_given.c (what a job is told) pool_runs.c (jobs) pool.c (the whole). */
#pragma once
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "worker/border.h"
#include "worker/pool.h"

enum worker_state {
    WORKER_STARTING, /* forked, warming up */
    WORKER_IDLE,
    WORKER_BUSY,     /* has a run, or its directory is being emptied */
    WORKER_DYING,    /* SIGKILL is on its way */
    WORKER_GONE,     /* every process reaped; its directory may still be there */
};

struct worker {
    struct worker *next;
    struct pool *pool;
    int64_t id;
    enum robot_role role;
    enum worker_state state;
    pid_t pid;
    int sock, status, killed, over; /* the last three: see `gone` in messages.def */
    int init_fd;  /* of its cell's init, which ends last; -1: not known yet */
    uv_poll_t *poll;
    uv_poll_t *dying; /* on init_fd, when no zygote is left to tell of its end */
    bool paused; /* nothing more is read from it */
    char *dir;
    int out_fd; /* its out/, opened before it had a job; -1: not yet */
    char *workspace; /* NULL: any */
    int jobs;
    int64_t wear; /* by what it did: pool_wear.c */
    bool courier;
    bool cleaning, clean_again; /* of a dead one: a thread is at its directory; and once more after that */
    struct pool_run *run; /* the first of those that it has */
};

/* Several that a worker does together are a list. What is said of a job is each one's own; what is about the worker,
 * and all from `message` to `failure`, is the first one's. One of pool_next() has a message of its own. */
struct pool_run {
    struct pool *pool;
    struct worker *worker;
    struct pool_run *first, *mate; /* mate: the next one; NULL: there is none */
    void *owner;
    struct border_run said; /* by the worker */
    bool stopping; /* pool_stop() */
    bool ended;    /* done or failed was reported */
    enum robot_role role;
    char assembly_id[ID_LEN + 1];
    json_t *message;
    int timeout_s;
    bool probes, asks, knows_hosts; /* see struct pool_task */
    uv_timer_t *timer; /* first for its taking the job, then for the job */
    int moves;     /* workers that did not take it */
    int64_t taken_us; /* monotonic */
    bool opened;      /* of a probe: a reader of a file's format ran, by what it found */
    bool working;  /* a thread is at it: nothing is read from the worker meanwhile */
    bool spoiled;  /* one has failed: its worker is not kept */
    atomic_bool unwanted;  /* one is stopping: a thread that works for it looks */
    struct follow *follow; /* see pool_outputs.c; NULL: none */
    int64_t freed;
    struct err failure; /* why it was killed; code 0: by pool_stop or by itself */
};

/* What the processes of a role write to their stderr: told line by line, bounded and labelled. */
struct said {
    uv_poll_t *poll;
    enum robot_role role;
    int fd;
    char line[240];
    size_t len;
    bool cut;           /* the rest of this line is left out */
    int64_t second;     /* lines are counted by the second */
    int lines, left_out;
};

struct zygote {
    struct pool *pool;
    struct said said;
    enum robot_role role;
    uv_process_t *process;
    uv_poll_t *poll;
    int sock;
    bool ready;
    bool late; /* it is not started before somebody has a job for it */
    int deaths;
};

/* What pool_workers.c has to tell of a worker; pool_runs.c hears it. */
struct worker_events {
    void (*said)(struct worker *w, enum message type, json_t *body, size_t bytes);
    void (*broke)(struct worker *w, const struct err *why); /* what it sent can't be read */
    /* Every process of it is reaped and its directory is removed. Perhaps not for the last time: while a thread works
     * for its run, that one calls worker_gone() again. */
    void (*gone)(struct worker *w);
};

struct pool {
    struct pool_conf conf;
    const struct worker_events *told;
    char *cgroup; /* see cgroup.h; NULL: none */
    int64_t user; /* root: first of the workers' users; 0: there is none */
    int users;
    struct pool_events events;
    struct zygote zygotes[ROLE_COUNT];
    struct worker *workers, *courier;
    struct map posts;  /* ids that the courier has */
    char *hidden[2];   /* the data directory, as it is named and as it is: no client sees either */
    int64_t next_worker;
    bool closing;
};

/* For libuv's threads: fn there, then after on the loop. dir, path and json are freed with it. */
struct work {
    uv_work_t req;
    void (*fn)(struct work *);
    void (*after)(struct work *);
    struct worker *worker;
    struct pool_run *run;
    struct blob_store *blobs;
    char *dir, *path;
    json_t *json;
    char id[ID_LEN + 1], source[ID_LEN + 1];
    struct blob_taken taken;
    struct blob_follow *beside; /* see pool_outputs.c, which lets go of it */
    struct follow *follow;
    int64_t max_size;
    bool remove_dir;
    int rc;
    int64_t bytes;
    struct err err;
};

/* ---- pool_stderr.c ---- */
/* A pipe: its reading end is watched, the writing end is the caller's. */
MUST_CHECK int said_open(int *writer, struct said *s, uv_loop_t *loop, enum robot_role role, struct err *err);
void said_close(struct said *s);

/* ---- pool_scratch.c ---- */
/* The directory for the workers' directories: ours alone, empty, and no process of an earlier daemon in it. */
MUST_CHECK int scratch_open(struct pool *p, struct err *err);
/* Removes everything in it, however deep, and itself if asked. Returns bytes. */
int64_t empty_dir(const char *path, bool and_itself);

/* ---- pool_loop.c ---- */
void pool_work(struct pool *p, struct work *w); /* steals w */
void pool_close_poll(uv_poll_t **poll, int *sock);
void pool_free_handle(uv_handle_t *h); /* for uv_close() */

/* ---- pool_workers.c ---- */
MUST_CHECK int zygote_start(struct zygote *z, struct err *err);
MUST_CHECK int zygote_check(const struct zygote *z, struct err *err); /* Is there a program? */
/* Hear what the zygote at the other end of sock (stolen) says. A test may be one. */
void zygote_listen(struct zygote *z, int sock);
/* A worker of its own (courier) or for anybody's jobs; WORKER_DYING when the zygote could not be asked. */
struct worker *worker_spawn(struct pool *p, enum robot_role role, bool courier);
/* Idle workers in reserve, as many as may be. */
void pool_fill_spares(struct pool *p);
/* The best free worker for a job of this workspace, or a new one: never one that has served another workspace. */
struct worker *worker_choose(struct pool *p, enum robot_role role, const char *workspace);
void worker_kill(struct worker *w);
/* The first of its jobs that is not over. NULL: none. */
struct pool_run *worker_open_run(const struct worker *w);
/* All of its processes are reaped: its directory is emptied on a thread, then that is told. */
void worker_gone(struct worker *w);
void worker_free(struct worker *w);
/* Read from it again, when that was put off; at once, if something waits. */
void worker_listen(struct worker *w);
/* For a struct work: removes a directory, and says how much that was. */
void worker_clean_dead(struct work *k);
void worker_scrubbed(struct work *k);

/* ---- pool_hosts.c ---- */
/* False: it is about a host that the job does not name. */
bool pool_hear_host(struct pool_run *run, const json_t *body);

/* ---- pool_outputs.c ---- */
/* Is any of those that come with it being stopped? */
bool pool_is_stopping(const struct pool_run *run);
/* An output with contents (file or clone) becomes a blob, on a thread; then output() is told. */
void pool_adopt(struct pool_run *run, json_t *body);
/* From now on what grows in its out/ is summed beside. To be ended before its worker gets another run. */
void pool_follow(struct pool_run *run);
void pool_follow_end(struct pool_run *run); /* none is fine */

/* ---- pool_given.c ---- */
/* Seconds that it may take with all that come with it, as if one came after the other. */
int pool_timeout(const struct pool *p, const struct pool_task *task);
/* Its `job` message; all of the task that is stolen is in it. */
json_t *pool_message(const struct pool *p, const struct pool_task *task);

/* ---- pool_wear.c: when has a worker done enough? ---- */
/* It gets a run, takes it, says what it found. */
void wear_begin(struct worker *w);
void wear_taken(struct pool_run *run);
void wear_output(struct pool_run *run, const json_t *output);
/* It is done with it. True: no other one is for it. */
bool wear_end(struct worker *w, const struct pool_run *run);

/* ---- pool_runs.c ---- */
extern const struct worker_events pool_hears;

/* ---- pool.c ---- */
/* Without zygotes and directories. A test may be both. */
void pool_begin(struct pool *p, const struct pool_conf *conf, const struct pool_events *events);
