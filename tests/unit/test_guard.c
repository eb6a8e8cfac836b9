#include "base/auto.h"
#include "http/guard.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool allows(const char *addr, int port, const char *allow)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    if (inet_pton(AF_INET, addr, &in4.sin_addr) == 1)
        return guard_allows((struct sockaddr *)&in4, allow);
    if (inet_pton(AF_INET6, addr, &in6.sin6_addr) != 1)
        fail_msg("'%s' is not an address", addr);
    return guard_allows((struct sockaddr *)&in6, allow);
}

static void only_public_addresses_pass_an_empty_list(void **state)
{
    static const struct {
        const char *addr;
        bool ok;
    } rows[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"93.184.216.34", true},
        {"100.63.255.255", true},
        {"100.128.0.0", true},
        {"172.15.255.255", true},
        {"172.32.0.0", true},
        {"192.0.1.0", true},
        {"198.17.255.255", true},
        {"198.20.0.0", true},
        {"223.255.255.255", true},
        {"2606:4700:4700::1111", true},
        {"2a00:1450:4001:81b::200e", true},
        {"::ffff:8.8.8.8", true},
        {"64:ff9b::8.8.8.8", true},
        {"2002:808:808::1", true},

        {"0.0.0.0", false},
        {"0.1.2.3", false},
        {"10.0.0.1", false},
        {"10.255.255.255", false},
        {"100.64.0.1", false},
        {"100.127.255.255", false},
        {"127.0.0.1", false},
        {"127.255.255.254", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"192.0.0.8", false},
        {"192.0.2.1", false},
        {"192.88.99.1", false},
        {"192.168.1.1", false},
        {"198.18.0.1", false},
        {"198.19.255.255", false},
        {"198.51.100.1", false},
        {"203.0.113.1", false},
        {"224.0.0.1", false},
        {"239.255.255.255", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"::7f00:1", false},
        {"::8.8.8.8", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.1.2.3", false},
        {"::ffff:169.254.169.254", false},
        {"::ffff:0:127.0.0.1", false},
        {"64:ff9b::127.0.0.1", false},
        {"64:ff9b::10.0.0.1", false},
        {"64:ff9b::169.254.169.254", false},
        {"64:ff9b:1::808:808", false},
        {"2002:7f00:1::", false},
        {"2002:a00:1::1", false},
        {"2002:c0a8:101::", false},
        {"2001::1", false},
        {"2001:2::1", false},
        {"2001:db8::1", false},
        {"3fff::1", false},
        {"5f00::1", false},
        {"100::1", false},
        {"fc00::1", false},
        {"fdff::1", false},
        {"fe80::1", false},
        {"febf::1", false},
        {"fec0::1", false},
        {"ff02::1", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (allows(rows[i].addr, 80, "") != rows[i].ok)
            fail_msg("%s should %sbe allowed", rows[i].addr, rows[i].ok ? "" : "not ");
}

static void the_list_opens_what_it_names_and_nothing_else(void **state)
{
    static const struct {
        const char *addr;
        int port;
        const char *allow;
        bool ok;
    } rows[] = {
        {"127.0.0.1", 80, "127.0.0.1", true},
        {"127.0.0.2", 80, "127.0.0.1", false},
        {"127.0.0.1", 9000, "127.0.0.1:9000", true},
        {"127.0.0.1", 9001, "127.0.0.1:9000", false},
        {"10.1.2.3", 80, "10.0.0.0/8", true},
        {"11.1.2.3", 80, "192.168.0.0/16,10.0.0.0/8", true}, /* public anyway */
        {"192.168.9.9", 80, "10.0.0.0/8", false},
        {"192.168.9.9", 80, " 10.0.0.0/8 , 192.168.0.0/16 ", true},
        {"10.200.0.1", 443, "10.128.0.0/9:443", true},
        {"10.200.0.1", 80, "10.128.0.0/9:443", false},
        {"10.100.0.1", 443, "10.128.0.0/9:443", false},
        {"fd00::7", 80, "fd00::/8", true},
        {"fc00::7", 80, "fd00::/8", false},
        {"::1", 80, "[::1]:80", true},
        {"::1", 81, "[::1]:80", false},
        {"::1", 81, "[::1]", true},
        {"::1", 81, "::1", true},
        {"::1", 81, "localhost", true},
        {"127.0.0.1", 81, "localhost", true},
        {"10.0.0.1", 81, "localhost", false},
        {"::ffff:127.0.0.1", 80, "127.0.0.1", true},
        {"64:ff9b::10.0.0.1", 80, "10.0.0.0/8", true},
        {"2002:a00:1::1", 80, "10.0.0.0/8", true},
        {"2002:a00:1::1", 80, "192.168.0.0/16", false},
        {"127.0.0.1", 80, "0.0.0.0/0", true},
        {"::1", 80, "0.0.0.0/0", false},
        {"10.0.0.1", 80, "*", true},
        {"fe80::1", 80, "1.2.3.4,*", true},
        {"127.0.0.1", 80, "nonsense,127.0.0.1", true},
        {"127.0.0.1", 80, "127.0.0.1/33", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (allows(rows[i].addr, rows[i].port, rows[i].allow) != rows[i].ok)
            fail_msg("%s port %d should %sbe allowed by '%s'", rows[i].addr, rows[i].port,
                     rows[i].ok ? "" : "not ", rows[i].allow);
}

static void other_address_families_are_refused(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;

    assert_false(guard_allows((struct sockaddr *)&un, "*"));
}

static void a_list_that_cannot_be_read_is_found_out_at_start(void **state)
{
    static const char *const good[] = {"",
                                       "*",
                                       "127.0.0.1",
                                       "127.0.0.1:1",
                                       "10.0.0.0/8",
                                       "fd00::/8",
                                       "[::1]:443",
                                       "[fd00::/8]:1",
                                       "10.0.0.0/8:443",
                                       "localhost",
                                       " ",
                                       " 1.2.3.4 , ::1 "};
    static const char *const bad[] = {"127.0.0.1:0",  "127.0.0.1:65536", "127.0.0.1:x",
                                      "10.0.0.0/33",  "10.0.0.0/-1",     "fd00::/129",
                                      "example.test", "127.0.0.1,,::1",  "[::1",
                                      "[::1]x",       "300.1.1.1",       "10.0.0.0/"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (guard_check_list(good[i]) < 0)
            fail_msg("'%s' should be readable", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (guard_check_list(bad[i]) == 0)
            fail_msg("'%s' should be refused", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_public_addresses_pass_an_empty_list),
        cmocka_unit_test(the_list_opens_what_it_names_and_nothing_else),
        cmocka_unit_test(other_address_families_are_refused),
        cmocka_unit_test(a_list_that_cannot_be_read_is_found_out_at_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
