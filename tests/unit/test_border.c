/* What workers may say: every field of every message missing, of another type, too long, out of range, in the wrong state. */
#include "unit.h"
#include "worker/border.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define ID "0123456789abcdef0123456789abcdef"

static const struct {
    enum border_peer peer;
    enum message type;
    const char *json;
} honest[] = {
    {BORDER_ZYGOTE, MSG_READY, "{\"complete\":true,\"notes\":[\"landlock 7\",{\"a\":1}]}"},
    {BORDER_ZYGOTE, MSG_SPAWNED, "{\"worker\":1,\"pid\":4711}"},
    {BORDER_ZYGOTE, MSG_SPAWNED, "{\"worker\":1,\"error\":\"Cannot allocate memory\"}"},
    {BORDER_ZYGOTE, MSG_GONE, "{\"worker\":1,\"status\":9,\"killed\":3}"},
    {BORDER_COURIER, MSG_UP, "{}"},
    {BORDER_COURIER, MSG_POSTED, "{\"id\":\"" ID "\",\"status\":200,\"data\":\"a\\u0001\\nb\",\"error\":null,\"duration_us\":5}"},
    {BORDER_WORKER, MSG_UP, "{}"},
    {BORDER_WORKER, MSG_TAKEN, "{}"},
    {BORDER_WORKER, MSG_PROGRESS, "{\"fraction\":0.5}"},
    {BORDER_WORKER, MSG_PROGRESS, "{\"fraction\":1}"},
    {BORDER_WORKER, MSG_UNDO, "{\"token\":null}"},
    {BORDER_WORKER, MSG_UNDO, "{\"token\":{\"upload_id\":\"x\",\"parts\":[1,2]}}"},
    {BORDER_WORKER, MSG_KEPT, "{\"input\":0,\"url\":\"https://b/k%20x\"}"},
    {BORDER_WORKER, MSG_HOST, "{\"host\":\"files.example\",\"port\":22,\"key\":null}"},
    {BORDER_WORKER, MSG_HOST, "{\"host\":\"::1\",\"port\":65535,\"key\":\"ssh-ed25519 AAAAC3\"}"},
    {BORDER_WORKER, MSG_TOKEN, "{\"refused\":\"a.b-c\"}"},
    {BORDER_WORKER, MSG_OUTPUT,
     "{\"index\":0,\"file\":{\"path\":\"out/0.png\",\"name\":\"a b.png\",\"ext\":\"png\",\"size\":1,\"md5\":\"x\",\"mime\":\"image/"
     "svg+xml\",\"meta\":{\"a\":[{\"b\":null}]},\"extra\":{\"import_url\":\"http://x/\"},"
     "\"unread\":\"it is cut off\",\"input\":0}}"},
    {BORDER_WORKER, MSG_OUTPUT, "{\"index\":0,\"clone\":{\"input\":0,\"meta\":{\"faces\":[]}}}"},
    {BORDER_WORKER, MSG_OUTPUT,
     "{\"index\":0,\"same\":{\"input\":0,\"meta\":{\"width\":1},\"mime\":\"image/png\",\"ext\":\"png\",\"early\":true}}"},
    {BORDER_WORKER, MSG_OUTPUT,
     "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"http://b/k%20x\",\"ssl_url\":\"https://b/k\",\"extra\":{\"signed_url\":\"u\"},"
     "\"meta\":{\"version_id\":\"v\"}}}"},
    {BORDER_WORKER, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":0}}"},
    {BORDER_WORKER, MSG_OUTPUT,
     "{\"index\":0,\"file\":{\"path\":\"out/0.mp4\",\"name\":\"a.mp4\","
     "\"stub\":\"https://b/a.mp4?x=1\",\"input\":-1}}"},
    {BORDER_WORKER, MSG_VALUES, "{\"values\":[1,\"a\",null,{\"b\":[true,1.5]}]}"},
    {BORDER_WORKER, MSG_DONE, "{\"exec_us\":1}"},
    {BORDER_WORKER, MSG_FAILED, "{\"code\":1,\"name\":\"IMAGE_RESIZE_VALIDATION\",\"msg\":\"m\",\"detail\":\"a\\nb\",\"private\":false}"},
    {BORDER_WORKER, MSG_FAILED, "{\"code\":1,\"msg\":\"m\",\"virus\":\"Win.Test.EICAR_HDB-1\"}"},
    {BORDER_WORKER, MSG_FAILED,
     "{\"code\":1,\"msg\":\"m\",\"url\":\"http://a.example/b\",\"url_host\":\"a.example\","
     "\"browser_code\":\"net::ERR_FAILED\"}"},
};

