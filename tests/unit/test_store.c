#include "store/store.h"
#include "tempdir.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C "cccccccccccccccccccccccccccccccc"
#define WS "00000000000000000000000000000001"

/* A directory with one database; each test its own. */
struct fixture {
    char *dir, *path;
    struct store *s;
    struct store_reader *r;
    struct store_made made;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->dir = tempdir_new(NULL);
    f->path = mem_printf("sqlite:%s/w.db", f->dir);
    if (store_open(&f->s, f->path, &f->err) < 0 || store_reader_open(&f->r, f->path, &f->err) < 0)
        return -1;
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
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->s);
    assert_int_equal(store_open(&f->s, f->path, &f->err), 0);
}

#define OK(call) assert_int_equal((call), 0)
#define FAILS(call, expected)                                                                      \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        assert_int_equal(f->err.code, (expected));                                                 \
    } while (0)

/* Callbacks write what they saw, one thing a line. */
static int list_id(void *ctx, const char *id)
{
    str_addf(ctx, "%s\n", id);
    return 0;
}
static int list_two(void *ctx, const char *a, const char *b)
{
    str_addf(ctx, "%s %s\n", a, b);
    return 0;
}
static int list_first(void *ctx, const char *a, const char *b)
{
    list_two(ctx, a, b);
    return -1;
}
static int list_three(void *ctx, const char *a, const char *b, const char *c)
{
    str_addf(ctx, "%s %s %s\n", a, b, c);
    return 0;
}
static int list_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    str_addf(ctx, "%jd %jd %s\n", (intmax_t)seq, (intmax_t)at_us, json);
    return 0;
}
static int list_key(void *ctx, const struct store_key *k)
{
    str_addf(ctx, "%s %s %s %s %s\n", k->id, k->key, k->secret, k->workspace, k->scopes);
    return 0;
}

static const char *text(struct str *b) { return b->s ? b->s : ""; }

static void what_was_committed_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_B, WS, 20, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 30, &f->err));
    OK(store_event_add(f->s, ID_B, 2, 101, "{\"b\":2}", &f->err));
    OK(store_event_add(f->s, ID_B, 1, 100, "{\"a\":1}", &f->err));
    OK(store_commit(f->s, &f->err));
    reopen(f);

    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), ID_B " " WS "\n" ID_A " " WS "\n");
    str_reset(&seen);
    OK(store_open_assemblies(f->s, list_first, &seen, &f->err));
    assert_string_equal(text(&seen), ID_B " " WS "\n");
    str_reset(&seen);
    OK(store_events(f->s, ID_B, list_event, &seen, &f->err));
    assert_string_equal(text(&seen), "1 100 {\"a\":1}\n2 101 {\"b\":2}\n");
}

