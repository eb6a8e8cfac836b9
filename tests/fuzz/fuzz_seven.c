/* What 7zz prints of an archive of anybody's: however it is written, the list stays within the bounds, and its members
 * lie one behind the other. The first byte says which bounds. */
#include "fuzz.h"
#include "media/seven_list.h"

#include <string.h>

static void check_list(const struct seven_list *l)
{
    int64_t at = 0;

    CHECK(l->count >= 0 && l->count <= l->limits->files && l->total <= l->limits->bytes);
    for (int64_t i = 0; i < l->count; i++) {
        CHECK(l->members[i].path && l->members[i].size >= 0);
        CHECK(l->members[i].at == at);
        CHECK(l->members[i].crc <= UINT32_MAX);
        at += l->members[i].size;
    }
    CHECK(at == l->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned how = take_byte(&b);
    const struct unpack_limits limits = {.files = how & 1 ? 3 : 100, .bytes = how & 2 ? 1000 : INT64_MAX};
    AUTO(seven_list_done) struct seven_list l = {.name = "a.7z", .limits = &limits};
    struct err err = {0};

    while (b.left) {
        AUTO(mem_free) char *line = take_line(&b);

        if (seven_list_line(&l, line, &err) < 0) {
            CHECK(err.code && err.msg[0] && l.fault != UNPACK_FINE);
            check_list(&l);
            return 0;
        }
        CHECK(l.fault == UNPACK_FINE);
    }
    check_list(&l);
    return 0;
}
