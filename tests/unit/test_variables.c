/* ${...}: where an expression ends, which need no engine, and what becomes of the values of those that do. */
#include "assembly/expression.h"
#include "assembly/variables.h"

#include "unit.h"

#include <string.h>

static const char world[] =
    "{\"file\":{\"name\":\"a b.png\",\"size\":12,\"meta\":{\"width\":500,\"none\":null,\"list\":[{\"w\":7},[1,2]],"
    "\"a-b\":\"dash\",\"\\u00fc\":\"u\"}},\"fields\":{\"w\":\"200\",\"o\":{\"a\":{\"b\":true}}}}";

static struct variables variables_of(const json_t *w, const json_t *values)
{
    return (struct variables){.assembly_id = "a1",
                              .region = "local",
                              .unique_prefix = "ab/cd",
                              .previous_step = "first",
                              .file = json_object_get(w, "file"),
                              .fields = json_object_get(w, "fields"),
                              .values = values};
}

static const struct option table[] = {
    {.name = "script", .type = OPT_TYPE_STR, .literal = true}, {.name = "path", .type = OPT_TYPE_STR}, OPT_END};

/* JSON of what becomes of params, or "!" and the error. The caller frees. */
static char *applied(const char *params, const char *values)
{
    AUTO(json_unref) json_t *w = json_reads(world), *p = json_reads(params), *out = NULL;
    AUTO(json_unref) json_t *given = values ? json_reads(values) : NULL;
    struct variables v = variables_of(w, given);
    struct err err = {0};

    return variables_apply(&out, p, table, &v, &err) < 0 ? mem_printf("!%s", err.msg) : json_text(out);
}

static char *asked(const char *params)
{
    AUTO(json_unref) json_t *w = json_reads(world), *p = json_reads(params);
    struct variables v = variables_of(w, NULL);
    AUTO(json_unref) json_t *list = variables_ask(p, table, &v);

    return list ? json_text(list) : mem_strdup("");
}

static void is(char *got, const char *want, const char *of)
{
    AUTO(mem_free) char *mine = got;

    if (strcmp(mine, want))
        fail_msg("%s gives %s, not %s", of, mine, want);
}

/* ---- the scanner ---- */

static void an_expression_ends_where_javascript_says(void **state)
{
    /* what is before the | is the expression; without one it does not end */
    static const char *const rows[] = {
        "a.b[0].c|} and more}",
        "{ a: { b: 1 } }|}",
        "'}' + \"}\"|}",
        "'\\'}' + \"\\\"}\"|}",
        "`}`|}",
        "`${'}'}` + `a${`b${1}}`}`|}",
        "`\\`}\\${`|}",
        "/}/.test(x)|}",
        "/[/}]/.test(x)|}",
        "/\\/}/.test(x)|}",
        "/[\\]}]/.test(x)|}",
        "/\\\\[}/]/.test(x)|}",
        "a / b /c|}",
        "(a) / 2 + '}' / 2|}",
        "a[0] / b + /}/.source|}",
        "a++ / 2 + \"/}\"|}",
        "typeof /}/|}",
        "x.return / 2|} / 2",
        "[/}/, /}/g]|}",
        "(() => { return /}/ })()|}",
        "a // }\n + b|}",
        "a /* } */ + b|}",
        "'a' /* ' */ + `b` // `\n|}",
        "$ + _ + ü|}",
        "({}).x|}",
        "|}",
        /* and these do not end */
        "a.b",
        "'}",
        "`}",
        "`${1}",
        "`${'}`}",
        "/}",
        "/[/}",
        "/}\n/}",
        "a // }",
        "a /* }",
        "{ }",
        "'\\",
        "/\\",
        "`\\",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *bar = strchr(rows[i], '|');
        AUTO(mem_free)
        char *text = bar ? mem_printf("%.*s%s", (int)(bar - rows[i]), rows[i], bar + 1) : mem_strdup(rows[i]);
        const char *end = expression_end(text);

        if (bar ? !end || end - text != bar - rows[i] : end != NULL)
            fail_msg("'%s' ends at '%s'", rows[i], end ? end : "(nowhere)");
    }
}

