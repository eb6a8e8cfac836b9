/* /file/filter: what goes on and what does not, condition by condition. The ${...} are filled in before: here are the
 * values that they give. */
#include "../../unit/unit.h"
#include "base/clock.h"
#include "base/pattern.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/file/filter"

static const char *some_file(struct robot_job *job, const char *name)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs("hello", f);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* Does the file go on with these parameters? */
static bool passes(const char *step)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};

    if (host_run_on(job, ROBOT, step, some_file(job, "a.txt"), &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    if (host_output_count(job))
        assert_true(host_output(job, 0)->passed);
    return host_output_count(job) == 1;
}

static void nothing_is_said_and_everything_goes_on(void **state)
{
    (void)state;
    assert_true(passes("{}"));
    assert_true(passes("{\"accepts\": null, \"declines\": null}"));
    assert_false(passes("{\"accepts\": []}"));
    assert_false(passes("{\"accepts\": [], \"condition_type\": \"and\"}"));
    assert_true(passes("{\"declines\": []}"));
    assert_true(passes("{\"declines\": [], \"condition_type\": \"and\"}"));
}

#define M "[1, 2.5, \"b\", null]"
static const struct {
    const char *left, *op, *right;
    bool met;
} rows[] = {
    /* = == !=: a number and the text of one are equal */
    {"100", "=", "100", true},
    {"100", "=", "\"100\"", true},
    {"\"100\"", "==", "100.0", true},
    {"100", "=", "\"1e2\"", true},
    {"\"100\"", "=", "\"1e2\"", false},
    {"\"1.0\"", "=", "\"1\"", false},
    {"\"image/png\"", "=", "\"image/png\"", true},
    {"\"A\"", "=", "\"a\"", false},
    {"100", "=", "\"100 apples\"", false},
    {"100", "=", "\"0x64\"", false},
    {"0", "=", "\"\"", false},
    {"true", "=", "\"true\"", true},
    {"true", "=", "1", true},
    {"false", "=", "\"0\"", true},
    {"true", "=", "\"yes\"", false},
    {"null", "=", "null", true},
    {"\"\"", "=", "null", false},
    {"\"\"", "=", "\"\"", true},
    {"1", "!=", "\"1\"", false},
    {"1", "!=", "\"2\"", true},
    {M, "=", "\"1,2.5,b,\"", true},
    {"9007199254740993", "=", "9007199254740992", false},
    {"\"nan\"", "=", "\"NaN\"", false},
    {"1", "=", "\"inf\"", false},
    /* === !==: and of one type */
    {"100", "===", "\"100\"", false},
    {"100", "===", "100.0", true},
    {"\"a\"", "===", "\"a\"", true},
    {"true", "===", "1", false},
    {"null", "===", "\"\"", false},
    {"100", "!==", "\"100\"", true},
    {"[\"a\"]", "===", "[\"a\"]", true},
    /* the order: numbers, sizes, or texts */
    {"9", "<", "10", true},
    {"\"9\"", "<", "\"10\"", true},
    {"10", "<", "9", false},
    {"10", "<=", "10", true},
    {"10", ">=", "\"10\"", true},
    {"11", ">", "10", true},
    {"20971520", "<=", "\"20mb\"", true},
    {"20971521", "<=", "\"20MB\"", false},
    {"1023", "<", "\"1 KiB\"", true},
    {"1024", "<", "\"1kb\"", false},
    {"\"1.5gb\"", "=", "1610612736", false},
    {"\"1.5gb\"", ">=", "1610612736", true},
    {"\"1tib\"", ">", "\"1023gb\"", true},
    {"5", "<", "\"6b\"", true},
    {"\"1pb\"", ">", "\"1023 TB\"", true},
    {"\"b\"", ">", "\"a\"", true},
    {"\"\"", "<", "100", true},
    {"\"1mbx\"", "<", "\"1kb\"", false},
    {"9007199254740993", ">", "9007199254740992", true},
    {"\"abc\"", "<", "\"abcd\"", true},
    {"\"1k\"", "<", "\"2\"", true},
    /* patterns: anywhere, whatever the case */
    {"\"image/png\"", "regex", "\"^IMAGE\"", true},
    {"\"image/png\"", "regex", "\"gif|png\"", true},
    {"\"image/png\"", "!regex", "\"png$\"", false},
    {"\"a\\nb\"", "regex", "\"^b\"", false},
    {"\"\"", "regex", "\"^$\"", true},
    {"12345", "regex", "\"^[0-9]{5}$\"", true},
    {"\"x\"", "!regex", "\"y\"", true},
    {"12.0", "regex", "\"^12$\"", true},
    {"\"Stra\\u00dfe\"", "regex", "\"stra.e\"", true},
    /* lists and texts that hold something */
    {M, "includes", "\"b\"", true},
    {M, "includes", "\"1\"", true},
    {M, "includes", "3", false},
    {M, "includes", "null", true},
    {"\"image/png\"", "includes", "\"png\"", true},
    {"\"image/png\"", "includes", "\"PNG\"", false},
    {"\"image/png\"", "!includes", "\"gif\"", true},
    {"\"\"", "includes", "\"x\"", false},
    {"[\"image/png\", \"image/gif\"]", "includes", "\"image/gif\"", true},
    {"\"image/gif\"", "includes", "[\"png\", \"gif\"]", true},
    {"[]", "includes", "\"\"", false},
    {"12", "includes", "2", true},
    /* only the left side counts */
    {"\"\"", "empty", "\"x\"", true},
    {"0", "empty", "\"\"", true},
    {"false", "empty", "\"\"", true},
    {"[]", "empty", "\"\"", true},
    {"null", "empty", "\"\"", true},
    {"\"0\"", "empty", "\"\"", false},
    {"[0]", "!empty", "\"\"", true},
    {"\" \"", "!empty", "\"\"", true},
};

static void each_operator_means_what_the_contract_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *accepts = mem_printf("{\"accepts\": [[%s, \"%s\", %s]]}", rows[i].left, rows[i].op, rows[i].right);
        AUTO(mem_free)
        char *declines = mem_printf("{\"declines\": [[%s, \"%s\", %s]]}", rows[i].left, rows[i].op, rows[i].right);

        if (passes(accepts) != rows[i].met)
            fail_msg("%s goes the wrong way", accepts);
        if (passes(declines) == rows[i].met)
            fail_msg("%s goes the wrong way", declines);
    }
    assert_true(passes("{\"accepts\": [[\"\", \"empty\"]]}")); /* no right side: none is looked at */
}