static void what_was_rolled_back_never_was(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    store_rollback(f->s);
    store_rollback(f->s); /* a second time does nothing */
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), "");

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    reopen(f); /* closing rolls back, too */
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void a_document_outlives_its_files_and_then_goes(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};
    bool kept;

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_event_add(f->s, ID_A, 1, 1, "{}", &f->err));
    OK(store_file_add(f->s, ID_B, ID_A, "a.png", "image/png", 5, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_COMPLETED", "{\"x\":1}", NULL, 100, 110}, &f->err));
    OK(store_assembly_keep_status(&kept, f->s, ID_A, 1000, &f->err));
    assert_true(kept);
    OK(store_assembly_keep_status(&kept, f->s, ID_A, 1000, &f->err));
    assert_false(kept);
    OK(store_commit(f->s, &f->err));
    OK(store_events(f->s, ID_A, list_event, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void an_id_is_taken_once_even_after_a_purge(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    FAILS(store_assembly_add(f->s, ID_A, WS, 2, &f->err), ERR_EXISTS);
    /* ... and the transaction goes on. */
    OK(store_event_add(f->s, ID_A, 1, 1, "{}", &f->err));
    OK(store_file_add(f->s, ID_B, ID_A, "a.png", "image/png", 5, &f->err));
    OK(store_upload_put(f->s, ID_C, ID_A, "{}", &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_COMPLETED", "{\"ok\":1}", NULL, 5, 10}, &f->err));
    OK(store_commit(f->s, &f->err));

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_purge(f->s, ID_A, &f->err));
    OK(store_assembly_purge(f->s, ID_A, &f->err));
    OK(store_commit(f->s, &f->err));
    reopen(f);

    OK(store_begin(f->s, &f->err));
    FAILS(store_assembly_add(f->s, ID_A, WS, 2, &f->err), ERR_EXISTS);
    FAILS(store_assembly_end(f->s, ID_A, &(struct store_end){"X", "{}", NULL, 5, 10}, &f->err), ERR_NOT_FOUND);
    OK(store_commit(f->s, &f->err));
    OK(store_events(f->s, ID_A, list_event, &seen, &f->err));
    OK(store_files(f->s, ID_A, list_id, &seen, &f->err));
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    OK(store_expired(f->s, 1000, 10, list_id, &seen, &f->err));
    assert_string_equal(text(&seen), "");
    FAILS(store_status_get(&seen, &f->made, f->r, ID_A, &f->err), ERR_NOT_FOUND);
    FAILS(store_file_get(&name, &mime, f->r, ID_B, &f->err), ERR_NOT_FOUND);
}

static void a_status_is_there_once_the_assembly_is_over_and_can_be_replaced(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_commit(f->s, &f->err));
    FAILS(store_status_get(&seen, &f->made, f->r, ID_A, &f->err), ERR_NOT_FOUND);
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_CANCELED", "{\"first\":1}", NULL, 5, 10}, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_status_get(&seen, &f->made, f->r, ID_A, &f->err));
    assert_string_equal(text(&seen), "{\"first\":1}");
    str_reset(&seen);

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_CANCELED", "{\"second\":1}", NULL, 5, 20},
                          &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_status_get(&seen, &f->made, f->r, ID_A, &f->err));
    assert_string_equal(text(&seen), "{\"second\":1}");
    str_reset(&seen);
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void a_status_of_eight_megabytes_comes_back_whole(void **state)
{
    struct fixture *f = *state;
    size_t n = 8 << 20;
    AUTO(mem_free) char *big = mem_alloc(n + 1);
    AUTO(str_done) struct str seen = {0};

    for (size_t i = 0; i < n; i++)
        big[i] = (char)('a' + i * 31 % 26);
    big[n] = 0;
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_COMPLETED", big, NULL, 5, 10}, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_status_get(&seen, &f->made, f->r, ID_A, &f->err));
    assert_int_equal(seen.len, n);
    assert_memory_equal(seen.s, big, n);
}

static void a_reader_sees_only_what_is_committed(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_COMPLETED", "{}", NULL, 5, 10}, &f->err));
    OK(store_file_add(f->s, ID_B, ID_A, "a.png", "image/png", 5, &f->err));
    FAILS(store_status_get(&seen, &f->made, f->r, ID_A, &f->err), ERR_NOT_FOUND);
    FAILS(store_file_get(&name, &mime, f->r, ID_B, &f->err), ERR_NOT_FOUND);
    OK(store_commit(f->s, &f->err));
    OK(store_status_get(&seen, &f->made, f->r, ID_A, &f->err));
    OK(store_file_get(&name, &mime, f->r, ID_B, &f->err));
    assert_string_equal(name, "a.png");
    assert_string_equal(mime, "image/png");
}

static void a_second_writer_waits_its_turn_and_sees_the_first(void **state)
{
    struct fixture *f = *state;
    AUTO(store_close) struct store *other = NULL;
    AUTO(str_done) struct str seen = {0};

    OK(store_open(&other, f->path, &f->err));
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_begin(other, &f->err));
    FAILS(store_assembly_add(other, ID_A, WS, 1, &f->err), ERR_EXISTS);
    OK(store_assembly_add(other, ID_B, WS, 2, &f->err));
    OK(store_commit(other, &f->err));
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), ID_A " " WS "\n" ID_B " " WS "\n");
}

