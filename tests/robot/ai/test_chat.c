/* /ai/chat, and the schemas that answers are held to. What needs a whole service:
 * tests/transfer/ai.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/ai.h"
#include "transfer/ai_schema.h"

#include <fcntl.h>

#define ROBOT "/ai/chat"
#define SAYS(text)                                                                                 \
    "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"" text "\"}}]}"

static void what_can_be_asked_is_looked_at_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"messages\": \"Hello\"}", NULL);
    talk_checks(ROBOT,
                "{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}, {\"role\": \"user\", "
                "\"content\": "
                "[{\"type\": \"text\", \"text\": \"b\"}]}]}",
                NULL);
    talk_checks(ROBOT, "{}", "'messages'");
    talk_checks(ROBOT, "{\"messages\": \"\"}", "'messages'");
    talk_checks(ROBOT, "{\"messages\": []}", "'messages'");
    talk_checks(ROBOT, "{\"messages\": [5]}", "entry 1");
    talk_checks(ROBOT, "{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}", "role 'tool'");
    talk_checks(ROBOT,
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
                "come by `use`");
    talk_checks(ROBOT, "{\"messages\": [{\"role\": \"user\"}]}", "no content");
    talk_checks(ROBOT, "{\"messages\": \"a\", \"model\": \"a b\"}", "'model'");
    talk_checks(ROBOT, "{\"messages\": \"a\", \"credentials\": [5]}", "'credentials'");
    talk_checks(ROBOT, "{\"messages\": \"a\", \"credentials\": [\"x\"], \"mcp_servers\": [{}]}",
                "mcp_servers");
    talk_checks(ROBOT, "{\"messages\": \"a\", \"schema\": \"{\"}", "'schema' can't be read");
    talk_checks(ROBOT, "{\"messages\": \"a\", \"schema\": \"[]\"}", "no JSON object");
}

static void the_key_is_that_of_who_makes_the_model(void **state)
{
    static const struct {
        const char *more, *key;
    } table[] = {
        {"", "Authorization: Bearer operators"},
        {", \"openai_api_key\": \"o\", \"xai_api_key\": \"x\"", "Authorization: Bearer o"},
        {", \"openai_api_key\": \"o\", \"xai_api_key\": \"x\", \"model\": \"xai/grok\"",
         "Authorization: Bearer x"},
        {", \"openai_api_key\": \"o\", \"xai_api_key\": \"x\", \"provider\": \"xai\"",
         "Authorization: Bearer x"},
        {", \"google_generative_ai_api_key\": \"g\", \"model\": \"llama3\"",
         "Authorization: Bearer g"},
        {", \"openai_api_key\": \"o\", \"test_credentials\": true",
         "Authorization: Bearer operators"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        bool vendor = strstr(table[i].more, "/grok") != NULL,
             named = strstr(table[i].more, "model") != NULL;
        const struct talk_turn listed[] = {
            {"GET /models", table[i].key, 200, NULL, "{\"data\": [{\"id\": \"m\"}]}"},
            {"POST /chat/completions", table[i].key, 200, NULL, SAYS("{}")},
            {0}};
        AUTO(mem_free) char *step = mem_printf("{\"messages\": \"a\"%s}", table[i].more);
        struct talk t;

        talk_begin(&t, vendor || !named ? listed : listed + 1, ROBOT, "ai", NULL);
        json_object_set_new(host_settings(t.job), "ai_key",
                            json_pack("{s:s,s:s}", "ai", "operators", "vision", "no"));
        talk_run(&t, step, NULL, NULL);
        assert_string_equal(host_output(t.job, 0)->name, "answer.json");
        talk_end(&t);
    }
}

static void odd_lists_of_models_give_none(void **state)
{
    static const char *const odd[] = {"{}",
                                      "{\"data\": []}",
                                      "{\"data\": [{\"id\": \"\"}]}",
                                      "{\"data\": [5]}",
                                      "{\"data\": [{\"id\": \"a\\nb\"}]}",
                                      "no JSON"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {{"GET /models", NULL, i % 2 ? 404 : 200, NULL, odd[i]},
                                          {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "ai", NULL);
        talk_run(&t, "{\"messages\": \"a\"}", "AI_CHAT_VALIDATION", "--ai-model ai=MODEL");
        talk_end(&t);
    }
}

/* ---- schemas ---- */

