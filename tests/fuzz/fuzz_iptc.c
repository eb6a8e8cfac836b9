/* IPTC records, alone or among Photoshop's resources. */
#include "fuzz.h"
#include "media/embedded.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    AUTO(json_unref) json_t *meta = json_pack("{s:s}", "title", "was there before");

    meta_add_iptc(meta, data, len);
    CHECK(json_is_object(meta) && !strcmp(jstr(meta, "title"), "was there before"));
    AUTO(mem_free) char *text = json_text(meta); /* it goes into the status */
    AUTO(json_unref) json_t *again = json_loads(text, JSON_ALLOW_NUL, NULL);
    CHECK(again);
    return 0;
}
