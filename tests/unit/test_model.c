/* The state machine against a model of it that knows nothing of the code: random histories of uploads, jobs, failures,
 * cancels, expiry and crashes, many of their events late, repeated or out of order. After every event both must agree.
 *
 * MODEL_HISTORIES (20000; `make model`: a million) and MODEL_SEED in the environment; a failure prints the seed. */
#include "assembly/assembly.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UPLOADS 3
#define JOBS 40
#define EVENTS 80
#define OUTPUTS 2
#define ATTEMPTS 2

/* :original -> first -> second; second may fail and be ignored */
static const char steps_text[] =
    "{\"first\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":5,\"result\":true},"
    "\"second\":{\"robot\":\"/image/resize\",\"use\":\"first\",\"width\":3,\"ignore_errors\":true}}";

enum phase { UPLOADING, EXECUTING, COMPLETED, CANCELED, ABORTED, FAILED };
enum kind { PROBE, FIRST, SECOND };

struct model_job {
    enum kind kind;
    int upload; /* PROBE, FIRST: of which file */
    bool open, running;
    int failures, outputs;
};

/* What the rules say, as a person would write them down. */
struct model {
    enum phase phase;
    bool body_done, meta_done;
    int expected, jobs, uploads, results;
    struct {
        bool counted, finished, removed, has_mime, ready;
    } upload[UPLOADS];
    struct model_job job[JOBS];
};

struct history {
    uint64_t seed;
    struct assembly *a;
    struct model m;
    int expected;
    bool body_done;
    /* what the store has: event i leads from before[i] to before[i + 1] */
    struct {
        enum event_type type;
        json_t *data;
        int64_t at_us;
    } log[EVENTS];
    struct model before[EVENTS + 1];
    int events, acknowledged; /* what a crash of the machine can't take back */
    int ends;
    int64_t now;
};

static uint64_t rng;

static unsigned rnd(unsigned n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (unsigned)(rng >> 33) % n;
}

static json_t *steps;
static unsigned long total_events, total_crashes, outcomes[6];

/* ---- the model ---- */

static bool is_over(const struct model *m) { return m->phase > EXECUTING; }

static void drop_all(struct model *m)
{
    for (int i = 0; i < m->jobs; i++)
        m->job[i].open = m->job[i].running = false;
}

static void finish(struct model *m, enum phase p)
{
    m->phase = p;
    drop_all(m);
}

static int open_jobs(const struct model *m, int kind) /* -1: of any kind */
{
    int n = 0;

    for (int i = 0; i < m->jobs; i++)
        n += m->job[i].open && (kind < 0 || m->job[i].kind == (enum kind)kind);
    return n;
}

static void new_job(struct model *m, enum kind kind, int upload)
{
    assert_true(m->jobs < JOBS);
    m->job[m->jobs++] = (struct model_job){.kind = kind, .upload = upload, .open = true};
}

static void go_on(struct model *m)
{
    int finished = 0;

    for (int i = 0; i < m->uploads; i++)
        finished += m->upload[i].counted && m->upload[i].finished;
    if (is_over(m))
        return;
    if (m->phase == UPLOADING && m->body_done && finished >= m->expected)
        m->phase = EXECUTING;
    if (m->phase == EXECUTING && !open_jobs(m, PROBE))
        m->meta_done = true;
    if (m->meta_done && !open_jobs(m, -1))
        m->phase = COMPLETED;
}

static void file_is_known(struct model *m, int upload)
{
    if (m->upload[upload].ready)
        return;
    m->upload[upload].ready = true;
    if (m->upload[upload].has_mime)
        new_job(m, FIRST, upload);
}

static int places_taken(const struct model *m)
{
    int n = 0;

    for (int i = 0; i < m->uploads; i++)
        n += m->upload[i].counted && !m->upload[i].removed;
    return n;
}

/* A place that is free, or that of an upload that has not finished. */
static void take_place(struct model *m, int upload)
{
    if (m->upload[upload].counted)
        return;
    m->upload[upload].counted = places_taken(m) < m->expected;
    for (int i = 0; i < m->uploads && !m->upload[upload].counted; i++)
        if (m->upload[i].counted && !m->upload[i].removed && !m->upload[i].finished) {
            m->upload[i].counted = false;
            m->upload[upload].counted = true;
        }
}

