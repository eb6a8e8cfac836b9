#include "live/packet.h"
#include "unit.h"

#include <string.h>

static void lengths_count_as_javascript_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t units;
    } cases[] = {{"", 0}, {"abc", 3}, {"\xc3\xa9", 1}, {"\xe2\x82\xac", 1}, {"\xf0\x9f\x98\x80", 2},
                 {"a\xf0\x9f\x98\x80" "b", 4}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(utf16_length(cases[i].text, strlen(cases[i].text)), cases[i].units);
}

static void packets_come_back_as_they_were_put_in(void **state)
{
    (void)state;
    static const char *const packets[] = {"40", "42[\"h\xc3\xa9llo\",\"\xf0\x9f\x98\x80\"]", "2", "6"};

    for (int version = 3; version <= 4; version++) {
        AUTO(str_done) struct str body = {0};
        const char *at, *packet;
        size_t len;

        for (size_t i = 0; i < ARRAY_LEN(packets); i++)
            eio_add(&body, version, packets[i], strlen(packets[i]));
        at = body.s;
        for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
            assert_int_equal(eio_next(&packet, &len, &at, body.s + body.len, version), 1);
            assert_int_equal(len, strlen(packets[i]));
            assert_memory_equal(packet, packets[i], len);
        }
        assert_int_equal(eio_next(&packet, &len, &at, body.s + body.len, version), 0);
    }
}

static void the_bytes_of_both_versions_are_the_contract_s(void **state)
{
    (void)state;
    AUTO(str_done) struct str three = {0};
    AUTO(str_done) struct str four = {0};

    eio_add(&three, 3, "42[\"\xf0\x9f\x98\x80\"]", 10);
    eio_add(&three, 3, "2", 1);
    assert_string_equal(three.s, "8:42[\"\xf0\x9f\x98\x80\"]1:2");
    eio_add(&four, 4, "40", 2);
    eio_add(&four, 4, "2", 1);
    assert_string_equal(four.s, "40\x1e" "2");
}

static void bad_bodies_are_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *body;
        int good; /* packets before it turns bad */
    } cases[] = {
        {3, "x", 0},          {3, ":2", 0},           {3, "1", 0},     {3, "5:2", 0},
        {3, "0:", 0},         {3, "1:2x", 1},         {3, "1:2-1:2", 1}, {3, "99999999999999999999:2", 0},
        {3, "1:\xf0\x9f\x98\x80", 0}, /* half a character */
        {4, "", 0},           {4, "2\x1e", 1},        {4, "\x1e" "2", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *at = cases[i].body, *end = at + strlen(at), *packet;
        size_t len;

        for (int n = 0; n < cases[i].good; n++)
            assert_int_equal(eio_next(&packet, &len, &at, end, cases[i].version), 1);
        assert_int_equal(eio_next(&packet, &len, &at, end, cases[i].version), -1);
    }
}

static void socket_io_packets_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        char type;
        bool is_default;
        const char *data;
    } cases[] = {
        {"2[\"a\"]", 0, SIO_EVENT, true, "[\"a\"]"},
        {"2/,[\"a\"]", 0, SIO_EVENT, true, "[\"a\"]"},
        {"213[\"a\"]", 0, SIO_EVENT, true, "[\"a\"]"},
        {"2/admin,7[1]", 0, SIO_EVENT, false, "[1]"},
        {"0", 0, SIO_CONNECT, true, ""},
        {"0{\"token\":1}", 0, SIO_CONNECT, true, "{\"token\":1}"},
        {"0/?x=1,", 0, SIO_CONNECT, true, ""},
        {"0/admin", 0, SIO_CONNECT, false, ""},
        {"1", 0, SIO_DISCONNECT, true, ""},
        {"", -1, 0, true, ""},
        {"51-[1]", -1, 0, true, ""},
        {"9", -1, 0, true, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sio_packet p;

        assert_int_equal(sio_parse(&p, cases[i].text, strlen(cases[i].text)), cases[i].rc);
        if (cases[i].rc < 0)
            continue;
        assert_int_equal(p.type, cases[i].type);
        assert_int_equal(sio_is_default(&p), cases[i].is_default);
        assert_int_equal(p.data_len, strlen(cases[i].data));
        assert_memory_equal(p.data, cases[i].data, p.data_len);
    }
}

static void events_have_the_arguments_that_clients_expect(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json, *text;
    } cases[] = {
        {"assembly_finished", NULL, "42[\"assembly_finished\"]"},
        {"assembly_upload_finished", "{\"id\":\"a\"}", "42[\"assembly_upload_finished\",{\"id\":\"a\"}]"},
        {"assembly_result_finished", "[\"small\",{\"id\":\"a\"}]",
         "42[\"assembly_result_finished\",\"small\",{\"id\":\"a\"}]"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(str_done) struct str b = {0};

        sio_add_event(&b, cases[i].name, cases[i].json);
        assert_string_equal(b.s, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_as_javascript_does),
        cmocka_unit_test(packets_come_back_as_they_were_put_in),
        cmocka_unit_test(the_bytes_of_both_versions_are_the_contract_s),
        cmocka_unit_test(bad_bodies_are_refused),
        cmocka_unit_test(socket_io_packets_are_taken_apart),
        cmocka_unit_test(events_have_the_arguments_that_clients_expect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