static void several_conditions_are_met_together_or_one_is_enough(void **state)
{
    static const char yes[] = "[1, \"=\", 1]", no[] = "[1, \"=\", 2]";
    static const struct {
        const char *first, *second;
        bool any, all;
    } pairs[] = {{yes, yes, true, true}, {yes, no, true, false}, {no, yes, true, false}, {no, no, false, false}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        for (int all = 0; all < 2; all++)
            for (int declines = 0; declines < 2; declines++) {
                AUTO(mem_free)
                char *step = mem_printf("{\"condition_type\": \"%s\", \"%s\": [%s, %s]}", all ? "and" : "or",
                                        declines ? "declines" : "accepts", pairs[i].first, pairs[i].second);

                if (passes(step) != ((all ? pairs[i].all : pairs[i].any) ^ declines))
                    fail_msg("%s goes the wrong way", step);
            }
    /* who is not accepted is not asked about; who is declined is not saved by being accepted */
    assert_false(passes("{\"accepts\": [[1, \"=\", 1]], \"declines\": [[1, \"=\", 1]]}"));
    assert_false(passes("{\"accepts\": [[1, \"=\", 2]], \"declines\": [[1, \"=\", 2]]}"));
}

static void what_a_script_says_counts_as_in_javascript(void **state)
{
    (void)state;
    assert_true(passes("{\"accepts\": true}"));
    assert_false(passes("{\"accepts\": false}"));
    assert_true(passes("{\"accepts\": 1}"));
    assert_false(passes("{\"accepts\": 0}"));
    assert_true(passes("{\"accepts\": \"false\"}"));
    assert_false(passes("{\"accepts\": \"\"}"));
    assert_false(passes("{\"declines\": true}"));
}

/* As the client writes it: what is wrong is told when the Assembly is made, also beside a ${...}. */
static void what_is_wrong_is_told_before_a_file_comes(void **state)
{
    static const struct {
        const char *step, *code, *says;
    } bad[] = {
        {"{\"accepts\": \"true\"}", "FILE_FILTER_VALIDATION", "accepts"},
        {"{\"accepts\": \"${a} and ${b\"}", "FILE_FILTER_VALIDATION", "accepts"},
        {"{\"accepts\": true}", "FILE_FILTER_VALIDATION", "accepts"},
        {"{\"declines\": {}}", "FILE_FILTER_VALIDATION", "declines"},
        {"{\"declines\": [[\"${file.mime}\", \"like\", \"x\"]]}", "FILE_FILTER_INVALID_OPERATOR", "like"},
        {"{\"declines\": [[\"${file.mime}\", 5, \"x\"]]}", "FILE_FILTER_INVALID_OPERATOR", "declines"},
        {"{\"accepts\": [[\"${file.mime}\", \"=\"]]}", "FILE_FILTER_VALIDATION", "right side"},
        {"{\"accepts\": [[\"${file.mime}\"]]}", "FILE_FILTER_VALIDATION", "[left, operator, right]"},
        {"{\"accepts\": [\"${file.mime}\", \"=\", \"image/png\"]}", "FILE_FILTER_VALIDATION",
         "[left, operator, right]"},
        {"{\"accepts\": [[{}, \"=\", 1]]}", "FILE_FILTER_VALIDATION", "[left, operator, right]"},
        {"{\"accepts\": [[[[1]], \"=\", 1]]}", "FILE_FILTER_VALIDATION", "[left, operator, right]"},
        {"{\"accepts\": [[\"${file.mime}\", \"regex\", \"(a\"]]}", "FILE_FILTER_VALIDATION", "(a"},
        {"{\"accepts\": [[\"${file.mime}\", \"regex\", \"(?=a)\"]]}", "FILE_FILTER_VALIDATION", "pattern"},
        {"{\"condition_type\": \"xor\"}", "FILE_FILTER_VALIDATION", "condition_type"},
    };
    static const char *const good[] = {"{\"accepts\": \"${file.size > 5}\"}",
                                       "{\"accepts\": [[\"${file.ext}\", \"regex\", \"${fields.p}\"]]}",
                                       "{\"accepts\": [[\"(a\", \"regex\", \"${fields.p}(\"]]}"};
    const struct robot *r = robot_find(ROBOT);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad) + ARRAY_LEN(good); i++) {
        AUTO(arena_free) struct arena *a = arena_new();
        bool is_good = i >= ARRAY_LEN(bad);
        const char *text = is_good ? good[i - ARRAY_LEN(bad)] : bad[i].step;
        AUTO(json_unref) json_t *step = json_loads(text, 0, NULL);
        struct err err = {0};
        void *opts;

        if ((robot_options(&opts, a, r, step, true, &err) == 0) != is_good)
            fail_msg("%s: %s", text, err.msg);
        if (is_good)
            continue;
        assert_string_equal(err_name(&err), bad[i].code);
        if (!strstr(err.msg, bad[i].says))
            fail_msg("%s says %s", text, err.msg);
    }
}

