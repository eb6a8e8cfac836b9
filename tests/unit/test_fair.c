/* Lanes played on a few workers with a clock of the test's own. */
#include "base/auto.h"
#include "conductor/fair.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 6, WORKERS = 3 };

struct work {
    struct fair_item item;
    struct fair_lane *lane;
    int64_t took_us, charged_us, end_us;
};

/* Every lane always has `waiting` items; lane i's take took_us[i]. Time each lane gets within
 * total_us. */
static void play(int64_t got_us[LANES], int lanes, int workers, const int64_t *took_us,
                 const int *waiting, const int *limit, int64_t total_us)
{
    struct fair_queue q = {0};
    struct fair_lane lane[LANES] = {{0}};
    struct work *running[WORKERS] = {0};
    int queued[LANES] = {0};

    memset(got_us, 0, LANES * sizeof *got_us);
    for (int i = 0; i < lanes; i++)
        lane[i] = (struct fair_lane){.queue = &q, .limit = limit ? limit[i] : 0};
    for (int64_t now = 0; now < total_us;) {
        int64_t next = total_us;

        for (int i = 0; i < lanes; i++)
            for (; queued[i] < waiting[i]; queued[i]++) {
                struct work *w = mem_zalloc(sizeof *w);

                w->lane = &lane[i];
                w->took_us = took_us[i];
                fair_put(&lane[i], &w->item);
            }
        for (int k = 0; k < workers; k++) {
            int64_t charged;
            struct fair_item *i = running[k] ? NULL : fair_take(&charged, &q);

            if (i) {
                running[k] = (struct work *)i;
                running[k]->charged_us = charged;
                running[k]->end_us = now + running[k]->took_us;
                queued[running[k]->lane - lane]--;
            }
            if (running[k] && running[k]->end_us < next)
                next = running[k]->end_us;
        }
        assert_true(next > now);
        now = next;
        for (int k = 0; k < workers; k++)
            if (running[k] && running[k]->end_us <= now) {
                struct work *w = running[k];

                got_us[w->lane - lane] += w->took_us;
                fair_done(w->lane, w->charged_us, w->took_us);
                free(w);
                running[k] = NULL;
            }
    }
    for (int k = 0; k < workers; k++)
        free(running[k]);
    for (int i = 0; i < lanes; i++)
        while (lane[i].first) {
            struct work *w = (struct work *)lane[i].first;

            fair_remove(&w->item);
            free(w);
        }
    assert_int_equal(q.count, 0);
    fair_queue_done(&q);
}

