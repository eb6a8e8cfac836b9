/* /http/import against a web server of the test's own. What needs a daemon around it is in
 * tests/e2e/import.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROBOT "/http/import"

/* By the path that is asked for: what it means is in its name. */
static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    int *broken = ctx;
    const char *path = q->target;
    int status = 0;

    if (sscanf(path, "/status/%d", &status) == 1) {
        origin_say(out, status, "", "a page about it");
    } else if (str_starts(path, "/named")) {
        origin_say(out, 200,
                   "Content-Disposition: attachment; filename=\"r\xc3\xa9sum\xc3\xa9/../of "
                   "it.txt\"\r\nContent-Type: text/plain\r\n",
                   "named");
    } else if (str_starts(path, "/typed")) {
        origin_say(out, 200, "Content-Type: image/jpeg\r\n", "typed");
    } else if (str_starts(path, "/later")) { /* not at first */
        if (++*broken < 3)
            origin_say(out, 503, "", "");
        else
            origin_say(out, 200, "", "now");
    } else if (str_starts(path, "/cut")) { /* breaks in the middle, and is shorter then */
        if (++*broken < 2)
            str_puts(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfar too long");
        else
            origin_say(out, 200, "", "short");
    } else if (str_starts(path, "/hangs-up")) {
        ++*broken;
    } else if (str_starts(path, "/ranges")) {
        AUTO(mem_free) char *range = origin_header(q, "range");
        static const char all[] = "0123456789";
        int from = 0, to = 9;

        if (sscanf(range, "bytes=%d-%d", &from, &to) < 1 || from < 0)
            from = 10 + from;
        AUTO(mem_free) char *header = mem_printf("Content-Range: bytes %d-%d/10\r\n", from, to);
        AUTO(mem_free) char *part = mem_strndup(all + from, (size_t)(to - from + 1));
        origin_say(out, 206, header, part);
    } else if (str_starts(path, "/unlimited")) {
        str_puts(out, "HTTP/1.1 200 OK\r\n\r\n");
        for (int i = 0; i < 3000; i++)
            str_puts(out, "0123456789");
    } else if (str_starts(path, "/moved")) { /* as servers do it, with a page for people */
        AUTO(mem_free) char *page = mem_zalloc(200001);
        memset(page, 'x', path[6] == '-' ? 200000 : 100);
        origin_say(out, 302, "Location: there/a b.txt?x=\xc3\xa9\r\n", page);
    } else if (str_starts(path, "/header")) {
        AUTO(mem_free) char *value = origin_header(q, "x-mine");
        origin_say(out, 200, "", value);
    } else {
        origin_say(out, 200, "", path);
    }
}

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    jset(host_settings(j), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(1));
    return j;
}

/* step: JSON with %s for the server's address. */
static int run(struct robot_job *j, const struct origin *o, const char *step, struct err *err)
{
    AUTO(str_done) struct str text = {0};

    for (const char *hole; (hole = strstr(step, "%s")); step = hole + 2) {
        str_add(&text, step, (size_t)(hole - step));
        str_addf(&text, "http://%s", origin_host(o));
    }
    str_puts(&text, step);
    *err = (struct err){0};
    return host_run(j, ROBOT, text.s, err);
}