static bool passes(enum border_peer peer, enum message type, const json_t *body)
{
    struct err err = {0};
    bool ok = border_check_body(peer, type, body, &err) == 0;

    if (!ok) {
        assert_int_equal(err.code, ERR_WORKER);
        assert_true(str_starts(err.msg, wire_name(type)));
    }
    return ok;
}

static json_t *parsed(const char *json)
{
    json_t *j = json_loads(json, JSON_DECODE_ANY, NULL);

    assert_non_null(j);
    return j;
}

static bool passes_text(enum message type, const char *json)
{
    AUTO(json_unref) json_t *body = parsed(json);

    return passes(BORDER_WORKER, type, body);
}

static void what_our_own_programs_say_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
        AUTO(json_unref) json_t *body = parsed(honest[i].json);

        if (!passes(honest[i].peer, honest[i].type, body))
            fail_msg("%s", honest[i].json);
    }
}

static void nobody_says_what_is_not_for_it_to_say(void **state)
{
    (void)state;
    for (int peer = 0; peer < BORDER_PEERS; peer++)
        for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
            AUTO(json_unref) json_t *body = parsed(honest[i].json);

            if ((int)honest[i].peer != peer && honest[i].type != MSG_UP)
                assert_false(passes((enum border_peer)peer, honest[i].type, body));
        }
    AUTO(json_unref) json_t *empty = json_object();
    for (int type = 0; type < MSG_COUNT; type++) /* what the daemon itself sends never comes back */
        if (type == MSG_SPAWN || type == MSG_KILL || type == MSG_JOB || type == MSG_UNDO_OK || type == MSG_POST)
            for (int peer = 0; peer < BORDER_PEERS; peer++)
                assert_false(passes((enum border_peer)peer, (enum message)type, empty));
}

/* The objects whose fields are known: the body, and what lies in `output`. */
static json_t *known_object(json_t *body, enum message type)
{
    const char *key;
    json_t *v;

    if (type == MSG_OUTPUT)
        json_object_foreach (body, key, v)
            if (json_is_object(v))
                return v;
    return body;
}

static const char *const must[] = {"complete", "notes", "worker", "status", "killed", "id", "data", "duration_us", "fraction",
                                   "path", "name", "input", "url", "ssl_url", "exec_us", "code", "msg", "index",
                                   "values", "host", "port", "refused"};

static bool is_must(enum message type, const char *key)
{
    if (type == MSG_FAILED && (!strcmp(key, "name") || !strcmp(key, "url")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(must); i++)
        if (!strcmp(must[i], key))
            return true;
    return false;
}

static void each_field_is_looked_at(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(honest); i++) {
        AUTO(json_unref) json_t *whole = parsed(honest[i].json);
        enum message type = honest[i].type;
        json_t *fields = known_object(whole, type), *v;
        const char *key;

        json_object_foreach (fields, key, v) {
            AUTO(json_unref) json_t *other = json_deep_copy(whole);
            json_t *in = known_object(other, type);
            static const char *const wrong[] = {"7", "-7", "1e300", "\"\\u0007\"", "\"x\"", "[]", "{}", "true", "[[7]]"};
            int taken = 0;

            json_object_del(in, key);
            if (is_must(type, key) == passes(honest[i].peer, type, other))
                fail_msg("%s without %s", honest[i].json, key);
            json_object_set_new(in, key, json_null());
            assert_int_equal(passes(honest[i].peer, type, other), !is_must(type, key));
            for (size_t w = 0; w < ARRAY_LEN(wrong); w++) {
                json_object_set_new(in, key, parsed(wrong[w]));
                taken += passes(honest[i].peer, type, other);
            }
            /* of nine values of all types each field takes at most two (a number: 7 and -7; a text: "x" and a control) */
            if (taken > 2)
                fail_msg("%s takes %d others as %s", honest[i].json, taken, key);
            AUTO(mem_free) char *longer = mem_zalloc(20001);
            memset(longer, 'a', 20000);
            json_object_set_new(in, key, json_string(longer));
            assert_false(passes(honest[i].peer, type, other));
        }
        json_object_set_new(fields, "more", json_true());
        assert_false(passes(honest[i].peer, type, whole));
    }
}

