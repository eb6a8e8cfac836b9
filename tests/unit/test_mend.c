/* What people type and mean to be JSON: each mistake is found at its place, and what was meant is read all the same. */
#include "assembly/check_text.h"
#include "base/json.h"
#include "base/json_mend.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* A line each: line:column text (help). */
static char *found_in(const char *text, size_t len)
{
    struct check_lines c;
    struct str b = {0};

    json_decref(check_read(&c, text, len));
    str_puts(&b, "");
    check_sort(&c);
    for (int i = 0; i < c.count; i++) {
        assert_true(c.v[i].len > 0 && c.v[i].at <= len);
        str_addf(&b, "%d:%d %s%s%s%s\n", c.v[i].line, c.v[i].column,
                 c.v[i].text + (strncmp(c.v[i].text, "not JSON: ", 10) ? 0 : 10), c.v[i].help ? " (" : "",
                 c.v[i].help ? c.v[i].help : "", c.v[i].help ? ")" : "");
    }
    check_done(&c);
    return str_take(&b);
}

struct typed {
    const char *text, *found, *meant; /* meant NULL: nothing can be made of it */
};

static void check_typed(const struct typed *t, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(mem_free) char *found = found_in(t[i].text, strlen(t[i].text));
        struct json_mended m;

        if (strcmp(found, t[i].found) != 0)
            fail_msg("of\n%s\nis said:\n%s\nand not:\n%s", t[i].text, found, t[i].found);
        json_mend(&m, t[i].text, strlen(t[i].text));
        assert_int_equal(m.gave_up, t[i].meant == NULL);
        if (t[i].meant) {
            struct err err;
            AUTO(json_unref) json_t *is = json_parse(m.text.s, m.text.len, 200, &err);
            AUTO(json_unref) json_t *meant = json_loads(t[i].meant, JSON_DECODE_ANY, NULL);

            assert_non_null(meant);
            if (!is || !json_equal(is, meant))
                fail_msg("%s\nwas taken for: %s", t[i].text, m.text.s);
        }
        json_mended_done(&m);
    }
}
#define CHECK_TYPED(table) check_typed(table, ARRAY_LEN(table))

static void commas_and_colons_are_missing_or_too_many(void **state)
{
    static const struct typed table[] = {
        {"{\"a\": 1}", "", "{\"a\":1}"},
        {"{\"a\": {\"b\": 1,\n}}", "1:14 a comma too many: nothing follows it before '}' (take it away)\n",
         "{\"a\":{\"b\":1}}"},
        {"[1, 2, ]", "1:6 a comma too many: nothing follows it before ']' (take it away)\n", "[1,2]"},
        {"{\"a\": 1,,\n \"b\": 2}", "1:9 a comma too many: nothing stands before it (take it away)\n",
         "{\"a\":1,\"b\":2}"},
        {"{, \"a\": 1}", "1:2 a comma too many: nothing stands before it (take it away)\n", "{\"a\":1}"},
        {"{\"a\": 1\n \"b\": 2}", "1:8 a comma is missing before \"b\" (put it here)\n", "{\"a\":1,\"b\":2}"},
        {"[{} {}]", "1:4 a comma is missing before '{' (put it here)\n", "[{},{}]"},
        {"{\"a\" 1}", "1:5 a colon is missing after the name \"a\" (put it here)\n", "{\"a\":1}"},
        {"{\"a\":: 1}", "1:6 a colon too many\n", "{\"a\":1}"},
        {"{\"a\": , \"b\": 2}", "1:6 a value is missing after \"a\"\n", "{\"a\":null,\"b\":2}"},
        {"{\"a\"}", "1:5 a colon and a value are missing after the name \"a\"\n", "{\"a\":null}"},
        {"{\"a\" = 1; \"b\" => 2}", "1:6 a colon belongs here, not '='\n1:9 a comma belongs here, not ';'\n"
                                    "1:15 a colon belongs here, not '='\n", "{\"a\":1,\"b\":2}"},
        {"[\"a\": 1]", "1:5 a colon does not belong here (members with names stand between { and }, not in a list)\n"
                       "1:6 a comma is missing before '1' (put it here)\n", "[\"a\",1]"},
    };
    (void)state;
    CHECK_TYPED(table);
}

