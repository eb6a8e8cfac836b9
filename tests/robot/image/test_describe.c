/* /image/describe. What needs a whole service: tests/transfer/ai.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/image/describe"
#define SAYS(text)                                                                                 \
    "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"" text "\"}}]}"

static void the_surest_label_comes_first_and_none_is_fine(void **state)
{
    static const struct {
        const char *answer, *step, *file;
    } table[] = {
        {SAYS("{\\\"descriptions\\\": [{\\\"name\\\": \\\"B\\\", \\\"confidence\\\": 5}, "
              "{\\\"name\\\": \\\"A\\\", "
              "\\\"confidence\\\": 5}, {\\\"name\\\": \\\"C\\\", \\\"confidence\\\": 60.5}]}"),
         "{}",
         "[{\"name\":\"C\",\"confidence\":60.5},{\"name\":\"A\",\"confidence\":5.0},{\"name\":"
         "\"B\",\"confidence\":5.0}]"},
        {SAYS("{\\\"descriptions\\\": []}"), "{\"format\": \"text\"}", ""},
        {SAYS("{\\\"descriptions\\\": [{\\\"name\\\": \\\"Gambling\\\", \\\"confidence\\\": -5}]}"),
         "{\"explicit_descriptions\": true, \"granularity\": \"list\"}", "[\"Gambling\"]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct talk_turn turns[] = {{"POST /chat/completions",
                                           "data:image/png;base64,d29yZHM=", 200, NULL,
                                           table[i].answer},
                                          {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "vision", "words");
        host_input(t.job)->mime = "image/png";
        json_object_set_new(host_settings(t.job), "ai_model", json_pack("{s:s}", "ai", "m"));
        talk_run(&t, table[i].step, NULL, NULL);
        AUTO(str_done) struct str text = {0};
        struct err err;
        assert_int_equal(json_file(&text, host_output(t.job, 0)->path, &err), 0);
        assert_string_equal(text.s ? text.s : "", table[i].file);
        talk_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_surest_label_comes_first_and_none_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