static int purge_it(void *ctx, const char *id)
{
    struct fixture *f = ctx;

    return store_assembly_purge(f->s, id, &f->err);
}

static void expired_assemblies_come_oldest_first_and_may_be_purged_on_the_spot(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"X", "{}", NULL, 5, 30}, &f->err));
    OK(store_assembly_add(f->s, ID_B, WS, 1, &f->err));
    OK(store_assembly_end(f->s, ID_B, &(struct store_end){"X", "{}", NULL, 5, 20}, &f->err));
    OK(store_assembly_add(f->s, ID_C, WS, 1, &f->err)); /* not over */
    OK(store_commit(f->s, &f->err));

    OK(store_expired(f->s, 19, 10, list_id, &seen, &f->err));
    assert_string_equal(text(&seen), "");
    OK(store_expired(f->s, 30, 1, list_id, &seen, &f->err));
    assert_string_equal(text(&seen), ID_B "\n");
    str_reset(&seen);
    OK(store_begin(f->s, &f->err));
    OK(store_expired(f->s, 30, 10, purge_it, f, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_expired(f->s, 1000, 10, list_id, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void uploads_keys_and_settings_are_kept_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct store_key k = {ID_A, "key-1", "secret-1", WS, "*"};
    AUTO(str_done) struct str seen = {0};
    AUTO(mem_free) char *value = NULL;

    OK(store_begin(f->s, &f->err));
    OK(store_upload_put(f->s, ID_C, NULL, "{\"n\":1}", &f->err));
    OK(store_upload_put(f->s, ID_C, ID_A, "{\"n\":2}", &f->err));
    OK(store_key_put(f->s, &k, &f->err));
    k.secret = "secret-2";
    OK(store_key_put(f->s, &k, &f->err));
    OK(store_setting_put(f->s, "instance", "one", &f->err));
    OK(store_setting_put(f->s, "instance", "two", &f->err));
    OK(store_commit(f->s, &f->err));
    reopen(f);

    OK(store_uploads(f->s, list_three, &seen, &f->err));
    OK(store_keys(f->s, list_key, &seen, &f->err));
    assert_string_equal(text(&seen),
                        ID_C " " ID_A " {\"n\":2}\n" ID_A " key-1 secret-2 " WS " *\n");
    value = store_setting_get(f->s, "instance");
    assert_string_equal(value, "two");
    assert_null(store_setting_get(f->s, "nothing"));

    OK(store_begin(f->s, &f->err));
    OK(store_upload_del(f->s, ID_C, &f->err));
    OK(store_commit(f->s, &f->err));
    str_reset(&seen);
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void an_upload_is_finished_when_there_is_its_file(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};
    bool kept;

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_upload_put(f->s, ID_C, ID_A, "{\"finished\":false,\"file_id\":\"" ID_B "\"}", &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    assert_string_equal(text(&seen), ID_C " " ID_A " {\"finished\":false,\"file_id\":\"" ID_B "\"}\n");
    OK(store_begin(f->s, &f->err));
    OK(store_file_add(f->s, ID_B, ID_A, "a.png", "", 5, &f->err));
    OK(store_commit(f->s, &f->err));
    str_reset(&seen);
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    assert_string_equal(text(&seen), ID_C " " ID_A " {\"finished\":true,\"file_id\":\"" ID_B "\"}\n");
    /* a part of it is no file, though the file may have grown out of it */
    OK(store_begin(f->s, &f->err));
    OK(store_upload_put(f->s, ID_C, ID_A,
                        "{\"finished\":false,\"concat\":\"partial\",\"file_id\":\"" ID_B "\"}", &f->err));
    OK(store_commit(f->s, &f->err));
    str_reset(&seen);
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    assert_non_null(strstr(text(&seen), "\"finished\":false"));
    /* and with its file it is forgotten: it is not one whose bytes are missing */
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_end(f->s, ID_A, &(struct store_end){"ASSEMBLY_COMPLETED", "{}", NULL, 100, 110}, &f->err));
    OK(store_assembly_keep_status(&kept, f->s, ID_A, 1000, &f->err));
    OK(store_commit(f->s, &f->err));
    str_reset(&seen);
    OK(store_uploads(f->s, list_three, &seen, &f->err));
    assert_string_equal(text(&seen), "");
}

static void what_a_file_is_may_be_found_out_later(void **state)
{
    struct fixture *f = *state;
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;
    bool known;

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_file_add(f->s, ID_B, ID_A, "a.png", "", 5, &f->err));
    OK(store_file_type(&known, f->s, ID_B, ID_A, "image/png", &f->err));
    assert_true(known);
    OK(store_file_type(&known, f->s, ID_B, ID_C, "image/gif", &f->err)); /* of another Assembly: not its file */
    assert_false(known);
    OK(store_commit(f->s, &f->err));
    OK(store_file_get(&name, &mime, f->r, ID_B, &f->err));
    assert_string_equal(name, "a.png");
    assert_string_equal(mime, "image/png");
}

static void a_file_is_added_again_by_its_own_assembly_only(void **state)
{
    struct fixture *f = *state;
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *mime = NULL;

    OK(store_begin(f->s, &f->err));
    OK(store_file_add(f->s, ID_C, ID_A, "a.png", "image/png", 5, &f->err));
    OK(store_file_add(f->s, ID_C, ID_A, "b.png", NULL, 5, &f->err));
    OK(store_commit(f->s, &f->err));
    OK(store_begin(f->s, &f->err));
    FAILS(store_file_add(f->s, ID_C, ID_B, "c.png", "image/png", 5, &f->err), ERR_INTERNAL);
    FAILS(store_commit(f->s, &f->err), ERR_IO);
    OK(store_file_get(&name, &mime, f->r, ID_C, &f->err));
    assert_string_equal(name, "b.png");
    assert_string_equal(mime, "");
}

static void a_failed_put_takes_its_whole_transaction_along(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_event_add(f->s, ID_A, 1, 1, "{}", &f->err));
    FAILS(store_event_add(f->s, ID_A, 1, 1, "{}", &f->err), ERR_IO);
    assert_non_null(strstr(f->err.msg, "UNIQUE constraint failed"));
    FAILS(store_event_add(f->s, ID_A, 2, 1, "{}", &f->err), ERR_IO);
    FAILS(store_commit(f->s, &f->err), ERR_IO);
    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    OK(store_events(f->s, ID_A, list_event, &seen, &f->err));
    assert_string_equal(text(&seen), "");

    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_commit(f->s, &f->err));
}