/* Is the event accepted? Changes the model if so. job, upload: what it is about. */
static bool model_apply(struct model *m, enum event_type type, int job, int upload, int index, bool early, bool again)
{
    struct model_job *j = job >= 0 && job < m->jobs ? &m->job[job] : NULL;

    switch (type) {
    case EV_UPLOAD_CREATED:
        if (is_over(m) || upload < m->uploads)
            return false;
        m->upload[m->uploads].counted = places_taken(m) < m->expected;
        m->uploads++;
        return true;
    case EV_UPLOAD_REMOVED:
        if (upload >= m->uploads || m->upload[upload].removed || m->upload[upload].finished)
            return false;
        m->upload[upload].removed = true;
        return true;
    case EV_FILE_UPLOADED:
        if (is_over(m) || upload >= m->uploads || m->upload[upload].removed || m->upload[upload].finished)
            return false;
        take_place(m, upload);
        m->upload[upload].finished = true;
        if (m->upload[upload].counted) {
            new_job(m, PROBE, upload);
            go_on(m);
        }
        return true;
    case EV_BODY_DONE:
    case EV_BODY_CUT:
        if (m->body_done)
            return false;
        m->body_done = true;
        if (type == EV_BODY_CUT && m->phase == UPLOADING)
            finish(m, ABORTED);
        else
            go_on(m);
        return true;
    case EV_JOB_STARTED:
        if (!j || !j->open)
            return false;
        j->running = true;
        return true;
    case EV_JOB_OUTPUT:
        if (!j || !j->open)
            return false;
        if (index < j->outputs)
            return true;
        j->outputs++;
        if (j->kind == PROBE) {
            m->upload[j->upload].has_mime = true;
            if (early)
                file_is_known(m, j->upload);
        } else if (j->kind == FIRST) {
            m->results++;
            new_job(m, SECOND, -1);
        } else {
            m->results++;
        }
        return true;
    case EV_JOB_DONE:
        if (!j || !j->open)
            return false;
        j->open = j->running = false;
        if (j->kind == PROBE)
            file_is_known(m, j->upload);
        go_on(m);
        return true;
    case EV_JOB_FAILED:
        if (!j || !j->open)
            return false;
        if (again && ++j->failures < ATTEMPTS) {
            j->running = false;
        } else if (j->kind == SECOND) {
            j->open = j->running = false;
            go_on(m);
        } else {
            finish(m, FAILED);
        }
        return true;
    case EV_CANCEL:
        if (is_over(m))
            return false;
        finish(m, CANCELED);
        return true;
    case EV_EXPIRE:
        if (is_over(m))
            return false;
        finish(m, FAILED);
        return true;
    default: return false;
    }
}

/* ---- both ---- */

#define CHECK(h, what)                                                                                                 \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            print_error("MODEL_SEED=%" PRIu64 ", after %d events: %s\n", (h)->seed, (h)->events, #what);               \
            for (int e_ = 0; e_ < (h)->events; e_++)                                                                   \
                print_error("  %s %s\n", event_name((h)->log[e_].type), json_dumps((h)->log[e_].data, JSON_COMPACT));  \
            fail();                                                                                                    \
        }                                                                                                              \
    } while (0)

static void compare(struct history *h)
{
    static const enum assembly_state as[] = {ASSEMBLY_UPLOADING, ASSEMBLY_EXECUTING, ASSEMBLY_COMPLETED,
                                             ASSEMBLY_CANCELED,  ASSEMBLY_ABORTED,   ASSEMBLY_FAILED};
    const struct model *m = &h->m;
    const struct assembly *a = h->a;
    int running = 0;

    CHECK(h, a->state == as[m->phase]);
    CHECK(h, a->job_count == m->jobs);
    CHECK(h, a->jobs_open == open_jobs(m, -1));
    for (int i = 0; i < m->jobs; i++) {
        const struct model_job *j = &m->job[i];
        enum job_state s = a->jobs[i]->state;

        running += j->running;
        CHECK(h, (s == JOB_QUEUED || s == JOB_RUNNING) == j->open);
        CHECK(h, (s == JOB_RUNNING) == j->running);
        CHECK(h, a->jobs[i]->probe == (j->kind == PROBE));
        CHECK(h, a->jobs[i]->outputs == j->outputs);
    }
    CHECK(h, a->running_count == running);
    CHECK(h, a->tus_count == m->uploads);
    CHECK(h, a->result_counts[1] + a->result_counts[2] == m->results);
    CHECK(h, (a->ended_us != 0) == is_over(m));
    CHECK(h, !is_over(m) || !open_jobs(m, -1));
    CHECK(h, (a->cancel != NULL) == (m->phase == CANCELED));
    CHECK(h, !a->meta_extracted || a->uploading_finished);
}

static int apply(struct history *h, enum event_type type, json_t *data, int64_t at_us, struct effects *fx)
{
    struct event ev = {type, data, at_us};
    struct err err;

    return assembly_apply(h->a, &ev, fx, &err);
}

