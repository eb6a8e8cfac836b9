/* pool_bed.h - the real pool (pool.c, pool_workers.c) with a real loop and a real blob store, and a test in the place of its
 * zygotes and workers: it holds the other end of each socket and may say whatever it likes. */
#pragma once
#include "worker/pool_priv.h"

#define BED_HELD 8

struct bed_worker { /* as its zygote knows it */
    int64_t id;
    int sock;      /* the worker's end */
    char dir[300]; /* where in/ and out/ are */
    bool courier;
};

struct bed {
    uv_loop_t loop;
    struct pool p;
    struct blob_store *blobs;
    char *dir;
    int zygote[ROLE_COUNT]; /* the zygotes' ends */
    struct bed_worker held[BED_HELD]; /* workers that were asked for and live; sock -1: none */
    int spawned, gone;
    const char *keys; /* settings that jobs ask for by name */
    bool encodes;     /* jobs are of a Robot that says ROBOT_ENCODES, */
    int waiting;      /* and so many others wait */
    json_t *input; /* the blob that jobs get */
    int mates;     /* that come with each job */
    struct pool_run *asker; /* a probe that waits for bed_next(); NULL: none does */

    /* what the conductor heard */
    struct pool_run *run; /* the first; NULL: all are over */
    int open;             /* that are not */
    struct {
        int outputs, dones, failures, stops;
        double progress;
    } job[ROBOT_TOGETHER_MAX]; /* by their numbers */
    int killed;
    bool hold_undo; /* tokens are not confirmed by themselves */
    int outputs, undos, hosts, tokens, dones, failures, stops, posts;
    double progress;
    struct err failure;
    json_t *output; /* the last one */
};

/* where: NULL for TMPDIR or /tmp. */
void bed_open(struct bed *b, const char *where);
void bed_close(struct bed *b);
/* Start a job with one input (its contents are those of the first that was asked for), NULL: with none. */
void bed_start(struct bed *b, enum robot_role role, const char *robot, const char *input, bool undo);
/* The answer to a probe that asks: a job over its input, or none. */
void bed_next(struct bed *b, bool any);
/* Let the pool do what it has to, the zygote answer, and threads come home. */
void bed_turn(struct bed *b);
/* The worker that has the run, once it is up and the job has been sent to it; NULL: the run is over. */
struct bed_worker *bed_working(struct bed *b);
/* One packet of a worker, with descriptors. -1: it could not be sent. */
int bed_packet(int sock, const void *data, size_t len, const int *fds, int count);
void bed_say(struct bed_worker *w, const char *text);
/* A file in its out/. */
void bed_write(struct bed_worker *w, const char *name, const char *contents);
int bed_memory(const void *data, size_t len, int seals);
