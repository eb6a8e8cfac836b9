/* Notifications over a real store. The courier is not there: what it would be given is kept, and
 * answered by the test. */
#include "conductor_bed.h"

#include <time.h>

#define MANY 10000
#define DEAD "http://dead.example/hook"

/* ---- in place of the pool, and of a map that does not count ---- */

static struct posts {
    int count, refused;
    bool is_away;
    json_t *last;
} posts;

int __wrap_pool_post(struct pool *p, json_t *what, struct err *err)
{
    if (posts.is_away) {
        posts.refused++;
        json_decref(what);
        return err_set(err, ERR_BUSY, "there is no courier");
    }
    posts.count++;
    json_decref(posts.last);
    posts.last = what;
    return 0;
}

static int64_t lookups;
void *__real_map_get(const struct map *m, const char *key);
void *__wrap_map_get(const struct map *m, const char *key)
{
    lookups++;
    return __real_map_get(m, key);
}

static int setup(void **state)
{
    struct store_key key = {
        .id = "k", .key = "k", .workspace = "w", .scopes = "*", .description = ""};
    struct err err;

    if (bed_setup(state) < 0)
        return -1;
    struct bed *b = *state;
    posts = (struct posts){0};
    AUTO(mem_free) char *sealed = seal(&b->seal, "auth_key/k", "secret");
    key.secret = sealed;
    return store_begin(b->c.conf.store, &err) < 0 || store_key_put(b->c.conf.store, &key, &err) < 0
               ? -1
               : store_commit(b->c.conf.store, &err);
}

static int teardown(void **state)
{
    json_decref(posts.last);
    return bed_teardown(state);
}

/* So many that are to be delivered to url, from next_us on; as an earlier process left them. */
static void leave(struct conductor *c, int from, int count, const char *url, int64_t next_us)
{
    struct err err;

    assert_int_equal(store_begin(c->conf.store, &err), 0);
    for (int i = from; i < from + count; i++) {
        char id[ID_LEN + 1];
        struct store_notification n = {.id = id,
                                       .assembly_id = BED_ID,
                                       .workspace = "w",
                                       .key_id = "k",
                                       .url = url,
                                       .replay = true,
                                       .next_us = next_us};

        snprintf(id, sizeof id, "%032x", i);
        assert_int_equal(store_notification_add(c->conf.store, &n, &err), 0);
    }
    assert_int_equal(store_commit(c->conf.store, &err), 0);
    assert_int_equal(outbox_load(c, &err), 0);
}

/* ---- what a turn costs ---- */

#define TURNS 50

struct cost {
    int64_t lookups;
    int64_t cpu_ns;
};

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A turn in which something happens that has nothing to do with notifications, and a tick. */
static void play_turn(struct conductor *c, struct entry *e)
{
    entry_touch(&c->entries, e);
    turn_commit(c);
    outbox_pump(c);
}

/* The best of three. */
static struct cost cost_of_turns(struct conductor *c, struct entry *e)
{
    struct cost best = {INT64_MAX, INT64_MAX};

    for (int try = 0; try < 3; try++) {
        int64_t before = lookups, start = cpu_ns();

        for (int i = 0; i < TURNS; i++)
            play_turn(c, e);
        int64_t ns = cpu_ns() - start;
        best.lookups = lookups - before < best.lookups ? lookups - before : best.lookups;
        best.cpu_ns = ns < best.cpu_ns ? ns : best.cpu_ns;
    }
    print_message("a turn: %.1f lookups, %.1f us\n", (double)best.lookups / TURNS,
                  (double)best.cpu_ns / 1000 / TURNS);
    return best;
}

static void a_turn_costs_the_same(struct conductor *c, int64_t next_us)
{
    struct entry *e = bed_over(c, BED_ID, NULL);
    struct cost without = cost_of_turns(c, e);

    leave(c, 0, MANY, DEAD, next_us);
    outbox_pump(c);
    int64_t before = lookups;
    play_turn(c, e);
    assert_true(lookups - before < 10);
    struct cost with = cost_of_turns(c, e);
    assert_true(with.lookups <= without.lookups + TURNS);
    assert_true(with.cpu_ns < without.cpu_ns * 10 + 1000000);
}

