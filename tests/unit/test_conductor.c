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
    entries_watch(c);
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
    entries_watch(c);
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

    assert_int_equal(turn_apply(c, e, EV_NOTIFY, note, &err), 0);
    entry_document_due(&c->entries, e);
    entries_watch(c);
    assert_true(is_live(c));
    turn_commit(c);
    assert_true(is_live(c)); /* its document is written in a turn of its own */
    bed_play(c);
    entries_watch(c); /* the clock asks again */
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
    entries_watch(c);
    turn_commit(c);
    assert_true(is_live(c));
    await_answer(c, e, true);
    entries_watch(c);
    bed_play(c);
    assert_int_equal(h.count, 1);
    assert_false(is_live(c));
}

static void one_stays_while_its_work_is_being_stopped(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, ID, NULL);

    e->stopping++;
    entries_watch(c);
    bed_play(c);
    assert_true(is_live(c));
    e->stopping--;
    entries_watch(c);
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
    entries_watch(c);
    turn_commit(c);
    assert_false(is_live(c));
}

static void a_busy_conductor_forgets_too(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, ID, NULL),
                 *busy = entry_add(&c->entries, "ffffffffffffffffffffffffffffffff");

    assert_int_equal(e->queued, 0);
    entries_watch(c);
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
    entries_watch(c);
    entries_watch(c); /* who is asked for twice leaves once */
    turn_commit(c);
    assert_int_equal(c->entries.by_id.count, 0);
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
        TEST(news_of_an_assembly_that_there_is_not_are_answered_so),
        TEST(the_rest_of_another_create_request_does_not_reach_an_assembly),
        TEST(only_its_workspace_cancels_an_assembly),
        TEST(an_id_is_given_once),
        TEST(who_waits_for_the_end_hears_of_it_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
