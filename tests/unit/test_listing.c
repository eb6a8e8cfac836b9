/* The list of Assemblies against the plainest implementation there is: an array that is walked
 * over. */
#include "base/id.h"
#include "store/store.h"
#include "tempdir.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 5000
#define TYPES 6
#define WS_A "00000000000000000000000000000001"
#define WS_B "00000000000000000000000000000002"

struct entry {
    char id[ID_LEN + 1];
    bool other_workspace, gone;
    int type;
    int64_t created_us;
};

struct fixture {
    char *dir, *path;
    struct store *s;
    struct store_reader *r;
    struct entry *e;
};

static void put(struct store *s, const struct entry *e)
{
    struct err err;
    AUTO(mem_free) char *search = mem_printf("%s\ntype%d\n", e->id, e->type);
    AUTO(mem_free) char *item = mem_printf("{\"id\":\"%s\"}", e->id);

    assert_int_equal(
        store_listed_put(s,
                         &(struct store_listed){e->id, e->other_workspace ? WS_B : WS_A, e->type,
                                                e->created_us, item, search},
                         e->created_us % 2, &err),
        0);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct err err;

    f->dir = tempdir_new(NULL);
    f->path = mem_printf("%s/w.db", f->dir);
    f->e = mem_zalloc(ENTRIES * sizeof *f->e);
    assert_int_equal(store_open(&f->s, f->path, &err), 0);
    assert_int_equal(store_reader_open(&f->r, f->path, &err), 0);
    srand(7);
    assert_int_equal(store_begin(f->s, &err), 0);
    for (int i = 0; i < ENTRIES; i++) {
        struct entry *e = &f->e[i];

        id_new(e->id);
        e->other_workspace = rand() % 3 == 0;
        e->type = 1 + rand() % TYPES;
        e->created_us = 1000 + i / 3 * 1000; /* some at the same moment */
        assert_int_equal(store_assembly_add(f->s, e->id, WS_A, e->created_us, &err), 0);
        put(f->s, e);
    }
    for (int i = 0; i < ENTRIES; i++) {
        if (rand() % 4 == 0) {
            f->e[i].type = 1 + rand() % TYPES;
            put(f->s, &f->e[i]);
        }
        if (rand() % 10 == 0) {
            f->e[i].gone = true;
            assert_int_equal(store_assembly_purge(f->s, f->e[i].id, &err), 0);
        }
    }
    assert_int_equal(store_commit(f->s, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_reader_close(f->r);
    store_close(f->s);
    tempdir_remove(f->dir);
    free(f->path);
    free(f->e);
    free(f);
    return 0;
}

static void add_id(void *ctx, const struct store_listed *l)
{
    str_addf(ctx, "%s\n", l->assembly_id);
}

static int64_t plainly(struct str *out, const struct fixture *f, const struct store_list_query *q)
{
    int64_t n = 0;

    for (int k = 0; k < ENTRIES; k++) {
        const struct entry *e = &f->e[q->ascending ? k : ENTRIES - 1 - k];

        if (e->gone || e->other_workspace != !strcmp(q->workspace, WS_B) ||
            (q->type && e->type != q->type) || e->created_us < q->from_us ||
            e->created_us > q->to_us ||
            (q->keywords && e->type != q->keywords[strlen(q->keywords) - 3] - '0'))
            continue;
        if (n >= q->offset && n < q->offset + q->limit)
            str_addf(out, "%s\n", e->id);
        n++;
    }
    return n;
}

static void every_page_of_every_filter_is_what_a_plain_walk_gives(void **state)
{
    struct fixture *f = *state;
    struct err err;

    for (int i = 0; i < 3000; i++) {
        struct str want = {0}, got = {0};
        struct store_list_query q = {.workspace = rand() % 2 ? WS_A : WS_B,
                                     .type = rand() % (TYPES + 1),
                                     .to_us = INT64_MAX,
                                     .ascending = rand() % 2,
                                     .limit = 1 + rand() % 60,
                                     .offset = rand() % 3 ? rand() % 4000 : 0};
        AUTO(mem_free) char *keywords = mem_printf("[\"type\",\"type%d\"]", 1 + rand() % TYPES);
        int64_t count;

        if (rand() % 2)
            q.from_us = rand() % 1700000;
        if (rand() % 2)
            q.to_us = rand() % 1700000;
        if (rand() % 20 == 0)
            q.keywords = keywords;
        assert_int_equal(store_list(&count, f->r, &q, add_id, &got, &err), 0);
        assert_int_equal(count, plainly(&want, f, &q));
        assert_string_equal(got.s ? got.s : "", want.s ? want.s : "");
        str_done(want);
        str_done(got);
    }
}

static void a_clock_that_steps_back_does_not_disorder_the_list(void **state)
{
    struct fixture *f = *state;
    struct entry late = {.type = 1, .created_us = 5};
    struct store_list_query q = {.workspace = WS_A, .to_us = INT64_MAX, .limit = 1};
    struct str got = {0};
    int64_t count;
    struct err err;

    id_new(late.id);
    assert_int_equal(store_begin(f->s, &err), 0);
    put(f->s, &late);
    assert_int_equal(store_commit(f->s, &err), 0);
    assert_int_equal(store_list(&count, f->r, &q, add_id, &got, &err), 0);
    assert_memory_equal(got.s, late.id, ID_LEN);
    str_done(got);
}

static void add_line(void *ctx, const struct store_usage *u)
{
    str_addf(ctx, "%s %d %d %d\n", u->robot, (int)u->job, (int)u->raw_bytes, (int)u->bytes);
}

static void a_job_is_billed_once_in_its_month_and_workspace(void **state)
{
    struct fixture *f = *state;
    struct store_usage u = {f->e[0].id, WS_A, "2031-05", "/image/resize", 3, 100, 10};
    struct str got = {0};
    struct err err;

    assert_int_equal(store_begin(f->s, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_ledger_add(f->s, &u, &err), 0);
    u.job = 4;
    assert_int_equal(store_ledger_add(f->s, &u, &err), 0);
    u.job = 5;
    u.robot = "/a";
    assert_int_equal(store_ledger_add(f->s, &u, &err), 0);
    u.job = 6;
    u.month = "2031-06";
    assert_int_equal(store_ledger_add(f->s, &u, &err), 0);
    u.job = 7;
    u.workspace = WS_B;
    assert_int_equal(store_ledger_add(f->s, &u, &err), 0);
    assert_int_equal(store_commit(f->s, &err), 0);
    assert_int_equal(store_bill(f->r, WS_A, "2031-05", add_line, &got, &err), 0);
    assert_string_equal(got.s, "/a 1 100 10\n/image/resize 2 200 20\n");
    str_reset(&got);
    /* the sums outlive the Assembly */
    assert_int_equal(store_begin(f->s, &err), 0);
    assert_int_equal(store_assembly_purge(f->s, u.assembly_id, &err), 0);
    assert_int_equal(store_commit(f->s, &err), 0);
    assert_int_equal(store_bill(f->r, WS_B, "2031-06", add_line, &got, &err), 0);
    assert_string_equal(got.s, "/a 1 100 10\n");
    str_done(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_of_every_filter_is_what_a_plain_walk_gives),
        cmocka_unit_test(a_job_is_billed_once_in_its_month_and_workspace),
        cmocka_unit_test(a_clock_that_steps_back_does_not_disorder_the_list),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
