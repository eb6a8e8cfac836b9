/* The end of an Assembly with work under way. The pool is not there: the test has the jobs, and
 * says what becomes of them. */
#include "conductor_bed.h"

/* ---- in place of the pool ---- */

static struct work {
    void *owner;
    bool has, undo, is_stopped;
    int started;
} work;

void __wrap_pool_wanted(struct pool *p, enum robot_role role) {}
bool __wrap_pool_has_room(const struct pool *p, enum robot_role role) { return !work.has; }

struct pool_run *__wrap_pool_start(struct pool *p, const struct pool_task *task, void *owner)
{
    work = (struct work){owner, true, task->undo != NULL, false, work.started + 1};
    json_decref(task->params);
    json_decref(task->inputs);
    json_decref(task->undo);
    return (struct pool_run *)&work;
}

void __wrap_pool_stop(struct pool_run *run) { work.is_stopped = true; }
void __wrap_pool_undo_ok(struct pool_run *run) {}

static int setup(void **state)
{
    work = (struct work){0};
    if (bed_setup(state) < 0)
        return -1;
    ((struct bed *)*state)->c.no_space = false;
    return 0;
}

/* The pool's three last words. */
static void stop_work(struct conductor *c, int killed, int64_t freed)
{
    work.has = false;
    jobs_pool_events(c).stopped(c, work.owner, NULL, killed, freed);
    bed_play(c);
}

static void end_work(struct conductor *c)
{
    work.has = false;
    jobs_pool_events(c).done(c, work.owner, NULL, 1);
    bed_play(c);
}

static void fail_work(struct conductor *c, enum err_code code)
{
    struct err why;

    work.has = false;
    err_set(&why, code, "no");
    jobs_pool_events(c).failed(c, work.owner, NULL, &why);
    bed_play(c);
}

static const char uploaded[] =
    "{\"file\":{\"id\":\"a30bd0776e7f4ac3817b056d102e8219\",\"name\":\"a.jpg\",\"size\":3,"
    "\"md5\":\"900150983cd24fb0d6963f7d28e17f72\",\"field\":\"f\",\"user_meta\":{}}}";
static const char probed[] = "{\"index\":0,\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"ext\":"
                             "\"jpg\",\"meta\":{\"width\":10}}}";

/* One whose file has come, and whose first job, the look at it, a worker has. */
static struct entry *busy(struct conductor *c)
{
    struct entry *e = bed_begin(c, BED_ID, NULL);
    AUTO(json_unref) json_t *file = json_reads(uploaded);
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_FILE_UPLOADED, file, &err), 0);
    bed_play(c);
    assert_true(work.has && work.started == 1);
    return e;
}

/* ... and its second job, which has left something on another server. */
static struct entry *leaves_something(struct conductor *c)
{
    struct entry *e = busy(c);
    struct pool_events ev = jobs_pool_events(c);
    AUTO(json_unref) json_t *body = json_reads(probed);
    AUTO(json_unref) json_t *token = json_pack("{s:s}", "upload", "7");

    ev.output(c, work.owner, NULL, body);
    end_work(c);
    assert_true(work.has && work.started == 2);
    ev.undo(c, work.owner, (struct pool_run *)&work, token);
    bed_play(c);
    return e;
}

struct heard {
    int count;
    struct err err;
};

static void hear(void *ctx, const struct err *err, struct published *p)
{
    struct heard *h = ctx;

    h->count++;
    h->err = err ? *err : (struct err){0};
}

static void cancel(struct conductor *c, struct heard *h)
{
    conductor_post(c, &(struct conductor_news){
                          .assembly_id = BED_ID, .type = EV_CANCEL, .reply = hear, .ctx = h});
    news_handle(c);
}

static struct entry *cancel_what_leaves_something(struct conductor *c, struct heard *h)
{
    struct entry *e = leaves_something(c);

    cancel(c, h);
    bed_play(c);
    return e;
}

static struct conductor *conductor_of(void **state) { return &((struct bed *)*state)->c; }

static void a_cancel_is_answered_when_the_work_is_gone(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = busy(c);
    struct heard first = {0}, second = {0};

    cancel(c, &first);
    bed_play(c);
    assert_true(work.is_stopped);
    assert_int_equal(e->end, ENTRY_STOPPING);
    cancel(c, &second); /* waits with the first */
    bed_play(c);
    assert_int_equal(first.count + second.count, 0);
    stop_work(c, 3, 1000);
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 1);
    assert_int_equal(first.err.code, 0);
    assert_true(jbool(e->a->cancel, "settled", false));
    assert_int_equal(jint(e->a->cancel, "processes_killed", 0), 3);
    assert_int_equal(jint(e->a->cancel, "bytes_freed", 0), 1000);
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

