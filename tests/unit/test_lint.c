/* What `workcell check` finds, and where. */
#include "assembly/instructions.h"
#include "assembly/lint.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    struct str text; /* a line each: kind step.param code */
    int refused;
};

static void note(void *ctx, const struct finding *f)
{
    struct seen *s = ctx;

    assert_true(*f->text);
    str_addf(&s->text, "%c %s.%s %s\n", "RD"[f->kind], f->step ? f->step : "", f->param ? f->param : "", f->code);
    s->refused += f->kind == FINDING_REFUSED;
}

/* The same answer as the parser's: refused or not. */
static char *lint(const char *steps)
{
    AUTO(json_unref) json_t *j = json_loads(steps, JSON_DECODE_ANY, NULL);
    AUTO(json_unref) json_t *before = json_deep_copy(j);
    AUTO(instructions_free) struct instructions *in = NULL;
    struct seen s = {0};
    const char *bad;
    struct err err;

    str_puts(&s.text, "");
    int refused = instructions_lint(j, note, &s);
    assert_int_equal(refused, s.refused);
    assert_true(j == before || json_equal(j, before));
    assert_int_equal(instructions_parse(&in, j, &bad, &err) < 0, s.refused > 0);
    return str_take(&s.text);
}

static void all_that_is_wrong_is_found_at_once(void **state)
{
    static const struct {
        const char *steps, *found;
    } cases[] = {
        {"{\"a\":{\"robot\":\"/file/hash\",\"use\":\":original\"}}", ""},
        {"null", "R . ASSEMBLY_NO_STEPS\n"},
        {"[]", "R . ASSEMBLY_INVALID_STEPS\n"},
        {"{}", "R . ASSEMBLY_EMPTY_STEPS\n"},
        {"{\"a\":7,\"b\":{},\"c\":{\"robot\":7}}", 
         "R a. ASSEMBLY_STEP_INVALID\nR b. ASSEMBLY_STEP_NO_ROBOT\nR c.robot ASSEMBLY_STEP_INVALID_ROBOT\n"},
        {"{\"a\":{\"robot\":\"/image/resize\",\"use\":\"b\",\"width\":-1,\"hight\":3,\"zoom\":1},"
         "\"b\":{\"robot\":\"/no/such\",\"use\":\":original\"}}",
         "R b.robot ASSEMBLY_STEP_UNKNOWN_ROBOT\nR a.width IMAGE_RESIZE_VALIDATION\nR a.hight IMAGE_RESIZE_VALIDATION\n"
         "R a.zoom IMAGE_RESIZE_VALIDATION\n"},
        /* of every Robot, and the step's other faults with it */
        {"{\"a\":{\"robot\":\"/file/hash\",\"use\":\":original\",\"queue\":\"fast\",\"partial\":\"no\"}}",
         "R a.partial FILE_HASH_VALIDATION\nR a.queue FILE_HASH_VALIDATION\n"},
        {"{\"a\":{\"robot\":\"/file/hash\",\"use\":[\"b\",\"nobody\"],\"algorithm\":\"rot13\"},"
         "\"b\":{\"robot\":\"/file/hash\",\"use\":\"a\"}}",
         "R a.use ASSEMBLY_STEP_UNKNOWN_USE\nR a.algorithm FILE_HASH_VALIDATION\n"},
        {"{\"a\":{\"robot\":\"/file/hash\",\"use\":\"b\"},\"b\":{\"robot\":\"/file/hash\",\"use\":\"a\"}}",
         "R a.use ASSEMBLY_INFINITE\n"},
        {"{\"a\":{\"robot\":\"/file/hash\",\"use\":{\"steps\":[{\"name\":\":original\",\"as\":\"boss\"}]},"
         "\"algorithm\":1}}",
         "R a.use FILE_HASH_VALIDATION\nR a.algorithm FILE_HASH_VALIDATION\n"},
        {"{\":original\":{\"robot\":\"/file/hash\"},"
         "\"a\":{\"robot\":\"/upload/handle\"},\"b\":{\"robot\":\"/file/hash\",\"use\":\":original\"}}",
         "R :original. INVALID_STEP_NAME\nR a. INVALID_UPLOAD_HANDLE_STEP_NAME\n"},
        {"{\"a\":{\"robot\":\"/image/facedetect\",\"use\":\":original\",\"provider\":\"gcp\"}}", "D a.provider \n"},
        /* an expression is not looked at, what stands beside it is */
        {"{\"a\":{\"robot\":\"/image/resize\",\"use\":\":original\",\"width\":\"${fields.w}\",\"height\":0}}",
         "R a.height IMAGE_RESIZE_VALIDATION\n"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *found = lint(cases[i].steps);

        /* the order in which a step's findings come is not promised */
        AUTO(mem_free) char *want = mem_strdup(cases[i].found);
        if (strlen(found) != strlen(want))
            fail_msg("case %zu: found\n%s", i, found);
        for (char *save, *line = strtok_r(want, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            if (!strstr(found, line))
                fail_msg("case %zu: no '%s' in:\n%s", i, line, found);
    }
}

static void a_step_that_lacks_what_it_must_have_is_named(void **state)
{
    AUTO(mem_free) char *found = lint("{\"a\":{\"robot\":\"/progress/simulate\",\"use\":\":original\"}}");
    (void)state;

    assert_string_equal(found, "R a. PROGRESS_SIMULATE_VALIDATION\nR a. PROGRESS_SIMULATE_VALIDATION\n"
                               "R a. PROGRESS_SIMULATE_VALIDATION\nR a. PROGRESS_SIMULATE_VALIDATION\n");
}

static void a_value_is_found_in_its_text(void **state)
{
    static const char text[] = "{ \"x\": [1, {\"steps\": 0}],\n"
                               "  \"st\\u0065ps\": {\n"
                               "\t\"\xc3\xa4\": {\"w\": \"}\\\"{\", \"h\" : 7},\n"
                               "\t\"b\": {\"w\": 1,\n"
                               "\t\"w\": [2]}}}";
    static const struct {
        const char *path[4];
        bool key, there;
        int line, column;
    } cases[] = {
        {{NULL}, false, true, 1, 1},
        {{"x"}, false, true, 1, 8},
        {{"x"}, true, true, 1, 3},
        {{"steps"}, false, true, 2, 17},
        {{"steps", "\xc3\xa4", "h"}, false, true, 3, 27},
        {{"steps", "\xc3\xa4", "h"}, true, true, 3, 21},
        {{"steps", "b", "w"}, false, true, 5, 7}, /* of equal names the last one counts */
        {{"steps", "b", "nothing"}, false, false, 4, 2},
        {{"nothing", "b", "w"}, false, false, 1, 1},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_place at;

        assert_int_equal(json_where(&at, text, sizeof text - 1, cases[i].path, cases[i].key), cases[i].there);
        assert_int_equal(at.line, cases[i].line);
        assert_int_equal(at.column, cases[i].column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_wrong_is_found_at_once),
        cmocka_unit_test(a_step_that_lacks_what_it_must_have_is_named),
        cmocka_unit_test(a_value_is_found_in_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
