/* A probe whose worker decodes the picture for a job of it, as the conductor sees that. The pool is not there: the test
 * has the jobs, and says what becomes of them. */
#include "conductor_bed.h"

/* ---- in place of the pool ---- */

#define CELLS 8

static struct cell { /* a worker, what it has, and what it was told */
    void *owner[2];
    struct run *asked;
    json_t *params[2];
    bool may_ask;
    int count, stops, answers;
} cells[CELLS];
static int cell_count, room;

void __wrap_pool_wanted(struct pool *p, enum robot_role role) {}
bool __wrap_pool_has_room(const struct pool *p, enum robot_role role) { return room > 0; }
void __wrap_pool_stop(struct pool_run *run) { ((struct cell *)run)->stops++; }

struct pool_run *__wrap_pool_start(struct pool *p, const struct pool_task *task, void *owner)
{
    struct cell *cell = &cells[cell_count++];
    struct conductor *c = (struct conductor *)(void *)p;

    assert_true(cell_count <= CELLS);
    room--;
    *cell = (struct cell){.owner = {owner}, .params = {task->params}, .may_ask = task->asks, .count = 1};
    json_decref(task->inputs);
    jobs_pool_events(c).started(c, owner, (struct pool_run *)cell);
    return (struct pool_run *)cell;
}

struct pool_run *__wrap_pool_next(struct pool_run *run, const struct pool_task *task, void *owner)
{
    struct cell *cell = (struct cell *)run;

    cell->answers++;
    if (!task)
        return NULL;
    assert_int_equal(cell->count, 1);
    assert_int_equal(json_array_size(task->inputs), 1);
    cell->owner[cell->count] = owner;
    cell->params[cell->count++] = task->params;
    json_decref(task->inputs);
    return run;
}

static int setup(void **state)
{
    memset(cells, 0, sizeof cells);
    cell_count = 0;
    room = CELLS;
    if (bed_setup(state) < 0)
        return -1;
    struct bed *b = *state;
    AUTO(mem_free) char *blobs = mem_printf("%s/blobs", b->dir);
    struct err err;
    b->c.no_space = false;
    b->c.pool = (struct pool *)(void *)&b->c;
    return blob_store_open(&b->c.conf.blobs, blobs, &err);
}

static int teardown(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);)
        jobs_stop(c, i.value, JOBS_END);
    for (int i = 0; i < cell_count; i++)
        for (int j = 0; j < cells[i].count; j++) {
            if (cells[i].owner[j])
                jobs_pool_events(c).stopped(c, cells[i].owner[j], (struct pool_run *)&cells[i], 0, 0);
            json_decref(cells[i].params[j]);
        }
    struct blob_store *blobs = c->conf.blobs;
    int rc = bed_teardown(state);
    blob_store_close(blobs);
    return rc;
}

/* ---- an Assembly with one picture ---- */

#define RESIZE(more) "{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":100" more "}"

static struct entry *begin(struct conductor *c, const char *steps)
{
    AUTO(mem_free) char *text = mem_printf("{%s}", steps);
    AUTO(json_unref) json_t *data =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:i,s:b,s:i}", "workspace", "w", "key_id", "k", "nonce", "n",
                  "base_url", "http://x", "steps", json_reads(text), "expected", 0, "body_done", 0,
                  "max_attempts", 1);
    AUTO(json_unref)
    json_t *file = json_pack("{s:{s:s,s:s,s:i,s:s,s:s,s:{}}}", "file", "id", "a30bd0776e7f4ac3817b056d102e8210", "name",
                             "a.jpg", "size", 3, "md5", "900150983cd24fb0d6963f7d28e17f72", "field", "f", "user_meta");
    AUTO(json_unref) json_t *all = json_pack("{s:i}", "files", 1);
    struct entry *e = entry_add(&c->entries, BED_ID);
    struct err err;

    assert_int_equal(turn_begin(c, &err), 0);
    assert_int_equal(turn_apply(c, e, EV_CREATED, data, &err), 0);
    published_set_fixed(e->published, status_fixed(e->a, "test", "test", "test"));
    assert_int_equal(turn_apply(c, e, EV_FILE_UPLOADED, file, &err), 0);
    assert_int_equal(turn_apply(c, e, EV_BODY_DONE, all, &err), 0);
    bed_play(c);
    assert_int_equal(cell_count, 1);
    return e;
}

