/* Dates that clients write: what can be read can be written, and is read as the same again. */
#include "fuzz.h"
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(mem_free) char *text = take_rest(&b);
    char status[DATE_LEN + 1], iso[25], http[30];
    int64_t at, again;

    if (date_parse(&at, text) < 0)
        return 0;
    date_format(status, at);
    date_format_iso(iso, at);
    date_format_http(http, at);
    if (at < 0 || at >= INT64_C(253402300800) * SECOND_US) /* beyond four digits of a year */
        return 0;
    CHECK(date_parse(&again, status) == 0 && again / SECOND_US == at / SECOND_US);
    CHECK(date_parse(&again, iso) == 0 && again / 1000 == at / 1000);
    return 0;
}
