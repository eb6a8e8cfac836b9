/* /script/run: the last value of a program, in the meta of the file. */
#include "../../unit/unit.h"
#include "host.h"
#include "script/engine.h"

#include <stdio.h>
#include <string.h>

static const char *a_file(struct robot_job *job, const char *name)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs("text", f);
    fclose(f);
    return path;
}

/* The result as JSON, with "!" before it when it is an error. The caller frees. */
static char *result_of(const char *step)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;

    host_variables(job,
                   json_reads("{\"file\":{\"name\":\"a.txt\",\"meta\":{\"width\":7}},\"fields\":{\"n\":[1,2]}}"));
    if (host_run_on(job, "/script/run", step, a_file(job, "a.txt"), &err) < 0)
        return mem_printf("failed: %s", err.msg);
    assert_int_equal(host_output_count(job), 1);
    assert_true(host_output(job, 0)->same);
    const json_t *meta = host_output(job, 0)->meta;
    AUTO(str_done) struct str b = {0};
    str_puts(&b, jbool(meta, "isError", true) ? "!" : "");
    str_add_json_value(&b, json_object_get(meta, "result"));
    assert_true(json_is_boolean(json_object_get(meta, "isFree")));
    return str_take(&b);
}

static void check(const char *step, const char *want)
{
    AUTO(mem_free) char *got = result_of(step);

    if (strncmp(want, "!", 1) ? strcmp(got, want) != 0 : *got != '!' || !strstr(got, want + 1))
        fail_msg("%s gives %s, not %s", step, got, want);
}

static void the_last_value_is_the_result(void **state)
{
    (void)state;
    check("{\"script\":\"file.meta.width * 2\"}", "14");
    check("{\"script\":\"const s = fields.n.map((x) => x + 1); ({ s, name: `${file.name}!` })\"}",
          "{\"s\":[2,3],\"name\":\"a.txt!\"}");
    check("{\"script\":\"let n = 0; for (const x of fields.n) n += x\"}", "3");
    check("{\"script\":\"\"}", "null");
    check("{\"script\":\"null\"}", "null");
}

static void it_sees_its_context(void **state)
{
    (void)state;
    check("{\"script\":\"context.a[1]\",\"contextJSON\":\"{\\\"a\\\":[1,\\\"x\\\"]}\"}", "\"x\"");
    check("{\"script\":\"typeof context\"}", "\"undefined\"");
    check("{\"script\":\"1\",\"contextJSON\":\"{no\"}",
          "failed: 'contextJSON' can't be read: not JSON: a member without a name (line 1, column 2)");
}

static void an_error_is_a_result_and_no_failure(void **state)
{
    (void)state;
    check("{\"script\":\"throw new Error('mine')\"}", "!Error: mine");
    check("{\"script\":\"1 +\"}", "!SyntaxError");
    check("{\"script\":\"for (;;);\"}", "!it used more than the 1 s of processor time");
    check("{\"script\":\"const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))\"}", "!128 MB of memory");
    check("{\"script\":\"const a = {}; a.a = a\"}", "!cyclic");
    check("{\"script\":\"'x'.repeat(1e6)\"}", "!more than 64 KB");
    check("{\"script\":\"require('fs')\"}", "!Can't find variable: require");
    check("{\"script\":\"2\"}", "2");
}

static void its_memory_is_what_the_server_allows(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    json_object_set_new(host_settings(job), "script_memory", json_integer(20 << 20));
    assert_int_equal(host_run_on(job, "/script/run", "{\"script\":\"new Uint8Array(60e6).fill(1).length\"}",
                                 a_file(job, "a"), &err),
                     0);
    assert_non_null(strstr(jstr(host_output(job, 0)->meta, "result"), "20 MB of memory"));
}

static void several_files_of_one_job_get_the_same_result(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    host_add_input(job, a_file(job, "a"));
    host_add_input(job, a_file(job, "b"));
    assert_int_equal(host_run(job, "/script/run", "{\"script\":\"Math.random()\"}", &err), 0);
    assert_int_equal(host_output_count(job), 2);
    assert_true(json_equal(host_output(job, 0)->meta, host_output(job, 1)->meta));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_value_is_the_result),
        cmocka_unit_test(it_sees_its_context),
        cmocka_unit_test(an_error_is_a_result_and_no_failure),
        cmocka_unit_test(its_memory_is_what_the_server_allows),
        cmocka_unit_test(several_files_of_one_job_get_the_same_result),
    };

    json_setup();
    script_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