static void tells(struct conductor *c, int cell, const char *text)
{
    AUTO(json_unref) json_t *body = json_reads(text);

    assert_non_null(body);
    jobs_pool_events(c).output(c, cells[cell].owner[0], (struct pool_run *)&cells[cell], body);
}

#define JPEG "\"same\":{\"input\":0,\"mime\":\"image/jpeg\",\"ext\":\"jpg\","
#define HEADER "{\"index\":0," JPEG "\"early\":true,\"meta\":{\"width\":9}}}"
#define PIXELS "{\"index\":1," JPEG "\"meta\":{\"average_color\":\"#010203\"}}}"

static void asks(struct conductor *c)
{
    tells(c, 0, HEADER);
    jobs_pool_events(c).asks(c, cells[0].owner[0], (struct pool_run *)&cells[0]);
    assert_int_equal(cells[0].answers, 0); /* not before the turn is durable */
    bed_play(c);
    assert_int_equal(cells[0].answers, 1);
}

static void ends(struct conductor *c, int cell, int i)
{
    jobs_pool_events(c).done(c, take(cells[cell].owner[i]), (struct pool_run *)&cells[cell], 1);
    bed_play(c);
}

static void fails(struct conductor *c, int cell, int i)
{
    struct err why = {.code = ERR_COMMAND, .msg = "broken"};

    jobs_pool_events(c).failed(c, take(cells[cell].owner[i]), (struct pool_run *)&cells[cell], &why);
    bed_play(c);
}

static int step_of(int cell, int i)
{
    const struct run *r = cells[cell].owner[i];

    return r->entry->a->jobs[r->job]->step;
}

/* ---- what must be so ---- */

static void the_first_job_of_the_picture_goes_to_the_worker_of_its_probe(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = begin(c, "\"a\":" RESIZE("") ",\"b\":" RESIZE("") "");

    assert_true(cells[0].may_ask);
    room = 0; /* it needs no other worker */
    asks(c);
    assert_int_equal(cells[0].count, 2);
    assert_int_equal(step_of(0, 1), 1);
    assert_int_equal(cell_count, 1);
    tells(c, 0, PIXELS);
    ends(c, 0, 0);
    assert_true(e->a->meta_extracted);
    room = 1;
    jobs_pump(c);
    bed_play(c);
    assert_int_equal(cell_count, 2); /* the other waits for a worker, as any */
    assert_int_equal(step_of(1, 0), 2);
    ends(c, 0, 1);
    ends(c, 1, 0);
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
    assert_string_equal(jstr_or(e->a->files[0]->meta, "average_color", ""), "#010203");
}

static void only_where_a_job_could_tell_is_it_asked(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    begin(c, "\"a\":" RESIZE(",\"text\":[{\"text\":\"${file.meta.width}\"}]")); /* waits for all of the metadata */
    assert_false(cells[0].may_ask);
}

static void other_robots_of_the_picture_are_no_reason(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    begin(c, "\"a\":{\"robot\":\"/file/hash\",\"use\":\":original\"},"
             "\"b\":{\"robot\":\"/image/resize\",\"use\":\"a\"}");
    assert_false(cells[0].may_ask);
}

static void with_other_parameters_the_probe_goes_on_and_the_job_has_its_own_worker(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    begin(c, "\"a\":" RESIZE(",\"frame\":2"));
    assert_true(cells[0].may_ask);
    asks(c);
    assert_int_equal(cells[0].count, 1);
    assert_int_equal(cell_count, 2);
}

static void one_that_is_stopping_begins_nothing(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;

    begin(c, "\"a\":" RESIZE(""));
    c->draining = true;
    asks(c);
    assert_int_equal(cells[0].count, 1);
    assert_int_equal(cell_count, 1);
}

/* One try is all that each has. */
static void both_that_die_are_run_again_alone_and_lose_no_try(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = begin(c, "\"a\":" RESIZE(""));

    asks(c);
    fails(c, 0, 0);
    fails(c, 0, 1);
    jobs_pump(c);
    bed_play(c);
    assert_false(assembly_is_over(e->a));
    assert_int_equal(cell_count, 3);
    for (int i = 1; i < 3; i++)
        assert_true(!cells[i].may_ask && cells[i].count == 1);
    ends(c, 1, 0);
    ends(c, 2, 0);
    assert_int_equal(e->a->state, ASSEMBLY_COMPLETED);
}

