/* The head of an SVG. */
#include "fuzz.h"
#include "media/embedded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(json_unref) json_t *meta = json_object();

    meta_add_svg(meta, fuzz_file(data, len));
    AUTO(mem_free) char *text = json_text(meta);
    AUTO(json_unref) json_t *again = json_loads(text, 0, NULL);
    CHECK(again && json_object_size(again) <= 2);
    return 0;
}
