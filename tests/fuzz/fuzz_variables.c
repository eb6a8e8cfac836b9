/* ${...} in parameters: a line with the file and the fields, then lines of parameters. */
#include "fuzz.h"
#include "assembly/expression.h"
#include "assembly/variables.h"

#include <string.h>

static const struct option table[] = {{.name = "a", .type = OPT_TYPE_STR, .literal = true}, OPT_END};

/* As it goes with a script worker, which may answer anything within its bounds. */
static void evaluated(const json_t *params, struct variables v)
{
    AUTO(json_unref) json_t *asked = variables_ask(params, table, &v), *values = json_array(), *out = NULL;
    struct err err = {0};
    json_t *e;
    size_t i;

    json_array_foreach (asked, i, e) {
        AUTO(mem_free) char *whole = mem_printf("%s}", jstr(e, "code"));

        CHECK(expression_end(whole) == whole + strlen(whole) - 1);
        json_array_append_new(values, i % 3 == 0   ? json_string("${file.name}")
                                      : i % 3 == 1 ? json_null()
                                                   : json_pack("{s:[i]}", "x", 1));
    }
    v.values = values;
    CHECK(variables_apply(&out, params, table, &v, &err) == 0 && json_is_object(out));
    json_decref(take(out));
    json_array_append_new(values, json_true());
    CHECK(variables_apply(&out, params, table, &v, &err) < 0 && !out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(json_unref) json_t *world = take_json_line(&b);
    struct variables v = {.assembly_id = "0123456789abcdef0123456789abcdef",
                          .region = "local",
                          .unique_prefix = "ab/cd",
                          .previous_step = "first",
                          .file = json_object_get(world, "file"),
                          .fields = json_object_get(world, "fields")};

    while (b.left) {
        AUTO(json_unref) json_t *params = take_json_line(&b);
        AUTO(json_unref) json_t *out = NULL;
        struct err err = {0};

        if (!json_is_object(params))
            continue;
        AUTO(json_unref) json_t *before = json_deep_copy(params);
        if (variables_apply(&out, params, NULL, &v, &err) < 0) {
            CHECK(err.code && err.msg[0] && !out);
        } else {
            AUTO(mem_free) char *text = json_text(out);
            CHECK(json_is_object(out) && *text == '{');
        }
        evaluated(params, v);
        CHECK(json_equal(before, params)); /* it is a copy that changes */
    }
    const char *name = jstr(v.file, "basename"), *ext = jstr(v.file, "ext");
    AUTO(mem_free) char *slug = variables_slug(name ? name : "", ext ? ext : "");
    for (const char *p = slug; *p; p++)
        CHECK(*p != '/' && *p != ' ');
    return 0;
}
