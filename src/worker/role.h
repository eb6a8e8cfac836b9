/* role.h - what a worker program brings along: one per role (role_media.c, role_transfer.c, role_script.c). */
#pragma once
#include "base/err.h"
#include "base/json.h"

struct probe_result {
    char mime[128], ext[16]; /* ext: what the contents suggest, "" when unknown */
    json_t *meta;            /* object, the caller's */
};

struct probe_how {
    const json_t *output_meta, *settings;
    bool derived; /* a Robot's result */
    /* see media/probe.h; NULL: not asked for */
    int (*early)(void *ctx, const json_t *meta, const char *mime, const char *ext, bool measures, struct err *err);
    void *early_ctx;
};

struct role_program {
    int role; /* enum robot_role */
    void (*preload)(void); /* once in the zygote, before it forks: no threads, no media operation */
    void (*warm)(void);    /* in each worker after the jail closed: pay for first use before a job waits */
    /* NULL: this role can't look into files; the server has it done by a media worker. */
    int (*probe)(struct probe_result *out, const char *path, const char *name, const struct probe_how *how,
                 struct err *err);
    /* Before a job. May be NULL. */
    void (*begin)(const json_t *settings);
    /* After a job was answered: what makes the next one faster. May be NULL. */
    void (*rest)(void);
    /* Between jobs: gives up in time what was kept for the next one. Returns when sock has something to read, or
     * nothing is kept. NULL: nothing ever is. */
    void (*idle)(int sock);
    /* Something that a job started goes on and can't be ended from here: the worker ends after its job. NULL: there is no such thing. */
    bool (*stuck)(void);
    /* Post notifications, many at a time, until sock closes. NULL: this program has no network. */
    void (*courier)(int sock); /* does not return */
    /* A value for each of work's expressions: {expressions[{code, text}], variables}. See script/engine.h. NULL: this
     * program evaluates nothing. */
    int (*evaluate)(json_t **values, const json_t *work, const json_t *settings, struct err *err);
    /* For doctor: what this program finds on the machine (tools, codecs, fonts), keys added to out. May be NULL. */
    void (*describe)(json_t *out);
    /* The same from behind the walls, after preload. May be NULL. */
    void (*describe_inside)(json_t *out);
};
extern const struct role_program role_program;

_Noreturn void courier_serve(int sock);

/* Serve jobs on sock until it closes. Does not return. */
_Noreturn void worker_serve(int sock);

/* describe.c: `PROGRAM --describe DIR`, `PROGRAM --trial DIR ROBOT` and `PROGRAM --renew DIR ROBOT`; DIR has in/ and
 * out/. Each prints one JSON object. -1: argv is something else. */
int describe_main(int argc, char **argv);
/* host.c: Robot.trial with body {params, settings}. did: enum robot_trial_step. */
MUST_CHECK int worker_trial(unsigned *did, const char *robot, const json_t *body, struct err *err);
/* Robot.renew with body {params, settings}. The caller unrefs. */
MUST_CHECK int worker_renew(json_t **out, const char *robot, const json_t *body, struct err *err);