static void quotes_are_single_missing_or_typographic(void **state)
{
    static const struct typed table[] = {
        {"{'a': 'it\\'s \"b\"'}",
         "1:2 single quotes (JSON has double quotes only: \")\n1:7 single quotes (JSON has double quotes only: \")\n",
         "{\"a\":\"it's \\\"b\\\"\"}"},
        {"{\"a\": \xe2\x80\x9c" "b\xe2\x80\x9d}", "1:7 typographic quotes (JSON has double quotes only: \")\n",
         "{\"a\":\"b\"}"},
        {"{width: 3, robot: /image/resize,\n url: https://a.example/b?c=d#e}",
         "1:2 the name 'width' needs double quotes (\"width\")\n1:12 the name 'robot' needs double quotes (\"robot\")\n"
         "1:19 the text '/image/resize' needs double quotes\n2:2 the name 'url' needs double quotes (\"url\")\n"
         "2:7 the text 'https://a.example/b?c=d#e' needs double quotes\n",
         "{\"width\":3,\"robot\":\"/image/resize\",\"url\":\"https://a.example/b?c=d#e\"}"},
        {"{\"a\": \"b,\n \"c\": 1}", "1:7 this text has no closing quote (put it where the text ends)\n",
         "{\"a\":\"b\",\"c\":1}"},
        {"{\"a\": \"b}", "1:7 this text has no closing quote (put it where the text ends)\n", "{\"a\":\"b\"}"},
        {"{\"a: 1, \"b\": 2}", "1:2 this name has no closing quote (put it before the colon)\n", "{\"a\":1,\"b\":2}"},
        {"{a\": 1}", "1:2 this name has no opening quote (put it before the name)\n", "{\"a\":1}"},
        {"{\"a\": b\", \"c\": 1}", "1:7 this text has no opening quote (put it before the text)\n",
         "{\"a\":\"b\",\"c\":1}"},
        {"{\"a\": ${file.name}, \"b\": True, \"c\": undefined}",
         "1:7 the text '${file.name}' needs double quotes\n1:26 'True' is no value of JSON (did you mean true?)\n"
         "1:37 'undefined' is no value of JSON (did you mean null?)\n",
         "{\"a\":\"${file.name}\",\"b\":true,\"c\":null}"},
        {"{\"a\": \"C:\\dir\ty\"}", "1:10 '\\d' is no escape of JSON (a backslash itself is written \\\\)\n"
                                 "1:14 a tab within a text (it is written \\t)\n", "{\"a\":\"C:\\\\dir\\ty\"}"},
        {"[.5, +7, 007, 0x10, 3.]",
         "1:2 '.5' is not how JSON writes a number (did you mean 0.5?)\n"
         "1:6 '+7' is not how JSON writes a number (did you "
         "mean 7?)\n1:10 '007' is not how JSON writes a number (did you mean 7?)\n1:15 '0x10' is not how JSON writes a "
         "number (did you mean 16?)\n1:21 '3.' is not how JSON writes a number (did you mean 3?)\n",
         "[0.5,7,7,16,3]"},
    };
    (void)state;
    CHECK_TYPED(table);
}

static void brackets_are_open_or_wrong(void **state)
{
    static const struct typed table[] = {
        {"{\"a\": {\"b\": 1}", "1:1 '{' is never closed (the text ends before)\n", "{\"a\":{\"b\":1}}"},
        {"{\n  \"a\": {\n    \"b\": {\n      \"c\": 1\n  },\n  \"d\": 2\n}\n",
         "3:10 '{' is never closed (by the indentation its end is missing)\n", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}"},
        {"{\"a\": [1, 2}", "1:12 ']' is missing before this '}': that of the '[' in line 1\n", "{\"a\":[1,2]}"},
        {"{\"a\": 1]", "1:8 '}' belongs here, not ']': it closes the '{' in line 1\n", "{\"a\":1}"},
        {"{\"a\": 1}}", "1:9 '}' too many (everything that was opened is closed already)\n", "{\"a\":1}"},
        {"{\"a\": 1}, \"b\": 2}", "1:9 nothing may follow the end, but ',' does (is a bracket before this closed too "
                                 "early?)\n", "{\"a\":1}"},
        {"\"steps\": {\"a\": 1}", "1:1 braces around it all are missing (begin with { and end with })\n",
         "{\"steps\":{\"a\":1}}"},
        {"steps: {\"a\": 1}", "1:1 braces around it all are missing (begin with { and end with })\n"
                              "1:1 the name 'steps' needs double quotes (\"steps\")\n", "{\"steps\":{\"a\":1}}"},
        {"[1, 2", "1:1 '[' is never closed (the text ends before)\n", "[1,2]"},
        {"{\"a\": [{", "1:8 '{' is never closed, and neither are others: 3 in all (the text ends before)\n",
         "{\"a\":[{}]}"},
        {"{\"a\": 1, \"a\": 2}",
         "1:10 \"a\" is here twice, and only this one counts (the first one stands in line 1)\n",
         "{\"a\":2}"},
    };
    (void)state;
    CHECK_TYPED(table);
}

