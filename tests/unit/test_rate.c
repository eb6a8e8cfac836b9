#include "base/clock.h"
#include "base/rate.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void no_minute_has_more_than_its_limit_and_the_wait_is_true(void **state)
{
    enum { LIMIT = 20, MOMENTS = 20000 };
    static int64_t taken[MOMENTS];
    struct rate_minute r = {0};
    int64_t now = 1000 * SECOND_US;
    int count = 0;
    (void)state;

    srand(3);
    for (int i = 0; i < MOMENTS; i++) {
        now += rand() % (3 * SECOND_US);
        struct rate_minute before = r;
        int wait = rate_minute_take(&r, LIMIT, now);

        if (!wait) {
            taken[count++] = now;
            int within = 0;
            for (int k = count - 1; k >= 0 && taken[k] / SECOND_US > now / SECOND_US - 60; k--)
                within++;
            assert_true(within <= LIMIT);
            continue;
        }
        assert_in_range(wait, 1, 60);
        struct rate_minute early = before, late = before;
        if (wait > 1)
            assert_int_not_equal(rate_minute_take(&early, LIMIT, now + (wait - 1) * SECOND_US), 0);
        assert_int_equal(rate_minute_take(&late, LIMIT, now + wait * SECOND_US), 0);
    }
    assert_true(count > 100);
}

static void a_clock_that_steps_back_locks_nobody_out(void **state)
{
    struct rate_minute r = {0};
    (void)state;

    assert_int_equal(rate_minute_take(&r, 1, 5000 * SECOND_US), 0);
    assert_int_not_equal(rate_minute_take(&r, 1, 5000 * SECOND_US), 0);
    assert_int_equal(rate_minute_take(&r, 1, 100 * SECOND_US), 0);
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    struct rate_bucket r = {0};
    int64_t now = 77 * SECOND_US;
    int taken = 0;
    (void)state;

    for (int i = 0; i < 10; i++)
        taken += !rate_bucket_take(&r, 3, 6, now);
    assert_int_equal(taken, 6);
    assert_int_equal(rate_bucket_take(&r, 3, 6, now), 1);
    for (int ms = 0; ms < 10000; ms += 10)
        taken += !rate_bucket_take(&r, 3, 6, now + ms * 1000);
    assert_in_range(taken, 6 + 29, 6 + 30);
    assert_int_equal(rate_bucket_take(&r, 3, 6, now + 3600 * SECOND_US), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_minute_has_more_than_its_limit_and_the_wait_is_true),
        cmocka_unit_test(a_clock_that_steps_back_locks_nobody_out),
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