static void a_schema_is_read_or_refused(void **state)
{
    static const struct {
        const char *schema, *why; /* NULL: it is fine */
    } table[] = {
        {"{\"type\": [\"string\", \"null\"], \"examples\": 5}", NULL},
        {"{\"properties\": {\"a\": {\"type\": \"text\"}}}", "'type'"},
        {"{\"required\": \"a\"}", "'required'"},
        {"{\"enum\": []}", "'enum'"},
        {"{\"anyOf\": {}}", "'anyOf'"},
        {"{\"items\": [{}]}", "a schema is"},
        {"{\"properties\": []}", "'properties'"},
        {"{\"minLength\": \"3\"}", "'minLength'"},
        {"{\"$ref\": \"http://x/\"}", "'$ref'"},
        {"{\"$ref\": \"#/examples/a\"}", "'$ref'"},
        {"{\"$defs\": {\"a\": {\"type\": 5}}}", "'type'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err err = {0};
        AUTO(json_unref) json_t *s = ai_schema_read(table[i].schema, &err);

        if ((s != NULL) == (table[i].why != NULL) ||
            (table[i].why && !strstr(err.msg, table[i].why)))
            fail_msg("%s: %s", table[i].schema, err.msg);
    }
}

static void a_value_fits_or_it_is_said_what_does_not(void **state)
{
#define LIST                                                                                       \
    "{\"type\": \"array\", \"items\": {\"type\": \"object\", \"required\": [\"p\"], "              \
    "\"properties\": {\"p\": {\"type\": \"number\"}}}}"
#define TREE                                                                                       \
    "{\"$defs\": {\"t\": {\"type\": \"object\", \"properties\": {\"l\": {\"$ref\": "               \
    "\"#/$defs/t\"}}, \"additionalProperties\": false}}, \"$ref\": \"#/$defs/t\"}"
    static const struct {
        const char *schema, *value, *why; /* NULL: it fits */
    } table[] = {
        {LIST, "[{\"p\": 1}, {\"p\": 2.5, \"q\": 1}]", NULL},
        {LIST, "[{\"p\": 1}, {\"p\": \"2\"}]", "[1].p is of type string, not number"},
        {LIST, "[{}]", "[0] has no 'p'"},
        {LIST, "{}", "it is of type object, not array"},
        {TREE, "{\"l\": {\"l\": {}}}", NULL},
        {TREE, "{\"l\": {\"l\": {\"m\": 1}}}", "l.l has a 'm'"},
        {"{\"$ref\": \"#\"}", "1", "too deep"},
        {"{\"$ref\": \"#/$defs/none\"}", "1", "not in the schema"},
        {"{\"enum\": [1, \"a\", null]}", "1.0", NULL},
        {"{\"enum\": [1, \"a\", null]}", "\"b\"", "none of the values"},
        {"{\"const\": {\"a\": 1}}", "{\"a\": 1}", NULL},
        {"{\"type\": \"integer\"}", "3.0", NULL},
        {"{\"type\": \"integer\"}", "3.5", "not integer"},
        {"{\"type\": [\"string\", \"null\"]}", "null", NULL},
        {"{\"type\": [\"string\", \"null\"]}", "true", "none of those"},
        {"{\"minLength\": 2, \"maxLength\": 2}", "\"\xc3\xa4\xc3\xb6\"", NULL},
        {"{\"minLength\": 3}", "\"\xc3\xa4\xc3\xb6\"", "the least is 3"},
        {"{\"maxItems\": 1}", "[1, 2]", "the most is 1"},
        {"{\"minimum\": 0, \"maximum\": 5}", "6", "the most is 5"},
        {"{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", "null", NULL},
        {"{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", "1", "none of the forms"},
        {"{\"oneOf\": [{\"type\": \"number\"}, {\"type\": \"integer\"}]}", "1",
         "several of the forms"},
        {"{\"allOf\": [{\"minimum\": 1}, {\"maximum\": 2}]}", "3", "the most is 2"},
        {"{\"additionalProperties\": {\"type\": \"string\"}}", "{\"a\": 1}", "a is of type"},
        {"{\"properties\": {\"a\": false}}", "{\"a\": 1}", "may not be there"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err err = {0};
        AUTO(json_unref) json_t *s = ai_schema_read(table[i].schema, &err);
        AUTO(json_unref) json_t *v = json_loads(table[i].value, JSON_DECODE_ANY, NULL);
        char why[300];

        assert_true(s && v);
        if (ai_schema_fits(s, v, why, sizeof why) == (table[i].why != NULL) ||
            (table[i].why && !strstr(why, table[i].why)))
            fail_msg("%s %s: %s", table[i].schema, table[i].value, why);
    }
}

static void alternatives_of_alternatives_come_to_an_end(void **state)
{
    struct err err = {0};
    AUTO(json_unref)
    json_t *s = ai_schema_read(
        "{\"anyOf\": [{\"$ref\": \"#\"}, {\"$ref\": \"#\"}, {\"$ref\": \"#\"}]}", &err);
    AUTO(json_unref) json_t *v = json_integer(1);
    char why[300];

    (void)state;
    assert_non_null(s);
    assert_false(ai_schema_fits(s, v, why, sizeof why));
}

/* ---- what Robots with other media use ---- */

#define AT "http://%s/x"
static void bytes_and_base64_go_into_files_within_bounds(void **state)
{
    const struct talk_turn turns[] = {
        {"GET /x", NULL, 200, "Content-Type: image/png; a=b\r\n", "abcdef"},
        {"GET /x", NULL, 200, NULL, "abcdef"},
        {"GET /x", NULL, 200, NULL, ""},
        {"POST /form", "filename=\"a%22.txt\"\r\nContent-Type: text/plain\r\n\r\nwords\r\n--", 200,
         NULL, "{}"},
        {0}};
    struct err err = {0};
    char mime[AI_MIME_MAX];
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "ai", "words");
    struct robot_input in = *robot_input(t.job, 0);
    in.name = "a\".txt";
    in.mime = "text/plain";
    AUTO(ai_done) struct ai a = {0};
    AUTO(fd_close) int fd = open(host_path(t.job, "out"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO(mem_free) char *url = mem_printf(AT, t.host);
    assert_int_equal(ai_open(&a, t.job, "speech", NULL, &err), 0);
    assert_int_equal(ai_fetch_to_fd(&a, url, fd, 6, mime, &err), 0);
    assert_string_equal(mime, "image/png");
    assert_int_equal(ai_fetch_to_fd(&a, url, fd, 5, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "more than 5 bytes"));
    assert_int_equal(ai_fetch_to_fd(&a, url, fd, 5, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "empty"));
    const struct ai_part parts[] = {{.name = "model", .text = "m"}, {.name = "file", .file = &in}};
    AUTO(json_unref)
    json_t *said =
        ai_call(&a, &(struct ai_call){.path = "/form", .parts = parts, .part_count = 2}, &err);
    if (!said)
        fail_msg("%s; %s", err.msg, t.wrong);
    assert_int_equal(ai_base64_to_fd(&a, "data:image/png;base64,YWJj", fd, 3, &err), 0);
    assert_int_equal(ai_base64_to_fd(&a, "YWJjZA==", fd, 3, &err), -1);
    assert_int_equal(ai_base64_to_fd(&a, "", fd, 3, &err), -1);
    assert_int_equal(ai_base64_to_fd(&a, "!!!!", fd, 3, &err), -1);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 9);
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_asked_is_looked_at_before),
        cmocka_unit_test(the_key_is_that_of_who_makes_the_model),
        cmocka_unit_test(odd_lists_of_models_give_none),
        cmocka_unit_test(a_schema_is_read_or_refused),
        cmocka_unit_test(a_value_fits_or_it_is_said_what_does_not),
        cmocka_unit_test(alternatives_of_alternatives_come_to_an_end),
        cmocka_unit_test(bytes_and_base64_go_into_files_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