static void whichever_call_breaks_nothing_is_half_saved(void **state)
{
    struct fixture *f = *state;
    AUTO(str_done) struct str seen = {0};
    int rc = -1, calls = 0;

    for (; rc < 0; calls++) {
        assert_true(calls < 10);
        store_break(f->s, calls);
        rc = store_begin(f->s, &f->err);
        if (rc == 0 && (store_assembly_add(f->s, ID_A, WS, 1, &f->err) < 0 ||
                        store_event_add(f->s, ID_A, 1, 1, "{}", &f->err) < 0)) {
            store_rollback(f->s);
            rc = -1;
        } else if (rc == 0) {
            rc = store_commit(f->s, &f->err);
        }
        store_break(f->s, -1);
        if (rc < 0) {
            assert_int_equal(f->err.code, ERR_IO);
            OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
            if (calls < 4) {
                assert_string_equal(text(&seen), "");
                continue;
            }
            /* all was committed and only the flush failed: whole, and flushed by the next commit */
            assert_string_equal(text(&seen), ID_A " " WS "\n");
            str_reset(&seen);
            OK(store_events(f->s, ID_A, list_event, &seen, &f->err));
            assert_string_equal(text(&seen), "1 1 {}\n");
            break;
        }
    }
    assert_int_equal(calls, 4); /* begin, two puts, commit, flush: each has failed once */
}

