/* The turn over a real store, without workers and without a loop: what may be freed when. */
#include "conductor_bed.h"

#define ID BED_ID

static bool is_live(struct conductor *c) { return map_get(&c->entries.by_id, ID) != NULL; }

struct heard {
    int count;
    bool had_document;
    struct conductor *c;
};

static void hear(void *ctx, const struct err *err, struct published *p)
{
    struct heard *h = ctx;

    (void)err;
    h->count++;
    h->had_document = p && !strcmp(published_id(p), ID);
    assert_true(is_live(h->c));
}

static void one_that_is_over_leaves_memory_when_its_time_is_over(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    bed_over(c, ID, NULL);
    assert_true(is_live(c));
    bed_tick(c);
    turn_commit(c);
    assert_false(is_live(c));
    assert_int_equal(tenant_of(c, "w")->open, 0);
}

static void one_stays_until_its_answer_is_given(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct heard h = {.c = c};
    struct entry *e = bed_over(c, ID, NULL);

    turn_answer(c, hear, &h, NULL, e); /* news came, then the clock: one round of the loop */
    bed_tick(c);
    assert_true(is_live(c));
    turn_commit(c);
    assert_int_equal(h.count, 1);
    assert_true(h.had_document);
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_stays_until_its_effects_are_done(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, ID, NULL);
    AUTO(json_unref) json_t *note = json_pack("{s:s}", "notify_status", "successful");
    struct err err;

    e->untold = true; /* so that it has to be written */
    assert_int_equal(turn_apply(c, e, EV_NOTIFY, note, &err), 0);
    entry_document_due(&c->entries, e);
    bed_tick(c);
    assert_true(is_live(c));
    turn_commit(c);
    assert_true(is_live(c)); /* its document is written in a turn of its own */
    bed_play(c);
    bed_tick(c); /* the clock asks again */
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_stays_while_somebody_waits_for_it(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct heard h = {.c = c};
    struct entry *e = bed_over(c, ID, NULL);

    e->awaiters = mem_zalloc(sizeof *e->awaiters);
    *e->awaiters = (struct waiter){.reply = hear, .ctx = &h};
    bed_tick(c);
    turn_commit(c);
    assert_true(is_live(c));
    await_answer(c, e, true);
    bed_tick(c);
    bed_play(c);
    assert_int_equal(h.count, 1);
    assert_false(is_live(c));
}

static void one_stays_while_its_work_is_being_stopped(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, ID, NULL);

    e->stopping++;
    bed_tick(c);
    bed_play(c);
    assert_true(is_live(c));
    e->stopping--;
    bed_tick(c);
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_whose_creation_was_lost_stays_until_its_answer_is_given(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct heard h = {.c = c};
    struct entry *e = entry_add(&c->entries, ID);
    struct err why;

    err_set(&why, ERR_NOSPACE, "the disk is full");
    entry_touch(&c->entries, e);
    turn_lost(c, &why);
    turn_commit(c);
    assert_true(e->stale);
    c->recovery.retry_us = 1;
    turn_answer(c, hear, &h, NULL, e);
    recover_stale(c);
    assert_true(is_live(c));
    turn_commit(c);
    assert_int_equal(h.count, 1);
    bed_tick(c);
    turn_commit(c);
    assert_false(is_live(c));
}

static void a_busy_conductor_forgets_too(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, ID, NULL),
                 *busy = entry_add(&c->entries, "ffffffffffffffffffffffffffffffff");

    assert_int_equal(e->queued, 0);
    bed_tick(c);
    entry_document_due(&c->entries, busy); /* so that each commit leaves work for the next one */
    busy->stale = true;
    turn_commit(c);
    entry_touch(&c->entries, busy);
    assert_false(is_live(c));
}

static void several_leave_in_one_turn(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    char id[ID_LEN + 1];

    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "%032x", i);
        entry_add(&c->entries, id); /* of which nothing is stored */
    }
    bed_tick(c);
    bed_tick(c); /* who is asked for twice leaves once */
    turn_commit(c);
    assert_int_equal(c->entries.by_id.count, 0);
}

