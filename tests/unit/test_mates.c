/* Jobs that one worker does together, as the conductor sees them. The pool is not there: the test has the jobs, and
 * says what becomes of them. */
#include "conductor_bed.h"

/* ---- in place of the pool ---- */

#define CELLS 16

static struct cell { /* a worker and what it has */
    void *owner[ROBOT_TOGETHER_MAX];
    json_t *params[ROBOT_TOGETHER_MAX];
    int count, stops;
} cells[CELLS];
static int cell_count, room, threads;

void __wrap_pool_wanted(struct pool *p, enum robot_role role) {}
bool __wrap_pool_has_room(const struct pool *p, enum robot_role role) { return room > 0; }
int __wrap_pool_threads(const struct pool *p, enum robot_role role, int waiting) { return threads; }

struct pool_run *__wrap_pool_start(struct pool *p, const struct pool_task *task, void *owner)
{
    struct cell *cell = &cells[cell_count++];
    struct conductor *c = (struct conductor *)(void *)p;
    struct pool_events ev = jobs_pool_events(c);

    assert_true(cell_count <= CELLS);
    room--;
    *cell = (struct cell){.owner = {owner}, .params = {task->params}, .count = 1 + task->mate_count};
    for (int i = 0; i < task->mate_count; i++) {
        cell->owner[i + 1] = task->mates[i].owner;
        cell->params[i + 1] = task->mates[i].params;
    }
    json_decref(task->inputs);
    json_decref(task->undo);
    for (int i = 0; i < cell->count; i++)
        ev.started(c, cell->owner[i], (struct pool_run *)cell);
    return (struct pool_run *)cell;
}

void __wrap_pool_stop(struct pool_run *run) { ((struct cell *)run)->stops++; }

static int setup(void **state)
{
    memset(cells, 0, sizeof cells);
    cell_count = 0;
    room = CELLS;
    threads = 1;
    if (bed_setup(state) < 0)
        return -1;
    struct bed *b = *state;
    AUTO(mem_free) char *blobs = mem_printf("%s/blobs", b->dir);
    struct err err;
    b->c.no_space = false;
    b->c.pool = (struct pool *)(void *)&b->c;
    return blob_store_open(&b->c.conf.blobs, blobs, &err);
}

/* Those that workers have still are stopped. */
static int teardown(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);)
        jobs_stop(c, i.value, JOBS_END);
    for (int i = 0; i < cell_count; i++)
        for (int j = 0; j < cells[i].count; j++)
            if (cells[i].owner[j])
                jobs_pool_events(c).stopped(c, cells[i].owner[j], (struct pool_run *)&cells[i], 0, 0);
    for (int i = 0; i < cell_count; i++)
        for (int j = 0; j < cells[i].count; j++)
            json_decref(cells[i].params[j]);
    struct blob_store *blobs = ((struct bed *)*state)->c.conf.blobs;
    int rc = bed_teardown(state);
    blob_store_close(blobs);
    return rc;
}

/* ---- an Assembly with one film ---- */

#define PRESET(name) "{\"robot\":\"/video/encode\",\"use\":\":original\",\"preset\":\"hls/" name "\"}"
#define THREE "\"a\":" PRESET("270p") ",\"b\":" PRESET("540p") ",\"c\":" PRESET("1080p")

static struct entry *begin(struct conductor *c, const char *steps)
{
    AUTO(mem_free) char *text = mem_printf("{%s}", steps);
    AUTO(json_unref) json_t *data =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:i,s:b,s:i}", "workspace", "w", "key_id", "k", "nonce", "n",
                  "base_url", "http://x", "steps", json_reads(text), "expected", 0, "body_done", 0,
                  "max_attempts", 1);
    struct entry *e = entry_add(&c->entries, BED_ID);
    struct err err;

    assert_int_equal(turn_begin(c, &err), 0);
    assert_int_equal(turn_apply(c, e, EV_CREATED, data, &err), 0);
    published_set_fixed(e->published, status_fixed(e->a, "test", "test", "test"));
    turn_commit(c);
    return e;
}