static void a_declined_file_fails_the_job_when_that_is_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = some_file(job, "a.txt");
    struct err err = {0};
    (void)state;

    assert_int_equal(host_run_on(job, ROBOT, "{\"accepts\": [], \"error_on_decline\": true}", path, &err), -1);
    assert_string_equal(err_name(&err), "FILE_FILTER_DECLINED_FILE");
    assert_string_equal(err.msg, "One of your files was declined");
    assert_int_equal(host_run_on(job, ROBOT,
                                 "{\"accepts\": [], \"error_on_decline\": true, \"error_msg\": \"100%s no\"}", path,
                                 &err),
                     -1);
    assert_string_equal(err.msg, "100%s no");
}

static void each_file_of_a_bundle_is_looked_at_by_itself(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(json_unref) json_t *yes = json_loads("{\"accepts\": [[\"a\", \"=\", \"a\"]]}", 0, NULL);
    AUTO(json_unref) json_t *no = json_loads("{\"accepts\": [[\"b\", \"=\", \"a\"]]}", 0, NULL);
    struct err err = {0};
    (void)state;

    host_add_input(job, some_file(job, "b.txt"));
    host_input(job)->params = no;
    host_add_input(job, some_file(job, "a.txt"));
    host_input(job)->params = yes;
    assert_int_equal(host_run(job, ROBOT, "{\"accepts\": [[\"b\", \"=\", \"a\"]]}", &err), 0);
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->name, "a.txt");
}

/* A pattern from a form field meets a text that was written for it. */
static void a_pattern_takes_no_more_time_than_its_text(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *text = mem_zalloc(PATTERN_LONG_MAX + 2);
    struct err err = {0};
    (void)state;

    memset(text, 'a', 500000);
    for (int i = 0; i < 2; i++) {
        AUTO(mem_free) char *step = mem_printf("{\"declines\": [[\"%s\", \"regex\", \"(a+)+(a|aa)+b\"]]}", text);
        int64_t t = clock_mono_us();

        int rc = host_run_on(job, ROBOT, step, some_file(job, "a.txt"), &err);
        assert_true(clock_mono_us() - t < 4 * SECOND_US);
        /* the longer one is not looked at, and says so: it may not slip through */
        assert_int_equal(rc, i ? -1 : 0);
        memset(text, 'a', PATTERN_LONG_MAX + 1);
    }
    assert_string_equal(err_name(&err), "FILE_FILTER_VALIDATION");
    assert_int_equal(
        host_run_on(job, ROBOT, "{\"accepts\": [[\"a\", \"regex\", \"(\"]]}", some_file(job, "a.txt"), &err), -1);
    assert_string_equal(err_name(&err), "FILE_FILTER_VALIDATION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_and_everything_goes_on),
        cmocka_unit_test(each_operator_means_what_the_contract_says),
        cmocka_unit_test(several_conditions_are_met_together_or_one_is_enough),
        cmocka_unit_test(what_a_script_says_counts_as_in_javascript),
        cmocka_unit_test(what_is_wrong_is_told_before_a_file_comes),
        cmocka_unit_test(a_declined_file_fails_the_job_when_that_is_asked_for),
        cmocka_unit_test(each_file_of_a_bundle_is_looked_at_by_itself),
        cmocka_unit_test(a_pattern_takes_no_more_time_than_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