static void a_refused_write_rolls_back_and_the_store_works_again_without_reopening(void **state)
{
    struct fixture *f = *state;
    size_t n = 6 << 20;
    AUTO(mem_free) char *big = mem_alloc(n + 1);
    AUTO(str_done) struct str seen = {0};
    struct rlimit old, small;

    memset(big, 'x', n);
    big[n] = 0;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_FSIZE, &small);
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    int rc = store_event_add(f->s, ID_A, 1, 1, big, &f->err);
    int commit = store_commit(f->s, rc < 0 ? NULL : &f->err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(commit, -1);
    assert_int_equal(f->err.code, ERR_IO);

    OK(store_open_assemblies(f->s, list_two, &seen, &f->err));
    assert_string_equal(text(&seen), "");
    OK(store_begin(f->s, &f->err));
    OK(store_assembly_add(f->s, ID_A, WS, 1, &f->err));
    OK(store_event_add(f->s, ID_A, 1, 1, big, &f->err));
    OK(store_commit(f->s, &f->err));
}

static void a_database_of_a_newer_version_is_refused(void **state)
{
    struct fixture *f = *state;

    OK(store_begin(f->s, &f->err));
    OK(store_setting_put(f->s, "schema", "999", &f->err));
    OK(store_commit(f->s, &f->err));
    store_close(take(f->s));
    FAILS(store_open(&f->s, f->path, &f->err), ERR_CONFIG);
    assert_null(f->s);
}

static void what_can_not_be_opened_is_refused_with_its_path(void **state)
{
    struct fixture *f = *state;
    AUTO(mem_free) char *missing = mem_printf("%s/no/such/w.db", f->dir);
    AUTO(mem_free) char *garbage = mem_printf("%s/garbage", f->dir);
    struct store *s = NULL;
    struct store_reader *r = NULL;
    FILE *file = fopen(garbage, "w");

    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    FAILS(store_open(&s, missing, &f->err), ERR_IO);
    assert_non_null(strstr(f->err.msg, missing));
    FAILS(store_reader_open(&r, missing, &f->err), ERR_IO);
    FAILS(store_open(&s, garbage, &f->err), ERR_IO);
    FAILS(store_open(&s, "postgres://db/x", &f->err), ERR_CONFIG);
    FAILS(store_open(&s, "sqlite:", &f->err), ERR_CONFIG);
    assert_null(s);
    assert_null(r);
}

static void only_the_owner_may_read_the_database(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    AUTO(mem_free) char *wal = mem_printf("%s-wal", f->path + strlen("sqlite:"));

    OK(stat(f->path + strlen("sqlite:"), &st));
    assert_int_equal(st.st_mode & 0777, 0600);
    OK(stat(wal, &st));
    assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_committed_is_there_after_reopening),
        T(what_was_rolled_back_never_was),
        T(a_document_outlives_its_files_and_then_goes),
        T(an_id_is_taken_once_even_after_a_purge),
        T(a_status_is_there_once_the_assembly_is_over_and_can_be_replaced),
        T(a_status_of_eight_megabytes_comes_back_whole),
        T(a_reader_sees_only_what_is_committed),
        T(a_second_writer_waits_its_turn_and_sees_the_first),
        T(expired_assemblies_come_oldest_first_and_may_be_purged_on_the_spot),
        T(uploads_keys_and_settings_are_kept_and_replaced),
        T(an_upload_is_finished_when_there_is_its_file),
        T(what_a_file_is_may_be_found_out_later),
        T(a_file_is_added_again_by_its_own_assembly_only),
        T(a_failed_put_takes_its_whole_transaction_along),
        T(whichever_call_breaks_nothing_is_half_saved),
        T(a_refused_write_rolls_back_and_the_store_works_again_without_reopening),
        T(a_database_of_a_newer_version_is_refused),
        T(what_can_not_be_opened_is_refused_with_its_path),
        T(only_the_owner_may_read_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
