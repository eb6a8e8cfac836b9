/* ${...} in parameters: a line with the file and the fields, then lines of parameters. */
#include "fuzz.h"
#include "assembly/variables.h"

#include <string.h>

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
        if (variables_apply(&out, params, &v, &err) < 0) {
            CHECK(err.code && err.msg[0] && !out);
        } else {
            AUTO(mem_free) char *text = json_text(out);
            CHECK(json_is_object(out) && *text == '{');
        }
        CHECK(json_equal(before, params)); /* it is a copy that changes */
    }
    const char *name = jstr(v.file, "basename"), *ext = jstr(v.file, "ext");
    AUTO(mem_free) char *slug = variables_slug(name ? name : "", ext ? ext : "");
    for (const char *p = slug; *p; p++)
        CHECK(*p != '/' && *p != ' ');
    return 0;
}
