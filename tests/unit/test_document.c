/* The document of one that has left memory, over a real store: stored, or made of its events; the same to the byte. */
#include "conductor_bed.h"
#include "store/schema.h"

#include <sqlite3.h>

#define UPLOAD "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"

static int setup(void **state)
{
    if (bed_setup(state) < 0)
        return -1;
    struct bed *b = *state;
    AUTO(mem_free) char *db = mem_printf("sqlite:%s/w.db", b->dir);
    return store_reader_open(&b->c.conf.reader, db, &(struct err){0});
}

static int teardown(void **state)
{
    store_reader_close(((struct bed *)*state)->c.conf.reader);
    return bed_teardown(state);
}

static void event(struct conductor *c, struct entry *e, enum event_type type, json_t *data)
{
    AUTO(json_unref) json_t *mine = data;
    struct err err;

    assert_int_equal(turn_apply(c, e, type, mine, &err), 0);
    turn_commit(c);
}

static char *live_text(struct entry *e)
{
    struct shared_text *t = published_text(e->published, 200);
    char *copy = mem_strdup(t->s);

    shared_text_unref(t);
    return copy;
}

static char *stored_text(struct conductor *c)
{
    struct str text = {0};
    struct err err;

    if (document_get(&text, c->conf.reader, c->conf.seal, BED_ID, &err) < 0)
        fail_msg("%s", err.msg);
    return str_take(&text);
}

static void leave(struct conductor *c, struct entry *e)
{
    bed_tick(c);
    entry_leave(&c->entries, e);
    turn_commit(c);
    assert_null(map_get(&c->entries.by_id, BED_ID));
}

struct shown {
    int count;
    char *item;
};

static void keep_item(void *ctx, const struct store_listed *l)
{
    struct shown *s = ctx;

    s->count++;
    free(s->item);
    s->item = mem_strdup(l->item);
}

/* What is stored of its entry in the list; the caller's. */
static char *listed(struct conductor *c)
{
    struct store_list_query q = {.workspace = "w", .to_us = INT64_MAX, .limit = 10};
    struct shown s = {0};
    int64_t count;
    struct err err;

    assert_int_equal(store_list(&count, c->conf.reader, &q, keep_item, &s, &err), 0);
    assert_int_equal(s.count, 1);
    assert_int_equal(count, 1);
    return s.item;
}

static void one_that_ends_where_it_begins_is_over_with_one_turn(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    AUTO(json_unref) json_t *data =
        json_pack("{s:s,s:s,s:s,s:{s:{s:s,s:o}},s:{s:s}}", "workspace", "w", "key_id", "k", "base_url", "http://x",
                  "steps", "a", "robot", "/http/import", "url", json_string("http://x/"), "error", "code",
                  "INVALID_FORM_DATA");
    struct entry *e = entry_add(&c->entries, BED_ID);
    struct err err;

    c->conf.keep_over_us = 60 * SECOND_US;
    (void)!turn_apply(c, e, EV_CREATED, data, &err);
    published_set_fixed(e->published, status_fixed(e->a, "test", "test", "test"));
    turn_commit(c);
    assert_int_equal(e->end, ENTRY_WRITTEN);
    assert_true(e->rests);
    assert_false(c->turn.in_transaction);
    AUTO(mem_free) char *live = live_text(e), *stored = stored_text(c), *item = listed(c);
    AUTO(json_unref) json_t *o = NULL;
    assert_true(bed_is_made(c, BED_ID));
    assert_string_equal(stored, live);
    assert_string_equal(item, "");
    assert_int_equal(document_item(&o, c->conf.reader, c->conf.seal, BED_ID, &err), 0);
    assert_string_equal(jstr(o, "id"), BED_ID);
    assert_string_equal(jstr(o, "instance"), "test");
    assert_string_equal(jstr(o, "error"), "INVALID_FORM_DATA");
    ((struct bed *)*state)->later_us += 61 * SECOND_US;
    bed_tick(c);
    turn_commit(c);
    assert_null(map_get(&c->entries.by_id, BED_ID));
}

