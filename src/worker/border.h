/* border.h - the daemon believes no worker. Whatever comes from a worker, a courier or a zygote passes here first:
 * border.def lists what may come, with types, ranges and lengths; border_check() knows the order in which it may. A
 * peer that says anything else has been taken over, or is broken: it is ended, and what it said is not used.
 *
 * Knows no process and no loop, so that tests and fuzzers can walk all of it. */
#pragma once
#include "robot/robot.h"
#include "worker/wire.h"

/* Who speaks. */
enum border_peer { BORDER_ZYGOTE, BORDER_WORKER, BORDER_COURIER, BORDER_PEERS };

#define BORDER_OUTPUT_BYTES (1 << 20) /* of one `output`, with all that a Robot says of a file */
#define BORDER_OUTPUT_VALUES 20000
#define BORDER_OUTPUTS 10000          /* of one job */
#define BORDER_VALUE_BYTES (72 << 10) /* of all values of the expressions of a job: see script/engine.h */
#define BORDER_VALUES 25000
#define BORDER_JOB_BYTES (16 << 20)   /* of all that one job says */
#define BORDER_JOBS ROBOT_TOGETHER_MAX /* that a worker has at a time */

/* Receive one message and hold it against the table: only what is in it, and all of that, arrives. No descriptor is
 * ever taken. 1: *type and *body (the caller's). 0: the peer has closed. -1: ERR_BUSY: nothing there; ERR_WORKER: it
 * broke a rule, and the text says which message and field; ERR_IO: the socket failed. The text holds nothing of the
 * peer's. */
MUST_CHECK int border_recv(int sock, enum border_peer peer, enum message *type, json_t **body, size_t *bytes,
                           struct err *err);
/* The same for a body that was parsed already; also for a host that wants to know whether it may say this. */
MUST_CHECK int border_check_body(enum border_peer peer, enum message type, const json_t *body, struct err *err);

/* What has been said about the job that a worker has. */
struct border_run {
    int inputs;          /* of the job */
    bool probe, undo;    /* what kind of job it is */
    int expressions;     /* it is to evaluate so many, and does nothing else; 0: another kind of job */
    bool sent, taken;    /* the worker was given it; said so */
    bool over;           /* done or failed */
    bool undo_open;      /* a token that was not confirmed */
    bool kept;           /* it takes something back, and has said what stays */
    bool knows_hosts;    /* its Robot logs in at SSH servers */
    bool host_open;      /* a `host` that was not answered */
    bool renews;         /* it was given an access token that is renewed */
    bool token_open;     /* a `token` that was not answered */
    bool may_ask;        /* a probe that may ask what is next, once */
    bool next_open;      /* it has, and was not answered */
    int outputs, stored, passed, undos, hosts, tokens;
    bool early, valued;
    size_t bytes;
    int64_t sent_us;     /* monotonic */
    int64_t calm_us;     /* when its progress is forgotten: see border.c */
};

void border_run_begin(struct border_run *r, int inputs, bool probe, bool undo);
/* It got the job, and may say that it has taken it. now_us: monotonic. */
void border_run_sent(struct border_run *r, int64_t now_us);
/* May this (checked by border_recv()) come now? Remembers that it came. -1: ERR_WORKER, as above. */
MUST_CHECK int border_check(struct border_run *r, enum message type, const json_t *body, size_t bytes, int64_t now_us,
                            struct err *err);

/* A text for clients from one that names files: dir, and whatever lies above it, become nothing, so "out/0.png" is left
 * of it; data becomes "DATA". In place; the text only gets shorter. */
void border_scrub(char *text, const char *dir, const char *data);