static void what_is_no_json_at_all_is_named(void **state)
{
    static const struct typed table[] = {
        {"", "1:1 there is nothing in it\n", NULL},
        {" \n\t", "1:1 there is nothing in it\n", NULL},
        {" ]", "1:2 it begins with ']' (Instructions are JSON: they begin with {)\n", NULL},
        {"// a\n{\"a\": /* b */ 1} # c",
         "1:1 JSON has no comments (take it away)\n2:7 JSON has no comments (take it away)\n"
                                        "2:18 JSON has no comments (take it away)\n", "{\"a\":1}"},
        {"\xef\xbb\xbf{}", "1:1 there is a byte order mark before the text (save it as UTF-8 without one)\n", "{}"},
        {"{\xc2\xa0\"a\": 1}", "1:2 this looks like a blank, but is another character (put a plain blank here)\n",
         "{\"a\":1}"},
        {"steps:\n  a:\n", "1:1 this looks like YAML (Instructions are JSON: they begin with {)\n", NULL},
        {"---\nsteps:", "1:1 this looks like YAML (Instructions are JSON: they begin with {)\n", NULL},
        {"<html>", "1:1 this looks like HTML or XML (Instructions are JSON: they begin with {)\n", NULL},
        {"\xff\xfe{", "1:1 this is UTF-16, or no text at all (save it as UTF-8)\n", NULL},
        {"const a = {\"b\": 1};", "1:1 this looks like JavaScript (JSON begins with the { itself)\n"
                                 "1:19 nothing may follow the end, but ';' does (is a bracket before this closed too "
                                 "early?)\n", "{\"b\":1}"},
    };
    (void)state;
    CHECK_TYPED(table);
}

/* The one thing that must hold of every text: it has a fault when the reader of requests refuses it, else none, and
 * what was meant is JSON. */
static void check_agrees(const char *text, size_t len)
{
    struct err err;
    AUTO(json_unref) json_t *is = json_parse(text, len, 200, &err);
    struct json_mended m;
    int faults = 0;

    json_mend(&m, text, len);
    for (int i = 0; i < m.count; i++)
        faults += !m.faults[i].is_doubtful;
    if (!is != (faults > 0))
        fail_msg("%d faults in: %.*s", faults, (int)len, text);
    if (!m.gave_up) {
        AUTO(json_unref) json_t *meant = json_parse(m.text.s, m.text.len, 1000, &err);

        if (!meant || (is && !json_equal(is, meant)))
            fail_msg("%.*s\nbecame: %s\n%s", (int)len, text, m.text.s, err.msg);
    }
    for (size_t at = 0, before = 0; at < m.text.len; at++) {
        size_t origin = json_mended_origin(&m, at);

        assert_true(origin <= len + 8 || before > len);
        before = origin;
    }
    json_mended_done(&m);
}

static unsigned long seed = 12345;
static size_t any(size_t below)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (size_t)(seed >> 33) % below;
}

static void whatever_is_typed_is_read_or_refused(void **state)
{
    static const char good[] = "{\"steps\": {\"a\": {\"robot\": \"/image/resize\", "
                               "\"use\": [\":original\", {\"b\": null}],\n"
                               "\t\"width\": -1.5e3, \"zoom\": false, \"t\": \"\\u00e4\\n \xc3\xa4\"}}}\n";
    static const char bits[] = "{}[]:,;\"'`\\/*#\n\t =${}0.-+eEtrue\xe2\x80\x9c\xc2\xa0\xff_a";
    char text[sizeof good * 2];
    (void)state;

    for (int i = 0; i < 30000; i++) {
        size_t len = sizeof good - 1;

        memcpy(text, good, len);
        for (size_t n = any(4) + 1; n; n--) {
            size_t at = any(len), how = any(3);

            if (how == 0) {
                memmove(text + at, text + at + 1, --len - at);
            } else if (how == 1) {
                memmove(text + at + 1, text + at, len++ - at);
                text[at] = bits[any(sizeof bits)];
            } else {
                text[at] = bits[any(sizeof bits)];
            }
        }
        if (any(8) == 0)
            len = any(len);
        AUTO(mem_free) char *exact = memcpy(mem_alloc(len + 1), text, len); /* nothing is read behind it */
        exact[len] = '"';
        check_agrees(exact, len);
    }
}