static void alone_a_failure_counts(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = begin(c, "\"a\":" RESIZE(""));

    asks(c);
    tells(c, 0, PIXELS);
    ends(c, 0, 0);
    fails(c, 0, 1);
    jobs_pump(c);
    bed_play(c);
    assert_false(assembly_is_over(e->a));
    assert_int_equal(cell_count, 2);
    fails(c, 1, 0);
    assert_int_equal(e->a->state, ASSEMBLY_FAILED);
}

static void hear(void *ctx, const struct err *err, struct published *p) { ++*(int *)ctx; }

static void cancel(struct conductor *c, int *heard)
{
    conductor_post(c, &(struct conductor_news){
                          .assembly_id = BED_ID, .type = EV_CANCEL, .reply = hear, .ctx = heard});
    news_handle(c);
}

static void a_cancel_stops_both_and_waits_for_each(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = begin(c, "\"a\":" RESIZE(""));
    struct pool_events ev = jobs_pool_events(c);
    int heard = 0;

    asks(c);
    cancel(c, &heard);
    bed_play(c);
    assert_int_equal(cells[0].stops, 2);
    ev.stopped(c, take(cells[0].owner[0]), (struct pool_run *)&cells[0], 1, 10);
    bed_play(c);
    assert_int_equal(heard, 0);
    ev.stopped(c, take(cells[0].owner[1]), (struct pool_run *)&cells[0], 0, 0);
    bed_play(c);
    assert_int_equal(heard, 1);
    assert_int_equal(jint(e->a->cancel, "processes_killed", 0), 1);
}

/* It asks in the turn that ends its Assembly. */
static void who_asks_of_what_is_canceled_is_given_nothing(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    int heard = 0;

    begin(c, "\"a\":" RESIZE(""));
    tells(c, 0, HEADER);
    jobs_pool_events(c).asks(c, cells[0].owner[0], (struct pool_run *)&cells[0]);
    cancel(c, &heard);
    bed_play(c);
    assert_int_equal(cells[0].count, 1);
    assert_int_equal(cells[0].stops, 1);
    assert_null(c->turn.asking);
    jobs_pool_events(c).stopped(c, take(cells[0].owner[0]), (struct pool_run *)&cells[0], 0, 0);
    bed_play(c);
    assert_int_equal(heard, 1);
}

static void one_that_dies_before_the_answer_is_forgotten(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = begin(c, "\"a\":" RESIZE(""));

    tells(c, 0, HEADER);
    jobs_pool_events(c).asks(c, cells[0].owner[0], (struct pool_run *)&cells[0]);
    fails(c, 0, 0);
    assert_int_equal(cells[0].answers, 0);
    assert_null(c->turn.asking);
    assert_int_equal(e->a->state, ASSEMBLY_FAILED); /* its one try is over */
}

static void the_worker_s_time_is_charged_once(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    int64_t hour = 3600 * SECOND_US;

    begin(c, "\"a\":" RESIZE(""));
    struct run *probe = cells[0].owner[0];
    struct fair_lane *lane = probe->lane;
    int64_t before = lane->clock_us - probe->charged_us;
    probe->taken_us -= hour;
    asks(c);
    assert_int_equal(lane->running, 1);
    struct run *r = cells[0].owner[1];
    assert_ptr_equal(r->lane, lane);
    r->taken_us -= hour;
    ends(c, 0, 0);
    ends(c, 0, 1);
    assert_int_equal(lane->running, 0);
    assert_true(lane->clock_us - before >= 2 * hour && lane->clock_us - before < 2 * hour + 60 * SECOND_US);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_job_of_the_picture_goes_to_the_worker_of_its_probe),
        TEST(only_where_a_job_could_tell_is_it_asked),
        TEST(other_robots_of_the_picture_are_no_reason),
        TEST(with_other_parameters_the_probe_goes_on_and_the_job_has_its_own_worker),
        TEST(one_that_is_stopping_begins_nothing),
        TEST(both_that_die_are_run_again_alone_and_lose_no_try),
        TEST(alone_a_failure_counts),
        TEST(a_cancel_stops_both_and_waits_for_each),
        TEST(who_asks_of_what_is_canceled_is_given_nothing),
        TEST(one_that_dies_before_the_answer_is_forgotten),
        TEST(the_worker_s_time_is_charged_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