static void ten_thousand_for_a_dead_receiver_cost_a_turn_nothing(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    a_turn_costs_the_same(c, 1);
    assert_int_equal(posts.count, 8); /* which never answers */
}

static void ten_thousand_whose_time_has_not_come_cost_a_turn_nothing(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    a_turn_costs_the_same(c, clock_now_us() + 3600 * SECOND_US);
    assert_int_equal(posts.count, 0);
}

/* ---- what becomes of one ---- */

static void answer_last(struct conductor *c, int status)
{
    AUTO(json_unref) json_t *answer =
        json_pack("{s:s,s:i,s:s,s:I}", "id", jstr(posts.last, "id"), "status", status,
                               "data", "", "duration_us", 1000LL);

    outbox_posted(c, answer);
    turn_commit(c);
}

static void an_answer_makes_room_for_the_next(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    bed_over(c, BED_ID, NULL);
    leave(c, 0, 10, DEAD, 1);
    outbox_pump(c);
    assert_int_equal(posts.count, 8);
    answer_last(c, 200);
    assert_int_equal(posts.count, 9);
}

static void the_message_of_a_canceled_one_waits_for_its_receipt(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, DEAD);
    struct err err;

    settle_begin(e); /* a job that takes its time to die */
    assert_int_equal(turn_apply(c, e, EV_CANCEL, NULL, &err), 0);
    bed_play(c);
    assert_int_equal(e->end, ENTRY_STOPPING);
    assert_int_equal(posts.count, 0);
    settle_one(c, e);
    outbox_pump(c); /* the receipt is not committed yet */
    assert_int_equal(posts.count, 0);
    turn_commit(c);
    assert_int_equal(posts.count, 1);
    assert_non_null(strstr(jstr(posts.last, "body"), "settled%22%3Atrue"));
}

static void the_message_of_one_that_failed_goes_with_the_turn_that_ended_it(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, DEAD);
    AUTO(json_unref) json_t *data = json_pack("{s:i,s:s,s:s}", "code", ERR_MEMORY_LIMIT, "name",
                                              "ASSEMBLY_MEMORY_LIMIT_EXCEEDED", "msg", "too large");
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_FAIL, data, &err), 0);
    turn_commit(c);
    assert_int_equal(posts.count, 1);
    assert_non_null(strstr(jstr(posts.last, "body"), "ASSEMBLY_MEMORY_LIMIT_EXCEEDED"));
}

/* Its end is written while its work is still being stopped, and nothing else happens after that. */
static void a_message_goes_when_the_last_work_is_stopped(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, DEAD);
    struct err err;

    settle_begin(e);
    AUTO(json_unref) json_t *why = json_pack("{s:i,s:s,s:s}", "code", ERR_EXPIRED, "name", "CODE", "msg", "why");
    assert_int_equal(turn_apply(c, e, EV_FAIL, why, &err), 0);
    bed_drop_runs(c, e);
    bed_play(c);
    assert_true(bed_is_made(c, BED_ID));
    assert_int_equal(posts.count, 0);
    settle_one(c, e);
    turn_commit(c);
    assert_int_equal(posts.count, 1);
}

static void one_that_is_refused_is_tried_six_times(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, BED_ID, DEAD);

    for (int i = 1; i <= 6; i++) {
        assert_int_equal(posts.count, i);
        answer_last(c, 500);
        assert_int_equal(posts.count, i); /* not at once */
        for (struct map_iter each = {0}; map_next(&c->outbox.all.by_id, &each);)
            delivery_wait(&c->outbox.all, each.value, 1);
        outbox_pump(c);
        bed_play(c);
    }
    assert_int_equal(c->outbox.all.by_id.count, 0);
    assert_string_equal(jstr(e->a->notify, "notify_status"), "failed");
}

