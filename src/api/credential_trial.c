#include "api/credential_trial.h"
#include "assembly/credentials.h"
#include "base/clock.h"
#include "conductor/renewals.h"
#include "worker/trial.h"
#include "worker/trial_answer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define AT_A_TIME 4 /* of all workspaces */

/* What jobs of this Robot are told. */
static json_t *settings_of(const struct credential_bench *b, const struct robot *robot)
{
    json_t *all = json_copy((json_t *)b->settings), *v;

    for (const char *at = robot->keys; at && *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        AUTO(mem_free) char *name = mem_strndup(at, n);

        if ((v = json_object_get(b->keys, name)))
            json_object_set(all, name, v);
        at += n;
    }
    return all;
}

static json_t *ask_robot(const struct trial *t, const struct credential_bench *b, const struct robot *robot,
                               const char *name, const char *type, const json_t *content, struct err *err)
{
    AUTO(json_unref) json_t *params = robot->trial_params ? json_reads(robot->trial_params) : json_object();

    if (credential_inject(params, robot, name, type, content, err) < 0)
        return NULL;
    AUTO(json_unref)
    json_t *input = json_pack("{s:O,s:o}", "params", params, "settings", settings_of(b, robot));
    return trial_ask(t, "workcell-transfer", "--trial", robot->name, input, CREDENTIAL_TRIAL_S, err);
}

/* "signed in, wrote a probe and removed the probe": only what it has done. */
static void say_done(struct str *out, const struct robot *robot, unsigned did)
{
    static const struct {
        unsigned step;
        const char *words;
    } all[] = {{TRIAL_WROTE, "wrote a probe"},
               {TRIAL_READ, "read it back"},
               {TRIAL_LISTED, "listed what lies there"},
               {TRIAL_REMOVED, "removed the probe"},
               {TRIAL_ANSWERED, "had a question answered"}};

    str_addf(out, "%s signed in", robot->name);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (did & all[i].step)
            str_addf(out, "%s%s", did >> (i + 1) ? ", " : " and ", all[i].words);
}

static json_t *verdict_of(const struct robot *robot, const struct trial_found *found, int64_t took_us)
{
    json_t *v = json_pack("{s:b,s:s,s:I}", "works", found->works, "robot", robot->name, "duration_ms",
                          (json_int_t)(took_us / 1000));
    AUTO(str_done) struct str done = {0};

    say_done(&done, robot, found->did);
    jset(v, "message", found->works ? done.s : found->words);
    if (!found->works)
        jset(v, "code", found->code);
    return v;
}

/* What the Robot is to sign in with, the caller's. refused: an access token that does not work; NULL: none is known. */
static int renewed_first(json_t **out, const struct credential_bench *b, const char *workspace, const char *type,
                         const json_t *content, const char *refused, struct err *err)
{
    const struct robot *renewer = credential_renewer(type, content);

    if (!renewer) {
        *out = json_incref((json_t *)content);
        return 0;
    }
    return renewal_wait(out, &(struct renewal_bench){b->renewed, b->program_dir, b->without, b->seal, b->settings},
                        &(struct renewal_wish){workspace, type, content, renewer, refused}, b->stop, err);
}

/* What kept them from being renewed is what is wrong with them. */
static json_t *verdict_of_renewal(const char *type, const json_t *content, const struct err *why, int64_t took_us)
{
    return json_pack("{s:b,s:s,s:I,s:o,s:s}", "works", 0, "robot", credential_renewer(type, content)->name,
                     "duration_ms", (json_int_t)(took_us / 1000), "message", jstring(why->msg), "code", err_name(why));
}

/* usable: content, or what it gave. */
static int try_usable(json_t **out, const struct credential_bench *b, const char *name, const char *type,
                      const json_t *usable, struct err *err)
{
    AUTO(trial_close) struct trial t = {.program_dir = b->program_dir, .without = b->without, .stop = b->stop};
    int64_t start = clock_mono_us();

    if (trial_open(&t, err) < 0)
        return -1;
    /* first those that write, so that all is tried */
    for (int stores = 1; stores >= 0; stores--)
        for (const struct robot *const *r = robot_table; *r; r++) {
            if (!(*r)->credentials || strcmp((*r)->credentials, type) || (*r)->is_store != stores)
                continue;
            AUTO(json_unref) json_t *said = ask_robot(&t, b, *r, name, type, usable, err);
            struct trial_found found;
            if (!said || trial_answer_read(&found, said, err) < 0)
                return -1;
            if (found.none)
                continue;
            *out = verdict_of(*r, &found, clock_mono_us() - start);
            return 0;
        }
    return err_set(err, ERR_CREDENTIALS, "Credentials of type %.60s can't be tried: no Robot here knows how", type);
}

