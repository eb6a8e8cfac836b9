/* conductor_bed.h - a conductor over a real store, without workers and without a thread: a test
 * plays its turns. */
#pragma once
#include "conductor/document.h"
#include "conductor/private.h"
#include "conductor/timer.h"
#include "tempdir.h"
#include "unit.h"

#include <string.h>

#define BED_ID "0123456789abcdef0123456789abcdef"

struct bed {
    char *dir;
    struct conductor c;
    struct seal_key seal;
    int64_t later_us; /* how far the clock was put on */
};

static inline int bed_setup(void **state)
{
    struct bed *b = mem_zalloc(sizeof *b);
    struct err err;

    b->dir = tempdir_new(NULL);
    AUTO(mem_free) char *db = mem_printf("sqlite:%s/w.db", b->dir);
    if (store_open(&b->c.conf.store, db, &err) < 0)
        return -1;
    b->c.conf.seal = &b->seal;
    b->c.conf.region = b->c.conf.instance = b->c.conf.build_id = "test";
    b->c.conf.space.paths[0] = b->c.conf.space.paths[1] = b->dir;
    b->c.conf.keep_over_us = -1;
    b->c.conf.result_expiry_us = SECOND_US;
    b->c.conf.cancel_wait_us = SECOND_US;
    b->c.conf.notify_allow = "";
    b->c.conf.notify_timeout_s = 30;
    b->c.log = (struct log){"room", "conductor", NULL};
    b->c.no_space = true; /* no job is given to a worker: there is none */
    inbox_init(&b->c.inbox);
    entries_init(&b->c.entries);
    uv_loop_init(&b->c.loop);
    b->c.loop.data = &b->c;
    uv_async_init(&b->c.loop, &b->c.wake, NULL);
    *state = b;
    return 0;
}

/* Those that wait; also those that would take something back later, which nothing else ends. */
static inline void bed_drop_runs(struct conductor *c, struct entry *e)
{
    jobs_stop(c, e, JOBS_END);
    for (struct run *r; (r = e->runs);) {
        e->runs = r->sibling;
        timer_drop(&r->delay);
        free(r);
    }
}

static inline int bed_teardown(void **state)
{
    struct bed *b = *state;

    outbox_done(&b->c);
    for (struct map_iter i = {0}; map_next(&b->c.entries.by_id, &i);)
        bed_drop_runs(&b->c, i.value);
    entries_done(&b->c.entries);
    tenants_done(&b->c);
    turn_release(&b->c);
    recover_done(&b->c);
    uv_close((uv_handle_t *)&b->c.wake, NULL);
    uv_run(&b->c.loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->c.loop);
    store_close(b->c.conf.store);
    tempdir_remove(b->dir);
    free(b);
    return 0;
}

/* body_done false: files come with the request, and no other. notify_url NULL: nobody is notified of it. */
static inline struct entry *bed_begin_as(struct conductor *c, const char *id, const char *notify_url, bool body_done)
{
    AUTO(json_unref) json_t *data =
        json_pack("{s:s,s:s,s:s,s:s,s:{s:{s:s,s:s}},s:i,s:b,s:i,s:s*}", "workspace", "w",
                             "key_id", "k", "nonce", "n", "base_url", "http://x", "steps", "s",
                             "robot", "/image/resize", "use", ":original", "expected", body_done,
                             "body_done", body_done, "max_attempts", 1, "notify_url", notify_url);
    struct entry *e = entry_add(&c->entries, id);
    struct err err;

    assert_int_equal(turn_begin(c, &err), 0);
    assert_int_equal(turn_apply(c, e, EV_CREATED, data, &err), 0);
    published_set_fixed(e->published, status_fixed(e->a, "test", "test", "test"));
    turn_commit(c);
    return e;
}

/* One that waits for an upload. */
static inline struct entry *bed_begin(struct conductor *c, const char *id, const char *notify_url)
{
    return bed_begin_as(c, id, notify_url, true);
}

/* Is its document made of its events, and not stored? */
static inline bool bed_is_made(struct conductor *c, const char *id)
{
    AUTO(store_made_done) struct store_made made = {0};
    struct err err;

    assert_int_equal(store_status_read(NULL, &made, c->conf.store, id, &err), 0);
    return made.about != NULL;
}

static inline void bed_play(struct conductor *c)
{
    for (int i = 0; i < 4; i++)
        turn_commit(c);
}

/* Two seconds have passed. */
static inline void bed_tick(struct conductor *c)
{
    struct bed *b = (struct bed *)(void *)((char *)c - offsetof(struct bed, c));

    watch(c, clock_mono_us() + (b->later_us += 2 * SECOND_US));
}

/* One whose end is written, and which may leave memory. */
static inline struct entry *bed_over(struct conductor *c, const char *id, const char *notify_url)
{
    struct entry *e = bed_begin(c, id, notify_url);
    struct err err;

    assert_int_equal(turn_apply(c, e, EV_CANCEL, NULL, &err), 0);
    bed_play(c);
    assert_true(assembly_is_over(e->a) && e->end == ENTRY_WRITTEN);
    return e;
}
