#include "live/packet.h"

#include <string.h>

#define RECORD_SEPARATOR 0x1e
#define MAX_DIGITS 9 /* of a packet's length */

/* ---- Engine.IO ---- */

/* Bytes and UTF-16 units of the character that begins with c. */
static size_t char_bytes(char c)
{
    unsigned char u = (unsigned char)c;

    return u < 0x80 ? 1 : u < 0xe0 ? 2 : u < 0xf0 ? 3 : 4;
}

static size_t char_units(char c) { return char_bytes(c) == 4 ? 2 : 1; }

size_t utf16_length(const char *s, size_t len)
{
    size_t units = 0;

    for (size_t i = 0; i < len; i += char_bytes(s[i]))
        units += char_units(s[i]);
    return units;
}

void eio_add(struct str *body, int version, const char *packet, size_t len)
{
    if (version == 3)
        str_addf(body, "%zu:", utf16_length(packet, len));
    else if (body->len)
        str_putc(body, RECORD_SEPARATOR);
    str_add(body, packet, len);
}

static int next_counted(const char **packet, size_t *len, const char **at, const char *end)
{
    const char *p = *at;
    size_t units = 0;

    if (p == end)
        return 0;
    while (p < end && *p >= '0' && *p <= '9' && p - *at < MAX_DIGITS)
        units = units * 10 + (size_t)(*p++ - '0');
    if (p == *at || p == end || *p++ != ':' || units == 0)
        return -1;
    *packet = p;
    while (units) {
        if (p >= end || char_units(*p) > units)
            return -1;
        units -= char_units(*p);
        p += char_bytes(*p);
    }
    *len = (size_t)(p - *packet);
    *at = p;
    return 1;
}

/* *at is behind end once the last packet has been given out. */
static int next_separated(const char **packet, size_t *len, const char **at, const char *end)
{
    const char *stop;

    if (*at > end)
        return 0;
    stop = memchr(*at, RECORD_SEPARATOR, (size_t)(end - *at));
    *packet = *at;
    *len = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end + 1;
    return *len ? 1 : -1;
}

int eio_next(const char **packet, size_t *len, const char **at, const char *end, int version)
{
    return version == 3 ? next_counted(packet, len, at, end) : next_separated(packet, len, at, end);
}

/* ---- Socket.IO ---- */

int sio_parse(struct sio_packet *out, const char *s, size_t len)
{
    const char *end = s + len;

    if (!len || *s < SIO_CONNECT || *s > SIO_ERROR)
        return -1;
    *out = (struct sio_packet){.type = *s++};
    if (s < end && *s == '/') {
        const char *comma = memchr(s, ',', (size_t)(end - s));

        out->space = s;
        out->space_len = (size_t)((comma ? comma : end) - s);
        s = comma ? comma + 1 : end;
    }
    while (s < end && *s >= '0' && *s <= '9') /* of an acknowledgement, which nobody gives */
        s++;
    out->data = s;
    out->data_len = (size_t)(end - s);
    return 0;
}

bool sio_is_default(const struct sio_packet *p)
{
    /* a query may follow: "/?token=..." */
    return !p->space_len || p->space_len == 1 || p->space[1] == '?';
}

void sio_add_event(struct str *b, const char *name, const char *json)
{
    bool is_list = json && !strcmp(name, "assembly_result_finished");

    str_putc(b, EIO_MESSAGE);
    str_putc(b, SIO_EVENT);
    str_putc(b, '[');
    str_add_json(b, name);
    if (json) {
        str_putc(b, ',');
        str_puts(b, is_list ? json + 1 : json); /* the list goes on with its own elements */
    }
    if (!is_list)
        str_putc(b, ']');
}