/* Jobs that the event put into the queue, and those that the effects start, are the same. */
static void check_effects(struct history *h, const struct effects *fx, const struct model *before)
{
    bool starts[JOBS] = {0};
    int ends = 0;

    for (int i = 0; i < fx->count; i++) {
        if (fx->v[i].type == FX_START_JOB) {
            CHECK(h, fx->v[i].job < h->m.jobs && !starts[fx->v[i].job]);
            starts[fx->v[i].job] = true;
        }
        ends += fx->v[i].type == FX_END;
    }
    for (int i = 0; i < h->m.jobs; i++) {
        bool is_new = i >= before->jobs;
        bool again = !is_new && h->m.job[i].failures > before->job[i].failures && h->m.job[i].open;

        CHECK(h, starts[i] == (is_new || again));
    }
    CHECK(h, ends == (is_over(&h->m) && !is_over(before)));
}

static void step(struct history *h, enum event_type type, json_t *data, int job, int upload, int index, bool early,
                 bool again)
{
    struct effects fx = {0};
    struct model before = h->m;
    int64_t at_us = h->now += 1 + rnd(100);
    bool expect = model_apply(&h->m, type, job, upload, index, early, again);
    int rc = apply(h, type, data, at_us, &fx);

    h->log[h->events].type = type;
    h->log[h->events].data = data;
    h->log[h->events].at_us = at_us;
    h->events += rc == 0;
    CHECK(h, (rc == 0) == expect);
    if (rc < 0) {
        CHECK(h, !fx.count);
        json_decref(data);
    } else {
        h->before[h->events] = h->m;
        check_effects(h, &fx, &before);
        /* clients were told, so it was flushed: uploads, cancels, ends */
        if (type != EV_JOB_STARTED && type != EV_JOB_OUTPUT && type != EV_JOB_DONE && type != EV_JOB_FAILED)
            h->acknowledged = h->events;
        if (is_over(&h->m))
            h->acknowledged = h->events;
    }
    compare(h);
    effects_done(&fx);
    total_events++;
}

static json_t *created(const struct history *h)
{
    return json_pack("{s:s,s:s,s:O,s:i,s:b,s:i}", "workspace", "w", "base_url", "http://x", "steps", steps, "expected",
                     h->expected, "body_done", h->body_done, "max_attempts", ATTEMPTS);
}

static void begin(struct history *h)
{
    struct effects fx = {0};
    AUTO(json_unref) json_t *data = created(h);

    assembly_free(h->a);
    h->a = assembly_new("0123456789abcdef0123456789abcdef");
    CHECK(h, apply(h, EV_CREATED, data, 1000, &fx) == 0);
    effects_done(&fx);
}

/* The process ends, or (cut) the machine: what was not flushed is gone. A new one reads what is stored. */
static void crash(struct history *h, bool cut)
{
    int keep = cut ? h->acknowledged + (int)rnd((unsigned)(h->events - h->acknowledged + 1)) : h->events;
    struct effects fx = {0};
    bool starts[JOBS] = {0};

    begin(h);
    for (int i = keep; i < h->events; i++)
        json_decref(h->log[i].data);
    h->events = keep;
    h->m = h->before[keep];
    for (int i = 0; i < keep; i++)
        CHECK(h, apply(h, h->log[i].type, h->log[i].data, h->log[i].at_us, &fx) == 0);
    effects_reset(&fx);
    assembly_recover(h->a, &fx);
    for (int i = 0; i < h->m.jobs; i++)
        h->m.job[i].running = false; /* whatever ran runs again */
    for (int i = 0; i < fx.count; i++) {
        CHECK(h, fx.v[i].type == FX_START_JOB && !starts[fx.v[i].job]);
        starts[fx.v[i].job] = true;
    }
    for (int i = 0; i < h->m.jobs; i++)
        CHECK(h, starts[i] == h->m.job[i].open);
    compare(h);
    effects_done(&fx);
    total_crashes++;
}

static void file_id(char out[static ID_LEN + 1], unsigned n) { snprintf(out, ID_LEN + 1, "%032x", n); }

/* A job to talk about: mostly an open one, sometimes any, sometimes none. */
static int some_job(const struct history *h)
{
    for (int tries = 0; h->m.jobs && tries < 6; tries++) {
        int i = (int)rnd((unsigned)h->m.jobs);

        if (h->m.job[i].open)
            return i;
    }
    return (int)rnd((unsigned)h->m.jobs + 1);
}

