/* A schema of a client, and the answer of a model that is held to it: "SCHEMA\nVALUE". */
#include "fuzz.h"
#include "transfer/ai_schema.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    AUTO(mem_free) char *text = take_rest(&b);
    char *line = strchr(text, '\n'), why[300];
    struct err err = {0};

    if (line)
        *line++ = 0;
    AUTO(json_unref) json_t *schema = ai_schema_read(text, &err);
    if (!schema) {
        CHECK(err.code == ERR_ROBOT_VALIDATION && strstr(err.msg, "schema"));
        return 0;
    }
    AUTO(json_unref) json_t *v = line ? json_parse(line, strlen(line), 64, &err) : NULL;
    if (v) {
        memset(why, 'x', sizeof why);
        bool fits = ai_schema_fits(schema, v, why, sizeof why);

        CHECK(memchr(why, 0, sizeof why));
        CHECK(fits || *why);
    }
    return 0;
}