/* As after a restart: the attempts are what its document has not said yet. */
static void one_that_has_left_memory_says_what_became_of_its_message(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_over(c, BED_ID, DEAD);
    AUTO(str_done) struct str text = {0};
    struct err err;

    bed_play(c);
    bed_tick(c);
    entry_leave(&c->entries, e);
    turn_commit(c);
    assert_null(map_get(&c->entries.by_id, BED_ID));
    assert_true(bed_is_made(c, BED_ID));
    answer_last(c, 200);
    assert_int_equal(document_read(&text, c->conf.store, c->conf.seal, BED_ID, &err), 0);
    AUTO(json_unref) json_t *status = json_reads(text.s);
    assert_string_equal(jstr(status, "notify_status"), "successful");
    assert_int_equal(jint(status, "notify_response_code", 0), 200);
    assert_string_equal(jstr(status, "notify_url"), DEAD);
    assert_true(bed_is_made(c, BED_ID));
}

static void what_the_courier_lost_is_sent_again(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    bed_over(c, BED_ID, NULL);
    leave(c, 0, 3, DEAD, 1);
    outbox_pump(c);
    assert_true(outbox_busy(c));
    outbox_courier_lost(c);
    assert_false(outbox_busy(c));
    assert_int_equal(c->outbox.all.count, 3); /* a moment later */
}

static void without_a_courier_one_is_asked_for_it_and_not_all(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    bed_over(c, BED_ID, NULL);
    leave(c, 0, 100, DEAD, 1);
    posts.is_away = true;
    for (int i = 0; i < 10; i++)
        outbox_pump(c);
    assert_int_equal(posts.refused, 1);
    posts.is_away = false;
    c->outbox.pause_until_us = 0;
    outbox_pump(c);
    assert_int_equal(posts.count, 8);
}

/* A tick that reads the outbox again may come between an event and the commit. */
static void one_that_is_read_before_its_commit_is_sent_once_and_after_it(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, DEAD);
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_CANCEL, NULL, &err), 0);
    assert_int_equal(outbox_load(c, &err), 0);
    outbox_pump(c);
    assert_int_equal(posts.count, 0);
    bed_play(c);
    assert_int_equal(posts.count, 1);
    assert_int_equal(c->outbox.all.by_id.count, 1);
    answer_last(c, 200);
    bed_play(c);
    assert_int_equal(posts.count, 1);
    assert_int_equal(c->outbox.all.by_id.count, 0);
}

static void a_replay_whose_commit_failed_is_not_sent(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    char id[ID_LEN + 1];
    struct err err, why;

    bed_over(c, BED_ID, NULL);
    for (int lost = 1; lost >= 0; lost--) {
        assert_int_equal(turn_begin(c, &err), 0);
        assert_int_equal(
            conductor_replay_notification(c, BED_ID, "w", "k", DEAD, id, NULL, NULL, &err), 0);
        outbox_pump(c);
        assert_int_equal(posts.count, 0);
        err_set(&why, ERR_NOSPACE, "the disk is full");
        if (lost)
            turn_lost(c, &why);
        turn_commit(c);
        assert_int_equal(c->outbox.all.by_id.count, !lost);
    }
    assert_int_equal(posts.count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ten_thousand_for_a_dead_receiver_cost_a_turn_nothing),
        TEST(ten_thousand_whose_time_has_not_come_cost_a_turn_nothing),
        TEST(an_answer_makes_room_for_the_next),
        TEST(the_message_of_a_canceled_one_waits_for_its_receipt),
        TEST(the_message_of_one_that_failed_goes_with_the_turn_that_ended_it),
        TEST(a_message_goes_when_the_last_work_is_stopped),
        TEST(one_that_is_refused_is_tried_six_times),
        TEST(one_that_has_left_memory_says_what_became_of_its_message),
        TEST(what_the_courier_lost_is_sent_again),
        TEST(without_a_courier_one_is_asked_for_it_and_not_all),
        TEST(one_that_is_read_before_its_commit_is_sent_once_and_after_it),
        TEST(a_replay_whose_commit_failed_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
