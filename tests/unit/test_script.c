/* JavaScript of clients: what it gives, what it may not, and that nothing of it is left. Each evaluation is a child
 * of this process, behind the list of system calls that it has in a worker. */
#include "base/clock.h"
#include "script/engine.h"

#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char world[] =
    "{\"assembly\":{\"id\":\"a1\",\"region\":\"local\",\"parent_id\":\"\"},\"fields\":{\"w\":\"200\",\"list\":[1,2,3]"
    "},"
    "\"file\":{\"name\":\"Bl\\u00e4ubar \\ud83d\\ude00.png\",\"size\":123,\"meta\":{\"width\":640}}}";

static int evaluate(json_t **values, const json_t *expressions, const char *program, struct err *err)
{
    AUTO(json_unref) json_t *variables = json_reads(world);
    struct script_work work = {
        .expressions = expressions, .program = program, .variables = variables, .memory_bytes = 64 << 20};

    *err = (struct err){0};
    return script_evaluate(values, &work, err);
}

/* JSON of one value, or the error's text with a "!" before it. The caller frees. */
static char *value_of(const char *code, bool text)
{
    AUTO(json_unref) json_t *list = json_pack("[{s:s,s:b}]", "code", code, "text", text);
    AUTO(json_unref) json_t *values = NULL;
    struct err err;

    if (evaluate(&values, list, NULL, &err) < 0)
        return mem_printf("!%s", err.msg);
    struct str b = {0};
    str_add_json_value(&b, json_array_get(values, 0));
    return str_take(&b);
}

struct row {
    const char *code, *want; /* of an error: a part of its text, behind "!" */
    bool text;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(mem_free) char *got = value_of(rows[i].code, rows[i].text);

        if (*rows[i].want == '!' ? *got != '!' || !strstr(got, rows[i].want + 1) : strcmp(got, rows[i].want) != 0)
            fail_msg("%s gives %s, not %s", rows[i].code, got, rows[i].want);
    }
}