/* ---- resting ---- */

static char *text_of(struct entry *e)
{
    struct shared_text *t = published_text(e->published, 200);
    char *copy = mem_strdup(t->s);

    shared_text_unref(t);
    return copy;
}

static void event(struct conductor *c, struct entry *e, enum event_type type, json_t *data)
{
    AUTO(json_unref) json_t *mine = data;
    struct err err;

    assert_int_equal(turn_apply(c, e, type, mine, &err), 0);
    turn_commit(c);
}

#define FILE_ID "abababababababababababababababab"

static struct entry *begin_end(struct conductor *c, const char *id, int end)
{
    bool with_body = end == ASSEMBLY_ABORTED || end == ASSEMBLY_COMPLETED;
    struct entry *e = bed_begin_as(c, id, NULL, !with_body);

    switch (end) {
    case ASSEMBLY_CANCELED: event(c, e, EV_CANCEL, json_object()); break;
    case ASSEMBLY_FAILED:
        event(c, e, EV_FAIL,
              json_pack("{s:i,s:s,s:s}", "code", ERR_EXPIRED, "name", "SOME_CODE", "msg", "a \"reason\""));
        break;
    case ASSEMBLY_ABORTED: event(c, e, EV_BODY_CUT, json_pack("{s:i}", "bytes", 7)); break;
    default:
        event(c, e, EV_FILE_UPLOADED,
              json_pack("{s:{s:s,s:s,s:i}}", "file", "id", FILE_ID, "name", "a.txt", "size", 3));
        event(c, e, EV_BODY_DONE, json_pack("{s:i,s:i}", "bytes", 300, "files", 1));
        for (int job = 0; job < e->a->job_count; job++) {
            event(c, e, EV_JOB_STARTED, json_pack("{s:i,s:i}", "job", job, "boot", 1));
            event(c, e, EV_JOB_DONE, json_pack("{s:i}", "job", job));
        }
    }
    bed_drop_runs(c, e);
    assert_int_equal(e->a->state, end);
    return e;
}

static void a_status_reads_the_same_in_memory_at_rest_and_in_the_store(void **state)
{
    const int ends[] = {ASSEMBLY_COMPLETED, ASSEMBLY_CANCELED, ASSEMBLY_ABORTED, ASSEMBLY_FAILED};
    struct conductor *c = &((struct bed *)*state)->c;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char id[ID_LEN + 1];
        snprintf(id, sizeof id, "%032zx", i);
        c->conf.keep_over_us = -1; /* it is not to rest yet */
        struct entry *e = begin_end(c, id, ends[i]);
        bed_play(c);
        assert_int_equal(e->end, ENTRY_WRITTEN);
        AUTO(mem_free) char *live = text_of(e);
        assert_false(e->rests);

        c->conf.keep_over_us = 3600 * SECOND_US;
        bed_tick(c);
        entry_put(&c->entries, e, ENTRIES_RESTING);
        turn_commit(c);
        assert_true(e->rests);
        assert_null(e->a->in);
        AUTO(mem_free) char *resting = text_of(e);
        assert_string_equal(resting, live);

        c->conf.keep_over_us = -1;
        bed_tick(c);
        entry_leave(&c->entries, e);
        turn_commit(c);
        assert_null(map_get(&c->entries.by_id, id));
        AUTO(str_done) struct str stored = {0};
        c->conf.instance = c->conf.region = c->conf.build_id = "another";
        assert_int_equal(document_read(&stored, c->conf.store, c->conf.seal, id, &err), 0);
        assert_string_equal(stored.s, live);
        c->conf.instance = c->conf.region = c->conf.build_id = "test";
        assert_true(bed_is_made(c, id));
    }
}