static void two_lanes_share_evenly_however_long_and_many_their_items_are(void **state)
{
    static const struct {
        int workers;
        int64_t took[2];
        int waiting[2];
    } cases[] = {
        {1, {10000, 10000}, {1000, 1}},  {2, {10000, 10000}, {5000, 2}},
        {2, {500000, 1000}, {3000, 4}},  {1, {1000, 300000}, {2, 500}},
        {3, {20000, 70000}, {100, 100}}, {2, {100, 100000}, {1000, 10}},
        {2, {1000000, 10000}, {50, 50}}, {3, {1000, 2000000}, {3, 10000}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got[LANES];

        play(got, 2, cases[i].workers, cases[i].took, cases[i].waiting, NULL, 120000000);
        double share = (double)got[0] / (double)(got[0] + got[1]);
        if (share < 0.4 || share > 0.6)
            fail_msg("case %zu: %.2f", i, share);
        assert_true(got[0] + got[1] > 100000000);
    }
}

static void a_lane_that_was_idle_gets_its_share_but_no_more(void **state)
{
    struct fair_queue q = {0};
    struct fair_lane busy = {.queue = &q}, late = {.queue = &q};
    static struct fair_item items[2000];
    int64_t charged;
    int took = 0;
    (void)state;

    for (int i = 0; i < 1500; i++)
        fair_put(&busy, &items[i]);
    for (int i = 0; i < 1000; i++) {
        struct fair_item *t = fair_take(&charged, &q);
        assert_non_null(t);
        fair_done(&busy, charged, 1000000);
    }
    for (int i = 1500; i < 2000; i++)
        fair_put(&late, &items[i]);
    for (int i = 0; i < 100; i++) {
        struct fair_item *t = fair_take(&charged, &q);
        bool is_late = t >= &items[1500];

        took += is_late;
        fair_done(is_late ? &late : &busy, charged, 1000000);
    }
    assert_in_range(took, 45, 55);
    fair_queue_done(&q);
}

static void a_limit_holds_and_others_use_what_it_leaves(void **state)
{
    static const int64_t took[] = {10000, 10000, 10000};
    static const int waiting[] = {50, 50, 50}, limit[] = {1, 0, 0};
    int64_t got[LANES];
    (void)state;

    play(got, 1, 3, took, waiting, limit, 10000000);
    assert_in_range(got[0], 9900000, 10000000); /* one of three workers */
    play(got, 2, 3, took, waiting, limit, 10000000);
    assert_in_range(got[0], 9000000, 10000000);
    assert_in_range(got[1], 19000000, 21000000);
}

static void items_leave_in_their_order_and_from_anywhere(void **state)
{
    struct fair_queue q = {0};
    struct fair_lane lanes[LANES] = {{0}};
    struct fair_item items[LANES][20] = {{{0}}};
    int next[LANES] = {0};
    int64_t charged;
    (void)state;

    srand(11);
    for (int l = 0; l < LANES; l++) {
        lanes[l].queue = &q;
        for (int i = 0; i < 20; i++)
            fair_put(&lanes[l], &items[l][i]);
    }
    for (int l = 0; l < LANES; l++)
        for (int i = 0; i < 20; i++)
            if (rand() % 3 == 0) {
                fair_remove(&items[l][i]);
                fair_remove(&items[l][i]);       /* twice is fine */
                items[l][i].prev = &items[l][i]; /* mark */
            }
    for (struct fair_item *t; (t = fair_take(&charged, &q));) {
        int l = (int)((t - &items[0][0]) / 20), i = (int)((t - &items[0][0]) % 20);

        while (items[l][next[l]].prev == &items[l][next[l]])
            next[l]++;
        assert_int_equal(i, next[l]++);
    }
    for (int l = 0; l < LANES; l++)
        for (; next[l] < 20; next[l]++)
            assert_ptr_equal(items[l][next[l]].prev, &items[l][next[l]]);
    assert_int_equal(q.count, 0);
    fair_queue_done(&q);
}

static void a_lane_knows_how_many_wait(void **state)
{
    (void)state;
    struct fair_queue q = {0};
    struct fair_lane lane = {.queue = &q};
    struct fair_item items[4] = {{0}};
    int64_t charged;

    for (int i = 0; i < 4; i++)
        fair_put(&lane, &items[i]);
    assert_int_equal(lane.waiting, 4);
    assert_non_null(fair_take(&charged, &q));
    assert_int_equal(lane.waiting, 3);
    fair_remove(&items[3]);
    fair_remove(&items[3]);
    assert_int_equal(lane.waiting, 2);
    fair_done(&lane, charged, 1000);
    assert_int_equal(lane.waiting, 2);
    while (fair_take(&charged, &q))
        ;
    assert_int_equal(lane.waiting, 0);
    fair_queue_done(&q);
}

static void what_could_be_taken_is_counted(void **state)
{
    (void)state;
    struct fair_queue q = {0};
    struct fair_lane free_one = {.queue = &q}, full = {.queue = &q, .limit = 1};
    struct fair_item items[5] = {{0}};
    int64_t charged;

    assert_int_equal(fair_waiting(&q), 0);
    fair_put(&full, &items[0]);
    fair_put(&full, &items[1]);
    assert_ptr_equal(fair_take(&charged, &q), &items[0]);
    assert_int_equal(fair_waiting(&q), 0); /* its workspace has as many at work as it may */
    for (int i = 2; i < 5; i++)
        fair_put(&free_one, &items[i]);
    assert_int_equal(fair_waiting(&q), 3);
    for (int i = 1; i < 5; i++)
        fair_remove(&items[i]);
    assert_int_equal(fair_waiting(&q), 0);
    fair_queue_done(&q);
}

static void one_may_be_taken_out_of_turn_and_counts_as_any(void **state)
{
    (void)state;
    struct fair_queue q = {0};
    struct fair_lane lane = {.queue = &q, .limit = 2}, other = {.queue = &q};
    struct fair_item items[4] = {{0}}, theirs = {0};
    int64_t charged;

    for (int i = 0; i < 4; i++)
        fair_put(&lane, &items[i]);
    assert_ptr_equal(fair_take(&charged, &q), &items[0]);
    assert_true(fair_take_this(&charged, &items[2]));
    assert_true(charged > 0);
    assert_null(items[2].lane);
    assert_int_equal(lane.running, 2);
    assert_int_equal(lane.waiting, 2);
    assert_false(fair_take_this(&charged, &items[1])); /* as many as may be */
    assert_ptr_equal(items[1].lane, &lane);
    fair_done(&lane, charged, 1000000);
    fair_put(&other, &theirs);
    assert_ptr_equal(fair_take(&charged, &q), &theirs); /* the first lane has had its share */
    fair_done(&lane, charged, 1000000);
    assert_ptr_equal(fair_take(&charged, &q), &items[1]);
    assert_true(fair_take_this(&charged, &items[3]));
    fair_queue_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_lanes_share_evenly_however_long_and_many_their_items_are),
        cmocka_unit_test(a_lane_that_was_idle_gets_its_share_but_no_more),
        cmocka_unit_test(a_limit_holds_and_others_use_what_it_leaves),
        cmocka_unit_test(items_leave_in_their_order_and_from_anywhere),
        cmocka_unit_test(a_lane_knows_how_many_wait),
        cmocka_unit_test(what_could_be_taken_is_counted),
        cmocka_unit_test(one_may_be_taken_out_of_turn_and_counts_as_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
