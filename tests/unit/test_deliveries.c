#include "base/auto.h"
#include "conductor/deliveries.h"
#include "unit.h"

#include <string.h>

static struct delivery *add(struct deliveries *all, int n, const char *host, int64_t next_us)
{
    char id[ID_LEN + 1];
    AUTO(mem_free) char *url = mem_printf("https://%s/hook?n=%d", host, n);
    struct store_notification row = {.id = id,
                                     .assembly_id = "a",
                                     .workspace = "w",
                                     .key_id = "k",
                                     .url = url,
                                     .next_us = next_us};

    snprintf(id, sizeof id, "%032d", n);
    struct delivery *d = delivery_add(all, &row);
    delivery_wait(all, d, next_us);
    return d;
}

static int setup(void **state)
{
    *state = mem_zalloc(sizeof(struct deliveries));
    return 0;
}

static int teardown(void **state)
{
    deliveries_done(*state);
    free(*state);
    return 0;
}

static void the_one_that_was_due_first_goes_first(void **state)
{
    struct deliveries *all = *state;
    static const int64_t times[] = {50, 10, 40, 20, 30};
    int64_t last = 0;

    for (int i = 0; i < 5; i++)
        add(all, i, "a.example", times[i]);
    assert_null(delivery_take(all, 9));
    for (int i = 0; i < 4; i++) {
        struct delivery *d = delivery_take(all, 40);

        assert_true(d->next_us > last);
        last = d->next_us;
    }
    assert_null(delivery_take(all, 40));
}

static void a_receiver_has_at_most_eight_under_way(void **state)
{
    struct deliveries *all = *state;
    struct delivery *d;
    int n = 0;

    for (int i = 0; i < 100; i++)
        add(all, i, "a.example", 1);
    for (; (d = delivery_take(all, 1)); n++)
        delivery_fly(all, d);
    assert_int_equal(n, DELIVERIES_RECEIVER_MAX);
    delivery_drop(all, all->flying.first); /* delivered */
    assert_non_null(d = delivery_take(all, 1));
    delivery_fly(all, d);
    assert_null(delivery_take(all, 1));
}

static void a_slow_receiver_does_not_hold_up_the_others(void **state)
{
    struct deliveries *all = *state;
    struct delivery *d;

    for (int i = 0; i < 1000; i++)
        add(all, i, "slow.example", 1);
    while ((d = delivery_take(all, 1)))
        delivery_fly(all, d);
    struct delivery *late = add(all, 1000, "quick.example:8080", 2);
    assert_ptr_equal(delivery_take(all, 2), late);
}

static void receivers_take_turns(void **state)
{
    struct deliveries *all = *state;
    int of[3] = {0};

    for (int i = 0; i < 30; i++)
        add(all, i, i < 20 ? "a.example" : i < 25 ? "b.example" : "c.example", i);
    for (int i = 0; i < 9; i++) {
        struct delivery *d = delivery_take(all, 100);

        of[strstr(d->url, "a.ex") ? 0 : strstr(d->url, "b.ex") ? 1 : 2]++;
        delivery_fly(all, d);
    }
    assert_int_equal(of[0], 3);
    assert_int_equal(of[1], 3);
    assert_int_equal(of[2], 3);
}

static void there_are_at_most_sixty_four_under_way(void **state)
{
    struct deliveries *all = *state;
    struct delivery *d;
    int n = 0;

    for (int i = 0; i < 200; i++) {
        AUTO(mem_free) char *host = mem_printf("h%d.example", i);

        add(all, i, host, 1);
    }
    for (; (d = delivery_take(all, 1)); n++)
        delivery_fly(all, d);
    assert_int_equal(n, DELIVERIES_FLYING_MAX);
}

static void what_is_parked_waits_for_its_assembly(void **state)
{
    struct deliveries *all = *state;

    add(all, 1, "a.example", 1);
    struct delivery *d = delivery_take(all, 1);
    delivery_park(all, d);
    assert_null(delivery_take(all, 1000));
    deliveries_unpark(all, "b");
    assert_null(delivery_take(all, 1000));
    deliveries_unpark(all, "a");
    assert_ptr_equal(delivery_take(all, 1000), d);
    delivery_park(all, d);
    deliveries_unpark_all(all);
    assert_ptr_equal(delivery_take(all, 1000), d);
}