static void runs(struct robot_job *j, const struct origin *o, const char *step)
{
    struct err err;

    if (run(j, o, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static void fails(struct robot_job *j, const struct origin *o, const char *step, const char *code,
                  const char *says)
{
    struct err err;

    if (run(j, o, step, &err) == 0)
        fail_msg("%s goes", step);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says))
        fail_msg("%s: '%s' says nothing of '%s'", step, err.msg, says);
}

static void holds(const struct robot_job *j, int i, const char *name, const char *data)
{
    const struct host_output *out = host_output(j, i);
    FILE *f = fopen(out->path, "re");
    char have[4096] = "";

    assert_non_null(f);
    (void)!fread(have, 1, sizeof have - 1, f);
    fclose(f);
    assert_string_equal(out->name, name);
    assert_string_equal(have, data);
}

static void a_file_is_called_as_the_server_says_or_its_address_or_its_type(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": [\"%s/dir/a%20b.txt?x=1\", \"%s/named\", \"%s/typed\", \"%s/\"]}");
    assert_int_equal(host_output_count(j), 4);
    holds(j, 0, "a b.txt", "/dir/a%20b.txt?x=1");
    holds(j, 1, "of it.txt", "named");
    holds(j, 2, "typed.jpg", "typed");
    assert_true(*host_output(j, 3)->name);
    assert_true(json_is_true(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
    assert_true(str_ends(jstr_or(host_output(j, 1)->extra, "import_url", ""), "/named"));
    runs(j, o, "{\"url\": \"%s/x.txt|%s/typed\", \"force_name\": [\"one\", \"../two.png\"]}");
    holds(j, 0, "one", "/x.txt");
    holds(j, 1, "two.png", "typed");
    runs(j, o, "{\"url\": \"%s/alone.txt\"}");
    assert_true(json_is_false(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
}

static void a_redirect_is_followed_whatever_page_it_carries(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": [\"%s/moved\", \"%s/moved-with-a-long-page\"]}");
    holds(j, 0, "a b.txt", "/there/a%20b.txt?x=%c3%a9");
    holds(j, 1, "a b.txt", "/there/a%20b.txt?x=%c3%a9");
}

static void what_the_server_says_has_the_contracts_code(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    fails(j, o, "{\"url\": \"%s/status/404\"}", "HTTP_IMPORT_NOT_FOUND", "status 404");
    fails(j, o, "{\"url\": \"%s/status/410\"}", "HTTP_IMPORT_NOT_FOUND", "status 410");
    fails(j, o, "{\"url\": \"%s/status/401\"}", "HTTP_IMPORT_ACCESS_DENIED", "status 401");
    fails(j, o, "{\"url\": \"%s/status/403\"}", "HTTP_IMPORT_ACCESS_DENIED", "status 403");
    fails(j, o, "{\"url\": \"%s/status/400\"}", "HTTP_IMPORT_FAILURE", "status 400");
    assert_int_equal(origin_requests(o), 5);
    assert_int_equal(host_output_count(j), 0);
}

static void what_may_pass_is_tried_again_unless_told_not_to(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/later.txt\"}");
    holds(j, 0, "later.txt", "now");
    assert_int_equal(broken, 3);
    broken = 0;
    runs(j, o, "{\"url\": \"%s/cut.txt\"}");
    holds(j, 0, "cut.txt", "short");
    broken = 0;
    fails(j, o, "{\"url\": \"%s/hangs-up\"}", "HTTP_IMPORT_FAILURE", "can't fetch");
    assert_int_equal(broken, 3);
    broken = 0;
    fails(j, o, "{\"url\": \"%s/later.txt\", \"fail_fast\": true}", "HTTP_IMPORT_FAILURE",
          "status 503");
    assert_int_equal(broken, 1);
}

static void the_smaller_limit_counts_announced_or_not(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    json_object_set_new(host_settings(j), "max_file_size", json_integer(20000));
    fails(j, o, "{\"url\": \"%s/unlimited\"}", "HTTP_IMPORT_FAILURE",
          "the server's max_file_size allows 20000");
    fails(j, o, "{\"url\": \"%s/abcdef\", \"max_file_size\": 6}", "HTTP_IMPORT_FAILURE",
          "7 bytes, but the Step's max_file_size allows 6");
    runs(j, o, "{\"url\": \"%s/abcdef\", \"max_file_size\": 7}");
}

static void several_ranges_lie_at_their_own_offsets(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": \"2-4\"}");
    holds(j, 0, "ranges", "234");
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": \"-3\"}");
    holds(j, 0, "ranges", "789");
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": [\"5-6\", \"0-1\"]}");
    assert_int_equal(host_output(j, 0)->size, 7);
    runs(j, o, "{\"url\": \"%s/whole\", \"range\": [\"5-6\", \"0-1\"]}");
    holds(j, 0, "whole", "/whole");
}

static void with_ignore_errors_each_address_stands_for_itself(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    fails(j, o,
          "{\"url\": [\"%s/a\", \"%s/status/404\", \"%s/b\", \"%s/status/403\"], "
          "\"ignore_errors\": [\"import\"]}",
          "HTTP_IMPORT_NOT_FOUND", "2 of 4 addresses failed, the first one so");
    assert_int_equal(host_output_count(j), 2);
    fails(j, o, "{\"url\": [\"%s/a\", \"%s/status/404\", \"%s/b\"]}", "HTTP_IMPORT_NOT_FOUND",
          "status 404");
    assert_int_equal(host_output_count(j), 1);
}