static void texts_are_what_their_kind_says(void **state)
{
    static const char *const paths[] = {"../x", "/etc/passwd", "out/../in/0", "out/..", "out/", "out", "in/0", "out/.", "out//etc",
                                        "out/a/b", "out/a\\u0001", "OUT/a", ""};
    static const char *const names[] = {"../x", "a/b", "", ".", "..", "a\\nb", "a\\u007f"};
    static const char *const mimes[] = {"image", "image/", "/png", "image/p ng", "a/b/c", "a/b;c=d", "a/<"};
    const char *urls[] = {"javascript:alert(1)", "data:x", "",
                          "http://a b", "http://a\\nb", "file:///etc", "http://\\\"x"};
    static const char *const exts[] = {"../x", "PNG", "a.b", "a b", "abcdefghijklmnopq"};

    (void)state;
#define EACH(list, format)                                                                                                      \
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {                                                                              \
        AUTO(mem_free) char *json = mem_printf(format, list[i]);                                                                \
                                                                                                                                \
        if (passes_text(MSG_OUTPUT, json))                                                                                      \
            fail_msg("%s", json);                                                                                               \
    }
    EACH(paths, "{\"index\":0,\"file\":{\"path\":\"%s\",\"name\":\"x\",\"input\":0}}")
    EACH(names, "{\"index\":0,\"file\":{\"path\":\"out/x\",\"name\":\"%s\",\"input\":0}}")
    EACH(mimes, "{\"index\":0,\"file\":{\"path\":\"out/x\",\"name\":\"x\",\"mime\":\"%s\",\"input\":0}}")
    EACH(exts, "{\"index\":0,\"same\":{\"input\":0,\"ext\":\"%s\"}}")
    EACH(urls, "{\"index\":0,\"file\":{\"path\":\"out/x\",\"name\":\"x\",\"input\":-1,\"stub\":\"%s\"}}")
    EACH(urls, "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"%s\",\"ssl_url\":\"https://x/\"}}")
    urls[2] = "http:/x"; /* was "" */
    EACH(urls, "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"https://x/\",\"ssl_url\":\"%s\"}}")
    /* a store may have no such address */
#define STORED(url, ssl) "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"" url "\",\"ssl_url\":\"" ssl "\"}}"
    assert_true(passes_text(MSG_OUTPUT, STORED("http://x/", "")));
    assert_false(passes_text(MSG_OUTPUT, STORED("", "http://x/")));
    assert_true(passes_text(MSG_OUTPUT, "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"cdn.x/a:b\",\"ssl_url\":\"//cdn.x/\"}}"));
    assert_false(passes_text(MSG_FAILED, "{\"code\":1,\"name\":\"a\\u001b[2J\",\"msg\":\"m\"}"));
    assert_false(passes_text(MSG_FAILED, "{\"code\":1,\"msg\":\"two\\nlines\"}"));
    assert_false(passes_text(MSG_FAILED, "{\"code\":1,\"msg\":\"m\",\"virus\":\"two\\nlines\"}"));
    assert_false(passes_text(MSG_FAILED, "{\"code\":1,\"msg\":\"c1 \\u009b2J\"}"));
    assert_false(passes_text(MSG_UNDO, "{\"token\":{\"a\\nb\":1}}"));
}

/* ---- the order ---- */

static const char file_0[] = "{\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"input\":0}}";
static const char import_0[] = "{\"index\":0,\"file\":{\"path\":\"out/0\",\"name\":\"x\",\"input\":-1}}";
static const char clone_0[] = "{\"index\":0,\"clone\":{\"input\":0}}";
static const char same_0[] = "{\"index\":0,\"same\":{\"input\":0,\"meta\":{}}}";
static const char early_0[] = "{\"index\":0,\"same\":{\"input\":0,\"early\":true}}";
static const char stored_0[] = "{\"index\":0,\"stored\":{\"input\":0,\"url\":\"http://a/\",\"ssl_url\":\"https://a/\"}}";

static int64_t now_us;

static bool may(struct border_run *r, enum message type, const char *json)
{
    AUTO(json_unref) json_t *body = parsed(json);
    struct err err = {0};

    assert_true(passes(BORDER_WORKER, type, body));
    return border_check(r, type, body, strlen(json), now_us, &err) == 0;
}

static struct border_run working(int inputs, bool probe, bool undo)
{
    struct border_run r;

    now_us = 1000000;
    border_run_begin(&r, inputs, probe, undo);
    border_run_sent(&r, now_us);
    assert_true(may(&r, MSG_TAKEN, "{}"));
    return r;
}

static void a_job_is_taken_once_and_first(void **state)
{
    struct border_run r;

    (void)state;
    border_run_begin(&r, 1, false, false);
    assert_false(may(&r, MSG_TAKEN, "{}")); /* before there was one */
    border_run_sent(&r, 5);
    assert_false(may(&r, MSG_PROGRESS, "{\"fraction\":0}"));
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":0}"));
    assert_true(may(&r, MSG_TAKEN, "{}"));
    assert_false(may(&r, MSG_TAKEN, "{}"));
}