static void large_and_deep_texts_take_no_time(void **state)
{
    static const char *const pieces[] = {"[", "{", "{\"a\":", " ", "\n", "}", "]", "/*", "//", "\"", "'", "\\", "a", ",", ":",
                                         "1 ",
                                         "\xc2\xa0", "${",
                                         "${a} ", "\"a\":1,", "{\"a\":[", "0"};
    const size_t len = 1 << 20;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (int in_list = 0; in_list < 2; in_list++) {
            AUTO(mem_free) char *text = mem_alloc(len);
            size_t n = strlen(pieces[i]);

            text[0] = '[';
            for (size_t at = (size_t)in_list; at < len; at++)
                text[at] = pieces[i][at % n];
            struct check_lines c;

            json_decref(check_read(&c, text, len));
            assert_true(c.count <= 2 * JSON_FAULTS_MOST);
            check_sort(&c);
            check_done(&c);
        }
}

/* The whole way: a broken text, and what is wrong with what was meant by it, where it stands in the broken one. */
static void what_was_meant_is_looked_at_too(void **state)
{
    static const char text[] = "{\n"
                               "  // resize it\n"
                               "  'steps': {\n"
                               "    small: { robot: '/image/rezise', use: ':original' },\n"
                               "    \"b\": {\"robot\": \"/image/resize\", \"use\": \":original\", \"widht\": 3,},\n"
                               "  }\n"
                               "}\n";
    struct check_lines c;
    AUTO(json_unref) json_t *params = check_read(&c, text, sizeof text - 1);
    bool robot = false, width = false;
    (void)state;

    assert_non_null(params);
    check_steps(&c, params);
    check_sort(&c);
    for (int i = 0; i < c.count; i++) {
        robot |= c.v[i].line == 4 && c.v[i].column == 21 && strstr(c.v[i].text, "/image/resize") && c.v[i].step;
        width |= c.v[i].line == 5 && c.v[i].column == 57 && strstr(c.v[i].text, "did you mean 'width'");
        assert_true(i == 0 || c.v[i - 1].at <= c.v[i].at);
    }
    assert_true(robot && width);
    check_done(&c);
}

static void steps_that_stand_elsewhere_are_found(void **state)
{
    static const struct {
        const char *text, *said, *help;
    } cases[] = {
        {"{\"a\": {\"robot\": \"/file/hash\", \"use\": \":original\"}}", "looks like Steps", "{\"steps\": {...}}"},
        {"{\"step\": {\"a\": {\"robot\": \"/file/hash\"}}}", "but 'step'", "did you mean 'steps'?"},
        {"{\"template\": {\"steps\": {}}}", "but 'template'", "Instructions begin with"},
        {"{\"x\": 1}", "steps", NULL},
        {"[]", "steps", NULL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct check_lines c;
        AUTO(json_unref) json_t *params = check_read(&c, cases[i].text, strlen(cases[i].text));

        check_steps(&c, params);
        check_sort(&c);
        assert_true(c.of_kind[CHECK_REFUSED] > 0);
        if (!strcasestr(c.v[0].text, cases[i].said))
            fail_msg("%s: %s", cases[i].text, c.v[0].text);
        if (cases[i].help)
            assert_non_null(strstr(c.v[0].help, cases[i].help));
        check_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_and_colons_are_missing_or_too_many),
        cmocka_unit_test(quotes_are_single_missing_or_typographic),
        cmocka_unit_test(brackets_are_open_or_wrong),
        cmocka_unit_test(what_is_no_json_at_all_is_named),
        cmocka_unit_test(whatever_is_typed_is_read_or_refused),
        cmocka_unit_test(large_and_deep_texts_take_no_time),
        cmocka_unit_test(what_was_meant_is_looked_at_too),
        cmocka_unit_test(steps_that_stand_elsewhere_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