static void headers_go_along_and_bad_ones_are_refused(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": [\"X-Mine: a\"]}");
    holds(j, 0, "header", "a");
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": [{\"X-Mine\": \"b\"}]}");
    holds(j, 0, "header", "b");
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": \"{\\\"X-Mine\\\": 3}\"}");
    holds(j, 0, "header", "3");
    fails(j, o, "{\"url\": \"%s/\", \"headers\": [\"Host: a\"]}", "HTTP_IMPORT_VALIDATION",
          "can't be set by hand");
    fails(j, o, "{\"url\": \"%s/\", \"headers\": [\"no header\"]}", "HTTP_IMPORT_VALIDATION",
          "'headers'");
    fails(j, o, "{\"url\": \"ftp://u:secret@a/\"}", "HTTP_IMPORT_VALIDATION",
          "not an http or https address");
    fails(j, o, "{\"url\": \" | \"}", "HTTP_IMPORT_VALIDATION", "holds no address");
    fails(j, o, "{\"url\": \"%s/\", \"range\": \"9-1\"}", "HTTP_IMPORT_VALIDATION", "'range'");
    assert_int_equal(origin_requests(o), 3);
}

static void a_stub_is_an_address_that_nobody_asks(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();
    AUTO(mem_free) char *where = mem_printf("http://%s/dir/a%%20b.mp4?token=x", origin_host(o));
    AUTO(mem_free) char *step = mem_printf("{\"url\": [\"http://u:p@%s/dir/a%%20b.mp4?token=x#f\", \"%%s/c\"], "
                                           "\"return_file_stubs\": true}",
                                           origin_host(o));
    AUTO(mem_free) char *text = mem_zalloc(2101);

    (void)state;
    runs(j, o, step);
    assert_int_equal(origin_requests(o), 0);
    assert_int_equal(host_output_count(j), 2);
    holds(j, 0, "a b.mp4", "");
    assert_string_equal(host_output(j, 0)->stub, where);
    assert_string_equal(host_output(j, 0)->mime, "video/mp4");
    assert_null(strstr(jstr_or(host_output(j, 0)->extra, "import_url", ""), "token"));
    assert_string_equal(host_output(j, 1)->mime, "application/octet-stream");
    fails(j, o, "{\"url\": \"%s/a\", \"return_file_stubs\": true, \"range\": \"0-9\"}", "HTTP_IMPORT_VALIDATION",
          "fetches nothing");
    fails(j, o, "{\"url\": \"%s/a\", \"return_file_stubs\": true, \"headers\": \"{\\\"A\\\": 1}\"}",
          "HTTP_IMPORT_VALIDATION", "fetches nothing");
    memset(text, 'x', 2100);
    AUTO(mem_free) char *far = mem_printf("{\"url\": \"%%s/%s\", \"return_file_stubs\": true}", text);
    fails(j, o, far, "HTTP_IMPORT_FAILURE", "at most 2000");
}

static void a_private_address_is_refused_unless_the_operator_allows_it(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();
    struct err err;

    (void)state;
    jset(host_settings(j), "import_allow", "");
    assert_int_equal(run(j, o, "{\"url\": \"%s/a\"}", &err), -1);
    assert_string_equal(err_name(&err), "HTTP_IMPORT_ACCESS_DENIED");
    assert_true(err.is_private_address);
    assert_int_equal(origin_requests(o), 0);
}

/* ---- lines that break ---- */

#define LONG (1 << 20)
#define MADE "Date: Sun, 29 Nov 2026 10:00:00 GMT\r\n"

/* A server with one file of LONG bytes, which may become another one. */
struct cutting {
    int cuts;             /* so many answers are cut, after `after` bytes */
    int64_t after;
    const char *form[2];  /* headers that say which file it is, before and after it changed */
    int changes_at;       /* from this request on it is the other one; 0: never */
    bool no_ranges;       /* it always sends all of it */
    bool no_if_range;     /* it does not look at If-Range */
    int answer_416, says; /* from this request on; 0: never. says: the status of the first answer, if not 0 */
    const char *with;     /* its headers */
    int64_t lies;         /* more bytes that it announces */
    /* what happened */
    int requests;
    int64_t sent;
    char ranges[500], conditions[500]; /* that were asked for, each with a ";" */
};

static char long_byte(int64_t i, bool other) { return (char)('a' + (i * 7 + i / 1000 + other) % 26); }

static void note_header(char *list, size_t size, const struct origin_request *q, const char *name)
{
    AUTO(mem_free) char *value = origin_header(q, name);

    snprintf(list + strlen(list), size - strlen(list), "%s;", value);
}

static void say_part(struct cutting *c, struct str *out, int64_t from, int64_t to, bool part, bool other)
{
    int64_t n = to - from + 1, cut = c->cuts > 0 && n > c->after ? c->after : n;

    c->cuts -= cut < n;
    str_addf(out, "HTTP/1.1 %d So\r\n%s%sContent-Length: %lld\r\nConnection: close\r\n", part ? 206 : 200, MADE,
             c->form[other] ? c->form[other] : "", (long long)(n + c->lies));
    if (part)
        str_addf(out, "Content-Range: bytes %lld-%lld/%d\r\n", (long long)from, (long long)to, LONG);
    str_puts(out, "\r\n");
    for (int64_t i = 0; i < cut; i++)
        str_putc(out, long_byte(from + i, other));
    c->sent += cut;
}