static void a_cancel_of_one_that_is_over_is_answered_at_once(void **state)
{
    struct conductor *c = conductor_of(state);
    struct heard h = {0};

    bed_over(c, BED_ID, NULL);
    cancel(c, &h);
    turn_commit(c);
    assert_int_equal(h.count, 1);
}

static void a_cancel_is_answered_in_time_when_something_does_not_end(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = busy(c);
    struct heard h = {0};

    c->conf.cancel_wait_us = 1000;
    cancel(c, &h);
    bed_play(c);
    while (e->settle_timer)
        uv_run(&c->loop, UV_RUN_ONCE);
    turn_commit(c);
    assert_int_equal(h.count, 1);
    assert_false(jbool(e->a->cancel, "settled", false));
    stop_work(c, 1, 0);
    assert_true(jbool(e->a->cancel, "settled", false)); /* a later look shows it */
    assert_int_equal(h.count, 1);
}

static void a_cancel_whose_turn_is_lost_is_refused_and_the_work_goes_on(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = busy(c);
    struct heard h = {0};
    struct err why;

    cancel(c, &h);
    err_set(&why, ERR_NOSPACE, "the disk is full");
    turn_lost(c, &why);
    turn_commit(c);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.err.code, ERR_NOSPACE);
    assert_true(e->stale && work.is_stopped); /* what it says does not count any more */
    recover_stale(c);
    stop_work(c, 1, 0);
    assert_false(assembly_is_over(e->a));
    assert_int_equal(e->end, ENTRY_RUNNING);
    assert_int_equal(work.started, 2);
    cancel(c, &h);
    bed_play(c);
    stop_work(c, 1, 0);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.err.code, 0);
}

static void what_a_job_left_elsewhere_is_taken_back_before_it_settles(void **state)
{
    struct conductor *c = conductor_of(state);
    struct heard h = {0};
    struct entry *e = cancel_what_leaves_something(c, &h);

    stop_work(c, 1, 0);
    assert_true(work.has && work.undo);
    assert_int_equal(e->end, ENTRY_STOPPING);
    assert_int_equal(h.count, 0);
    end_work(c);
    assert_int_equal(e->end, ENTRY_WRITTEN);
    assert_int_equal(h.count, 1);
}

/* The timers of the loop; each try waits for longer than the one before. */
static void until_started(struct conductor *c, int started)
{
    while (work.started < started)
        uv_run(&c->loop, UV_RUN_ONCE);
    assert_true(work.undo);
}

static void what_stays_there_is_in_the_receipt_once(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = leaves_something(c);
    struct pool_events ev = jobs_pool_events(c);
    struct heard h = {0};

    ev.kept(c, work.owner, NULL, 0, "https://b/early"); /* nobody has canceled it */
    bed_play(c);
    cancel(c, &h);
    bed_play(c);
    stop_work(c, 1, 0);
    assert_true(work.has && work.undo);
    ev.kept(c, work.owner, NULL, 0, "https://b/k");
    ev.kept(c, work.owner, NULL, 1, "https://b/no-such-input");
    fail_work(c, ERR_IMPORT);
    until_started(c, work.started + 1); /* and it is found once more */
    ev.kept(c, work.owner, NULL, 0, "https://b/k");
    end_work(c);
    const json_t *kept = json_object_get(e->a->cancel, "exports_kept");
    assert_int_equal(json_array_size(kept), 1);
    assert_string_equal(json_string_value(json_array_get(kept, 0)), "https://b/k");
    assert_true(jbool(e->a->cancel, "settled", false));
}

static void an_undo_that_can_not_begin_holds_nobody_up(void **state)
{
    struct conductor *c = conductor_of(state);
    struct heard h = {0};
    struct entry *e = cancel_what_leaves_something(c, &h);

    /* the credentials that it needs have been deleted meanwhile */
    json_object_set_new(e->a->in->steps[e->a->jobs[1]->step].params, "credentials",
                        json_string("gone"));
    stop_work(c, 1, 0);
    assert_false(work.has);
    assert_int_equal(e->end, ENTRY_WRITTEN);
    assert_int_equal(h.count, 1);
}

static bool is_in_store(struct conductor *c)
{
    AUTO(str_done) struct str text = {0};
    struct err err;

    return document_read(&text, c->conf.store, c->conf.seal, BED_ID, &err) == 0;
}

