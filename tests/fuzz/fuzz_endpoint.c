/* The text of the setting endpoint: names of services and the addresses that stand in for theirs. */
#include "fuzz.h"
#include "transfer/remote.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    AUTO(mem_free) char *text = take_rest(&b);
    struct err err = {0};
    AUTO(json_unref) json_t *all = remote_endpoints_read(text, &err);
    const char *name;
    json_t *v;

    if (!all) {
        CHECK(err.code == ERR_CONFIG && err.msg[0]);
        return 0;
    }
    json_object_foreach (all, name, v) {
        const char *url = json_string_value(v), *const *known = remote_endpoints;

        while (*known && strcmp(*known, name) != 0)
            known++;
        CHECK(*known && url);
        CHECK(str_starts(url, "http://") || str_starts(url, "https://"));
        const char *host = strstr(url, "//") + 2;
        CHECK(*host && *host != '/' && !str_ends(url, "/"));
        /* a path may be put behind it, and it goes into a line of a request */
        CHECK(!strpbrk(host, "?#@\\ \"<>"));
        for (const char *c = url; *c; c++)
            CHECK((unsigned char)*c > ' ' && *c != 0x7f);
        CHECK(utf8_valid(url, strlen(url)));
    }
    return 0;
}