static void answer_cutting(void *ctx, const struct origin_request *q, struct str *out)
{
    struct cutting *c = ctx;
    AUTO(mem_free) char *range = origin_header(q, "range");
    AUTO(mem_free) char *condition = origin_header(q, "if-range");
    int number = c->requests++;
    bool other = c->changes_at && number >= c->changes_at;
    long long from = 0, to = LONG - 1;

    note_header(c->ranges, sizeof c->ranges, q, "range");
    note_header(c->conditions, sizeof c->conditions, q, "if-range");
    if (c->says && number == 0) {
        origin_say(out, c->says, c->with, "");
        return;
    }
    if (c->answer_416 && number >= c->answer_416 && *range) {
        origin_say(out, 416, "Content-Range: bytes */50\r\n", "");
        return;
    }
    bool fits = !*condition || c->no_if_range || (c->form[other] && strstr(c->form[other], condition));
    bool part = *range && fits && !c->no_ranges;
    if (part && sscanf(range, "bytes=%lld-%lld", &from, &to) == 1 && from < 0) {
        from += LONG;
        to = LONG - 1;
    }
    say_part(c, out, part ? from : 0, part ? to : LONG - 1, part, other);
}

/* Is the output bytes [from, to] of that file, at its own offset if it is one of several? */
static void is_long(const struct robot_job *j, int64_t from, int64_t to, bool other)
{
    const struct host_output *out = host_output(j, 0);
    AUTO(mem_free) char *have = mem_alloc((size_t)out->size + 1);
    FILE *f = fopen(out->path, "re");

    assert_int_equal(out->size, to - from + 1);
    assert_non_null(f);
    assert_int_equal(fread(have, 1, (size_t)out->size, f), out->size);
    fclose(f);
    for (int64_t i = 0; i < out->size; i++)
        if (have[i] != long_byte(from + i, other))
            fail_msg("byte %lld is of another file", (long long)i);
}

#define ETAG "ETag: \"a\"\r\n"
#define OTHER_ETAG "ETag: \"b\"\r\n"

static void a_cut_goes_on_where_it_was_and_nothing_is_sent_twice(void **state)
{
    struct cutting c = {.cuts = 4, .after = 300 * 1024, .form = {ETAG}};
    AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/a.txt\"}");
    is_long(j, 0, LONG - 1, false);
    assert_int_equal(c.requests, 4);
    assert_int_equal(c.sent, LONG);
    assert_string_equal(c.ranges, ";bytes=307200-;bytes=614400-;bytes=921600-;");
    assert_string_equal(c.conditions, ";\"a\";\"a\";\"a\";");
}

static void a_range_that_is_cut_goes_on_within_itself(void **state)
{
    struct cutting c = {.cuts = 1, .after = 1000, .form = {ETAG}};
    AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/a.txt\", \"range\": \"500-4999\"}");
    is_long(j, 500, 4999, false);
    assert_string_equal(c.ranges, "bytes=500-4999;bytes=1500-4999;");
    c = (struct cutting){.cuts = 1, .after = 1000, .form = {ETAG}};
    runs(j, o, "{\"url\": \"%s/a.txt\", \"range\": \"-3000\"}");
    is_long(j, LONG - 3000, LONG - 1, false);
    assert_string_equal(c.ranges, "bytes=-3000;bytes=1046576-1048575;");
    c = (struct cutting){.cuts = 1, .after = 1000, .form = {ETAG}};
    runs(j, o, "{\"url\": \"%s/a.txt\", \"range\": [\"0-99\", \"100-4999\"]}");
    is_long(j, 0, 4999, false);
    assert_string_equal(c.ranges, "bytes=0-99;bytes=100-4999;bytes=1100-4999;");
}