static void what_is_nested_without_end_has_none(void **state)
{
    AUTO(str_done) struct str deep = {0};
    (void)state;

    for (int i = 0; i < 100000; i++)
        str_puts(&deep, i % 2 ? "{" : "`${");
    for (int i = 0; i < 200000; i++)
        str_puts(&deep, "}");
    assert_null(expression_end(deep.s));
}

/* ---- plain lookups ---- */

static void a_lookup_needs_no_engine(void **state)
{
    static const char *const rows[][2] = {
        {"${file.name}", "\"a b.png\""},
        {"${ file.meta.width }", "500"},
        {"${file.meta.list[0].w}", "7"},
        {"${file.meta.list[1]}", "[1,2]"},
        {"${file.meta['a-b']}", "\"dash\""},
        {"${file[\"meta\"][\"list\"][1][0]}", "1"},
        {"${fields.o}", "{\"a\":{\"b\":true}}"},
        {"${fields.o.a.b}", "true"},
        {"${assembly.id}/${previous_step.name}", "\"a1/first\""},
        {"w${fields.w}h${fields.none}x", "\"w200hx\""},
        {"${file.meta.list[1]}!", "\"[1,2]!\""},
        {"${unique_prefix}/${file.meta.width}", "\"ab/cd/500\""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *p = json_pack("{s:s}", "path", rows[i][0]);
        AUTO(mem_free) char *params = json_text(p), *want = mem_printf("{\"path\":%s}", rows[i][1]);

        is(asked(params), "", params);
        is(applied(params, NULL), want, params);
    }
    /* what is not there is not given */
    static const char *const nothing[] = {
        "${file.meta.none}",    "${file.meta.none.x[0].y}", "${fields.x}", "${account.x}", "${template}",
        "${file.meta.list[9]}", "${unique_original_prefix}"};
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        AUTO(json_unref) json_t *p = json_pack("{s:s}", "path", nothing[i]);
        AUTO(mem_free) char *params = json_text(p);

        is(applied(params, NULL), "{}", params);
    }
}

static void what_is_more_than_a_lookup_needs_the_engine(void **state)
{
    static const char *const rows[] = {
        "file.name.length",
        "file.name[0]",
        "file.meta.list.length",
        "file.size.toFixed",
        "file.name.toUpperCase()",
        "file.meta.width/2",
        "fields.w || 200",
        "Math.max(1, 2)",
        "Date.now()",
        "file?.name",
        "file.meta['a\\x62']",
        "file . name",
        "1 + 1",
        "",
        "nothing",
        "fields.o[\"a\"]()",
        "file.meta.list[00]",
        "file.meta.list[-1]",
        "file.",
        "file.meta.list[99999999999999]",
        "fields.\xc3\xbc",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *text = mem_printf("${%s}", rows[i]);
        AUTO(json_unref) json_t *p = json_pack("{s:s}", "path", text);
        AUTO(json_unref) json_t *list = json_pack("[{s:s,s:b}]", "code", rows[i], "text", 0);
        AUTO(mem_free) char *params = json_text(p), *want = json_text(list), *refused = applied(params, NULL);

        is(asked(params), want, params);
        assert_true(*refused == '!' && strstr(refused, "needs JavaScript"));
    }
}

/* ---- values ---- */

static void values_come_to_where_they_were_asked_for(void **state)
{
    static const char params[] = "{\"path\":\"a${1+1}b${fields.w}c${2+2}\",\"more\":{\"x\":[\"${f()}\",\"${file.size}"
                                 "\",\"${g()}\"],\"y\":\"${h()}\"},\"n\":1}";
    (void)state;

    is(asked(params),
       "[{\"code\":\"1+1\",\"text\":true},{\"code\":\"2+2\",\"text\":true},{\"code\":\"f()\",\"text\":false},"
       "{\"code\":\"g()\",\"text\":false},{\"code\":\"h()\",\"text\":false}]",
       params);
    is(applied(params, "[\"2\",\"4\",{\"a\":1},[true],false]"),
       "{\"path\":\"a2b200c4\",\"more\":{\"x\":[{\"a\":1},12,[true]],\"y\":false},\"n\":1}", params);
    /* undefined: not given; in a list its place stays */
    is(applied(params, "[\"\",\"\",null,null,null]"), "{\"path\":\"ab200c\",\"more\":{\"x\":[\"\",12,\"\"]},\"n\":1}",
       params);
    /* a value is no text to look into again */
    is(applied("{\"path\":\"${f()}\"}", "[\"${file.name}\"]"), "{\"path\":\"${file.name}\"}",
       "a value with an expression");
    is(applied("{\"path\":\"${f()}\"}", "[1,2]"), "!the values of the expressions are those of other parameters",
       "one too many");
    is(applied("{\"path\":\"${file.name}\"}", "[1]"), "!the values of the expressions are those of other parameters",
       "one too many");
}