static void end_one(struct conductor *c, struct cell *cell, int i)
{
    jobs_pool_events(c).done(c, cell->owner[i], (struct pool_run *)cell, 1);
    cell->owner[i] = NULL;
    bed_play(c);
}

static void fail_one(struct conductor *c, struct cell *cell, int i)
{
    struct err why = {.code = ERR_COMMAND};

    snprintf(why.msg, sizeof why.msg, "ffmpeg failed");
    jobs_pool_events(c).failed(c, cell->owner[i], (struct pool_run *)cell, &why);
    cell->owner[i] = NULL;
    bed_play(c);
}

#define FILM "a30bd0776e7f4ac3817b056d102e821"

/* So many films come and are looked at; then their encodes find room. */
static struct entry *with_films(struct conductor *c, const char *steps, int films)
{
    struct entry *e = begin(c, steps);
    AUTO(json_unref) json_t *all = json_pack("{s:i}", "files", films);
    AUTO(json_unref)
    json_t *found = json_pack("{s:i,s:{s:i,s:s,s:s,s:{s:i}}}", "index", 0, "same", "input", 0, "mime",
                              "video/mp4", "ext", "mp4", "meta", "width", 10);
    struct err err;

    room = films;
    for (int i = 0; i < films; i++) {
        AUTO(mem_free) char *id = mem_printf(FILM "%d", i);
        AUTO(json_unref)
        json_t *file = json_pack("{s:{s:s,s:s,s:i,s:s,s:s,s:{}}}", "file", "id", id, "name", "a.mp4", "size", 3,
                                 "md5", "900150983cd24fb0d6963f7d28e17f72", "field", "f", "user_meta");

        assert_int_equal(turn_apply(c, e, EV_FILE_UPLOADED, file, &err), 0);
    }
    assert_int_equal(turn_apply(c, e, EV_BODY_DONE, all, &err), 0);
    bed_play(c);
    assert_int_equal(cell_count, films);
    for (int i = 0; i < films; i++) {
        jobs_pool_events(c).output(c, cells[i].owner[0], (struct pool_run *)&cells[i], found);
        end_one(c, &cells[i], 0);
        json_decref(cells[i].params[0]);
    }
    assert_int_equal(cell_count, films);
    cell_count = 0;
    room = CELLS;
    jobs_pump(c);
    bed_play(c);
    return e;
}

static struct entry *with_film(struct conductor *c, const char *steps) { return with_films(c, steps, 1); }

static bool has(const struct cell *cell, const char *preset)
{
    for (int i = 0; i < cell->count; i++)
        if (!strcmp(jstr_or(cell->params[i], "preset", ""), preset))
            return true;
    return false;
}

static void gives(struct conductor *c, struct cell *cell, int i, const char *id)
{
    AUTO(json_unref)
    json_t *body = json_pack("{s:i,s:i,s:{s:s,s:s,s:s,s:s,s:i,s:s,s:{},s:i}}", "index", 0, "job", i, "file", "id", id,
                             "name", "a.ts", "ext", "ts", "mime", "video/mp2t", "size", 3, "md5",
                             "900150983cd24fb0d6963f7d28e17f72", "meta", "input", 0);

    jobs_pool_events(c).output(c, cell->owner[i], (struct pool_run *)cell, body);
    bed_play(c);
}

/* ---- what must be so ---- */

static void several_encodes_of_one_film_are_one_worker_s_work(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);
    static const char *const ids[] = {"b30bd0776e7f4ac3817b056d102e8211", "b30bd0776e7f4ac3817b056d102e8212",
                                      "b30bd0776e7f4ac3817b056d102e8213"};

    assert_int_equal(cell_count, 1);
    assert_int_equal(cells[0].count, 3);
    assert_true(has(&cells[0], "hls/270p") && has(&cells[0], "hls/540p") && has(&cells[0], "hls/1080p"));
    for (int i = 0; i < 3; i++) {
        const struct run *r = cells[0].owner[i];
        int step = e->a->jobs[r->job]->step;

        assert_false(assembly_is_over(e->a));
        gives(c, &cells[0], i, ids[i]);
        assert_int_equal(e->a->files[e->a->file_count - 1]->step, step);
        end_one(c, &cells[0], i);
    }
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
    assert_int_equal(cell_count, 1);
}