static void only_what_tells_files_apart_lets_it_go_on(void **state)
{
    static const struct {
        const char *form, *condition; /* of the second request */
    } forms[] = {
        {ETAG, "\"a\""},
        {"Last-Modified: Sun, 29 Nov 2026 09:59:58 GMT\r\n", "Sun, 29 Nov 2026 09:59:58 GMT"},
        {"Last-Modified: Sun, 29 Nov 2026 10:00:00 GMT\r\n", ""}, /* may change once more in this second */
        {"ETag: W/\"a\"\r\nLast-Modified: Sun, 29 Nov 2026 09:59:58 GMT\r\n", ""},
        {"ETag: bare\r\n", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct cutting c = {.cuts = 1, .after = 900 * 1024, .form = {forms[i].form}};
        AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
        AUTO(host_free) struct robot_job *j = new_job();
        AUTO(mem_free) char *conditions = mem_printf(";%s;", forms[i].condition);

        runs(j, o, "{\"url\": \"%s/a.txt\"}");
        is_long(j, 0, LONG - 1, false);
        assert_string_equal(c.conditions, conditions);
        assert_int_equal(c.sent, *forms[i].condition ? LONG : LONG + 900 * 1024);
    }
}

static void a_file_that_changed_meanwhile_is_never_spliced(void **state)
{
    static const struct cutting kinds[] = {
        {.form = {ETAG, OTHER_ETAG}},
        {.form = {ETAG, OTHER_ETAG}, .no_if_range = true}, /* sends the rest of the other one */
        {.form = {ETAG, ETAG}, .no_ranges = true},         /* cannot tell, and sends all of it */
        {.form = {"Last-Modified: Sun, 29 Nov 2026 09:00:00 GMT\r\n",
                  "Last-Modified: Sun, 29 Nov 2026 09:30:00 GMT\r\n"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct cutting c = kinds[i];
        AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
        AUTO(host_free) struct robot_job *j = new_job();

        c.cuts = c.changes_at = 1;
        c.after = 900 * 1024;
        runs(j, o, "{\"url\": \"%s/a.txt\"}");
        is_long(j, 0, LONG - 1, true);
        if (kinds[i].no_ranges)
            continue;
        c = kinds[i];
        c.changes_at = 1;
        runs(j, o, "{\"url\": \"%s/a.txt\", \"range\": [\"0-99\", \"100-299\"]}");
        is_long(j, 0, 299, true);
    }
}

static void what_the_other_side_announces_must_come(void **state)
{
    struct cutting c = {.lies = 10};
    AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    fails(j, o, "{\"url\": \"%s/a.txt\"}", "HTTP_IMPORT_FAILURE", "can't fetch");
    assert_int_equal(c.requests, 3);
    c = (struct cutting){.lies = 10, .form = {ETAG}, .answer_416 = 1};
    fails(j, o, "{\"url\": \"%s/a.txt\"}", "HTTP_IMPORT_FAILURE", "can't fetch");
    assert_true(c.requests <= 8);
    c = (struct cutting){.says = 206, .with = "Content-Range: bytes 0-9/10\r\n"};
    fails(j, o, "{\"url\": \"%s/a.txt\"}", "HTTP_IMPORT_FAILURE", "nobody asked for");
}

static void the_other_side_may_ask_for_patience(void **state)
{
    struct cutting c = {.says = 429, .with = "Retry-After: 1\r\n"};
    AUTO(origin_end) struct origin *o = origin_start(answer_cutting, &c);
    AUTO(host_free) struct robot_job *j = new_job();
    struct timespec before, after;

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &before);
    runs(j, o, "{\"url\": \"%s/a.txt\", \"range\": \"0-9\"}");
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_int_equal(c.requests, 2);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 1000);
    c = (struct cutting){.says = 503, .with = "Retry-After: 100000\r\n"};
    fails(j, o, "{\"url\": \"%s/a.txt\", \"fail_fast\": true}", "HTTP_IMPORT_FAILURE", "status 503");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_called_as_the_server_says_or_its_address_or_its_type),
        cmocka_unit_test(a_redirect_is_followed_whatever_page_it_carries),
        cmocka_unit_test(what_the_server_says_has_the_contracts_code),
        cmocka_unit_test(what_may_pass_is_tried_again_unless_told_not_to),
        cmocka_unit_test(the_smaller_limit_counts_announced_or_not),
        cmocka_unit_test(several_ranges_lie_at_their_own_offsets),
        cmocka_unit_test(with_ignore_errors_each_address_stands_for_itself),
        cmocka_unit_test(headers_go_along_and_bad_ones_are_refused),
        cmocka_unit_test(a_stub_is_an_address_that_nobody_asks),
        cmocka_unit_test(a_private_address_is_refused_unless_the_operator_allows_it),
        cmocka_unit_test(a_cut_goes_on_where_it_was_and_nothing_is_sent_twice),
        cmocka_unit_test(a_range_that_is_cut_goes_on_within_itself),
        cmocka_unit_test(only_what_tells_files_apart_lets_it_go_on),
        cmocka_unit_test(a_file_that_changed_meanwhile_is_never_spliced),
        cmocka_unit_test(what_the_other_side_announces_must_come),
        cmocka_unit_test(the_other_side_may_ask_for_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