static void what_is_over_rests_as_soon_as_its_document_is_written(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    c->conf.keep_over_us = 60 * SECOND_US;
    struct entry *e = bed_over(c, ID, NULL);
    assert_true(e->rests);
    assert_true(is_live(c));
    bed_tick(c);
    turn_commit(c);
    assert_true(is_live(c));
    ((struct bed *)*state)->later_us += 61 * SECOND_US;
    bed_tick(c);
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_that_is_to_be_notified_of_does_not_rest_before(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    c->conf.keep_over_us = 60 * SECOND_US;
    c->draining = true; /* nothing is sent: there is no courier */
    struct entry *e = bed_over(c, ID, "http://127.0.0.1:9/");
    assert_false(e->rests);
    event(c, e, EV_NOTIFY, json_pack("{s:s}", "notify_status", "successful"));
    entry_document_due(&c->entries, e);
    bed_play(c);
    entry_put(&c->entries, e, ENTRIES_RESTING); /* the mail that nobody takes */
    while (entry_pop(&c->entries, ENTRIES_MAIL))
        ;
    turn_commit(c);
    assert_true(e->rests);
}

static void those_that_rest_take_so_many_bytes_and_no_more(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    char id[ID_LEN + 1];

    c->conf.keep_over_us = 3600 * SECOND_US;
    c->entries.resting_bytes_most = 50000;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%032x", i);
        bed_over(c, id, NULL);
    }
    turn_commit(c);
    assert_in_range(c->entries.resting_bytes, 1, 50000);
    assert_in_range(c->entries.by_id.count, 2, 40);
    assert_non_null(map_get(&c->entries.by_id, id)); /* the last */
    snprintf(id, sizeof id, "%032x", 0);
    assert_null(map_get(&c->entries.by_id, id));
}

/* ---- the clock ---- */

static void only_what_is_due_is_looked_at(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    char id[ID_LEN + 1];

    c->conf.upload_expiry_us = 3600 * SECOND_US;
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "%032x", i);
        bed_begin(c, id, NULL);
    }
    assert_null(due_first(&c->entries.looks, clock_mono_us() + 3500 * SECOND_US));
    assert_non_null(due_first(&c->entries.looks, clock_mono_us() + 3700 * SECOND_US));
}

static void one_whose_time_is_over_fails_then(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    c->conf.upload_expiry_us = SECOND_US / 20;
    struct entry *e = bed_begin(c, ID, NULL);
    watch(c, clock_mono_us());
    assert_false(assembly_is_over(e->a));
    uv_sleep(60);
    watch(c, clock_mono_us());
    assert_int_equal(e->a->state, ASSEMBLY_FAILED);
    bed_play(c);
}

/* ---- news ---- */

struct waits {
    int count;
    enum err_code code; /* of the last */
};

static void be_told(void *ctx, const struct err *err, struct published *p)
{
    struct waits *t = ctx;

    t->count++;
    t->code = err ? (enum err_code)err->code : ERR_OK;
}

static void post(struct conductor *c, enum event_type type, const char *key, const char *value,
                 struct waits *t)
{
    json_t *data = json_object();

    if (key)
        json_object_set_new(data, key, json_string(value));
    conductor_post(c, &(struct conductor_news){
                          .assembly_id = ID, .type = type, .data = data, .reply = be_told, .ctx = t});
    news_handle(c);
    turn_commit(c);
}

static void news_of_an_assembly_that_there_is_not_are_answered_so(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct waits t = {0};

    post(c, EV_CANCEL, NULL, NULL, &t);
    post(c, EV_UPLOAD_REMOVED, "id", "u", &t);
    conductor_await(c, ID, false, be_told, &t);
    conductor_await(c, ID, true, be_told, &t);
    conductor_report(c, ID, be_told, &t);
    news_handle(c);
    turn_commit(c);
    assert_int_equal(t.count, 5);
    assert_int_equal(t.code, ERR_ASSEMBLY_NOT_FOUND);
}

static void the_rest_of_another_create_request_does_not_reach_an_assembly(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, ID, NULL);
    struct waits t = {0};

    post(c, EV_BODY_CUT, "nonce", "another", &t);
    assert_int_equal(t.code, ERR_EXISTS);
    assert_false(assembly_is_over(e->a));
    post(c, EV_CANCEL, "nonce", "another", &t);
    assert_int_equal(t.code, ERR_EXISTS);
    assert_false(assembly_is_over(e->a));
}

