#include "conductor/renewals.h"
#include "assembly/credentials.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "store/renewed.h"
#include "worker/trial.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AT_A_TIME 8                 /* of all credentials */
#define WAIT_S 480                  /* for one, which ends long before by itself: src/renew.c */
#define LAST_US (60 * SECOND_US)    /* before its end a token is not used any more */
#define FAILED_KEPT_US (600 * SECOND_US)
#define SELF "/proc/self/exe"

static const struct log log_ctx = {"room", "renewals", NULL};

/* ---- what failed, in the Robot's words ---- */

/* As transfer/remote.c names what workers say. */
static int name_failure(struct err *err, const struct robot *r, bool denied)
{
    const char *suffix = denied && robot_has_code(r, "ACCESS_DENIED") ? "ACCESS_DENIED" : "FAILURE";

    err->code = denied ? ERR_SERVER_403 : ERR_IMPORT;
    if (robot_has_code(r, suffix))
        robot_code(err->name, r, suffix);
    else
        snprintf(err->name, sizeof err->name, "WORKER_JOB_ERROR");
    return -1;
}

/* ---- what is there ---- */

static json_t *content_with(const char *access_token) { return json_pack("{s:s}", "access_token", access_token); }

/* 1: *out. 0: it has to be renewed. -1: refused, until the credentials change. late: one that is to be renewed is fine,
 * as long as it works. */
static int renewal_look(json_t **out, const struct renewal_bench *b, const struct renewal_wish *w, const char *id,
                        bool late, struct err *err)
{
    AUTO(renewed_done) struct renewed have = {0};
    int64_t now = clock_now_us();
    int rc = renewed_read(&have, b->dir, b->seal, id, err);

    if (rc <= 0)
        return rc;
    bool bad = have.access_token && w->refused && !strcmp(have.access_token, w->refused);
    if (have.access_token && !bad && now < (late ? have.until_us - LAST_US : have.renew_at_us)) {
        *out = content_with(have.access_token);
        return 1;
    }
    if (!have.refused || strcmp(have.refused_of ? have.refused_of : "", jstr_or(w->content, "client_secret", "")) != 0)
        return 0;
    err_set(err, ERR_SERVER_403, "%s", have.refused);
    return name_failure(err, w->robot, true);
}

/* ---- asking ---- */

static int renewal_id(char id[static RENEWED_ID_LEN + 1], const struct renewal_wish *w, struct err *err)
{
    renewed_id(id, w->workspace, w->content);
    return *id ? 0 : err_set(err, ERR_CREDENTIALS, "the stored credentials lack client_id or refresh_token");
}

static json_t *order(const struct renewal_bench *b, const struct renewal_wish *w)
{
    char hex[2 * sizeof b->seal->bytes + 1];

    hex_encode(hex, b->seal->bytes, sizeof b->seal->bytes);
    json_t *o = json_pack("{s:s*,s:s,s:s,s:s,s:s,s:s,s:s,s:O,s:O?}", "refused", w->refused, "dir", b->dir,
                          "program_dir", b->program_dir, "without", b->without ? b->without : "", "seal", hex,
                          "workspace", w->workspace, "robot", credential_renewer(w->type, w->content)->name,
                          "content", w->content, "settings", b->settings);
    explicit_bzero(hex, sizeof hex);
    return o;
}

/* 0: what it got lies in the file, a refusal too. err is not named yet. */
static int have_renewed(const struct renewal_bench *b, const json_t *what, const _Atomic(bool) *stop, struct err *err)
{
    const struct trial t = {.program_dir = b->program_dir, .without = b->without, .stop = stop, .leaves = true};
    AUTO(json_unref) json_t *said = trial_ask(&t, SELF, "--renew", NULL, what, WAIT_S, err);

    if (!said)
        return -1;
    return jbool(said, "written", false)
               ? 0
               : err_set(err, ERR_IMPORT, "%s", jstr_or(said, "error", "it says nothing"));
}

int renewal_wait(json_t **out, const struct renewal_bench *b, const struct renewal_wish *w, const _Atomic(bool) *stop,
                 struct err *err)
{
    char id[RENEWED_ID_LEN + 1];
    struct err ignored;