static void a_value_keeps_its_type(void **state)
{
    static const struct row rows[] = {
        {"Math.max(file.meta.width, 400)", "640"},
        {"file.meta.width / 2 + 0.5", "320.5"},
        {"file.name.toUpperCase()", "\"BLÄUBAR 😀.PNG\""},
        {"fields.list.map((x) => x * 2)", "[2,4,6]"},
        {"({ a: [1, { b: null }], c: undefined })", "{\"a\":[1,{\"b\":null}]}"},
        {"{ a: 1 }", "{\"a\":1}"},
        {"file.size > 100", "true"},
        {"2 ** 53", "9007199254740992"},
        {"1e21", "1e+21"},
        {"undefined", "null"},
        {"null", "null"},
        {"file.meta.height", "null"},
        {"account.x", "null"},
        {"fields.none ?? 'd' // a comment", "\"d\""},
        {"'\\ud83d'", "\"\\ud83d\""},
        {"[...'a\\u0000b'].length", "3"},
        {"/(?<y>\\d{4})/.exec('of 2026').groups.y", "\"2026\""},
        {"new Date(0).toISOString()", "\"1970-01-01T00:00:00.000Z\""},
        {"new Date(2026, 0, 1).getTimezoneOffset()", "0"},
        {"new Intl.NumberFormat('de-DE').format(1234.5)", "\"1.234,5\""},
        {"encodeURIComponent('ä b')", "\"%C3%A4%20b\""},
        {"JSON.parse('[1]')[0] + Number('2') + String(3)", "\"33\""},
        {"typeof Date.now()", "\"number\""},
        {"(() => { let n = 0; for (const x of fields.list) n += x; return n })()", "6"},
        {"({ toJSON() { return 7 } })", "7"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void between_other_text_a_value_is_text(void **state)
{
    static const struct row rows[] = {
        {"1 + 1", "\"2\"", true},
        {"undefined", "\"\"", true},
        {"null", "\"\"", true},
        {"true", "\"true\"", true},
        {"'x'", "\"x\"", true},
        {"[1, 'a']", "\"[1,\\\"a\\\"]\"", true},
        {"({a: 1})", "\"{\\\"a\\\":1}\"", true},
        {"10n ** 20n", "\"100000000000000000000\"", true},
        {"0 / 0", "\"NaN\"", true},
        {"() => 1", "!gives a function", true},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void what_no_parameter_can_be_is_refused(void **state)
{
    static const struct row rows[] = {
        {"() => 1", "!the expression ${() => 1} can't be used: TypeError: it gives a function"},
        {"Symbol('x')", "!gives a symbol"},
        {"1n", "!gives a BigInt"},
        {"0 / 0", "!gives NaN"},
        {"1 / 0", "!gives Infinity"},
        {"Promise.resolve(1)", "!nothing is waited for"},
        {"(async () => 1)()", "!nothing is waited for"},
        {"(() => { const a = {}; a.a = a; return a })()", "!cyclic"},
        {"(() => { let a = []; for (let i = 0; i < 100; i++) a = [a]; return a })()", "!nested more than 20"},
        {"Array(200000).fill(1)", "!more than 64 KB"},
        {"Array(20000).fill(1)", "!values"},
        {"'x'.repeat(70000)", "!more than 64 KB"},
        {"", "!SyntaxError"},
        {"1 +", "!SyntaxError"},
        {"nothing.there", "!Can't find variable: nothing"},
        {"file.none.x", "!TypeError: undefined is not an object"},
        {"(() => { throw new Error('of mine') })()", "!Error: of mine"},
        {"(() => { throw { toString() { throw 1 } } })()", "!it threw what is no text"},
        {"(() => { throw 'x'.repeat(1e6) })()", "!xxx"},
        {"({ toJSON() { throw new Error('hostile') } })", "!hostile"},
        {"({ get a() { throw new Error('getter') } })", "!getter"},
        {"new Proxy({}, { ownKeys() { throw new Error('trap') } })", "!trap"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void there_is_nothing_to_reach_and_nothing_to_start(void **state)
{
    static const struct row rows[] = {
        {"['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'console', 'fetch', 'require', 'process', 'setTimeout', "
         "'Worker', 'load', "
         "'readFile', 'print', '$vm', 'gc', 'importScripts', 'XMLHttpRequest'].filter((n) => n in globalThis)",
         "[]"},
        {"import('fs')", "!"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void a_limit_that_is_passed_is_named(void **state)
{
    static const struct row rows[] = {
        {"(() => { for (;;); })()", "!it used more than the 1 s of processor time"},
        {"/^(a+)+$/.test('a'.repeat(40) + 'b')", "!it used more than the 1 s of processor time"},
        {"(() => { const a = []; for (;;) a.push(new Array(1000).fill(a.length)) })()", "!64 MB of memory"},
        {"(() => { let s = 'x'; for (;;) s = s + s + Math.random(); })()", "!"},
        {"(() => { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)) })()", "!64 MB of memory"},
        {"(function f() { return f() + 1 })()", "!Maximum call stack"},
        {"(() => { let s = '['.repeat(1e6); return JSON.parse(s) })()", "!"},
        {"new RegExp('('.repeat(100000) + ')'.repeat(100000)).test('x')", "!"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t start = clock_mono_us();
        check(&rows[i], 1);
        /* and it does end: with time for a machine that has other work */
        assert_true(clock_mono_us() - start < 22 * SECOND_US);
    }
}

static void the_next_evaluation_knows_nothing_of_the_one_before(void **state)
{
    static const struct row rows[] = {
        {"(globalThis.left = 1, Array.prototype.map = () => 'mine', JSON.stringify = () => 'mine', 1)", "1"},
        {"typeof left + [1].map((x) => x + 1) + JSON.stringify(2)", "\"undefined22\""},
        {"(() => { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)) })()", "!64 MB of memory"},
        {"1 + 1", "2"},
    };
    (void)state;
    check(rows, ARRAY_LEN(rows));
}

/* As a worker does it: the child is there before the request. */
static void a_child_that_waits_is_as_good_as_a_new_one(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        script_ready();
        script_ready(); /* one is enough */
        AUTO(mem_free) char *got = value_of(i % 2 ? "(() => { for (;;); })()" : "typeof context + file.size", false);

        if (i % 2)
            assert_non_null(strstr(got, "processor time"));
        else
            assert_string_equal(got, "\"undefined123\"");
    }
}

static void two_evaluations_do_not_have_the_same_random_numbers(void **state)
{
    AUTO(mem_free) char *a = value_of("Math.random()", false), *b = value_of("Math.random()", false);
    (void)state;

    assert_string_not_equal(a, b);
    assert_true(atof(a) >= 0 && atof(a) < 1);
}

static void expressions_are_evaluated_in_their_order_and_the_one_at_fault_is_named(void **state)
{
    AUTO(json_unref)
    json_t *list = json_reads("[{\"code\":\"1\",\"text\":false},{\"code\":\"fields.w\",\"text\":true},"
                              "{\"code\":\"fields.list\",\"text\":false}]");
    AUTO(json_unref) json_t *bad = json_reads("[{\"code\":\"1\"},{\"code\":\"wrong.here\"},{\"code\":\"2\"}]");
    AUTO(json_unref)
    json_t *slow = json_reads("[{\"code\":\"1\"},{\"code\":\"(() => { for (;;); })()\"},{\"code\":\"2\"}]");
    AUTO(json_unref) json_t *values = NULL;
    struct err err;
    (void)state;

    assert_int_equal(evaluate(&values, list, NULL, &err), 0);
    AUTO(mem_free) char *text = json_text(values);
    assert_string_equal(text, "[1,\"200\",[1,2,3]]");
    assert_int_equal(evaluate(&values, bad, NULL, &err), -1);
    assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
    assert_non_null(strstr(err.msg, "the expression ${wrong.here}"));
    assert_int_equal(evaluate(&values, slow, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "the expression ${(() => { for (;;); })()}"));
}

static void the_last_value_of_a_program_is_its_result(void **state)
{
    AUTO(json_unref) json_t *values = NULL;
    struct err err;
    (void)state;

    assert_int_equal(evaluate(&values, NULL,
                              "let n = 0\nfor (const x of fields.list) n += x;\n({ n, name: file.name.length })",
                              &err),
                     0);
    AUTO(mem_free) char *text = json_text(values);
    assert_string_equal(text, "[{\"n\":6,\"name\":14}]");
    assert_int_equal(evaluate(&values, NULL, "throw new RangeError('no')", &err), -1);
    assert_non_null(strstr(err.msg, "RangeError: no"));
}

/* A client's program that has taken over its engine may call what it likes: what is left is asked of the kernel. */
static void nothing_is_left_running_and_no_descriptor_open(void **state)
{
    int count[2] = {0};
    (void)state;

    for (int round = 0; round < 2; round++) {
        DIR *d = opendir("/proc/self/fd");

        while (readdir(d))
            count[round]++;
        closedir(d);
        for (int i = 0; !round && i < 20; i++)
            free(value_of(i % 2 ? "1" : "x.y", false));
        while (waitpid(-1, NULL, 0) > 0) /* they end by themselves */
            ;
    }
    assert_int_equal(count[0], count[1]);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_keeps_its_type),
        cmocka_unit_test(between_other_text_a_value_is_text),
        cmocka_unit_test(what_no_parameter_can_be_is_refused),
        cmocka_unit_test(there_is_nothing_to_reach_and_nothing_to_start),
        cmocka_unit_test(a_limit_that_is_passed_is_named),
        cmocka_unit_test(the_next_evaluation_knows_nothing_of_the_one_before),
        cmocka_unit_test(a_child_that_waits_is_as_good_as_a_new_one),
        cmocka_unit_test(two_evaluations_do_not_have_the_same_random_numbers),
        cmocka_unit_test(expressions_are_evaluated_in_their_order_and_the_one_at_fault_is_named),
        cmocka_unit_test(the_last_value_of_a_program_is_its_result),
        cmocka_unit_test(nothing_is_left_running_and_no_descriptor_open),
    };

    json_setup();
    script_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
