#include "http/guard.h"
#include "base/auto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Every address is handled as 16 bytes; IPv4 lives in ::ffff:0:0/96. */
struct net {
    unsigned char addr[16];
    int bits;
    int port; /* 0: any */
};

#define MAPPED_BITS 96
static const unsigned char mapped_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

/* Addresses that no public server has, from the IANA special-purpose registries. */
static const struct {
    const char *net;
    int bits;
} refused4[] = {
    {"0.0.0.0", 8},       /* this host; Linux connects to loopback */
    {"10.0.0.0", 8},      /* private */
    {"100.64.0.0", 10},   /* carrier-grade NAT */
    {"127.0.0.0", 8},     /* loopback */
    {"169.254.0.0", 16},  /* link-local, cloud metadata */
    {"172.16.0.0", 12},   /* private */
    {"192.0.0.0", 24},    /* protocol assignments */
    {"192.0.2.0", 24},    /* documentation */
    {"192.88.99.0", 24},  /* 6to4 relay */
    {"192.168.0.0", 16},  /* private */
    {"198.18.0.0", 15},   /* benchmarking */
    {"198.51.100.0", 24}, /* documentation */
    {"203.0.113.0", 24},  /* documentation */
    {"224.0.0.0", 4},     /* multicast */
    {"240.0.0.0", 4},     /* reserved, broadcast */
};
static const struct {
    const char *net;
    int bits;
} refused6[] = {
    {"::", 96},           /* unspecified, loopback, IPv4-compatible */
    {"::ffff:0:0:0", 96}, /* IPv4-translated (RFC 2765) */
    {"64:ff9b:1::", 48},  /* local NAT64: what it reaches is not known here */
    {"100::", 64},        /* discard */
    {"2001::", 23},       /* protocol assignments: Teredo, benchmarking, ORCHID */
    {"2001:db8::", 32},   /* documentation */
    {"3fff::", 20},       /* documentation */
    {"5f00::", 16},       /* segment routing */
    {"fc00::", 7},        /* unique local */
    {"fe80::", 10},       /* link-local */
    {"fec0::", 10},       /* site-local, of old */
    {"ff00::", 8},        /* multicast */
};

static bool in_net(const unsigned char *a, const unsigned char *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;

    return !memcmp(a, net, (size_t)whole) &&
           (!rest || !((a[whole] ^ net[whole]) & (unsigned char)(0xFF << (8 - rest))));
}

static bool is_mapped(const unsigned char *a) { return !memcmp(a, mapped_prefix, 12); }

static void map4(unsigned char *out, const unsigned char *four)
{
    memcpy(out, mapped_prefix, 12);
    memcpy(out + 12, four, 4);
}

/* The IPv4 address that a translated IPv6 address leads to. */
static bool embedded4(unsigned char *out, const unsigned char *a)
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xFF, 0x9B};

    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4, RFC 3056 */
        map4(out, a + 2);
    else if (!memcmp(a, nat64, 12)) /* RFC 6052 */
        map4(out, a + 12);
    else
        return false;
    return true;
}

static bool is_public(const unsigned char *a)
{
    unsigned char net[16], inner[16];

    if (is_mapped(a)) {
        for (size_t i = 0; i < ARRAY_LEN(refused4); i++)
            if (inet_pton(AF_INET, refused4[i].net, net) != 1 ||
                in_net(a + 12, net, refused4[i].bits))
                return false;
        return true;
    }
    if (embedded4(inner, a))
        return is_public(inner);
    for (size_t i = 0; i < ARRAY_LEN(refused6); i++)
        if (inet_pton(AF_INET6, refused6[i].net, net) != 1 || in_net(a, net, refused6[i].bits))
            return false;
    return true;
}

/* A decimal number without sign or space, at most max. */
static bool guard_number(int *out, const char *s, int max)
{
    char *end;

    if (*s < '0' || *s > '9')
        return false;
    long n = strtol(s, &end, 10);
    if (*end || n > max)
        return false;
    *out = (int)n;
    return true;
}

/* ADDRESS, ADDRESS/BITS, IPV4:PORT, [IPV6], [IPV6]:PORT, [IPV6/BITS]:PORT, IPV4/BITS:PORT */
static int parse_entry(struct net *out, const char *s, size_t len)
{
    char text[80], *addr = text, *bits, *port = NULL;
    unsigned char four[4];

    if (!len || len >= sizeof text)
        return -1;
    memcpy(text, s, len);
    text[len] = 0;
    *out = (struct net){.bits = 128};
    if (*text == '[') {
        char *close = strchr(++addr, ']');

        if (!close || (close[1] && close[1] != ':'))
            return -1;
        *close = 0;
        if (close[1])
            port = close + 2;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':'); /* one colon: never an IPv6 address */
        *port++ = 0;
    }
    if (port && (!guard_number(&out->port, port, 65535) || !out->port))
        return -1;
    if ((bits = strchr(addr, '/')))
        *bits++ = 0;
    if (inet_pton(AF_INET, addr, four) == 1) {
        map4(out->addr, four);
        if (bits && !guard_number(&out->bits, bits, 32))
            return -1;
        if (bits)
            out->bits += MAPPED_BITS;
        return 0;
    }
    if (inet_pton(AF_INET6, addr, out->addr) != 1 || (bits && !guard_number(&out->bits, bits, 128)))
        return -1;
    return 0;
}

/* The next entry of the list without blanks around it; false at the end. */
static bool next_entry(const char **s, size_t *len, const char **list)
{
    const char *p = *list;

    if (!*p)
        return false;
    p += strspn(p, " \t");
    *s = p;
    p += strcspn(p, ",");
    *list = p + (*p == ',');
    *len = (size_t)(p - *s);
    while (*len && strchr(" \t", (*s)[*len - 1]))
        --*len;
    return true;
}

static bool guard_is_listed(const unsigned char *a, int port, const char *allow)
{
    const char *s;
    size_t len;
    struct net net;

    while (next_entry(&s, &len, &allow)) {
        if (len == 1 && *s == '*')
            return true;
        if (len == 9 && !memcmp(s, "localhost", 9)) {
            static const unsigned char loop6[16] = {[15] = 1};
            if (!memcmp(a, loop6, 16) || (is_mapped(a) && a[12] == 127))
                return true;
            continue;
        }
        if (parse_entry(&net, s, len) == 0 && (!net.port || net.port == port) &&
            in_net(a, net.addr, net.bits))
            return true;
    }
    return false;
}

bool guard_allows(const struct sockaddr *addr, const char *allow)
{
    unsigned char a[16], inner[16];
    int port;

    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof in);
        map4(a, (const unsigned char *)&in.sin_addr);
        port = ntohs(in.sin_port);
    } else if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in;

        memcpy(&in, addr, sizeof in);
        memcpy(a, &in.sin6_addr, 16);
        port = ntohs(in.sin6_port);
    } else {
        return false; /* AF_UNIX and whatever else */
    }
    /* Whoever allows 10.0.0.0/8 means the translated form of it too. */
    return is_public(a) || guard_is_listed(a, port, allow) ||
           (embedded4(inner, a) && guard_is_listed(inner, port, allow));
}

int guard_check_list(const char *allow)
{
    const char *s;
    size_t len;
    struct net net;

    if (!allow[strspn(allow, " \t")])
        return 0;
    while (next_entry(&s, &len, &allow))
        if (!(len == 1 && *s == '*') && !(len == 9 && !memcmp(s, "localhost", 9)) &&
            parse_entry(&net, s, len) < 0)
            return -1;
    return 0;
}