    if (renewal_id(id, w, err) < 0)
        return -1;
    int rc = renewal_look(out, b, w, id, false, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    AUTO(json_unref) json_t *what = order(b, w);
    if (have_renewed(b, what, stop, err) < 0)
        return renewal_look(out, b, w, id, true, &ignored) > 0 ? 0 : name_failure(err, w->robot, false);
    if ((rc = renewal_look(out, b, w, id, false, err)) == 0)
        return err_set(err, ERR_BUSY, "the access token ends as soon as it is there");
    return rc < 0 ? -1 : 0;
}

/* ---- beside the conductor's work ---- */

struct renewal {
    struct renewal *next;
    struct renewals *all;
    char id[RENEWED_ID_LEN + 1];
    json_t *what;       /* while it runs */
    int64_t failed_us;  /* monotonic; 0: it has not */
    struct err why;
};

struct renewals {
    struct renewal_bench bench;
    pthread_mutex_t lock;
    pthread_cond_t fewer;
    struct renewal *first; /* those that run, and those that failed a while ago */
    int running;
    _Atomic(bool) stop;
};

struct renewals *renewals_new(const struct renewal_bench *b)
{
    struct renewals *r = mem_zalloc(sizeof *r);

    r->bench = *b;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->fewer, NULL);
    return r;
}

static void drop(struct renewal **at)
{
    struct renewal *n = *at;

    *at = n->next;
    json_decref(n->what);
    free(n);
}

void renewals_free(struct renewals *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    while (r->running)
        pthread_cond_wait(&r->fewer, &r->lock);
    pthread_mutex_unlock(&r->lock);
    while (r->first)
        drop(&r->first);
    pthread_cond_destroy(&r->fewer);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void *renew_one(void *arg)
{
    struct renewal *n = arg;
    struct renewals *r = n->all;
    struct err err = {0};
    int rc = have_renewed(&r->bench, n->what, &r->stop, &err);

    if (rc < 0 && !r->stop)
        log_warn(&log_ctx, "stored credentials of workspace %s were not renewed: %s",
                 jstr_or(n->what, "workspace", ""), err.msg);
    pthread_mutex_lock(&r->lock);
    json_decref(take(n->what));
    n->failed_us = rc < 0 ? clock_mono_us() : 0;
    n->why = err;
    r->running--;
    pthread_cond_broadcast(&r->fewer);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Under the lock. Those that are done with, and old failures, leave. */
static struct renewal *renewal_of(struct renewals *r, const char *id)
{
    struct renewal *found = NULL;

    for (struct renewal **p = &r->first; *p;) {
        bool over = !(*p)->what && (!(*p)->failed_us || clock_mono_us() - (*p)->failed_us > FAILED_KEPT_US);

        if (over) {
            drop(p);
            continue;
        }
        if (!strcmp((*p)->id, id))
            found = *p;
        p = &(*p)->next;
    }
    return found;
}

/* Under the lock; n: what there is of an earlier one. No thread: later. */
static void renewal_begin(struct renewals *r, struct renewal *n, const char *id, const struct renewal_wish *w)
{
    pthread_attr_t detached;
    pthread_t thread;

    if (r->running >= AT_A_TIME || r->stop)
        return;
    if (!n) {
        n = mem_zalloc(sizeof *n);
        n->next = r->first;
        n->all = r;
        snprintf(n->id, sizeof n->id, "%s", id);
        r->first = n;
    }
    n->failed_us = 0;
    n->what = order(&r->bench, w);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, renew_one, n) == 0)
        r->running++; /* it needs the lock to end */
    else
        json_decref(take(n->what));
    pthread_attr_destroy(&detached);
}

enum renewal_is renewals_ask(json_t **out, struct renewals *r, const struct renewal_wish *w, int64_t *since_us,
                             struct err *err)
{
    char id[RENEWED_ID_LEN + 1];
    struct err ignored;

    if (renewal_id(id, w, err) < 0)
        return RENEWAL_FAILED;
    int rc = renewal_look(out, &r->bench, w, id, false, err);
    if (rc)
        return rc < 0 ? RENEWAL_FAILED : RENEWAL_READY;
    if (!*since_us)
        *since_us = clock_mono_us();
    pthread_mutex_lock(&r->lock);
    struct renewal *n = renewal_of(r, id);
    bool runs = n && n->what, failed = n && !runs && n->failed_us >= *since_us;
    if (failed)
        *err = n->why;
    else if (!runs)
        renewal_begin(r, n, id, w);
    pthread_mutex_unlock(&r->lock);
    if (!failed)
        return RENEWAL_RUNS;
    if (renewal_look(out, &r->bench, w, id, true, &ignored) > 0)
        return RENEWAL_READY;
    name_failure(err, w->robot, false);
    return RENEWAL_FAILED;
}