static void what_can_not_be_done_together_is_done_alone(void **state)
{
    static const char *const steps[] = {
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"segment\":true",
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"rotate\":false",
        "\"robot\":\"/video/encode\",\"preset\":\"gif\"",
        "\"robot\":\"/video/encode\",\"preset\":\"mp3\"",
        "\"robot\":\"/video/encode\",\"preset\":\"empty\"",
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"ffmpeg\":{\"t\":3}",
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"ffmpeg\":{\"ss\":\"1\"}",
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"ffmpeg\":{\"map\":\"0:v:0\"}",
        "\"robot\":\"/video/encode\",\"preset\":\"hls/270p\",\"ffmpeg\":{\"filter_complex\":\"[0:v]null\"}",
        "\"robot\":\"/video/thumbs\"",
        "\"robot\":\"/file/hash\"",
    };
    struct conductor *c = &((struct bed *)*state)->c;
    AUTO(str_done) struct str text = {0};

    str_puts(&text, THREE);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        str_addf(&text, ",\"other%zu\":{\"use\":\":original\",%s}", i, steps[i]);
    with_film(c, text.s);
    int groups = 0;
    for (int i = 0; i < cell_count; i++) {
        groups += cells[i].count == 3;
        assert_true(cells[i].count == 1 || cells[i].count == 3);
    }
    assert_int_equal(groups, 1);
    assert_int_equal(cell_count, 1 + (int)ARRAY_LEN(steps));
}

static void another_film_is_another_worker_s(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_films(c, THREE, 2);

    assert_int_equal(cell_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct run *first = cells[i].owner[0];

        assert_int_equal(cells[i].count, 3);
        for (int j = 1; j < 3; j++) {
            const struct run *r = cells[i].owner[j];

            assert_ptr_equal(e->a->jobs[r->job]->inputs[0], e->a->jobs[first->job]->inputs[0]);
        }
    }
    assert_ptr_not_equal(e->a->jobs[((struct run *)cells[0].owner[0])->job]->inputs[0],
                         e->a->jobs[((struct run *)cells[1].owner[0])->job]->inputs[0]);
}

static void where_there_are_cores_for_all_they_are_done_side_by_side(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    threads = 4;
    with_film(c, THREE);
    assert_int_equal(cell_count, 3);
}

static void more_than_a_worker_takes_are_two_workers(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    AUTO(str_done) struct str text = {0};

    for (int i = 0; i < 10; i++)
        str_addf(&text, "%s\"s%d\":%s", i ? "," : "", i, PRESET("270p"));
    with_film(c, text.s);
    assert_int_equal(cell_count, 2);
    assert_int_equal(cells[0].count, ROBOT_TOGETHER_MAX);
    assert_int_equal(cells[1].count, 10 - ROBOT_TOGETHER_MAX);
}

/* One try is all that each has. */
static void those_that_fail_are_run_again_alone_and_lose_no_try(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);

    for (int i = 0; i < 3; i++)
        fail_one(c, &cells[0], i);
    assert_false(assembly_is_over(e->a));
    jobs_pump(c);
    bed_play(c);
    assert_int_equal(cell_count, 4);
    for (int i = 1; i < 4; i++)
        assert_int_equal(cells[i].count, 1);
    for (int i = 1; i < 4; i++)
        end_one(c, &cells[i], 0);
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
}

static void alone_a_failure_counts(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);

    end_one(c, &cells[0], 0);
    fail_one(c, &cells[0], 1);
    end_one(c, &cells[0], 2);
    assert_int_equal(cell_count, 2);
    assert_int_equal(cells[1].count, 1);
    fail_one(c, &cells[1], 0);
    assert_true(assembly_is_over(e->a));
    assert_int_equal(e->a->state, ASSEMBLY_FAILED);
}