static void an_input_is_passed_on_once(void **state)
{
    struct border_run r = working(2, false, false), probe = working(1, true, false), undo = working(1, false, true);

    (void)state;
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":2}}"));
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":0},\"clone\":{\"input\":0}}"));
    r = working(2, false, false);
    assert_true(may(&r, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":0}}"));
    assert_true(may(&r, MSG_OUTPUT, "{\"index\":1,\"passed\":{\"input\":1}}"));
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":2,\"passed\":{\"input\":1}}"));
    assert_false(may(&probe, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":0}}"));
    assert_false(may(&undo, MSG_OUTPUT, "{\"index\":0,\"passed\":{\"input\":0}}"));
}

static void nothing_comes_after_the_end(void **state)
{
    static const struct {
        enum message type;
        const char *json;
    } all[] = {{MSG_TAKEN, "{}"},    {MSG_PROGRESS, "{\"fraction\":0}"}, {MSG_UNDO, "{}"},
               {MSG_KEPT, "{\"input\":0,\"url\":\"http://a/\"}"},
               {MSG_OUTPUT, file_0}, {MSG_VALUES, "{\"values\":[]}"},
               {MSG_HOST, "{\"host\":\"h\",\"port\":22}"},
               {MSG_TOKEN, "{\"refused\":\"t\"}"},
               {MSG_DONE, "{\"exec_us\":0}"},      {MSG_FAILED, "{\"code\":1,\"msg\":\"\"}"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct border_run done = working(1, false, false), failed = working(1, false, false);

        assert_true(may(&done, MSG_DONE, "{\"exec_us\":0}"));
        assert_false(may(&done, all[i].type, all[i].json));
        assert_true(may(&failed, MSG_FAILED, "{\"code\":1,\"msg\":\"\"}"));
        assert_false(may(&failed, all[i].type, all[i].json));
    }
}

static void an_output_is_of_an_input_that_the_job_has(void **state)
{
    (void)state;
    for (int inputs = 0; inputs < 2; inputs++) {
        static const char *const of_input[] = {file_0, clone_0, stored_0};

        for (size_t i = 0; i < ARRAY_LEN(of_input); i++) {
            struct border_run r = working(inputs, false, false);

            assert_int_equal(may(&r, MSG_OUTPUT, of_input[i]), inputs);
        }
        struct border_run r = working(inputs, false, false);
        assert_true(may(&r, MSG_OUTPUT, import_0));
        struct border_run p = working(inputs, true, false);
        assert_int_equal(may(&p, MSG_OUTPUT, same_0), inputs);
    }
}

static void only_a_probe_finds_and_it_does_nothing_else(void **state)
{
    struct border_run r = working(1, false, false), p = working(1, true, false);

    (void)state;
    assert_false(may(&r, MSG_OUTPUT, same_0));
    assert_false(may(&p, MSG_OUTPUT, file_0));
    p = working(1, true, false);
    assert_true(may(&p, MSG_OUTPUT, early_0));
    assert_false(may(&p, MSG_OUTPUT, "{\"index\":1,\"same\":{\"input\":0,\"early\":true}}"));
    assert_true(may(&p, MSG_OUTPUT, "{\"index\":1,\"same\":{\"input\":0}}"));
    assert_false(may(&p, MSG_OUTPUT, "{\"index\":2,\"same\":{\"input\":0}}"));
}

static const char asks_0[] = "{\"index\":0,\"same\":{\"input\":0,\"early\":true,\"asks\":true}}";

static struct border_run asking(void)
{
    struct border_run p = working(1, true, false);

    p.may_ask = true;
    return p;
}

static void a_probe_that_may_asks_once_and_says_nothing_before_the_answer(void **state)
{
    static const struct {
        enum message type;
        const char *json;
    } all[] = {{MSG_PROGRESS, "{\"fraction\":0}"},
               {MSG_OUTPUT, "{\"index\":1,\"same\":{\"input\":0}}"},
               {MSG_DONE, "{\"exec_us\":0}"},
               {MSG_FAILED, "{\"code\":1,\"msg\":\"\"}"}};
    struct border_run p = working(1, true, false);

    (void)state;
    assert_false(may(&p, MSG_OUTPUT, asks_0)); /* it was not told that it may */
    p = asking();
    assert_false(may(&p, MSG_OUTPUT, "{\"index\":0,\"same\":{\"input\":0,\"asks\":true}}"));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        p = asking();
        assert_true(may(&p, MSG_OUTPUT, asks_0));
        assert_false(may(&p, all[i].type, all[i].json));
    }
    p = asking();
    assert_true(may(&p, MSG_OUTPUT, asks_0));
    p.next_open = false;
    assert_false(may(&p, MSG_OUTPUT, "{\"index\":1,\"same\":{\"input\":0,\"early\":true,\"asks\":true}}"));
    p = asking();
    assert_true(may(&p, MSG_OUTPUT, asks_0));
    p.next_open = false;
    assert_true(may(&p, MSG_OUTPUT, "{\"index\":1,\"same\":{\"input\":0}}"));
    assert_true(may(&p, MSG_DONE, "{\"exec_us\":0}"));
}