static void interpolate_says_what_is_text(void **state)
{
    (void)state;
    is(applied("{\"path\":\"${file.size}\",\"interpolate\":false}", NULL),
       "{\"path\":\"${file.size}\",\"interpolate\":false}", "false");
    is(applied("{\"path\":\"${f()}\",\"interpolate\":\"false\"}", NULL),
       "{\"path\":\"${f()}\",\"interpolate\":\"false\"}", "\"false\"");
    is(asked("{\"path\":\"${f()}\",\"interpolate\":false}"), "", "false");
    is(applied("{\"path\":\"${file.size}\",\"o\":{\"a\":\"${file.size}\",\"b\":\"${file.size}\"},\"interpolate\":{"
               "\"path\":false,\"o.a\":false}}",
               NULL),
       "{\"path\":\"${file.size}\",\"o\":{\"a\":\"${file.size}\",\"b\":12},\"interpolate\":{\"path\":false,\"o.a\":"
       "false}}",
       "names");
    is(applied("{\"o\":{\"a\":\"${file.size}\",\"b\":\"${file.size}\"},\"interpolate\":{\"o\":false,\"o.b\":true}}",
               NULL),
       "{\"o\":{\"a\":\"${file.size}\",\"b\":12},\"interpolate\":{\"o\":false,\"o.b\":true}}", "on again below");
    /* what is text by itself, until it is switched on */
    is(applied("{\"script\":\"`${file.size}`\",\"path\":\"${file.size}\"}", NULL),
       "{\"script\":\"`${file.size}`\",\"path\":12}", "literal");
    is(applied("{\"script\":\"`${file.size}`\",\"interpolate\":true}", NULL),
       "{\"script\":\"`12`\",\"interpolate\":true}", "true");
    is(applied("{\"script\":\"`${file.size}`\",\"interpolate\":{\"script\":true}}", NULL),
       "{\"script\":\"`12`\",\"interpolate\":{\"script\":true}}", "by name");
    is(asked("{\"script\":\"`${f()}`\",\"path\":\"x\"}"), "", "literal");
}

static void names_of_the_step_are_never_interpolated(void **state)
{
    static const char params[] =
        "{\"robot\":\"${f()}\",\"use\":[\"${f()}\"],\"result\":\"${f()}\",\"interpolate\":{\"${f()}\":true}}";
    (void)state;

    is(asked(params), "", params);
    is(applied(params, NULL), params, params);
    is(applied("{\"${file.name}\":1}", NULL), "{\"${file.name}\":1}", "a key");
}

static void what_an_expression_sees_has_no_more_than_its_names(void **state)
{
    AUTO(json_unref) json_t *w = json_reads(world);
    struct variables v = variables_of(w, NULL);
    AUTO(json_unref) json_t *all = variables_json(&v);
    (void)state;

    assert_int_equal(json_object_size(all), 5); /* assembly, file, fields, unique_prefix, previous_step */
    assert_string_equal(jstr(json_object_get(all, "previous_step"), "name"), "first");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_ends_where_javascript_says),
        cmocka_unit_test(what_is_nested_without_end_has_none),
        cmocka_unit_test(a_lookup_needs_no_engine),
        cmocka_unit_test(what_is_more_than_a_lookup_needs_the_engine),
        cmocka_unit_test(values_come_to_where_they_were_asked_for),
        cmocka_unit_test(interpolate_says_what_is_text),
        cmocka_unit_test(names_of_the_step_are_never_interpolated),
        cmocka_unit_test(what_an_expression_sees_has_no_more_than_its_names),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
