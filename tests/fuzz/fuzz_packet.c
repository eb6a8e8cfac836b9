/* Bodies of polling requests, and the Socket.IO packets in them. */
#include "fuzz.h"
#include "live/packet.h"

#include <string.h>

/* What we write ourselves we read again as it was. */
static void round_trip(const char *packet, size_t len, int version)
{
    AUTO(str_done) struct str body = {0};
    const char *got, *at;
    size_t got_len;

    eio_add(&body, version, packet, len);
    at = body.s;
    CHECK(eio_next(&got, &got_len, &at, body.s + body.len, version) == 1);
    CHECK(got_len == len && !memcmp(got, packet, len));
    CHECK(eio_next(&got, &got_len, &at, body.s + body.len, version) == 0);
}

static void socket_packet(const char *s, size_t len)
{
    struct sio_packet p;

    if (sio_parse(&p, s, len) < 0)
        return;
    CHECK(p.type >= '0' && p.type <= '6');
    CHECK(!p.space_len || (p.space >= s && p.space + p.space_len <= s + len && *p.space == '/'));
    CHECK(p.data >= s && p.data + p.data_len <= s + len);
    (void)sio_is_default(&p);
    struct err err;
    json_decref(json_parse(p.data, p.data_len, 20, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    int version = 3 + (int)take_below(&b, 2), rc;
    size_t n = b.left, packet_len;
    AUTO(mem_free) char *body = take_rest(&b);
    const char *at = body, *end = body + n, *packet;

    if (!utf8_valid(body, n))
        return 0;
    (void)utf16_length(body, n);
    while ((rc = eio_next(&packet, &packet_len, &at, end, version)) == 1) {
        CHECK(packet >= body && packet + packet_len <= end && at > body && at <= end + 1);
        if (packet_len && !memchr(packet, 0x1e, packet_len))
            round_trip(packet, packet_len, version);
        if (packet_len && *packet == EIO_MESSAGE)
            socket_packet(packet + 1, packet_len - 1);
    }
    CHECK(rc == 0 || rc == -1);
    socket_packet(body, n);
    return 0;
}