static void an_output_is_one_thing_with_the_next_index(void **state)
{
    struct border_run r = working(1, false, false);

    (void)state;
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":0}"));
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":0,\"clone\":{\"input\":0},\"same\":{\"input\":0}}"));
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":1,\"clone\":{\"input\":0}}"));
    assert_true(may(&r, MSG_OUTPUT, clone_0));
    assert_false(may(&r, MSG_OUTPUT, clone_0));
    r = working(1, false, false);
    assert_true(may(&r, MSG_OUTPUT, stored_0));
    assert_false(may(&r, MSG_OUTPUT, "{\"index\":1,\"stored\":{\"input\":0,\"url\":\"http://a/\",\"ssl_url\":\"https://a/\"}}"));
}

static void what_takes_something_back_gives_nothing(void **state)
{
    struct border_run r = working(1, false, true);

    (void)state;
    assert_false(may(&r, MSG_OUTPUT, file_0));
    assert_false(may(&r, MSG_UNDO, "{}"));
    assert_true(may(&r, MSG_DONE, "{\"exec_us\":0}"));
}

static void only_what_takes_something_back_says_once_what_stays(void **state)
{
    static const char one[] = "{\"input\":0,\"url\":\"https://b/k\"}";
    struct border_run job = working(1, false, false), r = working(1, false, true), other = working(1, false, true);

    (void)state;
    assert_false(may(&job, MSG_KEPT, one));
    assert_false(may(&other, MSG_KEPT, "{\"input\":1,\"url\":\"https://b/k\"}"));
    assert_true(may(&r, MSG_KEPT, one));
    assert_false(may(&r, MSG_KEPT, one));
    assert_true(may(&r, MSG_DONE, "{\"exec_us\":0}"));
}