static void only_its_workspace_cancels_an_assembly(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, ID, NULL);
    struct waits t = {0};

    post(c, EV_CANCEL, "workspace", "another", &t);
    assert_int_equal(t.code, ERR_ACCOUNT_MISMATCH);
    assert_false(assembly_is_over(e->a));
    post(c, EV_CANCEL, "workspace", "w", &t);
    bed_play(c);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.code, ERR_OK);
    assert_int_equal(e->a->state, ASSEMBLY_CANCELED);
}

static void late_news_hear_of_one_that_rests_how_it_ended(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct waits t = {0};

    c->conf.keep_over_us = 60 * SECOND_US;
    struct entry *e = bed_over(c, ID, NULL);
    AUTO(mem_free) char *before = text_of(e);
    assert_true(e->rests);
    post(c, EV_FILE_UPLOADED, "nonce", "n", &t);
    assert_int_equal(t.code, ERR_SATURATED);
    post(c, EV_CANCEL, "nonce", "another", &t);
    assert_int_equal(t.code, ERR_EXISTS);
    post(c, EV_CANCEL, "workspace", "another", &t);
    assert_int_equal(t.code, ERR_ACCOUNT_MISMATCH);
    post(c, EV_CANCEL, "workspace", "w", &t);
    assert_int_equal(t.code, ERR_OK);
    conductor_await(c, ID, true, be_told, &t);
    conductor_report(c, ID, be_told, &t);
    news_handle(c);
    turn_commit(c);
    assert_int_equal(t.code, ERR_OK);
    assert_int_equal(t.count, 6);
    AUTO(mem_free) char *after = text_of(e);
    assert_string_equal(after, before);
}

static void an_id_is_given_once(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct waits t = {0};

    bed_begin(c, ID, NULL);
    post(c, EV_CREATED, "workspace", "w", &t);
    assert_int_equal(t.code, ERR_EXISTS);
    assert_int_equal(c->entries.by_id.count, 1);
}

static void who_waits_for_the_end_hears_of_it_then(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct waits t = {0}, canceled = {0};

    bed_begin(c, ID, NULL);
    conductor_await(c, ID, false, be_told, &t);
    news_handle(c);
    turn_commit(c);
    assert_int_equal(t.count, 0);
    post(c, EV_CANCEL, NULL, NULL, &canceled);
    bed_play(c);
    assert_int_equal(t.count, 1);
    conductor_await(c, ID, false, be_told, &t); /* over already */
    news_handle(c);
    turn_commit(c);
    assert_int_equal(t.count, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_is_over_leaves_memory_when_its_time_is_over),
        TEST(one_stays_until_its_answer_is_given),
        TEST(one_stays_until_its_effects_are_done),
        TEST(one_stays_while_somebody_waits_for_it),
        TEST(one_stays_while_its_work_is_being_stopped),
        TEST(one_whose_creation_was_lost_stays_until_its_answer_is_given),
        TEST(a_busy_conductor_forgets_too),
        TEST(several_leave_in_one_turn),
        TEST(a_status_reads_the_same_in_memory_at_rest_and_in_the_store),
        TEST(what_is_over_rests_as_soon_as_its_document_is_written),
        TEST(one_that_is_to_be_notified_of_does_not_rest_before),
        TEST(those_that_rest_take_so_many_bytes_and_no_more),
        TEST(only_what_is_due_is_looked_at),
        TEST(one_whose_time_is_over_fails_then),
        TEST(late_news_hear_of_one_that_rests_how_it_ended),
        TEST(news_of_an_assembly_that_there_is_not_are_answered_so),
        TEST(the_rest_of_another_create_request_does_not_reach_an_assembly),
        TEST(only_its_workspace_cancels_an_assembly),
        TEST(an_id_is_given_once),
        TEST(who_waits_for_the_end_hears_of_it_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
