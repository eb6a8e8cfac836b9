/* Parameters of MIME headers, and the names of files in them. */
#include "fuzz.h"
#include "http/form_param.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"name", "filename", "filename*", "boundary", "charset", ""};
    struct bytes b = {data, len};
    AUTO(mem_free) char *header = take_rest(&b);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free) char *value = form_param(header, names[i]);

        if (!value)
            continue;
        CHECK(strlen(value) <= strlen(header));
        AUTO(mem_free) char *text = form_param_extended(value);
        CHECK(!text || utf8_valid(text, strlen(text)));
        form_drop_controls(value);
        for (const char *p = value; *p; p++)
            CHECK((unsigned char)*p >= 0x20 && *p != 0x7F);
        form_keep_basename(value);
        CHECK(!strchr(value, '/'));
    }
    return 0;
}