static void what_evaluates_gives_a_value_for_each_expression_and_nothing_else(void **state)
{
    static const char two[] = "{\"values\":[1,null]}";
    struct border_run other = working(1, false, false), r = working(0, false, false);

    (void)state;
    r.expressions = 2;
    assert_false(may(&other, MSG_VALUES, two));
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":0}"));
    assert_false(may(&r, MSG_OUTPUT, import_0));
    assert_false(may(&r, MSG_UNDO, "{\"token\":{}}"));
    assert_false(may(&r, MSG_PROGRESS, "{\"fraction\":0.5}"));
    assert_false(may(&r, MSG_VALUES, "{\"values\":[1]}"));
    assert_false(may(&r, MSG_VALUES, "{\"values\":[1,2,3]}"));
    assert_true(may(&r, MSG_VALUES, two));
    assert_false(may(&r, MSG_VALUES, two));
    assert_true(may(&r, MSG_DONE, "{\"exec_us\":0}"));
}

static void one_undo_at_a_time_and_not_for_ever(void **state)
{
    struct border_run r = working(1, false, false);
    int n = 0;

    (void)state;
    assert_true(may(&r, MSG_UNDO, "{\"token\":{}}"));
    assert_false(may(&r, MSG_UNDO, "{\"token\":{}}"));
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":0}"));
    r = working(1, false, false);
    while (n < 1000 && may(&r, MSG_UNDO, "{}")) {
        r.undo_open = false;
        n++;
    }
    assert_in_range(n, 10, 100);
}

static void only_who_logs_in_at_hosts_asks_about_one_and_one_at_a_time(void **state)
{
    static const char asks[] = "{\"host\":\"h\",\"port\":22}";
    struct border_run r = working(1, false, false);
    int n = 0;

    (void)state;
    assert_false(may(&r, MSG_HOST, asks));
    r = working(1, false, true); /* what takes something back logs in as well */
    r.knows_hosts = true;
    assert_true(may(&r, MSG_HOST, asks));
    assert_false(may(&r, MSG_HOST, asks));
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":0}"));
    r = working(1, false, false);
    r.knows_hosts = true;
    while (n < 1000 && may(&r, MSG_HOST, asks)) {
        r.host_open = false;
        n++;
    }
    assert_int_equal(n, 4);
}

static void only_who_was_given_a_token_asks_for_another_and_one_at_a_time(void **state)
{
    static const char asks[] = "{\"refused\":\"t\"}";
    struct border_run r = working(1, false, false);
    int n = 0;

    (void)state;
    assert_false(may(&r, MSG_TOKEN, asks));
    r = working(1, false, true);
    r.renews = true;
    assert_true(may(&r, MSG_TOKEN, asks));
    assert_false(may(&r, MSG_TOKEN, asks));
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":0}"));
    r = working(1, false, false);
    r.renews = true;
    while (n < 1000 && may(&r, MSG_TOKEN, asks)) {
        r.token_open = false;
        n++;
    }
    assert_int_equal(n, 64);
}

static void a_flood_is_told_from_progress(void **state)
{
    struct border_run r = working(1, false, false);
    int n = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) { /* five times a second, as a host says it */
        now_us += 200000;
        assert_true(may(&r, MSG_PROGRESS, "{\"fraction\":0.5}"));
    }
    /* what the daemon did not hear for half a minute comes in one moment */
    now_us += 30000000;
    for (int i = 0; i < 150; i++)
        assert_true(may(&r, MSG_PROGRESS, "{\"fraction\":0.5}"));
    while (n < 10000 && may(&r, MSG_PROGRESS, "{\"fraction\":0.5}"))
        n++;
    assert_in_range(n, 10, 700);
}