static void one_event(struct history *h)
{
    int job = some_job(h), upload = (int)rnd(UPLOADS), index = 0;
    bool early = rnd(2), again = rnd(4) != 0;
    char id[ID_LEN + 1], tus[ID_LEN + 1];

    file_id(id, 1000 + (unsigned)h->now);
    file_id(tus, (unsigned)upload);
    switch (rnd(16)) {
    case 0:
        upload = h->m.uploads < UPLOADS ? h->m.uploads : upload;
        file_id(tus, (unsigned)upload);
        step(h, EV_UPLOAD_CREATED,
             json_pack("{s:s,s:s,s:s,s:i,s:s}", "id", tus, "filename", "f", "fieldname", "f", "size", 3, "url", "u"), -1,
             upload, 0, false, false);
        return;
    case 1:
    case 2:
        step(h, EV_FILE_UPLOADED,
             json_pack("{s:s,s:{s:s,s:s,s:i}}", "upload", tus, "file", "id", id, "name", "x.jpg", "size", 3), -1, upload, 0,
             false, false);
        return;
    case 3:
        if (rnd(4) == 0)
            step(h, EV_UPLOAD_REMOVED, json_pack("{s:s}", "id", tus), -1, upload, 0, false, false);
        return;
    case 4:
        step(h, rnd(12) ? EV_BODY_DONE : EV_BODY_CUT, json_pack("{s:i}", "bytes", 1), -1, -1, 0, false, false);
        return;
    case 5:
    case 6:
    case 7: step(h, EV_JOB_STARTED, json_pack("{s:i}", "job", job), job, -1, 0, false, false); return;
    case 8:
    case 9:
    case 10:
        if (job < h->m.jobs) {
            const struct model_job *j = &h->m.job[job];

            index = j->outputs && rnd(2) ? (int)rnd((unsigned)j->outputs) : j->outputs;
            if (index >= OUTPUTS)
                return;
            step(h, EV_JOB_OUTPUT,
                 j->kind == PROBE
                     ? json_pack("{s:i,s:i,s:{s:i,s:s,s:b,s:{}}}", "job", job, "index", index, "same", "input", 0, "mime",
                                 "image/jpeg", "early", early, "meta")
                     : json_pack("{s:i,s:i,s:{s:s,s:s,s:s,s:i,s:i}}", "job", job, "index", index, "file", "id", id,
                                 "name", "y.png", "mime", "image/png", "size", 1, "input", 0),
                 job, -1, index, early, false);
        }
        return;
    case 11:
    case 12:
    case 13: step(h, EV_JOB_DONE, json_pack("{s:i}", "job", job), job, -1, 0, false, false); return;
    case 14:
        if (rnd(3) == 0)
            step(h, EV_JOB_FAILED, json_pack("{s:i,s:s}", "job", job, "retry", again ? "now" : "never"), job, -1, 0, false,
                 again);
        return;
    default:
        if (rnd(8) == 0)
            step(h, rnd(3) ? EV_CANCEL : EV_EXPIRE, json_object(), -1, -1, 0, false, false);
        else if (rnd(3) == 0)
            crash(h, rnd(2));
    }
}

static void play(uint64_t seed)
{
    struct history h;

    memset(&h, 0, offsetof(struct history, before));
    h.seed = seed;
    rng = seed * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < 8; i++)
        rnd(2);
    h.events = h.acknowledged = h.ends = 0;
    h.now = 1000;
    h.expected = (int)rnd(UPLOADS + 1);
    h.body_done = rnd(2);
    h.m.expected = h.expected;
    h.m.body_done = h.body_done;
    go_on(&h.m);
    h.before[0] = h.m;
    begin(&h);
    compare(&h);
    for (int i = 0, late = 0; i < EVENTS && h.events < EVENTS && late < 4; i++) {
        late += is_over(&h.m); /* a few more that come too late */
        one_event(&h);
    }
    crash(&h, false);
    outcomes[h.m.phase]++;
    for (int i = 0; i < h.events; i++)
        json_decref(h.log[i].data);
    assembly_free(h.a);
}

static void the_state_machine_agrees_with_the_model_in_every_history(void **state)
{
    const char *n = getenv("MODEL_HISTORIES"), *first = getenv("MODEL_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 10) : 20311, count = n ? strtoull(n, NULL, 10) : first ? 1 : 20000;
    struct timespec from, to;
    (void)state;

    steps = json_loads(steps_text, 0, NULL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (uint64_t i = 0; i < count; i++)
        play(seed + i);
    clock_gettime(CLOCK_MONOTONIC, &to);
    json_decref(steps);
    printf("%" PRIu64 " histories from seed %" PRIu64 ": %lu events, %lu crashes; open %lu, completed %lu, canceled %lu, "
           "aborted %lu, failed %lu; %.1f s\n",
           count, seed, total_events, total_crashes, outcomes[UPLOADING] + outcomes[EXECUTING], outcomes[COMPLETED],
           outcomes[CANCELED], outcomes[ABORTED], outcomes[FAILED],
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    /* every outcome was reached: a model test that never gets there proves nothing */
    if (count >= 20000)
        for (int i = COMPLETED; i <= FAILED; i++)
            assert_true(outcomes[i] > count / 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_machine_agrees_with_the_model_in_every_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
