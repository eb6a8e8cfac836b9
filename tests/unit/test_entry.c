#include "base/auto.h"
#include "base/clock.h"
#include "conductor/entry.h"
#include "unit.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"

static int setup(void **state)
{
    struct entries *all = mem_zalloc(sizeof *all);

    entries_init(all);
    *state = all;
    return 0;
}

static int teardown(void **state)
{
    entries_done(*state);
    free(*state);
    return 0;
}

/* One that is not new, and whose end is written. */
static struct entry *written(struct entries *all)
{
    struct entry *e = entry_add(all, ID);

    e->a->state = ASSEMBLY_COMPLETED;
    entry_set_end(e, ENTRY_STOPPING);
    entry_document_due(all, e);
    entry_settled(all, e);
    assert_int_equal(e->end, ENTRY_SETTLED);
    assert_ptr_equal(entry_pop(all, ENTRIES_DOCUMENT), e);
    entry_document_written(e);
    assert_int_equal(e->end, ENTRY_WRITTEN);
    for (int list = 0; list < ENTRY_LISTS; list++)
        while (entry_pop(all, (enum entry_list)list))
            ;
    return e;
}

/* It wishes to, and the turn is over. */
static bool leaves(struct entries *all, struct entry *e)
{
    entry_leave(all, e);
    entries_forget(all);
    return map_get(&all->by_id, ID) == NULL;
}

static void one_whose_end_is_written_leaves_memory(void **state)
{
    assert_true(leaves(*state, written(*state)));
}

static void one_stays_until_its_end_is_written(void **state)
{
    struct entries *all = *state;
    struct entry *e = entry_add(all, ID);

    e->a->state = ASSEMBLY_EXECUTING;
    assert_false(leaves(all, e));
    entry_set_end(e, ENTRY_STOPPING);
    assert_false(leaves(all, e));
    entry_document_due(all, e);
    entry_settled(all, e);
    assert_false(leaves(all, e));
    while (entry_pop(all, ENTRIES_DOCUMENT) || entry_pop(all, ENTRIES_TOUCHED) ||
           entry_pop(all, ENTRIES_MAIL))
        ;
    assert_false(leaves(all, e)); /* a lost turn took it out of the list: it is read again */
    entry_document_written(e);
    assert_true(leaves(all, e));
}

static void one_whose_creation_was_lost_has_no_end_to_wait_for(void **state)
{
    assert_true(leaves(*state, entry_add(*state, ID)));
}

static void whatever_hangs_on_one_keeps_it(void **state)
{
    struct entries *all = *state;
    struct entry *e = written(all);
    struct waiter w;
    uv_timer_t t;
    struct run *run = (struct run *)&w;

    e->queued = 1;
    assert_false(leaves(all, e));
    e->queued = 0, e->stopping = 1;
    assert_false(leaves(all, e));
    e->stopping = 0, e->runs = run;
    assert_false(leaves(all, e));
    e->runs = NULL, e->waiters = &w;
    assert_false(leaves(all, e));
    e->waiters = NULL, e->awaiters = &w;
    assert_false(leaves(all, e));
    e->awaiters = NULL, e->settle_timer = &t;
    assert_false(leaves(all, e));
    e->settle_timer = NULL, e->stale = true;
    assert_false(leaves(all, e));
    e->stale = false, e->waking = true;
    assert_false(leaves(all, e));
    e->waking = false;
    for (int list = 0; list < ENTRIES_LEAVING; list++) {
        entry_put(all, e, (enum entry_list)list);
        assert_false(leaves(all, e));
        assert_ptr_equal(entry_pop(all, (enum entry_list)list), e);
    }
    assert_true(leaves(all, e));
}