static void a_job_says_only_so_much(void **state)
{
    struct border_run r = working(1, false, false);
    AUTO(json_unref) json_t *body = parsed("{\"fraction\":0}");
    struct err err;
    int n = 0;

    (void)state;
    while (n < 1000 && border_check(&r, MSG_PROGRESS, body, BORDER_OUTPUT_BYTES, now_us += 1000000, &err) == 0)
        n++;
    assert_int_equal(n, BORDER_JOB_BYTES / BORDER_OUTPUT_BYTES - 1); /* `taken` was said as well */
}

static void no_job_took_longer_than_it_was_there(void **state)
{
    struct border_run r = working(1, false, false);

    (void)state;
    now_us += 3000000;
    assert_false(may(&r, MSG_DONE, "{\"exec_us\":9000000}"));
    assert_true(may(&r, MSG_DONE, "{\"exec_us\":2900000}"));
}

/* ---- packets ---- */

struct line {
    int ends[2];
};

static int setup(void **state)
{
    struct line *l = mem_zalloc(sizeof *l);

    *state = l;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, l->ends);
}

static int teardown(void **state)
{
    struct line *l = *state;

    close(l->ends[0]);
    close(l->ends[1]);
    free(l);
    return 0;
}

static void packet(struct line *l, const char *text, const int *fds, int count)
{
    union {
        char buf[CMSG_SPACE(sizeof(int) * 8)];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)text, strlen(text)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
    }
    assert_int_equal(sendmsg(l->ends[1], &msg, MSG_NOSIGNAL), strlen(text));
}