static void one_of_many_events_is_stored_whole(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, NULL);
    char name[16];

    for (int i = 0; i < DOCUMENT_EVENTS_MOST; i++) {
        snprintf(name, sizeof name, "field %d", i);
        event(c, e, EV_FORM_FIELDS, json_pack("{s:{s:s}}", "fields", name, "x"));
    }
    event(c, e, EV_CANCEL, json_object());
    bed_play(c);
    AUTO(mem_free) char *live = live_text(e), *item = listed(c);
    leave(c, e);
    AUTO(mem_free) char *stored = stored_text(c);
    assert_false(bed_is_made(c, BED_ID));
    assert_string_equal(stored, live);
    assert_true(strstr(item, "\"id\":\"" BED_ID "\"") != NULL);
}

/* Over, and told by its events; and then by too many of them. */
static void one_that_grows_after_its_end_is_stored_whole_with_its_item(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, NULL);

    event(c, e, EV_FAIL, json_pack("{s:i,s:s,s:s}", "code", ERR_EXPIRED, "name", "SOME_CODE", "msg", "why"));
    bed_play(c);
    AUTO(mem_free) char *none = listed(c);
    assert_string_equal(none, "");
    assert_true(bed_is_made(c, BED_ID));
    for (int i = 0; i < DOCUMENT_EVENTS_MOST; i++)
        event(c, e, EV_NOTIFY, json_pack("{s:s,s:i}", "notify_status", "processing", "notify_response_code", i));
    bed_play(c);
    AUTO(mem_free) char *live = live_text(e), *item = listed(c);
    leave(c, e);
    AUTO(mem_free) char *stored = stored_text(c);
    assert_false(bed_is_made(c, BED_ID));
    assert_string_equal(stored, live);
    assert_true(strstr(item, "\"error\":\"SOME_CODE\"") != NULL);
}

static void what_is_no_event_is_stored(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, NULL);

    event(c, e, EV_UPLOAD_CREATED, json_pack("{s:s,s:s,s:i}", "id", UPLOAD, "filename", "a", "size", 100));
    event(c, e, EV_UPLOAD_OFFSET, json_pack("{s:s,s:i}", "id", UPLOAD, "offset", 77));
    event(c, e, EV_CANCEL, json_object());
    bed_play(c);
    AUTO(mem_free) char *live = live_text(e);
    leave(c, e);
    AUTO(mem_free) char *stored = stored_text(c);
    assert_false(bed_is_made(c, BED_ID));
    assert_string_equal(stored, live);
    assert_true(strstr(stored, "\"bytes_received\":77") != NULL);
}

static void an_upload_that_is_complete_is_told_by_events(void **state)
{
    struct conductor *c = &((struct bed *)*state)->c;
    struct entry *e = bed_begin(c, BED_ID, NULL);

    event(c, e, EV_UPLOAD_CREATED, json_pack("{s:s,s:s,s:i}", "id", UPLOAD, "filename", "a", "size", 100));
    event(c, e, EV_UPLOAD_OFFSET, json_pack("{s:s,s:i}", "id", UPLOAD, "offset", 77));
    event(c, e, EV_FILE_UPLOADED, json_pack("{s:{s:s,s:s,s:i},s:s}", "file", "id", UPLOAD, "name", "a", "size", 100,
                                            "upload", UPLOAD));
    event(c, e, EV_CANCEL, json_object());
    bed_drop_runs(c, e);
    bed_play(c);
    AUTO(mem_free) char *live = live_text(e);
    leave(c, e);
    AUTO(mem_free) char *stored = stored_text(c);
    assert_true(bed_is_made(c, BED_ID));
    assert_string_equal(stored, live);
}

static void no_sweep(void *ctx) { (void)ctx; }

