/* The turn over a real store, without workers and without a loop: what may be freed when. */
#include "conductor/private.h"
#include "tempdir.h"
#include "unit.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"

struct fixture {
    char *dir;
    struct conductor c;
    struct seal_key seal;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct err err;

    f->dir = tempdir_new(NULL);
    AUTO(mem_free) char *db = mem_printf("sqlite:%s/w.db", f->dir);
    if (store_open(&f->c.conf.store, db, &err) < 0)
        return -1;
    f->c.conf.seal = &f->seal;
    f->c.conf.region = f->c.conf.instance = f->c.conf.build_id = "test";
    f->c.conf.space.paths[0] = f->c.conf.space.paths[1] = f->dir;
    f->c.conf.keep_over_us = -1;
    f->c.conf.result_expiry_us = SECOND_US;
    f->c.no_space = true; /* no job is given to a worker: there is none */
    inbox_init(&f->c.inbox);
    entries_init(&f->c.entries);
    uv_loop_init(&f->c.loop);
    uv_async_init(&f->c.loop, &f->c.wake, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    entries_done(&f->c.entries);
    tenants_done(&f->c);
    uv_close((uv_handle_t *)&f->c.wake, NULL);
    uv_run(&f->c.loop, UV_RUN_DEFAULT);
    uv_loop_close(&f->c.loop);
    store_close(f->c.conf.store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* One that waits for an upload. */
static struct entry *begun(struct conductor *c)
{
    AUTO(json_unref) json_t *data =
        json_pack("{s:s,s:s,s:s,s:s,s:{s:{s:s,s:s}},s:i,s:b,s:i}", "workspace", "w", "key_id", "k", "nonce", "n",
                  "base_url", "http://x", "steps", "s", "robot", "/image/resize", "use", ":original", "expected", 1,
                  "body_done", 1, "max_attempts", 1);
    struct entry *e = entry_add(&c->entries, ID);
    struct err err;

    assert_int_equal(turn_begin(c, &err), 0);
    assert_int_equal(store_assembly_add(c->conf.store, ID, "w", 1, &err), 0);
    assert_int_equal(turn_apply(c, e, EV_CREATED, data, &err), 0);
    published_set_fixed(e->published, status_fixed(e->a, "test", "test", "test"));
    turn_commit(c);
    return e;
}

static void play_turns(struct conductor *c)
{
    for (int i = 0; i < 4; i++)
        turn_commit(c);
}

/* One whose end is written, and which may leave memory. */
static struct entry *over(struct conductor *c)
{
    struct entry *e = begun(c);
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_CANCEL, NULL, &err), 0);
    play_turns(c);
    assert_true(assembly_is_over(e->a) && e->end == ENTRY_WRITTEN);
    return e;
}

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
    struct conductor *c = &((struct fixture *)*state)->c;

    over(c);
    assert_true(is_live(c));
    entries_watch(c);
    turn_commit(c);
    assert_false(is_live(c));
    assert_int_equal(tenant_of(c, "w")->open, 0);
}

static void one_stays_until_its_answer_is_given(void **state)
{
    struct conductor *c = &((struct fixture *)*state)->c;
    struct heard h = {.c = c};
    struct entry *e = over(c);

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
    struct conductor *c = &((struct fixture *)*state)->c;
    struct entry *e = over(c);
    AUTO(json_unref) json_t *note = json_pack("{s:s}", "notify_status", "successful");
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_NOTIFY, note, &err), 0);
    entry_document_due(&c->entries, e);
    entries_watch(c);
    assert_true(is_live(c));
    turn_commit(c);
    assert_true(is_live(c)); /* its document is written in a turn of its own */
    play_turns(c);
    entries_watch(c); /* the clock asks again */
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_stays_while_somebody_waits_for_it(void **state)
{
    struct conductor *c = &((struct fixture *)*state)->c;
    struct heard h = {.c = c};
    struct entry *e = over(c);

    e->awaiters = mem_zalloc(sizeof *e->awaiters);
    *e->awaiters = (struct waiter){.reply = hear, .ctx = &h};
    entries_watch(c);
    turn_commit(c);
    assert_true(is_live(c));
    await_answer(c, e, true);
    entries_watch(c);
    play_turns(c);
    assert_int_equal(h.count, 1);
    assert_false(is_live(c));
}

static void one_stays_while_its_work_is_being_stopped(void **state)
{
    struct conductor *c = &((struct fixture *)*state)->c;
    struct entry *e = over(c);

    e->stopping++;
    entries_watch(c);
    play_turns(c);
    assert_true(is_live(c));
    e->stopping--;
    entries_watch(c);
    turn_commit(c);
    assert_false(is_live(c));
}

static void one_whose_creation_was_lost_stays_until_its_answer_is_given(void **state)
{
    struct conductor *c = &((struct fixture *)*state)->c;
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
    struct conductor *c = &((struct fixture *)*state)->c;
    struct entry *e = over(c), *busy = entry_add(&c->entries, "ffffffffffffffffffffffffffffffff");

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
    struct conductor *c = &((struct fixture *)*state)->c;
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