/* 1: it came. 0: refused by a rule. */
static int arrives(struct line *l)
{
    AUTO(json_unref) json_t *body = NULL;
    enum message type;
    size_t bytes;
    struct err err = {0};
    int rc = border_recv(l->ends[0], BORDER_WORKER, &type, &body, &bytes, &err);

    if (rc == 1)
        return 1;
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_WORKER);
    return 0;
}

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int memory(const char *text, size_t len, int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    assert_int_equal(write(fd, text, len), len);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void a_spilled_body_is_a_sealed_memory_file_or_refused(void **state)
{
    struct line *l = *state;
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const char body[] = "{\"fraction\":0.5}";
    char path[] = "/tmp/workcell-test-XXXXXX";
    int before = open_descriptors(), pipes[2];

    for (int seals = 0; seals <= all; seals++) {
        if (seals & ~all)
            continue;
        AUTO(fd_close) int fd = memory(body, strlen(body), seals);

        packet(l, "progress @", &fd, 1);
        assert_int_equal(arrives(l), seals == all);
    }
    /* what is no memory file: -1 has every bit */
    AUTO(fd_close) int file = mkstemp(path);
    assert_int_equal(write(file, body, strlen(body)), strlen(body));
    packet(l, "progress @", &file, 1);
    assert_int_equal(arrives(l), 0);
    unlink(path);
    assert_int_equal(pipe(pipes), 0);
    packet(l, "progress @", pipes, 1);
    assert_int_equal(arrives(l), 0);
    close(pipes[0]);
    close(pipes[1]);
    packet(l, "progress @", NULL, 0);
    assert_int_equal(arrives(l), 0);
    close(take_fd(file));
    assert_int_equal(open_descriptors(), before);
}

static void no_descriptor_comes_along(void **state)
{
    struct line *l = *state;
    int before = open_descriptors(), fds[8];

    for (int n = 1; n <= 8; n++) {
        for (int i = 0; i < n; i++)
            fds[i] = memory("{\"fraction\":0.5}", 16, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        packet(l, "progress {\"fraction\":0.5}", fds, n);
        assert_int_equal(arrives(l), 0);
        packet(l, "progress @", fds, n);
        assert_int_equal(arrives(l), n == 1);
        for (int i = 0; i < n; i++)
            close(fds[i]);
        assert_int_equal(open_descriptors(), before);
    }
}

static void values_are_counted_before_they_are_made(void **state)
{
    struct line *l = *state;
    AUTO(str_done) struct str many = {0};
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

    str_puts(&many, "{\"index\":0,\"clone\":{\"input\":0,\"meta\":{\"a\":[");
    for (int i = 0; i < 300000; i++)
        str_puts(&many, "[],");
    str_puts(&many, "0]}}}");
    AUTO(fd_close) int fd = memory(many.s, many.len, all);
    packet(l, "output @", &fd, 1);
    assert_int_equal(arrives(l), 0);
    /* a text full of commas is one value */
    many.len = 0;
    str_puts(&many, "{\"index\":0,\"clone\":{\"input\":0,\"meta\":{\"a\":\"\\\"");
    for (int i = 0; i < 300000; i++)
        str_puts(&many, "[],");
    str_puts(&many, "\"}}}");
    AUTO(fd_close) int text = memory(many.s, many.len, all);
    packet(l, "output @", &text, 1);
    assert_int_equal(arrives(l), 1);
    /* and one of more than a megabyte is none */
    AUTO(mem_free) char *huge = mem_alloc(BORDER_OUTPUT_BYTES + 1);
    memset(huge, ' ', BORDER_OUTPUT_BYTES + 1);
    AUTO(fd_close) int large = memory(huge, BORDER_OUTPUT_BYTES + 1, all);
    packet(l, "output @", &large, 1);
    assert_int_equal(arrives(l), 0);
}

static void what_is_no_message_is_refused(void **state)
{
    struct line *l = *state;
    static const char *const texts[] = {"x", " ", "progress", "progress ", "progress 7", "progress []", "progress {", "nonsense {}",
                                        "job {}", "kill {\"worker\":1}", "gone {\"worker\":1,\"status\":0,\"killed\":0}", "@",
                                        "progress {\"fraction\":0.5}x", "up {\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]}"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        packet(l, texts[i], NULL, 0);
        assert_int_equal(arrives(l), 0);
    }
}

/* ---- what clients see ---- */

static void no_path_of_the_server_is_left_in_a_text(void **state)
{
    char a[] = "open '/srv/data/scratch/media-16/out/0.png': /srv/data/scratch/media-16 and /srv/data/blobs/x, /srv/other";
    char b[] = "nothing to hide";

    (void)state;
    border_scrub(a, "/srv/data/scratch/media-16", "/srv/data");
    assert_string_equal(a, "open 'out/0.png':  and DATA/blobs/x, /srv/other");
    border_scrub(b, "/srv/data/scratch/media-16", "/srv/data");
    assert_string_equal(b, "nothing to hide");
    border_scrub(b, NULL, NULL);
    border_scrub(b, "", "/");
    assert_string_equal(b, "nothing to hide");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_our_own_programs_say_passes),
        cmocka_unit_test(nobody_says_what_is_not_for_it_to_say),
        cmocka_unit_test(each_field_is_looked_at),
        cmocka_unit_test(texts_are_what_their_kind_says),
        cmocka_unit_test(a_job_is_taken_once_and_first),
        cmocka_unit_test(an_input_is_passed_on_once),
        cmocka_unit_test(nothing_comes_after_the_end),
        cmocka_unit_test(an_output_is_of_an_input_that_the_job_has),
        cmocka_unit_test(only_a_probe_finds_and_it_does_nothing_else),
        cmocka_unit_test(a_probe_that_may_asks_once_and_says_nothing_before_the_answer),
        cmocka_unit_test(an_output_is_one_thing_with_the_next_index),
        cmocka_unit_test(what_takes_something_back_gives_nothing),
        cmocka_unit_test(only_what_takes_something_back_says_once_what_stays),
        cmocka_unit_test(what_evaluates_gives_a_value_for_each_expression_and_nothing_else),
        cmocka_unit_test(one_undo_at_a_time_and_not_for_ever),
        cmocka_unit_test(only_who_logs_in_at_hosts_asks_about_one_and_one_at_a_time),
        cmocka_unit_test(only_who_was_given_a_token_asks_for_another_and_one_at_a_time),
        cmocka_unit_test(a_flood_is_told_from_progress),
        cmocka_unit_test(a_job_says_only_so_much),
        cmocka_unit_test(no_job_took_longer_than_it_was_there),
        cmocka_unit_test_setup_teardown(a_spilled_body_is_a_sealed_memory_file_or_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_descriptor_comes_along, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_counted_before_they_are_made, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_message_is_refused, setup, teardown),
        cmocka_unit_test(no_path_of_the_server_is_left_in_a_text),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