static void one_whose_errors_are_ignored_keeps_nobody_up(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE ",\"d\":{\"robot\":\"/video/encode\",\"use\":\":original\","
                                         "\"preset\":\"hls/360p\",\"ignore_errors\":true}");

    assert_int_equal(cell_count, 1);
    for (int i = 0; i < 4; i++)
        if (!strcmp(jstr_or(cells[0].params[i], "preset", ""), "hls/360p"))
            fail_one(c, &cells[0], i);
        else
            end_one(c, &cells[0], i);
    assert_false(assembly_is_over(e->a));
    assert_int_equal(cell_count, 2);
    fail_one(c, &cells[1], 0);
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
}

static void each_has_its_own_progress(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);
    struct run *r = cells[0].owner[2];

    jobs_pool_events(c).progress(c, r, (struct pool_run *)&cells[0], 0.5);
    bed_play(c);
    assert_true(e->a->jobs[r->job]->progress == 0.5);
    assert_true(e->a->jobs[((struct run *)cells[0].owner[0])->job]->progress == 0);
}

static void hear(void *ctx, const struct err *err, struct published *p) { ++*(int *)ctx; }

static void a_cancel_stops_all_of_them_and_waits_for_each(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);
    struct pool_events ev = jobs_pool_events(c);
    int heard = 0;

    end_one(c, &cells[0], 0);
    conductor_post(c, &(struct conductor_news){
                          .assembly_id = BED_ID, .type = EV_CANCEL, .reply = hear, .ctx = &heard});
    news_handle(c);
    bed_play(c);
    assert_int_equal(cells[0].stops, 2);
    ev.stopped(c, cells[0].owner[1], (struct pool_run *)&cells[0], 3, 1000);
    cells[0].owner[1] = NULL;
    bed_play(c);
    assert_int_equal(heard, 0);
    ev.stopped(c, cells[0].owner[2], (struct pool_run *)&cells[0], 0, 0);
    cells[0].owner[2] = NULL;
    bed_play(c);
    assert_int_equal(heard, 1);
    assert_int_equal(jint(e->a->cancel, "processes_killed", 0), 3);
    assert_int_equal(jint(e->a->cancel, "bytes_freed", 0), 1000);
    assert_int_equal(e->end, ENTRY_WRITTEN);
}

static void after_a_death_of_the_daemon_they_begin_again_as_any(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = with_film(c, THREE);

    for (int i = 0; i < 3; i++) /* as recover.c finds them */
        assert_int_equal(e->a->jobs[((struct run *)cells[0].owner[i])->job]->state, JOB_RUNNING);
    assert_true(jobs_are_running(c));
    jobs_interrupted(c);
    for (int i = 0; i < 3; i++)
        end_one(c, &cells[0], i);
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
}

static void the_time_of_a_worker_is_charged_once(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    with_film(c, THREE);
    struct fair_lane *lane = ((struct run *)cells[0].owner[0])->lane;
    int64_t hour = 3600 * SECOND_US, before = lane->clock_us;
    assert_int_equal(lane->running, 3);
    for (int i = 0; i < 3; i++) {
        struct run *r = cells[0].owner[i];

        before -= r->charged_us;
        r->taken_us -= hour;
        end_one(c, &cells[0], i);
    }
    assert_int_equal(lane->running, 0);
    assert_true(lane->clock_us - before >= hour && lane->clock_us - before < hour + 60 * SECOND_US);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(several_encodes_of_one_film_are_one_worker_s_work),
        TEST(what_can_not_be_done_together_is_done_alone),
        TEST(another_film_is_another_worker_s),
        TEST(where_there_are_cores_for_all_they_are_done_side_by_side),
        TEST(more_than_a_worker_takes_are_two_workers),
        TEST(those_that_fail_are_run_again_alone_and_lose_no_try),
        TEST(alone_a_failure_counts),
        TEST(one_whose_errors_are_ignored_keeps_nobody_up),
        TEST(each_has_its_own_progress),
        TEST(a_cancel_stops_all_of_them_and_waits_for_each),
        TEST(after_a_death_of_the_daemon_they_begin_again_as_any),
        TEST(the_time_of_a_worker_is_charged_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