static void a_document_that_changes_is_written_again(void **state)
{
    struct entries *all = *state;
    struct entry *e = written(all);

    entry_document_due(all, e);
    assert_int_equal(e->end, ENTRY_SETTLED);
    assert_true(entry_is_in(e, ENTRIES_TOUCHED)); /* so that a turn comes */
    assert_false(leaves(all, e));
    entry_pop(all, ENTRIES_DOCUMENT);
    entry_document_written(e);
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

static void one_whose_document_was_written_early_is_done_when_it_settles(void **state)
{
    struct entries *all = *state;
    struct entry *e = entry_add(all, ID);

    entry_set_end(e, ENTRY_STOPPING);
    entry_document_due(all, e);
    entry_pop(all, ENTRIES_DOCUMENT);
    entry_document_written(e); /* one that failed: jobs are still being stopped */
    assert_int_equal(e->end, ENTRY_STOPPING);
    entry_settled(all, e);
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

static void one_that_is_read_again_begins_anew(void **state)
{
    struct entry *e = written(*state);

    entry_set_end(e, ENTRY_RUNNING);
    entry_set_end(e, ENTRY_STOPPING);
    assert_int_equal(e->end, ENTRY_STOPPING);
}

static void one_is_in_a_list_once(void **state)
{
    struct entries *all = *state;
    struct entry *a = entry_add(all, ID), *b = entry_add(all, "ffffffffffffffffffffffffffffffff");

    entry_touch(all, a);
    entry_touch(all, b);
    entry_touch(all, a);
    assert_ptr_equal(entry_pop(all, ENTRIES_TOUCHED), b);
    assert_false(entry_is_in(b, ENTRIES_TOUCHED));
    assert_true(entry_is_in(a, ENTRIES_TOUCHED));
    assert_ptr_equal(entry_pop(all, ENTRIES_TOUCHED), a);
    assert_null(entry_pop(all, ENTRIES_TOUCHED));
}

static void notifications_look_again_at_what_settled_or_was_published(void **state)
{
    struct entries *all = *state;
    struct entry *e = entry_add(all, ID);

    entry_published(all, e);
    assert_false(entry_is_in(e, ENTRIES_MAIL));
    e->waking = true;
    entry_published(all, e);
    assert_ptr_equal(entry_pop(all, ENTRIES_MAIL), e);
    entry_set_end(e, ENTRY_STOPPING);
    entry_settled(all, e);
    assert_ptr_equal(entry_pop(all, ENTRIES_MAIL), e);
    e->waking = false;
    entry_published(all, e);
    assert_ptr_equal(entry_pop(all, ENTRIES_MAIL), e);
}

/* ---- due.h ---- */

static void what_is_due_comes_in_its_order(void **state)
{
    struct dues all = {0};
    struct due v[500] = {0}, *d;
    int64_t last = 0;
    int taken = 0;

    for (int i = 0; i < 500; i++)
        due_set(&all, &v[i], i * 7919 % 1000);
    for (int i = 0; i < 500; i += 3)
        due_set(&all, &v[i], i * 104729 % 1000); /* moved */
    for (int i = 0; i < 500; i += 5)
        due_drop(&all, &v[i]);
    due_drop(&all, &v[0]); /* it is not there any more */
    assert_null(due_first(&all, -1));
    for (; (d = due_first(&all, 1000)); taken++) {
        assert_true(d->at_us >= last && (d - v) % 5);
        last = d->at_us;
        due_drop(&all, d);
    }
    assert_int_equal(taken, 400);
    dues_done(&all);
}

/* ---- audience.h ---- */

static struct listened *gone;
static bool hold_unless_gone(struct listened *l) { return l != gone; }

static void an_audience_is_taken_in_turn_and_not_before_its_time(void **state)
{
    struct audience a;
    struct listened v[3] = {0};
    int64_t now = clock_mono_us();

    audience_init(&a);
    assert_null(audience_take(&a, INT64_MAX, hold_unless_gone));
    for (int i = 0; i < 3; i++)
        audience_enter(&a, &v[i]);
    audience_enter(&a, &v[0]); /* again: it stays where it is */
    assert_null(audience_take(&a, now - 1, hold_unless_gone));
    assert_ptr_equal(audience_take(&a, INT64_MAX, hold_unless_gone), &v[0]);
    gone = &v[1];
    assert_ptr_equal(audience_take(&a, INT64_MAX, hold_unless_gone), &v[2]);
    audience_leave(&a, &v[0]);
    audience_leave(&a, &v[1]); /* was left out already */
    assert_ptr_equal(audience_take(&a, INT64_MAX, hold_unless_gone), &v[2]);
    audience_leave(&a, &v[2]);
    assert_null(audience_take(&a, INT64_MAX, hold_unless_gone));
    audience_done(&a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_whose_end_is_written_leaves_memory),
        TEST(one_stays_until_its_end_is_written),
        TEST(one_whose_creation_was_lost_has_no_end_to_wait_for),
        TEST(whatever_hangs_on_one_keeps_it),
        TEST(a_document_that_changes_is_written_again),
        TEST(one_whose_document_was_written_early_is_done_when_it_settles),
        TEST(one_that_is_read_again_begins_anew),
        TEST(one_is_in_a_list_once),
        cmocka_unit_test(what_is_due_comes_in_its_order),
        cmocka_unit_test(an_audience_is_taken_in_turn_and_not_before_its_time),
        TEST(notifications_look_again_at_what_settled_or_was_published),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
