/* Lists of allowed networks, and addresses asked of them: 18 bytes of address and port, then the list. Whatever is in the
 * list, it is the list that opens a private address: "" never does. */
#include "fuzz.h"
#include "http/guard.h"

#include <netinet/in.h>
#include <string.h>

/* What IPv4 address does it lead to, in which form ever? */
static bool embedded_v4(uint32_t *out, const uint8_t a[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF}, nat64[12] = {0, 0x64, 0xFF, 0x9B};
    const uint8_t *v4 = !memcmp(a, mapped, 12) || !memcmp(a, nat64, 12) ? a + 12 : a[0] == 0x20 && a[1] == 2 ? a + 2 : NULL;

    if (v4)
        *out = (uint32_t)v4[0] << 24 | (uint32_t)v4[1] << 16 | (uint32_t)v4[2] << 8 | v4[3];
    return v4;
}

static bool is_inside(uint32_t v4)
{
    return v4 >> 24 == 0 || v4 >> 24 == 10 || v4 >> 24 == 127 || v4 >> 16 == 0xC0A8 || v4 >> 20 == 0xAC1 || v4 >> 16 == 0xA9FE ||
           v4 >> 28 >= 0xE || v4 >> 22 == 0x64400000 >> 22;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    uint32_t v4;

    for (size_t i = 0; i < 16; i++)
        six.sin6_addr.s6_addr[i] = (uint8_t)take_byte(&b);
    six.sin6_port = four.sin_port = htons((uint16_t)(take_byte(&b) << 8 | take_byte(&b)));
    memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
    AUTO(mem_free) char *list = take_rest(&b);

    if (is_inside(ntohl(four.sin_addr.s_addr)))
        CHECK(!guard_allows((const struct sockaddr *)&four, ""));
    if (embedded_v4(&v4, six.sin6_addr.s6_addr) && is_inside(v4))
        CHECK(!guard_allows((const struct sockaddr *)&six, ""));
    bool readable = guard_check_list(list) == 0;
    bool in4 = guard_allows((const struct sockaddr *)&four, list);
    bool in6 = guard_allows((const struct sockaddr *)&six, list);
    CHECK(in4 || !guard_allows((const struct sockaddr *)&four, ""));
    CHECK(in6 || !guard_allows((const struct sockaddr *)&six, ""));
    /* the server does not start with a list that can't be read; whatever stands in one is then no permission */
    (void)readable;
    return 0;
}