static void it_outlives_its_events(void **state)
{
    struct bed *b = *state;
    struct conductor *c = &b->c;
    struct entry *e;
    struct err err;

    c->conf.result_expiry_us = -SECOND_US;
    c->conf.status_expiry_us = 3600 * SECOND_US;
    c->conf.sweep_interval_us = c->conf.scrub_interval_us = 3600 * SECOND_US;
    c->housekeeping.scrubbing = true;
    c->uploads.sweep = no_sweep;
    e = bed_begin(c, BED_ID, NULL);
    event(c, e, EV_FAIL, json_pack("{s:i,s:s,s:s}", "code", ERR_EXPIRED, "name", "SOME_CODE", "msg", "why"));
    bed_play(c);
    AUTO(mem_free) char *live = live_text(e);
    leave(c, e);
    assert_true(bed_is_made(c, BED_ID));
    housekeep(c);
    turn_commit(c);
    uv_run(&c->loop, UV_RUN_ONCE); /* the sweep of uploads, and the files, of which there are none */
    assert_false(bed_is_made(c, BED_ID));
    AUTO(mem_free) char *stored = stored_text(c), *item = listed(c);
    assert_string_equal(stored, live);
    assert_true(strstr(item, "\"error\":\"SOME_CODE\"") != NULL);
    assert_int_equal(store_event_append(c->conf.store, BED_ID, 1, "{}", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void one_whose_turn_was_lost_ends_all_the_same(void **state)
{
    for (int calls = 0; calls < 8; calls++) { /* the one after that is the flush, which ends the process */
        struct conductor *c = &((struct bed *)*state)->c;
        struct entry *e = bed_begin(c, BED_ID, NULL);
        AUTO(json_unref) json_t *why = json_pack("{s:i,s:s,s:s}", "code", ERR_EXPIRED, "name", "CODE", "msg", "why");
        struct err err;

        store_break(c->conf.store, calls);
        (void)!turn_apply(c, e, EV_FAIL, why, &err);
        turn_commit(c);
        store_break(c->conf.store, -1);
        recover_stale(c);
        bed_play(c);
        if (!assembly_is_over(e->a))
            event(c, e, EV_FAIL, json_incref(why));
        bed_play(c);
        assert_int_equal(e->end, ENTRY_WRITTEN);
        AUTO(mem_free) char *live = live_text(e), *stored = stored_text(c), *item = listed(c);
        assert_string_equal(stored, live);
        assert_true(!*item == bed_is_made(c, BED_ID));
        if (teardown(state) < 0 || setup(state) < 0)
            fail();
    }
}

static void run_sql(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void one_without_its_events_can_not_be_shown(void **state)
{
    struct bed *b = *state;
    struct conductor *c = &b->c;
    struct entry *e = bed_over(c, BED_ID, NULL);
    AUTO(mem_free) char *path = mem_printf("%s/w.db", b->dir);
    AUTO(str_done) struct str text = {0};
    struct err err;
    sqlite3 *db;

    leave(c, e);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run_sql(db, "delete from event");
    sqlite3_close(db);
    assert_int_equal(document_get(&text, c->conf.reader, c->conf.seal, BED_ID, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void what_an_older_program_stored_is_read(void **state)
{
    struct bed *b = *state;
    AUTO(mem_free) char *path = mem_printf("%s/old.db", b->dir);
    AUTO(str_done) struct str text = {0};
    AUTO(store_close) struct store *s = NULL;
    struct err err;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run_sql(db, "create table setting(name text primary key not null, value text not null) without rowid;"
                "insert into setting values('schema', '6')");
    for (int i = 0; i < 6; i++)
        run_sql(db, store_migrations[i]);
    run_sql(db, "insert into assembly(id, workspace, created_us, ended_us, code, status)"
                " values('" BED_ID "', 'w', 1, 2, 'X', '{\"of\":\"old\"}')");
    sqlite3_close(db);
    assert_int_equal(store_open(&s, path, &err), 0);
    assert_int_equal(document_read(&text, s, &b->seal, BED_ID, &err), 0);
    assert_string_equal(text.s, "{\"of\":\"old\"}");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_ends_where_it_begins_is_over_with_one_turn),
        TEST(one_of_many_events_is_stored_whole),
        TEST(one_that_grows_after_its_end_is_stored_whole_with_its_item),
        TEST(what_is_no_event_is_stored),
        TEST(an_upload_that_is_complete_is_told_by_events),
        TEST(it_outlives_its_events),
        TEST(one_whose_turn_was_lost_ends_all_the_same),
        TEST(one_without_its_events_can_not_be_shown),
        TEST(what_an_older_program_stored_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