int credential_try(json_t **out, const struct credential_bench *b, const char *workspace, const char *name,
                   const char *type, const json_t *content, struct err *err)
{
    AUTO(json_unref) json_t *usable = NULL, *verdict = NULL;
    int64_t start = clock_mono_us();
    int renewals = credential_renewer(type, content) ? 2 : 1;

    /* a token of before may be one that the other side has forgotten */
    while (renewals--) {
        AUTO(json_unref) json_t *before = take(usable);

        json_decref(take(verdict));
        if (renewed_first(&usable, b, workspace, type, content, jstr(before, "access_token"), err) < 0) {
            if (err->code != ERR_SERVER_403 && err->code != ERR_IMPORT)
                return -1;
            *out = verdict_of_renewal(type, content, err, clock_mono_us() - start);
            return 0;
        }
        if (try_usable(&verdict, b, name, type, usable, err) < 0)
            return -1;
        if (jbool(verdict, "works", false))
            break;
    }
    *out = take(verdict);
    return 0;
}

/* ---- beside the server's work ---- */

struct running {
    struct running *next;
    struct credential_trials *all;
    char *workspace, *name, *type;
    json_t *content;
    void (*done)(void *ctx, json_t *result, const struct err *err);
    void *ctx;
};

struct credential_trials {
    struct credential_bench bench;
    pthread_mutex_t lock;
    pthread_cond_t fewer;
    struct running *first; /* those that have not answered */
    int count;             /* of them */
    int threads;           /* of which some have answered */
    _Atomic(bool) stop;
};

struct credential_trials *credential_trials_new(const struct credential_bench *b)
{
    struct credential_trials *t = mem_zalloc(sizeof *t);

    t->bench = *b;
    t->bench.stop = &t->stop;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->fewer, NULL);
    return t;
}

void credential_trials_stop(struct credential_trials *t)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    while (t->threads)
        pthread_cond_wait(&t->fewer, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

void credential_trials_free(struct credential_trials *t)
{
    if (!t)
        return;
    pthread_cond_destroy(&t->fewer);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void running_free(struct running *r)
{
    free(r->workspace);
    free(r->name);
    free(r->type);
    json_decref(r->content);
    free(r);
}

static void give_place_back(struct running *r)
{
    struct credential_trials *t = r->all;

    pthread_mutex_lock(&t->lock);
    for (struct running **p = &t->first; *p; p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            break;
        }
    t->count--;
    pthread_mutex_unlock(&t->lock);
}

static void *try_one(void *arg)
{
    struct running *r = arg;
    struct credential_trials *t = r->all;
    AUTO(json_unref) json_t *found = NULL;
    struct err err = {0};
    int rc = credential_try(&found, &t->bench, r->workspace, r->name, r->type, r->content, &err);

    give_place_back(r); /* first: who has the answer may ask again at once */
    r->done(r->ctx, found, rc < 0 ? &err : NULL);
    running_free(r);
    pthread_mutex_lock(&t->lock);
    t->threads--;
    pthread_cond_broadcast(&t->fewer);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Under the lock. */
static int admit_trial(struct credential_trials *t, const char *workspace, struct err *err)
{
    bool own = false;

    for (const struct running *r = t->first; r; r = r->next)
        own |= !strcmp(r->workspace, workspace);
    if (!own && t->count < AT_A_TIME && !t->stop)
        return 0;
    err_set(err, ERR_RATE_429, own ? "Credentials of this account are being tried already"
                                   : "Too many credentials are being tried already");
    err->retry_s = 2;
    return -1;
}

int credential_trials_post(struct credential_trials *t, const char *workspace, const char *name, const char *type,
                           json_t *content, void (*done)(void *ctx, json_t *result, const struct err *err), void *ctx,
                           struct err *err)
{
    pthread_attr_t detached;
    pthread_t thread;
    int rc = -1;

    pthread_mutex_lock(&t->lock);
    if (admit_trial(t, workspace, err) == 0) {
        struct running *r = mem_zalloc(sizeof *r);

        *r = (struct running){t->first,         t,    mem_strdup(workspace), mem_strdup(name), mem_strdup(type),
                              json_incref(content), done, ctx};
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        errno = pthread_create(&thread, &detached, try_one, r);
        pthread_attr_destroy(&detached);
        if (errno) {
            rc = err_errno(err, "start a thread");
            running_free(r);
        } else {
            rc = 0;
            t->first = r; /* the thread can't be at its end yet: it needs the lock */
            t->count++;
            t->threads++;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}