static void an_undo_that_fails_is_tried_again_and_the_receipt_says_so_meanwhile(void **state)
{
    struct conductor *c = conductor_of(state);
    struct heard h = {0};
    struct entry *e = cancel_what_leaves_something(c, &h);

    stop_work(c, 2, 0);
    fail_work(c, ERR_IMPORT); /* the other server is down */
    assert_int_equal(h.count, 1);
    assert_false(jbool(e->a->cancel, "settled", true));
    assert_int_equal(jint(e->a->cancel, "processes_killed", 0), 2);
    assert_int_equal(e->end, ENTRY_SETTLED); /* notifications are sent */
    assert_false(is_in_store(c));            /* the next start goes on with it */
    until_started(c, 4);
    fail_work(c, ERR_WORKER); /* the worker died */
    until_started(c, 5);
    end_work(c);
    assert_true(jbool(e->a->cancel, "settled", false));
    assert_int_equal(jint(e->a->cancel, "processes_killed", 0), 2);
    assert_int_equal(e->end, ENTRY_WRITTEN);
    assert_true(is_in_store(c));
}

static void what_the_other_server_refuses_to_take_back_is_never_called_settled(void **state)
{
    struct conductor *c = conductor_of(state);
    struct heard h = {0};
    struct entry *e = cancel_what_leaves_something(c, &h);

    stop_work(c, 1, 0);
    fail_work(c, ERR_SERVER_403);
    assert_int_equal(h.count, 1);
    assert_false(jbool(e->a->cancel, "settled", true));
    assert_int_equal(e->end, ENTRY_WRITTEN);
    assert_true(is_in_store(c));
}

static void one_that_failed_stays_open_for_the_next_start_until_all_is_taken_back(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = leaves_something(c);

    fail_work(c, ERR_IMPORT);
    assert_true(assembly_is_over(e->a) && work.undo);
    assert_false(is_in_store(c));
    /* as if it were read again after a start: nobody works for it */
    work.has = false;
    jobs_pool_events(c).failed(c, work.owner, NULL, &(struct err){.code = ERR_IMPORT});
    e->stale = true;
    recover_stale(c);
    bed_play(c);
    assert_false(is_in_store(c));
    until_started(c, 4);
    end_work(c);
    assert_true(is_in_store(c));
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

static void a_job_does_not_wait_for_ever_for_what_its_last_run_left(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = leaves_something(c);

    e->a->max_attempts = 2;
    fail_work(c, ERR_WORKER);
    assert_true(work.undo && !assembly_is_over(e->a));
    fail_work(c, ERR_IMPORT);
    until_started(c, 4);
    assert_false(assembly_is_over(e->a));
    ((struct run *)work.owner)->tries.failed = 5; /* else it takes half a minute */
    fail_work(c, ERR_IMPORT);
    assert_string_equal(assembly_code(e->a), "IMPORT_FILE_ERROR");
    assert_false(is_in_store(c)); /* it goes on with that */
}

static void the_document_of_a_failed_one_does_not_wait_for_its_work(void **state)
{
    struct conductor *c = conductor_of(state);
    struct entry *e = busy(c);
    AUTO(json_unref) json_t *data = json_pack("{s:i,s:s,s:s}", "code", ERR_MEMORY_LIMIT, "name",
                             "ASSEMBLY_MEMORY_LIMIT_EXCEEDED", "msg", "too large");
    AUTO(str_done) struct str text = {0};
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_FAIL, data, &err), 0);
    bed_play(c);
    assert_int_equal(e->end, ENTRY_STOPPING);
    assert_int_equal(document_read(&text, c->conf.store, c->conf.seal, BED_ID, &err), 0);
    stop_work(c, 1, 0);
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cancel_is_answered_when_the_work_is_gone),
        TEST(a_cancel_of_one_that_is_over_is_answered_at_once),
        TEST(a_cancel_is_answered_in_time_when_something_does_not_end),
        TEST(a_cancel_whose_turn_is_lost_is_refused_and_the_work_goes_on),
        TEST(what_a_job_left_elsewhere_is_taken_back_before_it_settles),
        TEST(what_stays_there_is_in_the_receipt_once),
        TEST(an_undo_that_can_not_begin_holds_nobody_up),
        TEST(an_undo_that_fails_is_tried_again_and_the_receipt_says_so_meanwhile),
        TEST(what_the_other_server_refuses_to_take_back_is_never_called_settled),
        TEST(one_that_failed_stays_open_for_the_next_start_until_all_is_taken_back),
        TEST(a_job_does_not_wait_for_ever_for_what_its_last_run_left),
        TEST(the_document_of_a_failed_one_does_not_wait_for_its_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