static void what_is_fresh_is_not_sent(void **state)
{
    struct deliveries *all = *state;
    struct delivery *d = add(all, 1, "a.example", 1);

    delivery_hold_fresh(all, d);
    assert_null(delivery_take(all, 1000));
    assert_ptr_equal(all->fresh.first, d);
}

/* ---- all of it, against the obvious: a walk over all that there are ---- */

#define KNOWN 200
#define HOSTS 7

enum place { GONE, WAITS, FLIES, PARKED };

struct known {
    struct delivery *d;
    enum place place;
    int64_t next_us;
    int host;
};

static int flying_of(const struct known *k, int host)
{
    int n = 0;

    for (int i = 0; i < KNOWN; i++)
        n += k[i].place == FLIES && (host < 0 || k[i].host == host);
    return n;
}

static bool some_may_go(const struct known *k, int64_t now)
{
    if (flying_of(k, -1) >= DELIVERIES_FLYING_MAX)
        return false;
    for (int i = 0; i < KNOWN; i++)
        if (k[i].place == WAITS && k[i].next_us <= now &&
            flying_of(k, k[i].host) < DELIVERIES_RECEIVER_MAX)
            return true;
    return false;
}

static void take_one(struct deliveries *all, struct known *k, int64_t now, unsigned dice)
{
    struct delivery *d = delivery_take(all, now);

    assert_int_equal(d != NULL, some_may_go(k, now));
    if (!d)
        return;
    struct known *of = &k[atoi(d->id)];
    assert_ptr_equal(of->d, d);
    assert_true(of->place == WAITS && of->next_us <= now &&
                flying_of(k, of->host) < DELIVERIES_RECEIVER_MAX);
    if (dice % 8 == 0) {
        delivery_park(all, d);
        of->place = PARKED;
    } else if (dice % 8 == 1) {
        delivery_wait(all, d, of->next_us = now + dice % 50);
    } else {
        delivery_fly(all, d);
        of->place = FLIES;
    }
}

static void change_one(struct deliveries *all, struct known *k, int i, int64_t now, unsigned dice)
{
    AUTO(mem_free) char *host = mem_printf("h%d.example", k[i].host);

    if (k[i].place == GONE) {
        k[i].next_us = now + dice % 100;
        k[i].d = add(all, i, host, k[i].next_us);
        k[i].place = WAITS;
    } else if (dice % 3 == 0) { /* whatever it does: delivered, or given up */
        delivery_drop(all, k[i].d);
        k[i] = (struct known){.host = k[i].host};
    } else if (k[i].place == FLIES) {
        delivery_wait(all, k[i].d, k[i].next_us = now + dice % 100);
        k[i].place = WAITS;
    }
}

static void any_history_gives_what_a_walk_over_all_gives(void **state)
{
    struct deliveries *all = *state;
    struct known k[KNOWN] = {0};
    unsigned dice = 12345;

    for (int i = 0; i < KNOWN; i++)
        k[i].host = i % HOSTS * (i % 3); /* some have many, some few */
    for (int64_t now = 1; now < 30000; now++) {
        dice = dice * 1664525 + 1013904223;
        unsigned roll = dice >> 8;

        if (roll % 4)
            take_one(all, k, now / 10, roll / 16);
        else
            change_one(all, k, (int)(roll / 16 % KNOWN), now / 10, roll / 4096);
        if (roll % 97 == 0) {
            deliveries_unpark(all, "a");
            for (int i = 0; i < KNOWN; i++)
                if (k[i].place == PARKED)
                    k[i].place = WAITS;
        }
        assert_int_equal(all->flying_count, flying_of(k, -1));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_one_that_was_due_first_goes_first),
        TEST(a_receiver_has_at_most_eight_under_way),
        TEST(a_slow_receiver_does_not_hold_up_the_others),
        TEST(receivers_take_turns),
        TEST(there_are_at_most_sixty_four_under_way),
        TEST(what_is_parked_waits_for_its_assembly),
        TEST(what_is_fresh_is_not_sent),
        TEST(any_history_gives_what_a_walk_over_all_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
